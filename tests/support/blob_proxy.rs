//! A proxy between the store and Azurite that meddles, as networks and services do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use tokio::sync::Notify;

/// A request as it comes by.
pub(crate) struct Seen<'a> {
    pub(crate) method: &'a Method,
    /// With the account and the container.
    pub(crate) path: &'a str,
    pub(crate) body: &'a [u8],
    /// How many writes and deletes came by before it.
    pub(crate) writes: usize,
    /// How many reads and lists did.
    pub(crate) reads: usize,
}

impl Seen<'_> {
    /// Whether it changes something.
    pub(crate) fn is_write(&self) -> bool {
        self.method == Method::PUT || self.method == Method::DELETE
    }
}

/// What the proxy does to a request and its answer.
#[derive(Debug, Clone)]
pub(crate) enum Meddling {
    /// Nothing.
    Pass,
    /// A list comes in pages of so many.
    PagesOf(u32),
    /// It is done, and answered with 503.
    BusyAfter,
    /// It is done, and the connection ends in the middle of the answer.
    Cut,
    /// It waits at the gate before it is done.
    HoldBefore(Arc<Gate>),
    /// It is done, and its answer waits at the gate.
    HoldAfter(Arc<Gate>),
}

/// Where something waits until it is let go.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    reached: Notify,
    open: Notify,
}

impl Gate {
    /// Waits until something waits here.
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Lets it go.
    pub(crate) fn open(&self) {
        self.open.notify_one();
    }

    async fn pass(&self) {
        self.reached.notify_one();
        self.open.notified().await;
    }
}

type Script = dyn Fn(&Seen<'_>) -> Meddling + Send + Sync;

/// A proxy that runs until the test's runtime ends.
pub(crate) struct Proxy {
    pub(crate) url: String,
    lists: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Way {
    server: String,
    script: Arc<Script>,
    client: reqwest::Client,
    lists: Arc<AtomicUsize>,
    writes: Arc<AtomicUsize>,
    reads: Arc<AtomicUsize>,
}

impl Proxy {
    /// Listens before the server, and does to each request what the script says.
    pub(crate) async fn start(
        server: &str,
        script: impl Fn(&Seen<'_>) -> Meddling + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let lists = Arc::new(AtomicUsize::new(0));
        let way = Way {
            server: server.to_owned(),
            script: Arc::new(script),
            client: crate::client(),
            lists: Arc::clone(&lists),
            writes: Arc::default(),
            reads: Arc::default(),
        };
        let app = Router::new().fallback(forward).with_state(way);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, lists }
    }

    /// How many pages of lists were asked for.
    pub(crate) fn lists(&self) -> usize {
        self.lists.load(Ordering::SeqCst)
    }
}

async fn forward(
    State(way): State<Way>,
    method: Method,
    uri: Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut seen = Seen { method: &method, path: uri.path(), body: &body, writes: 0, reads: 0 };
    if seen.is_write() {
        seen.writes = way.writes.fetch_add(1, Ordering::SeqCst);
    } else {
        seen.reads = way.reads.fetch_add(1, Ordering::SeqCst);
    }
    let meddling = (way.script)(&seen);
    let mut url = format!("{}{uri}", way.server);
    if uri.query().is_some_and(|query| query.contains("comp=list")) {
        way.lists.fetch_add(1, Ordering::SeqCst);
        if let Meddling::PagesOf(entries) = meddling {
            url.push_str(&format!("&maxresults={entries}"));
        }
    }
    if let Meddling::HoldBefore(gate) = &meddling {
        gate.pass().await;
    }
    headers.remove(header::HOST);
    let answer = way.client.request(method.clone(), url).headers(headers).body(body).send().await.unwrap();
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::CONNECTION);
    let body = answer.bytes().await.unwrap();
    match meddling {
        Meddling::BusyAfter if status.is_success() => {
            (StatusCode::SERVICE_UNAVAILABLE, [("x-ms-error-code", "ServerBusy")]).into_response()
        }
        Meddling::Cut => {
            headers.insert(header::CONTENT_LENGTH, body.len().into());
            (status, headers, half(body)).into_response()
        }
        Meddling::HoldAfter(gate) => {
            gate.pass().await;
            (status, headers, body).into_response()
        }
        Meddling::Pass | Meddling::PagesOf(_) | Meddling::BusyAfter | Meddling::HoldBefore(_) => {
            (status, headers, body).into_response()
        }
    }
}

/// The first half of a body, then a broken connection.
fn half(body: Bytes) -> Body {
    let cut = Err(std::io::Error::other("cut off"));
    let length = body.len() / 2;
    Body::from_stream(futures::stream::iter([Ok(body.slice(..length)), cut]))
}
