//! Why ARM didn't do what it was asked, by what the caller does about it.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;

use super::credential::CredentialError;
use super::failure::{ArmFailure, SCOPE_LOCKED};
use super::headers;
use super::transport::TransportError;

/// ARM has no such resource: it, its group or its subscription is gone.
const GONE: [&str; 4] = ["ResourceNotFound", "ResourceGroupNotFound", "SubscriptionNotFound", "NotFound"];
/// A quota is used up (source: AKS troubleshooting articles).
const QUOTA: [&str; 1] = ["QuotaExceeded"];
/// Azure has no machines left (source: AKS and Compute troubleshooting articles).
const CAPACITY: [&str; 6] = [
    "AksCapacityHeavyUsage",
    "AllocationFailed",
    "ZonalAllocationFailed",
    "OverconstrainedAllocationRequest",
    "OverconstrainedZonalAllocationRequest",
    "SkuNotAvailable",
];
/// The subscription was disabled: every write is refused until its owner mends that.
const DISABLED_SUBSCRIPTION: &str = "ReadOnlyDisabledSubscription";

/// Why a call to ARM failed. Decided by status and code, never by the message's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArmError {
    /// No response came: look again soon.
    #[error("azure resource manager didn't answer: {0}")]
    Unreachable(TransportError),
    /// ARM can't do it now: look again soon.
    #[error("azure resource manager can't answer now: {0}")]
    Wait(ArmFailure),
    /// ARM says when to come back. Never slept here when it is longer than the caller's budget.
    #[error("azure resource manager asks to wait {} s: {failure}", after.as_secs())]
    RetryAfter {
        /// How long to stay away.
        after: Duration,
        /// What it said.
        failure: ArmFailure,
    },
    /// Not asked: its subscription throttled an earlier request, or has had its share of reads for the moment.
    #[error("azure resource manager is left alone for {} s: the subscription is throttled", after.as_secs())]
    LeftAlone {
        /// How long to stay away.
        after: Duration,
    },
    /// There is no such cluster, resource group or subscription.
    #[error("it is gone: {0}")]
    Gone(ArmFailure),
    /// The guard's identity may not: a missing role, a deny assignment or an Azure Policy.
    #[error("azure resource manager denies it: {0}")]
    Denied(ArmFailure),
    /// A read-only lock is on the cluster or above it.
    #[error("a lock forbids it: {0}")]
    Locked(ArmFailure),
    /// The cluster's state doesn't allow it, or another operation is under way: look again.
    #[error("the cluster's state doesn't allow it: {0}")]
    Conflict(ArmFailure),
    /// A quota is used up.
    #[error("a quota is used up: {0}")]
    Quota(ArmFailure),
    /// Azure has no capacity for it now: try again much later.
    #[error("azure has no capacity: {0}")]
    Capacity(ArmFailure),
    /// ARM will never do this, or it isn't ARM that answered.
    #[error("azure resource manager refuses it: {0}")]
    Refused(ArmFailure),
    /// No token to ask with.
    #[error("no token for azure resource manager: {0}")]
    NoToken(CredentialError),
    /// A successful answer that can't be understood, or a request that can't be built.
    #[error("the answer of azure resource manager can't be used: {0}")]
    Malformed(String),
}

