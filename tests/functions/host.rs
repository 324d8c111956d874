//! A host's side of the wire: it sends raw HTTP, and judges an answer as the real one does.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aks_stop_guard::functions::envelope::{HttpRequest, RawEvent};
use aks_stop_guard::functions::{self, Announced, HttpOutput, Invocations, Outcome};
use async_trait::async_trait;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::requests::folder_of;

/// Far beyond the budget of an invocation: who waits so long waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the host makes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The invocation succeeded.
    Success,
    /// It failed at once: Event Grid delivers again.
    Failure,
    /// The host waits until the function's time-out and then kills the handler.
    Hang,
}

/// The host's reading of an answer (`ProcessDefaultInvocationRequest`, with the JSON reader of Web API's client).
pub(crate) fn verdict(status: u16, content_type: Option<&str>, body: &str) -> Verdict {
    if !(200..300).contains(&status) {
        return Verdict::Failure;
    }
    if body.is_empty() {
        return Verdict::Hang;
    }
    let media_type = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    if !matches!(media_type, Some("application/json" | "text/json")) {
        return Verdict::Failure;
    }
    match serde_json::Deserializer::from_str(body).into_iter::<Value>().next() {
        None | Some(Ok(Value::Null)) => Verdict::Hang,
        Some(Ok(Value::Object(members))) => {
            let member = |name: &str| {
                members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
            };
            let outputs = member("Outputs").is_none_or(|value| value.is_object() || value.is_null());
            let logs = match member("Logs") {
                None | Some(Value::Null) => true,
                Some(Value::Array(lines)) => lines.iter().all(|line| !line.is_object() && !line.is_array()),
                Some(_) => false,
            };
            if outputs && logs { Verdict::Success } else { Verdict::Failure }
        }
        Some(_) => Verdict::Failure,
    }
}

#[test]
fn this_host_judges_the_known_answers_as_the_real_one_does() {
    let cases = std::fs::read_to_string(folder_of("golden/responses").join("cases.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    assert_eq!(cases.len(), 25);
    for case in cases {
        let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
        let found = verdict(status, case["content_type"].as_str(), case["body"].as_str().unwrap());
        let outcome = case["host_outcome"].as_str().unwrap();
        let expected = if outcome.starts_with("success") {
            Verdict::Success
        } else if outcome.starts_with("HANG") {
            Verdict::Hang
        } else {
            // A redirect is followed; ours never is one, so it need not be told from a failure.
            Verdict::Failure
        };
        assert_eq!(found, expected, "{}", case["name"]);
    }
}

/// An answer as it came over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn verdict(&self) -> Verdict {
        verdict(self.status, self.content_type.as_deref(), &self.body)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub(crate) fn logs(&self) -> Vec<String> {
        serde_json::from_value(self.json()["Logs"].clone()).unwrap()
    }
}

/// A server in this process, on a port of its own.
pub(crate) async fn serve(invocations: Arc<impl Invocations>) -> SocketAddr {
    let listener = functions::bind(0).await.unwrap();
    let address = listener.address().unwrap();
    tokio::spawn(functions::serve(listener, invocations));
    address
}

/// A connection that is kept between requests, as the host does.
pub(crate) struct Connection(TcpStream);

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// Sends the bytes and reads one answer; `None` if the connection was closed without.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Option<Answer> {
        let (mut from, mut to) = self.0.split();
        let exchange = async {
            // The server may answer, and even close, before it has read everything.
            let (_sent, answer) = tokio::join!(to.write_all(request), read_answer(&mut from));
            answer
        };
        tokio::time::timeout(PATIENCE, exchange).await.expect("the server never answered")
    }
}

async fn read_answer(from: &mut (impl AsyncReadExt + Unpin)) -> Option<Answer> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 16 * 1024];
    loop {
        if let Some(answer) = parse(&bytes) {
            return Some(answer);
        }
        match from.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(length) => bytes.extend_from_slice(&chunk[..length]),
        }
    }
}

/// The answer, once all of it is there. One without a length would leave the reader waiting, and fail the test.
fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let header = |name: &str| {
        let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
            .next()
    };
    let length: usize = header("content-length")?.parse().unwrap();
    let status = head.split(' ').nth(1)?.parse().unwrap();
    (body.len() >= length).then(|| Answer {
        status,
        content_type: header("content-type"),
        body: body[..length].to_owned(),
    })
}

/// A request as the host writes it: chunks of 1,024 bytes at most, headers in its order.
pub(crate) fn chunked(path: &str, body: &[u8]) -> Vec<u8> {
    let mut request = head("POST", path, "Transfer-Encoding: chunked");
    for chunk in body.chunks(1_024) {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

/// A request as Core Tools writes it: with its length.
pub(crate) fn sized(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let mut request = head(method, path, &format!("Content-Length: {}", body.len()));
    request.extend_from_slice(body);
    request
}

fn head(method: &str, path: &str, framing: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Azure-Functions-HostVersion: 4.1037.0.0\r\n\
         X-Azure-Functions-InvocationId: {INVOCATION_ID}\r\nUser-Agent: Azure-Functions-Host/4.1037.0.0\r\n\
         traceparent: {TRACEPARENT}\r\n{framing}\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
    )
    .into_bytes()
}

pub(crate) const INVOCATION_ID: &str = "99999999-9999-9999-9999-999999999999";
pub(crate) const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Invocations that note what they were given.
#[derive(Default)]
pub(crate) struct Noted {
    pub(crate) events: Mutex<Vec<String>>,
    pub(crate) requests: Mutex<Vec<HttpRequest>>,
    pub(crate) sweeps: AtomicUsize,
}

#[async_trait]
impl Invocations for Noted {
    async fn stop_events(&self, events: Vec<RawEvent>) -> Outcome {
        assert!(!events[0].as_str().contains("\"panic\""), "asked to panic");
        let count = events.len();
        self.events.lock().unwrap().extend(events.iter().map(|event| event.as_str().to_owned()));
        Outcome::done([format!("took {count}")])
    }

    async fn sweep(&self) -> Outcome {
        self.sweeps.fetch_add(1, Ordering::SeqCst);
        Outcome::redeliver("the store is away")
    }

    async fn evaluate(&self, request: &HttpRequest) -> HttpOutput {
        self.requests.lock().unwrap().push(request.clone());
        HttpOutput { status: StatusCode::OK, body: json!({ "decision": "leave it" }) }
    }

    async fn announce(&self, what: Announced, request: &HttpRequest) -> HttpOutput {
        self.requests.lock().unwrap().push(request.clone());
        HttpOutput { status: StatusCode::CREATED, body: json!({ "announced": format!("{what:?}") }) }
    }
}

/// Invocations that never end; `begun` gets a permit for each.
pub(crate) struct Endless {
    pub(crate) begun: Semaphore,
}

impl Endless {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { begun: Semaphore::new(0) })
    }

    async fn never(&self) {
        self.begun.add_permits(1);
        std::future::pending().await
    }
}

#[async_trait]
impl Invocations for Endless {
    async fn stop_events(&self, _: Vec<RawEvent>) -> Outcome {
        self.never().await;
        Outcome::done([])
    }

    async fn sweep(&self) -> Outcome {
        self.never().await;
        Outcome::done([])
    }

    async fn evaluate(&self, _: &HttpRequest) -> HttpOutput {
        self.never().await;
        HttpOutput::error(StatusCode::NOT_FOUND, "never")
    }

    async fn announce(&self, _: Announced, request: &HttpRequest) -> HttpOutput {
        self.evaluate(request).await
    }
}
