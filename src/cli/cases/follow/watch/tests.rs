use super::*;
use crate::case::Episode;
use crate::domain::IncidentState;
use crate::store::CasePath;

const NOW: &str = "2026-09-14T18:15:10Z";

fn record(text: &str) -> Record {
    Record::decode(text.as_bytes()).unwrap()
}

fn marker(record: &Record) -> OpenMarker {
    OpenMarker { key: record.cluster.key(), generation: record.generation }
}

async fn put(store: &Store, record: &Record) {
    store.put(&StatePath::cluster(&record.cluster.key()), record.encode().unwrap()).await.unwrap();
}

/// What one look tells.
async fn look(watch: &mut Watch, store: &Store) -> String {
    let mut seen = Seen::default();
    watch.look(store, NOW.parse().unwrap(), &mut seen).await.unwrap();
    assert_eq!(seen.problems, Vec::<String>::new());
    told(&seen)
}

fn told(seen: &Seen) -> String {
    let line = |news: &News| {
        format!("{} {}{}: {}\n", news.at, if news.is_first { "* " } else { "" }, news.state, news.text)
    };
    seen.news.iter().map(line).collect()
}

#[tokio::test]
async fn what_is_new_is_told_once_and_an_end_between_two_looks_is_found_in_the_archive() {
    let store = Store::memory();
    let mut open = record(include_str!("../../../../../tests/records/v1_told.json"));
    open.receipts.clear();
    put(&store, &open).await;
    store.put(&StatePath::open_marker(&marker(&open)), open.cluster.to_string()).await.unwrap();
    let mut watch = Watch::default();
    insta::assert_snapshot!(look(&mut watch, &store).await, @"2026-09-14T18:00:42Z * restarting: Azure accepted the start");
    assert_eq!(look(&mut watch, &store).await, "", "nothing changed");

    let Episode::Open(case) = &mut open.episode else { panic!("it is open") };
    case.note("2026-09-14T18:01:12Z".parse().unwrap(), "waiting for the start to finish");
    open.receipts.push(Receipt {
        incident: case.id.to_string(),
        sink: "webhook".to_owned(),
        state: IncidentState::Opened,
        sequence: 0,
        at: "2026-09-14T18:01:00Z".parse().unwrap(),
        reference: Some("17".to_owned()),
    });
    put(&store, &open).await;
    insta::assert_snapshot!(look(&mut watch, &store).await, @"
    2026-09-14T18:01:00Z restarting: webhook has `opened` of 183dfd2ce3e81077fefbe09205c4ed44-1789408810 as 17
    2026-09-14T18:01:12Z restarting: waiting for the start to finish
    ");

    let Episode::Open(case) = &open.episode else { panic!("it is open") };
    let mut ended = (**case).clone();
    let at = "2026-09-14T18:12:00Z".parse().unwrap();
    ended.note(at, "the cluster runs again: the guard started it");
    (ended.outcome, ended.closed_at) = (Some(crate::case::Outcome::Restored), Some(at));
    let path = CasePath::new(&marker(&open), at);
    store.archive(&path, serde_json::to_vec(&ended).unwrap()).await.unwrap();
    open.episode = Episode::None;
    put(&store, &open).await;
    insta::assert_snapshot!(look(&mut watch, &store).await, @"2026-09-14T18:12:00Z restored: the cluster runs again: the guard started it");
    assert_eq!(look(&mut watch, &store).await, "");
}

#[tokio::test]
async fn a_case_that_begins_is_told_from_its_beginning_and_a_record_without_one_is_not_read() {
    let store = Store::memory();
    let mut record = record(include_str!("../../../../../tests/records/v1_held.json"));
    let open = std::mem::replace(&mut record.episode, Episode::None);
    put(&store, &record).await;
    let mut watch = Watch::default();
    assert_eq!(look(&mut watch, &store).await, "");
    record.episode = open;
    put(&store, &record).await;
    assert_eq!(look(&mut watch, &store).await.lines().count(), 3);
}

#[tokio::test]
async fn a_damaged_record_is_named_once() {
    let store = Store::memory();
    let record = record(include_str!("../../../../../tests/records/v1_told.json"));
    store.put(&StatePath::cluster(&record.cluster.key()), "{").await.unwrap();
    store.put(&StatePath::open_marker(&marker(&record)), record.cluster.to_string()).await.unwrap();
    let mut watch = Watch::default();
    for problems in [1, 0] {
        let mut seen = Seen::default();
        watch.look(&store, NOW.parse().unwrap(), &mut seen).await.unwrap();
        assert_eq!(seen.problems.len(), problems);
    }
}

#[tokio::test]
async fn one_case_is_told_whole_and_is_over_with_its_end() {
    let store = Store::memory();
    let closing = record(include_str!("../../../../../tests/records/v1_closing.json"));
    put(&store, &closing).await;
    let mut watch = WatchOne { id: marker(&closing), told: None };
    let mut seen = Seen::default();
    watch.look(&store, NOW.parse().unwrap(), &mut seen).await.unwrap();
    assert!(watch.told.unwrap().is_over);
    assert!(told(&seen).lines().count() > 3 && seen.news.iter().all(|news| news.state == "restored"));
}
