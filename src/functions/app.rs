//! The work behind the functions: the guard's, in the words of the Functions protocol.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::StatusCode;
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument as _;

use super::envelope::{HttpRequest, RawEvent};
use super::invocation::{HttpOutput, Invocations, Outcome};
use super::permission::{self, Announced};
use super::server::WORK_MAX;
use crate::azure::{AccessTokens, TokenFault};
use crate::case::Explanation;
use crate::config::{EVALUATE_SETTING, Evaluate};
use crate::domain::event::{Ignored, parse};
use crate::domain::{ClusterId, ClusterKey, Parsed, StopEvent, SubscriptionId};
use crate::guard::{Guard, GuardError, Intake};
use crate::policy::Explained;

/// Clusters of one delivery whose stops are made durable at the same time. Each takes a look and some store calls, so a
/// batch of 5,000 fits into the budget only if the store is fast; the rest of it comes again.
const PARALLEL_CLUSTERS: usize = 32;

/// Clusters that are worked on at the same time by all deliveries together, the work after the answer included: bounds
/// the memory that a flood of stops takes (docs/PERFORMANCE.md). What finds no place comes again.
pub const PARALLEL_WORK_MAX: usize = 64;

/// How long an answer waits for the work to end once all is durable, so that whoever calls by hand sees in one place what
/// came of it. The work is not cut short by it.
const WORK_GRACE: Duration = Duration::from_secs(3);

/// From when on an answer that could be given is not held back any more: half of the 20 s that an invocation has.
const GRACE_UNTIL: Duration = Duration::from_secs(10);

/// With more clusters than this under way no answer is held back: each holds one of the places of the deliveries
/// ([`super::server::PARALLEL_INVOCATIONS_MAX`]), and others wait for those.
const GRACE_WORK_MAX: usize = 32;

/// Different reasons that one delivery's ignored events are told with: they repeat words of the events, which are
/// somebody else's.
const REASONS_MAX: usize = 50;

/// The guard as the functions of the app.
pub struct App {
    guard: Guard,
    evaluate: Evaluate,
    /// Checks the tokens of those who announce something; `None` if that is off.
    tokens: Option<AccessTokens>,
    places: Arc<Semaphore>,
}

/// A delivery, sorted.
#[derive(Default)]
struct Sorted {
    stops: HashMap<ClusterKey, (ClusterId, Vec<StopEvent>)>,
    /// Why others are not taken in, and how many.
    ignored: BTreeMap<String, usize>,
}

/// A cluster whose stops can't be lost any more, and the work that goes on.
struct Durable {
    summary: String,
    work: JoinHandle<Result<(), String>>,
}

impl Sorted {
    fn ignore(&mut self, why: &Ignored, count: usize) {
        let mut why = why.to_string();
        if self.ignored.len() >= REASONS_MAX && !self.ignored.contains_key(&why) {
            why = "other reasons".to_owned();
        }
        *self.ignored.entry(why).or_default() += count;
    }

    /// The subscriptions of its stops.
    fn subscriptions(&self) -> BTreeSet<SubscriptionId> {
        self.stops.values().map(|(cluster, _)| cluster.subscription().clone()).collect()
    }

    /// Takes out the stops in a subscription. Says how many there were.
    fn take_out(&mut self, subscription: &SubscriptionId) -> usize {
        let out = self.stops.extract_if(|_, (cluster, _)| cluster.subscription() == subscription);
        out.map(|(_, (_, events))| events.len()).sum()
    }
}

impl App {
    /// The functions over a guard. Without a way to check tokens, nobody can announce anything.
    pub fn new(guard: Guard, tokens: Option<AccessTokens>) -> Self {
        let places = Arc::new(Semaphore::new(PARALLEL_WORK_MAX));
        Self { guard, evaluate: Evaluate::default(), tokens, places }
    }

    /// The same, whose `Evaluate` tells so much.
    #[must_use]
    pub fn telling(self, evaluate: Evaluate) -> Self {
        Self { evaluate, ..self }
    }

    /// The guard that does the work.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Whether so much is under way that an answer must not wait for what is not needed for it.
    fn is_busy(&self) -> bool {
        PARALLEL_WORK_MAX - self.places.available_permits() > GRACE_WORK_MAX
    }

    /// Says aloud what is broken, one line for each fault.
    fn degraded(&self) -> Vec<String> {
        let faults = self.guard.faults();
        for fault in &faults {
            tracing::error!(fault, "degraded: nothing is decided or started until this is mended");
        }
        faults.iter().map(|fault| format!("degraded: {fault}")).collect()
    }

