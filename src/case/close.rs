//! The end of a case, in steps that any process can finish (rules 18 and 19).

use jiff::Timestamp;

use super::bulletin::Teller;
use super::evidence;
use super::mode::Mode;
use super::model::{Case, Outcome};
use super::outbox::{self, Message};
use super::record::{AuthorisedStop, Closing, Episode, Record};
use super::report;
use super::routes::{Audience, News};
use super::step::{Advance, Context, Facts, Transition};
use crate::domain::incident::Affected;
use crate::domain::{Found, Incident, IncidentState, Look, Severity, Situation};

/// First step: the final content, on the record.
pub(super) fn close(
    mut record: Record,
    mut case: Case,
    outcome: Outcome,
    facts: &Facts,
    context: &Context<'_>,
) -> Advance {
    case.closed_at = Some(context.now);
    case.outcome = Some(outcome);
    case.held = None;
    case.note(context.now, report::outcome_sentence(outcome));
    remember(&mut record, &case, outcome, facts.look.as_ref().ok(), context);
    report::closed(&mut record, &mut case, outcome, context);
    let evidence = evidence::of_end(&mut case, facts, context);
    let (storm, groups) = (report::storm_row(&case, Some(outcome)), report::group_rows(&case, Some(outcome)));
    case.receipts = record.receipts_of(&case.id).cloned().collect();
    let body = serde_json::to_string(&case).unwrap_or_else(|_| format!("{{\"id\":\"{}\"}}", case.id));
    record.episode = Episode::Closing(Closing {
        id: case.id.clone(),
        closed_at: context.now,
        outcome,
        body,
        storm,
        groups,
    });
    Advance::Write(Box::new(Transition { record, start: None, storm: None, groups: Vec::new(), evidence }))
}

/// What outlives the case.
fn remember(record: &mut Record, case: &Case, outcome: Outcome, look: Option<&Look>, context: &Context<'_>) {
    let history = &mut record.history;
    let newest = case.newest_stop_time();
    let seen_running = look.filter(|look| is_running(look)).map(|look| look.sent_at - context.times.settle);
    match outcome {
        Outcome::AlreadyRunning | Outcome::Restored => {
            history.running_seen_at = seen_running.max(history.running_seen_at);
            history.authorised = None;
        }
        Outcome::Authorised => {
            history.authorised =
                case.stops.iter().rev().find(|stop| stop.allowed_by.is_some()).map(|stop| AuthorisedStop {
                    stop_time: newest,
                    caller: stop.caller.clone(),
                    correlation_id: stop.correlation_id.clone(),
                });
            if seen_running.is_some_and(|seen| seen >= newest) {
                history.running_seen_at = seen_running;
                history.authorised = None;
            }
        }
        Outcome::Gone => {
            history.forget_cluster();
            history.gone_seen_at = gone_seen_at(case, look);
            record.resource_uid = None;
        }
    }
}

fn is_running(look: &Look) -> bool {
    match &look.found {
        Found::Cluster(cluster) => cluster.situation() == Situation::Running,
        Found::Gone => false,
    }
}

/// When the case's cluster was last known not to be there any more: the look that found nothing, or, where another cluster
/// has its id already, the last stop we heard of while it was this one.
fn gone_seen_at(case: &Case, look: Option<&Look>) -> Option<Timestamp> {
    match look.map(|look| (&look.found, look.sent_at)) {
        Some((Found::Gone, sent_at)) => Some(sent_at),
        Some((Found::Cluster(_), _)) | None => Some(case.newest_stop_time()),
    }
}

/// Last step: the archived case leaves the record; its history stays.
pub fn reset(record: &mut Record) {
    if matches!(record.episode, Episode::Closing(_)) {
        record.episode = Episode::None;
    }
}

/// Somebody else's bytes are in the archive under this case's name: people must know (rule 18).
pub fn conflict(record: &mut Record, closing: &Closing, teller: Teller<'_>) {
    let Teller { now, mode, routes, portal, .. } = teller;
    if mode == Mode::DryRun {
        return;
    }
    let incident = Incident {
        id: format!("{}-archive", closing.id),
        state: IncidentState::Opened,
        sequence: 0,
        severity: Severity::High,
        title: format!("{}: the archive holds another version of case {}", record.cluster.name(), closing.id),
        opened_at: now,
        at: now,
        clusters: vec![Affected { id: record.cluster.clone(), status: closing.outcome.as_str().to_owned() }],
        cluster_count: 1,
        caller: None,
        stopped_at: None,
        correlation_id: None,
        verdict: None,
        policies: Vec::new(),
        mode: mode.to_string(),
        done: vec!["Both versions are kept.".to_owned()],
        next: vec![format!(
            "Find out who else writes into the guard's storage, and compare what the container of closed cases holds under {}.",
            closing.id
        )],
        warnings: Vec::new(),
        links: portal.map(|portal| portal.cluster_log(&record.cluster)).into_iter().collect(),
        timeline: Vec::new(),
    };
    let news = News { state: incident.state, severity: incident.severity, named: &[], crowded: &[] };
    let mut audience = Audience::nobody();
    let hearers = audience.hears(news, routes);
    let message = Message::new(incident, &hearers.new, now).for_audience(&audience, routes);
    outbox::push(&mut record.outbox, message);
}
