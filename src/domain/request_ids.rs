//! What ARM calls one request of ours.

use serde::{Deserialize, Serialize};

/// The ids of a request, as ARM's answer has them: what Microsoft's support asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestIds {
    /// `x-ms-request-id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// `x-ms-correlation-request-id`: the operation's correlation id in the activity log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
}
