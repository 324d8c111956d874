//! What people are told of a case. Pure: the messages go into the outbox, and a sink renders them.

use super::mode::Mode;
use super::model::{Case, Held, Outcome, Told};
use super::outbox::Message;
use super::record::Record;
use super::routes::Audience;
use super::step::{Context, StormRow};
use super::times::ATTEMPTS_MAX;
use crate::domain::incident::{Affected, TimelineEntry};
use crate::domain::text::clean;
use crate::domain::{Caller, ClusterId, Incident, IncidentState, Link, Scope, Severity, Situation};
use actions::{done, next};

mod actions;
pub(super) mod commands;
mod groups;
mod held;
mod now;
mod remedy;
mod send;
mod warnings;

pub use groups::begun_in_groups;
pub(super) use groups::group_rows;
pub(super) use held::held_sentence;
pub use held::reasons_it_waited;
pub use now::{NoIncident, Sentences, incident_now, sentences_now};
use send::send;

/// Longest name of a caller in a sentence, in characters. The whole one is beside it.
const WHO_CHARS_MAX: usize = 80;
/// Policies that a sentence names. All stand beside it.
const POLICIES_NAMED: usize = 5;
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
        warnings: warnings::warnings(record.cluster.kind(), case, context.now),
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

/// Names of policies in a sentence.
fn names(policies: &[String]) -> String {
    let named: Vec<String> =
        policies.iter().take(POLICIES_NAMED).map(|id| clean(id, WHO_CHARS_MAX)).collect();
    match policies.len().saturating_sub(POLICIES_NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// A caller in a sentence.
pub(super) fn who(caller: &Caller) -> String {
    clean(caller.label(), WHO_CHARS_MAX)
}

/// A caller as people are shown: without the groups, of which there may be hundreds.
pub(super) fn shown(caller: &Caller) -> Caller {
    Caller { groups: Vec::new(), ..caller.clone() }
}

/// One line: the cluster, who, the verdict, what the guard did.
fn title(record: &Record, case: &Case) -> String {
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

/// The timeline's line for an end.
pub(super) fn outcome_sentence(outcome: Outcome) -> &'static str {
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
