//! What people are told of a case. Pure: the messages go into the outbox, and a sink renders them.

use super::mode::Mode;
use super::model::{Case, Held, Outcome, Told};
use super::outbox::{self, Message};
use super::record::Record;
use super::routes::{Audience, News};
use super::step::{Context, StormRow};
use crate::domain::incident::{Affected, TimelineEntry};
use crate::domain::text::clean;
use crate::domain::{Caller, ClusterId, Incident, IncidentState, Link, Scope, Severity};
use actions::{done, next};
use words::title;

mod actions;
pub(super) mod commands;
mod groups;
mod now;
mod remedy;
mod warnings;
mod words;

pub(super) use groups::group_rows;
pub use now::{NoIncident, incident_now};
pub(super) use words::{held_sentence, outcome_sentence};

/// Longest name of a caller in a sentence, in characters. The whole one is beside it.
const WHO_CHARS_MAX: usize = 80;
/// Timeline lines in one message.
const TIMELINE_SHOWN: usize = 20;

/// How a timeline line begins that stands for a message.
pub(super) const DRY_RUN: &str = "dry-run:";

/// A restart is on its way.
pub(super) fn restarting(record: &mut Record, case: &mut Case, context: &Context<'_>) {
    tell_first(record, case, first_severity(case), context);
}

/// How bad a stop is that needs no people so far.
fn first_severity(case: &Case) -> Severity {
    case.restart.as_ref().and_then(|restart| restart.severity).unwrap_or(Severity::Medium)
}

/// The case waits for something that needs no people. Told once, if nobody was allowed to stop the cluster.
pub(super) fn waiting(record: &mut Record, case: &mut Case, context: &Context<'_>) {
    let unauthorised = case.verdict.as_ref().is_some_and(|verdict| !verdict.authorised);
    if unauthorised && case.restart.is_some() {
        restarting(record, case, context);
    }
}

/// People are needed.
pub(super) fn held(record: &mut Record, case: &mut Case, context: &Context<'_>) {
    let severity = held_severity(case);
    if case.told.is_some() {
        tell(record, case, IncidentState::Updated, severity, context);
    } else {
        tell_first(record, case, severity, context);
    }
}

/// How bad a case is that needs people.
fn held_severity(case: &Case) -> Severity {
    let by_policy = case
        .restart
        .as_ref()
        .and_then(|restart| restart.severity)
        .max(case.verdict.as_ref().and_then(|verdict| verdict.severity));
    by_policy.unwrap_or(Severity::High).max(Severity::High)
}

/// The log names another caller than the event did: somebody may forge events (rule 29).
pub(super) fn contradicted(record: &mut Record, case: &mut Case, context: &Context<'_>) {
    if case.forgery_told.is_some() || silent(case, context) {
        return;
    }
    let mut told = Told {
        opened_at: context.now,
        severity: Severity::Critical,
        next_sequence: 0,
        in_storm: false,
        audience: Audience::nobody(),
    };
    tell_of_forgery(record, case, &mut told, IncidentState::Opened, context);
    case.forgery_told = Some(told);
}

/// The case is over. An unauthorised stop is reported even where nothing was left to do: its pods are lost.
pub(super) fn closed(record: &mut Record, case: &mut Case, outcome: Outcome, context: &Context<'_>) {
    let unauthorised = case.verdict.as_ref().is_some_and(|verdict| !verdict.authorised);
    if case.told.is_none() && unauthorised && outcome != Outcome::Authorised {
        tell_first(record, case, first_severity(case), context);
    }
    if undid_it(case, outcome) {
        if case.told.is_some() {
            tell(record, case, IncidentState::Updated, Severity::High, context);
        } else {
            tell_first(record, case, Severity::High, context);
        }
    }
    if let Some(severity) = case.told.as_ref().map(|told| told.severity) {
        tell(record, case, IncidentState::Resolved, severity, context);
    }
    if let Some(mut told) = case.forgery_told.take() {
        tell_of_forgery(record, case, &mut told, IncidentState::Resolved, context);
        case.forgery_told = Some(told);
    }
}

