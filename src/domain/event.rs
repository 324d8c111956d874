//! The event that says that a cluster was stopped, in the Event Grid schema or as a CloudEvent.
//!
//! Shapes: azure-docs `event-schema-subscriptions.md` (both schemas, the `ResourceActionSuccess` sample) and CloudEvents
//! 1.0. No published sample shows a stop of an AKS cluster, so only what every sample has is relied on: the operation
//! and the resource id. Everything else may be missing, null or of another type, and then counts as absent.
//!
//! An event is a hint, never proof: what it says about the cluster is looked up in ARM before anything is done.

mod members;

use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::caller::Caller;
use super::claims::CLAIMS_READ;
use super::resource_id::{ClusterId, IdError, SubscriptionId};
use super::resource_kind::ResourceKind;
use super::role::Role;
use super::text::{clean, hex};
use super::verbatim::Verbatim;
use members::{Elements, elements, pick, text};

/// The only event type that tells of a stop. `ResourceActionFailure` and `ResourceActionCancel` leave the cluster as it
/// was, or come with a later look at it (source: azure-docs `event-schema-subscriptions.md`).
pub(crate) const ACTION_SUCCESS: &str = "Microsoft.Resources.ResourceActionSuccess";
/// The version of CloudEvents that is read.
const CLOUD_EVENTS_VERSION: &str = "1.0";

/// Longest event id that is kept as it is, in characters. Event Grid's are GUIDs.
const EVENT_ID_CHARS_MAX: usize = 128;
/// Longest correlation id in characters. ARM's are GUIDs.
const CORRELATION_ID_CHARS_MAX: usize = 128;
/// Longest token id in characters. Entra's have 22.
const TOKEN_ID_CHARS_MAX: usize = 64;
/// How much of an operation or event type an [`Ignored`] repeats, in characters.
const SHOWN_CHARS_MAX: usize = 120;
/// Longest claim that is read, in bytes of JSON. [`GROUPS_MAX`](super::claims::GROUPS_MAX) groups have 8 KB.
const CLAIM_BYTES_MAX: usize = 256 * 1_024;
/// Longest text that is tried as a time, in bytes. RFC 3339 with nanoseconds and an offset has 35.
const TIME_BYTES_MAX: usize = 64;

/// One stop of one cluster, or another guarded resource, in a guarded subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopEvent {
    /// The event's id: the same for each delivery of it. If the event has none, or one that is too long, it is derived
    /// from a hash of the event's bytes, so that a redelivery still has the same.
    pub id: String,
    /// What was stopped.
    pub cluster: ClusterId,
    /// When, on Azure's clock.
    pub time: StopTime,
    /// Who did it, as far as the event says. Forgeable by whoever can post to the endpoint.
    pub caller: Caller,
    /// ARM's correlation id. Not unique: all operations of one deployment share it.
    pub correlation_id: Option<String>,
    /// How the event was written.
    pub schema: EventSchema,
    /// The event, word for word.
    pub verbatim: Verbatim,
    /// `uti`: the id of the token it was done with, which the sign-in logs have too.
    pub token_id: Option<String>,
}

/// When the stop happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopTime {
    /// The event's own time. Any that can be written, also far in the past or the future.
    At(Timestamp),
    /// The event has none, or one that is no RFC 3339 time.
    Missing,
}

/// How an event was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventSchema {
    /// Event Grid's own schema.
    EventGrid,
    /// CloudEvents 1.0, structured JSON.
    CloudEvents,
}

/// What a text turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// A stop that the guard has to look at.
    Stop(Box<StopEvent>),
    /// Nothing to do, and nothing that a redelivery could change.
    Ignored(Ignored),
}

/// Why an event is not the guard's concern, in one line that is safe to log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// Nothing was in it.
    #[error("no event in it")]
    Empty,
    /// Not an event in a schema that is read.
    #[error("not an event: {why}")]
    NotAnEvent {
        /// What is wrong with it.
        why: String,
    },
    /// An event of another type, a failed or cancelled stop among them.
    #[error("event type `{event_type}` tells of no stop")]
    OtherEventType {
        /// The type, cleaned.
        event_type: String,
    },
    /// Something else than a stop was done.
    #[error("operation `{operation}` is no stop of a cluster or a container group")]
    OtherOperation {
        /// The operation, cleaned.
        operation: String,
    },
    /// A stop, but of no resource that is guarded.
    #[error("{0}")]
    OtherResource(IdError),
    /// The stop of one kind of resource, at one of another.
    #[error("operation `{operation}` is no stop of `{cluster}`")]
    OtherKind {
        /// The operation, in our own spelling.
        operation: &'static str,
        /// What the event names.
        cluster: ClusterId,
    },
    /// The resource id is broken or hostile.
    #[error("{0}")]
    BadResourceId(IdError),
    /// A cluster in a subscription that the guard doesn't look after.
    #[error("subscription `{0}` is not guarded")]
    NotGuarded(SubscriptionId),
}

