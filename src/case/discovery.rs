//! Discovery: clusters that are down and of whose stop nobody told us (rule 24). Which of them are explained, and what follows
//! from a look and the activity log for the others.
//!
//! Only a case, or an authorised stop that the log's newest operation *is*, explains a cluster that is down; grants never do.
//! What was down when its subscription was seen first (its [`Baseline`]) is left alone until it is seen running.

mod members;
mod stored;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::intake::history;
use super::model::{Stop, StopSource};
use super::record::{AuthorisedStop, Episode, Record};
use super::report::who;
use super::times::Times;
use crate::domain::{
    Caller, Cluster, ClusterId, Found, LogReading, Look, PowerOperation, PowerVerb, Situation,
};
use crate::mutant::Mutant;
use crate::policy::{Counts, Policies, StopQuestion};

pub use members::{GUARDED_MAX, GroupAnswer, Members};
pub use stored::{Baseline, DiscoveryState, Failing, RunEnd, UNNAMED_MAX};

/// The activity log keeps its records for 90 days (source: Azure Monitor, "Activity log retention"). Of an authorised stop before
/// that it can't tell any more.
const LOG_KEPT_FOR: SignedDuration = SignedDuration::from_hours(89 * 24);

/// Status of a cluster in the grouped incident, where the log can't say who stopped it.
const NO_STOP_NAMED: &str = "stopped; the activity log names no stop of it";
/// The same, where somebody started it last and it is down all the same.
const START_NAMED: &str = "stopped; the activity log names a start last";

/// What a look says about a cluster that the index shows as down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It is stopped, or being stopped.
    Down,
    /// It runs, comes up, or is gone: the index was behind.
    Up,
    /// Another operation is under way, or Azure doesn't say.
    Unclear,
}

impl Seen {
    /// Reads a look.
    pub fn of(look: &Look) -> Self {
        let Found::Cluster(cluster) = &look.found else { return Self::Up };
        match cluster.situation() {
            Situation::Startable | Situation::Stopping | Situation::FailedStopped => Self::Down,
            Situation::Running | Situation::Starting | Situation::FailedRunning => Self::Up,
            Situation::Busy | Situation::Deleting | Situation::Unknown => Self::Unclear,
        }
    }
}

/// Whether what is stored explains why a cluster is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its case looks after it.
    HasCase,
    /// It was down before the guard first looked, and has not been seen running since.
    InBaseline,
    /// Nothing does, or only the activity log can tell: it has to be looked into.
    Open,
}

/// Reads what is stored about a cluster that the index shows as down.
pub fn standing(record: Option<&Record>, cluster: &ClusterId, baseline: &Baseline) -> Standing {
    let has_case = record.is_some_and(|record| match record.episode {
        Episode::Open(_) | Episode::Held(_) | Episode::Closing(_) => true,
        Episode::None => false,
    });
    if has_case {
        return Standing::HasCase;
    }
    let ran_since = record
        .and_then(|record| record.history.running_seen_at)
        .is_some_and(|seen| seen > baseline.taken_at());
    if baseline.has(cluster) && !ran_since { Standing::InBaseline } else { Standing::Open }
}

/// Whether a cluster belongs into the baseline of a subscription that is seen for the first time: nothing is known of its stop.
pub fn is_unknown(record: Option<&Record>) -> bool {
    record.is_none_or(|record| matches!(record.episode, Episode::None) && record.history.authorised.is_none())
}

/// What a cluster is looked into with.
#[derive(Debug, Clone, Copy)]
pub struct Examination<'a> {
    /// The cluster.
    pub cluster: &'a ClusterId,
    /// Its record, if it has one. It has no case.
    pub record: Option<&'a Record>,
    /// What ARM shows.
    pub look: &'a Look,
    /// Its power operations, as far back as the log was asked.
    pub log: &'a LogReading,
    /// When discovery first saw it down without a name.
    pub unnamed_since: Timestamp,
    /// The policies; `None` while they are broken.
    pub policies: Option<&'a Policies>,
    /// The zone of `context.local`.
    pub zone: &'a TimeZone,
    /// Now, on Azure's clock.
    pub now: Timestamp,
    /// The times.
    pub times: &'a Times,
}

/// What came of looking into a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It is not down.
    Up,
    /// An authorised stop explains it: the one that the log names last.
    Explained,
    /// A stop that nobody told us of: it gets a case, like any other.
    Stopped(Box<Stop>),
    /// The same, too long ago for a restart, and it was allowed: to be remembered.
    Allowed(AuthorisedStop),
    /// For people to find out about: in the grouped incident.
    Unexplained {
        /// Why, in a few words that stay the same.
        status: String,
        /// Who stopped it, if that is known.
        caller: Option<Caller>,
    },
    /// The log may be behind: to be looked into again soon.
    Unnamed,
    /// Nothing can be said now; next time perhaps.
    Undecided(&'static str),
}

