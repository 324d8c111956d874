//! The way to the pages: who may ask, and what every answer says to the browser.
//!
//! Whoever else works on this machine can reach the port, and any page in the operator's browser can try to. So each address holds a
//! random token, in its path: nothing is sent along by a browser on its own, as a cookie would be, also to other ports of 127.0.0.1. The
//! `Host` is checked as well, so that no name that somebody points at 127.0.0.1 is answered (DNS rebinding).

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use sha2::{Digest as _, Sha256};

use super::Board;
use super::closed_view::Filter;
use super::site::Site;
use crate::cli::stored::by_id::case_id;

/// Longest query that is read, in bytes: three short fields.
const QUERY_BYTES_MAX: usize = 2_000;
const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// What opens the pages. Nothing prints it but [`Address::url`].
pub(super) struct Token(String);

impl Token {
    pub(super) fn new(token: String) -> Self {
        Self(token)
    }

    /// How long this takes tells nothing of the token: it compares digests.
    fn is(&self, given: &str) -> bool {
        Sha256::digest(&self.0) == Sha256::digest(given)
    }
}

/// Where the pages are.
pub(super) struct Address {
    pub(super) port: u16,
    pub(super) token: Token,
}

impl Address {
    /// For whoever started it, and nobody else.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.root())
    }

    /// The path that all others begin with.
    fn root(&self) -> String {
        format!("/{}/", self.token.0)
    }

    /// Whether a request meant this address by a name of this machine.
    fn is_meant(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        // Browsers leave out the port of plain HTTP.
        let host = host.strip_suffix(&format!(":{}", self.port)).or((self.port == 80).then_some(host));
        host.is_some_and(|host| host == "127.0.0.1" || host.eq_ignore_ascii_case("localhost"))
    }
}

struct Server {
    board: Arc<Board>,
    address: Address,
    site: Site,
    policy: HeaderValue,
}

/// The board's pages at an address.
pub(super) fn router(board: Arc<Board>, address: Address) -> anyhow::Result<Router> {
    let site = Site::new(address.root())?;
    let policy = HeaderValue::from_str(&site.policy())?;
    let server = Arc::new(Server { board, address, site, policy });
    Ok(Router::new().fallback(answer).with_state(server))
}

async fn answer(State(server): State<Arc<Server>>, request: Request) -> Response {
    // There is no body to read: whatever comes with a GET is let go.
    let (head, _) = request.into_parts();
    let answered = server.answered(&head).await;
    server.response(answered)
}

/// What is answered.
struct Answered {
    status: StatusCode,
    kind: &'static str,
    body: String,
}

impl Answered {
    fn refused(status: StatusCode, why: &str) -> Self {
        Self { status, kind: TEXT, body: format!("{why}\n") }
    }
}

/// A page, or only the part of it that changes.
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) html: String,
}

impl Server {
    async fn answered(&self, request: &Parts) -> Answered {
        if !self.address.is_meant(&request.headers) {
            return Answered::refused(StatusCode::MISDIRECTED_REQUEST, "ask 127.0.0.1 by this name");
        }
        if request.method != Method::GET {
            return Answered::refused(StatusCode::METHOD_NOT_ALLOWED, "pages can be read, and nothing else");
        }
        let path = request.uri.path().trim_start_matches('/');
        let (token, path) = path.split_once('/').unwrap_or((path, ""));
        if !self.address.token.is(token) {
            return Answered::refused(
                StatusCode::NOT_FOUND,
                "use the address that `aks-stop-guard board` printed",
            );
        }
        let query = request.uri.query().unwrap_or_default();
        if query.len() > QUERY_BYTES_MAX {
            return Answered::refused(StatusCode::URI_TOO_LONG, "the query is too long");
        }
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let is_part = query.iter().any(|(name, value)| name == "part" && value == "live");
        match self.page(path, &query, is_part).await {
            Ok(Some(Page { status, html })) => Answered { status, kind: HTML, body: html },
            Ok(None) => Answered::refused(StatusCode::NOT_FOUND, "there is no such page"),
            Err(_) => Answered::refused(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the page can't be made, a fault of this version: use `aks-stop-guard cases`",
            ),
        }
    }

    async fn page(
        &self,
        path: &str,
        query: &[(String, String)],
        is_part: bool,
    ) -> Result<Option<Page>, minijinja::Error> {
        match path.split_once('/') {
            None if path.is_empty() => {
                self.board.look().await;
                self.site.overview(&self.board, is_part).map(Some)
            }
            None if path == "closed" => {
                self.board.look_at_closed().await;
                self.site.closed(&self.board, &Filter::of(query), is_part).map(Some)
            }
            Some(("case", id)) => match case_id(id) {
                Ok(id) => {
                    let case = self.board.case(&id).await;
                    self.site.case(&id, case, self.board.now(), is_part).map(Some)
                }
                Err(_) => Ok(None),
            },
            None | Some(_) => Ok(None),
        }
    }

    fn response(&self, answered: Answered) -> Response {
        let Answered { status, kind, body } = answered;
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        for (name, value) in [
            (CONTENT_TYPE, kind),
            (CACHE_CONTROL, "no-store"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
            // For browsers that do not know `frame-ancestors`.
            (X_FRAME_OPTIONS, "DENY"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET"));
        }
        response
    }
}
