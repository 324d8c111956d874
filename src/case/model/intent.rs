//! A start on its way.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::Scope;

/// What is known of a start that we meant to send. Nothing relies on it but caution (rule 15).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum IntentState {
    /// Written; perhaps sent.
    Planned,
    /// ARM accepted it.
    Sent {
        /// ARM's request id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
    },
    /// Sent, and no answer came: it may have landed.
    Unanswered,
    /// ARM refused it until people mend something.
    Refused {
        /// ARM's error code.
        code: String,
        /// What people should do, where the code alone doesn't say it.
        advice: String,
        /// The locked scope that ARM named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lock: Option<Scope>,
    },
    /// ARM refused it for now: throttled, or another operation was under way.
    PutOff {
        /// ARM's error code.
        code: String,
        /// Not before this, if ARM said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// It never left this process.
    NotSent {
        /// Why.
        why: String,
    },
}

/// A start that we are about to send, or sent: written before the POST (rule 13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Which attempt of the episode, from 1.
    pub n: u32,
    /// Whose it is.
    pub nonce: String,
    /// The look it relies on.
    pub look_at: Timestamp,
    /// After this it is not sent any more.
    pub expires_at: Timestamp,
    /// What came of it.
    pub state: IntentState,
}

impl IntentState {
    /// Whether the start may have reached ARM and been accepted.
    pub fn may_have_landed(&self) -> bool {
        match self {
            Self::Planned | Self::Sent { .. } | Self::Unanswered => true,
            Self::Refused { .. } | Self::PutOff { .. } | Self::NotSent { .. } => false,
        }
    }
}