impl ArmError {
    /// Reads a response that isn't a success. `now` is this machine's clock.
    pub fn from_response(response: &Response<Bytes>, now: Timestamp) -> Self {
        let failure = ArmFailure::read(response);
        if failure.has_any_code(&QUOTA) {
            return Self::Quota(failure);
        }
        if failure.has_any_code(&CAPACITY) {
            return Self::Capacity(failure);
        }
        match failure.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::Denied(failure),
            StatusCode::NOT_FOUND if failure.has_any_code(&GONE) => Self::Gone(failure),
            StatusCode::CONFLICT if failure.has_code(SCOPE_LOCKED) => Self::Locked(failure),
            StatusCode::CONFLICT if failure.has_code(DISABLED_SUBSCRIPTION) => Self::Refused(failure),
            StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Self::Conflict(failure),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Self::later(response, failure, now)
            }
            status if status.is_server_error() => Self::later(response, failure, now),
            // 3xx too: redirects are not followed. A 404 that isn't ARM's is a wrong endpoint, not a missing cluster.
            _ => Self::Refused(failure),
        }
    }

    fn later(response: &Response<Bytes>, failure: ArmFailure, now: Timestamp) -> Self {
        match headers::retry_after(response.headers(), now) {
            Some(after) => Self::RetryAfter { after, failure },
            None => Self::Wait(failure),
        }
    }

    /// How long the whole subscription is to be left alone: ARM or AKS throttled the request and said until when.
    pub(super) fn throttled_for(&self) -> Option<Duration> {
        let is_throttled =
            self.failure().is_some_and(|failure| failure.status == StatusCode::TOO_MANY_REQUESTS);
        self.retry_after().filter(|_| is_throttled)
    }

    /// What ARM said, if it said anything.
    pub fn failure(&self) -> Option<&ArmFailure> {
        match self {
            Self::RetryAfter { failure, .. }
            | Self::Wait(failure)
            | Self::Gone(failure)
            | Self::Denied(failure)
            | Self::Locked(failure)
            | Self::Conflict(failure)
            | Self::Quota(failure)
            | Self::Capacity(failure)
            | Self::Refused(failure) => Some(failure),
            Self::LeftAlone { .. } | Self::Unreachable(_) | Self::NoToken(_) | Self::Malformed(_) => None,
        }
    }

    /// How long ARM wants to be left alone, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RetryAfter { after, .. } | Self::LeftAlone { after } => Some(*after),
            Self::Unreachable(_)
            | Self::Wait(_)
            | Self::Gone(_)
            | Self::Denied(_)
            | Self::Locked(_)
            | Self::Conflict(_)
            | Self::Quota(_)
            | Self::Capacity(_)
            | Self::Refused(_)
            | Self::NoToken(_)
            | Self::Malformed(_) => None,
        }
    }

    /// Whether a read may be tried again within the same invocation.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(TransportError::TooLarge) => false,
            Self::Unreachable(_) | Self::Wait(_) | Self::RetryAfter { .. } => true,
            Self::LeftAlone { .. }
            | Self::Gone(_)
            | Self::Denied(_)
            | Self::Locked(_)
            | Self::Conflict(_)
            | Self::Quota(_)
            | Self::Capacity(_)
            | Self::Refused(_)
            | Self::NoToken(_)
            | Self::Malformed(_) => false,
        }
    }

    /// Whether a write that ended so may have been done all the same: it went out and no answer came, or one that leaves it open (5xx, 408).
    pub(super) fn leaves_a_write_in_doubt(&self) -> bool {
        if let Self::Unreachable(error) = self {
            return !error.nothing_was_sent();
        }
        self.failure().is_some_and(|failure| {
            failure.status.is_server_error() || failure.status == StatusCode::REQUEST_TIMEOUT
        })
    }

    /// Whether it stays so until somebody mends something. What passes by itself doesn't.
    pub fn needs_people(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::Wait(_)
            | Self::RetryAfter { .. }
            | Self::LeftAlone { .. }
            | Self::Gone(_)
            | Self::Conflict(_) => false,
            Self::Denied(_)
            | Self::Locked(_)
            | Self::Quota(_)
            | Self::Capacity(_)
            | Self::Refused(_)
            | Self::Malformed(_) => true,
            Self::NoToken(error) => error.needs_people(),
        }
    }

    /// What to do about it where no code says it: what `case` knows of the code goes first.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "Check that the guard can reach Azure Resource Manager.",
            Self::Wait(_) | Self::RetryAfter { .. } | Self::LeftAlone { .. } => {
                "Wait: the guard tries again by itself."
            }
            Self::Gone(_) => "Nothing: the cluster no longer exists.",
            Self::Denied(failure) if failure.status == StatusCode::UNAUTHORIZED => {
                "Check the guard's credential: its tokens are not accepted; tenant, cloud and scope must fit the subscription."
            }
            Self::Denied(_) => {
                "Find out what denies the start to the guard's identity: a missing role, a deny assignment or an Azure Policy."
            }
            Self::Locked(_) => "Remove the read-only lock on the cluster, its group or its subscription.",
            Self::Conflict(_) => "Wait for the operation that is under way on the cluster.",
            Self::Quota(_) => "Raise the quota of the subscription, or free some of it.",
            Self::Capacity(_) => "Azure is short of machines there: start the cluster later.",
            Self::Refused(failure) if failure.status == StatusCode::NOT_FOUND => {
                "Check `STOP_GUARD_CLOUD` and `STOP_GUARD_ARM_ENDPOINT`: what answered is not Azure Resource Manager."
            }
            Self::Refused(_) => "Start the cluster by hand and read the error that Azure gives.",
            Self::NoToken(_) => "Check `STOP_GUARD_CREDENTIAL` and the identity that it names.",
            Self::Malformed(_) => {
                "Check `STOP_GUARD_ARM_ENDPOINT`, and report the answer that the guard can't read."
            }
        }
    }

    /// The code that Azure gave, if any.
    pub fn code(&self) -> Option<&str> {
        self.failure().and_then(|failure| failure.code.as_deref())
    }
}

impl From<TransportError> for ArmError {
    fn from(error: TransportError) -> Self {
        Self::Unreachable(error)
    }
}

impl From<CredentialError> for ArmError {
    fn from(error: CredentialError) -> Self {
        Self::NoToken(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, code: &str) -> ArmError {
        let body = Bytes::from(format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#));
        ArmError::from_response(
            &Response::builder().status(status).body(body).unwrap(),
            Timestamp::UNIX_EPOCH,
        )
    }

    #[test]
    fn a_write_is_in_doubt_after_a_server_error_whatever_its_code_and_not_after_a_refusal() {
        for (status, code) in [
            (500, "X"),
            (503, "ServerTimeout"),
            (408, "X"),
            (503, "AllocationFailed"),
            (500, "QuotaExceeded"),
        ] {
            assert!(answered(status, code).leaves_a_write_in_doubt(), "{status} {code}");
        }
        for (status, code) in [
            (400, "QuotaExceeded"),
            (403, "AuthorizationFailed"),
            (404, "ResourceNotFound"),
            (409, "ScopeLocked"),
            (409, "OperationNotAllowed"),
            (412, "PreconditionFailed"),
            (429, "Throttled"),
        ] {
            assert!(!answered(status, code).leaves_a_write_in_doubt(), "{status} {code}");
        }
        assert!(!ArmError::LeftAlone { after: Duration::from_secs(1) }.leaves_a_write_in_doubt());
        assert!(ArmError::from(TransportError::TimedOut).leaves_a_write_in_doubt());
        assert!(!ArmError::from(TransportError::NotConnected("x".to_owned())).leaves_a_write_in_doubt());
    }
}
