use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::any;

use super::*;

/// Azure's 10 s pass in 5 ms.
const FAST: u32 = 2_000;

fn subscription() -> Subscription {
    Subscription { speed_up: FAST, ..Subscription::new("http://127.0.0.1:1/", Schema::EventGrid) }
}

/// A webhook that answers with these statuses in turn, the last one for ever, and keeps what it got.
struct Webhook {
    url: String,
    got: Arc<Mutex<Vec<(HeaderMap, String)>>>,
}

impl Webhook {
    async fn start(statuses: &[u16]) -> Webhook {
        let got: Arc<Mutex<Vec<(HeaderMap, String)>>> = Arc::default();
        let (keep, statuses) = (Arc::clone(&got), statuses.to_vec());
        let answer = any(async move |headers: HeaderMap, body: String| {
            let mut got = keep.lock().unwrap();
            let status = *statuses.get(got.len()).or(statuses.last()).unwrap();
            got.push((headers, body));
            StatusCode::from_u16(status).unwrap()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        Webhook { url, got }
    }

    fn bodies(&self) -> Vec<Value> {
        self.got.lock().unwrap().iter().map(|(_, body)| serde_json::from_str(body).unwrap()).collect()
    }

    fn headers(&self, name: &str) -> Vec<String> {
        let got = self.got.lock().unwrap();
        got.iter().map(|(headers, _)| headers[name].to_str().unwrap().to_owned()).collect()
    }
}

async fn deliver(subscription: Subscription, ids: &[&str]) -> EventGrid {
    let grid = EventGrid::new(subscription).unwrap();
    grid.publish(ids.iter().map(|id| json!({ "id": id })).collect());
    grid.idle().await;
    grid
}

fn waits(answer: Answer) -> Vec<u64> {
    let long_lived = Subscription { time_to_live: Duration::MAX, ..subscription() };
    (1..=11)
        .map(|number| match next(&long_lived, number, answer, Duration::ZERO) {
            Next::RetryAfter(wait) => wait.as_secs(),
            other @ (Next::Delivered | Next::DeadLetter(_)) => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn waits_grow_from_10_seconds_to_12_hours() {
    let plain = [10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 43_200];
    for answer in [Answer::Status(500), Answer::Status(302), Answer::Late, Answer::Broken] {
        assert_eq!(waits(answer), plain);
    }
    assert_eq!(waits(Answer::Status(503)).first(), Some(&30));
    assert_eq!(waits(Answer::Status(408)).first(), Some(&120));
    assert_eq!(waits(Answer::Status(404)).first(), Some(&300));
}

#[test]
fn only_200_to_204_is_a_delivery_and_four_refusals_are_final() {
    for status in 100..600 {
        let result = next(&subscription(), 1, Answer::Status(status), Duration::ZERO);
        match status {
            200..=204 => assert_eq!(result, Next::Delivered),
            400 | 401 | 403 | 413 => assert_eq!(result, Next::DeadLetter(Reason::Refused(status))),
            _ => assert!(matches!(result, Next::RetryAfter(_)), "{status}"),
        }
    }
}

#[test]
fn an_event_is_given_up_after_30_attempts_or_24_hours() {
    let subscription = subscription();
    let at =
        |number, hours: u64| next(&subscription, number, Answer::Late, Duration::from_secs(hours * 3_600));
    assert_eq!(at(30, 0), Next::DeadLetter(Reason::MaxDeliveryAttemptsExceeded));
    assert_eq!(at(9, 23), Next::DeadLetter(Reason::TimeToLiveExceeded));
    assert!(matches!(at(1, 23), Next::RetryAfter(_)));
}

#[tokio::test]
async fn an_event_comes_again_until_it_is_taken() {
    let webhook = Webhook::start(&[500, 503, 202]).await;
    let grid = deliver(Subscription { url: webhook.url.clone(), ..subscription() }, &["a"]).await;
    let numbers: Vec<(u32, Answer)> =
        grid.attempts().iter().map(|attempt| (attempt.number, attempt.answer)).collect();
    assert_eq!(numbers, [(1, Answer::Status(500)), (2, Answer::Status(503)), (3, Answer::Status(202))]);
    assert_eq!(webhook.headers("aeg-delivery-count"), ["0", "1", "2"]);
    assert_eq!(webhook.headers("aeg-event-type"), ["Notification"; 3]);
    assert_eq!(webhook.bodies(), vec![json!([{"id": "a"}]); 3]);
    assert_eq!(grid.dead_letters(), []);
}

#[tokio::test]
async fn a_refused_event_is_a_dead_letter_after_one_attempt() {
    let webhook = Webhook::start(&[401]).await;
    let grid = deliver(Subscription { url: webhook.url.clone(), ..subscription() }, &["a"]).await;
    let letter = DeadLetter { event: json!({"id": "a"}), reason: Reason::Refused(401), attempts: 1 };
    assert_eq!(grid.dead_letters(), [letter]);
}

#[tokio::test]
async fn a_webhook_that_is_down_gets_the_event_when_it_is_back_or_never() {
    // Nothing listens on port 1.
    let grid = deliver(Subscription { max_attempts: 3, ..subscription() }, &["a"]).await;
    assert_eq!(grid.attempts().len(), 3);
    assert_eq!(grid.dead_letters()[0].reason, Reason::MaxDeliveryAttemptsExceeded);
}

#[tokio::test]
async fn an_answer_after_the_window_counts_as_none() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let answer_window = Duration::from_millis(50);
    let grid = deliver(Subscription { url, answer_window, max_attempts: 1, ..subscription() }, &["a"]).await;
    assert_eq!(grid.attempts()[0].answer, Answer::Late);
}

#[tokio::test]
async fn a_single_cloud_event_is_an_object_and_a_batch_a_list() {
    let webhook = Webhook::start(&[202]).await;
    let batch = Subscription {
        url: webhook.url.clone(),
        schema: Schema::CloudEvents,
        batching: Batching::UpTo(2),
        ..subscription()
    };
    deliver(batch.clone(), &["a", "b"]).await;
    deliver(batch, &["c"]).await;
    assert_eq!(webhook.bodies(), [json!([{"id": "a"}, {"id": "b"}]), json!({"id": "c"})]);
    let types =
        ["application/cloudevents-batch+json; charset=utf-8", "application/cloudevents+json; charset=utf-8"];
    assert_eq!(webhook.headers("content-type"), types);
}

#[test]
fn order_and_duplicates_follow_their_settings() {
    let events = || (0..4).map(Value::from).collect::<Vec<Value>>();
    let sent = |order, duplicates| -> Vec<Value> {
        let subscription = Subscription { order, duplicates, ..subscription() };
        batches(&subscription, events()).into_iter().flatten().collect()
    };
    assert_eq!(sent(Order::Kept, Duplicates::None), events());
    assert_eq!(json!(sent(Order::Reversed, Duplicates::None)), json!([3, 2, 1, 0]));
    assert_eq!(json!(sent(Order::Kept, Duplicates::Extra(1))), json!([0, 0, 1, 1, 2, 2, 3, 3]));
    let shuffled = sent(Order::Shuffled(7), Duplicates::None);
    assert_eq!(shuffled, sent(Order::Shuffled(7), Duplicates::None));
    let mut sorted = shuffled.clone();
    sorted.sort_by_key(Value::as_u64);
    assert_ne!(shuffled, events());
    assert_eq!(sorted, events());
}

#[tokio::test]
async fn a_delayed_event_is_not_sent_before_its_time() {
    let webhook = Webhook::start(&[202]).await;
    let delay = Delay::Spread(Duration::from_secs(100));
    let begun = Instant::now();
    deliver(Subscription { url: webhook.url.clone(), delay, ..subscription() }, &["a", "b", "c"]).await;
    assert!(begun.elapsed() >= Duration::from_secs(200) / FAST);
    assert_eq!(json!(webhook.bodies()), json!([[{"id": "a"}], [{"id": "b"}], [{"id": "c"}]]));
}

#[tokio::test]
async fn a_webhook_that_does_not_agree_is_no_destination() {
    let webhook = Webhook::start(&[200]).await;
    for schema in [Schema::EventGrid, Schema::CloudEvents] {
        let grid =
            EventGrid::new(Subscription { url: webhook.url.clone(), schema, ..subscription() }).unwrap();
        assert!(matches!(grid.handshake().await, Err(HandshakeError::NotAgreed(200))));
    }
}
