//! What goes over the wire: proxies in front of Azure and of the store that note every request with its time.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::serve::ListenerExt as _;
use http::{Method, StatusCode, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// How much later the answer to a look comes than the simulator gives it. ARM takes tens of milliseconds at least, and only
/// so does it show which writes go out beside a look: on loopback either could be over before the other begins.
pub(crate) const LOOK_TAKES: Duration = Duration::from_millis(20);

/// Longest answer that is passed on. Lists of blobs are the longest here, some KB.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// GET of a managed cluster.
    Look,
    /// POST `start`.
    Start,
    /// The activity log.
    Log,
    /// The identity endpoint.
    Token,
    /// The webhook.
    Incident,
    /// GET of a blob.
    StoreRead,
    /// A page of a list of blobs.
    StoreList,
    /// PUT or DELETE of a blob.
    StoreWrite,
    /// Anything else.
    Other,
}

/// One request, by the proxy's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange {
    pub(crate) ask: Ask,
    /// When it came.
    pub(crate) began: Instant,
    /// When its answer came back.
    pub(crate) ended: Instant,
}

/// All exchanges since they were taken last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<Vec<Exchange>>>);

#[derive(Clone)]
struct Way {
    server: String,
    classify: fn(&Method, &Uri) -> Ask,
    client: Client<HttpConnector, Body>,
    wire: Wire,
}

impl Wire {
    /// A proxy in front of Azure; its URL.
    pub(crate) async fn before_azure(&self, server: &str) -> io::Result<String> {
        self.proxy(server, azure_ask).await
    }

    /// A proxy in front of the blob service; its URL.
    pub(crate) async fn before_blobs(&self, server: &str) -> io::Result<String> {
        self.proxy(server, blob_ask).await
    }

    /// What was noted since the last call, in the order in which the answers came.
    pub(crate) fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn proxy(&self, server: &str, classify: fn(&Method, &Uri) -> Ask) -> io::Result<String> {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        // Otherwise the end of an answer waits up to 40 ms for the acknowledgement of its beginning.
        let listener = listener.tap_io(|stream| {
            let _only_slower_without = stream.set_nodelay(true);
        });
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let way = Way { server: server.to_owned(), classify, client, wire: self.clone() };
        let app = Router::new().fallback(forward).with_state(way);
        // Ends with the runtime.
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(url)
    }
}

async fn forward(State(way): State<Way>, mut request: Request) -> Response {
    let ask = (way.classify)(request.method(), request.uri());
    let began = Instant::now();
    let Ok(uri) = format!("{}{}", way.server, request.uri()).parse() else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    *request.uri_mut() = uri;
    request.headers_mut().remove(header::HOST);
    let answer = way.client.request(request).await;
    let answer = match answer {
        Ok(answer) => {
            let (mut head, body) = answer.into_parts();
            // They are about the connection to the server. The body goes on whole, with its length.
            head.headers.remove(header::TRANSFER_ENCODING);
            head.headers.remove(header::CONNECTION);
            axum::body::to_bytes(Body::new(body), ANSWER_BYTES_MAX).await.ok().map(|body| (head, body))
        }
        Err(_) => None,
    };
    if ask == Ask::Look {
        tokio::time::sleep(LOOK_TAKES).await;
    }
    let ended = Instant::now();
    way.wire.0.lock().unwrap_or_else(PoisonError::into_inner).push(Exchange { ask, began, ended });
    match answer {
        Some((head, body)) => Response::from_parts(head, Body::from(body)),
        None => StatusCode::BAD_GATEWAY.into_response(),
    }
}

fn azure_ask(method: &Method, uri: &Uri) -> Ask {
    let path = uri.path().to_ascii_lowercase();
    let on_cluster = path.contains("/managedclusters/");
    match (method.as_str(), path.rsplit('/').next().unwrap_or_default()) {
        ("POST", "webhook") => Ask::Incident,
        ("GET", "token") => Ask::Token,
        ("POST", "start") if on_cluster => Ask::Start,
        ("GET", _) if path.contains("/microsoft.insights/") => Ask::Log,
        ("GET", _) if on_cluster => Ask::Look,
        _ => Ask::Other,
    }
}

fn blob_ask(method: &Method, uri: &Uri) -> Ask {
    let is_list = uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "comp=list"));
    match method.as_str() {
        "GET" if is_list => Ask::StoreList,
        "GET" | "HEAD" => Ask::StoreRead,
        "PUT" | "POST" | "DELETE" => Ask::StoreWrite,
        _ => Ask::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        let azure = |method, uri: &str| azure_ask(&method, &uri.parse().unwrap());
        let cluster =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";
        assert_eq!(azure(Method::GET, &format!("{cluster}?api-version=1")), Ask::Look);
        assert_eq!(azure(Method::POST, &format!("{cluster}/start?api-version=1")), Ask::Start);
        assert_eq!(azure(Method::POST, &format!("{cluster}/stop?api-version=1")), Ask::Other);
        let log = "/subscriptions/s/providers/Microsoft.Insights/eventtypes/management/values?$filter=x";
        assert_eq!(azure(Method::GET, log), Ask::Log);
        assert_eq!(azure(Method::GET, "/msi/token?resource=x"), Ask::Token);
        assert_eq!(azure(Method::POST, "/webhook"), Ask::Incident);
        let blob = |method, uri: &str| blob_ask(&method, &uri.parse().unwrap());
        assert_eq!(blob(Method::GET, "/a/c?restype=container&comp=list&prefix=p"), Ask::StoreList);
        assert_eq!(blob(Method::GET, "/a/c/blob"), Ask::StoreRead);
        assert_eq!(blob(Method::PUT, "/a/c/blob"), Ask::StoreWrite);
        assert_eq!(blob(Method::DELETE, "/a/c/blob"), Ask::StoreWrite);
    }
}
