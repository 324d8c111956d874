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

/// One subscription's bucket, as the time at which it will be full, and who has taken a start out of it that is not sent yet.
#[derive(Debug)]
struct Lane {
    full_at: Timestamp,
    turns: HashMap<ClusterKey, Timestamp>,
}

impl Pace {
    /// Takes the next start for a cluster, and says when it may go out: `now`, or later. Looking and taking are one step, so
    /// that however many cases are worked on at the same time, no two have the same turn. A cluster keeps its turn until its
    /// start is [sent](Self::sent), and gets the same answer if it asks again.
    ///
    /// While the subscription is left alone `until` some time, turns begin there, and the bucket is empty then.
    pub(super) fn take_turn(
        &self,
        cluster: &ClusterId,
        now: Timestamp,
        until: Option<Timestamp>,
    ) -> Timestamp {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes
            .entry(cluster.subscription().clone())
            .or_insert_with(|| Lane { full_at: now, turns: HashMap::new() });
        lane.turns.retain(|_, turn| now.duration_since(*turn) < TURN_KEPT);
        if let Some(until) = until.filter(|until| *until > now) {
            lane.empty(until);
        }
        let key = cluster.key();
        let turn = match lane.turns.get(&key) {
            Some(turn) => *turn,
            None => {
                let turn = lane.next(now);
                lane.turns.insert(key, turn);
                turn
            }
        };
        turn.max(now)
    }

    /// A cluster's start goes out: its turn is over.
    pub(super) fn sent(&self, cluster: &ClusterId) {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get_mut(cluster.subscription()) {
            lane.turns.remove(&cluster.key());
        }
    }
}

impl Lane {
    fn next(&mut self, now: Timestamp) -> Timestamp {
        let full_at = self.full_at.max(now);
        self.full_at = full_at + START_EVERY;
        now.max(full_at - START_EVERY * (STARTS_BURST - 1))
    }

    /// Nothing is left until then, and turns before that are void.
    fn empty(&mut self, until: Timestamp) {
        self.full_at = self.full_at.max(until + START_EVERY * (STARTS_BURST - 1));
        self.turns.retain(|_, turn| *turn >= until);
    }
}

#[cfg(test)]
mod tests;
