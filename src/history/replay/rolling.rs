//! The counts that policies may ask for, as a replay knows them.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::Past;
use crate::domain::{Caller, ClusterId, SubscriptionId};
use crate::policy::Counts;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What came before, in order of time.
#[derive(Debug, Default)]
pub(super) struct Rolling {
    /// Unauthorised stops of the last hour.
    stops: VecDeque<(Timestamp, SubscriptionId, Option<String>)>,
    /// Starts of each cluster by the guard, as their cases tell.
    starts: HashMap<ClusterId, Vec<Timestamp>>,
}

impl Rolling {
    /// The counts before a stop, itself left out.
    pub(super) fn counts(
        &mut self,
        past: &Past,
        caller: &Caller,
        stop_time: Timestamp,
        decided_at: Timestamp,
    ) -> Counts {
        while self.stops.front().is_some_and(|(at, ..)| stop_time.duration_since(*at) > HOUR) {
            self.stops.pop_front();
        }
        let in_subscription = self.stops.iter().filter(|(_, id, _)| id == past.cluster.subscription());
        let by_caller = |(_, _, who): &&(Timestamp, SubscriptionId, Option<String>)| {
            who.is_some() && who.as_deref() == caller.identity()
        };
        let starts = self.starts.get(&past.cluster).into_iter().flatten();
        Counts {
            unauthorised_stops_by_caller_last_hour: number(self.stops.iter().filter(by_caller).count()),
            unauthorised_stops_in_subscription_last_hour: number(in_subscription.count()),
            restarts_last_24h: number(starts.filter(|at| decided_at.duration_since(**at) < DAY).count()),
        }
    }

    pub(super) fn add(&mut self, past: &Past, caller: &Caller, stop_time: Timestamp, is_authorised: bool) {
        if !is_authorised {
            let who = caller.identity().map(str::to_owned);
            self.stops.push_back((stop_time, past.cluster.subscription().clone(), who));
        }
        let case = &past.case;
        if let Some(intent) = case.intent.as_ref().filter(|_| case.may_have_started()) {
            // A case keeps its newest intent and how many there were: all count from the newest.
            let attempts = usize::try_from(case.episode_attempts.max(1)).unwrap_or(1);
            let starts = self.starts.entry(past.cluster.clone()).or_default();
            starts.extend(std::iter::repeat_n(intent.look_at, attempts));
            starts.retain(|at| intent.look_at.duration_since(*at) < DAY);
        }
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
