//! Event Grid, the host and a handler together.

use serde_json::json;
use simulator::delivery::{Answer, EventGrid, Schema, Subscription};

use super::support::{Handler, Reply, host_before};

#[tokio::test]
async fn both_handshakes_end_at_the_host() {
    let handler = Handler::start(|_| Reply::json("{}")).await;
    let (host, _folder) = host_before(&handler, |_| {}).await;
    for schema in [Schema::EventGrid, Schema::CloudEvents] {
        let grid = EventGrid::new(Subscription::new(host.webhook_url("StopActionHandler"), schema)).unwrap();
        grid.handshake().await.unwrap();
    }
    assert!(handler.take().is_empty());
}

#[tokio::test]
async fn a_failed_call_is_delivered_again_as_a_new_invocation() {
    let answers = std::sync::atomic::AtomicUsize::new(0);
    let handler = Handler::start(move |request| match request.path() {
        "/StopActionHandler" if answers.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 => {
            Reply::scripted(&json!({"status": 500, "body": "{}"}))
        }
        _ => Reply::json("{}"),
    })
    .await;
    let (host, _folder) = host_before(&handler, |_| {}).await;
    let url = host.webhook_url("StopActionHandler");
    let subscription = Subscription { speed_up: 1_000, ..Subscription::new(url, Schema::CloudEvents) };
    let grid = EventGrid::new(subscription).unwrap();
    grid.publish(vec![json!({"specversion": "1.0", "id": "e1", "data": {}})]);
    grid.idle().await;
    let answers: Vec<Answer> = grid.attempts().iter().map(|attempt| attempt.answer).collect();
    assert_eq!(answers, [Answer::Status(500), Answer::Status(202)]);
    let calls = handler.take();
    let id = |index: usize| calls[index].header("x-azure-functions-invocationid").unwrap().to_owned();
    assert_eq!(calls.len(), 2);
    assert_ne!(id(0), id(1));
}
