//! HTTP triggers in default mode: the request is told to the handler, and its `Outputs` become the answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use http::StatusCode;

use super::Shared;
use super::app::{AuthLevel, Route, Segment, Trigger};
use super::envelope::{self, encode, object};
use super::frontend::{HOST_API, Incoming, from_function, percent_decode, status};
use super::invocation::Call;
use super::json::{Value, set};
use super::keys::Caller;
use super::output::{HttpAnswer, http_answer};

/// Headers the web server knows: it writes them in this case and order, before all others.
const KNOWN_HEADERS: [&str; 10] = [
    "Accept",
    "Connection",
    "Host",
    "User-Agent",
    "Authorization",
    "Content-Type",
    "Transfer-Encoding",
    "traceparent",
    "tracestate",
    "Content-Length",
];
/// Claims of a key's holder are of this kind.
const CLAIM_PREFIX: &str = "http://schemas.microsoft.com/2017/07/functions/claims/";

pub(crate) async fn call(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let Some(incoming) = Incoming::read(request).await else { return status(StatusCode::PAYLOAD_TOO_LARGE) };
    let Some((name, level, parameters)) = find(&shared, &incoming) else {
        return status(StatusCode::NOT_FOUND);
    };
    let caller = shared.caller(&incoming);
    let allowed = match level {
        AuthLevel::Anonymous => true,
        AuthLevel::Function => matches!(caller, Caller::Function | Caller::Master),
        AuthLevel::Admin => caller == Caller::Master,
    };
    if !allowed {
        return status(StatusCode::UNAUTHORIZED);
    }
    let Some(function) = shared.app.functions.get(&name) else { return status(StatusCode::NOT_FOUND) };
    let output = function.http_output.clone();
    let body = body(&shared, &name, &function.binding, &incoming, &parameters, caller);
    let call = Call { function: name, reason: HOST_API, body, trace: incoming.trace() };
    // In a task of its own: a caller that goes away does not end the call.
    let result = tokio::spawn(async move { shared.call(call).await }).await;
    match result {
        Ok(Ok(answer)) => from_function(http_answer(&answer, output.as_deref())),
        Ok(Err(_)) | Err(_) => from_function(HttpAnswer::empty(500)),
    }
}

type Parameters = Vec<(String, String)>;

/// The function whose route and method fit. A method that is not declared is a 404.
fn find(shared: &Shared, incoming: &Incoming) -> Option<(String, AuthLevel, Parameters)> {
    let mut segments = incoming.path.split('/').filter(|segment| !segment.is_empty()).peekable();
    for prefix in shared.app.route_prefix.split('/').filter(|segment| !segment.is_empty()) {
        segments.next_if(|segment| segment.eq_ignore_ascii_case(prefix))?;
    }
    let path: Vec<&str> = segments.collect();
    shared.app.functions.iter().find_map(|(name, function)| match &function.trigger {
        Trigger::Http(route) if !function.disabled => {
            let parameters = fits(route, incoming.method.as_str(), &path)?;
            Some((name.clone(), route.level, parameters))
        }
        Trigger::Http(_) | Trigger::EventGrid(_) | Trigger::Queue(_) | Trigger::Timer(_) => None,
    })
}

fn fits(route: &Route, method: &str, path: &[&str]) -> Option<Parameters> {
    let method_fits = route.methods.is_empty() || route.methods.iter().any(|declared| declared == method);
    if !method_fits || route.segments.len() != path.len() {
        return None;
    }
    let mut parameters = Vec::new();
    for (segment, actual) in route.segments.iter().zip(path) {
        match segment {
            Segment::Literal(literal) => {
                literal.eq_ignore_ascii_case(actual).then_some(())?;
            }
            Segment::Parameter(name) => parameters.push((name.clone(), percent_decode(actual))),
        }
    }
    Some(parameters)
}

fn body(
    shared: &Shared,
    name: &str,
    binding: &str,
    incoming: &Incoming,
    parameters: &Parameters,
    caller: Caller,
) -> Value {
    let headers = headers(incoming);
    let lists = headers.iter().map(|(name, value)| (name.clone(), Value::Array(vec![Value::text(value)])));
    let texts = |pairs: &[(String, String)]| {
        Value::Object(pairs.iter().map(|(name, value)| (name.clone(), Value::text(value))).collect())
    };
    let query = incoming.raw_query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    let mut request = vec![
        ("Url".to_owned(), Value::text(format!("http://{}{}{query}", shared.address, incoming.path))),
        ("Method".to_owned(), Value::text(incoming.method.as_str())),
        ("Query".to_owned(), texts(&joined_query(incoming))),
        ("Headers".to_owned(), Value::Object(lists.collect())),
        ("Params".to_owned(), texts(parameters)),
        ("Identities".to_owned(), Value::Array(vec![identity(caller)])),
    ];
    if let Some(body) = body_text(incoming) {
        request.push(("Body".to_owned(), Value::Text(body)));
    }
    let mut metadata = body_members(incoming);
    let last = last_query(incoming);
    let visible = last.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("code"));
    for (name, value) in visible.chain(parameters) {
        set(&mut metadata, name, encode(Value::text(value)));
    }
    set(&mut metadata, "Query", texts(&last));
    set(&mut metadata, "Headers", texts(&headers));
    let sys = envelope::sys(name, super::wall_clock());
    envelope::envelope(binding, Value::Object(request), metadata, sys)
}

