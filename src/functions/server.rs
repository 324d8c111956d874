//! The routes, and the limits around each invocation: how many at once, how long until the answer, how long at all.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{Instrument, Span};

use super::body::{Fault, Reader, Received};
use super::envelope::{self, Unreadable};
use super::invocation::{HttpOutput, Invocations, Outcome};
use super::permission::Announced;
use super::{answer, body};

/// Until when an invocation is answered, whatever it waits for. Event Grid gives 30 s (learn.microsoft.com,
/// event-grid/delivery-and-retry); the rest is for the host and the way back.
pub const INVOCATION_BUDGET: Duration = Duration::from_secs(20);

/// How long the work of an invocation may go on after all, answered or not. Bounds how long work that is stuck keeps
/// its place; what it dropped is taken up again by the sweep or a redelivery.
pub const WORK_MAX: Duration = Duration::from_secs(120);

/// Deliveries of events that are worked on at once. Each is a few requests to ARM and the store; the others wait.
pub const PARALLEL_INVOCATIONS_MAX: usize = 64;

/// A second sweep beside the first would only do the same again.
pub const PARALLEL_SWEEPS_MAX: usize = 1;

/// Questions of operators have places of their own: they can't keep a stop event waiting.
pub const PARALLEL_EVALUATIONS_MAX: usize = 8;

/// Grants and holds have places of their own, too: a red button must not wait for questions.
pub(super) const PARALLEL_ANNOUNCEMENTS_MAX: usize = 8;

/// Longest invocation id that is logged. The host sends a UUID of 36 characters.
const INVOCATION_ID_BYTES_MAX: usize = 64;

/// Longest trace parent that is logged: version 00 has 55 characters (W3C Trace Context, section 3.2.2).
const TRACEPARENT_BYTES_MAX: usize = 55;

/// The routes of the custom handler. `GET /` takes part in no limit: it is answered as long as the process lives.
pub(super) fn router<I: Invocations>(invocations: Arc<I>) -> Router {
    Router::new()
        .route("/", get(ready::<I>))
        .route("/StopActionHandler", post(stop_action::<I>))
        .route("/StopActionQueue", post(stop_action_queued::<I>))
        .route("/Sweep", post(sweep::<I>))
        .route("/Evaluate", post(evaluate::<I>))
        .route("/Grant", post(grant::<I>))
        .route("/Hold", post(hold::<I>))
        .fallback(async || answer::failed(StatusCode::NOT_FOUND, "there is no such function"))
        .method_not_allowed_fallback(async || {
            answer::failed(StatusCode::METHOD_NOT_ALLOWED, "there is no such method")
        })
        .with_state(Arc::new(Server::new(invocations)))
}

async fn ready<I: Invocations>(State(server): State<Arc<Server<I>>>) -> Response {
    server.invocations.host_asks();
    answer::ready()
}

async fn stop_action<I: Invocations>(State(server): State<Arc<Server<I>>>, request: Request) -> Response {
    server.answer(Function::StopActionHandler, request).await
}

async fn stop_action_queued<I: Invocations>(
    State(server): State<Arc<Server<I>>>,
    request: Request,
) -> Response {
    server.answer(Function::StopActionQueue, request).await
}

async fn sweep<I: Invocations>(State(server): State<Arc<Server<I>>>, request: Request) -> Response {
    server.answer(Function::Sweep, request).await
}

async fn evaluate<I: Invocations>(State(server): State<Arc<Server<I>>>, request: Request) -> Response {
    server.answer(Function::Evaluate, request).await
}

async fn grant<I: Invocations>(State(server): State<Arc<Server<I>>>, request: Request) -> Response {
    server.answer(Function::Grant, request).await
}

async fn hold<I: Invocations>(State(server): State<Arc<Server<I>>>, request: Request) -> Response {
    server.answer(Function::Hold, request).await
}

/// The functions of the app; each has a folder with its function.json.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    StopActionHandler,
    StopActionQueue,
    Sweep,
    Evaluate,
    Grant,
    Hold,
}

struct Server<I> {
    invocations: Arc<I>,
    bodies: Reader,
    stops: Arc<Semaphore>,
    sweeps: Arc<Semaphore>,
    evaluations: Arc<Semaphore>,
    announcements: Arc<Semaphore>,
}

impl<I: Invocations> Server<I> {
    fn new(invocations: Arc<I>) -> Self {
        Self {
            invocations,
            bodies: Reader::new(),
            stops: Arc::new(Semaphore::new(PARALLEL_INVOCATIONS_MAX)),
            sweeps: Arc::new(Semaphore::new(PARALLEL_SWEEPS_MAX)),
            evaluations: Arc::new(Semaphore::new(PARALLEL_EVALUATIONS_MAX)),
            announcements: Arc::new(Semaphore::new(PARALLEL_ANNOUNCEMENTS_MAX)),
        }
    }

    /// Answers within the budget, which begins now: waiting for a place and for the body counts.
    async fn answer(&self, function: Function, request: Request) -> Response {
        let deadline = Instant::now() + INVOCATION_BUDGET;
        let span = span_of(function, request.headers());
        let body = request.into_body();
        async {
            match timeout_at(deadline, self.admit(function, body)).await {
                Ok(Ok(admitted)) => self.run(function, admitted, deadline).await,
                Ok(Err(fault)) => unread(function, fault),
                Err(_) => {
                    failed(StatusCode::SERVICE_UNAVAILABLE, "no free place, or no body, within the budget")
                }
            }
        }
        .instrument(span)
        .await
    }

