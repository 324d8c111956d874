//! One piece of work at a time for each cluster in this process, and starts at a pace.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::domain::{ClusterId, ClusterKey, SubscriptionId};

/// Starts that one subscription may get in a row: the whole of AKS's bucket for them (source: azure-aks-docs,
/// `quotas-skus-regions`, "all other APIs": 60, then 1 a second). Others may have drained it, those who stopped the clusters above
/// all; then the first 429 empties this one too, so a guess that was too high costs one request.
const STARTS_BURST: i32 = 60;
/// Time in which the bucket gets one start back (same source: 1 a second).
const START_EVERY: SignedDuration = SignedDuration::from_secs(1);
/// How long a cluster's turn is kept once it has come. Sweeps come every 30 s, and a look may be put off by some minutes.
const TURN_KEPT: SignedDuration = SignedDuration::from_mins(10);

/// A thousand events of one cluster are worked off one after the other (rule 30).
#[derive(Debug)]
pub(super) struct Flights<K>(Mutex<HashMap<K, Arc<AsyncMutex<()>>>>);

impl<K> Default for Flights<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash> Flights<K> {
    /// Waits until nobody else works on this.
    pub(super) async fn take(&self, key: &K) -> OwnedMutexGuard<()> {
        self.of(key).lock_owned().await
    }

    /// Takes it if nobody else works on it.
    pub(super) fn try_take(&self, key: &K) -> Option<OwnedMutexGuard<()>> {
        self.of(key).try_lock_owned().ok()
    }

    fn of(&self, key: &K) -> Arc<AsyncMutex<()>> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flights.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(flights.entry(key.clone()).or_default())
    }
}

/// The pace of starts in each subscription. Per process: ARM's 429 is the truth that processes share (rule 23).
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<SubscriptionId, Lane>>);

/// One subscription's bucket, and who waits for a start out of it.
#[derive(Debug)]
struct Lane {
    /// The bucket as it will be if each start goes out when its turn comes: turns are given out of it.
    planned: Bucket,
    /// The bucket as it is: starts are taken out of it when they are about to be sent. It is fuller or emptier than planned where
    /// turns were used late or not at all, since a full bucket gets nothing back.
    actual: Bucket,
    /// What the last cluster was told whose turn had come while the bucket was empty.
    put_off_to: Timestamp,
    turns: HashMap<ClusterKey, Turn>,
}

/// A bucket of starts, as the time at which it will be full.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    full_at: Timestamp,
}

#[derive(Debug, Clone, Copy)]
enum Turn {
    /// It comes then.
    Waits(Timestamp),
    /// It came, and since then the start is out of the bucket.
    Taken(Timestamp),
}

impl Pace {
    /// Takes the next start for a cluster, and says when it may go out: `now`, or later. Looking and taking are one step, so
    /// that however many cases are worked on at the same time, no two have the same start. A cluster keeps its turn until its
    /// start is [sent](Self::sent), and gets the same answer if it asks again. When it comes late, it gets what is in the bucket by
    /// then: of those for whom nothing is left each is told another time, soon.
    ///
    /// While the subscription is left alone `until` some time, turns begin there, and the bucket is empty then.
    pub(super) fn take_turn(
        &self,
        cluster: &ClusterId,
        now: Timestamp,
        until: Option<Timestamp>,
    ) -> Timestamp {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.entry(cluster.subscription().clone()).or_insert_with(|| Lane::full(now));
        lane.turns.retain(|_, turn| now.duration_since(turn.came_at()) < TURN_KEPT);
        if let Some(until) = until.filter(|until| *until > now) {
            lane.empty(until);
        }
        lane.take_turn(cluster.key(), now)
    }

    /// A cluster's start went out: its turn is over.
    pub(super) fn sent(&self, cluster: &ClusterId) {
        self.with_turn(cluster, |turns, key| {
            turns.remove(key);
        });
    }

    /// A cluster's start did not go out, or was put off: it has its place in the row still, and takes another start when it comes
    /// again.
    pub(super) fn not_sent(&self, cluster: &ClusterId) {
        self.with_turn(cluster, |turns, key| {
            turns.entry(key.clone()).and_modify(|turn| *turn = Turn::Waits(turn.came_at()));
        });
    }

    fn with_turn(&self, cluster: &ClusterId, with: impl FnOnce(&mut HashMap<ClusterKey, Turn>, &ClusterKey)) {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get_mut(cluster.subscription()) {
            with(&mut lane.turns, &cluster.key());
        }
    }
}

impl Lane {
    fn full(now: Timestamp) -> Self {
        let bucket = Bucket { full_at: now };
        Self { planned: bucket, actual: bucket, put_off_to: now, turns: HashMap::new() }
    }

    fn take_turn(&mut self, key: ClusterKey, now: Timestamp) -> Timestamp {
        let turn = match self.turns.get(&key) {
            Some(turn) => *turn,
            None => Turn::Waits(self.planned.take(now)),
        };
        let turn = match turn {
            Turn::Waits(at) if at <= now => self.take_start(now),
            Turn::Waits(_) | Turn::Taken(_) => turn,
        };
        self.turns.insert(key, turn);
        match turn {
            Turn::Waits(at) => at,
            Turn::Taken(_) => now,
        }
    }

    /// For a cluster whose turn has come.
    fn take_start(&mut self, now: Timestamp) -> Turn {
        let free_at = self.actual.free_at(now);
        if free_at <= now {
            self.actual.take(now);
            return Turn::Taken(now);
        }
        self.put_off_to = free_at.max(self.put_off_to + START_EVERY);
        Turn::Waits(self.put_off_to)
    }

    /// Nothing is left until then, and what was taken and is not sent was not there either.
    fn empty(&mut self, until: Timestamp) {
        self.planned.empty(until);
        self.actual.empty(until);
        for turn in self.turns.values_mut() {
            *turn = Turn::Waits(turn.came_at());
        }
    }
}

impl Bucket {
    /// When it has a start: `now`, or later.
    fn free_at(self, now: Timestamp) -> Timestamp {
        now.max(self.full_at - START_EVERY * (STARTS_BURST - 1))
    }

    /// Takes a start out, and says when it is there.
    fn take(&mut self, now: Timestamp) -> Timestamp {
        let free_at = self.free_at(now);
        self.full_at = self.full_at.max(now) + START_EVERY;
        free_at
    }

    /// Nothing is in it until then.
    fn empty(&mut self, until: Timestamp) {
        self.full_at = self.full_at.max(until + START_EVERY * (STARTS_BURST - 1));
    }
}

impl Turn {
    fn came_at(self) -> Timestamp {
        match self {
            Self::Waits(at) | Self::Taken(at) => at,
        }
    }
}

#[cfg(test)]
mod tests;
