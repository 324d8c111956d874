//! One piece of work at a time for each cluster in this process, and starts at a pace.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::domain::{ClusterKey, SubscriptionId};

/// Starts that one subscription may get in a row: half of ARM's bucket for them, which holds 60 (source: azure-aks-docs
/// `quotas-skus-regions.md`, "all other APIs"), since others use it too.
const STARTS_BURST: u32 = 30;
/// Time in which the bucket gets one start back (same source: 1 a second).
const START_EVERY: SignedDuration = SignedDuration::from_secs(1);

/// A thousand events of one cluster are worked off one after the other (rule 30).
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<ClusterKey, Arc<AsyncMutex<()>>>>);

impl Flights {
    /// Waits until nobody else works on this cluster.
    pub(super) async fn take(&self, key: &ClusterKey) -> OwnedMutexGuard<()> {
        let lock = {
            let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            flights.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(flights.entry(key.clone()).or_default())
        };
        lock.lock_owned().await
    }
}

/// The pace of starts in each subscription. Per process: ARM's 429 is the truth that processes share (rule 23).
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<SubscriptionId, Bucket>>);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: u32,
    filled_at: Timestamp,
}

impl Pace {
    /// When the next start may go out: `now`, or when the bucket has one again.
    pub(super) fn next_slot(&self, subscription: &SubscriptionId, now: Timestamp) -> Timestamp {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = refill(&mut buckets, subscription, now);
        if bucket.left > 0 { now } else { bucket.filled_at + START_EVERY }
    }

    /// A start goes out.
    pub(super) fn take_slot(&self, subscription: &SubscriptionId, now: Timestamp) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = refill(&mut buckets, subscription, now);
        bucket.left = bucket.left.saturating_sub(1);
    }
}

fn refill<'a>(
    buckets: &'a mut HashMap<SubscriptionId, Bucket>,
    subscription: &SubscriptionId,
    now: Timestamp,
) -> &'a mut Bucket {
    let bucket = buckets.entry(subscription.clone()).or_insert(Bucket { left: STARTS_BURST, filled_at: now });
    let passed = now.duration_since(bucket.filled_at).as_secs() / START_EVERY.as_secs();
    if let (Ok(refilled), Ok(times)) = (u32::try_from(passed), i32::try_from(passed)) {
        bucket.left = bucket.left.saturating_add(refilled).min(STARTS_BURST);
        // The rest of a second counts for the next start.
        bucket.filled_at += START_EVERY * times;
    }
    bucket
}

#[cfg(test)]
mod tests;
