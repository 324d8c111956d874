//! Was it allowed? The verdict names its stop, and the activity log corrects what an event claims (rules 8 to 10, 29).

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::asked::Asked;
use super::intake::{add_stop, same_stop};
use super::model::{Case, Stop, StopSource, Verdict};
use super::times::Times;
use crate::domain::{Cluster, ClusterId, Grant, LogReading, PowerOperation, PowerVerb, Severity};
use crate::policy::{Answer, Counts, GrantFacts, Policies, StopQuestion};

/// What the stop question is asked with.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The policies that answer.
    pub policies: &'a Policies,
    /// The zone of `context.local`.
    pub zone: &'a TimeZone,
    /// The cluster.
    pub cluster: &'a ClusterId,
    /// What ARM shows of it; absent facts are absent in the question.
    pub facts: Option<&'a Cluster>,
    /// Rolling counts.
    pub counts: Counts,
    /// Grants that may cover the stops.
    pub grants: &'a [Grant],
    /// What is kept of the grant that covered the newest stop, when it is asked about once more.
    pub kept_grant: Option<&'a GrantFacts>,
    /// ARM's `resourceUID` of the cluster that was stopped.
    pub resource_uid: Option<&'a str>,
}

/// Whether an operation in the log is this stop. Correlation ids are shared by all operations of a deployment, so the time
/// must fit as well; an event's time may be that of the operation's end.
pub fn is_this_stop(stop: &Stop, operation: &PowerOperation, times: &Times) -> bool {
    if operation.verb != PowerVerb::Stop {
        return false;
    }
    let in_time =
        operation.began_at - times.quiet <= stop.time && stop.time <= operation.last_seen_at + times.quiet;
    match (&stop.correlation_id, &operation.correlation_id) {
        (Some(event), Some(log)) => event.eq_ignore_ascii_case(log) && (in_time || !stop.time_known),
        (None, _) | (_, None) => in_time && stop.time_known,
    }
}

/// Takes into the case what the log knows: who it really was, and stops that we heard nothing of.
/// Returns true if the log contradicts an event's claims.
pub fn fold_log(case: &mut Case, log: &LogReading, now: Timestamp, times: &Times) -> bool {
    let mut contradicted = false;
    let newest = case.newest_stop_time();
    for operation in log.operations.iter().rev() {
        let mut matched = false;
        let may_be = |stop: &&mut Stop| {
            // A stop that another caller's record confirmed is not this one, however close.
            let is_taken = stop.confirmed && stop.caller.identity() != operation.caller.identity();
            !is_taken && is_this_stop(stop, operation, times)
        };
        for stop in case.stops.iter_mut().filter(may_be) {
            matched = true;
            contradicted |= correct(stop, operation);
        }
        if !matched && operation.verb == PowerVerb::Stop && operation.began_at > newest {
            add_stop(case, from_log(operation), now, times);
        }
    }
    if contradicted {
        case.verdict = None;
        case.note(now, "the activity log names another caller than the event did");
    }
    forget_repeats(case, times);
    contradicted
}

/// Corrects a stop by its record in the log; true if the event had claimed somebody else.
fn correct(stop: &mut Stop, operation: &PowerOperation) -> bool {
    let same = stop.caller.identity() == operation.caller.identity();
    if same || !operation.caller.is_known() {
        stop.confirmed |= same;
        return false;
    }
    let claimed = std::mem::replace(&mut stop.caller, operation.caller.clone());
    stop.confirmed = true;
    let was_claimed = claimed.is_known();
    if was_claimed {
        stop.allowed_by = None;
        stop.granted = None;
        stop.claimed = Some(Box::new(claimed));
    }
    was_claimed
}

fn from_log(operation: &PowerOperation) -> Stop {
    Stop {
        time: operation.began_at,
        time_known: true,
        caller: operation.caller.clone(),
        correlation_id: operation.correlation_id.clone(),
        event_id: operation.operation_id.clone().unwrap_or_else(|| "log".to_owned()),
        source: StopSource::Log,
        confirmed: operation.caller.is_known(),
        claimed: None,
        allowed_by: None,
        granted: None,
    }
}

/// Two claims about one stop are one once the log has spoken.
fn forget_repeats(case: &mut Case, times: &Times) {
    let mut kept: Vec<Stop> = Vec::with_capacity(case.stops.len());
    for stop in case.stops.drain(..) {
        let repeat = kept.iter().any(|old| {
            old.confirmed
                && stop.confirmed
                && same_stop(old, &stop, times)
                && old.caller.identity() == stop.caller.identity()
        });
        if !repeat {
            kept.push(stop);
        }
    }
    case.stops = kept;
}

