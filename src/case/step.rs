//! One step of a case: a look in, the new record and what to do out. Total and pure.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::close;
use super::evidence::{self, Piece};
use super::learnt::{go_on_after_a_hold, is_another_cluster, note_look, note_verdict};
use super::milestones::{ACCEPTED, STARTING};
use super::mode::Mode;
use super::model::{Case, Held, Intent, IntentState, Outcome};
use super::plan::{Plan, Planner};
use super::proof::Confirm;
use super::record::{Episode, Record};
use super::report;
use super::routes::Routes;
use super::times::Times;
use super::verdict::{Asker, fold_log, judge};
use crate::domain::grant;
use crate::domain::text::utc;
use crate::domain::{Found, Grant, LogReading, Look, Portal, Severity};
use crate::mutant::Mutant;
use crate::policy::{Counts, Policies};

/// What a step is decided with, beside the record and the look.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Now, on Azure's clock.
    pub now: Timestamp,
    /// What the guard may do now.
    pub mode: Mode,
    /// The protocol's times.
    pub times: &'a Times,
    /// The policies; `None` while they are broken: then nothing is decided and nothing started.
    pub policies: Option<&'a Policies>,
    /// The zone of `context.local`.
    pub zone: &'a TimeZone,
    /// When the log is asked.
    pub confirm: Confirm,
    /// A hold that covers the cluster: who set it and why.
    pub hold: Option<&'a str>,
    /// Our clock is too far from ARM's (rule 1).
    pub skewed: bool,
    /// When this process may send the next start in this subscription (rule 23).
    pub start_slot_at: Timestamp,
    /// Which sinks get which incidents.
    pub routes: &'a Routes,
    /// Sinks that got too many incidents lately: what begins now they hear of in their group (rule 33).
    pub crowded: &'a [String],
    /// The portal that links lead to; without it messages have none.
    pub portal: Option<&'a Portal>,
    /// A random value for an intent.
    pub nonce: &'a str,
    /// What evidence calls the program that decides.
    pub program: &'a str,
}

/// What was learnt for this step.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The look, or why there is none.
    pub look: Result<Look, LookProblem>,
    /// What the activity log said, if it was asked.
    pub log: Option<Result<LogReading, String>>,
    /// Unauthorised stops in the last hour, if they were counted.
    pub stops: Option<RecentStops>,
    /// The grants of some callers, if they were read.
    pub grants: Option<GrantsRead>,
}

/// What was found of the grants of these callers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GrantsRead {
    /// The ids of callers whose grants were looked for.
    pub callers: BTreeSet<String>,
    /// What was found.
    pub grants: Vec<Grant>,
}

/// Why a look failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookProblem {
    /// In words, safe to show.
    pub text: String,
    /// ARM's error code, if it gave one.
    pub code: Option<String>,
    /// What ARM asked for.
    pub retry_after: Option<SignedDuration>,
}

/// Unauthorised stops in the last hour, this one included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecentStops {
    /// By the caller of the newest stop.
    pub by_caller: u32,
    /// In the subscription.
    pub in_subscription: u32,
    /// Whether the newest stop's own mark was left before counting.
    pub marked: bool,
}

/// What a step says.
#[derive(Debug, Clone)]
pub enum Advance {
    /// Read the grants of these callers, then step again.
    ReadGrants {
        /// Their ids: all that are needed, those of an earlier question included.
        callers: BTreeSet<String>,
    },
    /// Ask the activity log, then step again.
    AskLog,
    /// Count the recent unauthorised stops, then step again.
    CountStops {
        /// The newest stop is unauthorised: leave its mark before counting (rule 22).
        mark: bool,
    },
    /// Write this record, then do this.
    Write(Box<Transition>),
}

