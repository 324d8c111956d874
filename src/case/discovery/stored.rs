//! What discovery remembers between its runs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::case::record::{RecordError, VERSION};
use crate::case::times::Times;
use crate::domain::{ClusterId, ClusterKey, PowerVerb, ScopeOperation, SubscriptionId};

/// Clusters that are remembered as down without a named stop. Of more of them the log is waited for anew each time.
pub const UNNAMED_MAX: usize = 2_000;

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
    /// Clusters that are down and whose stop the activity log does not name, each with the time it was first seen so.
    #[serde(default)]
    pub unnamed: BTreeMap<ClusterKey, Timestamp>,
    /// Stops that discovery found before any event of them, ever.
    #[serde(default)]
    pub found: u64,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// How a run ended.
#[derive(Debug)]
pub struct RunEnd<'a> {
    /// What went wrong first.
    pub failure: Option<&'a str>,
    /// When Resource Graph wants to be asked again, if it said so.
    pub not_before: Option<Timestamp>,
    /// The clusters without a named stop, as of now.
    pub unnamed: BTreeMap<ClusterKey, Timestamp>,
    /// For some of them the log may only be behind.
    pub is_log_behind: bool,
    /// Stops that got a case.
    pub found: usize,
    /// Clusters are left that nobody looked into yet.
    pub is_cut: bool,
}

/// Discovery fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Since when.
    pub since: Timestamp,
    /// Why, at first: Azure's words differ in each answer, and people are not to be told anew for that. The log has them all.
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
            unnamed: BTreeMap::new(),
            found: 0,
            unknown: Map::new(),
        }
    }

    /// A run ended. The next is due a period after this one began; sooner where something failed or the log is waited for, and at
    /// once where clusters are left that nobody looked into; but not before Resource Graph wants to be asked again.
    pub fn end(&mut self, end: RunEnd<'_>, began_at: Timestamp, times: &Times) {
        self.failing = end.failure.map(|why| {
            let first = self.failing.take();
            first.unwrap_or_else(|| Failing { since: began_at, why: why.to_owned() })
        });
        self.unnamed = end.unnamed;
        self.found = self.found.saturating_add(u64::try_from(end.found).unwrap_or(u64::MAX));
        let is_hurried = end.failure.is_some() || end.is_log_behind;
        let pause = if is_hurried {
            times.log_every.min(times.discover_every)
        } else if end.is_cut {
            SignedDuration::ZERO
        } else {
            times.discover_every
        };
        self.next_at = (began_at + pause).max(end.not_before.unwrap_or(began_at));
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
    /// Up to when the activity log has told of all stops; none before it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log_told_until: Option<Timestamp>,
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
            log_told_until: None,
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

    /// Since when the activity log has to be asked for stops: what was stopped before is in the baseline, or was told.
    pub fn log_due_since(&self) -> Timestamp {
        self.log_told_until.unwrap_or(self.taken_at)
    }

    /// The log has told of all stops up to then.
    pub fn log_told(&mut self, until: Timestamp) {
        self.log_told_until = Some(until.max(self.log_due_since()));
    }

    /// The clusters in it that were stopped since [`Baseline::log_due_since`]: they must have come up in between, whether or not
    /// anybody saw it. A start alone proves nothing: it may have failed.
    pub fn stopped_again(&self, operations: &[ScopeOperation]) -> BTreeSet<ClusterKey> {
        let stops = operations.iter().filter(|told| {
            told.operation.verb == PowerVerb::Stop && told.operation.began_at > self.log_due_since()
        });
        stops.filter(|told| self.has(&told.cluster)).map(|told| told.cluster.key()).collect()
    }

    /// These came up since: a later stop of them counts.
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

pub(super) fn decode<D: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<D, RecordError> {
    let damaged = |error: serde_json::Error| RecordError::Damaged(error.to_string());
    let version: WireVersion = serde_json::from_slice(bytes).map_err(damaged)?;
    if version.min_writer > VERSION {
        return Err(RecordError::Newer { min_writer: version.min_writer });
    }
    serde_json::from_slice(bytes).map_err(damaged)
}