    /// Makes the stops of one cluster durable; the work on it goes on after that. A panic is this cluster's alone.
    async fn take_in(&self, cluster: ClusterId, events: Vec<StopEvent>) -> Result<Durable, String> {
        let name = cluster.name().to_owned();
        // The semaphore is never closed, so there is always a permit in the end.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (told, durable) = oneshot::channel();
        let guard = self.guard.clone();
        let work = async move {
            let _place = place;
            // Its state has 23 KB: on the heap it is not copied with each wrapping.
            let taken_in = Box::pin(guard.take_in(cluster, events, told));
            let done = match timeout(WORK_MAX, taken_in).await {
                Ok(done) => done.map_err(|error| error.to_string()),
                Err(_) => Err("the work never ended".to_owned()),
            };
            if let Err(error) = &done {
                tracing::warn!(error, "the work on a cluster ended early");
            }
            done
        };
        let work = tokio::spawn(work.in_current_span());
        match durable.await {
            Ok(Intake { summary, .. }) => Ok(Durable { summary, work }),
            Err(_) => {
                let reason = ended(work).await.err();
                Err(format!(
                    "{name}: {}",
                    reason.unwrap_or_else(|| "nobody said that it is durable".to_owned())
                ))
            }
        }
    }

    /// Leaves the stops in guarded subscriptions. Returns why it could not be told of others whether they are guarded.
    async fn keep_guarded(&self, sorted: &mut Sorted) -> Vec<String> {
        let mut unclear = Vec::new();
        for subscription in sorted.subscriptions() {
            match self.guard.is_guarded(&subscription).await {
                Ok(true) => {}
                Ok(false) => {
                    let count = sorted.take_out(&subscription);
                    sorted.ignore(&Ignored::NotGuarded(subscription), count);
                }
                Err(unknown) => {
                    sorted.take_out(&subscription);
                    let why = unknown.to_string();
                    if !unclear.contains(&why) {
                        unclear.push(why);
                    }
                }
            }
        }
        unclear
    }

    async fn take_all(&self, sorted: Sorted, began: Instant) -> Outcome {
        let mut logs = self.degraded();
        logs.extend(sorted.ignored.iter().map(|(why, count)| ignored_line(why, *count)));
        let taken: Vec<Result<Durable, String>> = stream::iter(sorted.stops.into_values())
            .map(|(cluster, events)| self.take_in(cluster, events))
            .buffer_unordered(PARALLEL_CLUSTERS)
            .collect()
            .await;
        let (durable, lost): (Vec<_>, Vec<_>) = taken.into_iter().partition(Result::is_ok);
        let lost: Vec<String> = lost.into_iter().filter_map(Result::err).collect();
        let until =
            if self.is_busy() { began } else { (Instant::now() + WORK_GRACE).min(began + GRACE_UNTIL) };
        for Durable { summary, work } in durable.into_iter().filter_map(Result::ok) {
            logs.push(summary);
            if lost.is_empty()
                && let Ok(Err(error)) = timeout_at(until, ended(work)).await
            {
                logs.push(format!("the sweep will go on with it: {error}"));
            }
        }
        if lost.is_empty() {
            return Outcome::done(logs);
        }
        let mut outcome = Outcome::redeliver(format!("not durable: {}", lost.join("; ")));
        outcome.logs.extend(logs);
        outcome
    }
}

/// How a piece of work ended, a panic included: that one is logged where it happens.
async fn ended(work: JoinHandle<Result<(), String>>) -> Result<(), String> {
    work.await.unwrap_or_else(|_| Err("the work on it panicked".to_owned()))
}

/// Sorts events by cluster, whoever guards it, and what is none by reason.
fn sort(events: &[RawEvent]) -> Sorted {
    let mut sorted = Sorted::default();
    for event in events {
        match parse(event.as_str(), &|_| true) {
            Parsed::Stop(stop) => {
                let entry = sorted.stops.entry(stop.cluster.key());
                entry.or_insert_with(|| (stop.cluster.clone(), Vec::new())).1.push(*stop);
            }
            Parsed::Ignored(why) => sorted.ignore(&why, 1),
        }
    }
    sorted
}

fn ignored_line(why: &str, count: usize) -> String {
    if count == 1 { format!("ignored: {why}") } else { format!("ignored {count} times: {why}") }
}

#[async_trait]
impl Invocations for App {
    async fn stop_events(&self, events: Vec<RawEvent>) -> Outcome {
        let began = Instant::now();
        let mut sorted = sort(&events);
        drop(events);
        let unclear = self.keep_guarded(&mut sorted).await;
        for (why, count) in &sorted.ignored {
            tracing::warn!(why, count, "ignored events");
        }
        let outcome = self.take_all(sorted, began).await;
        if unclear.is_empty() {
            return outcome;
        }
        // Which of these stops are the guard's can't be told: they come again. What is no stop need not.
        let mut again = Outcome::redeliver(unclear.join("; "));
        again.logs.extend(outcome.logs);
        again
    }

