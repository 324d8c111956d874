//! The body of an invocation: `{"Data": {<binding>: value}, "Metadata": {..}}`.
//!
//! A value that the host holds as a JSON object arrives as an object, everything else arrives as JSON text inside
//! a string, sometimes twice over (Azure Functions host 4, `ToHttpScriptInvocationContext`). The name of the binding is
//! what somebody wrote in a function.json, so nothing here relies on it. `Metadata` repeats the event and, for an
//! HTTP trigger, the caller's keys: it is skipped, never built and never kept.
//!
//! A message of a storage queue is the event's text, or base64 of it ([`queued_events`]).
//!
//! Parsing goes no deeper than the envelope. Events leave here as raw JSON, whose nesting is scanned without
//! recursion, so a hostile depth costs no stack.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::azure::Secret;

pub use self::queue::queued_events;

mod queue;

/// Most events that one body may hold: Event Grid's own limit of a batch ("Output batching", learn.microsoft.com,
/// event-grid/delivery-and-retry). A body with more is not a delivery of Event Grid.
pub const EVENTS_MAX: usize = 5_000;

/// How often a value may be wrapped in strings. The host wraps twice at most; one more is leniency.
const STRING_LAYERS_MAX: usize = 3;

/// Most input bindings that are looked at. Each of our functions has one.
const BINDINGS_MAX: usize = 16;

/// Most query parameters of an HTTP request that are kept.
const QUERY_PARAMETERS_MAX: usize = 64;

/// The query parameter in which a caller may send a function key. ASP.NET compares its name without case.
const KEY_PARAMETER: &str = "code";

/// The header with a caller's token; names of headers have no case.
const AUTHORIZATION: &str = "Authorization";

/// One event as it came: JSON of any kind, not yet checked to be an event.
#[derive(Debug, Clone)]
pub struct RawEvent(Box<RawValue>);

impl RawEvent {
    /// The event's JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

/// What an HTTP function is asked, without the headers and keys that came with it, but for a bearer token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method of the caller's request, upper case as the host sends it.
    pub method: String,
    /// The query without `code`, in the order of the host; repeated values are joined by commas by the host.
    pub query: Vec<(String, String)>,
    /// The body as text, or base64 if the caller sent an octet stream or a multipart body. Absent if the caller sent no
    /// `Content-Length`: the host drops chunked bodies (Azure/azure-functions-host issue 4926).
    pub body: Option<String>,
    /// The token of `Authorization: Bearer ...`, if there is exactly one.
    pub bearer: Option<Secret>,
}

/// The body can't be read, and would not be any better if it came again. Messages hold nothing of the body's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The bytes are not text.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// The body, or the text inside its strings, is not JSON of the envelope's shape.
    #[error("the body is not an envelope of the Functions host ({reason} at line {line}, column {column})")]
    NotAnEnvelope {
        /// What kind of fault it is.
        reason: &'static str,
        /// Line of the fault in the text that was parsed, from 1.
        line: usize,
        /// Column of the fault, from 1; 0 if unknown.
        column: usize,
    },
    /// There is no `Data`, or nothing in it.
    #[error("the envelope's `Data` holds no value")]
    NoValue,
    /// `Data` holds something that is neither an object nor an array.
    #[error("the envelope's `Data` holds {found} where an event or a request is expected")]
    NotAnObject {
        /// The kind of JSON that was found.
        found: &'static str,
    },
    /// More events than Event Grid sends in one delivery.
    #[error(
        "the body holds {found} events, more than the {EVENTS_MAX} of the largest batch that Event Grid sends"
    )]
    TooManyEvents {
        /// How many there are.
        found: usize,
    },
}

impl Unreadable {
    /// The error of a parse without its text: serde's own message may quote the body.
    fn from_json(error: &serde_json::Error) -> Self {
        use serde_json::error::Category;
        let reason = match error.classify() {
            Category::Io => "unreadable",
            Category::Syntax => "a syntax error",
            Category::Data => "an unexpected value",
            Category::Eof => "it ends too early",
        };
        Self::NotAnEnvelope { reason, line: error.line(), column: error.column() }
    }
}

/// The events of an Event Grid invocation, in their order. Zero is possible: an empty batch.
///
/// A batch beyond [`EVENTS_MAX`] is refused as a whole: taking the first ones would drop the others without a trace.
///
/// # Errors
/// The body is not an envelope that holds events.
pub fn events(body: &[u8]) -> Result<Vec<RawEvent>, Unreadable> {
    events_of(body, unwrap_strings)
}