impl Examination<'_> {
    /// Decides.
    pub fn find(&self) -> Finding {
        let cluster = match (Seen::of(self.look), &self.look.found) {
            (Seen::Up, _) | (Seen::Down | Seen::Unclear, Found::Gone) => return Finding::Up,
            (Seen::Unclear, Found::Cluster(_)) => {
                return Finding::Undecided("another operation is under way");
            }
            (Seen::Down, Found::Cluster(cluster)) => cluster.as_ref(),
        };
        let authorised = self.record.and_then(|record| record.history.authorised.as_ref());
        match (self.log.operations.first(), authorised) {
            (Some(_) | None, Some(_)) if Mutant::AuthorisedForEver.is_on() => Finding::Explained,
            (Some(newest), Some(authorised)) if self.is_that_stop(newest, authorised) => Finding::Explained,
            (None, Some(authorised)) if authorised.stop_time < self.now - LOG_KEPT_FOR => Finding::Explained,
            (Some(newest), _) => match newest.verb {
                PowerVerb::Stop => self.stopped(newest, cluster),
                PowerVerb::Start => self.unnamed(START_NAMED),
            },
            (None, _) => self.unnamed(NO_STOP_NAMED),
        }
    }

    /// No start fits between two stops that are less than QUIET apart (T2).
    fn is_that_stop(&self, operation: &PowerOperation, authorised: &AuthorisedStop) -> bool {
        let quiet = self.times.quiet;
        operation.verb == PowerVerb::Stop
            && operation.began_at - quiet <= authorised.stop_time
            && authorised.stop_time <= operation.last_seen_at + quiet
    }

    fn stopped(&self, operation: &PowerOperation, cluster: &Cluster) -> Finding {
        let stop = found(operation);
        // What is history already is not the stop that keeps it down: the log doesn't show that one yet.
        if self.record.is_some_and(|record| history(record, &stop).is_some()) {
            return self.unnamed(NO_STOP_NAMED);
        }
        let is_young = self.now.duration_since(stop.time) < self.times.restart_found_within;
        if is_young && stop.caller.is_known() {
            return Finding::Stopped(Box::new(stop));
        }
        let Some(policies) = self.policies else {
            return Finding::Undecided("nothing is decided: the policies are broken");
        };
        if self.was_allowed(&stop, cluster, policies) {
            return Finding::Allowed(AuthorisedStop {
                stop_time: stop.time,
                caller: stop.caller,
                correlation_id: stop.correlation_id,
            });
        }
        if !stop.caller.is_known() {
            let status = format!("stopped at {} by a caller whom the activity log does not name", stop.time);
            return Finding::Unexplained { status, caller: None };
        }
        let status = format!(
            "stopped without permission at {} by {}, too long ago for a restart",
            stop.time,
            who(&stop.caller)
        );
        Finding::Unexplained { status, caller: Some(stop.caller) }
    }

    /// Asked for the stop's own time (rule 10). How many stops there were around it is not counted: a yes starts nothing.
    fn was_allowed(&self, stop: &Stop, cluster: &Cluster, policies: &Policies) -> bool {
        let answer = policies.may_stop(&StopQuestion {
            caller: &stop.caller,
            cluster: self.cluster,
            facts: Some(cluster),
            at: stop.time,
            zone: self.zone,
            counts: Counts::default(),
            confirmed: stop.confirmed,
            grant: None,
        });
        answer.allowed && answer.errors.is_empty()
    }

    /// The log is waited for, but not for ever (rule 12).
    fn unnamed(&self, status: &str) -> Finding {
        if self.now.duration_since(self.unnamed_since) < self.times.log_lag {
            return Finding::Unnamed;
        }
        Finding::Unexplained { status: status.to_owned(), caller: None }
    }
}

/// The stop that an operation in the log is.
fn found(operation: &PowerOperation) -> Stop {
    Stop {
        time: operation.began_at,
        time_known: true,
        caller: operation.caller.clone(),
        correlation_id: operation.correlation_id.clone(),
        event_id: operation.operation_id.clone().unwrap_or_else(|| "log".to_owned()),
        source: StopSource::Discovery,
        confirmed: operation.caller.is_known(),
        claimed: None,
        allowed_by: None,
        granted: None,
    }
}
