//! Several processes of the guard at once, as when the platform scales out.

use futures::StreamExt as _;
use simulator::demo::stage::Stage;
use simulator::world::Caller;

use crate::theatre::{RETAIL, Theatre, client};

/// How often the event comes.
const COPIES: usize = 1_000;
/// Deliveries in flight at the same time, three a process: at this speed an intent is valid for a third of a second, in which a busier
/// machine gets no start out.
const IN_FLIGHT: usize = 9;
/// Tries of one delivery. A process that lost the race for the record too often says 5xx, and Event Grid comes again.
const TRIES_MAX: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_event_a_thousand_times_over_three_processes_is_one_start_and_one_incident() {
    let theatre = Theatre::set("e2e-thousand").await;
    let cluster = theatre.cluster(RETAIL, "aks-shop");
    let others = [theatre.stage.another_host().await.unwrap(), theatre.stage.another_host().await.unwrap()];
    let mut urls: Vec<String> = others.iter().map(Stage::webhook_url).collect();
    urls.push(Stage::webhook_url(theatre.stage.host().unwrap()));
    theatre.stop(&cluster, &Caller::user("bob"));
    theatre.until("the stop is told", |it| it.stage.first_stop(&cluster).is_some()).await;
    let event = theatre.stage.first_stop(&cluster).unwrap();
    let delivery = serde_json::json!([event.event_grid()]).to_string();

    let client = client();
    let taken = futures::stream::iter(0..COPIES)
        .map(|copy| {
            let (client, url, body) = (client.clone(), urls[copy % urls.len()].clone(), delivery.clone());
            async move { deliver(&client, &url, &body).await }
        })
        .buffer_unordered(IN_FLIGHT)
        .collect::<Vec<bool>>()
        .await;
    assert_eq!(taken.iter().filter(|taken| **taken).count(), COPIES);
    theatre.until_restored(std::slice::from_ref(&cluster)).await;
    let incidents = theatre.incidents();
    assert_eq!(incidents.len(), 1, "one key: {incidents:#?}");
    theatre.curtain();
}

/// Delivers until it is taken.
async fn deliver(client: &reqwest::Client, url: &str, body: &str) -> bool {
    for _ in 0..TRIES_MAX {
        let request = client.post(url).header("content-type", "application/json");
        let request = request.header("aeg-event-type", "Notification").body(body.to_owned());
        if request.send().await.is_ok_and(|answer| answer.status().is_success()) {
            return true;
        }
    }
    false
}
