use proptest::prelude::*;
use serde_json::json;

use super::*;

const ID: &str = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks-1";

fn cluster() -> ClusterId {
    ClusterId::parse(ID).unwrap()
}

fn record(verb: &str, operation: &str, status: &str, sub_status: &str, time: &str) -> Value {
    json!({
        "operationName": {"value": format!("Microsoft.ContainerService/managedClusters/{verb}/action")},
        "status": {"value": status}, "subStatus": {"value": sub_status},
        "resourceId": ID, "operationId": operation, "correlationId": "c",
        "eventTimestamp": format!("2026-09-14T{time}Z"),
        "claims": {"http://schemas.microsoft.com/identity/claims/objectidentifier": "11112222-BBBB-3333-cccc-4444dddd5555"}
    })
}

fn reading(records: &[Value]) -> Vec<PowerOperation> {
    let cluster = cluster();
    let mut reading = Reading::of(&cluster);
    reading.add_page(json!({"value": records}).to_string().as_bytes()).unwrap();
    reading.finish().operations
}

#[test]
fn records_of_one_operation_are_one_from_its_first_to_its_last() {
    let operations = reading(&[
        record("stop", "a", "Succeeded", "", "18:04:28.9"),
        record("stop", "A", "Accepted", "Accepted", "18:02:12.1"),
        record("stop", "a", "Started", "", "18:02:11.7"),
    ]);
    let [stop] = operations.as_slice() else { panic!("{operations:?}") };
    assert_eq!(stop.verb, PowerVerb::Stop);
    assert_eq!(stop.began_at, "2026-09-14T18:02:11.7Z".parse().unwrap());
    assert_eq!(stop.last_seen_at, "2026-09-14T18:04:28.9Z".parse().unwrap());
    assert_eq!(stop.caller.object_id.as_deref(), Some("11112222-bbbb-3333-cccc-4444dddd5555"));
}

#[test]
fn records_are_kept_word_for_word_as_far_as_there_is_room() {
    let mut long = record("start", "b", "Accepted", "", "17:00:00");
    long["properties"] = json!("x".repeat(VERBATIM_BYTES_MAX - 600));
    let records = [
        format!("{:#}", record("stop", "a", "Succeeded", "", "18:04:28")),
        long.to_string(),
        record("start", "b", "Started", "", "16:59:59").to_string(),
    ];
    let cluster = cluster();
    let mut reading = Reading::of(&cluster);
    reading.add_page(format!("{{\"value\": [{}]}}", records.join(" , ")).as_bytes()).unwrap();
    let operations = reading.finish().operations;
    let [stop, start] = operations.as_slice() else { panic!("{operations:?}") };
    assert_eq!(stop.records.iter().map(|record| &**record).collect::<Vec<_>>(), [records[0].as_str()]);
    assert_eq!(start.records.len(), 1, "what came first has the room; a shorter one may still fit");
    assert_eq!(&*start.records[0], records[2].as_str());
}

#[test]
fn the_newest_operation_comes_first_whatever_the_order_of_the_records() {
    let verbs: Vec<PowerVerb> = reading(&[
        record("start", "b", "Succeeded", "", "18:20:00"),
        record("stop", "c", "Accepted", "", "19:00:00"),
        record("stop", "a", "Accepted", "", "18:00:00"),
        record("start", "b", "Started", "", "18:10:00"),
    ])
    .iter()
    .map(|operation| operation.verb)
    .collect();
    assert_eq!(verbs, [PowerVerb::Stop, PowerVerb::Start, PowerVerb::Stop]);
}

#[test]
fn a_refused_operation_does_not_count_and_one_in_doubt_does() {
    let counts = |records: &[(&str, &str)]| {
        let records: Vec<Value> = records
            .iter()
            .map(|(status, sub_status)| record("start", "a", status, sub_status, "18:00:00"))
            .collect();
        !reading(&records).is_empty()
    };
    assert!(!counts(&[("Failed", "Conflict"), ("Started", "")]), "refused by AKS");
    assert!(!counts(&[("Failed", "Forbidden")]), "refused by ARM, without a Started");
    assert!(!counts(&[("failed", "badrequest")]));
    assert!(counts(&[("Started", "")]), "the rest comes later");
    assert!(counts(&[("Failed", ""), ("Started", "")]), "it began and failed");
    assert!(counts(&[("Failed", "InternalServerError")]), "the request may have been carried out");
    assert!(counts(&[("Failed", "Conflict"), ("Accepted", "Accepted")]), "accepted, then failed");
    assert!(counts(&[("SomethingNew", "")]));
}

