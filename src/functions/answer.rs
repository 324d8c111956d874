//! The only makers of answers: each is `application/json` and holds a JSON object, whatever happens.

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::Response;
use serde_json::{Value, json};

use super::invocation::{HttpOutput, Outcome, Status};
use crate::telemetry::printable;

/// Most lines that an answer gives to the host to log. One invocation holds up to 5,000 events; they are logged by the
/// hundred at most, with a last line that counts the others.
pub const LOGS_MAX: usize = 100;

/// Most bytes of one of these lines.
pub const LOG_BYTES_MAX: usize = 1_024;

/// Most bytes of the JSON that an operator gets. A decision explained takes a few KiB.
const OUTPUT_BYTES_MAX: usize = 1024 * 1024;

/// The name of the HTTP output in Evaluate/function.json; the host compares it with case.
const HTTP_OUTPUT: &str = "res";

/// How an invocation of a stop or a timer function ended.
pub(super) fn outcome(outcome: Outcome) -> Response {
    let logs = bounded(outcome.logs);
    match outcome.status {
        Status::Done => object(StatusCode::OK, json!({}), &logs),
        Status::Redeliver => {
            for reason in &logs {
                tracing::warn!(reason, "not durable: the host shall bring it again");
            }
            object(StatusCode::SERVICE_UNAVAILABLE, json!({}), &logs)
        }
    }
}

/// The answer to an operator, wrapped so that the host passes it on as it is. It does so with a body that is a
/// string and a content type; it ignores a member called `status` and prints an object as indented `text/plain`.
pub(super) fn evaluated(output: &HttpOutput) -> Response {
    let mut status = output.status;
    let mut body = output.body.to_string();
    if body.len() > OUTPUT_BYTES_MAX {
        tracing::error!(bytes = body.len(), "the answer to an operator is too large");
        status = StatusCode::INTERNAL_SERVER_ERROR;
        body = json!({ "error": "the answer is too large" }).to_string();
    }
    let response = json!({
        "statusCode": status.as_u16(),
        "headers": { "Content-Type": "application/json" },
        "body": body,
    });
    object(StatusCode::OK, json!({ HTTP_OUTPUT: response }), &[])
}

/// The readiness probe's answer. The host looks at neither its status nor its body.
pub(super) fn ready() -> Response {
    object(StatusCode::OK, json!({}), &[])
}

/// The invocation failed. The host makes it a 500 for Event Grid and drops the reason, so it is logged by whoever calls.
pub(super) fn failed(status: StatusCode, reason: &str) -> Response {
    object(status, json!({}), &bounded(vec![reason.to_owned()]))
}

fn object(status: StatusCode, outputs: Value, logs: &[String]) -> Response {
    let body = json!({ "Outputs": outputs, "Logs": logs, "ReturnValue": null });
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Logs that are printable and within their limits, and that say what was left out.
fn bounded(logs: Vec<String>) -> Vec<String> {
    let total = logs.len();
    let kept = if total > LOGS_MAX { LOGS_MAX - 1 } else { total };
    let mut lines: Vec<_> = logs.iter().take(kept).map(|line| printable(line, LOG_BYTES_MAX)).collect();
    if kept < total {
        lines.push(format!("… and {} more lines", total - kept));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_bounded_in_number_and_length_and_say_what_is_missing() {
        let logs = bounded(vec!["x".repeat(5_000); 5_000]);
        assert_eq!(logs.len(), LOGS_MAX);
        assert!(logs.iter().all(|line| line.len() <= LOG_BYTES_MAX));
        assert_eq!(logs[LOGS_MAX - 1], "… and 4901 more lines");
        assert_eq!(bounded(vec!["x".to_owned(); LOGS_MAX]), vec!["x".to_owned(); LOGS_MAX]);
    }

    #[test]
    fn logs_hold_no_control_characters() {
        assert_eq!(bounded(vec!["a\nb\u{202e}".to_owned()]), ["a\\nb\\u{202e}"]);
    }
}
