use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::case::{Episode, Record};
use crate::cli::stored::troubled::{Trouble, Troubled};
use crate::store::StatePath;

fn store(state: Option<(&'static str, Trouble)>, cases: Option<(&'static str, Trouble)>) -> Store {
    let troubled = |at| {
        let objects = Arc::new(Troubled::default());
        objects.be(at);
        objects
    };
    Store::over(troubled(state), troubled(cases))
}

fn cluster(name: &str) -> ClusterId {
    let group = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod";
    ClusterId::parse(&format!("{group}/providers/Microsoft.ContainerService/managedClusters/{name}")).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-09-20T12:00:00Z")
}

fn record(name: &str) -> Record {
    let mut record = Record::decode(include_bytes!("../../../../tests/records/v1_told.json")).unwrap();
    record.cluster = cluster(name);
    record
}

/// The record of this cluster with the case that was opened then.
fn opened(name: &str, opened_at: Timestamp) -> (OpenMarker, Record) {
    let mut record = record(name);
    let generation = u64::try_from(opened_at.as_second()).unwrap();
    let marker = OpenMarker { key: record.cluster.key(), generation };
    if let Episode::Open(case) = &mut record.episode {
        case.id = crate::case::CaseId::new(&marker.key, generation);
        case.opened_at = opened_at;
    }
    (marker, record)
}

async fn put_open(store: &Store, name: &str, opened_at: Timestamp) {
    let (marker, record) = opened(name, opened_at);
    store.put(&StatePath::open_marker(&marker), record.cluster.lower().to_owned()).await.unwrap();
    store.put(&StatePath::cluster(&marker.key), record.encode().unwrap()).await.unwrap();
}

async fn put_closed(store: &Store, name: &str, opened_at: Timestamp, closed_at: Timestamp) {
    let (marker, mut record) = opened(name, opened_at);
    let mut case = record.case().unwrap().clone();
    case.closed_at = Some(closed_at);
    case.outcome = Some(crate::case::Outcome::Restored);
    store.archive(&CasePath::new(&marker, closed_at), serde_json::to_vec(&case).unwrap()).await.unwrap();
    let path = StatePath::cluster(&marker.key);
    // One with an open case stays.
    if store.read(&path).await.is_ok_and(|stored| stored.is_none()) {
        record.episode = Episode::None;
        store.put(&path, record.encode().unwrap()).await.unwrap();
    }
}

fn told(seen: Seen) -> String {
    match seen {
        Seen::Case(found) => {
            let name = found.cluster.as_ref().map_or("?", |cluster| cluster.name()).to_owned();
            format!("{name} {}", found.case.opened_at)
        }
        Seen::Problem(what) => format!("! {what}"),
    }
}

/// All that is told, in order.
async fn walked(store: &Store, wanted: Wanted) -> Vec<String> {
    let (tell, mut heard) = mpsc::channel(WAITING_MAX);
    let walking = walk(store, &wanted, tell);
    let hearing = async {
        let mut all = Vec::new();
        while let Some(seen) = heard.recv().await {
            all.push(told(seen));
        }
        all
    };
    futures::join!(walking, hearing).1
}

fn everything() -> Wanted {
    Wanted { closed_since: Some(at("2026-09-10T12:00:00Z")), now: now(), cluster: None }
}

async fn some_days(store: &Store) {
    put_open(store, "open-old", at("2026-09-19T08:00:00Z")).await;
    put_open(store, "open-new", at("2026-09-20T11:00:00Z")).await;
    put_closed(store, "day-20", at("2026-09-20T01:00:00Z"), at("2026-09-20T02:00:00Z")).await;
    put_closed(store, "day-20", at("2026-09-20T03:00:00Z"), at("2026-09-20T04:00:00Z")).await;
    put_closed(store, "day-18", at("2026-09-18T01:00:00Z"), at("2026-09-18T02:00:00Z")).await;
    put_closed(store, "too-old", at("2026-09-10T01:00:00Z"), at("2026-09-10T02:00:00Z")).await;
    put_closed(store, "just-in", at("2026-09-10T01:00:00Z"), at("2026-09-10T13:00:00Z")).await;
}

