//! Event Grid's delivery to a webhook: at least once, in no promised order, again and again until it is taken.
//!
//! Retries, answer window, statuses and dead-lettering follow Microsoft's page "Event Grid message delivery and retry"
//! for webhooks. The real service adds a little chance to every wait; this one does not, so that tests repeat.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

/// Waits before the second and later attempts; the last one repeats.
const RETRY_SECONDS: [u64; 10] = [10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200];
/// Attempts kept for tests; a run that makes more has gone wrong long before.
const MAX_ATTEMPTS_KEPT: usize = 100_000;

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// Event Grid's own: always a list, even of one.
    EventGrid,
    /// CloudEvents 1.0, structured: one event is an object, a batch is a list.
    CloudEvents,
}

/// How many events a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batching {
    /// One, the service's default.
    Single,
    /// At most this many.
    UpTo(usize),
}

/// Whether events come more than once although they were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// Once each.
    None,
    /// This many times more, at the same time.
    Extra(usize),
}

/// In which order the events of one publication are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As published.
    Kept,
    /// The other way round.
    Reversed,
    /// Shuffled, always alike for the same seed.
    Shuffled(u64),
}

/// How long an event takes to its first attempt, in Azure's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delay {
    /// At once.
    None,
    /// This long.
    Fixed(Duration),
    /// Each event of a publication this much later than the one before it.
    Spread(Duration),
}

/// Where events go and how.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Its name, which Event Grid sends in upper case.
    pub name: String,
    /// The webhook, with its key.
    pub url: String,
    /// How events are written. The caller publishes them in this form.
    pub schema: Schema,
    /// Events a request.
    pub batching: Batching,
    /// Repeated deliveries.
    pub duplicates: Duplicates,
    /// Order of deliveries.
    pub order: Order,
    /// Lateness.
    pub delay: Delay,
    /// Attempts before an event is dead-lettered.
    pub max_attempts: u32,
    /// Age, in Azure's time, at which an event is dead-lettered.
    pub time_to_live: Duration,
    /// How long Event Grid waits for an answer. In real time: it is the webhook that is slow, not Azure.
    pub answer_window: Duration,
    /// Azure's time passes this many times as fast.
    pub speed_up: u32,
}

impl Subscription {
    /// A subscription as the portal makes it.
    #[must_use]
    pub fn new(url: impl Into<String>, schema: Schema) -> Subscription {
        Subscription {
            name: "aks-guard".to_owned(),
            url: url.into(),
            schema,
            batching: Batching::Single,
            duplicates: Duplicates::None,
            order: Order::Kept,
            delay: Delay::None,
            max_attempts: 30,
            time_to_live: Duration::from_secs(24 * 3_600),
            answer_window: Duration::from_secs(30),
            speed_up: 1,
        }
    }

    fn real(&self, azure: Duration) -> Duration {
        azure / self.speed_up.max(1)
    }
}

/// What became of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The webhook answered with this status.
    Status(u16),
    /// It answered too late or not at all.
    Late,
    /// The connection was refused or broke.
    Broken,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Ids of the events in it.
    pub events: Vec<String>,
    /// 1 for the first try.
    pub number: u32,
    /// What came back.
    pub answer: Answer,
}

/// Why an event is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The webhook refused it for good.
    Refused(u16),
    /// Too many attempts.
    MaxDeliveryAttemptsExceeded,
    /// Too old.
    TimeToLiveExceeded,
}

/// An event that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The event.
    pub event: Value,
    /// Why.
    pub reason: Reason,
    /// After how many attempts.
    pub attempts: u32,
}

/// What follows on an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Taken.
    Delivered,
    /// Try again after this long, in Azure's time.
    RetryAfter(Duration),
    /// Give up.
    DeadLetter(Reason),
}

