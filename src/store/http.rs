//! The way of the store's requests: through the one HTTP client, which is built when the first request is made.

use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use futures::StreamExt as _;
use http::StatusCode;
use http_body_util::BodyExt as _;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};

use super::fault::BlobFault;

/// How much of a failure's body is read for its connection's sake. The storage service's have some hundred bytes.
const FAILURE_BYTES_MAX: usize = 16 * 1024;

/// Builds the shared HTTP client, or gives a clone of it. It must not follow redirects: a key's signature or a token would
/// go along. Or says why there is none: on a machine without root certificates, say.
pub type ClientFactory = Arc<dyn Fn() -> Result<reqwest::Client, String> + Send + Sync>;

/// There is no HTTP client.
#[derive(Debug, thiserror::Error)]
#[error("no http client: {0}")]
struct NoClient(String);

/// The shared HTTP client as `object_store` wants it.
#[derive(Clone)]
pub(super) struct SharedHttp {
    factory: ClientFactory,
    client: Arc<OnceLock<reqwest::Client>>,
}

impl SharedHttp {
    pub(super) fn new(factory: ClientFactory) -> Self {
        Self { factory, client: Arc::new(OnceLock::new()) }
    }

    fn client(&self) -> Result<&reqwest::Client, HttpError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let built = (self.factory)().map_err(|reason| once(NoClient(reason)))?;
        Ok(self.client.get_or_init(|| built))
    }
}

#[async_trait]
impl HttpService for SharedHttp {
    /// Turns every answer that isn't a success into a typed [`BlobFault`], which [`super::fault`] finds again below
    /// `object_store`'s own errors: those keep the storage service's error code only inside a message.
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let response = send(self.client()?, request).await?;
        let Some(fault) = fault(&response) else { return Ok(response) };
        drain(response).await;
        Err(once(fault))
    }
}

/// Sends a request over the client. (`object_store` can do it itself, by a feature that brings HTTP/2: the storage service has none.)
async fn send(client: &reqwest::Client, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let request = reqwest::Request::try_from(request.map(reqwest::Body::wrap)).map_err(broken)?;
    let response: http::Response<reqwest::Body> = client.execute(request).await.map_err(broken)?.into();
    Ok(response.map(|body| HttpResponseBody::new(body.map_err(broken))))
}

/// Without the URL, which may carry a signature.
fn broken(error: reqwest::Error) -> HttpError {
    once(error.without_url())
}

/// INVARIANT: `Unknown` is the kind that `object_store` never sends again, whatever its settings. A conditional write that is sent
/// twice can lose to itself.
fn once(error: impl std::error::Error + Send + Sync + 'static) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, error)
}

/// Reads the body of a failure to its end. A connection with something left to read is closed, and most failures are no fault: a
/// blob that isn't there yet, a mark that is there already.
async fn drain(response: HttpResponse) {
    let mut body = response.into_body().bytes_stream();
    let mut left = FAILURE_BYTES_MAX;
    while let Some(Ok(chunk)) = body.next().await {
        match left.checked_sub(chunk.len()) {
            Some(still) => left = still,
            None => return,
        }
    }
}

fn fault(response: &HttpResponse) -> Option<BlobFault> {
    let status: StatusCode = response.status();
    (!status.is_success()).then(|| BlobFault::new(status, response.headers().get("x-ms-error-code")))
}

impl HttpConnector for SharedHttp {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl fmt::Debug for SharedHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedHttp")
    }
}
