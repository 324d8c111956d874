//! What the functions of the app do, as the server sees it.

use async_trait::async_trait;
use axum::http::StatusCode;
use serde_json::Value;

use super::envelope::{HttpRequest, RawEvent};
use super::permission::Announced;

/// The work behind the functions.
///
/// A call runs in a task of its own: it goes on when the answer had to be given without it, and it may be dropped at
/// any await after [`WORK_MAX`](super::WORK_MAX), as the whole process may be killed at any instruction.
#[async_trait]
pub trait Invocations: Send + Sync + 'static {
    /// Events came, at least one. `Done` says that each of them is durable or can be of no use even if it came again.
    async fn stop_events(&self, events: Vec<RawEvent>) -> Outcome;

    /// The timer fired: finish what is due.
    async fn sweep(&self) -> Outcome;

    /// An operator asks what would be decided.
    async fn evaluate(&self, request: &HttpRequest) -> HttpOutput;

    /// Somebody announces a stop or sets a hold.
    async fn announce(&self, what: Announced, request: &HttpRequest) -> HttpOutput;

    /// The host asks whether the process lives, and is answered without more ado.
    fn host_asks(&self) {}
}

/// What the host is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done with, for good. The host acknowledges the events to Event Grid, or deletes the message from the queue.
    Done,
    /// Not durable: Event Grid or the queue shall bring the events again. After a sweep it only marks the run as failed.
    Redeliver,
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What the host is told.
    pub status: Status,
    /// Lines that the host logs with the invocation, bounded and made printable on their way out. The host throws
    /// them away if the status is `Redeliver`; then this process logs them.
    pub logs: Vec<String>,
}

impl Outcome {
    /// Done with, and this is what there is to say about it.
    #[must_use]
    pub fn done(logs: impl IntoIterator<Item = String>) -> Self {
        Self { status: Status::Done, logs: logs.into_iter().collect() }
    }

    /// Bring it again, for this reason.
    #[must_use]
    pub fn redeliver(reason: impl Into<String>) -> Self {
        Self { status: Status::Redeliver, logs: vec![reason.into()] }
    }
}

/// The answer to the operator who called an HTTP function.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpOutput {
    /// The status that the caller sees.
    pub status: StatusCode,
    /// The JSON that the caller gets.
    pub body: Value,
}

impl HttpOutput {
    /// An error in the form that all of our HTTP functions use: `{"error": "<message>"}`.
    #[must_use]
    pub fn error(status: StatusCode, message: &str) -> Self {
        Self { status, body: serde_json::json!({ "error": message }) }
    }
}
