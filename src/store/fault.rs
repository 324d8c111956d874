//! What a failed request to the store means for whoever made it.

use std::error::Error as StdError;
use std::fmt::Display;

use http::{HeaderValue, StatusCode};
use object_store::client::HttpError;

use super::identity::TokenError;
use crate::domain::text;

/// Longest error code of the storage service that is kept, in characters. The longest documented one has 49.
const CODE_CHARS_MAX: usize = 64;
/// Longest cause that goes into a message, in characters: it may come from a server or a library.
const CAUSE_CHARS_MAX: usize = 200;
/// How deep causes are followed, in links. `object_store` nests five.
const CAUSES_MAX: usize = 16;

/// Why the store did not do what was asked. Named by what the caller does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Not now: answer 5xx and try again later. **A write may have been done all the same**: its answer can be lost, and
    /// the service itself may say 503 after it wrote. Read, and look for your own `writer`.
    #[error("the store can't be used now: {0}")]
    Unavailable(String),
    /// The store lets this identity, key or signature not in. People must mend it.
    #[error("the store denied access: {0}")]
    Denied(String),
    /// The container of this name was never made.
    #[error("the container `{0}` does not exist; `aks-stop-guard init-state` makes it")]
    NoContainer(String),
    /// The store will never do this, or the content is none that the guard reads. Trying again doesn't help.
    #[error("the store refused: {0}")]
    Refused(String),
}

/// An answer of the storage service that is no success: its status and its error code, and nothing else of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} {}", self.shown_code())]
pub(super) struct BlobFault {
    status: u16,
    /// Absent if the answer is a proxy's, say.
    code: Option<String>,
}

/// What a failed request comes to, before the operation has its say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is no such blob.
    Missing,
    /// It is there already.
    Exists,
    /// It changed since it was read.
    Stale,
    /// Whatever the operation was.
    Other(StoreError),
}

impl BlobFault {
    pub(super) fn new(status: StatusCode, code: Option<&HeaderValue>) -> Self {
        let code = code.and_then(|value| value.to_str().ok()).map(|code| text::clean(code, CODE_CHARS_MAX));
        Self { status: status.as_u16(), code }
    }

    fn shown_code(&self) -> String {
        self.code.as_ref().map_or_else(|| "without an error code".to_owned(), |code| format!("`{code}`"))
    }

    /// Codes as in "Blob service error codes" and "Common REST API error codes" (Azure Storage documentation). A 409 or 412
    /// without a code is the condition's doing, as the status says.
    fn failure(&self, what: &dyn Display, container: &str) -> Failure {
        let told = || format!("{what}: {self}");
        match (self.status, self.code.as_deref()) {
            (404, Some("ContainerNotFound")) => Failure::Other(StoreError::NoContainer(container.to_owned())),
            (404, _) => Failure::Missing,
            // The last two are what an immutable container and a signature for creating only say of a blob that is there.
            (
                409,
                None | Some("BlobAlreadyExists" | "ContainerAlreadyExists" | "BlobImmutableDueToPolicy"),
            )
            | (403, Some("UnauthorizedBlobOverwrite")) => Failure::Exists,
            (412, None | Some("ConditionNotMet" | "TargetConditionNotMet")) => Failure::Stale,
            // Somebody holds a lease, a container is being deleted: it passes, or it comes to people as "still down".
            (408 | 409 | 412 | 429 | 500.., _) => Failure::Other(StoreError::Unavailable(told())),
            (401 | 403, _) => Failure::Other(StoreError::Denied(told())),
            _ => Failure::Other(StoreError::Refused(told())),
        }
    }
}

/// Classifies what `object_store` reports while doing `what` in `container`.
pub(super) fn classify(error: &object_store::Error, what: &dyn Display, container: &str) -> Failure {
    if let Some(fault) = find::<BlobFault>(error) {
        return fault.failure(what, container);
    }
    if let Some(token) = find::<TokenError>(error) {
        let told = format!("{what}: {}", text::clean(&token.to_string(), CAUSE_CHARS_MAX));
        return Failure::Other(match token {
            TokenError::Unavailable(_) => StoreError::Unavailable(told),
            TokenError::Denied(_) => StoreError::Denied(told),
        });
    }
    let told = format!("{what}: {}", innermost(error));
    if find::<HttpError>(error).is_some() {
        return Failure::Other(StoreError::Unavailable(told));
    }
    match error {
        object_store::Error::NotFound { .. } => Failure::Missing,
        object_store::Error::AlreadyExists { .. } => Failure::Exists,
        object_store::Error::Precondition { .. } => Failure::Stale,
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            Failure::Other(StoreError::Denied(told))
        }
        object_store::Error::InvalidPath { .. }
        | object_store::Error::NotSupported { .. }
        | object_store::Error::NotImplemented { .. }
        | object_store::Error::UnknownConfigurationKey { .. } => Failure::Other(StoreError::Refused(told)),
        // An answer that can't be read, a part of a batch that failed.
        _ => Failure::Other(StoreError::Unavailable(told)),
    }
}

impl Failure {
    /// What it is for an operation to which a missing blob, an existing one or a changed one means nothing.
    pub(super) fn into_error(self, what: &dyn Display) -> StoreError {
        match self {
            Self::Missing => StoreError::Unavailable(format!("{what}: not found")),
            Self::Exists => StoreError::Unavailable(format!("{what}: a conflict")),
            Self::Stale => StoreError::Unavailable(format!("{what}: a condition failed")),
            Self::Other(error) => error,
        }
    }
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The last cause only: those above it repeat it, and name URLs, which may carry a signature.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map(|cause| text::clean(&cause.to_string(), CAUSE_CHARS_MAX)).unwrap_or_default()
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |cause: &&'a (dyn StdError + 'static)| (*cause).source())
        .take(CAUSES_MAX)
}

#[cfg(test)]
mod tests;
