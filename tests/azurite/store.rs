//! What each call of the store does on a server.

use aks_stop_guard::domain::SubscriptionId;
use aks_stop_guard::store::{
    Archived, CasePath, Created, OpenMarker, PathName, Prefix, RECORD_BYTES_MAX, StatePath, StopHour, Store,
    StoreError, Written,
};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use simulator::ports::free_port;

use crate::blob_proxy::{Meddling, Proxy};
use crate::{Fixture, client, dead_letters, done, key, marker, open, record, signature, signed, text};

#[tokio::test]
async fn containers_are_made_once_and_left_alone_afterwards() {
    let Fixture { store, azurite: _azurite, .. } = Fixture::without_containers("made-once");
    let first: Vec<_> = store.init().await.unwrap().into_iter().map(|it| (it.name, it.created)).collect();
    assert_eq!(first, [("made-once".to_owned(), Created::Now), ("made-once-cases".to_owned(), Created::Now)]);
    done(store.create(&record(), "kept").await.unwrap());
    assert!(store.init().await.unwrap().iter().all(|container| container.created == Created::Before));
    assert_eq!(text(&store, &record()).await, "kept");
}

#[tokio::test]
async fn without_its_containers_every_call_says_how_to_make_them() {
    let Fixture { store, azurite: _azurite, .. } = Fixture::without_containers("never-made");
    let etag = done(Store::memory().create(&record(), "x").await.unwrap());
    let missing = |name: &str| StoreError::NoContainer(name.to_owned());
    assert_eq!(store.read(&record()).await, Err(missing("never-made")));
    assert_eq!(store.create(&record(), "x").await, Err(missing("never-made")));
    assert_eq!(store.replace(&record(), "x", &etag).await, Err(missing("never-made")));
    assert_eq!(store.put(&record(), "x").await, Err(missing("never-made")));
    assert_eq!(store.delete(&record()).await, Err(missing("never-made")));
    assert_eq!(store.list(&Prefix::open_markers(), 9).await, Err(missing("never-made")));
    let case = CasePath::new(&OpenMarker { key: key(1), generation: 1 }, Timestamp::UNIX_EPOCH);
    assert_eq!(store.archive(&case, "x").await, Err(missing("never-made-cases")));
    assert_eq!(
        missing("never-made").to_string(),
        "the container `never-made` does not exist; `aks-stop-guard init-state` makes it"
    );
}

#[tokio::test]
async fn of_two_that_create_one_is_lost_and_the_first_stays() {
    let Fixture { store, azurite: _azurite, .. } = Fixture::new("create-twice").await;
    done(store.create(&record(), "first").await.unwrap());
    assert_eq!(store.create(&record(), "second").await.unwrap(), Written::Lost);
    assert_eq!(text(&store, &record()).await, "first");
}

#[tokio::test]
async fn a_stale_version_is_not_replaced_and_equal_bytes_are_another_version() {
    let Fixture { store, azurite: _azurite, .. } = Fixture::new("stale").await;
    let first = done(store.create(&record(), "same").await.unwrap());
    let second = done(store.replace(&record(), "same", &first).await.unwrap());
    assert_ne!(first, second);
    assert_eq!(store.read(&record()).await.unwrap().unwrap().etag, second);
    assert_eq!(store.replace(&record(), "mine", &first).await.unwrap(), Written::Lost);
    assert_eq!(text(&store, &record()).await, "same");
    store.delete(&record()).await.unwrap();
    assert_eq!(store.replace(&record(), "mine", &second).await.unwrap(), Written::Lost);
}

#[tokio::test]
async fn of_two_writers_racing_fifty_times_exactly_one_wins_each_time() {
    let fixture = Fixture::new("race").await;
    let (first, second) = (&fixture.store, fixture.another("UseDevelopmentStorage=true"));
    let path = record();
    let mut etag = done(first.create(&path, "start").await.unwrap());
    for round in 0..50 {
        let (a, b) = tokio::join!(
            first.replace(&path, format!("a{round}"), &etag),
            second.replace(&path, format!("b{round}"), &etag)
        );
        let (winner, won) = match (a.unwrap(), b.unwrap()) {
            (Written::Done(etag), Written::Lost) => ("a", etag),
            (Written::Lost, Written::Done(etag)) => ("b", etag),
            both => panic!("round {round}: {both:?}"),
        };
        assert_eq!(text(first, &path).await, format!("{winner}{round}"));
        etag = won;
        let marker = marker(round);
        let (a, b) = tokio::join!(first.create(&marker, "a"), second.create(&marker, "b"));
        let created = [a.unwrap(), b.unwrap()];
        assert_eq!(created.iter().filter(|written| **written == Written::Lost).count(), 1, "round {round}");
    }
}

