//! One stop of the month: what a report needs of a case, and no more.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::case::{Case, CaseId, Outcome, StopSource, reasons_it_waited};
use crate::domain::{Caller, ClusterId, text};
use crate::history::words;

/// Longest reason for waiting, in characters: it may repeat what somebody wrote about a hold.
const REASON_CHARS_MAX: usize = 200;
/// Reasons of one case: it waits for one after another.
const REASONS_MAX: usize = 8;

/// Whether a stop was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ruling {
    /// It was.
    Authorised,
    /// It was not.
    Unauthorised,
    /// Nothing was decided (yet): the case is new, its record was damaged, or the cluster was gone before.
    Undecided,
}

impl Ruling {
    /// The words for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authorised => "authorised",
            Self::Unauthorised => "not authorised",
            Self::Undecided => "not decided",
        }
    }
}

/// One case, by its newest stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stopped {
    /// The case.
    pub case: CaseId,
    /// The cluster.
    pub cluster: ClusterId,
    /// When it was stopped; of several stops in one case the newest.
    pub at: Timestamp,
    /// Who did it, for people.
    pub caller: String,
    /// What identifies them; `None` for nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller_id: Option<String>,
    /// Whether it was allowed.
    pub ruling: Ruling,
    /// How the case ended; `None` while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Seconds from that stop until the guard had seen the cluster run again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_after_seconds: Option<i64>,
    /// Why it waited for people, in the order in which it did.
    pub waited: Vec<String>,
    /// It waits for people now.
    pub is_waiting: bool,
    /// No event of it came: discovery found the cluster down.
    pub found_by_discovery: bool,
    /// Further stops of the same case that are on record.
    pub stopped_again: usize,
    /// People were told of it together with others.
    pub in_storm: bool,
}

impl Stopped {
    /// What a report needs of a case.
    pub fn of(cluster: &ClusterId, case: &Case) -> Self {
        let unknown = Caller::unknown();
        let newest = case.newest_stop();
        let caller = newest.map_or(&unknown, |stop| &stop.caller);
        let reasons = reasons_it_waited(case).into_iter().take(REASONS_MAX);
        Self {
            case: case.id.clone(),
            cluster: cluster.clone(),
            at: case.newest_stop_time(),
            caller: words::who(caller),
            caller_id: caller.identity().map(words::name),
            ruling: ruling(case),
            outcome: case.outcome,
            restored_after_seconds: restored_after(case).map(|time| time.as_secs()),
            waited: reasons.map(|reason| text::clean(&reason, REASON_CHARS_MAX)).collect(),
            is_waiting: case.held.is_some(),
            found_by_discovery: newest.is_some_and(|stop| stop.source == StopSource::Discovery),
            stopped_again: case.stops.len().saturating_sub(1),
            in_storm: case.told.as_ref().is_some_and(|told| told.in_storm),
        }
    }

    /// It was not allowed, or nobody knows.
    pub(super) fn is_of_note(&self) -> bool {
        self.ruling != Ruling::Authorised || !self.waited.is_empty()
    }
}

/// A verdict about an earlier stop says nothing about the newest.
fn ruling(case: &Case) -> Ruling {
    let verdict = case.verdict.as_ref().filter(|verdict| verdict.stop_time == case.newest_stop_time());
    match verdict.map(|verdict| verdict.authorised) {
        Some(true) => Ruling::Authorised,
        Some(false) => Ruling::Unauthorised,
        None => Ruling::Undecided,
    }
}

/// Unknown where the stop's own time is, and where Azure's clock and the guard's disagree.
fn restored_after(case: &Case) -> Option<SignedDuration> {
    let runs = matches!(case.outcome, Some(Outcome::Restored | Outcome::AlreadyRunning));
    let stop = case.newest_stop().filter(|stop| runs && stop.time_known)?;
    let after = case.closed_at?.duration_since(stop.time);
    (!after.is_negative()).then_some(after)
}
