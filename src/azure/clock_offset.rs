//! ARM's clock, as seen from here (protocol rules 1 and 2).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// An offset below this counts as zero: `Date` has a resolution of one second, and the way there and back takes some.
pub const OFFSET_NOISE: SignedDuration = SignedDuration::from_secs(2);
/// A slower round trip says too little about when ARM read its clock; it counts only while nothing better is known.
const ROUND_TRIP_MAX: SignedDuration = SignedDuration::from_secs(5);
/// A clock that is wrong by more is as wrong as one that is wrong by this: nothing is started either way. Bounds what the
/// protocol's sums can come to.
const OFFSET_MAX: SignedDuration = SignedDuration::from_hours(366 * 24);
/// `Date` is cut to whole seconds: half a second later is the best guess.
const DATE_CUT: SignedDuration = SignedDuration::from_millis(500);

/// When one request was sent and its response read. How long that took is said by the clock that nobody can set: the wall clock may
/// be set meanwhile, and a time read before that can't be compared with one read after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundTrip {
    /// Just before the request was sent, by the boot clock.
    pub sent_since_boot: Duration,
    /// Just after the response was read, by the boot clock.
    pub received_since_boot: Duration,
    /// The same by the wall clock.
    pub received: Timestamp,
}

impl RoundTrip {
    fn took(&self) -> SignedDuration {
        let took = self.received_since_boot.saturating_sub(self.sent_since_boot);
        SignedDuration::try_from(took).unwrap_or(SignedDuration::MAX)
    }

    /// When the request was sent, by the wall clock as it was set when the response was read.
    fn sent(&self) -> Timestamp {
        shift(self.received, -self.took())
    }
}

/// How far ARM's clock is ahead of this machine's.
#[derive(Debug, Default)]
pub struct ClockOffset {
    known: Mutex<Option<Known>>,
}

/// What was heard last.
#[derive(Debug, Clone, Copy)]
struct Known {
    offset: SignedDuration,
    /// How far the wall clock was ahead of the boot clock then. When that changes somebody has set the wall clock.
    wall_over_boot: SignedDuration,
}

impl ClockOffset {
    /// Learns from a response's `Date`, and gives the time at which the request was sent on ARM's clock.
    pub fn learn(&self, trip: RoundTrip, date: Option<Timestamp>) -> Timestamp {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_sharp = trip.took() <= ROUND_TRIP_MAX;
        if let Some(date) = date
            && (is_sharp || known.is_none())
        {
            *known = Some(Known {
                offset: measure(&trip, date),
                wall_over_boot: wall_over_boot(trip.received, trip.received_since_boot),
            });
        }
        drop(known);
        shift(trip.sent(), self.at(trip.received, trip.received_since_boot))
    }

    /// Whether anything was heard yet.
    pub fn is_known(&self) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The offset at a moment, by both of this machine's clocks: zero when nothing was heard yet, or under `OFFSET_NOISE`. A wall
    /// clock that was set since is allowed for, so that nobody waits for a time that lies hours ahead by mistake.
    pub fn at(&self, wall: Timestamp, since_boot: Duration) -> SignedDuration {
        let known = *self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = known else { return SignedDuration::ZERO };
        let set_by = wall_over_boot(wall, since_boot).saturating_sub(known.wall_over_boot);
        if set_by.abs() < OFFSET_NOISE {
            return known.offset;
        }
        quiet(known.offset.saturating_sub(set_by))
    }
}

fn wall_over_boot(wall: Timestamp, since_boot: Duration) -> SignedDuration {
    let since_boot = SignedDuration::try_from(since_boot).unwrap_or(SignedDuration::MAX);
    wall.duration_since(Timestamp::UNIX_EPOCH).saturating_sub(since_boot)
}

fn measure(trip: &RoundTrip, date: Timestamp) -> SignedDuration {
    let midpoint = shift(trip.received, -(trip.took() / 2));
    quiet(date.duration_since(midpoint) + DATE_CUT)
}

/// An offset without noise, and within bounds.
fn quiet(offset: SignedDuration) -> SignedDuration {
    if offset.abs() < OFFSET_NOISE { SignedDuration::ZERO } else { offset.clamp(-OFFSET_MAX, OFFSET_MAX) }
}

