//! The timer's work: cases that are due, markers left behind, bulletins (rules 6, 19, 26).

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use jiff::{SignedDuration, Timestamp};

use crate::case::record::Record;
use crate::case::{BulletinKey, Episode, outbox};
use crate::domain::{ClusterId, ClusterKey};
use crate::store::{OpenMarker, Prefix, StatePath};

use super::Guard;
use super::closing::marker_of;
use super::records::{GuardError, Loaded, Saved, load, save};

/// Cases worked on at the same time.
const PARALLEL_CASES: usize = 32;
/// Markers that one sweep looks at, in the order of their clusters' keys: with more open cases than this, those at the end
/// wait until others are closed.
const MARKERS_MAX: usize = 50_000;
/// However late a case says it is due, its record is read this often: another process may have changed it.
const READ_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// A sweep starts nothing new after this: the next is not to be kept waiting.
const SWEEP_BUDGET: Duration = Duration::from_secs(90);

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Open cases.
    pub open: usize,
    /// Those that were due.
    pub due: usize,
    /// Those that could not be worked on, and why.
    pub failed: Vec<String>,
}

/// Why a case could not be worked on.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Failed(GuardError),
    #[error("case `{0}` panicked")]
    Panicked(ClusterKey),
}

impl Guard {
    /// Finishes what is due. Two at once are harmless, and one broken case does not stop the others (rule 26).
    ///
    /// # Errors
    /// If the open cases can't be listed.
    pub async fn sweep(&self) -> Result<Swept, GuardError> {
        let markers = self.open_markers().await?;
        let suspects = self.suspects(&markers).await?;
        let mut swept = Swept { open: markers.len(), ..Swept::default() };
        let now = self.now();
        let due =
            markers.into_iter().filter(|(key, _)| self.is_due(key, now) && !suspects.is_quarantined(key));
        let (alone, mut together): (Vec<_>, Vec<_>) = due.partition(|(key, _)| suspects.is_suspected(key));
        // Who waited longest comes first: a sweep that runs out of time must not pass the same ones over each time.
        together.sort_by_cached_key(|(key, _)| self.due_at(key));
        swept.due = alone.len() + together.len();
        let began = self.0.clock.since_boot();
        swept.failed = self.sweep_together(together, began).await?;
        for (key, generations) in alone {
            if !self.is_out_of_time(began) {
                swept.failed.extend(self.sweep_alone(key, generations).await?);
            }
        }
        swept.failed.extend(self.tell_what_is_wrong(&suspects.faults()).await);
        swept.failed.extend(self.tell_holds().await);
        swept.failed.extend(self.look_after_bulletins().await?);
        Ok(swept)
    }

    /// What is wrong with the guard itself. Returns what could not be told: that must not keep the storms' news back.
    async fn tell_what_is_wrong(&self, quarantined: &[String]) -> Vec<String> {
        let degraded = self.tell_faults(BulletinKey::Degraded, &self.faults()).await;
        let quarantine = self.tell_faults(BulletinKey::Quarantine, quarantined).await;
        [degraded, quarantine].into_iter().filter_map(Result::err).map(|error| error.to_string()).collect()
    }

    fn is_out_of_time(&self, began: Duration) -> bool {
        self.0.clock.since_boot().saturating_sub(began) > SWEEP_BUDGET
    }

    /// Many cases at the same time, none of which is suspected. Returns what went wrong.
    async fn sweep_together(
        &self,
        due: Vec<(ClusterKey, Vec<u64>)>,
        began: Duration,
    ) -> Result<Vec<String>, GuardError> {
        let entry = self.enter(due.iter().map(|(key, _)| key.clone()).collect()).await?;
        let outcomes = stream::iter(due)
            .map(|(key, generations)| async move {
                if self.is_out_of_time(began) {
                    return Ok(());
                }
                self.in_its_own_task(key, generations).await
            })
            .buffer_unordered(PARALLEL_CASES)
            .collect::<Vec<Result<(), Trouble>>>()
            .await;
        self.leave(entry).await?;
        let mut failed = Vec::new();
        for trouble in outcomes.into_iter().filter_map(Result::err) {
            if let Trouble::Panicked(key) = &trouble {
                self.suspect(key).await?;
            }
            failed.push(trouble.to_string());
        }
        Ok(failed)
    }

    /// A suspected case, with nothing else at risk.
    async fn sweep_alone(
        &self,
        key: ClusterKey,
        generations: Vec<u64>,
    ) -> Result<Option<String>, GuardError> {
        let entry = self.enter(vec![key.clone()]).await?;
        let outcome = self.in_its_own_task(key.clone(), generations).await;
        self.leave(entry).await?;
        match outcome {
            Ok(()) => {
                self.clear(&key).await?;
                Ok(None)
            }
            Err(trouble @ Trouble::Panicked(_)) => {
                self.suspect(&key).await?;
                Ok(Some(trouble.to_string()))
            }
            Err(trouble @ Trouble::Failed(_)) => Ok(Some(trouble.to_string())),
        }
    }

