//! Messages on their way (rule 20).

use std::time::Duration;

use proptest::prelude::*;

use super::super::outbox::{
    self, DELIVERY_GIVE_UP_AFTER, Delivery, Message, OUTBOX_MAX, RECEIPTS_MAX, Receipt, due, keep, next_at,
    push, settle,
};
use super::*;
use crate::domain::Severity;

fn message(id: &str, state: IncidentState, sequence: u32, sinks: &[&str]) -> Message {
    let incident = Incident {
        id: id.to_owned(),
        state,
        sequence,
        severity: Severity::High,
        title: String::new(),
        opened_at: at(0),
        at: at(0),
        clusters: Vec::new(),
        cluster_count: 0,
        caller: None,
        stopped_at: None,
        correlation_id: None,
        verdict: None,
        policies: Vec::new(),
        mode: "act".to_owned(),
        done: Vec::new(),
        next: Vec::new(),
        warnings: Vec::new(),
        links: Vec::new(),
        timeline: Vec::new(),
    };
    let sinks: Vec<String> = sinks.iter().map(|&sink| sink.to_owned()).collect();
    Message::new(incident, &sinks, at(0))
}

fn opened_and_resolved() -> Vec<Message> {
    let sinks = ["pager", "chat"];
    vec![message("a", IncidentState::Opened, 0, &sinks), message("a", IncidentState::Resolved, 1, &sinks)]
}

fn failed(retry_after: Option<u64>) -> Delivery {
    Delivery::Failed { why: "503".to_owned(), retry_after: retry_after.map(Duration::from_secs) }
}

fn due_now(outbox: &[Message], second: i64) -> Vec<(u32, &str)> {
    due(outbox, at(second)).into_iter().map(|(incident, sink)| (incident.sequence, sink)).collect()
}

#[test]
fn rule_20_each_sink_gets_its_messages_in_order_and_none_waits_for_another_sink() {
    let mut outbox = opened_and_resolved();
    assert_eq!(due_now(&outbox, 0), [(0, "pager"), (0, "chat")]);
    settle(&mut outbox, ("a", 0), "chat", Delivery::Delivered { reference: None }, at(0), 0);
    assert_eq!(due_now(&outbox, 0), [(0, "pager"), (1, "chat")]);
    settle(&mut outbox, ("a", 0), "pager", failed(None), at(0), 0);
    assert_eq!(due_now(&outbox, 0), [(1, "chat")], "the pager's second message waits for its first");
    assert_eq!(due_now(&outbox, 30), [(0, "pager"), (1, "chat")]);
}

#[test]
fn a_message_that_every_sink_has_is_gone() {
    let mut outbox = opened_and_resolved();
    for sink in ["pager", "chat"] {
        for sequence in [0, 1] {
            assert_eq!(
                settle(&mut outbox, ("a", sequence), sink, Delivery::Delivered { reference: None }, at(1), 0),
                None
            );
        }
    }
    assert_eq!(outbox, []);
    assert_eq!(next_at(&outbox), None);
}

#[test]
fn waits_double_from_half_a_minute_to_an_hour() {
    let mut outbox = vec![message("a", IncidentState::Opened, 0, &["pager"])];
    let mut now = 0;
    let mut waits = Vec::new();
    for _ in 0..10 {
        settle(&mut outbox, ("a", 0), "pager", failed(None), at(now), 0);
        let wait = next_at(&outbox).unwrap().duration_since(at(now)).as_secs();
        waits.push(wait);
        now += wait;
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]);
}

#[test]
fn chance_adds_a_quarter_at_most() {
    let mut outbox = vec![message("a", IncidentState::Opened, 0, &["pager"])];
    settle(&mut outbox, ("a", 0), "pager", failed(None), at(0), u8::MAX);
    assert_eq!(next_at(&outbox).unwrap().duration_since(at(0)), SignedDuration::from_millis(37_500));
}

#[test]
fn a_sinks_retry_after_counts_if_it_is_longer_up_to_an_hour() {
    for (asked, waits) in [(1, 30), (300, 300), (100_000, 3_600)] {
        let mut outbox = vec![message("a", IncidentState::Opened, 0, &["pager"])];
        settle(&mut outbox, ("a", 0), "pager", failed(Some(asked)), at(0), 0);
        assert_eq!(next_at(&outbox), Some(at(waits)), "asked for {asked} s");
    }
}

