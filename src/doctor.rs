//! Whether a deployed guard works: what answers of Azure, of the store and of the sinks mean, and how to mend what they show. Pure: the
//! command asks, this judges.

use serde::Serialize;

use crate::posture::Unread;

mod access;
mod events;
mod guard;
mod table;

pub use access::{Asker, GroupRights, Listed, arm_read, denials, groups, listed, locks, may_start};
pub use events::{events, topics};
pub use guard::{clock, heartbeat, hold};
pub use table::{summary, table};

/// How something stands. The order is from well to ill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It works.
    Ok,
    /// It could not be seen.
    Unknown,
    /// It works now, or in part.
    Warning,
    /// The guard can't do its work.
    Fault,
}

impl Standing {
    /// As a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

/// What a check saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check. The names are part of the interface.
    pub check: &'static str,
    /// A subscription or a sink; empty if there is only one of it.
    pub about: String,
    /// How it stands.
    pub standing: Standing,
    /// What was seen.
    pub seen: String,
    /// Commands that mend it, or show how. Words in capitals that begin with `YOUR_` are to be replaced.
    pub mend: Vec<String>,
}

impl Finding {
    /// Something that was seen.
    pub fn new(check: &'static str, standing: Standing, seen: impl Into<String>) -> Self {
        Self { check, about: String::new(), standing, seen: seen.into(), mend: Vec::new() }
    }

    /// Of which subscription or sink.
    #[must_use]
    pub fn about(self, about: impl ToString) -> Self {
        Self { about: about.to_string(), ..self }
    }

    /// A command that mends it.
    #[must_use]
    pub fn mend(mut self, command: impl Into<String>) -> Self {
        self.mend.push(command.into());
        self
    }

    /// What could not be read: the right that is missing, or what happened.
    fn unread(check: &'static str, subscription: &str, why: &Unread, action: &str) -> Self {
        let found = |seen: String| Self::new(check, Standing::Unknown, seen).about(subscription);
        match why {
            Unread::Denied => found(format!("the right `{action}` is missing"))
                .mend(format!("az role assignment create --role Reader --assignee YOUR_OBJECT_ID --scope /subscriptions/{subscription}")),
            Unread::Gone => found("not there".to_owned()),
            Unread::Failed(why) => found(why.clone()),
        }
    }
}
