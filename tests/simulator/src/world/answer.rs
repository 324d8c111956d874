//! What Azure answers: statuses, header sets and the two shapes of error bodies, as recorded.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::throttle::Quota;

/// Content type of the resource provider's bodies, its errors included.
const PROVIDER_JSON: &str = "application/json";
/// Content type of the gateway's own bodies.
const GATEWAY_JSON: &str = "application/json; charset=utf-8";

/// An answer without the headers that all answers have.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) status: StatusCode,
    content_type: Option<&'static str>,
    body: Bytes,
    headers: Vec<(HeaderName, String)>,
    /// `x-ms-request-id`, where it means something: the operation's id.
    pub(super) request_id: Option<String>,
}

impl Draft {
    fn new(status: StatusCode, content_type: Option<&'static str>, body: Bytes) -> Self {
        Self { status, content_type, body, headers: Vec::new(), request_id: None }
    }

    /// A body of the resource provider.
    pub(super) fn provider(status: StatusCode, body: &Value) -> Self {
        Self::new(status, Some(PROVIDER_JSON), body.to_string().into())
    }

    /// A body of the gateway or of another service behind it.
    pub(super) fn gateway(status: StatusCode, body: &Value) -> Self {
        Self::new(status, Some(GATEWAY_JSON), body.to_string().into())
    }

    /// No body and no content type, as the 202 of an action.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self::new(status, None, Bytes::new())
    }

    /// No body, but the content type of one, as the final 204.
    pub(super) fn finished() -> Self {
        Self::new(StatusCode::NO_CONTENT, Some(PROVIDER_JSON), Bytes::new())
    }

    /// Plain text, as a 500.
    pub(super) fn text(status: StatusCode, text: &'static str) -> Self {
        Self::new(status, Some("text/plain"), Bytes::from_static(text.as_bytes()))
    }

    /// The gateway's error: wrapped in `error`, marked by `x-ms-failure-cause` (azure-cli recording `test_aks_abort`).
    pub(super) fn gateway_error(status: StatusCode, code: &str, message: &str) -> Self {
        Self::gateway(status, &json!({ "error": { "code": code, "message": message } }))
            .with("x-ms-failure-cause", "gateway")
    }

    /// The provider's error: members at top level (terraform-azurerm-aks pull request 354).
    pub(super) fn provider_error(status: StatusCode, code: &str, message: &str) -> Self {
        Self::provider(status, &json!({ "code": code, "details": null, "message": message, "subcode": "" }))
    }

    /// The activity log's error: `code` and `message` at top level, with a charset (azure-cli recording of 2021).
    pub(super) fn log_error(message: &str) -> Self {
        Self::gateway(StatusCode::BAD_REQUEST, &json!({ "code": "BadRequest", "message": message }))
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((HeaderName::from_static(name), value.to_owned()));
        self
    }

    pub(super) fn for_operation(mut self, id: &str) -> Self {
        self.request_id = Some(id.to_owned());
        self
    }
}

/// What the common headers say.
pub(super) struct Common<'a> {
    pub(super) date: Timestamp,
    pub(super) request_id: &'a str,
    pub(super) correlation_id: &'a str,
    /// What is left of the quota that the request took from.
    pub(super) remaining: Option<(Quota, u32)>,
}

/// The answer with all headers that an unfiltered recording shows (azure-powershell `Stop-AzAksCluster`).
pub(super) fn dressed(draft: Draft, common: &Common<'_>) -> Response<Bytes> {
    let routing = format!("WESTEUROPE:{}:{}", common.date.strftime("%Y%m%dT%H%M%SZ"), common.correlation_id);
    let mut headers = draft.headers;
    let mut put = |name: &'static str, value: &str| {
        headers.push((HeaderName::from_static(name), value.to_owned()));
    };
    put("cache-control", "no-cache");
    put("pragma", "no-cache");
    put("expires", "-1");
    put("strict-transport-security", "max-age=31536000; includeSubDomains");
    put("x-content-type-options", "nosniff");
    put("x-ms-request-id", draft.request_id.as_deref().unwrap_or(common.request_id));
    put("x-ms-correlation-request-id", common.correlation_id);
    put("x-ms-routing-request-id", &routing);
    // Only what comes from behind the gateway has a `server` header (azure-cli recordings).
    if draft.content_type != Some(GATEWAY_JSON) {
        put("server", "nginx");
    }
    if let Some((quota, left)) = common.remaining {
        put(quota.header(), &left.to_string());
    }
    assemble(draft.status, draft.content_type, draft.body, headers, common.date)
}

/// An answer without Azure Resource Manager's headers, as from the identity endpoint.
pub(super) fn plain(draft: Draft, date: Timestamp) -> Response<Bytes> {
    assemble(draft.status, draft.content_type, draft.body, draft.headers, date)
}

fn assemble(
    status: StatusCode,
    content_type: Option<&'static str>,
    body: Bytes,
    headers: Vec<(HeaderName, String)>,
    date: Timestamp,
) -> Response<Bytes> {
    let length = body.len();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let map = response.headers_mut();
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            map.insert(name, value);
        }
    }
    if let Some(content_type) = content_type {
        map.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    if status != StatusCode::NO_CONTENT {
        map.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Ok(date) = HeaderValue::try_from(date) {
        map.insert(DATE, date);
    }
    response
}
