//! A storage account in memory on a loopback port: as much of Azure's Blob service as a store of small records needs.
//!
//! It is there for measurements, where Azurite's own cost (some milliseconds a request, one thread) would be what is measured.
//! Conditional writes, lists and deletes behave as Azure documents them ("Put Blob", "List Blobs", "Delete Blob", Azure Storage
//! REST API). Signatures are not checked, containers need not be made first, and nothing survives the process: what the guard
//! relies on is tested against Azurite.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use jiff::Timestamp;
use tokio::net::TcpListener;

/// Longest blob that is taken, bytes. Records have under 1 MiB.
const BLOB_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Blobs of one page of a list, as Azure's own.
const PAGE_BLOBS_MAX: usize = 5_000;

/// One blob.
#[derive(Debug, Clone)]
struct Blob {
    bytes: Bytes,
    etag: u64,
    modified: Timestamp,
}

/// All blobs, by `/<account>/<container>/<name>`.
#[derive(Debug, Default)]
struct Account {
    blobs: BTreeMap<String, Blob>,
    writes: u64,
}

type Shared = Arc<Mutex<Account>>;

/// Serves a new account on 127.0.0.1 until the process ends. `GET /` says that it is ready.
///
/// # Errors
/// The port can't be had, or serving ended.
pub async fn serve(port: u16) -> io::Result<()> {
    serve_on(TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?).await
}

/// The same on a socket that listens.
///
/// # Errors
/// Serving ended.
pub async fn serve_on(listener: TcpListener) -> io::Result<()> {
    // Otherwise the end of an answer waits up to 40 ms for the acknowledgement of its beginning.
    let listener = listener.tap_io(|stream| {
        let _only_slower_without = stream.set_nodelay(true);
    });
    axum::serve(listener, router()).await
}

fn router() -> Router {
    Router::new()
        .route("/", get(async || StatusCode::OK))
        .fallback(answer)
        .layer(DefaultBodyLimit::max(BLOB_BYTES_MAX))
        .with_state(Shared::default())
}

