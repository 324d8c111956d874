//! The world on a loopback port, in real time: what out-of-process tests and people talk to.
//!
//! Azure's durations and lags are divided by the world's speed-up; `Date`, token lifetimes and `Retry-After` stay as they
//! are. Faults that lose a request or an answer close the connection. Beside ARM and the identity endpoint there are the
//! webhook receiver (`/webhook`) and a control API (`/_sim/...`, see [`control`]).

pub mod control;
mod json;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt as _;

use crate::sink::{Receipt, Receiver};
use crate::world::{Reply, Settings, Violation, World};

/// A body longer than this is answered with 413. ARM takes 4 MB; no test needs more than this.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Connections open at once; more wait to be accepted. Keeps a runaway client from using all descriptors.
const CONNECTIONS_MAX: usize = 512;

/// Azure on a loopback port. Dropping it ends the server and its connections.
#[derive(Debug)]
pub struct Azure {
    url: String,
    shared: Shared,
    server: JoinHandle<()>,
}

/// What the handlers share.
#[derive(Debug, Clone)]
pub struct Shared {
    world: Arc<Mutex<World>>,
    receiver: Arc<Mutex<Receiver>>,
}

impl Shared {
    /// The world. Locked for as long as the guard is held: don't hold it over an `await`.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The webhook receiver.
    pub fn receiver(&self) -> MutexGuard<'_, Receiver> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Azure {
    /// Serves a new world on 127.0.0.1; port 0 takes a free one. The settings' endpoint is replaced by the real one.
    pub async fn serve(settings: Settings, receiver: Receiver, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let world = World::new(Settings { endpoint: url.clone(), ..settings });
        let shared = Shared { world: Arc::new(Mutex::new(world)), receiver: Arc::new(Mutex::new(receiver)) };
        let server = tokio::spawn(accept(listener, router(shared.clone())));
        Ok(Self { url, shared, server })
    }

    /// `http://127.0.0.1:<port>`, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The settings with which a guard or a command asks it, as a managed identity.
    pub fn asked_by(&self) -> [(&'static str, String); 4] {
        [
            ("STOP_GUARD_ARM_ENDPOINT", self.url.clone()),
            ("STOP_GUARD_CREDENTIAL", "managed-identity".to_owned()),
            ("IDENTITY_ENDPOINT", format!("{}/msi/token", self.url)),
            ("IDENTITY_HEADER", self.world().settings().identity_secret.clone()),
        ]
    }

    /// The world. Locked for as long as the guard is held: don't hold it over an `await`.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world()
    }

    /// The webhook receiver.
    pub fn receiver(&self) -> MutexGuard<'_, Receiver> {
        self.shared.receiver()
    }
}

impl Drop for Azure {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The real time, which the world is told with every request.
#[expect(
    clippy::disallowed_methods,
    reason = "this face of the world lives in real time; the world itself does not"
)]
pub fn now() -> Timestamp {
    Timestamp::now()
}

fn router(shared: Shared) -> Router {
    Router::new()
        .nest("/_sim", control::router())
        .route("/webhook", post(webhook))
        .route("/_sim", get(|| async { StatusCode::NO_CONTENT }))
        .fallback(azure)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(shared)
}

async fn azure(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    if lacks_length(&parts.method, &parts.headers) {
        shared.world().record(Violation::NoContentLength);
        return StatusCode::LENGTH_REQUIRED.into_response();
    }
    let reply = shared.world().handle(&http::Request::from_parts(parts, body), now());
    match reply {
        Reply::Answer(answer) => answer.map(Body::from),
        Reply::Late { after, answer } => {
            pause(after).await;
            answer.map(Body::from)
        }
        Reply::AnswerLost | Reply::NeverArrived => broken(),
    }
}

/// The front doors of Azure answer 411 to a POST that says nothing of its length, a common fault of clients whose body is
/// empty.
fn lacks_length(method: &Method, headers: &HeaderMap) -> bool {
    (method == Method::POST || method == Method::PUT)
        && !headers.contains_key(CONTENT_LENGTH)
        && !headers.contains_key(TRANSFER_ENCODING)
}

async fn webhook(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let receipt = shared.receiver().receive(&headers, &body, now());
    match receipt {
        Receipt::Answer { status, retry_after: None } => status.into_response(),
        Receipt::Answer { status, retry_after: Some(seconds) } => {
            (status, [("retry-after", seconds.to_string())]).into_response()
        }
        Receipt::Hang(time) => {
            pause(time).await;
            broken()
        }
    }
}

async fn pause(time: SignedDuration) {
    tokio::time::sleep(time.unsigned_abs()).await;
}

/// Marks an answer that is never sent: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
struct Broken;

fn broken() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.extensions_mut().insert(Broken);
    response
}

/// Makes hyper close the connection without an answer.
#[derive(Debug, Error)]
#[error("the connection is broken on purpose")]
struct BrokenOnPurpose;

async fn accept(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        // An accept fails when descriptors run out or the peer has gone: the next one may work.
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve_connection(stream, router.clone()));
        } else {
            tokio::task::yield_now().await;
        }
    }
}

async fn serve_connection(stream: TcpStream, router: Router) {
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let router = router.clone();
        async move {
            let response = router.oneshot(request.map(Body::new)).await.unwrap_or_else(never);
            match response.extensions().get::<Broken>() {
                Some(Broken) => Err(BrokenOnPurpose),
                None => Ok(response),
            }
        }
    });
    // An error here is a client that went away or a connection broken on purpose: nobody is left to tell.
    let _ended =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn never(error: Infallible) -> Response {
    match error {}
}
