//! Rules about requests and their JSON, in words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use jiff::Timestamp;
use serde_json::Value;

/// Whether a member has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Must,
    May,
}

/// Looks at members of one JSON value by pointer, and notes what is wrong with them.
pub(super) struct Check<'a> {
    value: &'a Value,
    broken: Vec<String>,
}

impl<'a> Check<'a> {
    pub(super) fn new(value: &'a Value) -> Self {
        Self { value, broken: Vec::new() }
    }

    /// What was wrong.
    pub(super) fn end(self) -> Vec<String> {
        self.broken
    }

    /// One more rule, broken unless it holds.
    pub(super) fn rule(&mut self, holds: bool, rule: &str) {
        if !holds {
            self.broken.push(rule.to_owned());
        }
    }

    /// A member of whatever kind; a null one is none.
    pub(super) fn get(&self, pointer: &str) -> Option<&'a Value> {
        self.value.pointer(pointer).filter(|value| !value.is_null())
    }

    /// A string of 1 to `chars_max` characters.
    pub(super) fn text(&mut self, pointer: &str, need: Need, chars_max: usize) -> &'a str {
        match self.get(pointer) {
            None => self.absent(pointer, need),
            Some(Value::String(text)) => {
                let length = text.chars().count();
                self.rule(
                    length <= chars_max,
                    &format!("{pointer}: {length} characters, {chars_max} are allowed"),
                );
                self.rule(need == Need::May || !text.trim().is_empty(), &format!("{pointer}: is empty"));
                return text;
            }
            Some(other) => self.broken.push(format!("{pointer}: is not a string but `{other}`")),
        }
        ""
    }

    /// One of these words.
    pub(super) fn word(&mut self, pointer: &str, need: Need, words: &[&str]) -> &'a str {
        let word = self.text(pointer, need, usize::MAX);
        let known = words.contains(&word) || (need == Need::May && self.get(pointer).is_none());
        self.rule(known || word.is_empty(), &format!("{pointer}: `{word}` is none of {words:?}"));
        word
    }

    /// An RFC 3339 time.
    pub(super) fn time(&mut self, pointer: &str, need: Need) {
        let text = self.text(pointer, need, 40);
        let read = text.is_empty() || text.parse::<Timestamp>().is_ok();
        self.rule(read, &format!("{pointer}: `{text}` is not a time"));
    }

    /// An https address.
    pub(super) fn https(&mut self, pointer: &str, need: Need, chars_max: usize) {
        let text = self.text(pointer, need, chars_max);
        let good = text.is_empty() || (text.starts_with("https://") && !text.contains(char::is_whitespace));
        self.rule(good, &format!("{pointer}: `{text}` is not an https address"));
    }

    /// A list of at most `max` entries.
    pub(super) fn list(&mut self, pointer: &str, need: Need, max: usize) -> &'a [Value] {
        match self.get(pointer) {
            None => self.absent(pointer, need),
            Some(Value::Array(list)) => {
                self.rule(
                    list.len() <= max,
                    &format!("{pointer}: {} entries, {max} are allowed", list.len()),
                );
                return list;
            }
            Some(other) => self.broken.push(format!("{pointer}: is not a list but `{other}`")),
        }
        &[]
    }

    /// No other members than these. A service drops what it doesn't know, and nobody sees that a name was misspelt.
    pub(super) fn only(&mut self, pointer: &str, members: &[&str]) {
        match self.value.pointer(pointer) {
            Some(Value::Object(object)) => {
                for name in object.keys().filter(|name| !members.contains(&name.as_str())) {
                    self.broken.push(format!("{pointer}/{name}: no such member"));
                }
            }
            Some(Value::Null) | None => {}
            Some(other) => self.broken.push(format!("{pointer}: is not an object but `{other}`")),
        }
    }

    fn absent(&mut self, pointer: &str, need: Need) {
        self.rule(need == Need::May, &format!("{pointer}: is missing"));
    }
}

/// A request with a JSON body says that it is JSON, and is. `Err` says why not.
pub(super) fn json(request: &Request<Bytes>) -> Result<Value, String> {
    let content_type = header(request, CONTENT_TYPE.as_str());
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(format!("content-type: `{content_type}` is not application/json"));
    }
    serde_json::from_slice(request.body()).map_err(|error| format!("the body is not JSON: {error}"))
}

/// A header's value; empty if it is absent or not text.
pub(super) fn header<'a>(request: &'a Request<Bytes>, name: &str) -> &'a str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// A secret that goes where nobody asked for it is a secret lost.
pub(super) fn no_authorization(request: &Request<Bytes>, broken: &mut Vec<String>) {
    if request.headers().contains_key(AUTHORIZATION) {
        broken.push("authorization: this service asks for none".to_owned());
    }
}

/// The user and password of `Basic`.
pub(super) fn basic(request: &Request<Bytes>) -> Option<String> {
    let encoded = header(request, AUTHORIZATION.as_str()).strip_prefix("Basic ")?;
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

/// The token of `Bearer`.
pub(super) fn bearer(request: &Request<Bytes>) -> Option<&str> {
    header(request, AUTHORIZATION.as_str()).strip_prefix("Bearer ")
}

/// The decoded values of a query's parameter.
pub(super) fn query(request: &Request<Bytes>, name: &str) -> Option<String> {
    let pairs = url_pairs(request.uri().query().unwrap_or_default());
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

fn url_pairs(query: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}