/// The guard started the cluster after a stop that it did not know of yet, and that was allowed.
fn undid_it(case: &Case, outcome: Outcome) -> bool {
    outcome == Outcome::Authorised && case.overtaken.is_some_and(|at| at >= case.newest_stop_time())
}

/// Nothing reaches a sink in this mode; the case says what would have.
fn silent(case: &Case, context: &Context<'_>) -> bool {
    case.mode.min(context.mode) == Mode::DryRun
}

fn tell_first(record: &mut Record, case: &mut Case, severity: Severity, context: &Context<'_>) {
    if case.told.is_some() {
        return;
    }
    if silent(case, context) {
        let text = format!("{DRY_RUN} would have raised a {severity} incident: {}", title(record, case));
        if case.timeline.iter().all(|line| line.text != text) {
            case.note(context.now, text);
        }
        return;
    }
    let in_storm = case.restart.as_ref().is_some_and(|restart| restart.in_storm);
    case.told = Some(Told {
        opened_at: context.now,
        severity,
        next_sequence: 0,
        in_storm,
        audience: Audience::nobody(),
    });
    tell(record, case, IncidentState::Opened, severity, context);
}

fn tell(
    record: &mut Record,
    case: &mut Case,
    state: IncidentState,
    severity: Severity,
    context: &Context<'_>,
) {
    let Some(mut told) = case.told.take() else { return };
    if !told.in_storm {
        told.severity = told.severity.max(severity);
        let incident = Incident { title: title(record, case), ..base(record, case, &told, context) };
        send(&mut record.outbox, incident, state, &mut told, &case.named_sinks(), context);
    }
    case.told = Some(told);
}

/// Puts a message into the outbox for those who know of the incident, and one for those who hear of it for the first time.
fn send(
    outbox: &mut Vec<Message>,
    incident: Incident,
    state: IncidentState,
    told: &mut Told,
    named: &[String],
    context: &Context<'_>,
) {
    let news = News { state, severity: told.severity, named, crowded: context.crowded };
    let hearers = told.audience.hears(news, context.routes);
    for (state, sinks) in [(IncidentState::Opened, hearers.new), (state, hearers.known)] {
        if !sinks.is_empty() {
            let incident = Incident { state, sequence: told.next_sequence, ..incident.clone() };
            told.next_sequence = told.next_sequence.saturating_add(1);
            outbox::push(outbox, Message::new(incident, &sinks, context.now));
        }
    }
}

impl Case {
    /// Id of the incident about claims that the log contradicts.
    pub(super) fn forgery_id(&self) -> String {
        format!("{}-claims", self.id)
    }

    /// The sinks that the determining policies name, of both answers.
    pub fn named_sinks(&self) -> Vec<String> {
        let verdict = self.verdict.iter().flat_map(|verdict| &verdict.notify);
        verdict.chain(self.restart.iter().flat_map(|restart| &restart.notify)).cloned().collect()
    }
}

fn tell_of_forgery(
    record: &mut Record,
    case: &Case,
    told: &mut Told,
    state: IncidentState,
    context: &Context<'_>,
) {
    let incident = forgery(record, case, told, context);
    send(&mut record.outbox, incident, state, told, &case.named_sinks(), context);
}

fn forgery(record: &Record, case: &Case, told: &Told, context: &Context<'_>) -> Incident {
    let lie = case.stops.iter().find_map(|stop| Some((stop.claimed.as_deref()?, &stop.caller)));
    let somebody = || "somebody else".to_owned();
    let (claimed, actual) =
        lie.map_or_else(|| (somebody(), somebody()), |(claimed, actual)| (who(claimed), who(actual)));
    Incident {
        id: case.forgery_id(),
        title: format!(
            "{}: an event said that {claimed} stopped it, the activity log says {actual}",
            record.cluster.name()
        ),
        next: vec![
            "Find out who can post events to the guard: rotate the Function app's system key `eventgrid_extension`.".to_owned(),
            match case.newest_stop() {
                Some(stop) => {
                    format!("Compare the event with the activity log: {}.", commands::activity_log(&record.cluster, stop))
                }
                None => "Compare the event with the activity log.".to_owned(),
            },
        ],
        ..base(record, case, told, context)
    }
}