#[tokio::test(start_paused = true)]
async fn open_cases_come_first_then_the_days_of_the_closed_ones_newest_first() {
    let store = store(None, None);
    some_days(&store).await;
    let all = [
        "open-new 2026-09-20T11:00:00Z",
        "open-old 2026-09-19T08:00:00Z",
        "day-20 2026-09-20T03:00:00Z",
        "day-20 2026-09-20T01:00:00Z",
        "day-18 2026-09-18T01:00:00Z",
        "just-in 2026-09-10T01:00:00Z",
    ];
    assert_eq!(walked(&store, everything()).await, all);
    let open = Wanted { closed_since: None, ..everything() };
    assert_eq!(walked(&store, open).await, all.iter().take(2).copied().collect::<Vec<_>>());
    for which in [Which::Name("DAY-18".to_owned()), Which::Id(cluster("day-18"))] {
        let of_one = Wanted { cluster: Some(which), ..everything() };
        assert_eq!(walked(&store, of_one).await, ["day-18 2026-09-18T01:00:00Z"]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_rows_come_before_the_second_day_is_known() {
    let store = store(None, Some(("2026/09/18", Trouble::Hangs)));
    some_days(&store).await;
    let (tell, mut heard) = mpsc::channel(WAITING_MAX);
    let wanted = everything();
    let walking = walk(&store, &wanted, tell);
    let hearing = async {
        let mut all = Vec::new();
        for _ in 0..4 {
            // The list of the 18th is given up only after seconds.
            let seen = timeout(Duration::from_millis(300), heard.recv()).await;
            all.push(told(seen.unwrap().unwrap()));
        }
        drop(heard);
        all
    };
    let (_, rows) = futures::join!(walking, hearing);
    assert!(rows.iter().all(|row| row.starts_with("open-") || row.starts_with("day-20 ")), "{rows:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_waits_lets_no_request_run_into_its_limit() {
    let store = store(None, Some(("2026/09/20/", Trouble::IsSlow)));
    for n in 0..200 {
        let opened_at = at("2026-09-20T01:00:00Z") + jiff::SignedDuration::from_secs(n);
        put_closed(&store, &format!("c-{n}"), opened_at, at("2026-09-20T04:00:00Z")).await;
    }
    let (tell, mut heard) = mpsc::channel(1);
    let wanted = everything();
    let walking = walk(&store, &wanted, tell);
    let hearing = async {
        let mut all = Vec::new();
        while let Some(seen) = heard.recv().await {
            all.push(told(seen));
            if all.len() % 50 == 0 {
                tokio::time::sleep(Duration::from_secs(600)).await;
            }
        }
        all
    };
    let (_, rows) = futures::join!(walking, hearing);
    assert_eq!(rows.len(), 200);
    assert!(rows.iter().all(|row| !row.starts_with('!')), "{rows:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_listening_ends_the_walk() {
    let store = store(None, None);
    some_days(&store).await;
    let (tell, heard) = mpsc::channel(1);
    drop(heard);
    walk(&store, &everything(), tell).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_named_and_the_rest_is_shown() {
    let store = store(None, None);
    some_days(&store).await;
    let (marker, mut record) = opened("newer", at("2026-09-20T10:00:00Z"));
    record.writer = "x".to_owned();
    let newer =
        String::from_utf8(record.encode().unwrap()).unwrap().replace("\"min_writer\":1", "\"min_writer\":9");
    store.put(&StatePath::open_marker(&marker), "").await.unwrap();
    store.put(&StatePath::cluster(&marker.key), newer).await.unwrap();
    let (broken, _) = opened("broken", at("2026-09-18T05:00:00Z"));
    store.archive(&CasePath::new(&broken, at("2026-09-18T06:00:00Z")), "{").await.unwrap();
    let (lost, _) = opened("lost", at("2026-09-20T09:00:00Z"));
    store.put(&StatePath::open_marker(&lost), "").await.unwrap();
    let all = walked(&store, everything()).await;
    assert_eq!(all.len(), 9, "{all:#?}");
    insta::assert_snapshot!(all.into_iter().filter(|told| told.starts_with('!')).collect::<Vec<_>>().join("\n"), @"
    ! clusters/f5addd408576c56d1dbfb4d147c69049.json: the record needs version 9 of the program's records, this program writes 1
    ! open/a5d7e542ab5ad05515fa002e4c7e2db4/1789894800: the state has no record of this cluster
    ! 2026/09/18/654e939c257ff80ab744914c37963df7-1789707600.json: it is damaged, or a newer version wrote it: EOF while parsing an object at line 1 column 1
    ");
}

#[tokio::test(start_paused = true)]
async fn without_a_right_to_one_container_the_other_is_shown() {
    let no_state = store(Some(("open", Trouble::Denies)), None);
    some_days(&no_state).await;
    let all = walked(&no_state, everything()).await;
    assert_eq!(all.len(), 5, "{all:#?}");
    assert!(all.first().unwrap().starts_with("! the open cases: the store denied access"), "{all:#?}");
    let no_cases = store(None, Some(("2026", Trouble::Denies)));
    some_days(&no_cases).await;
    let all = walked(&no_cases, everything()).await;
    assert_eq!(all.len(), 3, "one problem, not one for each day: {all:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_goes_away_is_not_asked_for_every_case() {
    let store = store(None, Some(("2026/09/20/", Trouble::Denies)));
    for n in 0..100 {
        let opened_at = at("2026-09-20T01:00:00Z") + jiff::SignedDuration::from_secs(n);
        put_closed(&store, &format!("c-{n}"), opened_at, at("2026-09-20T04:00:00Z")).await;
    }
    let all = walked(&store, everything()).await;
    assert_eq!(all.len(), 11, "{all:#?}");
    assert_eq!(all.last().unwrap(), "! nothing more was asked after 10 failures in a row");
}

#[tokio::test(start_paused = true)]
async fn a_case_that_is_closed_meanwhile_is_told_once() {
    let store = store(None, None);
    put_open(&store, "closing", at("2026-09-20T11:00:00Z")).await;
    put_closed(&store, "closing", at("2026-09-20T11:00:00Z"), at("2026-09-20T11:30:00Z")).await;
    assert_eq!(walked(&store, everything()).await, ["closing 2026-09-20T11:00:00Z"]);
}

#[test]
fn a_cluster_is_named_by_its_id_or_its_name() {
    assert_eq!(Which::parse("aks-1"), Ok(Which::Name("aks-1".to_owned())));
    assert_eq!(Which::parse(cluster("aks-1").lower()), Ok(Which::Id(cluster("aks-1"))));
    for wrong in ["", "a b", "/subscriptions/x", "a/b"] {
        assert!(Which::parse(wrong).is_err(), "{wrong}");
    }
}