async fn answer(
    State(shared): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BLOB_BYTES_MAX).await else {
        return failed(StatusCode::PAYLOAD_TOO_LARGE, "RequestBodyTooLarge");
    };
    let path = head.uri.path();
    let mut account = lock(&shared);
    if query.get("restype").is_some_and(|kind| kind == "container") {
        return match query.get("comp").map(String::as_str) {
            Some("list") => account.list(path, &query),
            Some(_) | None => StatusCode::CREATED.into_response(),
        };
    }
    match head.method {
        Method::PUT => account.put(path, &head.headers, body),
        Method::GET | Method::HEAD => account.get(path),
        Method::DELETE => account.delete(path),
        _ => failed(StatusCode::METHOD_NOT_ALLOWED, "UnsupportedHttpVerb"),
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Account> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Account {
    fn put(&mut self, path: &str, headers: &HeaderMap, bytes: Bytes) -> Response {
        let there = self.blobs.get(path);
        if headers.get(header::IF_NONE_MATCH).is_some_and(|value| value == "*") && there.is_some() {
            return failed(StatusCode::CONFLICT, "BlobAlreadyExists");
        }
        if let Some(wanted) = headers.get(header::IF_MATCH)
            && there.is_none_or(|blob| *wanted != etag(blob.etag))
        {
            return failed(StatusCode::PRECONDITION_FAILED, "ConditionNotMet");
        }
        self.writes += 1;
        let blob = Blob { bytes, etag: self.writes, modified: crate::http::now() };
        let response = (StatusCode::CREATED, about(&blob)).into_response();
        self.blobs.insert(path.to_owned(), blob);
        response
    }

    fn get(&self, path: &str) -> Response {
        match self.blobs.get(path) {
            Some(blob) => (StatusCode::OK, about(blob), Body::from(blob.bytes.clone())).into_response(),
            None => failed(StatusCode::NOT_FOUND, "BlobNotFound"),
        }
    }

    fn delete(&mut self, path: &str) -> Response {
        match self.blobs.remove(path) {
            Some(_) => StatusCode::ACCEPTED.into_response(),
            None => failed(StatusCode::NOT_FOUND, "BlobNotFound"),
        }
    }

    /// The blobs of a container whose names begin with the prefix, in their order; a page of them.
    fn list(&self, container: &str, query: &HashMap<String, String>) -> Response {
        let folder = format!("{}/", container.trim_end_matches('/'));
        let prefix = format!("{folder}{}", query.get("prefix").map_or("", String::as_str));
        let from = query.get("marker").filter(|marker| !marker.is_empty());
        let from = from.map_or_else(|| prefix.clone(), |marker| format!("{folder}{marker}"));
        let mut found = self
            .blobs
            .range((Bound::Included(from), Bound::Unbounded))
            .take_while(|(path, _)| path.starts_with(&prefix));
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults><Blobs>");
        for (path, blob) in found.by_ref().take(PAGE_BLOBS_MAX) {
            let name = path.strip_prefix(&folder).unwrap_or(path);
            // Writing to a string can't fail.
            let _ = write!(
                xml,
                "<Blob><Name>{name}</Name><Properties><Last-Modified>{}</Last-Modified><Etag>{}</Etag>\
                 <Content-Length>{}</Content-Length><Content-Type>application/octet-stream</Content-Type>\
                 </Properties></Blob>",
                http_date(blob.modified),
                // Without quotes here, as Azure does it.
                etag(blob.etag).trim_matches('"'),
                blob.bytes.len()
            );
        }
        xml.push_str("</Blobs>");
        match found.next() {
            Some((path, _)) => {
                let name = path.strip_prefix(&folder).unwrap_or(path);
                let _ = write!(xml, "<NextMarker>{name}</NextMarker>");
            }
            None => xml.push_str("<NextMarker />"),
        }
        xml.push_str("</EnumerationResults>");
        (StatusCode::OK, [(header::CONTENT_TYPE, "application/xml")], xml).into_response()
    }
}

fn etag(number: u64) -> String {
    format!("\"0x8D{number:013X}\"")
}

fn about(blob: &Blob) -> [(header::HeaderName, String); 2] {
    [(header::ETAG, etag(blob.etag)), (header::LAST_MODIFIED, http_date(blob.modified))]
}

fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn failed(status: StatusCode, code: &'static str) -> Response {
    (status, [("x-ms-error-code", code)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower::ServiceExt as _;

    async fn ask(
        router: &Router,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
    ) -> (u16, String, String) {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = router.clone().oneshot(request.body(Body::from("{}")).unwrap()).await.unwrap();
        let header = |name: &str| {
            response.headers().get(name).map_or(String::new(), |value| value.to_str().unwrap().to_owned())
        };
        let (status, etag, code) = (response.status().as_u16(), header("etag"), header("x-ms-error-code"));
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let text = if code.is_empty() { String::from_utf8(body.to_vec()).unwrap() } else { code };
        (status, etag, text)
    }

    #[tokio::test]
    async fn a_blob_is_made_once_and_replaced_under_its_etag_only() {
        let router = router();
        let (status, first, _) = ask(&router, "PUT", "/a/c/x", &[("if-none-match", "*")]).await;
        assert_eq!(status, 201);
        let again = ask(&router, "PUT", "/a/c/x", &[("if-none-match", "*")]).await;
        assert_eq!((again.0, again.2.as_str()), (409, "BlobAlreadyExists"));
        let (status, second, _) = ask(&router, "PUT", "/a/c/x", &[("if-match", &first)]).await;
        assert_eq!(status, 201);
        assert_ne!(first, second);
        let late = ask(&router, "PUT", "/a/c/x", &[("if-match", &first)]).await;
        assert_eq!((late.0, late.2.as_str()), (412, "ConditionNotMet"));
        assert_eq!(ask(&router, "PUT", "/a/c/none", &[("if-match", &first)]).await.0, 412);
        assert_eq!(ask(&router, "GET", "/a/c/x", &[]).await, (200, second, "{}".to_owned()));
    }

    #[tokio::test]
    async fn what_is_deleted_is_gone() {
        let router = router();
        ask(&router, "PUT", "/a/c/x", &[]).await;
        assert_eq!(ask(&router, "DELETE", "/a/c/x", &[]).await.0, 202);
        assert_eq!(ask(&router, "DELETE", "/a/c/x", &[]).await.2, "BlobNotFound");
        assert_eq!(ask(&router, "GET", "/a/c/x", &[]).await.0, 404);
    }

    #[tokio::test]
    async fn a_list_has_what_begins_with_the_prefix_in_order() {
        let router = router();
        for name in ["open/b/1", "open/a/1", "other", "opener"] {
            ask(&router, "PUT", &format!("/a/c/{name}"), &[]).await;
        }
        let (_, _, xml) = ask(&router, "GET", "/a/c?restype=container&comp=list&prefix=open%2F", &[]).await;
        let names: Vec<&str> =
            xml.split("<Name>").skip(1).filter_map(|rest| rest.split("</Name>").next()).collect();
        assert_eq!(names, ["open/a/1", "open/b/1"]);
        assert!(xml.contains("<NextMarker />"));
    }
}
