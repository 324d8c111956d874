//! The Event Grid webhook of the host. Handshakes end here; the handler never sees one.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use futures::future::join_all;
use http::{HeaderValue, Method, StatusCode};

use super::app::{Cardinality, Function, Trigger};
use super::frontend::{Incoming, plain, status, unauthorized};
use super::invocation::Call;
use super::json::Value;
use super::keys::Caller;
use super::trace::TraceContext;
use super::{Shared, envelope};

/// The only origin the host allows, whatever origin asks.
const ORIGIN: &str = "eventgrid.azure.net";

pub(crate) async fn event_grid(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let Some(incoming) = Incoming::read(request).await else { return status(StatusCode::PAYLOAD_TOO_LARGE) };
    match shared.caller(&incoming) {
        Caller::System | Caller::Master => {}
        Caller::Function => return status(StatusCode::FORBIDDEN),
        Caller::Nobody => return unauthorized(),
    }
    let name = incoming.parameter("functionName").unwrap_or_default().to_owned();
    if incoming.method == Method::GET {
        return status(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let function = shared.app.functions.get(&name).filter(|function| !function.disabled);
    let Some((function, cardinality)) = function.and_then(event_trigger) else {
        return plain(StatusCode::NOT_FOUND, format!("cannot find function: '{name}'"));
    };
    if incoming.method == Method::OPTIONS {
        let mut response = status(StatusCode::OK);
        response.headers_mut().insert("Webhook-Allowed-Origin", HeaderValue::from_static(ORIGIN));
        return response;
    }
    match incoming.header("aeg-event-type") {
        Some("SubscriptionValidation") => validate(&incoming.body),
        Some("Notification") => {
            let bodies = match bodies(&shared, &name, function, cardinality, &incoming.body) {
                Some(bodies) => bodies,
                None => return status(StatusCode::INTERNAL_SERVER_ERROR),
            };
            let trace = incoming.trace();
            notify(&shared, &name, bodies, trace).await
        }
        Some("Unsubscribe") => status(StatusCode::ACCEPTED),
        Some(_) | None => status(StatusCode::BAD_REQUEST),
    }
}

fn event_trigger(function: &Function) -> Option<(&Function, Cardinality)> {
    match &function.trigger {
        Trigger::EventGrid(cardinality) => Some((function, *cardinality)),
        Trigger::Queue(_) | Trigger::Timer(_) | Trigger::Http(_) => None,
    }
}

/// The events of a delivery: a list, or a lone object. `None` when the body is neither.
fn events(body: &[u8]) -> Option<Vec<Value>> {
    let events = match Value::parse(std::str::from_utf8(body).ok()?).ok()? {
        Value::Array(events) => events,
        object @ Value::Object(_) => vec![object],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => return None,
    };
    events.iter().all(|event| event.members().is_some()).then_some(events)
}

/// Echoes the validation code; `data` may be an object or its text.
fn validate(body: &[u8]) -> Response {
    let code = events(body).and_then(|events| {
        let data = events.into_iter().next()?.get("data")?.clone();
        let data = match data {
            Value::Text(text) => Value::parse(&text).ok()?,
            other
            @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => other,
        };
        data.get("validationCode").cloned()
    });
    match code {
        Some(code) => {
            let answer = envelope::object([("validationResponse", code)]);
            plain(StatusCode::OK, answer.compact())
        }
        None => status(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// The invocations' bodies for a delivery: one an event, or one for all.
fn bodies(
    shared: &Shared,
    name: &str,
    function: &Function,
    cardinality: Cardinality,
    body: &[u8],
) -> Option<Vec<Value>> {
    let events: Vec<Value> = events(body)?.into_iter().map(|event| shared.event_dates.apply(event)).collect();
    let sys = || envelope::sys(name, super::wall_clock());
    Some(match cardinality {
        _ if events.is_empty() => Vec::new(),
        Cardinality::Many => vec![envelope::events(&function.binding, &events, sys())],
        Cardinality::One => {
            events.iter().map(|event| envelope::event(&function.binding, event, sys())).collect()
        }
    })
}

/// All events at once; one failure fails the delivery, and Event Grid sends all of it again.
async fn notify(shared: &Arc<Shared>, name: &str, bodies: Vec<Value>, trace: TraceContext) -> Response {
    let calls = bodies.into_iter().map(|body| {
        let (shared, trace, function) = (Arc::clone(shared), trace.clone(), name.to_owned());
        let call = Call { function, reason: "EventGrid trigger fired", body, trace };
        // In a task of its own: a caller that goes away does not end the call.
        tokio::spawn(async move { shared.call(call).await.map_err(|error| error.to_string()) })
    });
    let results = join_all(calls).await;
    let failed = results.into_iter().find_map(|result| match result {
        Ok(Ok(_)) => None,
        Ok(Err(message)) => Some(message),
        Err(_) => Some("the host is shutting down".to_owned()),
    });
    match failed {
        None => status(StatusCode::ACCEPTED),
        Some(message) => plain(StatusCode::INTERNAL_SERVER_ERROR, message),
    }
}