#[tokio::test]
async fn a_list_goes_on_past_its_first_page() {
    let fixture = Fixture::new("pages").await;
    // A page has 5,000 entries unless the request asks for fewer, which the signature leaves to whoever sends it.
    let proxy = Proxy::start(&fixture.azurite.url, |_| Meddling::PagesOf(10)).await;
    let store = fixture.another(&signed(&proxy.url));
    let subscription = SubscriptionId::parse("aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e").unwrap();
    let hour = StopHour::of(Timestamp::UNIX_EPOCH);
    let mark = |n| PathName::parse(&format!("mark-{n:05}")).unwrap();
    let paths: Vec<StatePath> =
        (0..25).map(|n| StatePath::stop_mark(&subscription, hour, &mark(n))).collect();
    futures::future::try_join_all(paths.iter().map(|path| store.put(path, ""))).await.unwrap();
    store.put(&record(), "elsewhere").await.unwrap();
    let marks = Prefix::stop_marks(&subscription, hour);
    let all = store.list(&marks, 100).await.unwrap();
    assert!(!all.is_cut);
    assert_eq!(all.entries.iter().map(|entry| entry.path.clone()).collect::<Vec<_>>(), paths);
    assert!(all.entries.iter().all(|entry| entry.size == 0));
    assert_eq!(proxy.lists(), 3, "pages of ten");
    let some = store.list(&marks, 15).await.unwrap();
    assert!(some.is_cut);
    assert_eq!(some.entries.len(), 15);
    assert!(store.list(&Prefix::open_markers(), 9).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_write_that_was_done_and_answered_with_503_is_known_by_its_own_bytes() {
    let fixture = Fixture::new("after-write").await;
    let proxy = Proxy::start(&fixture.azurite.url, |seen| {
        if seen.is_write() { Meddling::BusyAfter } else { Meddling::Pass }
    })
    .await;
    let store = fixture.another(&signed(&proxy.url));
    let created = store.create(&record(), "mine").await;
    assert!(matches!(created, Err(StoreError::Unavailable(_))), "{created:?}");
    let mine = store.read(&record()).await.unwrap().unwrap();
    assert_eq!(mine.bytes, "mine");
    let replaced = store.replace(&record(), "mine again", &mine.etag).await;
    assert!(matches!(replaced, Err(StoreError::Unavailable(_))), "{replaced:?}");
    assert_eq!(text(&store, &record()).await, "mine again");
    assert_eq!(store.replace(&record(), "stale", &mine.etag).await.unwrap(), Written::Lost);
}

#[tokio::test]
async fn a_listed_marker_is_read_back_with_the_time_it_was_written() {
    let Fixture { store, azurite: _azurite, .. } = Fixture::new("marker").await;
    store.put(&marker(7), "").await.unwrap();
    let listing = store.list(&Prefix::open_markers_of(&key(1)), 9).await.unwrap();
    let [listed] = listing.entries.as_slice() else { panic!("{listing:?}") };
    assert_eq!(listed.path.as_open_marker(), Some(OpenMarker { key: key(1), generation: 7 }));
    assert!(listed.last_modified > "2026-01-01T00:00:00Z".parse().unwrap(), "{}", listed.last_modified);
}

/// Any container will do: the state's has blobs in folders, as that of Event Grid.
#[tokio::test]
async fn a_list_tells_of_which_version_each_blob_is() {
    let Fixture { store, azurite: _azurite, .. } = Fixture::new("listed-versions").await;
    let listed = async || store.list(&Prefix::clusters(), 9).await.unwrap().entries[0].etag.clone().unwrap();
    let first = done(store.create(&record(), "same").await.unwrap());
    assert_eq!(listed().await, first);
    assert_eq!(store.read(&record()).await.unwrap().unwrap().etag, first);
    let second = done(store.replace(&record(), "same", &listed().await).await.unwrap());
    assert_eq!(listed().await, second);
    assert_ne!(first, second);
}

#[tokio::test]
async fn dead_letters_are_listed_through_all_folders_read_and_deleted() {
    let Fixture { store, azurite, container } = Fixture::new("letters").await;
    store.put(&marker(7), "a letter").await.unwrap();
    let letters = dead_letters(&container, &azurite.url);
    let listing = letters.list(9).await.unwrap();
    let [listed] = listing.entries.as_slice() else { panic!("{listing:?}") };
    assert_eq!(listed.size, 8);
    assert_eq!(letters.read(&listed.path).await.unwrap().unwrap().bytes, "a letter");
    letters.delete(&listed.path).await.unwrap();
    letters.delete(&listed.path).await.unwrap();
    assert_eq!(letters.read(&listed.path).await.unwrap(), None);
    assert!(letters.list(9).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_blob_with_an_impossible_name_fails_the_list_without_a_panic() {
    let Fixture { store, azurite, container } = Fixture::new("junk").await;
    store.put(&marker(7), "").await.unwrap();
    let url = format!("{}/devstoreaccount1/{container}/open//x?{}", azurite.url, signature());
    let put = client().put(url).header("x-ms-blob-type", "BlockBlob").body("junk").send().await.unwrap();
    assert_eq!(put.status(), 201);
    let listed = store.list(&Prefix::open_markers(), 9).await;
    assert!(matches!(listed, Err(StoreError::Refused(_))), "{listed:?}");
}

#[tokio::test]
async fn a_closed_case_is_archived_once_and_never_overwritten() {
    let Fixture { store, azurite: _azurite, .. } = Fixture::new("closed").await;
    let path = CasePath::new(&OpenMarker { key: key(1), generation: 7 }, Timestamp::UNIX_EPOCH);
    assert_eq!(store.archive(&path, "closed").await.unwrap(), Archived::New);
    assert_eq!(store.archive(&path, "closed").await.unwrap(), Archived::Same);
    assert_eq!(store.archive(&path, "otherwise").await.unwrap(), Archived::Different);
    assert_eq!(store.read_case(&path).await.unwrap().unwrap().bytes, "closed");
    assert_eq!(store.archive(&path.conflict(1), "otherwise").await.unwrap(), Archived::New);
}

#[tokio::test]
async fn deleting_what_is_gone_is_fine() {
    let Fixture { store, azurite: _azurite, .. } = Fixture::new("delete-twice").await;
    store.put(&marker(7), "").await.unwrap();
    store.delete(&marker(7)).await.unwrap();
    store.delete(&marker(7)).await.unwrap();
    assert_eq!(store.read(&marker(7)).await.unwrap(), None);
}

#[tokio::test]
async fn a_wrong_key_is_denied_and_not_shown() {
    let fixture = Fixture::new("wrong-key").await;
    let (key, url) = (BASE64_STANDARD.encode("canary-canary"), &fixture.azurite.url);
    let wrong = fixture.another(&format!(
        "AccountName=devstoreaccount1;AccountKey={key};BlobEndpoint={url}/devstoreaccount1"
    ));
    let errors = [
        wrong.read(&record()).await.unwrap_err(),
        wrong.create(&record(), "x").await.unwrap_err(),
        wrong.delete(&record()).await.unwrap_err(),
        wrong.list(&Prefix::clusters(), 1).await.unwrap_err(),
        wrong.init().await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, StoreError::Denied(_)), "{error:?}");
        assert!(!format!("{error} {error:?} {wrong:?}").contains(&key), "{error}");
    }
}

#[tokio::test]
async fn a_shared_access_signature_is_enough_for_everything() {
    let fixture = Fixture::new("signature").await;
    let store = fixture.another(&signed(&fixture.azurite.url));
    assert!(store.init().await.unwrap().iter().all(|container| container.created == Created::Before));
    let etag = done(store.create(&record(), "0").await.unwrap());
    done(store.replace(&record(), "1", &etag).await.unwrap());
    assert_eq!(store.list(&Prefix::clusters(), 9).await.unwrap().entries.len(), 1);
    store.delete(&record()).await.unwrap();
    store.delete(&record()).await.unwrap();
    assert_eq!(store.read(&record()).await.unwrap(), None);
}

#[tokio::test]
async fn a_full_record_is_stored_and_a_bigger_one_refused() {
    let Fixture { store, azurite: _azurite, .. } = Fixture::new("big").await;
    done(store.create(&record(), vec![b'x'; RECORD_BYTES_MAX]).await.unwrap());
    assert_eq!(store.read(&record()).await.unwrap().unwrap().bytes.len(), RECORD_BYTES_MAX);
    let refused = store.put(&record(), vec![b'x'; RECORD_BYTES_MAX + 1]).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let port = free_port().unwrap();
    let store = open("UseDevelopmentStorage=true", "nowhere", &format!("http://127.0.0.1:{port}"));
    let answer = store.create(&record(), "x").await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
}