/// The events in the values of `Data`, once `unwrap` took off what they are wrapped in.
fn events_of(
    body: &[u8],
    unwrap: impl Fn(&RawValue) -> Result<Cow<'_, str>, Unreadable>,
) -> Result<Vec<RawEvent>, Unreadable> {
    let mut batch = Batch { events: Vec::new(), found: 0 };
    let mut odd = None;
    for value in input_values(body)? {
        let json = unwrap(value)?;
        match kind(&json) {
            Kind::Object => batch.push(&json)?,
            Kind::Array => batch.extend(&json)?,
            Kind::Text => odd = Some("a string"),
            Kind::Other(found) => odd = Some(found),
        }
    }
    if batch.found > EVENTS_MAX {
        return Err(Unreadable::TooManyEvents { found: batch.found });
    }
    match odd {
        Some(found) if batch.events.is_empty() => Err(Unreadable::NotAnObject { found }),
        Some(_) | None => Ok(batch.events),
    }
}

/// The request of an HTTP invocation.
///
/// # Errors
/// The body is not an envelope that holds an HTTP request.
pub fn http_request(body: &[u8]) -> Result<HttpRequest, Unreadable> {
    let values = input_values(body)?;
    let value = values.first().ok_or(Unreadable::NoValue)?;
    let json = unwrap_strings(value)?;
    match kind(&json) {
        Kind::Object => {}
        Kind::Array => return Err(Unreadable::NotAnObject { found: "an array" }),
        Kind::Text => return Err(Unreadable::NotAnObject { found: "a string" }),
        Kind::Other(found) => return Err(Unreadable::NotAnObject { found }),
    }
    let binding: HttpBinding<'_> = serde_json::from_str(&json).map_err(|e| Unreadable::from_json(&e))?;
    let query = binding.query.map(|query| query.0).unwrap_or_default();
    let bearer = binding.headers.and_then(|headers| headers.0);
    Ok(HttpRequest { method: binding.method, query, body: binding.body.and_then(text_of), bearer })
}

/// The values of `Data`, which is never empty on success.
fn input_values(body: &[u8]) -> Result<Vec<&RawValue>, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|_| Unreadable::NotUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_start();
    if kind(text) == Kind::Array {
        // Serde would take the elements for the members of the envelope, in their order.
        return Err(Unreadable::NotAnEnvelope { reason: "an unexpected value", line: 1, column: 1 });
    }
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|e| Unreadable::from_json(&e))?;
    match envelope.data {
        Some(Bindings(values)) if !values.is_empty() => Ok(values),
        Some(_) | None => Err(Unreadable::NoValue),
    }
}

/// Takes the string layers off a value, as long as there is JSON of an object or array inside.
fn unwrap_strings(value: &RawValue) -> Result<Cow<'_, str>, Unreadable> {
    unwrap_text(value.get())
}

fn unwrap_text(text: &str) -> Result<Cow<'_, str>, Unreadable> {
    let mut json = Cow::Borrowed(text);
    for _ in 0..STRING_LAYERS_MAX {
        if kind(&json) != Kind::Text {
            break;
        }
        let inner: String = serde_json::from_str(&json).map_err(|e| Unreadable::from_json(&e))?;
        json = Cow::Owned(inner.trim().to_owned());
    }
    Ok(json)
}

/// What a JSON text begins as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    Array,
    Text,
    Other(&'static str),
}

fn kind(json: &str) -> Kind {
    match json.as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        Some(b'"') => Kind::Text,
        None => Kind::Other("an empty string"),
        Some(_) if json == "null" => Kind::Other("null"),
        Some(_) if matches!(json, "true" | "false") => Kind::Other("true or false"),
        Some(_) if json.parse::<f64>().is_ok() => Kind::Other("a number"),
        Some(_) => Kind::Other("plain text"),
    }
}

/// An HTTP body is a string; anything else that stands there is taken as the JSON that it is.
fn text_of(value: &RawValue) -> Option<String> {
    match kind(value.get()) {
        Kind::Text => serde_json::from_str(value.get()).ok(),
        Kind::Other("null") => None,
        Kind::Object | Kind::Array | Kind::Other(_) => Some(value.get().to_owned()),
    }
}

