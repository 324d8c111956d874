//! What goes over the wire: proxies in front of Azure and of the store that note every request with its time.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::serve::ListenerExt as _;
use http::{HeaderValue, Method, StatusCode, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::process::cpu_of;

/// How much later the answer to a look comes than the simulator gives it, where it is counted what goes out beside what. ARM takes tens
/// of milliseconds at least, and only so does it show which writes go out beside a look: on loopback either could be over before the
/// other begins.
pub(crate) const LOOK_TAKES: Duration = Duration::from_millis(20);

/// Longest answer that is passed on. Lists of blobs are the longest here, some KB.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long a connection to the server is kept for the next request. Azurite's closes one after 5 s (source: Node, `server.keepAliveTimeout`), and
/// what is on its way then is lost.
const KEPT_IDLE: Duration = Duration::from_secs(2);

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

/// A request in full, to be sent once more elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) ask: Ask,
    /// When it came.
    pub(crate) began: Instant,
    /// Whether it went to the store.
    pub(crate) to_blobs: bool,
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// All that went over the wire since it was taken last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wire {
    exchanges: Arc<Mutex<Vec<Exchange>>>,
    look_takes: Duration,
    /// Nothing is recorded unless it is wanted: it costs time.
    recorded: Option<Arc<Mutex<Recording>>>,
}

/// Requests in full, and the CPU time that who sent them had taken when the last start came.
#[derive(Debug, Default)]
struct Recording {
    requests: Vec<Recorded>,
    sender: Option<u32>,
    cpu_at_start: Option<Duration>,
}

#[derive(Clone)]
struct Way {
    server: String,
    classify: fn(&Method, &Uri) -> Ask,
    to_blobs: bool,
    client: Client<HttpConnector, Body>,
    wire: Wire,
}

impl Wire {
    /// A wire on which looks take so long.
    pub(crate) fn with_looks_of(look_takes: Duration) -> Self {
        Self { look_takes, ..Self::default() }
    }

    /// A wire that records requests in full and delays nothing.
    pub(crate) fn recording() -> Self {
        Self { recorded: Some(Arc::default()), ..Self::default() }
    }

    /// A proxy in front of Azure; its URL.
    pub(crate) async fn before_azure(&self, server: &str) -> io::Result<String> {
        self.proxy(server, azure_ask, false).await
    }

    /// A proxy in front of the blob service; its URL.
    pub(crate) async fn before_blobs(&self, server: &str) -> io::Result<String> {
        self.proxy(server, blob_ask, true).await
    }

    /// From now on the CPU time of this process is read whenever a start comes.
    pub(crate) fn watch(&self, sender: u32) {
        if let Some(recorded) = &self.recorded {
            lock(recorded).sender = Some(sender);
        }
    }

    /// What was recorded since the last call, in the order in which the requests came, and the sender's CPU time when the last start came.
    pub(crate) fn take_recorded(&self) -> (Vec<Recorded>, Option<Duration>) {
        let Some(recorded) = &self.recorded else { return (Vec::new(), None) };
        let mut recorded = lock(recorded);
        let mut requests = std::mem::take(&mut recorded.requests);
        requests.sort_by_key(|request| request.began);
        (requests, recorded.cpu_at_start.take())
    }

    /// What was noted since the last call, in the order in which the answers came.
    pub(crate) fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut *lock(&self.exchanges))
    }

    async fn proxy(
        &self,
        server: &str,
        classify: fn(&Method, &Uri) -> Ask,
        to_blobs: bool,
    ) -> io::Result<String> {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        // Otherwise the end of an answer waits up to 40 ms for the acknowledgement of its beginning.
        let listener = listener.tap_io(|stream| {
            let _only_slower_without = stream.set_nodelay(true);
        });
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEPT_IDLE)
            .build(connector);
        let way = Way { server: server.to_owned(), classify, to_blobs, client, wire: self.clone() };
        let app = Router::new().fallback(forward).with_state(way);
        // Ends with the runtime.
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(url)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn forward(State(way): State<Way>, mut request: Request) -> Response {
    let ask = (way.classify)(request.method(), request.uri());
    let began = Instant::now();
    if let Some(recorded) = &way.wire.recorded {
        request = match record(recorded, ask, began, way.to_blobs, request).await {
            Some(request) => request,
            None => return StatusCode::BAD_REQUEST.into_response(),
        };
    }
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
    if ask == Ask::Look && !way.wire.look_takes.is_zero() {
        tokio::time::sleep(way.wire.look_takes).await;
    }
    let ended = Instant::now();
    lock(&way.wire.exchanges).push(Exchange { ask, began, ended });
    match answer {
        Some((head, body)) => Response::from_parts(head, Body::from(body)),
        None => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// Keeps a request, and gives it back. `None` if it can't be read to its end.
async fn record(
    recorded: &Mutex<Recording>,
    ask: Ask,
    began: Instant,
    to_blobs: bool,
    request: Request,
) -> Option<Request> {
    if ask == Ask::Start {
        let mut recorded = lock(recorded);
        recorded.cpu_at_start = recorded.sender.and_then(|sender| cpu_of(sender).ok());
    }
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, ANSWER_BYTES_MAX).await.ok()?;
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let kept = Recorded {
        ask,
        began,
        to_blobs,
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    lock(recorded).requests.push(kept);
    Some(Request::from_parts(head, Body::from(body)))
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
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A server that leaves a connection alone after one answer, as one that closes it while the next request is on its way.
    async fn answers_once_a_connection() -> String {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut bytes = [0; 1024];
                    assert!(stream.read(&mut bytes).await.unwrap() > 0);
                    stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                    let _until_the_next_or_the_end = stream.read(&mut bytes).await;
                });
            }
        });
        url
    }

    #[tokio::test(start_paused = true)]
    async fn no_request_goes_to_a_connection_that_the_server_may_be_closing() {
        let server = answers_once_a_connection().await;
        let url = Wire::default().before_blobs(&server).await.unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
        let put = || Request::put(format!("{url}/a/c/blob")).body(Body::empty()).unwrap();
        assert_eq!(client.request(put()).await.unwrap().status(), StatusCode::CREATED);
        tokio::time::advance(KEPT_IDLE + Duration::from_millis(1)).await;
        assert_eq!(client.request(put()).await.unwrap().status(), StatusCode::CREATED);
    }

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
