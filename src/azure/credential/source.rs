//! The kinds of credential, built over `azure_identity` with the shared HTTP client.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use azure_core::cloud::CloudConfiguration;
use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorKind;
use azure_core::http::{ClientOptions, ExponentialRetryOptions, RetryOptions};
use azure_identity::{
    AzureCliCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, DeveloperToolsCredential, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};
use jiff::Timestamp;

use super::CredentialError;
use crate::azure::endpoint::Cloud;
use crate::azure::secret::{Secret, mask};
use crate::azure::transport::HttpTransport;
use crate::domain::text;

/// Tries of the identity service beyond the first, within one question.
const RETRIES_MAX: u32 = 2;
/// Longest reason that is kept, characters. The developer tools' lists every tool's error.
const REASON_CHARS_MAX: usize = 400;
/// Longest token that is taken, bytes. A header may have 8 KB at most on the way to ARM.
const TOKEN_BYTES_MAX: usize = 7 * 1024;

/// Which credential to use: `STOP_GUARD_CREDENTIAL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialKind {
    /// The Function app's managed identity: the system-assigned one, or a user-assigned one by its client id.
    ManagedIdentity {
        /// `AZURE_CLIENT_ID`.
        client_id: Option<String>,
    },
    /// A federated token of Kubernetes (`AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_FEDERATED_TOKEN_FILE`).
    WorkloadIdentity,
    /// Whoever is logged in to the Azure CLI. Its cloud is the CLI's own setting.
    AzureCli,
    /// An application with a secret.
    ClientSecret {
        /// The directory.
        tenant: String,
        /// The application.
        client_id: String,
        /// Its secret.
        secret: Secret,
    },
    /// The Azure CLI, else the Azure Developer CLI.
    DeveloperTools,
}

/// A token and its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The bearer token.
    pub token: Secret,
    /// When it expires, by the identity service's clock.
    pub expires_at: Timestamp,
}

/// Asks an identity service for a token, each time anew.
#[async_trait]
pub trait Issuer: Send + Sync {
    /// Asks for a token for a scope.
    async fn issue(&self, scope: &str) -> Result<Issued, CredentialError>;

    /// Drops whatever tokens it holds: one of them was refused.
    fn forget(&self);
}

/// A credential of `azure_identity`, built on first use.
///
/// Limits that come with that crate (1.0.0): on App Service the `expires_on` of a managed identity's token must be a
/// string, as the platform sends it, and a user-assigned identity is named by client id, not by resource id.
pub struct AzureIdentity {
    kind: CredentialKind,
    cloud: Cloud,
    transport: Arc<HttpTransport>,
    built: Mutex<Option<Arc<dyn TokenCredential>>>,
}

impl AzureIdentity {
    /// Describes a credential; nothing is built yet. `cloud` says whose login service to ask.
    pub fn new(kind: CredentialKind, cloud: Cloud, transport: Arc<HttpTransport>) -> Self {
        Self { kind, cloud, transport, built: Mutex::new(None) }
    }

    fn credential(&self) -> Result<Arc<dyn TokenCredential>, CredentialError> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(credential) = built.as_ref() {
            return Ok(Arc::clone(credential));
        }
        let client = self.transport.client().map_err(|e| CredentialError::Unusable(e.to_string()))?;
        let options = client_options(client.clone(), self.cloud);
        let credential = build(&self.kind, options).map_err(|error| explain(&error))?;
        *built = Some(Arc::clone(&credential));
        Ok(credential)
    }
}

#[async_trait]
impl Issuer for AzureIdentity {
    async fn issue(&self, scope: &str) -> Result<Issued, CredentialError> {
        let access = self.credential()?.get_token(&[scope], None).await.map_err(|error| explain(&error))?;
        let token = access.token.secret();
        let is_token = !token.is_empty()
            && token.len() <= TOKEN_BYTES_MAX
            && token.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_token {
            let reason = "the identity service gave a token that no header can carry".to_owned();
            return Err(CredentialError::Unusable(reason));
        }
        let expires_at = Timestamp::from_second(access.expires_on.unix_timestamp())
            .map_err(|_| CredentialError::Unusable("the token has no time of expiry".to_owned()))?;
        Ok(Issued { token: Secret::new(token), expires_at })
    }

    /// `azure_identity` has no way to drop a cached token but to build the credential again.
    fn forget(&self) {
        *self.built.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl fmt::Debug for AzureIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureIdentity")
            .field("kind", &self.kind)
            .field("cloud", &self.cloud)
            .finish_non_exhaustive()
    }
}

fn client_options(client: reqwest::Client, cloud: Cloud) -> ClientOptions {
    let cloud = match cloud {
        Cloud::Public => CloudConfiguration::AzurePublic,
        Cloud::UsGov => CloudConfiguration::AzureGovernment,
        Cloud::China => CloudConfiguration::AzureChina,
    };
    ClientOptions {
        transport: Some(azure_core::http::Transport::new(Arc::new(client))),
        retry: RetryOptions::exponential(ExponentialRetryOptions {
            max_retries: RETRIES_MAX,
            ..ExponentialRetryOptions::default()
        }),
        cloud: Some(Arc::new(cloud)),
        ..ClientOptions::default()
    }
}

fn build(
    kind: &CredentialKind,
    client_options: ClientOptions,
) -> azure_core::Result<Arc<dyn TokenCredential>> {
    Ok(match kind {
        CredentialKind::ManagedIdentity { client_id } => {
            let user_assigned_id = client_id.clone().map(UserAssignedId::ClientId);
            ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                user_assigned_id,
                client_options,
            }))?
        }
        CredentialKind::WorkloadIdentity => {
            WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
                credential_options: ClientAssertionCredentialOptions { client_options },
                ..WorkloadIdentityCredentialOptions::default()
            }))?
        }
        CredentialKind::AzureCli => AzureCliCredential::new(None)?,
        CredentialKind::ClientSecret { tenant, client_id, secret } => ClientSecretCredential::new(
            tenant,
            client_id.clone(),
            secret.expose().to_owned().into(),
            Some(ClientSecretCredentialOptions { client_options }),
        )?,
        CredentialKind::DeveloperTools => DeveloperToolsCredential::new(None)?,
    })
}

/// Says what failed, in one masked line, and whether it may pass: no answer, 408, 429 and 5xx may, and 404 and 410, which
/// identity endpoints give while they come up (source: Azure docs, "How to use managed identities ... retry guidance").
fn explain(error: &azure_core::Error) -> CredentialError {
    let reason = text::clean(&mask(&error.to_string()), REASON_CHARS_MAX);
    let mut causes =
        std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |error| error.source());
    let may_pass = causes.any(|cause| {
        cause.downcast_ref::<azure_core::Error>().is_some_and(|cause| match cause.kind() {
            ErrorKind::Connection | ErrorKind::Io => true,
            ErrorKind::HttpResponse { status, .. } => {
                let status = u16::from(*status);
                matches!(status, 404 | 408 | 410 | 429 | 500..)
            }
            _ => false,
        })
    });
    if may_pass { CredentialError::Unavailable(reason) } else { CredentialError::Unusable(reason) }
}
