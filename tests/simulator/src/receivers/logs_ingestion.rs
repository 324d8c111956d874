//! Azure Monitor's Logs Ingestion API, as Microsoft Sentinel's table is filled by it (learn.microsoft.com, *Logs Ingestion API in Azure Monitor*).

use bytes::Bytes;
use http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::check::{self, Check, Need};
use super::desk::{Answer, Service};
use super::limit::Limit;

/// Largest body ("Maximum size of API call: 1 MB").
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// "Maximum requests/minute per DCR".
const REQUESTS_PER_MINUTE: usize = 12_000;
/// Characters of a string column; what is longer is cut in silence ("64 KB", counted here as if each character took two bytes).
const COLUMN_CHARS_MAX: usize = 32 * 1024;
/// The only version there is.
const API_VERSION: &str = "2023-01-01";

/// A column's type, as the data collection rule declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Text.
    String,
    /// RFC 3339.
    DateTime,
    /// A whole number.
    Int,
    /// Any JSON.
    Dynamic,
}

/// One data collection rule with one stream.
#[derive(Debug)]
pub struct LogsIngestion {
    rule: String,
    stream: String,
    columns: Vec<(String, Column)>,
    token: String,
    rows: Vec<Value>,
}

impl LogsIngestion {
    /// A rule by its immutable id, whose stream has these columns and takes this token: one for the scope `https://monitor.azure.com/.default`.
    pub fn new(rule: &str, stream: &str, columns: &[(&str, Column)], token: &str) -> Self {
        let columns = columns.iter().map(|(name, column)| ((*name).to_owned(), *column)).collect();
        Self {
            rule: rule.to_owned(),
            stream: stream.to_owned(),
            columns,
            token: token.to_owned(),
            rows: Vec::new(),
        }
    }

    /// The table's rows, oldest first. Nothing is deduplicated on arrival.
    pub fn rows(&self) -> &[Value] {
        &self.rows
    }
}

impl Service for LogsIngestion {
    fn limit(&self) -> Limit {
        Limit { requests: REQUESTS_PER_MINUTE, within: SignedDuration::from_mins(1) }
    }

    fn throttled(&self) -> Answer {
        error(429, "TooManyRequests", "The rate of requests is too high")
    }

    fn receive(&mut self, request: &Request<Bytes>, _now: Timestamp, broken: &mut Vec<String>) -> Answer {
        let refuse = |answer: Answer, wrong: &str, broken: &mut Vec<String>| {
            broken.push(wrong.to_owned());
            answer
        };
        match check::bearer(request) {
            None => return refuse(error(401, "Unauthorized", "No token"), "authorization: no token", broken),
            Some(token) if token != self.token => {
                let answer =
                    error(403, "OperationFailed", "The authentication token has no access to the rule");
                return refuse(answer, "authorization: another token", broken);
            }
            Some(_) => {}
        }
        let path = format!("/dataCollectionRules/{}/streams/{}", self.rule, self.stream);
        if (request.method(), request.uri().path()) != (&Method::POST, path.as_str()) {
            let answer = error(404, "NotFound", "Data collection rule or stream not found");
            return refuse(answer, "there is no such rule or stream", broken);
        }
        if check::query(request, "api-version").as_deref() != Some(API_VERSION) {
            let answer = error(400, "UnsupportedApiVersion", "The api-version is not supported");
            return refuse(answer, "api-version: is not 2023-01-01", broken);
        }
        if request.body().len() > BODY_BYTES_MAX {
            let answer = error(413, "ContentLengthLimitExceeded", "The body is larger than 1 MB");
            return refuse(answer, "the body is larger than 1 MB", broken);
        }
        let rows = match check::json(request) {
            Ok(Value::Array(rows)) if !rows.is_empty() => rows,
            Ok(_) => {
                let answer = error(400, "InvalidPayload", "The body is not an array of rows");
                return refuse(answer, "the body is not an array of rows", broken);
            }
            Err(wrong) => return refuse(error(400, "InvalidPayload", &wrong), &wrong, broken),
        };
        for row in &rows {
            broken.extend(self.row_faults(row));
        }
        self.rows.extend(rows);
        Answer { status: 204, headers: Vec::new(), content_type: "application/json", body: String::new() }
    }
}

impl LogsIngestion {
    /// The service takes rows of another shape and drops the members that don't fit, so these are only remembered.
    fn row_faults(&self, row: &Value) -> Vec<String> {
        let mut check = Check::new(row);
        let names: Vec<_> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        check.only("", &names);
        check.time("/TimeGenerated", Need::Must);
        for (name, column) in &self.columns {
            let at = format!("/{name}");
            match column {
                Column::String => {
                    check.text(&at, Need::May, COLUMN_CHARS_MAX);
                }
                Column::DateTime => check.time(&at, Need::May),
                Column::Int => {
                    let whole = check.get(&at).is_none_or(|value| value.is_i64() || value.is_u64());
                    check.rule(whole, &format!("{at}: is not a whole number"));
                }
                Column::Dynamic => {
                    let text = check.get(&at).is_some_and(Value::is_string);
                    check.rule(!text, &format!("{at}: JSON as a string has to be parsed in every query"));
                }
            }
        }
        check.end()
    }
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, &json!({"error": {"code": code, "message": message}}))
}
