//! What the host makes of the handler's answer.

use super::json::Value;
use super::wire::Response;

/// The outcome of one exchange with the handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An object the host understands.
    Success(Answer),
    /// The host finds nothing in the answer and waits for one that never comes, until `functionTimeout`; then it kills
    /// the handler. An empty body, `null`, white space and 204 do this.
    Hang,
    /// The invocation fails; body and logs are thrown away.
    Failure(String),
}

/// A handler's answer, by the names the host reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// `Outputs`; `None` when missing or null.
    pub outputs: Option<Value>,
    /// `Logs`, as the host prints them.
    pub logs: Vec<String>,
    /// `ReturnValue`; `None` when missing or null.
    pub return_value: Option<Value>,
}

/// Reads an answer as the host does.
#[must_use]
pub fn interpret(response: &Response) -> Outcome {
    if !(200..300).contains(&response.status) {
        return Outcome::Failure(format!(
            "Response status code does not indicate success: {} ({}).",
            response.status, response.reason
        ));
    }
    if response.body.is_empty() {
        return Outcome::Hang;
    }
    let content_type = response.header("content-type").unwrap_or("application/octet-stream");
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !matches!(media_type.as_str(), "application/json" | "text/json") {
        return Outcome::Failure(format!(
            "No MediaTypeFormatter is available to read an object from content with media type '{media_type}'."
        ));
    }
    let Ok(text) = std::str::from_utf8(&response.body) else {
        return invalid("the answer is not UTF-8");
    };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.is_empty() {
        return Outcome::Hang;
    }
    match Value::parse_first(text) {
        Ok((Value::Null, _)) => Outcome::Hang,
        Ok((value, _)) => members(&value),
        Err(error) => invalid(&error.to_string()),
    }
}

fn members(value: &Value) -> Outcome {
    let Some(_) = value.members() else {
        return invalid("the answer is not an object");
    };
    let member = |name: &str| value.get_ignoring_case(name).filter(|value| **value != Value::Null).cloned();
    let outputs = member("Outputs");
    if outputs.as_ref().is_some_and(|outputs| outputs.members().is_none()) {
        return invalid("`Outputs` is not an object");
    }
    match logs(member("Logs")) {
        Some(logs) => Outcome::Success(Answer { outputs, logs, return_value: member("ReturnValue") }),
        None => invalid("`Logs` is not a list of texts"),
    }
}

/// The entries of `Logs` as the host prints them: a number or a flag as its text, null as `[null]`.
fn logs(value: Option<Value>) -> Option<Vec<String>> {
    let entries = match value {
        None => return Some(Vec::new()),
        Some(Value::Array(entries)) => entries,
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Object(_)) => {
            return None;
        }
    };
    entries
        .into_iter()
        .map(|entry| match entry {
            Value::Text(text) => Some(text),
            Value::Null => Some("[null]".to_owned()),
            scalar @ (Value::Bool(_) | Value::Number(_)) => Some(scalar.compact()),
            Value::Array(_) | Value::Object(_) => None,
        })
        .collect()
}

fn invalid(why: &str) -> Outcome {
    Outcome::Failure(format!("Invalid HttpResponseMessage: {why}"))
}
