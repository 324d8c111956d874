//! What is stored reads back (rules 4 and 25).

mod arbitrary;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::record::{RecordError, STARTS_MAX, VERSION};
use super::*;

/// Records as version 1 wrote them, one a phase. They never change: a program that can't read one any more loses cases.
const GOLDEN: [(&str, &str); 8] = [
    ("none", include_str!("../../../tests/records/v1_none.json")),
    ("open", include_str!("../../../tests/records/v1_open.json")),
    ("held", include_str!("../../../tests/records/v1_held.json")),
    ("closing", include_str!("../../../tests/records/v1_closing.json")),
    ("newer-members", include_str!("../../../tests/records/v1_newer_members.json")),
    ("told", include_str!("../../../tests/records/v1_told.json")),
    ("closing-grouped", include_str!("../../../tests/records/v1_closing_grouped.json")),
    ("evidence", include_str!("../../../tests/records/v1_evidence.json")),
];

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn open() -> Record {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Stopped, 11);
    world.record
}

#[test]
fn records_of_version_1_read_and_write_back_as_they_are() {
    for (name, golden) in GOLDEN {
        let record = Record::decode(golden.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(value(&record.encode().unwrap()), value(golden.as_bytes()), "{name}");
    }
}

#[test]
fn records_of_version_1_mean_what_they_meant() {
    let phases: Vec<&str> = GOLDEN
        .iter()
        .map(|(_, golden)| match Record::decode(golden.as_bytes()).unwrap().episode {
            Episode::None => "none",
            Episode::Open(_) => "open",
            Episode::Held(_) => "held",
            Episode::Closing(_) => "closing",
        })
        .collect();
    assert_eq!(phases, ["none", "open", "held", "closing", "open", "open", "closing", "open"]);
    let open = Record::decode(GOLDEN[1].1.as_bytes()).unwrap();
    let case = open.case().unwrap();
    assert_eq!(case.stops[0].caller.label(), "mallory@contoso.com");
    assert_eq!(case.intent.as_ref().unwrap().n, 1);
    assert_eq!(open.outbox[0].pending[0].tries, 2);
    let held = Record::decode(GOLDEN[2].1.as_bytes()).unwrap();
    assert_eq!(held.case().unwrap().held, Some(Held::Hold { reason: "audit by Ada".to_owned() }));
}

#[test]
fn rule_25_members_of_a_newer_version_are_kept() {
    let mut json = value(&open().encode().unwrap());
    json["record_news"] = json!({"deep": [1, 2, {"er": null}]});
    json["case"]["case_news"] = json!("text");
    json["case"]["evidence"]["evidence_news"] = json!(["text"]);
    json["history"]["history_news"] = json!(18_446_744_073_709_551_615_u64);
    let mut record = Record::decode(&bytes(&json)).unwrap();
    assert_eq!(value(&record.encode().unwrap()), json);
    record.episode = Episode::None;
    let kept = value(&record.encode().unwrap());
    assert_eq!((&kept["record_news"], &kept["history"]), (&json["record_news"], &json["history"]));
}

#[test]
fn rule_25_a_record_that_needs_a_newer_writer_is_refused_whatever_else_it_holds() {
    let mut json = value(&open().encode().unwrap());
    json["min_writer"] = json!(VERSION + 1);
    assert_eq!(Record::decode(&bytes(&json)), Err(RecordError::Newer { min_writer: VERSION + 1 }));
    let unreadable = json!({"min_writer": 7, "phase": "dreaming"});
    assert_eq!(Record::decode(&bytes(&unreadable)), Err(RecordError::Newer { min_writer: 7 }));
}

#[test]
fn rule_25_bytes_that_are_no_record_are_damaged() {
    let whole = open().encode().unwrap();
    let without = |member: &str| {
        let mut json = value(&whole);
        json.as_object_mut().unwrap().remove(member);
        bytes(&json)
    };
    let other = |member: &str, with: Value| {
        let mut json = value(&whole);
        json[member] = with;
        bytes(&json)
    };
    let damaged = [
        Vec::new(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        vec![0xff; 64],
        whole[..whole.len() / 2].to_vec(),
        [whole.as_slice(), b"}"].concat(),
        without("case"),
        without("phase"),
        without("min_writer"),
        without("resource_id"),
        other("phase", json!("closing")),
        other("phase", json!("dreaming")),
        other("gen", json!(-1)),
        other("resource_id", json!("/subscriptions/../start")),
        other("min_writer", json!("1")),
        other("outbox", json!({})),
    ];
    for bytes in damaged {
        let read = Record::decode(&bytes);
        assert!(matches!(read, Err(RecordError::Damaged(_))), "{}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_hundred_thousand_levels_of_nesting_are_damage_and_no_stack_overflow() {
    let nested = format!("{{\"min_writer\":1,\"x\":{}", "[".repeat(100_000));
    assert!(matches!(Record::decode(nested.as_bytes()), Err(RecordError::Damaged(_))));
}

#[test]
fn rule_25_what_takes_the_place_of_a_damaged_record_has_spent_its_budgets_and_waits_for_people() {
    let record = Record::replacing_damaged(cluster_id(), Mode::Act, at(100));
    assert_eq!(record.generation, u64::try_from(at(100).as_second()).unwrap(), "rule 4: a new one");
    assert_eq!(record.history.starts_last_24h(at(100)), u32::try_from(STARTS_MAX).unwrap());
    let Episode::Held(case) = &record.episode else { panic!("{:?}", record.episode) };
    assert_eq!(case.held, Some(Held::DamagedRecord));
    assert_eq!(Record::decode(&record.encode().unwrap()), Ok(record));
}

#[test]
fn starts_are_counted_for_a_day_and_never_more_than_kept() {
    let mut record = Record::new(cluster_id());
    for n in 0..1_000 {
        record.history.add_start(at(n * 3_600));
    }
    assert_eq!(record.history.starts.len(), 24);
    for _ in 0..1_000 {
        record.history.add_start(at(1_000 * 3_600));
    }
    assert_eq!(record.history.starts.len(), STARTS_MAX);
}

proptest! {
    #[test]
    fn every_record_reads_back_as_it_was(record in arbitrary::record()) {
        let bytes = record.encode().unwrap();
        prop_assert_eq!(Record::decode(&bytes).unwrap(), record);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Record::decode(&bytes);
    }

    /// Any one byte changed: read as something, or damaged, and never a panic.
    #[test]
    fn a_flipped_byte_makes_nothing_panic(at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = open().encode().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = Record::decode(&bytes);
    }
}
