//! The timer's work: cases that are due, markers left behind, discovery, bulletins, the heartbeat (rules 6, 19, 24, 26).

use std::sync::PoisonError;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use jiff::{SignedDuration, Timestamp};

use crate::case::record::Record;
use crate::case::{BulletinKey, Episode, outbox};
use crate::domain::{ClusterId, ClusterKey, Situation, SubscriptionId};
use crate::mutant::Mutant;
use crate::store::{OpenMarker, StatePath};

use super::Guard;
use super::open_work::OpenWork;
use super::order::{Place, in_order};
use super::outbox::wait_a_while;
use super::records::{GuardError, Loaded, Saved, load};

/// Cases worked on at the same time.
const PARALLEL_CASES: usize = 32;
/// Clusters whose messages are delivered at the same time.
const PARALLEL_DELIVERIES: usize = 64;
/// Records whose messages one sweep delivers: they are all in memory then. The next sweep goes on.
const DELIVERIES_MAX: usize = 1_000;
/// However late a case says it is due, its record is read this often: another process may have changed it.
const READ_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// A sweep starts nothing new after this: the next is not to be kept waiting.
const SWEEP_BUDGET: Duration = Duration::from_secs(90);
/// A sweep that took this long leaves discovery to the next: an invocation ends after 120 s, and discovery may take half of that.
const DISCOVERY_BEGINS_WITHIN: Duration = Duration::from_secs(60);

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Open cases.
    pub open: usize,
    /// Those that were due.
    pub due: usize,
    /// Those that wait for people, as far as this process knows.
    pub held: usize,
    /// When the oldest open case was opened.
    pub oldest: Option<Timestamp>,
    /// Stops that discovery found before any event of them had come.
    pub discovered: usize,
    /// What could not be worked on, and why.
    pub failed: Vec<String>,
}

/// When a case wants attention next, as this process last read its record.
#[derive(Debug, Clone)]
pub(super) struct Due {
    at: Timestamp,
    subscription: SubscriptionId,
    is_held: bool,
    /// It could be started when it was last looked at: a start may follow the next look.
    may_start: bool,
    /// Who wrote the record that says so.
    writer: String,
}

