//! What the guard may do at all.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the guard may do. Ordered by how much that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Decide and record; nothing reaches ARM's write calls or a sink.
    #[default]
    DryRun,
    /// Tell people; start nothing.
    Notify,
    /// Tell people and start clusters.
    Act,
}

impl Mode {
    /// The word for it in settings and incidents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DryRun => "dry-run",
            Self::Notify => "notify",
            Self::Act => "act",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