/// Asks the stop question for every stop of the newest episode: stops less than QUIET apart are one, and it is authorised
/// if one of them is (rule 8). Of several claims about one stop the stricter counts (rule 29).
pub fn judge(case: &mut Case, asker: &Asker<'_>, times: &Times) -> Verdict {
    let mut verdict = Verdict {
        stop_time: case.newest_stop_time(),
        authorised: false,
        policies: Vec::new(),
        errors: Vec::new(),
        severity: None,
        notify: Vec::new(),
        policy_hash: asker.policies.hash().to_owned(),
        asked: Some(Box::new(Asked::of(asker, grant_of_newest(case, asker)))),
    };
    let from = episode_start(&case.stops, times);
    for stop in case.stops.iter_mut().skip(from).rev() {
        ask(stop, asker, &mut verdict);
    }
    let episode = newest_episode(&case.stops, times);
    verdict.authorised = verdict.errors.is_empty()
        && episode.iter().any(|stop| {
            let claims = episode.iter().filter(|other| same_stop(stop, other, times));
            claims.into_iter().all(|claim| claim.allowed_by.is_some())
        });
    if verdict.authorised {
        verdict.policies = episode.iter().filter_map(|stop| stop.allowed_by.clone()).flatten().collect();
        verdict.policies.dedup();
    }
    verdict.notify = asker.policies.notified_by(&verdict.policies);
    verdict
}

/// The grant that covers the newest stop. Those of a stop that was allowed before are not read again: it keeps its own.
fn grant_of_newest(case: &Case, asker: &Asker<'_>) -> Option<GrantFacts> {
    let stop = case.newest_stop()?;
    let before = case.verdict.as_ref().filter(|old| stop.allowed_by.is_some() && old.stop_time == stop.time);
    let kept = before.and_then(|old| old.asked.as_ref()?.grant.clone());
    kept.or_else(|| asker.grant_for(stop).map(grant_facts))
}

/// The stops of the newest episode.
pub(super) fn newest_episode<'a>(stops: &'a [Stop], times: &Times) -> &'a [Stop] {
    stops.get(episode_start(stops, times)..).unwrap_or_default()
}

/// Index of the first stop of the newest episode.
fn episode_start(stops: &[Stop], times: &Times) -> usize {
    let mut start = stops.len().saturating_sub(1);
    while let (Some(before), Some(first)) =
        (start.checked_sub(1).and_then(|i| stops.get(i)), stops.get(start))
    {
        if first.time.duration_since(before.time) >= times.quiet {
            break;
        }
        start -= 1;
    }
    start
}

fn ask(stop: &mut Stop, asker: &Asker<'_>, verdict: &mut Verdict) {
    if stop.allowed_by.is_some() {
        return;
    }
    let grant = asker.grant_for(stop);
    let kept = asker.kept_grant.filter(|_| stop.time == verdict.stop_time);
    let facts = grant.map(grant_facts).or_else(|| kept.cloned());
    let answer = asker.may_stop(stop, facts.as_ref());
    let ids: Vec<String> = answer.policies.iter().map(|policy| policy.id.clone()).collect();
    if answer.allowed {
        stop.allowed_by = Some(ids);
        // A grant that nothing depended on was not used.
        stop.granted = grant.filter(|_| !asker.may_stop(stop, None).allowed).map(|grant| grant.id.clone());
    } else {
        verdict.severity = verdict.severity.max(answer.severity());
        let news: Vec<String> = ids.into_iter().filter(|id| !verdict.policies.contains(id)).collect();
        verdict.policies.extend(news);
    }
    for error in &answer.errors {
        verdict.errors.push(error.to_string());
        verdict.severity = verdict.severity.max(Some(Severity::High));
    }
}

impl Asker<'_> {
    fn may_stop(&self, stop: &Stop, grant: Option<&GrantFacts>) -> Answer {
        self.policies.may_stop(&StopQuestion {
            caller: &stop.caller,
            cluster: self.cluster,
            facts: self.facts,
            at: stop.time,
            zone: self.zone,
            counts: self.counts,
            confirmed: stop.confirmed,
            grant,
        })
    }

    /// Of the grants that cover the stop, at its own time, the one that ends last.
    fn grant_for(&self, stop: &Stop) -> Option<&Grant> {
        let covers = |grant: &&Grant| {
            grant.covers_time_and_caller(&stop.caller, stop.time)
                && grant.scope.covers(self.cluster, self.resource_uid, self.facts)
        };
        self.grants.iter().filter(covers).max_by_key(|grant| (grant.until, &grant.id))
    }
}

fn grant_facts(grant: &Grant) -> GrantFacts {
    GrantFacts {
        id: grant.id.clone(),
        granted_by: grant.granted_by.to_string(),
        until: grant.until,
        reason: grant.reason.clone(),
        ticket: grant.ticket.clone(),
    }
}