/// Events collected so far; `found` counts those that found no room, too.
struct Batch {
    events: Vec<RawEvent>,
    found: usize,
}

impl Batch {
    fn push(&mut self, json: &str) -> Result<(), Unreadable> {
        let event: Box<RawValue> = serde_json::from_str(json).map_err(|e| Unreadable::from_json(&e))?;
        self.found += 1;
        if self.found <= EVENTS_MAX {
            self.events.push(RawEvent(event));
        }
        Ok(())
    }

    fn extend(&mut self, json: &str) -> Result<(), Unreadable> {
        let elements: Elements<'_> = serde_json::from_str(json).map_err(|e| Unreadable::from_json(&e))?;
        for element in elements.first {
            // An element that is no object (a number, an array) stays what it is: it is one refused event among
            // others that are good, and the reader of events says so.
            self.push(&unwrap_strings(element).unwrap_or(Cow::Borrowed(element.get())))
                .or_else(|_| self.push(element.get()))?;
        }
        self.found += elements.beyond;
        Ok(())
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "Data", borrow, default)]
    data: Option<Bindings<'a>>,
}

#[derive(Deserialize)]
struct HttpBinding<'a> {
    #[serde(rename = "Method")]
    method: String,
    #[serde(rename = "Query", default)]
    query: Option<Query>,
    #[serde(rename = "Headers", default)]
    headers: Option<Headers>,
    #[serde(rename = "Body", borrow, default)]
    body: Option<&'a RawValue>,
}

/// The values of a JSON object whatever their names.
struct Bindings<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Bindings<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;
        impl<'de> Visitor<'de> for Values {
            type Value = Bindings<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of bindings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut values = Vec::new();
                while map.next_key::<IgnoredAny>()?.is_some() {
                    let value: &RawValue = map.next_value()?;
                    if values.len() < BINDINGS_MAX {
                        values.push(value);
                    }
                }
                Ok(Bindings(values))
            }
        }
        deserializer.deserialize_map(Values)
    }
}

/// The first [`EVENTS_MAX`] elements of an array, and the number of those beyond.
struct Elements<'a> {
    first: Vec<&'a RawValue>,
    beyond: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counted;
        impl<'de> Visitor<'de> for Counted {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of events")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Elements { first: Vec::new(), beyond: 0 };
                while elements.first.len() < EVENTS_MAX {
                    match seq.next_element::<&RawValue>()? {
                        Some(element) => elements.first.push(element),
                        None => return Ok(elements),
                    }
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    elements.beyond += 1;
                }
                Ok(elements)
            }
        }
        deserializer.deserialize_seq(Counted)
    }
}

/// The bearer token among the headers, which the host sends as lists of values. Two of them are none: which one counts must not be
/// a matter of taste.
struct Headers(Option<Secret>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Authorization;
        impl<'de> Visitor<'de> for Authorization {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of headers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut values: Vec<String> = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let value: &RawValue = map.next_value()?;
                    if name.eq_ignore_ascii_case(AUTHORIZATION) && values.len() < 2 {
                        values.extend(header_values(value));
                    }
                }
                let only =
                    Some(values).filter(|values| values.len() == 1).and_then(|mut values| values.pop());
                Ok(Headers(only.and_then(|value| bearer(&value))))
            }
        }
        deserializer.deserialize_map(Authorization)
    }
}

fn header_values(value: &RawValue) -> Vec<String> {
    match kind(value.get()) {
        Kind::Array => serde_json::from_str(value.get()).unwrap_or_default(),
        Kind::Text => text_of(value).into_iter().collect(),
        Kind::Object | Kind::Other(_) => Vec::new(),
    }
}

fn bearer(header: &str) -> Option<Secret> {
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty()).then(|| Secret::new(token))
}

/// Query parameters that are safe to keep: the key is dropped while it is read.
struct Query(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Query {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parameters;
        impl<'de> Visitor<'de> for Parameters {
            type Value = Query;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of query parameters")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut parameters = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let value: &RawValue = map.next_value()?;
                    let kept =
                        !name.eq_ignore_ascii_case(KEY_PARAMETER) && parameters.len() < QUERY_PARAMETERS_MAX;
                    if kept && let Some(value) = text_of(value) {
                        parameters.push((name, value));
                    }
                }
                Ok(Query(parameters))
            }
        }
        deserializer.deserialize_map(Parameters)
    }
}

#[cfg(test)]
mod tests;