/// Reads one event: an object, or an array with exactly one (several are split before they come here).
///
/// * The operation is `data.operationName`, else `data.authorization.action`, compared without case.
/// * The resource is `data.resourceUri`, else `subject`. A `resourceUri` that is there but broken is not replaced by the
///   subject, and where the two differ it counts: ARM wrote it, while the subject is Event Grid's routing label.
/// * `data.status` is not asked: whether ARM sends `Accepted` (the stop has begun) or `Succeeded` (it is over) isn't
///   documented, and either needs a look at the cluster.
/// * An event without a type counts if its operation is a stop; one with another type doesn't.
pub fn parse(raw: &str, guarded: &dyn Fn(&SubscriptionId) -> bool) -> Parsed {
    match read(raw, guarded) {
        Ok(event) => Parsed::Stop(Box::new(event)),
        Err(ignored) => Parsed::Ignored(ignored),
    }
}

fn read(raw: &str, guarded: &dyn Fn(&SubscriptionId) -> bool) -> Result<StopEvent, Ignored> {
    let json = lone(raw.trim())?;
    let envelope = Envelope::read(json)?;
    let data = Data::read(envelope.data);
    if let Some(event_type) = envelope.event_type.and_then(filled)
        && !event_type.eq_ignore_ascii_case(ACTION_SUCCESS)
    {
        return Err(Ignored::OtherEventType { event_type: clean(&event_type, SHOWN_CHARS_MAX) });
    }
    let operation = data.operation().ok_or_else(|| not_an_event("it names no operation"))?;
    let kind = ResourceKind::stopped_by(&operation)
        .ok_or_else(|| Ignored::OtherOperation { operation: clean(&operation, SHOWN_CHARS_MAX) })?;
    let resource = data.resource.and_then(filled).or_else(|| envelope.subject.and_then(filled));
    let resource = resource.ok_or_else(|| not_an_event("it names no resource"))?;
    let cluster = ClusterId::parse(&resource).map_err(|error| match error {
        IdError::OtherType(_) | IdError::NotAManagedCluster(_) => Ignored::OtherResource(error),
        IdError::Malformed(_) | IdError::Subscription(_) => Ignored::BadResourceId(error),
    })?;
    if cluster.kind() != kind {
        // The stop of one kind names a resource of another: no event of ARM's does.
        let operation = kind.stop_action();
        return Err(Ignored::OtherKind { operation, cluster });
    }
    if !guarded(cluster.subscription()) {
        return Err(Ignored::NotGuarded(cluster.subscription().clone()));
    }
    Ok(StopEvent {
        id: event_id(envelope.id, json),
        cluster,
        time: stop_time(envelope.time),
        caller: data.caller(),
        correlation_id: data.correlation_id.and_then(filled).map(|id| clean(&id, CORRELATION_ID_CHARS_MAX)),
        schema: envelope.schema,
        verbatim: Verbatim::of(json.as_bytes()),
        token_id: data.token_id(),
    })
}

fn not_an_event(why: &str) -> Ignored {
    Ignored::NotAnEvent { why: why.to_owned() }
}

/// The one event in the text. Elements are scanned, not read, so an array of arrays costs no stack.
fn lone(json: &str) -> Result<&str, Ignored> {
    if json.is_empty() || json == "null" {
        return Err(Ignored::Empty);
    }
    if !json.starts_with('[') {
        return Ok(json);
    }
    match elements(json).map_err(|error| not_json(&error))? {
        Elements::None => Err(Ignored::Empty),
        Elements::One(event) => Ok(event.get()),
        Elements::Several => Err(not_an_event("several at once")),
    }
}

/// Says where the text stops being JSON; never with words from the text itself.
fn not_json(error: &serde_json::Error) -> Ignored {
    Ignored::NotAnEvent { why: format!("not JSON at line {} column {}", error.line(), error.column()) }
}