#[test]
fn only_starts_and_stops_of_this_very_cluster_count_in_any_case() {
    let mut shouted = record("stop", "a", "Accepted", "", "18:00:00");
    shouted["operationName"] = json!("MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/STOP/ACTION");
    shouted["resourceId"] = json!(ID.to_uppercase());
    assert_eq!(reading(&[shouted]).len(), 1);

    let mut other = record("stop", "a", "Accepted", "", "18:00:00");
    other["resourceId"] = json!(ID.replace("aks-1", "aks-2"));
    let mut below = record("stop", "a", "Accepted", "", "18:00:00");
    below["resourceId"] = json!(format!("{ID}/agentPools/p"));
    let mut nameless = record("stop", "a", "Accepted", "", "18:00:00");
    nameless["operationName"] = json!(null);
    let write = record("write", "a", "Accepted", "", "18:00:00");
    assert_eq!(reading(&[other, below, nameless, write, json!(5), json!(null)]), []);
}

#[test]
fn without_an_operation_id_the_correlation_id_groups_but_never_a_start_with_a_stop() {
    let mut records = [
        record("stop", "", "Started", "", "18:00:00"),
        record("stop", "", "Accepted", "", "18:00:01"),
        record("start", "", "Accepted", "", "18:10:00"),
    ];
    records[0].as_object_mut().unwrap().remove("operationId");
    assert_eq!(reading(&records).len(), 2);
}

#[test]
fn a_start_or_stop_without_a_time_spoils_the_reading() {
    let impossible = [json!("0001-01-01T00:00:00Z"), json!("9999-12-30T21:59:59Z")];
    for time in [json!(null), json!("yesterday"), json!(5)].into_iter().chain(impossible) {
        let mut timeless = record("stop", "a", "Accepted", "", "18:00:00");
        timeless["eventTimestamp"] = time;
        let cluster = cluster();
        let page = json!({"value": [timeless]}).to_string();
        assert_eq!(Reading::of(&cluster).add_page(page.as_bytes()), Err(PageError::NoTime));
    }
}

#[test]
fn a_flood_of_records_is_refused() {
    let flood = vec![record("stop", "a", "Accepted", "", "18:00:00"); RECORDS_MAX + 1];
    let cluster = cluster();
    let page = json!({"value": flood}).to_string();
    assert_eq!(Reading::of(&cluster).add_page(page.as_bytes()), Err(PageError::TooMany));
}

#[test]
fn the_filter_names_the_window_and_the_cluster() {
    let at = |time: &str| time.parse().unwrap();
    insta::assert_snapshot!(
        filter(&cluster(), at("2026-09-14T17:00:00Z"), at("2026-09-14T19:00:00.5Z")),
        @"eventTimestamp ge '2026-09-14T17:00:00Z' and eventTimestamp le '2026-09-14T19:00:00.5Z' and resourceUri eq '/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks-1'"
    );
}

proptest! {
    #[test]
    fn no_page_makes_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..300), deep in 0usize..5_000) {
        let cluster = cluster();
        let mut reading = Reading::of(&cluster);
        let _ = reading.add_page(&body);
        let _ = reading.add_page("{\"value\":[".repeat(deep).as_bytes());
        let _ = reading.finish();
    }

    #[test]
    fn no_record_makes_the_reader_panic(
        status in "\\PC{0,20}", time in "\\PC{0,30}", id in "\\PC{0,30}", ip in "\\PC{0,20}"
    ) {
        let mut odd = record("stop", &id, &status, &status, "18:00:00");
        odd["eventTimestamp"] = json!(time);
        odd["httpRequest"] = json!({"clientIpAddress": ip});
        let cluster = cluster();
        let mut reading = Reading::of(&cluster);
        let _ = reading.add_page(json!({"value": [odd]}).to_string().as_bytes());
    }
}
