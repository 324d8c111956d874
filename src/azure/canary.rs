//! The stop of a canary, for a drill: the only stop that this program sends.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use jiff::Timestamp;

use super::arm::{Arm, authorized};
use super::error::ArmError;
use super::headers;
use crate::domain::Canary;

/// That Azure took a stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopTaken {
    /// When it was sent, on ARM's clock.
    pub sent_at: Timestamp,
    /// `x-ms-request-id`.
    pub request_id: Option<String>,
}

impl Arm {
    /// Sends one POST, whatever comes of it.
    ///
    /// # Errors
    /// Azure refused it, or it is not known whether Azure took it: no answer came, or one that leaves it open.
    pub async fn stop_canary(&self, canary: &Canary, timeout: Duration) -> Result<StopTaken, ArmError> {
        let id = canary.id();
        if let Some(after) = self.left_alone_for(id.subscription()) {
            return Err(ArmError::LeftAlone { after });
        }
        let token = self.token().await?;
        let url = self.options().endpoint.cluster(id, Some("stop"));
        let mut request: Request<Bytes> = authorized(Method::POST, &url, &token)?;
        request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        let (response, sent_at) = self.exchange(request, timeout).await?;
        if response.status().is_success() {
            return Ok(StopTaken { sent_at, request_id: headers::request_id(response.headers()) });
        }
        let error = ArmError::from_response(&response, self.local_now());
        self.heed(id.subscription(), &error);
        Err(error)
    }
}
