use std::sync::Arc;

use super::*;

#[path = "../../tests/support/faulty.rs"]
mod faulty;
mod wire;

use faulty::{Fault, Faulty};

type FaultyMemory = Arc<Faulty<InMemory>>;

fn faulty_store() -> (Store, FaultyMemory) {
    let state = Faulty::new(InMemory::new());
    (Store::over(state.clone(), Arc::new(InMemory::new())), state)
}

fn path() -> StatePath {
    StatePath::hold(&PathName::parse("h-1").unwrap())
}

fn done(written: Written) -> Etag {
    match written {
        Written::Done(etag) => etag,
        Written::Lost => panic!("lost"),
    }
}

async fn bytes(store: &Store, path: &StatePath) -> Option<Bytes> {
    store.read(path).await.unwrap().map(|stored| stored.bytes)
}

fn case_path() -> CasePath {
    let key = crate::domain::ClusterKey::parse(&"0f".repeat(16)).unwrap();
    CasePath::new(&OpenMarker { key, generation: 7 }, Timestamp::UNIX_EPOCH)
}

#[tokio::test]
async fn of_two_that_create_one_is_lost() {
    let store = Store::memory();
    done(store.create(&path(), "first").await.unwrap());
    assert_eq!(store.create(&path(), "second").await.unwrap(), Written::Lost);
    assert_eq!(bytes(&store, &path()).await.unwrap(), "first");
}

#[tokio::test]
async fn of_two_that_replace_the_same_version_one_is_lost() {
    let store = Store::memory();
    let read = done(store.create(&path(), "0").await.unwrap());
    let newer = done(store.replace(&path(), "1", &read).await.unwrap());
    assert_eq!(store.replace(&path(), "2", &read).await.unwrap(), Written::Lost);
    assert_eq!(store.read(&path()).await.unwrap(), Some(Stored { bytes: "1".into(), etag: newer }));
}

#[tokio::test]
async fn replacing_what_was_deleted_is_lost() {
    let store = Store::memory();
    let etag = done(store.create(&path(), "0").await.unwrap());
    store.delete(&path()).await.unwrap();
    store.delete(&path()).await.unwrap();
    assert_eq!(store.replace(&path(), "1", &etag).await.unwrap(), Written::Lost);
    assert_eq!(store.read(&path()).await.unwrap(), None);
}

#[tokio::test]
async fn a_write_whose_answer_got_lost_is_known_by_its_own_bytes() {
    let (store, state) = faulty_store();
    let etag = done(store.create(&path(), "0").await.unwrap());
    state.on_writes(&[Fault::LostAnswer]);
    let answer = store.replace(&path(), "mine", &etag).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert_eq!(bytes(&store, &path()).await.unwrap(), "mine");
    assert_eq!(state.writes(), 2, "nobody sent it again behind the caller's back");
}

#[tokio::test]
async fn a_write_that_never_got_there_leaves_what_was_there() {
    let (store, state) = faulty_store();
    let etag = done(store.create(&path(), "0").await.unwrap());
    state.on_writes(&[Fault::LostRequest]);
    assert!(store.replace(&path(), "mine", &etag).await.is_err());
    assert_eq!(bytes(&store, &path()).await.unwrap(), "0");
    done(store.replace(&path(), "mine", &etag).await.unwrap());
}

