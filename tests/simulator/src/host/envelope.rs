//! The body of an invocation: `{"Data":{<binding>:…},"Metadata":{…}}`.
//!
//! The encoding rule: a value that is a JSON object is posted as an object; everything else (text, number, list, null) is
//! posted as its JSON text inside a string.

use jiff::Timestamp;

use super::json::{Value, set};
use super::output::dotnet_bool;
use super::{chance, dates};

/// A value by the encoding rule.
#[must_use]
pub fn encode(value: Value) -> Value {
    match value {
        object @ Value::Object(_) => object,
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Array(_)) => {
            Value::Text(other.compact())
        }
    }
}

/// The body for one Event Grid event (cardinality one). `Metadata.data` repeats the event's `data`, and is absent when
/// the event has none; that doubles the body.
#[must_use]
pub fn event(binding: &str, event: &Value, sys: Value) -> Value {
    let data = event.get("data").cloned().map(|data| ("data".to_owned(), encode(data)));
    envelope(binding, encode(event.clone()), data.into_iter().collect(), sys)
}

/// The body for all events of a delivery (cardinality many): lists, so both are strings.
#[must_use]
pub fn events(binding: &str, events: &[Value], sys: Value) -> Value {
    let data = events.iter().map(|event| event.get("data").cloned().unwrap_or(Value::Null)).collect();
    let data = vec![("data".to_owned(), encode(Value::Array(data)))];
    envelope(binding, encode(Value::Array(events.to_vec())), data, sys)
}

/// The body for a manual run of an Event Grid function: as [`event`], and the input once more as text under the
/// binding's name.
#[must_use]
pub fn manual_event(binding: &str, parsed: &Value, input: &str, sys: Value) -> Value {
    let mut metadata = Vec::new();
    if let Some(data) = parsed.get("data").cloned() {
        metadata.push(("data".to_owned(), encode(data)));
    }
    metadata.push((binding.to_owned(), encode(Value::text(input))));
    envelope(binding, encode(parsed.clone()), metadata, sys)
}

/// What a timer's body says of the schedule's past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerStatus {
    /// The previous run; `None` before the first.
    pub last: Option<Timestamp>,
    /// The run this one is.
    pub next: Timestamp,
}

/// The body for a timer. `status` is `None` for timers that are not monitored.
#[must_use]
pub fn timer(binding: &str, adjusts_for_dst: bool, status: Option<TimerStatus>, sys: Value) -> Value {
    let status = status.map_or(Value::Null, |status| {
        // What .NET writes for a date that was never set.
        let last = status.last.map_or_else(|| "0001-01-01T00:00:00+00:00".to_owned(), offset_zero);
        object([
            ("Last", Value::text(last.clone())),
            ("Next", Value::text(offset_zero(status.next))),
            ("LastUpdated", Value::text(last)),
        ])
    });
    let info = object([
        ("Schedule", object([("AdjustForDST", Value::Bool(adjusts_for_dst))])),
        ("ScheduleStatus", status),
        ("IsPastDue", Value::Bool(false)),
    ]);
    envelope(binding, info, Vec::new(), sys)
}

/// What the host knows of a message of a storage queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// How often it was handed out, this time included.
    pub dequeue_count: u64,
    /// Its id.
    pub id: String,
    /// What it takes to delete it.
    pub pop_receipt: String,
    /// When it was put into the queue.
    pub inserted: Timestamp,
    /// When the queue drops it.
    pub expires: Timestamp,
    /// When it is handed out again unless it is deleted before.
    pub next_visible: Timestamp,
}

/// The body for a message of a queue. Its text is told as text, so that JSON arrives as text in text. The members of a
/// message that is an object are told once more in `Metadata`, over the host's own of the same name.
#[must_use]
pub fn queue(binding: &str, text: &str, message: &QueueMessage, sys: Value) -> Value {
    let plain = |at: Timestamp| Value::text(at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string());
    let mut metadata = vec![
        ("DequeueCount".to_owned(), Value::text(message.dequeue_count.to_string())),
        ("ExpirationTime".to_owned(), plain(message.expires)),
        ("Id".to_owned(), encode(Value::text(&message.id))),
        ("InsertionTime".to_owned(), plain(message.inserted)),
        ("NextVisibleTime".to_owned(), plain(message.next_visible)),
        ("PopReceipt".to_owned(), encode(Value::text(&message.pop_receipt))),
        ("sys".to_owned(), sys),
    ];
    for (name, value) in binding_data(text) {
        match metadata.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(&name)) {
            Some((_, old)) => *old = value,
            None => metadata.push((name, value)),
        }
    }
    Value::Object(vec![
        ("Data".to_owned(), Value::Object(vec![(binding.to_owned(), encode(Value::text(text)))])),
        ("Metadata".to_owned(), Value::Object(metadata)),
    ])
}

/// The members of a JSON object as the host adds them to the metadata: scalars as text, lists and nulls left out.
pub(crate) fn binding_data(text: &str) -> Vec<(String, Value)> {
    let parsed = Value::parse(text).ok();
    let members = parsed.as_ref().and_then(Value::members).unwrap_or_default();
    let told = members.iter().filter_map(|(name, value)| {
        let told = match value {
            Value::Null | Value::Array(_) => return None,
            Value::Bool(flag) => encode(Value::text(dotnet_bool(*flag))),
            Value::Number(_) => encode(Value::Text(value.compact())),
            Value::Text(text) => {
                encode(Value::Text(dates::invariant_culture(text).unwrap_or_else(|| text.clone())))
            }
            object @ Value::Object(_) => object.clone(),
        };
        Some((name.clone(), told))
    });
    told.collect()
}

/// `Metadata.sys` of an invocation that starts now.
#[must_use]
pub fn sys(function: &str, now: Timestamp) -> Value {
    object([
        ("MethodName", Value::text(function)),
        ("UtcNow", Value::text(dates::utc_now(now))),
        ("RandGuid", Value::text(chance::guid())),
    ])
}

/// Puts `Data` and `Metadata` together; `sys` comes last.
#[must_use]
pub fn envelope(binding: &str, data: Value, mut metadata: Vec<(String, Value)>, sys: Value) -> Value {
    set(&mut metadata, "sys", sys);
    Value::Object(vec![
        ("Data".to_owned(), Value::Object(vec![(binding.to_owned(), data)])),
        ("Metadata".to_owned(), Value::Object(metadata)),
    ])
}

/// An object of fixed names.
pub(crate) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn offset_zero(at: Timestamp) -> String {
    dates::utc_now(at).replace('Z', "+00:00")
}
