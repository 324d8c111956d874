//! A proxy between the store and Azurite that meddles, as networks and services do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::IntoResponse as _;
use http::{HeaderMap, Method, StatusCode, Uri, header};

use crate::azurite::Azurite;

/// What the proxy does to requests and answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Meddling {
    /// Lists come in pages of so many.
    PagesOf(u32),
    /// A write that was done is answered with 503.
    BusyAfterWrites,
}

/// A proxy that runs until the test's runtime ends.
pub(crate) struct Proxy {
    pub(crate) url: String,
    lists: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Way {
    server: String,
    meddling: Meddling,
    client: reqwest::Client,
    lists: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) async fn start(azurite: &Azurite, meddling: Meddling) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let lists = Arc::new(AtomicUsize::new(0));
        let way =
            Way { server: azurite.url.clone(), meddling, client: crate::client(), lists: Arc::clone(&lists) };
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
) -> axum::response::Response {
    let mut url = format!("{}{uri}", way.server);
    if uri.query().is_some_and(|query| query.contains("comp=list")) {
        way.lists.fetch_add(1, Ordering::SeqCst);
        if let Meddling::PagesOf(entries) = way.meddling {
            url.push_str(&format!("&maxresults={entries}"));
        }
    }
    headers.remove(header::HOST);
    let answer = way.client.request(method.clone(), url).headers(headers).body(body).send().await.unwrap();
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove(header::TRANSFER_ENCODING);
    headers.remove(header::CONNECTION);
    let body = answer.bytes().await.unwrap();
    match way.meddling {
        Meddling::BusyAfterWrites if method == Method::PUT && status.is_success() => {
            (StatusCode::SERVICE_UNAVAILABLE, [("x-ms-error-code", "ServerBusy")]).into_response()
        }
        Meddling::BusyAfterWrites | Meddling::PagesOf(_) => (status, headers, body).into_response(),
    }
}