/// Adds an offset to a time; a time at the end of the calendar stays as it is.
pub fn shift(time: Timestamp, offset: SignedDuration) -> Timestamp {
    time.checked_add(offset).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A machine that was booted at the beginning of that day.
    fn boot(wall: Timestamp) -> Duration {
        wall.duration_since(at("2026-09-14T00:00:00Z")).unsigned_abs()
    }

    fn trip(sent: &str, received: &str) -> RoundTrip {
        let (sent, received) = (at(sent), at(received));
        RoundTrip { sent_since_boot: boot(sent), received_since_boot: boot(received), received }
    }

    impl ClockOffset {
        /// While nobody sets the clock.
        fn get(&self) -> SignedDuration {
            let wall = at("2026-09-14T18:30:00Z");
            self.at(wall, boot(wall))
        }
    }

    #[test]
    fn a_wall_clock_that_was_set_since_is_allowed_for() {
        let offset = ClockOffset::default();
        offset.learn(trip("2026-09-14T18:00:00Z", "2026-09-14T18:00:00Z"), Some(at("2026-09-14T18:01:00Z")));
        let heard = offset.get();
        let (set, boot) = (at("2026-09-14T21:30:00Z"), boot(at("2026-09-14T18:30:00Z")));
        assert_eq!(offset.at(set, boot), heard - SignedDuration::from_hours(3));
        assert_eq!(shift(set, offset.at(set, boot)), shift(at("2026-09-14T18:30:00Z"), heard));
    }

    #[test]
    fn a_clock_that_is_set_while_the_answer_is_on_its_way_does_not_change_when_the_request_was_sent() {
        for date in [None, Some(at("2026-09-14T18:00:01Z"))] {
            let offset = ClockOffset::default();
            offset.learn(
                trip("2026-09-14T17:59:00Z", "2026-09-14T17:59:00Z"),
                Some(at("2026-09-14T17:59:00Z")),
            );
            let trip = trip("2026-09-14T18:00:00Z", "2026-09-14T18:00:02Z");
            for set_by in [-139, 139] {
                let set = trip.received + SignedDuration::from_secs(set_by);
                let sent = offset.learn(RoundTrip { received: set, ..trip }, date);
                let wrong = sent.duration_since(at("2026-09-14T18:00:00Z")).abs();
                assert!(wrong < OFFSET_NOISE, "set by {set_by} s, and the request counts as sent at {sent}");
            }
        }
    }

    #[test]
    fn a_clock_that_is_right_to_the_headers_resolution_has_no_offset() {
        let offset = ClockOffset::default();
        let sent = offset.learn(
            trip("2026-09-14T18:05:00.9Z", "2026-09-14T18:05:01.3Z"),
            Some(at("2026-09-14T18:05:01Z")),
        );
        assert_eq!(sent, at("2026-09-14T18:05:00.9Z"));
    }

    #[test]
    fn the_offset_is_measured_at_the_middle_of_the_round_trip() {
        let offset = ClockOffset::default();
        offset.learn(trip("2026-09-14T18:00:00Z", "2026-09-14T18:00:04Z"), Some(at("2026-09-14T18:01:02Z")));
        assert_eq!(offset.get(), SignedDuration::from_millis(60_500));
        offset.learn(trip("2026-09-14T18:00:00Z", "2026-09-14T18:00:00Z"), Some(at("2026-09-14T17:59:00Z")));
        assert_eq!(offset.get(), SignedDuration::from_millis(-59_500), "the last one counts");
    }

    #[test]
    fn a_date_at_the_end_of_the_calendar_does_not_take_the_guard_there() {
        for (date, offset) in [("9999-12-30T21:59:59Z", OFFSET_MAX), ("-009999-01-02T02:00:00Z", -OFFSET_MAX)]
        {
            let heard = ClockOffset::default();
            heard.learn(trip("2026-09-14T18:00:00Z", "2026-09-14T18:00:00Z"), Some(at(date)));
            assert_eq!(heard.get(), offset, "{date}");
        }
    }

    #[test]
    fn a_slow_answer_or_one_without_a_date_keeps_what_is_known() {
        let offset = ClockOffset::default();
        offset.learn(trip("2026-09-14T18:00:00Z", "2026-09-14T18:00:00Z"), Some(at("2026-09-14T18:01:00Z")));
        let known = offset.get();
        offset.learn(trip("2026-09-14T18:00:00Z", "2026-09-14T18:00:19Z"), Some(at("2026-09-14T18:09:00Z")));
        offset.learn(trip("2026-09-14T18:00:00Z", "2026-09-14T18:00:00Z"), None);
        assert_eq!(offset.get(), known);
    }
}
