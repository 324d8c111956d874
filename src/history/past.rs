//! Stops of the past, each with the start that ended it.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Caller, ClusterId, PowerVerb, ScopeOperation, ScopeReading};

/// A stop that somebody else undoes within this time looks unwanted: people who find a cluster down act within an hour or have
/// it down for longer, and the guard acts within minutes.
const UNDONE_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// One stop of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastStop {
    /// Which cluster.
    pub cluster: ClusterId,
    /// When it was asked for, on Azure's clock.
    pub at: Timestamp,
    /// By whom.
    pub caller: Caller,
    /// The role that let them, by its name.
    pub role: Option<String>,
    /// The first start after it, if there was one in the time that was read.
    pub started_again: Option<StartedAgain>,
}

/// The start after a stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedAgain {
    /// When it was asked for.
    pub at: Timestamp,
    /// By whom.
    pub caller: Caller,
}

impl PastStop {
    /// The stops in a reading, in order of time.
    pub fn all(reading: &ScopeReading) -> Vec<Self> {
        let mut next_starts: HashMap<&ClusterId, StartedAgain> = HashMap::new();
        let mut stops = Vec::new();
        // From the newest back: the start that was met last is the first one after the stop.
        for ScopeOperation { cluster, operation, role } in reading.operations.iter().rev() {
            match operation.verb {
                PowerVerb::Start => {
                    let start = StartedAgain { at: operation.began_at, caller: operation.caller.clone() };
                    next_starts.insert(cluster, start);
                }
                PowerVerb::Stop => stops.push(Self {
                    cluster: cluster.clone(),
                    at: operation.began_at,
                    caller: operation.caller.clone(),
                    role: role.clone(),
                    started_again: next_starts.get(cluster).cloned(),
                }),
            }
        }
        stops.reverse();
        stops
    }

    /// How long the cluster was down, if it was started again.
    pub fn down_for(&self) -> Option<SignedDuration> {
        self.started_again.as_ref().map(|start| start.at.duration_since(self.at))
    }

    /// Whether somebody else started the cluster again so soon that the stop looks unwanted.
    pub fn was_undone(&self) -> bool {
        self.started_again.as_ref().is_some_and(|start| {
            start.caller.identity() != self.caller.identity()
                && start.at.duration_since(self.at) <= UNDONE_WITHIN
        })
    }
}