/// Repeated values joined by commas, as `Data` has them.
fn joined_query(incoming: &Incoming) -> Vec<(String, String)> {
    let mut joined: Vec<(String, String)> = Vec::new();
    for (name, value) in &incoming.query {
        match joined.iter_mut().find(|(key, _)| key == name) {
            Some((_, values)) => values.extend([",", value]),
            None => joined.push((name.clone(), value.clone())),
        }
    }
    joined
}

/// The last of repeated values, as `Metadata` has them.
fn last_query(incoming: &Incoming) -> Vec<(String, String)> {
    let mut last: Vec<(String, String)> = Vec::new();
    for (name, value) in &incoming.query {
        match last.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => old.clone_from(value),
            None => last.push((name.clone(), value.clone())),
        }
    }
    last
}

/// Known headers first, in the web server's spelling; all others as they came (this server sees them in lower case).
fn headers(incoming: &Incoming) -> Vec<(String, String)> {
    let known =
        KNOWN_HEADERS.iter().filter_map(|name| Some(((*name).to_owned(), incoming.header(name)?.to_owned())));
    let is_known = |name: &str| KNOWN_HEADERS.iter().any(|known| known.eq_ignore_ascii_case(name));
    let others = incoming.headers.iter().filter(|(name, _)| !is_known(name.as_str()));
    let others =
        others.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    known.chain(others).collect()
}

/// The body as text whatever its type, as base64 for binary types; absent when the request named no length.
fn body_text(incoming: &Incoming) -> Option<String> {
    incoming.header("content-length").filter(|_| !incoming.body.is_empty())?;
    let content_type = incoming.header("content-type").unwrap_or_default();
    if content_type.starts_with("application/octet-stream") || content_type.starts_with("multipart/") {
        return Some(base64::engine::general_purpose::STANDARD.encode(&incoming.body));
    }
    Some(String::from_utf8_lossy(&incoming.body).into_owned())
}

/// The members of a JSON body as the host adds them to the metadata.
fn body_members(incoming: &Incoming) -> Vec<(String, Value)> {
    let text = body_text(incoming).unwrap_or_default();
    let mut metadata = Vec::new();
    for (name, value) in envelope::binding_data(&text) {
        set(&mut metadata, &name, value);
    }
    metadata
}

/// The caller as .NET prints an identity: with claims when a key was given, without when not.
fn identity(caller: Caller) -> Value {
    let claims = match caller {
        Caller::Nobody => Vec::new(),
        Caller::Function => claims("Function", "default"),
        Caller::System => claims("System", "eventgrid_extension"),
        Caller::Master => claims("Admin", "master"),
    };
    let known = !claims.is_empty();
    object([
        ("AuthenticationType", if known { Value::text("WebJobsAuthLevel") } else { Value::Null }),
        ("IsAuthenticated", Value::Bool(known)),
        ("Actor", Value::Null),
        ("BootstrapContext", Value::Null),
        ("Claims", Value::Array(claims)),
        ("Label", Value::Null),
        ("Name", Value::Null),
        ("NameClaimType", Value::text("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name")),
        ("RoleClaimType", Value::text("http://schemas.microsoft.com/ws/2008/06/identity/claims/role")),
    ])
}

fn claims(level: &str, key: &str) -> Vec<Value> {
    let claim = |kind: &str, value: &str| {
        object([
            ("Issuer", Value::text("LOCAL AUTHORITY")),
            ("OriginalIssuer", Value::text("LOCAL AUTHORITY")),
            ("Properties", Value::Object(Vec::new())),
            ("Type", Value::text(format!("{CLAIM_PREFIX}{kind}"))),
            ("Value", Value::text(value)),
            ("ValueType", Value::text("http://www.w3.org/2001/XMLSchema#string")),
        ])
    };
    vec![claim("authlevel", level), claim("invoke", "true"), claim("keyid", key)]
}
