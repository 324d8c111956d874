//! What the host answers to its own callers: Event Grid, operators and users of HTTP triggers.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::app::Trigger;
use super::envelope;
use super::invocation::Call;
use super::json::Value;
use super::keys::Caller;
use super::output::HttpAnswer;
use super::trace::{Telemetry, TraceContext};
use super::{EventDates, Shared, dates, http_trigger, webhook};

/// Largest body the host reads (`ScriptConstants.DefaultMaxRequestBodySize`).
const MAX_BODY_BYTES: usize = 104_857_600;
/// The reason a manual run and an HTTP call have in the log.
pub(crate) const HOST_API: &str = "This function was programmatically called via the host APIs.";

/// The host's routes.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/runtime/webhooks/eventgrid", any(webhook::event_grid))
        .route("/admin/functions/{name}", any(manual_run))
        .fallback(any(http_trigger::call))
        .layer(axum::middleware::map_response_with_state(Arc::clone(&shared), kestrel))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&shared), available))
        .with_state(shared)
}

/// A request taken apart; the body is read as a whole, as the host does.
pub(crate) struct Incoming {
    pub(crate) method: http::Method,
    pub(crate) path: String,
    pub(crate) raw_query: Option<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Incoming {
    /// Reads the body up to the host's limit; `None` when it is longer or breaks off.
    pub(crate) async fn read(request: Request) -> Option<Incoming> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, MAX_BODY_BYTES).await.ok()?;
        let raw_query = parts.uri.query().map(str::to_owned);
        Some(Incoming {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: raw_query.as_deref().map(form_decode).unwrap_or_default(),
            raw_query,
            headers: parts.headers,
            body,
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn trace(&self) -> TraceContext {
        let owned = |name| self.header(name).map(str::to_owned);
        TraceContext { parent: owned("traceparent"), state: owned("tracestate") }
    }
}

impl Shared {
    pub(crate) fn caller(&self, incoming: &Incoming) -> Caller {
        self.keys.caller(incoming.parameter("code"), incoming.header("x-functions-key"))
    }
}

/// `POST /admin/functions/{name}`: 202 before anything has run; what became of it is in the log.
async fn manual_run(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let Some(incoming) = Incoming::read(request).await else { return status(StatusCode::PAYLOAD_TOO_LARGE) };
    match shared.caller(&incoming) {
        Caller::Master => {}
        Caller::Nobody => return unauthorized(),
        Caller::Function | Caller::System => return status(StatusCode::FORBIDDEN),
    }
    let is_json = incoming.header("content-type").is_some_and(|value| value.contains("json"));
    if incoming.method != http::Method::POST || !is_json || incoming.body.is_empty() {
        return status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let name = incoming.path.rsplit('/').next().unwrap_or_default().to_owned();
    if !shared.app.functions.contains_key(&name) {
        return status(StatusCode::NOT_FOUND);
    }
    let body = std::str::from_utf8(&incoming.body).ok().and_then(|text| Value::parse(text).ok());
    let input = match body.as_ref().map(|body| body.get("input")) {
        Some(None | Some(Value::Null)) => String::new(),
        Some(Some(Value::Text(input))) => input.clone(),
        Some(Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) | None => {
            return status(StatusCode::BAD_REQUEST);
        }
    };
    tokio::spawn(async move { run_manually(&shared, name, &input).await });
    status(StatusCode::ACCEPTED)
}

async fn run_manually(shared: &Shared, name: String, input: &str) {
    match manual_body(shared, &name, input) {
        Ok(body) => {
            let call = Call { function: name, reason: HOST_API, body, trace: TraceContext::default() };
            // The outcome is in the log.
            let _ = shared.call(call).await;
        }
        Err(why) => {
            let message = format!(
                "Executed 'Functions.{name}' (Failed)\nException while executing function: Functions.{name}: {why}"
            );
            shared.log.fail(&format!("Function.{name}"), message);
        }
    }
}

/// Only an Event Grid function with cardinality one, and a timer, can be run by hand; the rest fail to bind.
fn manual_body(shared: &Shared, name: &str, input: &str) -> Result<Value, String> {
    let function = shared.app.functions.get(name).ok_or("no such function")?;
    let sys = envelope::sys(name, super::wall_clock());
    match &function.trigger {
        Trigger::EventGrid(super::app::Cardinality::One) => {
            let parsed = Value::parse(input).map_err(|error| error.to_string())?;
            if parsed.members().is_none() {
                return Err("unable to parse the input as an object".to_owned());
            }
            // The host parses here by itself, so the extension's version does not matter.
            let parsed = parsed.map_texts(&dates::respell);
            Ok(envelope::manual_event(&function.binding, &parsed, input, sys))
        }
        Trigger::EventGrid(super::app::Cardinality::Many) => Err("unable to bind a list".to_owned()),
        Trigger::Timer(timer) => {
            Ok(envelope::timer(&function.binding, timer.schedule.adjusts_for_dst(), None, sys))
        }
        Trigger::Queue(_) => Err("this stand-in runs no queue function by hand".to_owned()),
        Trigger::Http(_) => Err("unable to bind a request".to_owned()),
    }
}

impl EventDates {
    pub(crate) fn apply(self, value: Value) -> Value {
        match self {
            EventDates::Respelled => value.map_texts(&dates::respell),
            EventDates::Verbatim => value,
        }
    }
}

/// 503 to everything while the host is in its error state.
async fn available(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: axum::middleware::Next,
) -> Response {
    match shared.fault {
        Some(_) => status(StatusCode::SERVICE_UNAVAILABLE),
        None => next.run(request).await,
    }
}

async fn kestrel(State(shared): State<Arc<Shared>>, mut response: Response) -> Response {
    if shared.telemetry == Telemetry::ApplicationInsights {
        response.headers_mut().insert("Request-Context", HeaderValue::from_static("appId="));
    }
    response.headers_mut().insert(http::header::SERVER, HeaderValue::from_static("Kestrel"));
    response
}

/// An answer without a body.
pub(crate) fn status(code: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = code;
    response
}

/// 401 with the challenge that the webhook and the admin interface send.
pub(crate) fn unauthorized() -> Response {
    let mut response = status(StatusCode::UNAUTHORIZED);
    response.headers_mut().insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// An answer with a length.
pub(crate) fn plain(code: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = code;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, text);
    response
}

/// An HTTP function's answer: chunked unless empty. A header the handler may not set (not HTTP) makes it a 500.
pub(crate) fn from_function(answer: HttpAnswer) -> Response {
    let body = if answer.body.is_empty() {
        Body::empty()
    } else {
        Body::from_stream(futures::stream::once(async move { Ok::<_, std::io::Error>(answer.body) }))
    };
    let mut builder = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        builder = builder.header(name, value);
    }
    builder.body(body).unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
}

/// Splits a query into decoded names and values, in order.
pub(crate) fn form_decode(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(name), percent_decode(value))
        })
        .collect()
}

/// Decodes `%41` and `+`; what is not an escape stays.
pub(crate) fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let escape = after.split_at_checked(2).filter(|_| *byte == b'%');
        let decoded = escape.and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        let plain = if *byte == b'+' { b' ' } else { *byte };
        let (byte, after) = decoded.unwrap_or((plain, after));
        out.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&out).into_owned()
}
