//! What discovery remembers between its runs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::case::record::{RecordError, VERSION};
use crate::domain::{ClusterId, ClusterKey, SubscriptionId};

/// Clusters whose log is waited for at the same time. Others are looked into again at the usual pace.
pub const WAITING_MAX: usize = 2_000;

/// When discovery ran and what it waits for: one for all processes, so that they don't all run it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscoveryState {
    v: u32,
    min_writer: u32,
    /// Who wrote it last (rule 3).
    pub writer: String,
    /// When it is due next. Whoever moves this ahead under the ETag runs it.
    pub next_at: Timestamp,
    /// Since when it fails and why, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// Clusters that are down and whose stop the activity log has not named yet, each with the time it was first seen so.
    #[serde(default)]
    pub waiting: BTreeMap<ClusterKey, Timestamp>,
    /// Stops that discovery found before any event of them, ever.
    #[serde(default)]
    pub found: u64,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// Discovery fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Since when.
    pub since: Timestamp,
    /// Why, at last.
    pub why: String,
}

impl DiscoveryState {
    /// Before the first run: due at once.
    pub fn new(now: Timestamp) -> Self {
        Self {
            v: VERSION,
            min_writer: VERSION,
            writer: String::new(),
            next_at: now,
            failing: None,
            waiting: BTreeMap::new(),
            found: 0,
            unknown: Map::new(),
        }
    }

    /// A run ended well, or for this reason.
    pub fn note_end(&mut self, failure: Option<&str>, now: Timestamp) {
        self.failing = failure.map(|why| Failing {
            since: self.failing.as_ref().map_or(now, |failing| failing.since),
            why: why.to_owned(),
        });
    }

    /// Reads what is stored.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode(bytes)
    }

    /// The bytes to store.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        serde_json::to_vec(self).map_err(|error| RecordError::Damaged(error.to_string()))
    }
}

/// What was down in a subscription when the guard first looked, and has been since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    v: u32,
    min_writer: u32,
    /// Who wrote it last (rule 3).
    pub writer: String,
    /// Which subscription.
    pub subscription: SubscriptionId,
    /// When it was taken.
    taken_at: Timestamp,
    /// Whether people were told of it.
    pub told: bool,
    clusters: Vec<ClusterId>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl Baseline {
    /// Of a subscription that is seen for the first time.
    pub fn new(subscription: SubscriptionId, clusters: Vec<ClusterId>, now: Timestamp) -> Self {
        Self {
            v: VERSION,
            min_writer: VERSION,
            writer: String::new(),
            subscription,
            taken_at: now,
            told: clusters.is_empty(),
            clusters,
            unknown: Map::new(),
        }
    }

    /// When it was taken, on Azure's clock.
    pub fn taken_at(&self) -> Timestamp {
        self.taken_at
    }

    /// The clusters in it.
    pub fn clusters(&self) -> &[ClusterId] {
        &self.clusters
    }

    /// Whether a cluster is in it.
    pub fn has(&self, cluster: &ClusterId) -> bool {
        self.clusters.contains(cluster)
    }

    /// These were seen running: a later stop of them counts.
    pub fn forget(&mut self, up: &BTreeSet<ClusterKey>) {
        self.clusters.retain(|cluster| !up.contains(&cluster.key()));
    }

    /// Reads what is stored.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode(bytes)
    }

    /// The bytes to store.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        serde_json::to_vec(self).map_err(|error| RecordError::Damaged(error.to_string()))
    }
}

#[derive(Deserialize)]
struct WireVersion {
    min_writer: u32,
}

fn decode<D: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<D, RecordError> {
    let damaged = |error: serde_json::Error| RecordError::Damaged(error.to_string());
    let version: WireVersion = serde_json::from_slice(bytes).map_err(damaged)?;
    if version.min_writer > VERSION {
        return Err(RecordError::Newer { min_writer: version.min_writer });
    }
    serde_json::from_slice(bytes).map_err(damaged)
}
