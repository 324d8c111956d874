//! The facts that a verdict was asked with, kept so that the question can be put again: to explain it, or to other policies.

use serde::{Deserialize, Serialize};

use super::verdict::Asker;
use crate::domain::{Cluster, ClusterId};
use crate::policy::{Counts, GrantFacts};

/// What was known beside the stop itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The cluster.
    pub cluster: ClusterId,
    /// What ARM showed of it, tags included; `None` if it could not be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Cluster>,
    /// Rolling counts.
    pub counts: Counts,
    /// The IANA name of the zone of `context.local`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The grant that covered the newest stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantFacts>,
}

impl Asked {
    /// What an asker knows.
    pub(super) fn of(asker: &Asker<'_>, grant: Option<GrantFacts>) -> Self {
        Self {
            cluster: asker.cluster.clone(),
            facts: asker.facts.cloned(),
            counts: asker.counts,
            zone: asker.zone.iana_name().map(str::to_owned),
            grant,
        }
    }
}
