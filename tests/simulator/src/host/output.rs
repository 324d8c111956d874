//! From a handler's answer to the HTTP answer of an HTTP trigger.

use super::answer::Answer;
use super::dates;
use super::json::Value;

/// The name of an output binding that takes `ReturnValue`.
const RETURN: &str = "$return";
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// An HTTP answer to the caller of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Status, 100 to 999.
    pub status: u16,
    /// Headers in the order the handler named them, Content-Type first.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl HttpAnswer {
    /// A status and nothing else.
    #[must_use]
    pub fn empty(status: u16) -> HttpAnswer {
        HttpAnswer { status, headers: Vec::new(), body: String::new() }
    }

    /// A text.
    #[must_use]
    pub fn plain(status: u16, body: impl Into<String>) -> HttpAnswer {
        let headers = vec![("Content-Type".to_owned(), PLAIN_TEXT.to_owned())];
        HttpAnswer { status, headers, body: body.into() }
    }
}

/// The answer for the caller of an HTTP function whose `http` output is called `output`.
#[must_use]
pub fn http_answer(answer: &Answer, output: Option<&str>) -> HttpAnswer {
    match output {
        Some(RETURN) => answer.return_value.as_ref().map_or(HttpAnswer::empty(204), returned),
        Some(name) => named(answer, name),
        None => HttpAnswer::empty(204),
    }
}

fn returned(value: &Value) -> HttpAnswer {
    match value {
        Value::Object(_) => shaped(value),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Array(_)) => {
            HttpAnswer::plain(200, body_text(other))
        }
    }
}

/// An object in `ReturnValue` is spread over the outputs by name and wins over `Outputs`.
fn named(answer: &Answer, name: &str) -> HttpAnswer {
    let spread = answer.return_value.as_ref().filter(|value| value.members().is_some());
    if answer.outputs.is_none() && spread.is_none() {
        return HttpAnswer::empty(204);
    }
    let value = [spread, answer.outputs.as_ref()].into_iter().flatten().find_map(|outputs| outputs.get(name));
    match value {
        // The host then prints the (empty) outputs it has.
        None => HttpAnswer::plain(200, "{}"),
        Some(object @ Value::Object(_)) => shaped(object),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Array(_)) => {
            HttpAnswer::empty(500)
        }
    }
}

/// `{statusCode, headers, body}`, names in any case.
fn shaped(value: &Value) -> HttpAnswer {
    let Some(headers) = headers(value.get_ignoring_case("headers")) else {
        return HttpAnswer::empty(500);
    };
    let body = value.get_ignoring_case("body").unwrap_or(&Value::Null);
    HttpAnswer {
        status: status(value.get_ignoring_case("statusCode")).unwrap_or(200),
        headers,
        body: if *body == Value::Null { String::new() } else { body_text(body) },
    }
}

/// A whole number, or its text. Anything else is silently 200.
fn status(value: Option<&Value>) -> Option<u16> {
    let digits = match value? {
        Value::Number(digits) | Value::Text(digits) => digits,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    digits.parse().ok().filter(|status| (100..1000).contains(status))
}

/// `None` for a list, which the host cannot read.
fn headers(value: Option<&Value>) -> Option<Vec<(String, String)>> {
    let members = match value {
        None | Some(Value::Null) => &[],
        Some(Value::Object(members)) => members.as_slice(),
        Some(Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Array(_)) => return None,
    };
    let given = members.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let content_type = match given {
        Some((_, value)) => with_charset(header_text(value)),
        None => PLAIN_TEXT.to_owned(),
    };
    let others = members.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
    let others = others.map(|(name, value)| (name.clone(), header_text(value)));
    Some(std::iter::once(("Content-Type".to_owned(), content_type)).chain(others).collect())
}

fn with_charset(content_type: String) -> String {
    if content_type.to_ascii_lowercase().contains("charset=") {
        content_type
    } else {
        format!("{content_type}; charset=utf-8")
    }
}

fn header_text(value: &Value) -> String {
    match value {
        Value::Bool(flag) => dotnet_bool(*flag).to_owned(),
        Value::Text(text) => text.clone(),
        other @ (Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_)) => other.compact(),
    }
}

/// A flag as .NET prints it.
pub(crate) fn dotnet_bool(flag: bool) -> &'static str {
    if flag { "True" } else { "False" }
}

/// A text passes as it is; anything else is printed, indented, with its dates moved to UTC.
fn body_text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            other.clone().map_texts(&dates::respell).pretty()
        }
    }
}