    /// The open markers, by cluster.
    async fn open_markers(&self) -> Result<BTreeMap<ClusterKey, Vec<u64>>, GuardError> {
        let mut markers: BTreeMap<ClusterKey, Vec<u64>> = BTreeMap::new();
        let listing = self.0.store.list(&Prefix::open_markers(), MARKERS_MAX).await?;
        for entry in listing.entries {
            match entry.path.as_open_marker() {
                Some(OpenMarker { key, generation }) => markers.entry(key).or_default().push(generation),
                None => tracing::warn!(path = %entry.path, "something lies among the markers that is none"),
            }
        }
        Ok(markers)
    }

    fn is_due(&self, key: &ClusterKey, now: Timestamp) -> bool {
        self.due_at(key).is_none_or(|at| at <= now)
    }

    /// When a case is due; `None` if this process has not read it yet.
    fn due_at(&self, key: &ClusterKey) -> Option<Timestamp> {
        self.0.due.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    /// One case's panic must not end the sweep.
    async fn in_its_own_task(&self, key: ClusterKey, generations: Vec<u64>) -> Result<(), Trouble> {
        let guard = self.clone();
        let of = key.clone();
        let task = tokio::spawn(async move { guard.sweep_one(&of, &generations).await });
        match task.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(case = %key, %error, "a case could not be worked on");
                Err(Trouble::Failed(error))
            }
            Err(_) => Err(Trouble::Panicked(key)),
        }
    }

    async fn sweep_one(&self, key: &ClusterKey, generations: &[u64]) -> Result<(), GuardError> {
        let _flight = self.0.flights.take(key).await;
        let loaded = load(&self.0.store, key, self.0.gate.mode(), self.now()).await?;
        let Some(loaded) = loaded else {
            return self.burn_orphans(key, generations).await;
        };
        let record = self.reconcile(loaded).await?;
        self.forget_leftovers(record, generations).await
    }

    /// Markers without any record: a process died, or is paused, between the two writes. Nothing was acknowledged, so the event
    /// comes again. A record of the marker's generation is made first, so that a paused process can't write a case under a marker
    /// that is about to go (rule 6).
    async fn burn_orphans(&self, key: &ClusterKey, generations: &[u64]) -> Result<(), GuardError> {
        let Some(newest) = generations.iter().copied().max() else { return Ok(()) };
        let marker = StatePath::open_marker(&OpenMarker { key: key.clone(), generation: newest });
        let Some(stored) = self.0.store.read(&marker).await? else { return Ok(()) };
        let id = std::str::from_utf8(&stored.bytes).ok().and_then(|id| ClusterId::parse(id).ok());
        let Some(cluster) = id.filter(|id| id.key() == *key) else {
            tracing::warn!(path = %marker, "a marker without a record names no cluster: it is left alone");
            return Ok(());
        };
        let mut record = Record::new(cluster);
        record.generation = newest;
        if let Saved::Done(_) = save(&self.0.store, &StatePath::cluster(key), &mut record, None).await? {
            self.forget_leftovers(record, generations).await?;
        }
        Ok(())
    }

    /// Markers of older generations go; one above the record's generation is burnt first, so that whoever is about to write a
    /// case under it can't (rule 6, counterexample 4).
    async fn forget_leftovers(&self, mut record: Record, generations: &[u64]) -> Result<(), GuardError> {
        let Some(newest) = generations.iter().copied().max() else { return Ok(()) };
        if newest > record.generation {
            if !matches!(record.episode, Episode::None) {
                return Ok(());
            }
            // What is burnt is the record as it is now: a case that came and went meanwhile may have left messages on it.
            let Some(burnt) = self.burn(&record, newest).await? else { return Ok(()) };
            record = burnt;
        }
        let generation = record.generation;
        let is_over = matches!(record.episode, Episode::None) && record.outbox.is_empty();
        for marker in generations.iter().copied().filter(|g| *g < generation || (*g == generation && is_over))
        {
            let marker = OpenMarker { key: record.cluster.key(), generation: marker };
            self.0.store.delete(&StatePath::open_marker(&marker)).await?;
        }
        Ok(())
    }

    /// The record with that generation; `None` if it has a case or is that far already.
    async fn burn(&self, record: &Record, generation: u64) -> Result<Option<Record>, GuardError> {
        let key = record.cluster.key();
        let Some(Loaded { document: mut fresh, etag }) =
            load(&self.0.store, &key, self.0.gate.mode(), self.now()).await?
        else {
            return Ok(None);
        };
        if fresh.generation >= generation || !matches!(fresh.episode, Episode::None) {
            return Ok(None);
        }
        fresh.generation = generation;
        let saved = save(&self.0.store, &StatePath::cluster(&key), &mut fresh, etag.as_ref()).await?;
        Ok(match saved {
            Saved::Done(_) => Some(fresh),
            Saved::Lost => None,
        })
    }

    /// Remembers when a case wants attention next.
    pub(super) fn remember_due(&self, record: &Record) {
        let now = self.now();
        let case = record.case().map(|case| case.next_at);
        let next = case.into_iter().chain(outbox::next_at(&record.outbox)).min();
        let mut due = self.0.due.lock().unwrap_or_else(PoisonError::into_inner);
        match next {
            Some(next) => {
                due.insert(marker_of(record).key, next.min(now + READ_EVERY));
            }
            None => {
                due.remove(&marker_of(record).key);
            }
        }
    }
}
