//! A message of a storage queue, as the host passes it on.
//!
//! `host.json` says `messageEncoding: none`, so that the host decodes nothing: whether Event Grid writes its events into a queue as
//! plain text or as base64 is reported both ways (MicrosoftDocs/azure-docs issues 69702 and 102923), and a host that expects base64
//! puts plain text into the poison queue without a call. So both are read here.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::value::RawValue;

use super::{Kind, RawEvent, Unreadable, events_of, kind, unwrap_strings, unwrap_text};

/// The standard alphabet, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The events of a queue invocation, in their order: one message holds one event or an array of them, in plain text or in base64.
///
/// # Errors
/// The body is not an envelope whose message holds events.
pub fn queued_events(body: &[u8]) -> Result<Vec<RawEvent>, Unreadable> {
    events_of(body, unwrap_message)
}

/// Takes the string layers off a message, and one layer of base64 if what is inside is JSON. Anything else stays as it is, and is
/// refused by its kind.
fn unwrap_message(value: &RawValue) -> Result<Cow<'_, str>, Unreadable> {
    let text = unwrap_strings(value)?;
    let text = without_mark(text);
    if matches!(kind(&text), Kind::Object | Kind::Array) {
        return Ok(text);
    }
    match decoded(&text) {
        Some(inner) => unwrap_text(&inner).map(|json| Cow::Owned(json.into_owned())),
        None => Ok(text),
    }
}

/// The JSON inside base64: an object, an array, or a string that may hold one.
fn decoded(text: &str) -> Option<String> {
    let inner = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
    let inner = without_mark(Cow::Owned(inner)).trim().to_owned();
    matches!(kind(&inner), Kind::Object | Kind::Array | Kind::Text).then_some(inner)
}

/// The text without a byte order mark, which .NET writes before UTF-8 in places.
fn without_mark(text: Cow<'_, str>) -> Cow<'_, str> {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => Cow::Owned(rest.trim_start().to_owned()),
        None => text,
    }
}
