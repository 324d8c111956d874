//! The way of the store's requests: through the one HTTP client, which is built when the first request is made.

use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use http::StatusCode;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};

use super::fault::BlobFault;

/// Builds the shared HTTP client, or gives a clone of it. It must not follow redirects: a key's signature or a token would
/// go along.
pub type ClientFactory = Arc<dyn Fn() -> reqwest::Client + Send + Sync>;

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
}

#[async_trait]
impl HttpService for SharedHttp {
    /// Turns every answer that isn't a success into a typed [`BlobFault`], which [`super::fault`] finds again below
    /// `object_store`'s own errors: those keep the storage service's error code only inside a message.
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let client = self.client.get_or_init(|| (self.factory)());
        let response = client.call(request).await?;
        match fault(&response) {
            None => Ok(response),
            // INVARIANT: `Unknown` is the kind that `object_store` never sends again, whatever its settings. A conditional
            // write that is sent twice can lose to itself.
            Some(fault) => Err(HttpError::new(HttpErrorKind::Unknown, fault)),
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