/// A decided step.
#[derive(Debug, Clone)]
pub struct Transition {
    /// The record to write.
    pub record: Record,
    /// The start to send once it is written.
    pub start: Option<Intent>,
    /// What the storm's incident should say of this cluster.
    pub storm: Option<StormRow>,
    /// What the groups that its incidents are in should say of them.
    pub groups: Vec<GroupRow>,
    /// What the record names as evidence since this step: to be stored once it is written.
    pub evidence: Vec<Piece>,
}

/// An incident's line in the groups that tell it (rule 33).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRow {
    /// The incident's id.
    pub incident: String,
    /// The sinks that hear of it in their group.
    pub sinks: Vec<String>,
    /// Where it stands.
    pub status: String,
    /// How bad it is.
    pub severity: Severity,
    /// Whether that is its end.
    pub ended: bool,
}

/// This cluster's line in a storm's incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StormRow {
    /// Where it stands.
    pub status: String,
    /// Whether that is its end.
    pub ended: bool,
}

/// Steps an open or held case. Call it again with what it asks for: the grants whenever the log names callers that nobody heard of,
/// the log at most once, the recent stops at most twice (once to judge the newest stop, and once more with its mark if it is
/// unauthorised).
pub fn advance(record: &Record, facts: &Facts, context: &Context<'_>) -> Advance {
    let mut record = record.clone();
    let (mut case, was_held) = match std::mem::replace(&mut record.episode, Episode::None) {
        Episode::Open(case) => (*case, false),
        Episode::Held(case) => (*case, true),
        episode @ (Episode::None | Episode::Closing(_)) => {
            record.episode = episode;
            return write(record, None, Vec::new());
        }
    };
    let plan = match &facts.look {
        Err(problem) => without_look(&mut case, was_held, problem, context),
        Ok(look) => match with_look(&mut record, &mut case, look, facts, context) {
            Ok(plan) => plan,
            Err(Missing::Grants { callers }) => return Advance::ReadGrants { callers },
            Err(Missing::Stops { mark }) => return Advance::CountStops { mark },
        },
    };
    match plan {
        Plan::AskLog => Advance::AskLog,
        Plan::Close(outcome) => close::close(record, case, outcome, facts, context),
        Plan::Wait { until, why } => {
            case.note(context.now, why);
            case.next_at = until;
            report::waiting(&mut record, &mut case, context);
            settle(record, case, was_held)
        }
        Plan::Hold(_) if Mutant::HeldIsTheEnd.is_on() => {
            close::close(record, case, Outcome::AlreadyRunning, facts, context)
        }
        Plan::Hold(held) => hold(record, case, held, context),
        Plan::Start => start(record, case, facts, context),
    }
}

fn write(record: Record, storm: Option<StormRow>, groups: Vec<GroupRow>) -> Advance {
    Advance::Write(Box::new(Transition { record, start: None, storm, groups, evidence: Vec::new() }))
}

fn look_time(facts: &Facts, now: Timestamp) -> Timestamp {
    facts.look.as_ref().map_or(now, |look| look.sent_at)
}

/// What has to be known before anything can be decided.
enum Missing {
    /// The grants of these callers.
    Grants { callers: BTreeSet<String> },
    /// How many stops there were; whether this one is marked first.
    Stops { mark: bool },
}

/// ARM could not be asked: wait, and ask people when that takes too long.
fn without_look(case: &mut Case, was_held: bool, problem: &LookProblem, context: &Context<'_>) -> Plan {
    case.fault.clone_from(&problem.code);
    let every = if was_held { context.times.held_look_every } else { context.times.look_every };
    let since = case.waits_since();
    let waited = context.now.duration_since(since);
    let mut pause = every.max(problem.retry_after.unwrap_or_default());
    if !was_held {
        // Whatever ARM asks for, it must not keep people from being told in time.
        let left = context.times.give_up_after - waited;
        pause = pause.min(left.max(SignedDuration::ZERO) + every);
    }
    let until = context.now + pause;
    if waited > context.times.give_up_after && context.policies.is_some() {
        case.note(context.now, format!("can't look at the cluster: {}", problem.text));
        return Plan::Hold(case.held.clone().unwrap_or(Held::TooLong { situation: None }));
    }
    Plan::Wait { until, why: format!("can't look at the cluster: {}", problem.text) }
}

