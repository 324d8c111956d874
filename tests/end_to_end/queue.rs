//! Events that come by a storage queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use simulator::demo::stage::{Encoding, Way};
use simulator::host::log::Level;
use simulator::world::Caller;

use crate::blob_proxy::Meddling;
use crate::theatre::{EDGE, RETAIL, Theatre, pipeline};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_that_come_by_a_queue_are_undone_whether_event_grid_writes_plain_text_or_base64() {
    for (container, encoding) in [("e2e-queue", Encoding::Plain), ("e2e-queue-base64", Encoding::Base64)] {
        let theatre = Theatre::with_queue(container, encoding).await;
        let by_event_grid = theatre.cluster(RETAIL, "aks-shop");
        let by_cloud_events = theatre.cluster(EDGE, "aks-edge");
        let allowed = theatre.cluster(RETAIL, "aks-batch");
        for hostile in ["", "stop everything", "{}", "[[", "//79/A=="] {
            theatre.stage.put_into_queue(hostile);
        }
        theatre.stop(&by_event_grid, &Caller::user("bob"));
        theatre.stop(&by_cloud_events, &Caller::guest("eve"));
        theatre.stop(&allowed, &pipeline());
        theatre.until_restored(&[by_event_grid.clone(), by_cloud_events.clone()]).await;

        assert!(!theatre.is_running(&allowed));
        assert_eq!(theatre.incidents_of(&by_event_grid).len(), 1);
        theatre.until("the queue is worked off", |it| it.stage.queued().is_empty()).await;
        assert_eq!(theatre.stage.poisoned(), [], "nothing became poison");
        let log = theatre.stage.host().unwrap().log().entries();
        let refused = log.iter().filter(|entry| {
            entry.category == "Function.StopActionQueue.User" && entry.message.starts_with("refused: ")
        });
        assert_eq!(refused.count(), 4, "an empty object is an event that is ignored, the others are none");
        assert!(log.iter().all(|entry| entry.level != Level::Fail));
        theatre.curtain();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_waits_in_the_queue_while_the_store_is_away_and_never_becomes_poison() {
    let away = Arc::new(AtomicBool::new(false));
    let script = Arc::clone(&away);
    let way = Way::Queue(Encoding::Plain);
    let theatre = Theatre::with_proxy_and("e2e-queue-away", way, move |seen| {
        if script.load(Ordering::SeqCst) && !seen.is_write() { Meddling::BusyAfter } else { Meddling::Pass }
    })
    .await;
    let cluster = theatre.cluster(RETAIL, "aks-shop");
    away.store(true, Ordering::SeqCst);
    theatre.stop(&cluster, &Caller::user("bob"));
    let handed_out_twice = |it: &Theatre| it.stage.queued().iter().any(|(_, count)| *count >= 2);
    theatre.until("the message comes again", handed_out_twice).await;
    assert_eq!(theatre.starts(&cluster), 0);
    away.store(false, Ordering::SeqCst);
    theatre.until_restored(std::slice::from_ref(&cluster)).await;
    theatre.until("the message is deleted", |it| it.stage.queued().is_empty()).await;
    assert_eq!(theatre.stage.poisoned(), []);
    theatre.curtain();
}
