//! The guard's Entra identity, as `object_store` wants it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::azure::AzureCredential;

/// The scope of tokens for blob storage, in all clouds (source: "Authorize access to blobs using Microsoft Entra ID").
pub const STORAGE_SCOPE: &str = "https://storage.azure.com/.default";

/// Where bearer tokens for [`STORAGE_SCOPE`] come from. Asked before every request: whoever implements it keeps a token
/// until it expires.
#[async_trait]
pub trait BlobTokens: Send + Sync {
    /// A token that is valid for at least as long as one request takes.
    async fn token(&self) -> Result<String, TokenError>;
}

/// Why there is no token. The text says what went wrong and never holds a token or a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not now.
    #[error("no token for the store now: {0}")]
    Unavailable(String),
    /// The identity doesn't exist or is not let in.
    #[error("no token for the store: {0}")]
    Denied(String),
}

pub(super) struct IdentityCredential(pub(super) Arc<dyn BlobTokens>);

#[async_trait]
impl CredentialProvider for IdentityCredential {
    type Credential = AzureCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AzureCredential>> {
        let token = self.0.token().await.map_err(|error| object_store::Error::Generic {
            store: "MicrosoftAzure",
            source: Box::new(error),
        })?;
        // A token goes into a header as it is: one that can't would make `object_store` panic, with the token in hand.
        if http::HeaderValue::from_str(&token).is_err() {
            return Err(object_store::Error::Generic {
                store: "MicrosoftAzure",
                source: Box::new(TokenError::Unavailable("it is not a header's value".to_owned())),
            });
        }
        Ok(Arc::new(AzureCredential::BearerToken(token)))
    }
}

impl fmt::Debug for IdentityCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityCredential")
    }
}
