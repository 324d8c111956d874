//! What would be decided about a stop, with no effect: for an operator who asks.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::close;
use super::intake::{Taken, take_in};
use super::model::{Case, Held, RestartAnswer, Stop, Verdict};
use super::record::{Episode, Record};
use super::report::DRY_RUN;
use super::step::{Advance, Context, Facts, GrantsRead, RecentStops, advance};
use crate::domain::Caller;
use crate::domain::incident::TimelineEntry;
use crate::policy::{Explained, Policies, RestartQuestion, StopQuestion};

/// What the guard would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "action")]
pub enum Action {
    /// Nothing: the stop was allowed.
    LeaveStopped,
    /// Start the cluster now.
    Restart,
    /// Nothing: it runs or is gone; people are told of the stop.
    Report {
        /// How the case would end.
        outcome: &'static str,
    },
    /// Look again before deciding.
    Wait {
        /// For what.
        why: String,
    },
    /// Ask people.
    RaiseIncident {
        /// Why.
        held: Held,
    },
    /// Nothing: the stop is history.
    Ignore {
        /// Why.
        why: &'static str,
    },
}

/// A decision and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What the guard would do.
    #[serde(flatten)]
    pub action: Action,
    /// Was it allowed?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// May the guard restart it?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartAnswer>,
    /// The steps to it.
    pub timeline: Vec<TimelineEntry>,
}

/// Decides about `stop` as if its event came now, on a copy of the record. `facts.stops`, `facts.grants` and `facts.log` may be
/// given; what is not known counts as one stop, no grant and a silent log.
pub fn explain(record: &Record, stop: Stop, facts: Facts, context: &Context<'_>) -> Explanation {
    decide(record, stop, facts, context).0
}

/// [`explain`], with the questions that the policies were asked, each answered anew with why.
pub fn explain_questions(
    record: &Record,
    stop: Stop,
    facts: Facts,
    context: &Context<'_>,
) -> (Explanation, Vec<Explained>) {
    let (explanation, case) = decide(record, stop, facts, context);
    let questions = match (&case, context.policies) {
        (Some(case), Some(policies)) => questions(case, policies, context.zone, context.now),
        (Some(_) | None, _) => Vec::new(),
    };
    (explanation, questions)
}

/// The questions about a case's newest stop, put to `policies` with the facts that its verdict was asked with. None if the case
/// has no verdict that keeps them. `now` is when a restart is asked for.
pub fn questions(case: &Case, policies: &Policies, zone: &TimeZone, now: Timestamp) -> Vec<Explained> {
    let asked = case.verdict.as_ref().and_then(|verdict| verdict.asked.as_deref());
    let (Some(asked), Some(stop)) = (asked, case.newest_stop()) else { return Vec::new() };
    let stop_question = StopQuestion {
        caller: &stop.caller,
        cluster: &asked.cluster,
        facts: asked.facts.as_ref(),
        at: stop.time,
        zone,
        counts: asked.counts,
        confirmed: stop.confirmed,
        grant: asked.grant.as_ref(),
    };
    let stop_answer = policies.explain_stop(&stop_question);
    if stop_answer.allowed {
        return vec![stop_answer];
    }
    let unknown = Caller::unknown();
    let known = stop.caller.is_known() && case.held != Some(Held::UnknownCaller);
    let restart_answer = policies.explain_restart(&RestartQuestion {
        caller: if known { &stop.caller } else { &unknown },
        caller_known: known,
        cluster: &asked.cluster,
        facts: asked.facts.as_ref(),
        at: now,
        stopped_at: stop.time,
        zone,
        counts: asked.counts,
    });
    vec![stop_answer, restart_answer]
}

/// The decision, and the case as it would be then.
fn decide(
    record: &Record,
    stop: Stop,
    mut facts: Facts,
    context: &Context<'_>,
) -> (Explanation, Option<Case>) {
    let mut record = record.clone();
    // A case on its way into the archive would be finished first (rule 19).
    close::reset(&mut record);
    let taken = take_in(&mut record, stop, context.mode, context.now, context.times);
    if let Taken::History(why) = taken {
        return explanation(None, Action::Ignore { why });
    }
    loop {
        match advance(&record, &facts, context) {
            Advance::ReadGrants { callers } => {
                let grants = facts.grants.take().map(|read| read.grants).unwrap_or_default();
                facts.grants = Some(GrantsRead { callers, grants });
            }
            Advance::AskLog => facts.log = Some(Err("it was not asked".to_owned())),
            Advance::CountStops { mark } => {
                let own = u32::from(mark);
                facts.stops = Some(RecentStops { by_caller: own, in_subscription: own, marked: mark });
            }
            Advance::Write(transition) => {
                return explained(&transition.record, transition.start.is_some());
            }
        }
    }
}

fn explained(record: &Record, starts: bool) -> (Explanation, Option<Case>) {
    let (case, action) = match &record.episode {
        Episode::Open(case) if starts => (Some(case.as_ref().clone()), Action::Restart),
        Episode::Open(case) => (Some(case.as_ref().clone()), waiting(case)),
        Episode::Held(case) => {
            let held = case.held.clone().unwrap_or(Held::TooLong { situation: case.last_situation });
            (Some(case.as_ref().clone()), Action::RaiseIncident { held })
        }
        Episode::Closing(closing) => {
            let case = closing.case().ok();
            let action = match closing.outcome {
                super::model::Outcome::Authorised => Action::LeaveStopped,
                super::model::Outcome::AlreadyRunning
                | super::model::Outcome::Restored
                | super::model::Outcome::Gone => Action::Report { outcome: closing.outcome.as_str() },
            };
            (case, action)
        }
        Episode::None => (None, Action::Ignore { why: "nothing is open" }),
    };
    explanation(case, action)
}

/// An authorised stop is left alone, though the log may still have to confirm it.
fn waiting(case: &Case) -> Action {
    if case.verdict.as_ref().is_some_and(|verdict| verdict.authorised) {
        return Action::LeaveStopped;
    }
    let mut lines = case.timeline.iter().rev().map(|line| line.text.as_str());
    let why = lines.find(|text| !text.starts_with(DRY_RUN)).unwrap_or("for another look").to_owned();
    Action::Wait { why }
}

fn explanation(case: Option<Case>, action: Action) -> (Explanation, Option<Case>) {
    let of = case.as_ref();
    // The facts stand in the questions, for whoever asks for them.
    let verdict = of.and_then(|case| case.verdict.clone()).map(|verdict| Verdict { asked: None, ..verdict });
    let explanation = Explanation {
        action,
        verdict,
        restart: of.and_then(|case| case.restart.clone()),
        timeline: of.map(|case| case.timeline.clone()).unwrap_or_default(),
    };
    (explanation, case)
}
