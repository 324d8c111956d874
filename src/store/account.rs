//! A storage account: the two containers as object stores, and the two requests that `object_store` can't make well.

use std::sync::Arc;

use http::{HeaderValue, Method, header};
use object_store::azure::{
    AzureAccessKey, AzureAuthorizer, AzureCredential, AzureCredentialProvider, MicrosoftAzure,
    MicrosoftAzureBuilder, split_sas,
};
use object_store::client::{HttpClient, HttpConnector as _, HttpRequest, HttpRequestBody};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, RetryConfig, StaticCredentialProvider};
use url::Url;

use super::fault::{Failure, StoreError, classify};
use super::http::{ClientFactory, SharedHttp};
use super::identity::{BlobTokens, IdentityCredential};
use super::location::{Access, BlobLocation};
use super::{Created, STORE_TIMEOUT};

/// How requests are made and signed.
#[derive(Clone)]
pub struct Transport {
    /// The shared HTTP client.
    pub http: ClientFactory,
    /// The guard's identity; needed for [`Access::Identity`] only.
    pub tokens: Option<Arc<dyn BlobTokens>>,
}

/// A storage account and how to be let in.
pub(super) struct Account {
    location: BlobLocation,
    credential: AzureCredentialProvider,
    http: HttpClient,
}

impl Account {
    pub(super) fn new(
        location: BlobLocation,
        transport: Transport,
    ) -> Result<(Self, SharedHttp), StoreError> {
        let shared = SharedHttp::new(transport.http);
        let credential: AzureCredentialProvider = match &location.access {
            Access::Identity => {
                let tokens = transport.tokens.ok_or_else(|| {
                    StoreError::Refused("there is no identity to sign requests with".to_owned())
                })?;
                Arc::new(IdentityCredential(tokens))
            }
            Access::AccountKey(key) => {
                let key = AzureAccessKey::try_new(key.reveal())
                    .map_err(|_| StoreError::Refused("the account key is not base64".to_owned()))?;
                Arc::new(StaticCredentialProvider::new(AzureCredential::AccessKey(key)))
            }
            Access::Sas(signature) => {
                let pairs = split_sas(signature.reveal())
                    .map_err(|_| StoreError::Refused("the shared access signature is none".to_owned()))?;
                Arc::new(StaticCredentialProvider::new(AzureCredential::SASToken(pairs)))
            }
        };
        let http = shared
            .connect(&ClientOptions::default())
            .map_err(|error| classify(&error, &"connecting", "").into_error(&"connecting"))?;
        Ok((Self { location, credential, http }, shared))
    }

    /// The container as an object store. Builds no HTTP client and does no I/O.
    pub(super) fn container(&self, name: &str, http: &SharedHttp) -> Result<MicrosoftAzure, StoreError> {
        let endpoint = &self.location.endpoint;
        MicrosoftAzureBuilder::new()
            .with_account(&self.location.account)
            .with_container_name(name)
            .with_endpoint(endpoint.as_str().to_owned())
            .with_allow_http(endpoint.is_http())
            .with_credentials(Arc::clone(&self.credential))
            .with_http_connector(http.clone())
            .with_retry(no_retries())
            .build()
            .map_err(|error| classify(&error, &"opening", name).into_error(&"opening"))
    }

    /// Makes a container, private as all are by default (source: "Create Container", Azure Storage REST API).
    pub(super) async fn make_container(&self, name: &str) -> Result<Created, StoreError> {
        let what = format!("making the container `{name}`");
        let mut url = self.container_url(name)?;
        url.set_query(Some("restype=container"));
        match self.send(Method::PUT, &url).await.map_err(|error| classify(&error, &what, name)) {
            Ok(()) => Ok(Created::Now),
            Err(Failure::Exists) => Ok(Created::Before),
            Err(other @ (Failure::Missing | Failure::Stale | Failure::Other(_))) => {
                Err(other.into_error(&what))
            }
        }
    }

    /// Deletes a blob (source: "Delete Blob", Azure Storage REST API). `object_store` sends a batch of one instead, whose
    /// failures tell no error code and to which Azurite says 500 if it is signed with a shared access signature.
    pub(super) async fn delete_blob(&self, container: &str, path: &Path) -> Result<(), Failure> {
        let what = format!("deleting `{path}`");
        let mut url = self.container_url(container).map_err(Failure::Other)?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path.parts().map(|part| part.as_ref().to_owned()));
        }
        self.send(Method::DELETE, &url).await.map_err(|error| classify(&error, &what, container))
    }

    fn container_url(&self, name: &str) -> Result<Url, StoreError> {
        Url::parse(&format!("{}/{name}", self.location.endpoint.as_str()))
            .map_err(|_| StoreError::Refused("the blob endpoint makes no URL".to_owned()))
    }

    /// Signs and sends a request without a body, once.
    async fn send(&self, method: Method, url: &Url) -> Result<(), object_store::Error> {
        let generic = |source| object_store::Error::Generic { store: "MicrosoftAzure", source };
        let credential = self.credential.get_credential().await?;
        let mut request: HttpRequest = http::Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(header::CONTENT_LENGTH, HeaderValue::from_static("0"))
            .body(HttpRequestBody::empty())
            .map_err(|error| generic(error.into()))?;
        AzureAuthorizer::new(&credential, &self.location.account).try_authorize(&mut request)?;
        self.http.execute(request).await.map(|_| ()).map_err(|error| generic(error.into()))
    }

    /// The state container's name and the cases container's.
    pub(super) fn names(&self) -> (String, String) {
        (self.location.container.as_str().to_owned(), self.location.container.cases())
    }
}

/// `object_store` must send nothing twice by itself: the second copy of a conditional write loses to the first, and the
/// caller would take its own write for somebody else's. Reads are tried again above, where their time is counted.
fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, retry_timeout: STORE_TIMEOUT, backoff: BackoffConfig::default() }
}
