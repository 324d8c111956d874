//! What a step learns, put into its case: another cluster under the id, a look, the end of a hold, a verdict.

use jiff::Timestamp;

use super::milestones::JUDGED;
use super::model::{Case, Held, Verdict};
use super::record::Record;
use super::step::Context;
use super::times::Times;
use crate::domain::text::utc;
use crate::domain::{Cluster, Found, Grant, Look, Situation};

/// A different `resourceUID` under the same id is another cluster (rule 28). What was remembered of the old one explains nothing
/// about it; budgets stay. Returns true if the case is over with the old one: no stop came after it was last seen. Else the case
/// goes on with the stops of the new one.
pub(super) fn is_another_cluster(
    record: &mut Record,
    case: &mut Case,
    cluster: Option<&Cluster>,
    now: Timestamp,
) -> bool {
    let Some(seen) = cluster.and_then(|cluster| cluster.resource_uid.clone()) else { return false };
    if record.resource_uid.as_ref().is_some_and(|uid| *uid != seen) {
        record.history.forget_cluster();
    }
    let is_other = case.resource_uid.as_ref().is_some_and(|uid| *uid != seen);
    if is_other {
        let last_seen = case.last_look_at.unwrap_or(case.opened_at);
        if case.newest_stop_time() <= last_seen {
            return true;
        }
        case.go_on_with_another_cluster(last_seen, now);
    }
    record.resource_uid = Some(seen.clone());
    case.resource_uid = Some(seen);
    false
}

/// Keeps the watch, looks close together of which none showed the cluster up or coming up; and since when all showed it running, where that
/// has to last (rule 17).
pub(super) fn note_look(case: &mut Case, look: &Look, times: &Times) {
    let situation = match &look.found {
        Found::Cluster(cluster) => Some(cluster.situation()),
        Found::Gone => None,
    };
    let is_up = |situation: Option<Situation>| {
        matches!(situation, Some(Situation::Starting | Situation::Running | Situation::FailedRunning))
    };
    let unbroken = case.last_look_at.is_some_and(|last| look.sent_at.duration_since(last) <= times.look_gap);
    case.watched_since = if is_up(situation) {
        None
    } else if unbroken && case.watched_since.is_some() {
        case.watched_since
    } else {
        Some(look.sent_at)
    };
    let is_running = situation == Some(Situation::Running) && case.stops.iter().any(|stop| !stop.time_known);
    case.up_since = is_running.then(|| case.up_since.unwrap_or(look.sent_at));
    case.last_look_at = Some(look.sent_at);
    case.last_situation = situation;
    case.fault = None;
    if let Found::Cluster(cluster) = &look.found {
        case.fault.clone_from(&cluster.fault);
        case.setup.clone_from(&cluster.setup);
    }
}

/// A case that waited for the end of a hold goes on when it is over, with this look and the usual proof (rule 21).
pub(super) fn go_on_after_a_hold(case: &mut Case, context: &Context<'_>) {
    if context.hold.is_none() && matches!(case.held, Some(Held::Hold { .. })) {
        case.held = None;
        case.resumed_at = Some(context.now);
        case.log_asked_at = None;
        case.note(context.now, "the hold is over: going on");
    }
}

/// Says in the timeline what the verdict is, and what it rests on, if that is news.
pub(super) fn note_verdict(case: &mut Case, verdict: &Verdict, grants: &[Grant], now: Timestamp) {
    let is_news = case.verdict.as_ref().is_none_or(|old| old.authorised != verdict.authorised);
    if !is_news {
        return;
    }
    // What a damaged record hid is not known by a verdict either (rule 25).
    let stays_held = !verdict.authorised && case.held == Some(Held::DamagedRecord);
    if case.verdict.is_some() && !stays_held {
        case.held = None;
    }
    let word = if verdict.authorised { "authorised" } else { "not authorised" };
    let by = if verdict.policies.is_empty() {
        "no policy allows it".to_owned()
    } else {
        format!("by policy {}", verdict.policies.join(", "))
    };
    case.note(now, format!("{JUDGED}{word}: {by}"));
    let used: Vec<String> = case.stops.iter().filter_map(|stop| stop.granted.clone()).collect();
    for grant in grants.iter().filter(|grant| verdict.authorised && used.contains(&grant.id)) {
        let Grant { id, granted_by, until, reason, .. } = grant;
        case.note(
            now,
            format!("it was granted by {granted_by} until {}: {reason} (grant {id})", utc(*until)),
        );
    }
    for error in &verdict.errors {
        case.note(now, format!("a policy could not be evaluated: {error}"));
    }
}
