//! The body of an invocation: `{"Data":{<binding>:…},"Metadata":{…}}`.
//!
//! The encoding rule: a value that is a JSON object is posted as an object; everything else (text, number, list, null) is
//! posted as its JSON text inside a string.

use jiff::Timestamp;

use super::json::{Value, set};
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
