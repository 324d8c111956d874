//! The one thing that sinks need of an HTTP client.

use std::time::Duration;

use ::http::{Request, Response};
use async_trait::async_trait;
use bytes::Bytes;

/// Sends one request and reads its answer.
#[async_trait]
pub trait HttpSend: Send + Sync {
    /// Sends `request` once, with no retry and following no redirect, and gives up after `timeout`. An answer of any
    /// status is `Ok`.
    async fn send(&self, request: Request<Bytes>, timeout: Duration) -> Result<Response<Bytes>, SendError>;
}

/// Why there is no answer. None of the texts names the address: a sink's URL may be its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No connection came about, so nothing was sent.
    #[error("could not connect")]
    NotConnected,
    /// The time was up. The request may have arrived.
    #[error("no answer in time")]
    TimedOut,
    /// The connection broke. The request may have arrived.
    #[error("the connection broke")]
    Broken,
    /// The answer was longer than the client reads. The request has arrived.
    #[error("the answer was too long")]
    TooLarge,
}