#[test]
fn a_message_that_nobody_took_for_three_days_is_a_dead_letter() {
    let mut outbox = opened_and_resolved();
    let end = DELIVERY_GIVE_UP_AFTER.as_secs();
    assert_eq!(settle(&mut outbox, ("a", 0), "pager", failed(None), at(end - 1), 0), None);
    let letter = settle(&mut outbox, ("a", 0), "pager", failed(None), at(end), 0).unwrap();
    assert_eq!((letter.sink.as_str(), letter.tries, letter.failure.as_str()), ("pager", 2, "503"));
    assert_eq!(letter.incident.sequence, 0);
    assert_eq!(due_now(&outbox, end), [(0, "chat"), (1, "pager")], "the others go on");
}

#[test]
fn a_message_that_a_sink_refuses_for_ever_is_a_dead_letter_at_once() {
    let mut outbox = vec![message("a", IncidentState::Opened, 0, &["pager"])];
    let given_up = Delivery::GivenUp { why: "410".to_owned() };
    let letter = settle(&mut outbox, ("a", 0), "pager", given_up, at(0), 0).unwrap();
    assert_eq!((letter.tries, letter.failure.as_str()), (1, "410"));
    assert_eq!(outbox, []);
}

#[test]
fn what_another_process_settled_already_is_settled() {
    let mut outbox = opened_and_resolved();
    settle(&mut outbox, ("a", 0), "pager", Delivery::Delivered { reference: None }, at(0), 0);
    let before = outbox.clone();
    for (incident, sink) in [(("a", 0), "pager"), (("b", 0), "pager"), (("a", 1), "fax")] {
        assert_eq!(settle(&mut outbox, incident, sink, failed(None), at(1), 0), None);
    }
    assert_eq!(outbox, before);
}

fn receipt(sequence: u32, sink: &str, reference: Option<&str>) -> Receipt {
    let message = message("a", IncidentState::Updated, sequence, &[]);
    Receipt::new(&message.incident, sink, reference, at(i64::from(sequence)))
}

#[test]
fn of_each_incident_and_sink_the_newest_receipt_is_kept_with_what_the_receiver_once_called_it() {
    let mut receipts = Vec::new();
    for (sequence, sink, reference) in
        [(0, "pager", Some("PD-1")), (0, "chat", None), (1, "pager", None), (1, "chat", Some("C-7"))]
    {
        keep(&mut receipts, receipt(sequence, sink, reference));
    }
    // One that comes late, from a process that was slow.
    keep(&mut receipts, receipt(0, "pager", Some("PD-0")));
    receipts.sort_by(|one, other| one.sink.cmp(&other.sink));
    assert_eq!(receipts, [receipt(1, "chat", Some("C-7")), receipt(1, "pager", Some("PD-1"))]);
}

#[test]
fn receipts_are_bounded_and_what_a_receiver_says_is_cleaned() {
    let mut receipts = Vec::new();
    for n in 0..100 {
        keep(&mut receipts, receipt(0, &n.to_string(), Some(&format!("x\u{1b}[31m{}", "y".repeat(10_000)))));
    }
    assert_eq!(receipts.len(), RECEIPTS_MAX);
    assert_eq!(receipts.last().unwrap().sink, "99");
    let reference = receipts[0].reference.as_deref().unwrap();
    assert!(reference.chars().count() <= 401 && !reference.contains('\u{1b}'), "{reference}");
}

#[test]
fn a_receipt_reads_as_one_line() {
    insta::assert_snapshot!(receipt(1, "pager", Some("PD-1")), @"pager: updated at 2026-09-14T18:00:01Z, PD-1");
    insta::assert_snapshot!(receipt(2, "chat", None), @"chat: updated at 2026-09-14T18:00:02Z");
}

#[test]
fn a_closed_case_keeps_what_sinks_had_taken_of_it() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Stopped, 10);
    let incident = world.record.outbox[0].incident.clone();
    let mut claims = incident.clone();
    claims.id += "-claims";
    let mut other = incident.clone();
    other.id += "1";
    for incident in [&incident, &claims, &other] {
        keep(&mut world.record.receipts, Receipt::new(incident, "webhook", Some("INC-1"), at(11)));
    }
    world.sees(Arm::Running, 600);
    let Episode::Closing(closing) = &world.record.episode else { panic!("{:?}", world.record.episode) };
    let case: Case = serde_json::from_str(&closing.body).unwrap();
    let kept: Vec<&str> = case.receipts.iter().map(|receipt| receipt.incident.as_str()).collect();
    assert_eq!(kept, [&incident.id, &claims.id]);
    assert_eq!(case.receipts[0].reference.as_deref(), Some("INC-1"));
}

