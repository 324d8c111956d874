//! What would be decided about a stop, with no effect: for an operator who asks.

use serde::Serialize;

use super::close;
use super::intake::{Taken, take_in};
use super::model::{Held, RestartAnswer, Stop, Verdict};
use super::record::{Episode, Record};
use super::report::DRY_RUN;
use super::step::{Advance, Context, Facts, GrantsRead, RecentStops, advance};
use crate::domain::incident::TimelineEntry;

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
pub fn explain(record: &Record, stop: Stop, mut facts: Facts, context: &Context<'_>) -> Explanation {
    let mut record = record.clone();
    // A case on its way into the archive would be finished first (rule 19).
    close::reset(&mut record);
    let taken = take_in(&mut record, stop, context.mode, context.now, context.times);
    if let Taken::History(why) = taken {
        return Explanation {
            action: Action::Ignore { why },
            verdict: None,
            restart: None,
            timeline: Vec::new(),
        };
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

fn explained(record: &Record, starts: bool) -> Explanation {
    let (case, action) = match &record.episode {
        Episode::Open(case) if starts => (Some(case.as_ref()), Action::Restart),
        Episode::Open(case) => (Some(case.as_ref()), waiting(case)),
        Episode::Held(case) => {
            let held = case.held.clone().unwrap_or(Held::TooLong { situation: case.last_situation });
            (Some(case.as_ref()), Action::RaiseIncident { held })
        }
        Episode::Closing(closing) => {
            let case = serde_json::from_str::<super::model::Case>(&closing.body).ok();
            let action = match closing.outcome {
                super::model::Outcome::Authorised => Action::LeaveStopped,
                super::model::Outcome::AlreadyRunning
                | super::model::Outcome::Restored
                | super::model::Outcome::Gone => Action::Report { outcome: closing.outcome.as_str() },
            };
            return explanation(case.as_ref(), action);
        }
        Episode::None => (None, Action::Ignore { why: "nothing is open" }),
    };
    explanation(case, action)
}

/// An authorised stop is left alone, though the log may still have to confirm it.
fn waiting(case: &super::model::Case) -> Action {
    if case.verdict.as_ref().is_some_and(|verdict| verdict.authorised) {
        return Action::LeaveStopped;
    }
    let mut lines = case.timeline.iter().rev().map(|line| line.text.as_str());
    let why = lines.find(|text| !text.starts_with(DRY_RUN)).unwrap_or("for another look").to_owned();
    Action::Wait { why }
}

fn explanation(case: Option<&super::model::Case>, action: Action) -> Explanation {
    Explanation {
        action,
        verdict: case.and_then(|case| case.verdict.clone()),
        restart: case.and_then(|case| case.restart.clone()),
        timeline: case.map(|case| case.timeline.clone()).unwrap_or_default(),
    }
}
