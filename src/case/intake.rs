//! A stop arrives: does it open a case, join one, or tell nothing new? (Rules 5, 7, 9.)

use jiff::{SignedDuration, Timestamp};

use super::mode::Mode;
use super::model::{Case, CaseId, STOPS_MAX, Stop, StopSource};
use super::record::{AuthorisedStop, Episode, Record};
use super::report::who;
use super::times::Times;
use crate::domain::calendar::{EARLIEST, LATEST};
use crate::domain::{StopEvent, StopTime};
use crate::mutant::Mutant;

/// Two reports of a stop this close together are about the same stop.
const SAME_INSTANT: SignedDuration = SignedDuration::from_secs(1);
/// The longest that a stop takes from its first record to its event: minutes as a rule.
const STOP_TAKES_MAX: SignedDuration = SignedDuration::from_mins(30);

impl Stop {
    /// The stop that an event tells of. A time that is missing, or that lies ahead of Azure's clock, is none: the stop then counts
    /// from `now`, and never as fresh.
    pub fn of_event(event: &StopEvent, now: Timestamp, times: &Times) -> Self {
        let now = now.clamp(EARLIEST, LATEST);
        let (time, time_known) = match event.time {
            StopTime::At(time) if time <= now + times.skew_max => (time.max(EARLIEST), true),
            StopTime::At(_) | StopTime::Missing => (now, false),
        };
        Self {
            time,
            time_known,
            caller: event.caller.clone(),
            correlation_id: event.correlation_id.clone(),
            event_id: event.id.clone(),
            source: StopSource::Event,
            confirmed: false,
            claimed: None,
            allowed_by: None,
            granted: None,
        }
    }
}

/// What a stop did to the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It opened a case: the record has a new generation and needs a marker.
    Opened,
    /// It joined the case at hand.
    Joined,
    /// The case at hand knows it already: nothing to write.
    Known,
    /// It is history, for this reason: nothing to write.
    History(&'static str),
    /// The case at hand is being archived: finish that first (rule 19).
    FinishFirst,
}

/// Takes a stop in.
pub fn take_in(record: &mut Record, stop: Stop, mode: Mode, now: Timestamp, times: &Times) -> Taken {
    if let Some(reason) = history(record, &stop) {
        return Taken::History(reason);
    }
    match &mut record.episode {
        Episode::Closing(_) => Taken::FinishFirst,
        Episode::None => {
            let generation = record.next_generation(now);
            let mut case = Case::new(CaseId::new(&record.cluster.key(), generation), mode, stop, now);
            case.note(now, stopped_by(&case));
            record.generation = generation;
            record.episode = Episode::Open(Box::new(case));
            Taken::Opened
        }
        Episode::Open(case) => join(case, stop, now, times),
        Episode::Held(case) => {
            let taken = join(case, stop, now, times);
            if case.held.is_none() {
                let case = case.clone();
                record.episode = Episode::Open(case);
            }
            taken
        }
    }
}

/// Whether a stop is over already (rule 7). One whose time is not known is not: it counts from our clock, which may be behind.
pub(super) fn history(record: &Record, stop: &Stop) -> Option<&'static str> {
    if !stop.time_known {
        return None;
    }
    let history = &record.history;
    if history.running_seen_at.is_some_and(|seen| stop.time <= seen) {
        return Some("the cluster was seen running after it");
    }
    if history.gone_seen_at.is_some_and(|seen| stop.time <= seen) {
        return Some("the cluster was gone after it");
    }
    let no_case = matches!(record.episode, Episode::None);
    let explained = history
        .authorised
        .as_ref()
        .is_some_and(|authorised| stop.time <= authorised.stop_time || is_that_stop(authorised, stop));
    (no_case && explained).then_some("an authorised stop came after it or is it")
}

/// Whether a later report is about the authorised stop itself: the log dates a stop at its beginning, an event may date it at its
/// end. Operations of one deployment share a correlation id, so it must be the same caller, and not long after.
fn is_that_stop(authorised: &AuthorisedStop, stop: &Stop) -> bool {
    let same_correlation = match (&authorised.correlation_id, &stop.correlation_id) {
        (Some(known), Some(told)) => known.eq_ignore_ascii_case(told),
        (None, _) | (_, None) => false,
    };
    same_correlation
        && authorised.caller.identity().is_some()
        && authorised.caller.identity() == stop.caller.identity()
        && stop.time.duration_since(authorised.stop_time) <= STOP_TAKES_MAX
}

fn join(case: &mut Case, stop: Stop, now: Timestamp, times: &Times) -> Taken {
    let known = case.stops.iter().any(|old| {
        same_stop(old, &stop, times) && (old.confirmed || old.caller.identity() == stop.caller.identity())
    });
    if known {
        return Taken::Known;
    }
    add_stop(case, stop, now, times);
    Taken::Joined
}

/// Whether two reports are about one stop: two claims about it may name different callers.
pub fn same_stop(a: &Stop, b: &Stop, times: &Times) -> bool {
    let apart = a.time.duration_since(b.time).abs();
    let same_correlation = a.correlation_id.is_some() && a.correlation_id == b.correlation_id;
    a.event_id == b.event_id
        || (a.time_known && b.time_known && apart <= SAME_INSTANT)
        || (same_correlation && apart < times.quiet)
}

/// Adds a stop to a case. A newer one voids the verdict and the attempts, never the budgets (rule 9). Another claim about a
/// stop that is known is no newer stop, whatever its fractions of a second.
pub fn add_stop(case: &mut Case, stop: Stop, now: Timestamp, times: &Times) {
    let is_claim = case.stops.iter().any(|old| same_stop(old, &stop, times));
    let is_newer = !is_claim && stop.time > case.newest_stop_time();
    let is_newer = is_newer && !Mutant::VerdictForAllStops.is_on();
    let is_overtaken = case
        .intent
        .as_ref()
        .is_some_and(|intent| intent.state.may_have_landed() && stop.time <= intent.expires_at);
    if is_newer && is_overtaken {
        case.overtaken = Some(stop.time);
    }
    case.stops.push(stop);
    case.stops.sort_by_key(|stop| stop.time);
    if case.stops.len() > STOPS_MAX {
        case.stops.remove(least_needed(&case.stops));
    }
    if is_newer {
        case.verdict = None;
        case.episode_attempts = 0;
        case.held = None;
        case.log_asked_at = None;
        case.note(now, stopped_by(case));
    }
    case.up_since = None;
    case.next_at = now;
}

/// The second stop, or the first after it that nobody was allowed to: an allowed one must not be pushed out by claims.
fn least_needed(stops: &[Stop]) -> usize {
    let between = stops.iter().enumerate().take(stops.len().saturating_sub(1)).skip(1);
    between.into_iter().find(|(_, stop)| stop.allowed_by.is_none()).map_or(1, |(at, _)| at)
}

fn stopped_by(case: &Case) -> String {
    match case.newest_stop() {
        Some(stop) => {
            let found = match stop.source {
                StopSource::Discovery => "; found by discovery, no event of it had come",
                StopSource::Event | StopSource::Log | StopSource::DamagedRecord => "",
            };
            format!("stopped by {} ({}){found}", who(&stop.caller), stop.caller.kind)
        }
        None => "stopped".to_owned(),
    }
}
