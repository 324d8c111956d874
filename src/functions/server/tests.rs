use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::body::to_bytes;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::super::envelope::{HttpRequest, RawEvent};
use super::*;

/// Work that lasts as long as it is told to, in virtual time.
#[derive(Default)]
struct Work {
    lasts: Duration,
    begun: AtomicUsize,
    ended: AtomicUsize,
    release: Notify,
}

impl Work {
    fn lasting(seconds: u64) -> Arc<Self> {
        Arc::new(Self { lasts: Duration::from_secs(seconds), ..Self::default() })
    }

    async fn pass(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        sleep(self.lasts).await;
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Invocations for Work {
    async fn stop_events(&self, events: Vec<RawEvent>) -> Outcome {
        self.pass().await;
        match events.first().map(RawEvent::as_str) {
            Some(r#"{"do":"panic"}"#) => panic!("the event asked for it"),
            Some(r#"{"do":"redeliver"}"#) => Outcome::redeliver("the store is away"),
            Some(_) | None => Outcome::done([format!("{} taken", events.len())]),
        }
    }

    async fn sweep(&self) -> Outcome {
        self.pass().await;
        self.release.notify_one();
        Outcome::done([])
    }

    async fn evaluate(&self, request: &HttpRequest) -> HttpOutput {
        self.pass().await;
        HttpOutput { status: StatusCode::IM_A_TEAPOT, body: json!({ "body": request.body }) }
    }

    async fn announce(&self, _: Announced, request: &HttpRequest) -> HttpOutput {
        self.evaluate(request).await
    }
}

fn delivery(event: &str) -> Request {
    Request::new(Body::from(format!(r#"{{"Data":{{"e":{event}}},"Metadata":{{}}}}"#)))
}

async fn parts(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_outcome_becomes_the_answer_that_the_host_understands() {
    let server = Server::new(Work::lasting(0));
    let answer = async |event| parts(server.answer(Function::StopActionHandler, delivery(event)).await).await;
    assert_eq!(answer("{}").await, (200, json!({"Outputs": {}, "Logs": ["1 taken"], "ReturnValue": null})));
    assert_eq!(
        answer(r#"{"do":"redeliver"}"#).await,
        (503, json!({"Outputs": {}, "Logs": ["the store is away"], "ReturnValue": null}))
    );
}

#[tokio::test(start_paused = true)]
async fn an_operators_answer_is_json_text_with_its_content_type() {
    let server = Server::new(Work::lasting(0));
    let request = delivery(r#"{"Method":"POST","Body":"{}"}"#);
    let (status, body) = parts(server.answer(Function::Evaluate, request).await).await;
    assert_eq!(status, 200);
    assert_eq!(
        body["Outputs"],
        json!({"res": {"statusCode": 418, "headers": {"Content-Type": "application/json"}, "body": "{\"body\":\"{}\"}"}})
    );
    let (_, body) = parts(server.answer(Function::Evaluate, delivery("4")).await).await;
    assert_eq!(body["Outputs"]["res"]["statusCode"], 400);
}

#[tokio::test(start_paused = true)]
async fn the_answer_comes_when_the_budget_ends_and_the_work_goes_on() {
    let work = Work::lasting(25);
    let server = Server::new(Arc::clone(&work));
    let begun = Instant::now();
    let (status, body) = parts(server.answer(Function::Sweep, delivery("{}")).await).await;
    assert_eq!((status, begun.elapsed()), (503, INVOCATION_BUDGET));
    assert_eq!(body["Logs"], json!(["not durable yet: no outcome within the budget"]));
    assert_eq!(work.ended.load(Ordering::SeqCst), 0);
    timeout(WORK_MAX, work.release.notified()).await.expect("the work was dropped");
    assert_eq!((work.ended.load(Ordering::SeqCst), begun.elapsed()), (1, Duration::from_secs(25)));
}

#[tokio::test(start_paused = true)]
async fn work_that_is_stuck_gives_its_place_back() {
    let work = Work::lasting(1_000_000);
    let server = Server::new(Arc::clone(&work));
    assert_eq!(server.answer(Function::Sweep, delivery("{}")).await.status(), 503);
    assert_eq!(server.answer(Function::Sweep, delivery("{}")).await.status(), 503);
    assert_eq!(work.begun.load(Ordering::SeqCst), 1, "the second sweep had to wait");
    sleep(WORK_MAX).await;
    assert_eq!(server.answer(Function::Sweep, delivery("{}")).await.status(), 503);
    assert_eq!(work.begun.load(Ordering::SeqCst), 2, "the third one found the place free");
}

#[tokio::test(start_paused = true)]
async fn no_more_deliveries_than_allowed_are_worked_on_at_once_and_the_wait_counts() {
    let work = Work::lasting(15);
    let server = Arc::new(Server::new(Arc::clone(&work)));
    let begun = Instant::now();
    let deliver = || {
        let server = Arc::clone(&server);
        tokio::spawn(async move { server.answer(Function::StopActionHandler, delivery("{}")).await.status() })
    };
    let first: Vec<_> = (0..PARALLEL_INVOCATIONS_MAX).map(|_| deliver()).collect();
    sleep(Duration::from_secs(1)).await;
    let queued = deliver();
    assert_eq!(work.begun.load(Ordering::SeqCst), PARALLEL_INVOCATIONS_MAX);
    for answer in first {
        assert_eq!(answer.await.unwrap(), 200);
    }
    // It came after 1 s, began after 15 s and would need until 30 s: its budget ends after 21 s.
    assert_eq!(queued.await.unwrap(), 503);
    assert_eq!(begun.elapsed(), Duration::from_secs(21));
}

#[tokio::test(start_paused = true)]
async fn stop_events_that_wait_keep_neither_operators_nor_the_sweep_waiting() {
    let server = Arc::new(Server::new(Work::lasting(15)));
    for _ in 0..2 * PARALLEL_INVOCATIONS_MAX {
        let server = Arc::clone(&server);
        tokio::spawn(
            async move { server.answer(Function::StopActionHandler, delivery("{}")).await.status() },
        );
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(server.answer(Function::Sweep, delivery("{}")).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_answer_and_the_next_invocation_finds_its_place() {
    let server = Server::new(Work::lasting(0));
    for _ in 0..2 * PARALLEL_INVOCATIONS_MAX {
        let panicked = server.answer(Function::StopActionHandler, delivery(r#"{"do":"panic"}"#)).await;
        let (status, body) = parts(panicked).await;
        assert_eq!((status, &body["Logs"]), (500, &json!(["the invocation panicked"])));
    }
    assert_eq!(server.answer(Function::StopActionHandler, delivery("{}")).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for_beyond_the_budget() {
    let server = Server::new(Work::lasting(0));
    let silent = Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let begun = Instant::now();
    assert_eq!(server.answer(Function::StopActionHandler, Request::new(silent)).await.status(), 503);
    assert_eq!(begun.elapsed(), INVOCATION_BUDGET);
}

#[tokio::test(start_paused = true)]
async fn what_a_redelivery_cannot_mend_is_acknowledged_with_its_reason() {
    let work = Work::lasting(0);
    let server = Server::new(Arc::clone(&work));
    for (event, reason) in [
        ("[]", "refused: the delivery holds no events"),
        ("4", "refused: the envelope's `Data` holds a number where an event or a request is expected"),
        (
            "",
            "refused: the body is not an envelope of the Functions host (a syntax error at line 1, column 14)",
        ),
    ] {
        let (status, body) = parts(server.answer(Function::StopActionHandler, delivery(event)).await).await;
        assert_eq!((status, &body["Logs"]), (200, &json!([reason])));
    }
    assert_eq!(work.begun.load(Ordering::SeqCst), 0);
}

#[test]
fn headers_that_are_no_identifiers_are_not_repeated() {
    let mut headers = HeaderMap::new();
    let mut id = |value: &'static [u8]| {
        headers.insert("traceparent", axum::http::HeaderValue::from_bytes(value).unwrap());
        identifier(&headers, "traceparent", TRACEPARENT_BYTES_MAX).map(ToOwned::to_owned)
    };
    let good = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(id(good).as_deref(), Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
    assert_eq!(id(b"x\"},{"), None);
    assert_eq!(id(b"\xff"), None);
    assert_eq!(id(&[b'a'; TRACEPARENT_BYTES_MAX + 1]), None);
}