/// What surrounds `data`, under the same names for both schemas.
struct Envelope<'a> {
    schema: EventSchema,
    id: Option<&'a RawValue>,
    event_type: Option<&'a RawValue>,
    time: Option<&'a RawValue>,
    subject: Option<&'a RawValue>,
    data: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    fn read(json: &'a str) -> Result<Self, Ignored> {
        const NAMES: [&str; 8] =
            ["specversion", "id", "subject", "data", "eventType", "eventTime", "type", "time"];
        let [version, id, subject, data, grid_type, grid_time, cloud_type, cloud_time] =
            pick(json, &NAMES, str::eq).map_err(|error| match error.classify() {
                serde_json::error::Category::Data => not_an_event("not a JSON object"),
                serde_json::error::Category::Syntax
                | serde_json::error::Category::Eof
                | serde_json::error::Category::Io => not_json(&error),
            })?;
        let (schema, event_type, time) = match version.map(text) {
            None => (EventSchema::EventGrid, grid_type, grid_time),
            Some(Some(version)) if version == CLOUD_EVENTS_VERSION => {
                (EventSchema::CloudEvents, cloud_type, cloud_time)
            }
            Some(_) => return Err(not_an_event("a CloudEvent of another version than 1.0")),
        };
        Ok(Self { schema, id, event_type, time, subject, data })
    }
}

/// What ARM says about the operation.
#[derive(Default)]
struct Data<'a> {
    operation: Option<&'a RawValue>,
    resource: Option<&'a RawValue>,
    authorization: Option<&'a RawValue>,
    claims: Option<&'a RawValue>,
    correlation_id: Option<&'a RawValue>,
    http_request: Option<&'a RawValue>,
}

impl<'a> Data<'a> {
    /// `data` that is no object has no members.
    fn read(data: Option<&'a RawValue>) -> Self {
        const NAMES: [&str; 6] =
            ["operationName", "resourceUri", "authorization", "claims", "correlationId", "httpRequest"];
        let Some(Ok(found)) = data.map(|data| pick(data.get(), &NAMES, str::eq)) else {
            return Self::default();
        };
        let [operation, resource, authorization, claims, correlation_id, http_request] = found;
        Self { operation, resource, authorization, claims, correlation_id, http_request }
    }

    fn operation(&self) -> Option<String> {
        self.operation.and_then(filled).or_else(|| member(self.authorization, "action"))
    }

    fn caller(&self) -> Caller {
        let ip = member(self.http_request, "clientIpAddress");
        Caller { role: self.role(), ..Caller::from_claims(&self.claims(), None, ip.as_deref()) }
    }

    /// The claim `uti` (source: Microsoft identity platform, "Access token claims reference").
    fn token_id(&self) -> Option<String> {
        let [id] = pick(self.claims?.get(), &["uti"], str::eq_ignore_ascii_case).ok()?;
        id.and_then(filled).map(|id| clean(&id, TOKEN_ID_CHARS_MAX))
    }

    fn role(&self) -> Option<Role> {
        let [evidence] = pick(self.authorization?.get(), &["evidence"], str::eq).ok()?;
        Role::from_evidence(|name| member(evidence, name))
    }

    /// The claims that are read, and no others: an event may carry megabytes of them.
    fn claims(&self) -> Map<String, Value> {
        let Some(Ok(found)) =
            self.claims.map(|claims| pick(claims.get(), &CLAIMS_READ, str::eq_ignore_ascii_case))
        else {
            return Map::new();
        };
        CLAIMS_READ
            .iter()
            .zip(found)
            .filter_map(|(name, value)| Some(((*name).to_owned(), claim(value?))))
            .collect()
    }
}

/// A claim's value. What is too long or can't be read (nested beyond serde_json's limit) still counts as present.
fn claim(value: &RawValue) -> Value {
    let json = Some(value.get()).filter(|json| json.len() <= CLAIM_BYTES_MAX);
    json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or(Value::Object(Map::new()))
}

/// One string member of an object that may be missing or something else.
fn member(object: Option<&RawValue>, name: &str) -> Option<String> {
    let [value] = pick(object?.get(), &[name], str::eq).ok()?;
    value.and_then(filled)
}

/// A string with something in it.
fn filled(value: &RawValue) -> Option<String> {
    text(value).filter(|text| !text.is_empty()).map(std::borrow::Cow::into_owned)
}

fn stop_time(time: Option<&RawValue>) -> StopTime {
    let text = time.and_then(filled).filter(|text| text.len() <= TIME_BYTES_MAX);
    text.and_then(|text| text.parse().ok()).map_or(StopTime::Missing, StopTime::At)
}

fn event_id(id: Option<&RawValue>, json: &str) -> String {
    match id.and_then(filled) {
        Some(id) if id.chars().count() <= EVENT_ID_CHARS_MAX => clean(&id, EVENT_ID_CHARS_MAX),
        Some(_) | None => {
            format!("sha256-{}", hex(Sha256::digest(json.as_bytes()).iter().take(16)))
        }
    }
}

#[cfg(test)]
mod tests;
