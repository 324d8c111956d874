//! What goes over the wire, against a server that counts and answers as it is told.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::http::{HeaderMap, Method, StatusCode};
use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use tokio::net::TcpListener;

use super::*;

const KEY: &str = "Y2FuYXJ5LWNhbmFyeS1jYW5hcnk=";
const SIGNATURE: &str = "sv=2026-04-06&ss=b&srt=sco&sp=rwdlac&sig=Y2FuYXJ5LXNpZ25hdHVyZQ%3D%3D";
const TOKEN: &str = "canary-token";

/// A server for every path that gives the same answer, and remembers who knocked.
#[derive(Clone)]
struct Server {
    seen: Arc<Mutex<Vec<(Method, HeaderMap)>>>,
    answer: (StatusCode, &'static str),
}

async fn serve(status: u16, code: &'static str) -> (Server, String) {
    let server = Server { seen: Arc::default(), answer: (StatusCode::from_u16(status).unwrap(), code) };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = |State(server): State<Server>, method: Method, headers: HeaderMap| async move {
        server.seen.lock().unwrap().push((method, headers));
        let (status, code) = server.answer;
        (status, [("x-ms-error-code", code), ("etag", "\"1\"")], format!("{SIGNATURE} {KEY}"))
    };
    let app = Router::new().fallback(answer).with_state(server.clone());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (server, url)
}

fn client() -> reqwest::Client {
    // Another test may have been first: it is the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

fn transport(tokens: Option<Arc<dyn BlobTokens>>) -> Transport {
    Transport { http: Arc::new(|| Ok(client())), tokens }
}

fn location(state: &str) -> Location {
    let settings =
        LocationSettings { state, container: None, emulator_url: None, blob_suffix: BLOB_SUFFIX_PUBLIC };
    Location::parse(settings).unwrap()
}

fn with_key(url: &str) -> Store {
    let state = format!("AccountName=acct;AccountKey={KEY};BlobEndpoint={url}/acct");
    Store::open(&location(&state), transport(None)).unwrap()
}

fn with_signature(url: &str) -> Store {
    let state = format!("BlobEndpoint={url}/acct;SharedAccessSignature={SIGNATURE}");
    Store::open(&location(&state), transport(None)).unwrap()
}

fn with_identity(url: &str, tokens: impl BlobTokens + 'static) -> Store {
    let Location::Blobs(keyed) =
        location(&format!("AccountName=acct;AccountKey={KEY};BlobEndpoint={url}/acct"))
    else {
        panic!("memory")
    };
    let identity = Location::Blobs(BlobLocation { access: Access::Identity, ..keyed });
    Store::open(&identity, transport(Some(Arc::new(tokens)))).unwrap()
}

struct Tokens(Result<String, TokenError>);

#[async_trait]
impl BlobTokens for Tokens {
    async fn token(&self) -> Result<String, TokenError> {
        self.0.clone()
    }
}

fn is_secret_free(text: &str) -> bool {
    ["Y2FuYXJ5", "sig=", TOKEN].iter().all(|secret| !text.contains(secret))
}

#[tokio::test]
async fn a_conditional_write_that_meets_503_is_sent_once() {
    let (server, url) = serve(503, "ServerBusy").await;
    let store = with_key(&url);
    let error = store.create(&path(), "mine").await.unwrap_err();
    insta::assert_snapshot!(error, @"the store can't be used now: writing `open/0-holds/h-1.json`: 503 `ServerBusy`");
    assert!(store.replace(&path(), "mine", &Etag("\"1\"".to_owned())).await.is_err());
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].1["if-none-match"], "*");
    assert_eq!(seen[1].1["if-match"], "\"1\"");
}

#[tokio::test]
async fn a_read_that_meets_503_is_tried_three_times() {
    let (server, url) = serve(503, "ServerBusy").await;
    assert!(matches!(with_key(&url).read(&path()).await, Err(StoreError::Unavailable(_))));
    assert_eq!(server.seen.lock().unwrap().len(), 3);
}

