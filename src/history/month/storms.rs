//! Storms: many clusters of one subscription stopped at once, which people were told of as one.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::stopped::Stopped;
use crate::domain::SubscriptionId;

/// A stop that comes later than this after the one before it belongs to another storm: the guard counts the stops of an hour.
const GAP: SignedDuration = SignedDuration::from_hours(1);

/// One storm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Storm {
    /// Where.
    pub subscription: SubscriptionId,
    /// Its first stop that was told as part of it. Those before, which led up to it, were told on their own.
    pub first: Timestamp,
    /// Its last.
    pub last: Timestamp,
    /// How many there were.
    pub stops: usize,
}

/// The storms among the stops, the newest first.
pub(super) fn of(stops: &[Stopped]) -> Vec<Storm> {
    let mut places: BTreeMap<&SubscriptionId, Vec<Timestamp>> = BTreeMap::new();
    for stop in stops.iter().filter(|stop| stop.in_storm) {
        places.entry(stop.cluster.subscription()).or_default().push(stop.at);
    }
    let mut storms: Vec<Storm> = Vec::new();
    for (subscription, mut times) in places {
        times.sort_unstable();
        for at in times {
            match storms
                .last_mut()
                .filter(|storm| storm.subscription == *subscription && at.duration_since(storm.last) <= GAP)
            {
                Some(storm) => {
                    storm.last = at;
                    storm.stops += 1;
                }
                None => {
                    storms.push(Storm { subscription: subscription.clone(), first: at, last: at, stops: 1 });
                }
            }
        }
    }
    storms.sort_by_key(|storm| std::cmp::Reverse(storm.first));
    storms
}
