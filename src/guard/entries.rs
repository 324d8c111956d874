//! Which cases end sweeps (rule 26). What a sweep is about to work on is written down first and taken back after it; what a dead
//! process left behind is suspected, worked on alone, and after three deaths left to people.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::ClusterKey;
use crate::store::{PathName, StatePath};

use super::Guard;
use super::open_work::OpenWork;
use super::records::GuardError;

/// A case that ended this many sweeps is left to people.
const KILLS_MAX: u32 = 3;
/// A sweep's entry that is older than this is a dead process's: a sweep starts nothing after 90 s, and one case takes at most the
/// time-outs of its calls.
const DEAD_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// Entries that a suspicion remembers. A case is left to people after three, and they are gone soon after they were counted.
const COUNTED_MAX: usize = 16;
const SWEEP_PREFIX: &str = "sweep-";
const CASE_PREFIX: &str = "case-";

/// What a sweep is working on.
#[derive(Debug, Serialize, Deserialize)]
struct SweepEntry {
    /// When it began, on Azure's clock.
    at: Timestamp,
    cases: Vec<ClusterKey>,
}

/// How often a case ended a sweep.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Suspicion {
    kills: u32,
    /// The names of dead sweeps' entries that are counted in it, the newest last. Two sweeps may find one entry.
    #[serde(default)]
    counted: Vec<String>,
}

/// The cases that are suspected, and how often each ended a sweep.
#[derive(Debug, Default)]
pub(super) struct Suspects(BTreeMap<ClusterKey, u32>);

impl Suspects {
    /// Whether a case is left to people.
    pub(super) fn is_quarantined(&self, key: &ClusterKey) -> bool {
        self.0.get(key).is_some_and(|kills| *kills >= KILLS_MAX)
    }

    /// Whether a case has to be worked on alone.
    pub(super) fn is_suspected(&self, key: &ClusterKey) -> bool {
        self.0.contains_key(key)
    }

    /// What people are told.
    pub(super) fn faults(&self) -> Vec<String> {
        let quarantined: BTreeSet<_> = self.0.iter().filter(|(_, kills)| **kills >= KILLS_MAX).collect();
        quarantined
            .iter()
            .map(|(key, kills)| format!("`clusters/{key}.json` ended {kills} sweeps; it is not worked on until `open/0-entries/case-{key}.json` is deleted"))
            .collect()
    }
}

/// The entry of a sweep that goes on.
pub(super) struct Entry(StatePath);

impl Guard {
    /// Reads who is suspected, and suspects the cases that a dead process was working on. Cases without a marker are over: they end
    /// no sweep any more.
    pub(super) async fn suspects(&self, open: &OpenWork) -> Result<Suspects, GuardError> {
        let mut suspects = Suspects::default();
        for entry in &open.entries {
            let (name, path) = (entry.as_str(), StatePath::entry(entry));
            if let Some(key) = name.strip_prefix(CASE_PREFIX).and_then(ClusterKey::parse) {
                if !open.cases.contains_key(&key) {
                    self.clear(&key).await?;
                    continue;
                }
                let kills = self.kills(&key).await?;
                let known = suspects.0.entry(key).or_default();
                *known = (*known).max(kills);
            } else if !name.starts_with(SWEEP_PREFIX) {
                self.0.foreign.name_once(&path, "it is no sweep's entry");
            } else if let Some(left) = self.left_behind(&path).await? {
                for key in left.cases.into_iter().filter(|key| open.cases.contains_key(key)) {
                    let kills = self.suspect(&key, Some(entry)).await?;
                    suspects.0.insert(key, kills);
                }
                self.0.store.delete(&path).await?;
            }
        }
        Ok(suspects)
    }

    /// What a dead process was working on; `None` if the process may be alive.
    async fn left_behind(&self, path: &StatePath) -> Result<Option<SweepEntry>, GuardError> {
        let Some(stored) = self.0.store.read(path).await? else { return Ok(None) };
        let entry = serde_json::from_slice::<SweepEntry>(&stored.bytes).ok();
        Ok(entry.filter(|entry| self.now().duration_since(entry.at) > DEAD_AFTER))
    }

    async fn kills(&self, key: &ClusterKey) -> Result<u32, GuardError> {
        let Some(path) = case_entry(key) else { return Ok(0) };
        Ok(self.suspicion(&path).await?.map_or(1, |suspicion| suspicion.kills))
    }

    /// What is written down of a case. One that can't be read stands for one end.
    async fn suspicion(&self, path: &StatePath) -> Result<Option<Suspicion>, GuardError> {
        let Some(stored) = self.0.store.read(path).await? else { return Ok(None) };
        let known = serde_json::from_slice(&stored.bytes);
        Ok(Some(known.unwrap_or(Suspicion { kills: 1, counted: Vec::new() })))
    }

    /// A case ended a sweep: this process's own, or the dead one whose entry this is. Returns how often that has happened.
    pub(super) async fn suspect(&self, key: &ClusterKey, dead: Option<&PathName>) -> Result<u32, GuardError> {
        let Some(path) = case_entry(key) else { return Ok(0) };
        let mut known = self.suspicion(&path).await?.unwrap_or_default();
        if dead.is_some_and(|dead| known.counted.iter().any(|counted| counted == dead.as_str())) {
            return Ok(known.kills);
        }
        known.kills = known.kills.saturating_add(1);
        known.counted.extend(dead.map(|dead| dead.as_str().to_owned()));
        let oldest = known.counted.len().saturating_sub(COUNTED_MAX);
        known.counted.drain(..oldest);
        let kills = known.kills;
        self.0.store.put(&path, serde_json::to_vec(&known).unwrap_or_default()).await?;
        tracing::error!(case = %key, kills, "a case ended a sweep");
        Ok(kills)
    }

    /// A suspected case was worked on alone and did no harm.
    pub(super) async fn clear(&self, key: &ClusterKey) -> Result<(), GuardError> {
        match case_entry(key) {
            Some(path) => Ok(self.0.store.delete(&path).await?),
            None => Ok(()),
        }
    }

    /// Writes down what is about to be worked on.
    pub(super) async fn enter(&self, cases: Vec<ClusterKey>) -> Result<Option<Entry>, GuardError> {
        let Some(name) = PathName::parse(&format!("{SWEEP_PREFIX}{}", self.nonce())) else {
            return Ok(None);
        };
        if cases.is_empty() {
            return Ok(None);
        }
        let path = StatePath::entry(&name);
        let body = serde_json::to_vec(&SweepEntry { at: self.now(), cases }).unwrap_or_default();
        self.0.store.put(&path, body).await?;
        Ok(Some(Entry(path)))
    }

    /// Takes it back.
    pub(super) async fn leave(&self, entry: Option<Entry>) -> Result<(), GuardError> {
        match entry {
            Some(Entry(path)) => Ok(self.0.store.delete(&path).await?),
            None => Ok(()),
        }
    }
}

fn case_entry(key: &ClusterKey) -> Option<StatePath> {
    PathName::parse(&format!("{CASE_PREFIX}{key}")).map(|name| StatePath::entry(&name))
}
