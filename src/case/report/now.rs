//! The incident of a stored case as a message would tell it now. For people who look: nothing is sent.

use super::super::model::{Case, Told};
use super::super::record::Record;
use super::super::routes::Audience;
use super::super::step::Context;
use super::actions::{done, next};
use super::warnings::warnings;
use super::{base, first_severity, held_severity, title};
use crate::domain::{ClusterId, Incident, IncidentState};
use jiff::Timestamp;

/// Why a case has no incident of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoIncident {
    /// Whether anybody has to be told is not known yet.
    #[error("its stop is not decided yet")]
    Undecided,
    /// Nobody has to be told.
    #[error("its stop was allowed, so nobody is told of it")]
    Allowed,
    /// It is a line in another incident.
    #[error("it is told in the incident of its storm")]
    InStorm,
}

/// The incident of `case`, which is one of `record`, at `context.now`. In `dry-run`: the one that people would have been told of.
///
/// # Errors
/// If it has none.
pub fn incident_now(record: &Record, case: &Case, context: &Context<'_>) -> Result<Incident, NoIncident> {
    let authorised = case.verdict.as_ref().map(|verdict| verdict.authorised);
    let told = match (&case.told, &case.held, authorised) {
        (Some(told), _, _) => told.clone(),
        (None, Some(_), _) | (None, None, Some(false)) => untold(case, context),
        (None, None, Some(true)) => return Err(NoIncident::Allowed),
        (None, None, None) => return Err(NoIncident::Undecided),
    };
    if told.in_storm {
        return Err(NoIncident::InStorm);
    }
    let (state, sequence) = match (case.outcome, told.next_sequence) {
        // Its end is the last message there is.
        (Some(_), next) => (IncidentState::Resolved, next.saturating_sub(1)),
        (None, 0) => (IncidentState::Opened, 0),
        (None, next) => (IncidentState::Updated, next),
    };
    Ok(Incident { state, sequence, title: title(record, case), ..base(record, case, &told, context) })
}

/// What would be kept of the incident if it were told now.
fn untold(case: &Case, context: &Context<'_>) -> Told {
    Told {
        opened_at: context.now,
        severity: if case.held.is_some() { held_severity(case) } else { first_severity(case) },
        next_sequence: 0,
        in_storm: case.restart.as_ref().is_some_and(|restart| restart.in_storm),
        audience: Audience::nobody(),
    }
}

/// A case in sentences, whether anybody is told of it or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentences {
    /// One line: the cluster, who, the verdict, what the guard did.
    pub title: String,
    /// What the guard did.
    pub done: Vec<String>,
    /// What is left for people to do; empty when nothing is.
    pub next: Vec<String>,
    /// What to know before acting on it.
    pub warnings: Vec<String>,
}

/// What is to be said of a stored case of this cluster at `now`.
pub fn sentences_now(cluster: &ClusterId, case: &Case, now: Timestamp) -> Sentences {
    Sentences {
        title: title(&Record::new(cluster.clone()), case),
        done: done(case),
        next: next(cluster, case),
        warnings: warnings(cluster.kind(), case, now),
    }
}
