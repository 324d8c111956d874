//! What a case keeps of the words that it rests on.

use super::super::evidence::{self, Evidence, PIECES_MAX, keep_event};
use super::*;
use crate::domain::verbatim::{VERBATIM_BYTES_MAX, sha256};
use crate::domain::{EventSchema, RequestIds, StopEvent, StopTime, Verbatim};

fn event(id: &str, second: i64) -> StopEvent {
    StopEvent {
        id: id.to_owned(),
        cluster: cluster_id(),
        time: StopTime::At(at(second)),
        caller: mallory(),
        correlation_id: None,
        schema: EventSchema::EventGrid,
        verbatim: Verbatim::of(format!("{{\"id\": \"{id}\"}}").as_bytes()),
        token_id: Some("uti-1".to_owned()),
    }
}

impl World {
    fn hears_event(&mut self, event: &StopEvent, second: i64) -> Option<Piece> {
        self.hears(Stop::of_event(event, at(second), &self.times), second);
        keep_event(&mut self.record, event)
    }

    /// A step on a look with this body.
    fn sees_body(&mut self, arm: Arm, body: &str, second: i64) -> Stepped {
        let look = arm.look(at(second)).map(|look| Look { body: Some(body.as_bytes().into()), ..look });
        self.steps(&POLICIES, look, second)
    }

    /// What the case that is open, or about to be archived, says of it.
    fn evidence(&self) -> Evidence {
        self.record.episode.clone().into_case().unwrap().unwrap().evidence
    }
}

/// What is to be stored, as texts.
fn texts(pieces: &[Piece]) -> Vec<&str> {
    pieces.iter().map(|piece| std::str::from_utf8(piece.text.bytes()).unwrap()).collect()
}

#[test]
fn a_restored_case_names_its_event_both_looks_each_start_and_who_decided() {
    let mut world = World::new();
    let kept = world.hears_event(&event("event-1", 0), 10).unwrap();
    assert_eq!(texts(&[kept]), [r#"{"id": "event-1"}"#]);
    let started = world.sees_body(Arm::Stopped, "stopped", 11);
    assert_eq!((started.start.is_some(), texts(&started.evidence)), (true, vec!["stopped"]));
    world.start_came_to(sent(), 12);
    let ids = RequestIds { request_id: Some("r-1".to_owned()), correlation_id: Some("c-1".to_owned()) };
    evidence::note_request(&mut world.record, "nonce", &ids);
    assert_eq!(world.sees_body(Arm::Starting, "starting", 72).evidence, [], "looks between are not kept");
    let ended = (2..12).find_map(|minute| {
        let stepped = world.sees_body(Arm::Running, "running", minute * 60 + 12);
        world.outcome().map(|outcome| (outcome, stepped))
    });
    let (outcome, ended) = ended.unwrap();
    assert_eq!((outcome, texts(&ended.evidence)), (Outcome::Restored, vec!["running"]));

    let evidence = world.evidence();
    let named: Vec<_> = evidence.exhibits().into_iter().map(|(name, at)| (name, at.sha256.clone())).collect();
    let expected = [
        ("event-1", r#"{"id": "event-1"}"#),
        ("look-before-start-1", "stopped"),
        ("look-at-the-end", "running"),
    ];
    assert_eq!(named, expected.map(|(name, text)| (name.to_owned(), sha256(text.as_bytes()))));
    assert_eq!(evidence.events[0].token_id.as_deref(), Some("uti-1"));
    assert_eq!((evidence.attempts[0].nonce.as_str(), &evidence.attempts[0].ids), ("nonce", &ids));
    assert_eq!(evidence.policies, [POLICIES.digest()]);
    assert_eq!(evidence.programs, ["program"]);
}

#[test]
fn the_records_that_a_proof_rests_on_are_kept_and_no_older_ones() {
    let mut world = World::stopped_by(pipeline());
    let words = |operation: PowerOperation, words: &[&str]| PowerOperation {
        records: words.iter().map(|words| (*words).into()).collect(),
        ..operation
    };
    world.log_says(vec![
        words(log_stop(pipeline(), 0), &["{\"a\": 1}", "{\"a\":2}"]),
        words(log_start(trudy(), -900), &["older"]),
    ]);
    let stepped = (1..20).map(|minute| world.sees_body(Arm::Stopped, "stopped", minute * 60)).last().unwrap();
    assert_eq!(stepped.evidence.len(), 0, "the case is over by then");
    assert_eq!(world.outcome(), Some(Outcome::Authorised));
    let log = world.evidence().log.unwrap();
    assert_eq!(log.sha256, sha256(b"[{\"a\": 1},\n{\"a\":2}]"));
}

#[test]
fn an_event_is_kept_once_and_only_if_its_stop_is_the_cases() {
    let mut world = World::new();
    assert!(world.hears_event(&event("event-1", 0), 10).is_some());
    assert_eq!(world.hears_event(&event("event-1", 0), 11), None, "a redelivery");
    assert_eq!(world.hears_event(&event("again", 0), 12), None, "known already, under another id");
    assert!(world.hears_event(&event("event-2", 300), 310).is_some());
    assert_eq!(world.evidence().events.len(), 2);
    for n in 3..40 {
        world.hears_event(&event(&format!("event-{n}"), n * 300), n * 300 + 1);
    }
    let ids: Vec<_> = world.evidence().events.into_iter().map(|kept| kept.event_id).collect();
    assert_eq!(
        (ids.len(), ids[0].as_str(), ids[PIECES_MAX - 1].as_str()),
        (PIECES_MAX, "event-1", "event-39")
    );
}

#[test]
fn a_body_that_is_cut_says_so_and_has_the_digest_of_the_whole() {
    let mut world = World::stopped_by(mallory());
    let long = "x".repeat(VERBATIM_BYTES_MAX + 10);
    world.sees_body(Arm::Stopped, &long, 11);
    let look = world.evidence().attempts[0].look.clone().unwrap();
    assert_eq!(look.bytes, u64::try_from(VERBATIM_BYTES_MAX).unwrap());
    assert_eq!(look.whole.unwrap().sha256, sha256(long.as_bytes()));
}
