//! The start of a cluster: its own path, without retries (protocol rules 14 and 15).

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};

use super::arm::{Arm, authorized};
use super::error::ArmError;
use super::headers;
use super::secret::Secret;
use crate::domain::{ClusterId, RequestIds, SubscriptionId};

/// Longest nonce, bytes: a GUID or 128 bits in hex.
const NONCE_BYTES_MAX: usize = 64;

/// What came of a start. Nothing relies on it but what people read: whether the cluster starts is learnt by looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartReply {
    /// ARM accepted it.
    Accepted {
        /// What ARM calls the request.
        ids: RequestIds,
    },
    /// ARM answered that it won't: nothing was started by this request.
    Refused {
        /// Why, and so what to do.
        error: ArmError,
        /// What ARM calls the request.
        ids: RequestIds,
    },
    /// It may have been accepted: no answer, or one that leaves it open (5xx, 408).
    Unknown {
        /// What is known.
        error: ArmError,
        /// What ARM calls the request.
        ids: RequestIds,
    },
    /// Nothing reached ARM.
    NotSent {
        /// Why.
        error: ArmError,
    },
}

/// A start that only has to be sent: the token is in hand and the request is built, so that nothing slow lies between the
/// last check and the POST.
pub struct PreparedStart {
    arm: Arm,
    subscription: SubscriptionId,
    token: Secret,
    request: Request<Bytes>,
}

impl Arm {
    /// Gets a token and builds the start of a cluster. `nonce` goes along as `x-ms-client-request-id`, so that the
    /// activity log shows whose it is. Takes as long as a token does: nothing when it is cached, 8 s at most.
    pub async fn prepare_start(&self, id: &ClusterId, nonce: &str) -> Result<PreparedStart, ArmError> {
        let url = self.options().endpoint.cluster(id, Some("start"));
        let nonce = (nonce.len() <= NONCE_BYTES_MAX)
            .then(|| HeaderValue::from_str(nonce).ok())
            .flatten()
            .ok_or_else(|| ArmError::Malformed("the nonce can't be a header".to_owned()))?;
        let token = self.token().await?;
        let mut request = authorized(Method::POST, &url, &token)?;
        request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        request.headers_mut().insert("x-ms-client-request-id", nonce);
        Ok(PreparedStart { arm: self.clone(), subscription: id.subscription().clone(), token, request })
    }
}

impl PreparedStart {
    /// Sends exactly one POST, whatever comes of it; none while the subscription is left alone.
    ///
    /// A 401 drops the token and counts as "look again": the look gets a new one, and says so if that is refused too.
    pub async fn send(self, timeout: Duration) -> StartReply {
        if let Some(after) = self.arm.left_alone_for(&self.subscription) {
            return StartReply::NotSent { error: ArmError::LeftAlone { after } };
        }
        let response = match self.arm.exchange(self.request, timeout).await {
            Ok((response, _)) => response,
            Err(error) if error.nothing_was_sent() => return StartReply::NotSent { error: error.into() },
            Err(error) => return StartReply::Unknown { error: error.into(), ids: RequestIds::default() },
        };
        let ids = headers::request_ids(response.headers());
        let status = response.status();
        if status.is_success() {
            return StartReply::Accepted { ids };
        }
        let error = ArmError::from_response(&response, self.arm.local_now());
        self.arm.heed(&self.subscription, &error);
        if error.leaves_a_write_in_doubt() {
            return StartReply::Unknown { error, ids };
        }
        let error = match error {
            ArmError::Denied(failure) if status == StatusCode::UNAUTHORIZED => {
                self.arm.reject(&self.token);
                ArmError::Wait(failure)
            }
            error => error,
        };
        StartReply::Refused { error, ids }
    }
}

impl fmt::Debug for PreparedStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedStart").field("uri", self.request.uri()).finish_non_exhaustive()
    }
}