/// What all messages about a case share.
fn base(record: &Record, case: &Case, told: &Told, context: &Context<'_>) -> Incident {
    let stop = case.newest_stop();
    let mut policies = case.verdict.as_ref().map(|verdict| verdict.policies.clone()).unwrap_or_default();
    policies.extend(case.restart.iter().flat_map(|restart| restart.policies.clone()));
    Incident {
        id: case.id.to_string(),
        state: IncidentState::Opened,
        sequence: 0,
        severity: told.severity,
        title: String::new(),
        opened_at: told.opened_at,
        at: context.now,
        clusters: vec![Affected { id: record.cluster.clone(), status: status(case, case.outcome) }],
        cluster_count: 1,
        caller: stop.map(|stop| shown(&stop.caller)),
        stopped_at: stop.map(|stop| stop.time),
        correlation_id: stop.and_then(|stop| stop.correlation_id.clone()),
        verdict: case.verdict.as_ref().map(|verdict| {
            if verdict.authorised { "authorised".to_owned() } else { "unauthorised".to_owned() }
        }),
        policies,
        mode: case.mode.min(context.mode).to_string(),
        done: done(case),
        next: next(&record.cluster, case),
        warnings: warnings::warnings(case, context.now),
        links: links(&record.cluster, case, context),
        timeline: timeline(case),
    }
}

/// Where to look. A cluster that is gone has no pages any more.
fn links(cluster: &ClusterId, case: &Case, context: &Context<'_>) -> Vec<Link> {
    let Some(portal) = context.portal else { return Vec::new() };
    let portal = portal.or_in(case.setup.tenant.as_ref());
    if case.outcome == Some(Outcome::Gone) {
        return vec![portal.subscription_log(cluster.subscription())];
    }
    let mut links = vec![portal.cluster(cluster), portal.cluster_log(cluster)];
    if let Some(Held::Refused {
        lock: Some(lock @ (Scope::ResourceGroup(_) | Scope::Subscription(_))), ..
    }) = &case.held
    {
        links.extend(portal.scope(lock));
    }
    links
}

/// A caller in a sentence.
pub(super) fn who(caller: &Caller) -> String {
    clean(caller.label(), WHO_CHARS_MAX)
}

/// A caller as people are shown: without the groups, of which there may be hundreds.
pub(super) fn shown(caller: &Caller) -> Caller {
    Caller { groups: Vec::new(), ..caller.clone() }
}

/// The newest lines of the story.
fn timeline(case: &Case) -> Vec<TimelineEntry> {
    let skipped = case.timeline.len().saturating_sub(TIMELINE_SHOWN);
    case.timeline.iter().skip(skipped).cloned().collect()
}

/// A message that nobody tried to deliver yet says what came of the start, not that one is on its way.
pub(super) fn start_settled(outbox: &mut [Message], case: &Case) {
    let untried = |message: &Message| message.pending.iter().all(|pending| pending.tries == 0);
    let of_case =
        outbox.iter_mut().filter(|message| message.incident.id == case.id.as_str() && untried(message));
    for message in of_case {
        message.incident.done = done(case);
        message.incident.timeline = timeline(case);
    }
}

/// Where a cluster stands, in a few words.
fn status(case: &Case, outcome: Option<Outcome>) -> String {
    match (outcome, &case.held, &case.intent) {
        (Some(outcome), _, _) => outcome.as_str().to_owned(),
        (None, Some(held), _) => format!("held: {}", held.reason()),
        (None, None, Some(intent)) if intent.state.may_have_landed() => "restarting".to_owned(),
        (None, None, Some(_) | None) => "stopped".to_owned(),
    }
}

/// This cluster's line in the storm that told it.
pub(super) fn storm_row(case: &Case, outcome: Option<Outcome>) -> Option<StormRow> {
    let in_storm = case.told.as_ref().is_some_and(|told| told.in_storm);
    in_storm.then(|| StormRow { status: status(case, outcome), ended: outcome.is_some() })
}