fn with_look(
    record: &mut Record,
    case: &mut Case,
    look: &Look,
    facts: &Facts,
    context: &Context<'_>,
) -> Result<Plan, Missing> {
    let cluster = match &look.found {
        Found::Cluster(cluster) => Some(cluster.as_ref()),
        Found::Gone => None,
    };
    if is_another_cluster(record, case, cluster, context.now) {
        return Ok(Plan::Close(Outcome::Gone));
    }
    note_look(case, look, context.times);
    case.log_asked_at = facts.log.as_ref().map(|_| context.now).or(case.log_asked_at);
    if let Some(Ok(log)) = &facts.log {
        let counted_for = newest(case);
        let contradicted = fold_log(case, log, context.now, context.times);
        if contradicted {
            report::contradicted(record, case, context);
        }
        // Stops were counted, and marked, for the one that the record names (rule 22): the log's goes on record first.
        if newest(case) != counted_for {
            (case.verdict, case.log_asked_at) = (None, None);
            let why = "the activity log tells more of the stop: deciding anew".to_owned();
            return Ok(Plan::Wait { until: context.now, why });
        }
    }
    let Some(policies) = context.policies else {
        let until = context.now + context.times.look_every;
        return Ok(Plan::Wait { until, why: "nothing is decided: the policies are broken".to_owned() });
    };
    let callers = callers_to_grant(case);
    let known = facts.grants.as_ref();
    if known.is_none_or(|read| !callers.is_subset(&read.callers)) {
        return Err(Missing::Grants { callers });
    }
    let grants = known.map(|read| read.grants.as_slice()).unwrap_or_default();
    let cluster_id = record.cluster.clone();
    let resource_uid = case.resource_uid.clone().or_else(|| record.resource_uid.clone());
    let stops = facts.stops.unwrap_or_default();
    let counts = Counts {
        unauthorised_stops_by_caller_last_hour: stops.by_caller,
        unauthorised_stops_in_subscription_last_hour: stops.in_subscription,
        restarts_last_24h: record
            .history
            .starts_last_24h(context.now)
            .saturating_sub(Mutant::BudgetOffByOne.is_on().into()),
    };
    let asker = Asker {
        policies,
        zone: context.zone,
        cluster: &cluster_id,
        facts: cluster,
        counts,
        grants,
        kept_grant: None,
        resource_uid: resource_uid.as_deref(),
    };
    let stands = case.verdict.clone().filter(|_| Mutant::VerdictForAllStops.is_on());
    let verdict = stands.unwrap_or_else(|| judge(case, &asker, context.times));
    let mark = !verdict.authorised;
    if facts.stops.is_none_or(|stops| mark && !stops.marked) {
        return Err(Missing::Stops { mark });
    }
    note_verdict(case, &verdict, grants, context.now);
    case.verdict = Some(verdict);
    go_on_after_a_hold(case, context);
    Ok(Planner { record, look, facts, context, asker: &asker, cluster }.plan(case))
}

/// What the recent stops are counted for: when the newest one was, and whose it is.
fn newest(case: &Case) -> Option<(Timestamp, Option<String>)> {
    case.newest_stop().map(|stop| (stop.time, stop.caller.identity().map(str::to_owned)))
}

/// The ids of those whose stops still have to be allowed: a grant may do that.
pub fn callers_to_grant(case: &Case) -> BTreeSet<String> {
    let open = case.stops.iter().filter(|stop| stop.allowed_by.is_none());
    open.flat_map(|stop| grant::ids_of(&stop.caller)).collect()
}

/// Puts the case back, in the phase it now has.
fn settle(mut record: Record, mut case: Case, was_held: bool) -> Advance {
    let (storm, groups) = (report::storm_row(&case, None), report::group_rows(&case, None));
    record.episode = if was_held && case.held.is_some() {
        Episode::Held(Box::new(case))
    } else {
        case.held = None;
        Episode::Open(Box::new(case))
    };
    write(record, storm, groups)
}