#[tokio::test]
async fn a_write_that_lost_to_itself_is_told_as_lost_and_read_back_as_our_own() {
    let (store, state) = faulty_store();
    let etag = done(store.create(&path(), "0").await.unwrap());
    state.on_writes(&[Fault::SentTwice]);
    assert_eq!(store.replace(&path(), "mine", &etag).await.unwrap(), Written::Lost);
    assert_eq!(bytes(&store, &path()).await.unwrap(), "mine");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_hangs_is_given_up_in_time_and_may_have_been_done() {
    let (store, state) = faulty_store();
    state.on_writes(&[Fault::HangsAfter]);
    let started = tokio::time::Instant::now();
    let error = store.create(&path(), "mine").await.unwrap_err();
    assert_eq!(started.elapsed(), STORE_TIMEOUT);
    insta::assert_snapshot!(error, @"the store can't be used now: writing `open/0-holds/h-1.json`: no answer in 5000 ms");
    assert_eq!(bytes(&store, &path()).await.unwrap(), "mine");
}

#[tokio::test(start_paused = true)]
async fn a_read_is_tried_three_times_and_then_given_up() {
    let (store, state) = faulty_store();
    store.put(&path(), "0").await.unwrap();
    state.on_reads(&[Fault::LostRequest, Fault::Hangs]);
    assert_eq!(bytes(&store, &path()).await.unwrap(), "0");
    state.on_reads(&[Fault::LostRequest; 3]);
    assert!(matches!(store.read(&path()).await, Err(StoreError::Unavailable(_))));
    assert_eq!(state.reads(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_costs_a_read_no_more_than_its_time() {
    let (store, state) = faulty_store();
    state.on_reads(&[Fault::Hangs; 3]);
    let started = tokio::time::Instant::now();
    assert!(matches!(store.read(&path()).await, Err(StoreError::Unavailable(_))));
    assert!(started.elapsed() <= STORE_TIMEOUT, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_off_starts_again_and_repeats_nothing() {
    let (store, state) = faulty_store();
    for name in ["a", "b"] {
        store.put(&StatePath::bulletin(&PathName::parse(name).unwrap()), "0").await.unwrap();
    }
    state.on_reads(&[Fault::LostAnswer]);
    let listing = store.list(&Prefix::bulletins(), 9).await.unwrap();
    let names: Vec<String> = listing.entries.iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(names, ["bulletins/a.json", "bulletins/b.json"]);
    state.on_reads(&[Fault::Hangs; 3]);
    let started = tokio::time::Instant::now();
    assert!(matches!(store.list(&Prefix::bulletins(), 9).await, Err(StoreError::Unavailable(_))));
    assert!(started.elapsed() <= LIST_TIMEOUT, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_list_that_is_cut_says_so() {
    let store = Store::memory();
    for name in ["a", "b", "c"] {
        store.put(&StatePath::bulletin(&PathName::parse(name).unwrap()), name).await.unwrap();
    }
    store.put(&path(), "elsewhere").await.unwrap();
    assert!(!store.list(&Prefix::bulletins(), 3).await.unwrap().is_cut);
    let cut = store.list(&Prefix::bulletins(), 2).await.unwrap();
    assert!(cut.is_cut);
    assert_eq!(cut.entries.len(), 2);
    assert!(cut.entries.iter().all(|entry| entry.size == 1 && entry.last_modified > Timestamp::UNIX_EPOCH));
}

#[tokio::test]
async fn a_closed_case_is_archived_once_and_never_overwritten() {
    let store = Store::memory();
    let path = case_path();
    assert_eq!(store.archive(&path, "closed").await.unwrap(), Archived::New);
    assert_eq!(store.archive(&path, "closed").await.unwrap(), Archived::Same);
    assert_eq!(store.archive(&path, "otherwise").await.unwrap(), Archived::Different);
    assert_eq!(store.archive(&path.conflict(1), "otherwise").await.unwrap(), Archived::New);
    assert_eq!(store.read_case(&path).await.unwrap().unwrap().bytes, "closed");
}

#[tokio::test]
async fn an_archive_whose_answer_got_lost_is_the_same_when_repeated() {
    let cases = Faulty::new(InMemory::new());
    let store = Store::over(Arc::new(InMemory::new()), cases.clone());
    cases.on_writes(&[Fault::LostAnswer]);
    assert!(matches!(store.archive(&case_path(), "closed").await, Err(StoreError::Unavailable(_))));
    assert_eq!(store.archive(&case_path(), "closed").await.unwrap(), Archived::Same);
    cases.on_writes(&[Fault::SentTwice]);
    assert_eq!(store.archive(&case_path().conflict(1), "closed").await.unwrap(), Archived::Same);
}

#[tokio::test]
async fn nothing_bigger_than_a_record_is_written_or_read() {
    let state = Arc::new(InMemory::new());
    let store = Store::over(state.clone(), Arc::new(InMemory::new()));
    done(store.create(&path(), vec![b'x'; RECORD_BYTES_MAX]).await.unwrap());
    assert!(store.read(&path()).await.unwrap().is_some());
    let error = store.put(&path(), vec![b'x'; RECORD_BYTES_MAX + 1]).await.unwrap_err();
    insta::assert_snapshot!(error, @"the store refused: writing `open/0-holds/h-1.json`: 1048577 bytes, at most 1048576 are allowed");
    let big = PutPayload::from(vec![b'x'; RECORD_BYTES_MAX + 1]);
    state.put(path().as_path(), big).await.unwrap();
    assert!(matches!(store.read(&path()).await, Err(StoreError::Refused(_))));
}

#[tokio::test]
async fn memory_has_no_containers_to_make() {
    assert_eq!(Store::memory().init().await.unwrap(), []);
}