#[test]
fn a_guard_without_sinks_keeps_no_messages() {
    let mut outbox = Vec::new();
    push(&mut outbox, message("a", IncidentState::Opened, 0, &[]));
    assert_eq!(outbox, []);
}

#[test]
fn a_full_outbox_drops_the_oldest_updates_first() {
    let mut outbox = vec![message("a", IncidentState::Opened, 0, &["pager"])];
    for sequence in 1..100 {
        push(&mut outbox, message("a", IncidentState::Updated, sequence, &["pager"]));
    }
    push(&mut outbox, message("a", IncidentState::Resolved, 100, &["pager"]));
    assert_eq!(outbox.len(), OUTBOX_MAX);
    let sequences: Vec<u32> = outbox.iter().map(|message| message.incident.sequence).collect();
    assert_eq!(sequences, [0].into_iter().chain(70..=100).collect::<Vec<_>>());
}

proptest! {
    /// Whatever sinks answer, a sink never gets a later message before an earlier one, and every message ends somewhere.
    #[test]
    fn every_message_ends_and_none_overtakes(answers in proptest::collection::vec(0_u8..8, 0..200)) {
        let mut outbox = opened_and_resolved();
        let mut ended: Vec<(String, u32)> = Vec::new();
        let mut answers = answers.into_iter();
        let mut now = at(0);
        while let Some(next) = next_at(&outbox) {
            now = now.max(next);
            let tries: Vec<(u32, String)> =
                due(&outbox, now).into_iter().map(|(i, sink)| (i.sequence, sink.to_owned())).collect();
            for (sequence, sink) in tries {
                let delivery = match answers.next() {
                    Some(0) => Delivery::GivenUp { why: "410".to_owned() },
                    Some(1) => Delivery::Delivered { reference: None },
                    Some(2..) => failed(Some(7)),
                    None => failed(None),
                };
                let is_over = !matches!(delivery, Delivery::Failed { .. });
                let letter = settle(&mut outbox, ("a", sequence), &sink, delivery, now, 9);
                if is_over || letter.is_some() {
                    ended.push((sink, sequence));
                }
            }
            now += SignedDuration::from_secs(1);
        }
        for sink in ["pager", "chat"] {
            let order: Vec<u32> = ended.iter().filter(|(of, _)| of == sink).map(|(_, n)| *n).collect();
            prop_assert_eq!(order, [0, 1]);
        }
    }
}

#[test]
fn a_message_behind_a_failed_one_asks_for_no_attention_of_its_own() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Running, 400);
    let id = world.record.outbox[0].incident.id.clone();
    let failed = outbox::Delivery::Failed { why: "503".to_owned(), retry_after: None };
    outbox::settle(&mut world.record.outbox, (&id, 0), "webhook", failed, at(400), 0);
    assert_eq!(outbox::next_at(&world.record.outbox), Some(at(430)));
}

#[test]
fn sinks_that_take_nothing_for_days_do_not_fill_the_record() {
    let mut world = World::new();
    for n in 0..200 {
        let begin = n * 1_000;
        world.hears(stop(mallory(), begin), begin + 10);
        world.sees(Arm::Running, begin + 400);
        world.is_archived();
    }
    let outbox: &Vec<Message> = &world.record.outbox;
    assert_eq!(outbox.len(), OUTBOX_MAX);
    let newest = &outbox.last().unwrap().incident;
    assert_eq!(newest.state, IncidentState::Resolved);
    let resolved = outbox.iter().filter(|m| m.incident.state == IncidentState::Resolved).count();
    assert_eq!(resolved, OUTBOX_MAX, "an end tells what its beginning would have told");
}

#[test]
fn an_absurd_retry_after_is_an_hour() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Running, 400);
    let id = world.record.outbox[0].incident.id.clone();
    let failed =
        outbox::Delivery::Failed { why: "503".to_owned(), retry_after: Some(std::time::Duration::MAX) };
    outbox::settle(&mut world.record.outbox, (&id, 0), "webhook", failed, at(400), 0);
    assert_eq!(world.record.outbox[0].pending[0].next_at, at(400 + 3_600));
}
