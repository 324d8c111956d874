//! What bulletins are about, and their names in the store.

use serde::{Deserialize, Serialize};

use crate::domain::SubscriptionId;

/// What a bulletin is about: there is one of each at a time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "about")]
pub enum BulletinKey {
    /// Many unauthorised stops in one subscription.
    Storm {
        /// Which subscription.
        subscription: SubscriptionId,
    },
    /// The guard itself is broken.
    Degraded,
    /// Some records end the guard's sweeps, and are left to people.
    Quarantine,
    /// Clusters that are down, and nobody can say that they may be.
    Unexplained,
    /// Clusters that were down before the guard first looked.
    Baseline,
    /// Discovery fails: stops whose events get lost are not noticed.
    Discovery,
    /// Incidents of cases that came too many at once for one sink, told to it together.
    Group {
        /// The sink's name.
        sink: String,
    },
    /// A hold: its beginning and its end.
    Hold {
        /// Its id.
        id: String,
    },
}

impl BulletinKey {
    /// Its name in the store.
    pub fn name(&self) -> String {
        match self {
            Self::Storm { subscription } => format!("storm-{subscription}"),
            Self::Degraded => "degraded".to_owned(),
            Self::Quarantine => "quarantine".to_owned(),
            Self::Unexplained => "unexplained".to_owned(),
            Self::Baseline => "baseline".to_owned(),
            Self::Discovery => "discovery".to_owned(),
            Self::Group { sink } => format!("group-{sink}"),
            Self::Hold { id } => format!("hold-{id}"),
        }
    }

    /// Reads its name back; `None` if it isn't one.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "degraded" => return Some(Self::Degraded),
            "quarantine" => return Some(Self::Quarantine),
            "unexplained" => return Some(Self::Unexplained),
            "baseline" => return Some(Self::Baseline),
            "discovery" => return Some(Self::Discovery),
            _ => {}
        }
        if let Some(id) = name.strip_prefix("hold-") {
            return Some(Self::Hold { id: id.to_owned() });
        }
        if let Some(sink) = name.strip_prefix("group-") {
            return Some(Self::Group { sink: sink.to_owned() });
        }
        let subscription = SubscriptionId::parse(name.strip_prefix("storm-")?).ok()?;
        Some(Self::Storm { subscription })
    }
}
