//! How much of ARM one subscription still gives this process: reads at a pace below its quota, and none at all while a 429 says
//! so.
//!
//! ARM gives each subscription and principal 250 reads at once and 25 a second (source: azure-docs,
//! `request-limits-and-throttling`). A client that goes on asking after a 429 gets more of them, so a subscription that
//! answered with one is left alone until its `Retry-After` is over. Others go on.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::SubscriptionId;

/// Reads in a row. A fifth of ARM's quota is left: other processes of the guard have the same identity.
const READS_BURST: u32 = 200;
/// Time in which one read comes back: 20 a second, of ARM's 25.
const READ_EVERY: Duration = Duration::from_millis(50);
/// A read whose turn comes within this waits for it. A sweep looks at 32 clusters at a time, which takes 1.6 s at this pace.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Reads that are turned away are told different times, so that they don't come back all at once; but none is sent away for
/// longer than this because of the others.
const TURNED_AWAY_MAX: Duration = Duration::from_secs(300);

/// All subscriptions. Times are since boot: a clock that is set back opens nothing.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<HashMap<SubscriptionId, Lane>>);

/// One subscription's bucket, as the time at which it will be full.
#[derive(Debug, Clone, Copy, Default)]
struct Lane {
    /// Nothing at all before this.
    closed_until: Duration,
    full_at: Duration,
    /// What the last read that was turned away was told.
    last_offer: Duration,
}

impl Throttle {
    /// Takes a read: how long to wait before it is sent, or how long to stay away because that is too long a wait.
    pub(super) fn take_read(
        &self,
        subscription: &SubscriptionId,
        now: Duration,
    ) -> Result<Duration, Duration> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.entry(subscription.clone()).or_default();
        let full_at = lane.full_at.max(now);
        let turn = full_at.saturating_sub(READ_EVERY * (READS_BURST - 1)).max(now);
        if lane.closed_until > now || turn - now > WAIT_MAX {
            let latest = turn.max(now + TURNED_AWAY_MAX);
            lane.last_offer = (lane.last_offer + READ_EVERY).clamp(turn, latest);
            return Err(lane.last_offer - now);
        }
        lane.full_at = full_at + READ_EVERY;
        Ok(turn - now)
    }

    /// A 429 came: nothing goes out before `after` is over, and then at the pace of an empty bucket.
    pub(super) fn close(&self, subscription: &SubscriptionId, after: Duration, now: Duration) {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes.entry(subscription.clone()).or_default();
        lane.closed_until = lane.closed_until.max(now + after);
        lane.full_at = lane.full_at.max(lane.closed_until + READ_EVERY * (READS_BURST - 1));
    }

    /// How long a subscription is still left alone.
    pub(super) fn closed_for(&self, subscription: &SubscriptionId, now: Duration) -> Option<Duration> {
        let lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let closed_until = lanes.get(subscription)?.closed_until;
        closed_until.checked_sub(now).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(first: char) -> SubscriptionId {
        SubscriptionId::parse(&format!("{first}aaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e")).unwrap()
    }

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(1_000_000 + milliseconds)
    }

    #[test]
    fn two_hundred_reads_go_at_once_and_the_next_ones_wait_for_their_turn() {
        let throttle = Throttle::default();
        let here = subscription('a');
        for _ in 0..200 {
            assert_eq!(throttle.take_read(&here, at(0)), Ok(Duration::ZERO));
        }
        for waits in 1..=40 {
            assert_eq!(throttle.take_read(&here, at(0)), Ok(Duration::from_millis(50 * waits)));
        }
        assert_eq!(throttle.take_read(&here, at(0)), Err(Duration::from_millis(2_050)));
    }

    #[test]
    fn those_that_are_turned_away_do_not_come_back_all_at_once() {
        let throttle = Throttle::default();
        let here = subscription('a');
        throttle.close(&here, Duration::from_secs(30), at(0));
        let told: Vec<Duration> = (0..4).map(|_| throttle.take_read(&here, at(0)).unwrap_err()).collect();
        assert_eq!(told, [30_000, 30_050, 30_100, 30_150].map(Duration::from_millis));
        let longest = (0..20_000).map(|_| throttle.take_read(&here, at(0)).unwrap_err()).max();
        assert_eq!(longest, Some(TURNED_AWAY_MAX));
    }

    #[test]
    fn what_azure_asks_for_is_never_cut_short() {
        let throttle = Throttle::default();
        let here = subscription('a');
        throttle.close(&here, Duration::from_secs(3_600), at(0));
        throttle.close(&here, Duration::from_secs(1), at(0));
        assert_eq!(throttle.take_read(&here, at(0)), Err(Duration::from_secs(3_600)));
        assert_eq!(throttle.closed_for(&here, at(3_599_999)), Some(Duration::from_millis(1)));
        assert_eq!(throttle.closed_for(&here, at(3_600_000)), None);
        assert_eq!(throttle.take_read(&here, at(3_600_000)), Ok(Duration::ZERO));
    }

    #[test]
    fn a_subscription_that_opens_again_is_not_stormed() {
        let throttle = Throttle::default();
        let here = subscription('a');
        throttle.close(&here, Duration::from_secs(5), at(0));
        let opened = at(5_000);
        let waits: Vec<Duration> = (0..41).map_while(|_| throttle.take_read(&here, opened).ok()).collect();
        assert_eq!(waits.first(), Some(&Duration::ZERO));
        assert_eq!(waits.last(), Some(&WAIT_MAX));
    }

    #[test]
    fn other_subscriptions_go_on() {
        let throttle = Throttle::default();
        throttle.close(&subscription('a'), Duration::from_secs(60), at(0));
        assert_eq!(throttle.take_read(&subscription('b'), at(0)), Ok(Duration::ZERO));
        assert_eq!(throttle.closed_for(&subscription('b'), at(0)), None);
    }
}