/// All that the store says when every kind of request meets this server.
async fn said(store: Store) -> Vec<String> {
    let (path, prefix) = (path(), Prefix::clusters());
    let (read, list) = tokio::join!(store.read(&path), store.list(&prefix, 1));
    vec![
        format!("{store:?}"),
        // What was read is the server's to say.
        format!("{:?}", read.map(|_| ())),
        format!("{list:?}"),
        format!("{:?}", store.create(&path, "x").await),
        format!("{:?}", store.delete(&path).await),
        format!("{:?}", store.init().await),
        store.init().await.map_or_else(|error| error.to_string(), |made| format!("{made:?}")),
    ]
}

#[tokio::test]
async fn neither_key_nor_signature_nor_token_shows_in_anything() {
    let mut urls = vec!["http://127.0.0.1:1".to_owned()];
    for (status, code) in
        [(503, "ServerBusy"), (403, "AuthenticationFailed"), (400, "x"), (307, ""), (200, "")]
    {
        urls.push(serve(status, code).await.1);
    }
    let stores = urls.iter().flat_map(|url| {
        [with_key(url), with_signature(url), with_identity(url, Tokens(Ok(TOKEN.to_owned())))]
    });
    let shown = futures::future::join_all(stores.map(said)).await.concat();
    let leaks: Vec<&String> = shown.iter().filter(|text| !is_secret_free(text)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert!(shown.iter().any(|text| text.contains("Connection refused")), "causes are told: {shown:#?}");
}

#[tokio::test]
async fn the_identity_s_token_goes_into_every_request() {
    let (server, url) = serve(201, "").await;
    let store = with_identity(&url, Tokens(Ok(TOKEN.to_owned())));
    done(store.create(&path(), "x").await.unwrap());
    store.init().await.unwrap();
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|(_, headers)| headers["authorization"] == format!("Bearer {TOKEN}")));
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_the_reason_is_told() {
    let (server, url) = serve(201, "").await;
    let unavailable = with_identity(&url, Tokens(Err(TokenError::Unavailable("no endpoint".to_owned()))));
    insta::assert_snapshot!(
        unavailable.create(&path(), "x").await.unwrap_err(),
        @"the store can't be used now: writing `open/0-holds/h-1.json`: no token for the store now: no endpoint"
    );
    let denied = with_identity(&url, Tokens(Err(TokenError::Denied("no such identity".to_owned()))));
    insta::assert_snapshot!(
        denied.read(&path()).await.unwrap_err(),
        @"the store denied access: reading `open/0-holds/h-1.json`: no token for the store: no such identity"
    );
    let broken = with_identity(&url, Tokens(Ok(format!("{TOKEN}\n"))));
    assert!(matches!(broken.init().await, Err(StoreError::Unavailable(_))));
    assert!(server.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn identity_without_tokens_is_refused_when_the_store_is_opened() {
    let opened = Store::open(&location("azure://acct/state"), transport(None));
    assert!(matches!(opened, Err(StoreError::Refused(_))), "{opened:?}");
}

#[tokio::test]
async fn both_containers_share_one_client_that_is_built_by_the_first_request() {
    let (_, url) = serve(503, "ServerBusy").await;
    let built = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&built);
    let factory: ClientFactory = Arc::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(client())
    });
    let state = format!("AccountName=acct;AccountKey={KEY};BlobEndpoint={url}/acct");
    let store = Store::open(&location(&state), Transport { http: factory, tokens: None }).unwrap();
    assert_eq!(built.load(Ordering::SeqCst), 0);
    let (state, case) = (path(), case_path());
    let _ = tokio::join!(store.create(&state, "x"), store.archive(&case, "x"), store.init());
    assert_eq!(built.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn without_an_http_client_the_store_is_unavailable() {
    let factory: ClientFactory = Arc::new(|| Err("no root certificates".to_owned()));
    let state = format!("AccountName=acct;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:9/acct");
    let store = Store::open(&location(&state), Transport { http: factory, tokens: None }).unwrap();
    let error = store.read(&path()).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Unavailable(why) if why.contains("no root certificates")),
        "{error}"
    );
}
