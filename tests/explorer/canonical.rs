//! Strikes out of a record what no rule reads any more: two records which nothing can tell apart become one.

use aks_stop_guard::case::outbox::Message;
use aks_stop_guard::case::{Case, Episode, Evidence, Record, StopSource, Times};
use aks_stop_guard::domain::Severity;
use aks_stop_guard::mutant::Mutant;
use jiff::Timestamp;

use crate::core::{at, mask, past, small};
use crate::state::Tick;

pub(crate) fn canonical(record: &mut Record, now: Tick, times: &Times) {
    record.writer.clear();
    for start in &mut record.history.starts {
        *start = past();
    }
    let blocks = |expires_at: &Timestamp| at(now) < *expires_at + times.quiet;
    record.history.start_expires_at = record.history.start_expires_at.filter(blocks);
    record.receipts.clear();
    record.outbox.iter_mut().for_each(canonical_message);
    match &mut record.episode {
        Episode::None => {}
        Episode::Open(case) | Episode::Held(case) => {
            canonical_case(case, record.outbox.is_empty(), at(now), times);
        }
        Episode::Closing(closing) => {
            closing.closed_at = past();
            if closing.body.starts_with('{') {
                let case: Case = serde_json::from_str(&closing.body).unwrap();
                closing.body =
                    format!("{} {} {}", small(record.generation), closing.outcome.as_str(), mask(&case));
            }
        }
    }
}

fn canonical_case(case: &mut Case, nothing_to_tell: bool, now: Timestamp, times: &Times) {
    case.timeline.clear();
    case.evidence = Evidence::default();
    // Waits are counted from the later of the two. No world's horizon is far enough for them to end.
    case.opened_at = case.newest_stop_time();
    let unbroken = case.last_look_at.is_some_and(|last| now.duration_since(last) <= times.look_gap);
    if !unbroken || case.watched_since.is_none() {
        case.watched_since = None;
        case.last_look_at = None;
    }
    if !Mutant::SkipLook.is_on() {
        case.last_situation = None;
    }
    case.log_asked_at = case.log_asked_at.filter(|asked| now.duration_since(*asked) < times.log_every);
    if case.next_at <= now {
        case.next_at = past();
    }
    if let Some(restart) = &mut case.restart {
        restart.permitted = true;
        restart.policies.clear();
        restart.severity = None;
    }
    if let Some(verdict) = &mut case.verdict {
        verdict.policies.clear();
        verdict.policy_hash.clear();
        verdict.severity = None;
        // Of what it keeps of its question only the grant is read again, and nobody grants anything in these worlds.
        verdict.asked = None;
    }
    for stop in &mut case.stops {
        stop.source = StopSource::Event;
        stop.allowed_by.iter_mut().for_each(Vec::clear);
    }
    if let Some(intent) = &mut case.intent {
        intent.n = 1;
    }
    if let Some(told) = &mut case.told {
        told.opened_at = past();
        told.severity = Severity::Medium;
        // Numbers tell the messages of one outbox apart, and no more.
        if nothing_to_tell {
            told.next_sequence = 1;
        }
    }
}

fn canonical_message(message: &mut Message) {
    message.queued_at = past();
    for pending in &mut message.pending {
        pending.next_at = past();
    }
    let incident = &mut message.incident;
    incident.severity = Severity::Medium;
    incident.opened_at = past();
    incident.at = past();
    incident.title.clear();
    incident.caller = None;
    incident.stopped_at = None;
    incident.correlation_id = None;
    incident.verdict = None;
    incident.policies.clear();
    incident.clusters.clear();
    incident.mode.clear();
    incident.done.clear();
    incident.next.clear();
    incident.warnings.clear();
    incident.timeline.clear();
}
