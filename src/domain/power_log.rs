//! Starts and stops of one cluster, as the activity log tells them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::caller::Caller;

/// Which power operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PowerVerb {
    /// `managedClusters/start/action`.
    Start,
    /// `managedClusters/stop/action`.
    Stop,
}

/// One start or stop that ARM accepted, put together from its records (`Started`, `Accepted`, `Succeeded`, ...), which
/// share an operation id. Operations that were refused are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerOperation {
    /// Start or stop.
    pub verb: PowerVerb,
    /// `eventTimestamp` of its first record: when it was asked for.
    pub began_at: Timestamp,
    /// `eventTimestamp` of its last record so far.
    pub last_seen_at: Timestamp,
    /// Who asked for it.
    pub caller: Caller,
    /// Correlation id. Not unique: all operations of one deployment share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Operation id: one value an operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<String>,
}

/// What the log said when it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogReading {
    /// Accepted power operations, the newest (by `began_at`) first.
    pub operations: Vec<PowerOperation>,
}