    /// A place among the parallel invocations first and the body then: those that wait hold no memory for theirs.
    async fn admit(&self, function: Function, body: Body) -> Result<Admitted, Fault> {
        let places = match function {
            Function::StopActionHandler | Function::StopActionQueue => &self.stops,
            Function::Sweep => &self.sweeps,
            Function::Evaluate => &self.evaluations,
            Function::Grant | Function::Hold => &self.announcements,
        };
        // The semaphores are never closed, so there is always a permit in the end.
        let place = Arc::clone(places).acquire_owned().await.ok();
        let received = self.bodies.read(body).await?;
        Ok(Admitted { place, received })
    }

    /// Runs the work in a task of its own, which neither the end of the budget nor that of the connection drops, and
    /// whose panic ends nothing else.
    async fn run(&self, function: Function, admitted: Admitted, deadline: Instant) -> Response {
        let Admitted { place, received } = admitted;
        let work = work(Arc::clone(&self.invocations), function, received);
        let task = async move {
            let _place = place;
            let response = timeout(WORK_MAX, work).await;
            if Instant::now() > deadline {
                tracing::warn!(finished = response.is_ok(), "the work ended after its answer was due");
            }
            response.unwrap_or_else(|_| failed(StatusCode::SERVICE_UNAVAILABLE, "the work never ended"))
        };
        match timeout_at(deadline, tokio::spawn(task.in_current_span())).await {
            Ok(Ok(response)) => response,
            Ok(Err(_panicked)) => failed(StatusCode::INTERNAL_SERVER_ERROR, "the invocation panicked"),
            Err(_) => {
                failed(StatusCode::SERVICE_UNAVAILABLE, "not durable yet: no outcome within the budget")
            }
        }
    }
}

/// An invocation that may begin.
struct Admitted {
    place: Option<OwnedSemaphorePermit>,
    received: Received,
}

async fn work<I: Invocations>(invocations: Arc<I>, function: Function, received: Received) -> Response {
    match function {
        Function::StopActionHandler | Function::StopActionQueue => {
            let events = match function {
                Function::StopActionQueue => envelope::queued_events(&received.bytes),
                _ => envelope::events(&received.bytes),
            };
            drop(received);
            match events {
                Ok(events) if events.is_empty() => answer::outcome(refused("the delivery holds no events")),
                Ok(events) => answer::outcome(invocations.stop_events(events).await),
                Err(unreadable) => answer::outcome(refused(&unreadable.to_string())),
            }
        }
        Function::Sweep => {
            // What the timer says of its schedule is of no use: what is due is known from the cases.
            drop(received);
            answer::outcome(invocations.sweep().await)
        }
        Function::Evaluate | Function::Grant | Function::Hold => {
            let request = envelope::http_request(&received.bytes);
            drop(received);
            let request = match request {
                Ok(request) => request,
                Err(unreadable) => return not_a_request(&unreadable),
            };
            let output = match function {
                Function::Grant => invocations.announce(Announced::Grant, &request).await,
                Function::Hold => invocations.announce(Announced::Hold, &request).await,
                _ => invocations.evaluate(&request).await,
            };
            answer::evaluated(&output)
        }
    }
}

/// There is no body to work on. One that is too long is as long when it comes again, so it is acknowledged; one that broke
/// off may be whole then.
fn unread(function: Function, fault: Fault) -> Response {
    match (fault, function) {
        (Fault::BrokenOff, _) => failed(StatusCode::SERVICE_UNAVAILABLE, &fault.to_string()),
        (Fault::TooLong, Function::StopActionHandler | Function::StopActionQueue | Function::Sweep) => {
            tracing::error!(limit = body::BODY_BYTES_MAX, "refused a body that is too long");
            answer::outcome(Outcome::done([fault.to_string()]))
        }
        (Fault::TooLong, Function::Evaluate | Function::Grant | Function::Hold) => {
            answer::evaluated(&HttpOutput::error(StatusCode::PAYLOAD_TOO_LARGE, &fault.to_string()))
        }
    }
}

/// What would be no better if it came again: acknowledged, and said aloud.
fn refused(reason: &str) -> Outcome {
    tracing::warn!(reason, "refused a delivery");
    Outcome::done([format!("refused: {reason}")])
}

fn not_a_request(unreadable: &Unreadable) -> Response {
    tracing::warn!(reason = %unreadable, "refused a request");
    answer::evaluated(&HttpOutput::error(StatusCode::BAD_REQUEST, &unreadable.to_string()))
}

/// A failed invocation, which the host reports without its reason: so it is logged here.
fn failed(status: StatusCode, reason: &str) -> Response {
    tracing::error!(reason, status = status.as_u16(), "an invocation failed");
    answer::failed(status, reason)
}

/// The span of an invocation. It is made at the level of errors so that no setting of the level takes the ids away.
fn span_of(function: Function, headers: &HeaderMap) -> Span {
    tracing::error_span!(
        "invocation",
        ?function,
        invocation_id = identifier(headers, "x-azure-functions-invocationid", INVOCATION_ID_BYTES_MAX),
        traceparent = identifier(headers, "traceparent", TRACEPARENT_BYTES_MAX),
    )
}

/// A header that is an identifier of letters, digits and dashes. Anything else is not one, and isn't repeated.
fn identifier<'a>(headers: &'a HeaderMap, name: &str, bytes_max: usize) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?;
    let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (plain && value.len() <= bytes_max).then_some(value)
}

#[cfg(test)]
mod tests;
