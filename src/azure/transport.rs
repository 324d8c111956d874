//! The one HTTP client, behind a port that says what the caller may conclude from a failure.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Request, Response};

use crate::domain::text;

/// Largest response body that is read, bytes. A managed cluster is about 4 KB, a page of the activity log under 1 MB.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest wait for a TCP and TLS handshake: a host that doesn't answer within it is unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Ceiling for requests that set no time-out of their own (credential libraries don't). An invocation has 20 s.
const REQUEST_TIMEOUT_MAX: Duration = Duration::from_secs(20);
/// How long an idle connection is kept: looks at a cluster come every 30 s.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// Idle connections kept per host. A burst of stops has about this many calls under way at a time; a connection that is closed
/// for want of a place costs a TLS handshake, which is more than the call.
const POOL_IDLE_PER_HOST_MAX: usize = 128;
/// Longest reason kept of a failure, characters.
const REASON_CHARS_MAX: usize = 200;
/// Causes that are named in a failure: the outermost of reqwest's and hyper's chain.
const CAUSES_MAX: usize = 4;

/// Why no response came, by what may be concluded from it. The reasons hold no URL: a sink's URL is a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No connection was made: nothing was sent.
    #[error("no connection: {0}")]
    NotConnected(String),
    /// No answer in time: the request may have been carried out.
    #[error("no answer in time")]
    TimedOut,
    /// The connection broke: the request may have been carried out.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The response was longer than `BODY_BYTES_MAX`: the request was carried out, its outcome can't be read.
    #[error("the response has more than {BODY_BYTES_MAX} bytes")]
    TooLarge,
}

impl TransportError {
    /// Whether it is certain that the other side saw nothing of the request.
    pub fn nothing_was_sent(&self) -> bool {
        match self {
            Self::NotConnected(_) => true,
            Self::TimedOut | Self::Broken(_) | Self::TooLarge => false,
        }
    }
}

/// Sends one request and gives its response, whatever its status. Redirects are not followed and nothing is sent twice.
#[async_trait]
pub trait Transport: Send + Sync {
    /// `timeout` covers everything from connecting to the last byte of the body.
    async fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
    ) -> Result<Response<Bytes>, TransportError>;
}

/// The shared `reqwest` client, built on first use: reading the system's root certificates is most of what a start of
/// this process would cost. It serves ARM, the identity endpoint and the sinks, so that they share their connections.
///
/// It uses no proxy, whatever the environment says: bearer tokens and the identity endpoint on loopback must not go
/// through one. A network that demands a proxy needs `STOP_GUARD_ARM_ENDPOINT`.
#[derive(Debug, Default)]
pub struct HttpTransport {
    client: OnceLock<Result<reqwest::Client, TransportError>>,
}

impl HttpTransport {
    /// Makes a transport; nothing is built or opened yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// The client itself, for libraries that take one. Its requests have `REQUEST_TIMEOUT_MAX` unless they set less.
    pub fn client(&self) -> Result<&reqwest::Client, TransportError> {
        self.client.get_or_init(build).as_ref().map_err(Clone::clone)
    }
}

fn build() -> Result<reqwest::Client, TransportError> {
    // An error only says that a provider is installed already, by a test or by another transport: that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("aks-stop-guard/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        // Nothing is sent twice by the client. What it still does is to open a new connection when a pooled one proves
        // closed before a byte of the request was written.
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(REQUEST_TIMEOUT_MAX)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_max_idle_per_host(POOL_IDLE_PER_HOST_MAX)
        .build()
        .map_err(|error| TransportError::NotConnected(reason(error)))
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
    ) -> Result<Response<Bytes>, TransportError> {
        let client = self.client()?;
        let mut request = reqwest::Request::try_from(request)
            .map_err(|error| TransportError::NotConnected(reason(error)))?;
        *request.timeout_mut() = Some(timeout);
        let mut answer = client.execute(request).await.map_err(conclude)?;

        let mut response = Response::new(Bytes::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        if answer.content_length().is_some_and(|length| length > BODY_BYTES_MAX as u64) {
            return Err(TransportError::TooLarge);
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(conclude)? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(TransportError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        *response.body_mut() = body.freeze();
        Ok(response)
    }
}

/// `is_connect` comes first: a time-out while connecting is still "nothing was sent".
fn conclude(error: reqwest::Error) -> TransportError {
    if error.is_connect() || error.is_builder() {
        TransportError::NotConnected(reason(error))
    } else if error.is_timeout() {
        TransportError::TimedOut
    } else {
        TransportError::Broken(reason(error))
    }
}

/// The chain of causes in one line, without the URL.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut parts = vec![error.to_string()];
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        if parts.len() == CAUSES_MAX {
            break;
        }
        parts.push(error.to_string());
        cause = error.source();
    }
    text::clean(&parts.join(": "), REASON_CHARS_MAX)
}

/// Whether a URL's host is this machine. `localhost` counts: what it resolves to is for this machine's owner to say.
pub fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(url::Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(url::Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        None => false,
    }
}