/// Decides what follows on attempt `number` of an event that is `age` old (Azure's time).
#[must_use]
pub fn next(subscription: &Subscription, number: u32, answer: Answer, age: Duration) -> Next {
    let least = match answer {
        Answer::Status(200..=204) => return Next::Delivered,
        Answer::Status(status @ (400 | 401 | 403 | 413)) => return Next::DeadLetter(Reason::Refused(status)),
        Answer::Status(404) => Duration::from_secs(5 * 60),
        Answer::Status(408) => Duration::from_secs(2 * 60),
        Answer::Status(503) => Duration::from_secs(30),
        Answer::Status(_) | Answer::Late | Answer::Broken => Duration::ZERO,
    };
    if number >= subscription.max_attempts {
        return Next::DeadLetter(Reason::MaxDeliveryAttemptsExceeded);
    }
    let index = usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1).min(RETRY_SECONDS.len() - 1);
    let wait = RETRY_SECONDS.get(index).map_or(least, |seconds| Duration::from_secs(*seconds).max(least));
    if age + wait >= subscription.time_to_live {
        return Next::DeadLetter(Reason::TimeToLiveExceeded);
    }
    Next::RetryAfter(wait)
}

/// Why a webhook is not accepted as a destination.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The request failed.
    #[error("the webhook cannot be reached")]
    Unreachable,
    /// It answered, but not as a webhook that agrees to receive events.
    #[error("the webhook did not agree to receive events (status {0})")]
    NotAgreed(u16),
}

/// Event Grid with one subscription. Clones share it.
#[derive(Debug, Clone)]
pub struct EventGrid {
    subscription: Arc<Subscription>,
    client: reqwest::Client,
    record: Arc<Mutex<Record>>,
    under_way: Arc<watch::Sender<usize>>,
}

#[derive(Debug, Default)]
struct Record {
    attempts: Vec<Attempt>,
    dead_letters: Vec<DeadLetter>,
}