    async fn sweep(&self) -> Outcome {
        // In a task of its own: a sweep that is cut off would leave the cases it was at under suspicion (rule 26).
        let guard = self.guard.clone();
        let swept = match tokio::spawn(async move { guard.sweep().await }).await {
            Ok(swept) => swept,
            Err(_) => return Outcome::redeliver("the sweep panicked"),
        };
        match swept {
            Ok(swept) => {
                let mut logs: Vec<String> =
                    self.guard.faults().iter().map(|fault| format!("degraded: {fault}")).collect();
                logs.push(format!(
                    "open cases: {}, due: {}, failed: {}",
                    swept.open,
                    swept.due,
                    swept.failed.len()
                ));
                for failure in &swept.failed {
                    tracing::warn!(failure, "a case could not be worked on; the next sweep tries again");
                }
                logs.extend(swept.failed);
                Outcome::done(logs)
            }
            Err(error) => Outcome::redeliver(format!("the sweep failed: {error}")),
        }
    }

    async fn evaluate(&self, request: &HttpRequest) -> HttpOutput {
        if self.evaluate == Evaluate::Off {
            return HttpOutput::error(StatusCode::FORBIDDEN, &format!("it is off: see {EVALUATE_SETTING}"));
        }
        let Some(body) = request.body.as_deref() else {
            return HttpOutput::error(
                StatusCode::BAD_REQUEST,
                "there is no body: send an event, with its Content-Length",
            );
        };
        let event = match parse(body, &|_| true) {
            Parsed::Stop(event) => event,
            Parsed::Ignored(why) => return HttpOutput::error(status_of(&why), &why.to_string()),
        };
        let subscription = event.cluster.subscription();
        match self.guard.is_guarded(subscription).await {
            Ok(true) => {}
            Ok(false) => {
                let why = Ignored::NotGuarded(subscription.clone());
                return HttpOutput::error(status_of(&why), &why.to_string());
            }
            Err(unknown) => return refused(&unknown),
        }
        let told = match self.guard.evaluate_questions(&event).await {
            Ok((explanation, questions)) => match self.evaluate {
                Evaluate::Off | Evaluate::Verdict => Ok(verdict(&event, &explanation)),
                Evaluate::Explain => explained(&event, &explanation, &questions),
            },
            Err(error) => return refused(&error),
        };
        match told {
            Ok(body) => HttpOutput { status: StatusCode::OK, body },
            Err(_) => {
                HttpOutput::error(StatusCode::INTERNAL_SERVER_ERROR, "the decision can't be written as JSON")
            }
        }
    }

    async fn announce(&self, what: Announced, request: &HttpRequest) -> HttpOutput {
        let Some(tokens) = &self.tokens else { return permission::off() };
        let checked = match &request.bearer {
            Some(bearer) => tokens.verify(bearer).await,
            None => Err(TokenFault::Refused("there is none: send one as `Authorization: Bearer`")),
        };
        let sender = match checked {
            Ok(sender) => sender,
            Err(fault) => {
                tracing::warn!(?what, %fault, "refused an announcement");
                return permission::unauthorised(&fault);
            }
        };
        let output = match what {
            Announced::Grant => match permission::grant_request(request, &sender) {
                Ok(request) => permission::granted(self.guard.grant(&sender, request).await),
                Err(bad) => bad,
            },
            Announced::Hold => match permission::hold_request(request, &sender) {
                Ok(request) => permission::held(self.guard.hold(&sender, request).await),
                Err(bad) => bad,
            },
        };
        tracing::info!(?what, sender = sender.identity(), status = output.status.as_u16(), "an announcement");
        output
    }
}

/// The verdict, and what determined it: no facts, no reasons.
fn verdict(event: &StopEvent, explanation: &Explanation) -> Value {
    let verdict = explanation.verdict.as_ref();
    json!({
        "cluster": event.cluster.to_string(),
        "authorised": verdict.map(|verdict| verdict.authorised),
        "policies": verdict.map(|verdict| verdict.policies.as_slice()).unwrap_or_default(),
    })
}

/// The decision with what it is about and why: what `policy explain -o json` prints.
fn explained(
    event: &StopEvent,
    explanation: &Explanation,
    questions: &[Explained],
) -> Result<Value, serde_json::Error> {
    Ok(json!({
        "cluster": event.cluster.to_string(),
        "caller": event.caller.label(),
        "callerId": event.caller.identity(),
        "callerKind": event.caller.kind.as_str(),
        "decision": serde_json::to_value(explanation)?,
        "questions": serde_json::to_value(questions)?,
    }))
}

fn status_of(why: &Ignored) -> StatusCode {
    match why {
        Ignored::NotGuarded(_) => StatusCode::FORBIDDEN,
        Ignored::Empty
        | Ignored::NotAnEvent { .. }
        | Ignored::OtherEventType { .. }
        | Ignored::OtherOperation { .. }
        | Ignored::OtherResource(_)
        | Ignored::OtherKind { .. }
        | Ignored::BadResourceId(_) => StatusCode::BAD_REQUEST,
    }
}

fn refused(error: &GuardError) -> HttpOutput {
    let status = match error {
        GuardError::Store(_)
        | GuardError::Contended(_)
        | GuardError::Settings(_)
        | GuardError::Members(_) => StatusCode::SERVICE_UNAVAILABLE,
        GuardError::Record { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    };
    HttpOutput::error(status, &error.to_string())
}

#[cfg(test)]
mod tests;
