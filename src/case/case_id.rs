//! The name of a case.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::ClusterKey;

/// Names one case: `<cluster key>-<generation>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CaseId(String);

impl CaseId {
    /// The id of the case that `generation` of a cluster's record opened.
    pub fn new(key: &ClusterKey, generation: u64) -> Self {
        Self(format!("{key}-{generation}"))
    }

    /// Whether an incident with this id is one of the case's: its own, or one beside it like `<case>-claims`.
    pub fn has_incident(&self, incident: &str) -> bool {
        incident.strip_prefix(&self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