/// Why a case could not be worked on, or its messages not delivered.
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
        let began = self.0.clock.since_boot();
        let open = self.open_work().await?;
        let suspects = self.suspects(&open).await?;
        let mut swept = Swept { open: open.cases.len(), oldest: open.oldest(), ..Swept::default() };
        let now = self.now();
        let due = open.cases.iter().map(|(key, generations)| (key.clone(), generations.clone()));
        let due = due.filter(|(key, _)| self.is_due(key, now) && !suspects.is_quarantined(key));
        let (alone, together): (Vec<_>, Vec<_>) = due.partition(|(key, _)| suspects.is_suspected(key));
        let together = in_order(together, |(key, _)| self.place_of(key));
        swept.due = alone.len() + together.len();
        swept.failed = self.sweep_together(together, began).await?;
        for (key, generations) in alone {
            if !self.is_out_of_time(began) {
                swept.failed.extend(self.sweep_alone(key, generations).await?);
            }
        }
        swept.held = self.count_held(&open);
        if self.0.clock.since_boot().saturating_sub(began) <= DISCOVERY_BEGINS_WITHIN {
            let discovered = self.discover_if_due().await;
            swept.discovered = discovered.found;
            swept.failed.extend(discovered.failed);
        }
        swept.failed.extend(self.tell_what_is_wrong(&suspects.faults(), &open).await);
        if open.are_holds {
            swept.failed.extend(self.tell_holds(&open.bulletins).await);
        }
        swept.failed.extend(self.look_after_bulletins(open.bulletins).await);
        swept.failed.extend(self.beat(&swept).await);
        Ok(swept)
    }

    /// What is wrong with the guard itself, or is not any more. Returns what could not be told: that must not keep the storms'
    /// news back.
    async fn tell_what_is_wrong(&self, quarantined: &[String], open: &OpenWork) -> Vec<String> {
        let all = [
            (BulletinKey::Degraded, self.faults()),
            (BulletinKey::Quarantine, quarantined.to_vec()),
            (BulletinKey::Discovery, self.discovery_faults()),
        ];
        let mut failed = Vec::new();
        for (key, faults) in all {
            // Where nothing is wrong and nothing was told there is nothing to read.
            if (!faults.is_empty() || open.bulletins.contains_key(&key))
                && let Err(error) = self.tell_faults(key, &faults).await
            {
                failed.push(error.to_string());
            }
        }
        failed
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
                    return Ok(None);
                }
                self.in_its_own_task(key, generations).await
            })
            .buffer_unordered(PARALLEL_CASES)
            .collect::<Vec<Result<Option<Loaded<Record>>, Trouble>>>()
            .await;
        let mut troubles = Vec::new();
        let mut to_deliver = Vec::new();
        for outcome in outcomes {
            match outcome {
                Ok(current) => to_deliver.extend(current),
                Err(trouble) => troubles.push(trouble),
            }
        }
        // Only now: no sink keeps another case's start waiting.
        to_deliver.truncate(DELIVERIES_MAX);
        troubles.extend(self.deliver_all(to_deliver).await);
        self.leave(entry).await?;
        let mut failed = Vec::new();
        for trouble in troubles {
            if let Trouble::Panicked(key) = &trouble {
                self.suspect(key, None).await?;
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
        let trouble = match self.in_its_own_task(key.clone(), generations).await {
            Ok(current) => self.deliver_all(current.into_iter().collect()).await.into_iter().next(),
            Err(trouble) => Some(trouble),
        };
        self.leave(entry).await?;
        match &trouble {
            None => self.clear(&key).await?,
            Some(Trouble::Panicked(_)) => {
                self.suspect(&key, None).await?;
            }
            Some(Trouble::Failed(_)) => {}
        }
        Ok(trouble.map(|trouble| trouble.to_string()))
    }

    fn is_due(&self, key: &ClusterKey, now: Timestamp) -> bool {
        // None is remembered further ahead than this: the clock was set back since.
        self.due_at(key).is_none_or(|at| at <= now || at > now + READ_EVERY)
    }

    /// When a case is due; `None` if this process has not read it yet.
    fn due_at(&self, key: &ClusterKey) -> Option<Timestamp> {
        self.0.due.lock().unwrap_or_else(PoisonError::into_inner).get(key).map(|due| due.at)
    }

    /// What decides about its place in the sweep. Cases that this process has not read yet stand together, as if of one subscription.
    fn place_of(&self, key: &ClusterKey) -> Place<Option<SubscriptionId>> {
        let due = self.0.due.lock().unwrap_or_else(PoisonError::into_inner);
        let due = due.get(key);
        Place {
            subscription: due.map(|due| due.subscription.clone()),
            may_start: due.is_some_and(|due| due.may_start),
            due_at: due.map(|due| due.at),
        }
    }

    fn count_held(&self, open: &OpenWork) -> usize {
        let due = self.0.due.lock().unwrap_or_else(PoisonError::into_inner);
        open.cases.keys().filter(|key| due.get(*key).is_some_and(|due| due.is_held)).count()
    }

    /// Delivers what waits on these records, each in a task of its own, all beside one another. Who is not through after a while goes on
    /// beside the next sweep: a sink that does not answer keeps no case waiting.
    async fn deliver_all(&self, records: Vec<Loaded<Record>>) -> Vec<Trouble> {
        if records.is_empty() {
            return Vec::new();
        }
        let guard = self.clone();
        let deliver = move |record: Loaded<Record>| {
            let (key, guard) = (record.document.cluster.key(), guard.clone());
            async move {
                match tokio::spawn(async move { guard.deliver_outbox(record).await }).await {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(Trouble::Failed(error)),
                    Err(_) => Some(Trouble::Panicked(key)),
                }
            }
        };
        let all = stream::iter(records).map(deliver).buffer_unordered(PARALLEL_DELIVERIES);
        let troubles = wait_a_while(async move { all.collect::<Vec<Option<Trouble>>>().await }).await;
        troubles.into_iter().flatten().flatten().collect()
    }

    /// One case's panic must not end the sweep.
    async fn in_its_own_task(
        &self,
        key: ClusterKey,
        generations: Vec<u64>,
    ) -> Result<Option<Loaded<Record>>, Trouble> {
        let guard = self.clone();
        let of = key.clone();
        let task = tokio::spawn(async move { guard.sweep_one(&of, &generations).await });
        match task.await {
            Ok(Ok(current)) => Ok(current),
            Ok(Err(error)) => {
                tracing::warn!(case = %key, %error, "a case could not be worked on");
                Err(Trouble::Failed(error))
            }
            Err(_) => Err(Trouble::Panicked(key)),
        }
    }

    /// Works on one case. Returns its record if messages wait on it.
    async fn sweep_one(
        &self,
        key: &ClusterKey,
        generations: &[u64],
    ) -> Result<Option<Loaded<Record>>, GuardError> {
        let _flight = self.0.flights.take(key).await;
        let loaded = load(&self.0.store, key, None, self.0.gate.mode(), self.now()).await?;
        let Some(loaded) = loaded else {
            self.burn_orphans(key, generations).await?;
            return Ok(None);
        };
        let current = self.reconcile(loaded).await?;
        self.forget_leftovers(current.document.clone(), generations).await?;
        Ok(Some(current).filter(|current| !current.document.outbox.is_empty()))
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
            self.0.foreign.name_once(&marker, "it is a marker without a record that names no cluster");
            return Ok(());
        };
        let mut record = Record::new(cluster);
        record.generation = newest;
        if let Saved::Done(_) = self.save(&StatePath::cluster(key), &mut record, None).await? {
            self.forget_leftovers(record, generations).await?;
        }
        Ok(())
    }

    /// Markers of older generations go; one above the record's generation is burnt first, so that whoever is about to write a
    /// case under it can't (rule 6, counterexample 4).
    async fn forget_leftovers(&self, mut record: Record, generations: &[u64]) -> Result<(), GuardError> {
        let Some(newest) = generations.iter().copied().max() else { return Ok(()) };
        if newest > record.generation && !Mutant::NoBurning.is_on() {
            if !matches!(record.episode, Episode::None) {
                return Ok(());
            }
            // What is burnt is the record as it is now: a case that came and went meanwhile may have left messages on it.
            let Some(burnt) = self.burn(&record, newest).await? else { return Ok(()) };
            record = burnt;
        }
        let generation = record.generation;
        let is_over = matches!(record.episode, Episode::None) && record.outbox.is_empty();
        let is_left_over = |marker: &u64| {
            let is_of_another_case = *marker != generation && !Mutant::MarkerWithoutGeneration.is_on();
            is_of_another_case || is_over
        };
        for marker in generations.iter().copied().filter(is_left_over) {
            let marker = OpenMarker { key: record.cluster.key(), generation: marker };
            self.0.store.delete(&StatePath::open_marker(&marker)).await?;
        }
        Ok(())
    }

    /// The record with that generation; `None` if it has a case or is that far already.
    async fn burn(&self, record: &Record, generation: u64) -> Result<Option<Record>, GuardError> {
        let key = record.cluster.key();
        let Some(Loaded { document: mut fresh, etag }) =
            load(&self.0.store, &key, None, self.0.gate.mode(), self.now()).await?
        else {
            return Ok(None);
        };
        if fresh.generation >= generation || !matches!(fresh.episode, Episode::None) {
            return Ok(None);
        }
        fresh.generation = generation;
        let saved = self.save(&StatePath::cluster(&key), &mut fresh, etag.as_ref()).await?;
        Ok(match saved {
            Saved::Done(_) => Some(fresh),
            Saved::Lost => None,
        })
    }

    /// Remembers when a case wants attention next.
    pub(super) fn remember_due(&self, record: &Record) {
        let now = self.now();
        let case = record.case().map(|case| case.next_at);
        let falls_back = self.fallback().and_then(|sink| outbox::falls_back_at(record, sink));
        let next = case.into_iter().chain(outbox::next_at(&record.outbox)).chain(falls_back).min();
        let mut due = self.0.due.lock().unwrap_or_else(PoisonError::into_inner);
        match next {
            Some(next) => {
                let is_held = matches!(record.episode, Episode::Held(_));
                let situation = record.case().and_then(|case| case.last_situation);
                let is_down = matches!(situation, Some(Situation::Startable | Situation::FailedStopped));
                let due_next = Due {
                    at: next.min(now + READ_EVERY),
                    subscription: record.cluster.subscription().clone(),
                    is_held,
                    may_start: is_down && !is_held,
                    writer: record.writer.clone(),
                };
                due.insert(record.cluster.key(), due_next);
            }
            None => {
                due.remove(&record.cluster.key());
            }
        }
    }

    /// The same after a delivery, which began with the record of this writer: unless a step has said otherwise since.
    pub(super) fn remember_delivered(&self, began_with: &str, record: &Record) {
        let is_newest = {
            let due = self.0.due.lock().unwrap_or_else(PoisonError::into_inner);
            due.get(&record.cluster.key()).is_some_and(|due| due.writer == began_with)
        };
        if is_newest {
            self.remember_due(record);
        }
    }
}
