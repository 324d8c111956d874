//! What all services share: faults on request, rate limits, and a memory of what came and what was wrong with it.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use super::limit::{Limit, Window};

/// Requests remembered; the oldest go first.
const EXCHANGES_MAX: usize = 10_000;

/// A service behind a desk.
pub trait Service: Send + 'static {
    /// What it allows in which time.
    fn limit(&self) -> Limit;

    /// Its answer past that, without `Retry-After`, which the desk adds.
    fn throttled(&self) -> Answer;

    /// Takes one request in and answers it. Every rule that the request breaks goes into `broken`, in words, whether or not the service
    /// itself would refuse it.
    fn receive(&mut self, request: &Request<Bytes>, now: Timestamp, broken: &mut Vec<String>) -> Answer;
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Headers beside `content-type`.
    pub headers: Vec<(&'static str, String)>,
    /// Its body's type.
    pub content_type: &'static str,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// One with a JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        Self { status, headers: Vec::new(), content_type: "application/json", body: body.to_string() }
    }

    /// One with a text.
    pub fn text(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), content_type: "text/html", body: body.to_owned() }
    }

    /// With one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// As a response.
    pub fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(self.body.clone()));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::IM_A_TEAPOT);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The service is told nothing; this is answered.
    Answer(Answer),
    /// The service has it, and this is answered all the same: an answer lost behind a gateway.
    Instead(Answer),
    /// 429 as the service says it, with whole seconds of `Retry-After`.
    Throttled(u32),
    /// The answer takes that long.
    Slow(Duration),
    /// The connection is closed without an answer, after the service has the request.
    Cut,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    Now(Answer),
    After(Duration, Answer),
    Cut,
}

/// One request and what was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// When.
    pub at: Timestamp,
    /// `POST /v2/enqueue`.
    pub line: String,
    /// The body as JSON, or as a string if it is none; null if it is empty.
    pub body: Value,
    /// The status answered; none if the connection was cut.
    pub status: Option<u16>,
    /// The rules it broke.
    pub broken: Vec<String>,
}

/// A service with its desk.
#[derive(Debug)]
pub struct Desk<S> {
    /// The service itself, with its state.
    pub service: S,
    limit: Option<Limit>,
    window: Window,
    faults: VecDeque<Fault>,
    exchanges: Vec<Exchange>,
}

impl<S: Service> Desk<S> {
    /// A desk with the service's own limits.
    pub fn new(service: S) -> Self {
        let limit = Some(service.limit());
        Self { service, limit, window: Window::default(), faults: VecDeque::new(), exchanges: Vec::new() }
    }

    /// Another limit than the service's own; none = everything is taken.
    pub fn limit(&mut self, limit: Option<Limit>) {
        self.limit = limit;
    }

    /// The next requests meet these, one each.
    pub fn meet(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.extend(faults);
    }

    /// What came, oldest first.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// Every rule that was broken, with the request that did.
    pub fn violations(&self) -> Vec<String> {
        let of = |exchange: &Exchange| {
            exchange.broken.iter().map(|rule| format!("{}: {rule}", exchange.line)).collect::<Vec<_>>()
        };
        self.exchanges.iter().flat_map(of).collect()
    }

    /// Takes one request in, for tests without a network: the answer, or nothing if the connection is cut. Nothing is slow here.
    pub fn answer(&mut self, request: &Request<Bytes>, now: Timestamp) -> Option<Response<Bytes>> {
        match self.handle(request, now) {
            Reply::Now(answer) | Reply::After(_, answer) => Some(answer.response()),
            Reply::Cut => None,
        }
    }

    /// Takes one request in. `now` is only compared with what it was before.
    pub(super) fn handle(&mut self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        let mut broken = Vec::new();
        let reply = self.reply(request, now, &mut broken);
        self.exchanges.push(Exchange {
            at: now,
            line: format!("{} {}", request.method(), request.uri()),
            body: shown(request.body()),
            status: match &reply {
                Reply::Now(answer) | Reply::After(_, answer) => Some(answer.status),
                Reply::Cut => None,
            },
            broken,
        });
        if self.exchanges.len() > EXCHANGES_MAX {
            self.exchanges.remove(0);
        }
        reply
    }

    fn reply(&mut self, request: &Request<Bytes>, now: Timestamp, broken: &mut Vec<String>) -> Reply {
        match self.faults.pop_front() {
            Some(Fault::Answer(answer)) => Reply::Now(answer),
            Some(Fault::Throttled(seconds)) => Reply::Now(self.throttled(seconds)),
            Some(Fault::Instead(answer)) => {
                self.served(request, now, broken);
                Reply::Now(answer)
            }
            Some(Fault::Cut) => {
                self.served(request, now, broken);
                Reply::Cut
            }
            Some(Fault::Slow(time)) => Reply::After(time, self.served(request, now, broken)),
            None => Reply::Now(self.served(request, now, broken)),
        }
    }

    fn served(&mut self, request: &Request<Bytes>, now: Timestamp, broken: &mut Vec<String>) -> Answer {
        match self.limit.and_then(|limit| self.window.take(limit, now).err()) {
            Some(wait) => self.throttled(wait),
            None => self.service.receive(request, now, broken),
        }
    }

    fn throttled(&self, seconds: u32) -> Answer {
        self.service.throttled().with("retry-after", seconds.to_string())
    }
}

fn shown(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned()))
}
