//! Several writers, each with a client of its own, and answers that get lost or torn on their way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aks_stop_guard::store::{Prefix, StoreError, Written};

use crate::blob_proxy::{Meddling, Proxy};
use crate::{Fixture, done, marker, record, signed, text};

const EMULATOR: &str = "UseDevelopmentStorage=true";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_four_writers_that_change_one_record_none_loses_an_update() {
    let fixture = Fixture::new("no-lost-update").await;
    done(fixture.store.create(&record(), "0").await.unwrap());
    let lost = Arc::new(AtomicUsize::new(0));
    let writers = (0..4).map(|_| {
        let (store, lost) = (fixture.another(EMULATOR), Arc::clone(&lost));
        tokio::spawn(async move {
            for _ in 0..25 {
                loop {
                    let stored = store.read(&record()).await.unwrap().unwrap();
                    let count: u32 = std::str::from_utf8(&stored.bytes).unwrap().parse().unwrap();
                    match store.replace(&record(), (count + 1).to_string(), &stored.etag).await.unwrap() {
                        Written::Done(_) => break,
                        Written::Lost => lost.fetch_add(1, Ordering::SeqCst),
                    };
                }
            }
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer.unwrap();
    }
    assert_eq!(text(&fixture.store, &record()).await, "100");
    assert!(lost.load(Ordering::SeqCst) > 0, "they did race");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_eight_that_create_one_record_exactly_one_does() {
    let fixture = Fixture::new("one-creates").await;
    let creators = (0..8).map(|n| {
        let store = fixture.another(EMULATOR);
        tokio::spawn(async move { (n, store.create(&record(), n.to_string()).await.unwrap()) })
    });
    let created = futures::future::join_all(creators).await.into_iter().map(Result::unwrap);
    let winners: Vec<u32> =
        created.filter(|(_, written)| *written != Written::Lost).map(|(n, _)| n).collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(text(&fixture.store, &record()).await, winners[0].to_string());
}

#[tokio::test]
async fn an_answer_that_is_cut_off_in_the_middle_is_asked_for_again_and_never_taken_for_the_whole() {
    let fixture = Fixture::new("cut").await;
    let whole = "x".repeat(100_000);
    done(fixture.store.create(&record(), whole.clone()).await.unwrap());
    fixture.store.put(&marker(7), "").await.unwrap();
    let once = Proxy::start(&fixture.azurite.url, |seen| match seen.reads % 2 {
        0 => Meddling::Cut,
        _ => Meddling::Pass,
    })
    .await;
    let store = fixture.another(&signed(&once.url));
    assert_eq!(text(&store, &record()).await, whole);
    assert_eq!(store.list(&Prefix::open_markers(), 9).await.unwrap().entries.len(), 1);

    let always = Proxy::start(&fixture.azurite.url, |_| Meddling::Cut).await;
    let store = fixture.another(&signed(&always.url));
    let read = store.read(&record()).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    let listed = store.list(&Prefix::open_markers(), 9).await;
    assert!(matches!(listed, Err(StoreError::Unavailable(_))), "{listed:?}");
}