impl EventGrid {
    /// Event Grid for this subscription.
    ///
    /// # Errors
    /// When no HTTP client can be built.
    pub fn new(subscription: Subscription) -> Result<EventGrid, reqwest::Error> {
        // Webhooks here are on loopback, without TLS. But where this is built together with a crate that chose reqwest's
        // `rustls-no-provider`, no client can be built before there is a provider. Somebody else may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(subscription.answer_window)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(EventGrid {
            subscription: Arc::new(subscription),
            client,
            record: Arc::default(),
            under_way: Arc::new(watch::Sender::new(0)),
        })
    }

    /// Asks the webhook whether it wants events, as Event Grid does when a subscription is made.
    ///
    /// # Errors
    /// When it does not answer, or does not echo the code (Event Grid schema) or allow the origin (CloudEvents).
    pub async fn handshake(&self) -> Result<(), HandshakeError> {
        let code = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6";
        let request = match self.subscription.schema {
            Schema::EventGrid => {
                let event = json!([{"id": "validation", "topic": "", "subject": "", "eventTime": "2026-01-01T00:00:00Z",
                    "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "dataVersion": "1",
                    "metadataVersion": "1", "data": {"validationCode": code}}]);
                self.post(&event, "application/json; charset=utf-8", 1, "SubscriptionValidation")
            }
            Schema::CloudEvents => self
                .client
                .request(reqwest::Method::OPTIONS, &self.subscription.url)
                .header("WebHook-Request-Origin", "eventgrid.azure.net")
                .header("WebHook-Request-Rate", "120"),
        };
        let response = request.send().await.map_err(|_| HandshakeError::Unreachable)?;
        let status = response.status().as_u16();
        let agreed = match self.subscription.schema {
            Schema::CloudEvents => response
                .headers()
                .get("webhook-allowed-origin")
                .is_some_and(|origin| origin == "eventgrid.azure.net"),
            Schema::EventGrid => {
                let text = response.text().await.map_err(|_| HandshakeError::Unreachable)?;
                serde_json::from_str::<Value>(&text)
                    .is_ok_and(|body| body.get("validationResponse") == Some(&code.into()))
            }
        };
        if agreed && status == 200 { Ok(()) } else { Err(HandshakeError::NotAgreed(status)) }
    }

    /// Takes events and delivers them in the background.
    pub fn publish(&self, events: Vec<Value>) {
        for (index, batch) in batches(&self.subscription, events).into_iter().enumerate() {
            let steps = u32::try_from(index).unwrap_or(u32::MAX);
            let delay = match self.subscription.delay {
                Delay::None => Duration::ZERO,
                Delay::Fixed(delay) => delay,
                Delay::Spread(step) => step.saturating_mul(steps),
            };
            let (grid, delay) = (self.clone(), self.subscription.real(delay));
            self.under_way.send_modify(|count| *count += 1);
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                grid.deliver(batch).await;
                grid.under_way.send_modify(|count| *count -= 1);
            });
        }
    }

    /// Waits until every event published was taken or given up.
    pub async fn idle(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.under_way.subscribe().wait_for(|count| *count == 0).await;
    }

    /// The requests made so far, in the order of their ends.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).attempts.clone()
    }

    /// The events given up so far.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).dead_letters.clone()
    }

    async fn deliver(&self, batch: Vec<Value>) {
        let published = Instant::now();
        for number in 1.. {
            let answer = self.attempt(&batch, number).await;
            let age = published.elapsed().saturating_mul(self.subscription.speed_up.max(1));
            match next(&self.subscription, number, answer, age) {
                Next::Delivered => return,
                Next::RetryAfter(wait) => tokio::time::sleep(self.subscription.real(wait)).await,
                Next::DeadLetter(reason) => {
                    let letters =
                        batch.into_iter().map(|event| DeadLetter { event, reason, attempts: number });
                    let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
                    record.dead_letters.extend(letters);
                    return;
                }
            }
        }
    }

    async fn attempt(&self, batch: &[Value], number: u32) -> Answer {
        let (body, content_type) = match (self.subscription.schema, batch) {
            (Schema::CloudEvents, [event]) => (event.clone(), "application/cloudevents+json; charset=utf-8"),
            (Schema::CloudEvents, events) => {
                (json!(events), "application/cloudevents-batch+json; charset=utf-8")
            }
            (Schema::EventGrid, events) => (json!(events), "application/json; charset=utf-8"),
        };
        let sent = self.post(&body, content_type, number, "Notification").send().await;
        let answer = match sent {
            Ok(response) => Answer::Status(response.status().as_u16()),
            Err(error) if error.is_timeout() => Answer::Late,
            Err(_) => Answer::Broken,
        };
        let ids =
            batch.iter().map(|event| event.get("id").and_then(Value::as_str).unwrap_or_default().to_owned());
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        if record.attempts.len() < MAX_ATTEMPTS_KEPT {
            record.attempts.push(Attempt { events: ids.collect(), number, answer });
        }
        answer
    }

    fn post(&self, body: &Value, content_type: &str, number: u32, kind: &str) -> reqwest::RequestBuilder {
        self.client
            .post(&self.subscription.url)
            .header("content-type", content_type)
            .header("aeg-subscription-name", self.subscription.name.to_uppercase())
            .header("aeg-delivery-count", (number - 1).to_string())
            .header("aeg-event-type", kind)
            .header("user-agent", "EventGrid")
            .body(body.to_string())
    }
}

/// The requests for a publication: ordered, repeated and cut as the subscription says.
fn batches(subscription: &Subscription, mut events: Vec<Value>) -> Vec<Vec<Value>> {
    match subscription.order {
        Order::Kept => {}
        Order::Reversed => events.reverse(),
        Order::Shuffled(seed) => shuffle(&mut events, seed),
    }
    let size = match subscription.batching {
        Batching::Single => 1,
        Batching::UpTo(size) => size.max(1),
    };
    let copies = match subscription.duplicates {
        Duplicates::None => 1,
        Duplicates::Extra(extra) => 1 + extra,
    };
    events.chunks(size).flat_map(|batch| std::iter::repeat_n(batch.to_vec(), copies)).collect()
}

/// Fisher and Yates with a linear congruential generator: repeatable, which is all that is asked of it.
fn shuffle(events: &mut [Value], seed: u64) {
    let mut state = seed;
    for last in (1..events.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bound = u64::try_from(last + 1).unwrap_or(1);
        events.swap(last, usize::try_from((state >> 33) % bound).unwrap_or(last));
    }
}

#[cfg(test)]
mod tests;
