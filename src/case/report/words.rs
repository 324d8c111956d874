//! A case in a line: its title, why it waits, how it ended.

use super::super::model::{Case, Held, Outcome};
use super::super::record::Record;
use super::super::times::ATTEMPTS_MAX;
use super::{WHO_CHARS_MAX, undid_it, who};
use crate::domain::Situation;
use crate::domain::text::clean;

/// Policies that a sentence names. All stand beside it.
const POLICIES_NAMED: usize = 5;

/// Names of policies in a sentence.
fn names(policies: &[String]) -> String {
    let named: Vec<String> =
        policies.iter().take(POLICIES_NAMED).map(|id| clean(id, WHO_CHARS_MAX)).collect();
    match policies.len().saturating_sub(POLICIES_NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// One line: the cluster, who, the verdict, what the guard did.
pub(super) fn title(record: &Record, case: &Case) -> String {
    let name = record.cluster.name();
    let who = case.newest_stop().map_or_else(|| "an unknown caller".to_owned(), |stop| who(&stop.caller));
    let stopped = format!("{name} was stopped by {who}{}", permission(case));
    if let Some(outcome) = case.outcome {
        return end(name, &who, case, outcome);
    }
    match (&case.held, &case.last_situation) {
        (Some(Held::Unconfirmed), _) => format!(
            "{name} was stopped by {who}, who may, says an event; but the activity log has no record of it"
        ),
        (Some(held @ Held::DamagedRecord), _) => format!("{name} needs somebody to look: {}", held.reason()),
        (Some(held), _) => format!("{stopped} and does not run: {}", held.reason()),
        (None, Some(Situation::Startable | Situation::FailedStopped)) if case.intent.is_some() => {
            format!("{stopped}: the guard is restarting it")
        }
        (None, Some(Situation::Starting)) => format!("{stopped} and is starting again"),
        (None, Some(Situation::Running)) => format!("{stopped}: Azure shows it running so far"),
        (
            None,
            Some(
                Situation::Startable
                | Situation::FailedStopped
                | Situation::FailedRunning
                | Situation::Stopping
                | Situation::Busy
                | Situation::Deleting
                | Situation::Unknown,
            )
            | None,
        ) => format!("{stopped}: the guard restarts it as soon as it can"),
    }
}

fn permission(case: &Case) -> &'static str {
    match case.verdict.as_ref().map(|verdict| verdict.authorised) {
        Some(true) => " with permission",
        Some(false) => " without permission",
        None => "",
    }
}

/// The title of a case that is over.
fn end(name: &str, who: &str, case: &Case, outcome: Outcome) -> String {
    let authorised = case.verdict.as_ref().is_some_and(|verdict| verdict.authorised);
    let permission = permission(case);
    match outcome {
        Outcome::Authorised if undid_it(case, outcome) => {
            format!(
                "{name} was stopped by {who} with permission, and the guard started it before it knew of that"
            )
        }
        Outcome::Authorised => format!("{name} was stopped by {who} with permission"),
        Outcome::Restored | Outcome::AlreadyRunning if authorised => {
            format!("{name} runs; the activity log never showed that {who} stopped it")
        }
        Outcome::Gone if authorised => {
            format!("{name} was deleted; the activity log never showed that {who} stopped it")
        }
        Outcome::Restored => {
            format!("{name} runs again: the guard restarted it after {who} stopped it{permission}")
        }
        Outcome::AlreadyRunning => {
            format!("{name} runs again without the guard's help, after {who} stopped it{permission}")
        }
        Outcome::Gone => format!("{name} was deleted after {who} stopped it{permission}"),
    }
}

impl Held {
    /// Why a case waits for people, in a few words.
    pub fn reason(&self) -> String {
        match self {
            Held::Mode { mode } => format!("the guard is in mode {mode} and starts nothing"),
            Held::NotPermitted { policies } => match policies.as_slice() {
                [] => "no policy lets the guard restart it".to_owned(),
                [_] => format!("policy {} forbids a restart", names(policies)),
                policies => format!("policies {} forbid a restart", names(policies)),
            },
            Held::PolicyError => "a policy failed, so the guard may not restart it".to_owned(),
            Held::Hold { reason } => format!("a hold forbids starts: {reason}"),
            Held::AttemptsUsed => format!("{ATTEMPTS_MAX} attempts to start it failed"),
            Held::Refused { code, .. } => format!("Azure refused the start ({code})"),
            Held::FailedState => "it is in a failed state that another start does not mend".to_owned(),
            Held::TooLong { situation } => match situation {
                Some(situation) => format!("it did not come up in time, and {}", situation_words(*situation)),
                None => "the guard can't look at it".to_owned(),
            },
            Held::UnknownCaller => "the activity log names nobody, so people decide".to_owned(),
            Held::Unconfirmed => "the activity log has no record of its stop".to_owned(),
            Held::DamagedRecord => {
                "the guard's record of it was damaged, so it doesn't know what it did before".to_owned()
            }
        }
    }
}

/// The timeline's line for it.
pub(in crate::case) fn held_sentence(held: &Held) -> String {
    match held {
        Held::Mode { mode } => format!("would have started it, but the mode is {mode}"),
        Held::NotPermitted { .. }
        | Held::PolicyError
        | Held::Hold { .. }
        | Held::AttemptsUsed
        | Held::Refused { .. }
        | Held::FailedState
        | Held::TooLong { .. }
        | Held::UnknownCaller
        | Held::Unconfirmed
        | Held::DamagedRecord => format!("waiting for people: {}", held.reason()),
    }
}

/// The timeline's line for an end.
pub(in crate::case) fn outcome_sentence(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Authorised => "closed: the stop was authorised",
        Outcome::AlreadyRunning => "closed: it runs, and the guard started nothing",
        Outcome::Restored => "closed: it runs again, after the guard's start",
        Outcome::Gone => "closed: the cluster is gone",
    }
}

fn situation_words(situation: Situation) -> &'static str {
    match situation {
        Situation::Running => "it runs",
        Situation::Startable => "it is stopped",
        Situation::Stopping => "it is still stopping",
        Situation::Starting => "it is still starting",
        Situation::FailedStopped => "it is stopped, and its last operation failed",
        Situation::FailedRunning => "its last operation failed half-way",
        Situation::Busy => "another operation is under way",
        Situation::Deleting => "it is being deleted",
        Situation::Unknown => "Azure doesn't say what state it is in",
    }
}