fn hold(mut record: Record, mut case: Case, held: Held, context: &Context<'_>) -> Advance {
    let is_news = case.held.as_ref() != Some(&held);
    case.next_at = context.now + context.times.held_look_every;
    if is_news {
        case.note(context.now, report::held_sentence(&held));
        case.held = Some(held);
    }
    if is_news || case.told.is_none() {
        report::held(&mut record, &mut case, context);
    }
    let (storm, groups) = (report::storm_row(&case, None), report::group_rows(&case, None));
    record.episode = Episode::Held(Box::new(case));
    write(record, storm, groups)
}

/// Writes the intent: the only way to a POST (rule 13).
fn start(mut record: Record, mut case: Case, facts: &Facts, context: &Context<'_>) -> Advance {
    let look_at = look_time(facts, context.now);
    case.episode_attempts = case.episode_attempts.saturating_add(1);
    case.earlier_start = case.may_have_started();
    let intent = Intent {
        n: case.episode_attempts,
        nonce: context.nonce.to_owned(),
        look_at,
        expires_at: look_at + context.times.valid,
        state: IntentState::Planned,
    };
    case.intent = Some(intent.clone());
    let evidence = evidence::of_start(&mut case, &intent.nonce, facts, context);
    case.held = None;
    case.next_at = context.now + context.times.look_every;
    case.note(context.now, format!("{STARTING}{})", intent.n));
    record.history.add_start(context.now);
    record.history.start_expires_at = Some(intent.expires_at);
    report::restarting(&mut record, &mut case, context);
    let (storm, groups) = (report::storm_row(&case, None), report::group_rows(&case, None));
    record.episode = Episode::Open(Box::new(case));
    Advance::Write(Box::new(Transition { record, start: Some(intent), storm, groups, evidence }))
}

/// Writes down what came of a start. Nothing relies on it but caution (rule 15).
///
/// A start that certainly did not happen is taken out of the budgets; one that was only put off (by a throttled or busy
/// ARM, or by this process) does not count as an attempt either. What was written down already stays: a write whose answer
/// was lost is tried again, and must not take another start out of the budgets.
pub fn note_start(record: &mut Record, nonce: &str, state: IntentState, now: Timestamp, times: &Times) {
    let (Episode::Open(case) | Episode::Held(case)) = &mut record.episode else { return };
    let is_open = |intent: &&mut Intent| intent.nonce == nonce && intent.state == IntentState::Planned;
    let Some(intent) = case.intent.as_mut().filter(is_open) else { return };
    let did_not_happen = !state.may_have_landed();
    let not_sent = matches!(state, IntentState::NotSent { .. });
    let put_off = not_sent || matches!(state, IntentState::PutOff { .. });
    let text = match &state {
        IntentState::Planned => return,
        IntentState::Sent { .. } => ACCEPTED.to_owned(),
        IntentState::Unanswered => "the start was sent, and Azure's answer did not arrive".to_owned(),
        IntentState::Refused { code, .. } => format!("Azure refused the start: {code}"),
        IntentState::PutOff { code, until: None } => format!("Azure put the start off: {code}"),
        IntentState::PutOff { code, until: Some(until) } => {
            format!("Azure put the start off until {}: {code}", utc(*until))
        }
        IntentState::NotSent { why } => format!("the start was not sent: {why}"),
    };
    intent.state = state;
    if did_not_happen {
        record.history.starts.pop();
    }
    if not_sent {
        record.history.start_expires_at = None;
    }
    if put_off {
        case.episode_attempts = case.episode_attempts.saturating_sub(1);
    }
    let needs_people = case.intent.as_ref().is_some_and(|i| matches!(i.state, IntentState::Refused { .. }));
    case.note(now, text);
    case.next_at = if needs_people { now } else { now + times.look_every };
    report::start_settled(&mut record.outbox, case);
}
