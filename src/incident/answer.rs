//! What an answer means.

use std::time::Duration;

use ::http::header::RETRY_AFTER;
use ::http::{HeaderMap, Response, StatusCode};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::DeliveryError;
use super::file::{Answers, Outcome, Rule};
use crate::domain::text::{clean, defang};

/// The longest `Retry-After` that is honoured: beyond it an incident would be stale before anybody sees it.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// How long to wait after an answer that only people can change (a wrong address, a wrong secret): often enough to be
/// quick once it is mended, seldom enough not to be taken for an attack.
const REFUSED_RETRY_AFTER: Duration = Duration::from_secs(300);
/// Longest reference and longest error of a receiver in characters.
const TOLD_CHARS_MAX: usize = 200;

/// An answer, read once.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    text: String,
    /// The body, if it is JSON; else null.
    pub(super) json: Value,
}

impl Answer {
    pub(super) fn new(response: &Response<Bytes>) -> Self {
        let text = String::from_utf8_lossy(response.body()).into_owned();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status: response.status(), headers: response.headers().clone(), text, json }
    }

    /// What the receiver calls what it made, if it says so.
    pub(super) fn reference(&self, answers: &Answers) -> Option<String> {
        let found = shown(self.json.pointer(answers.reference.as_deref()?)?)?;
        Some(clean(&found, TOLD_CHARS_MAX))
    }

    /// Whether the receiver has the message, or what comes next. `who` names the receiver, `hide` takes secrets out of what it says.
    pub(super) fn judge(
        &self,
        answers: &Answers,
        who: &str,
        sink: &str,
        now: Timestamp,
        hide: impl Fn(&str) -> String,
    ) -> Result<(), DeliveryError> {
        let status = self.status.as_u16();
        let said = answers.error.as_deref().and_then(|pointer| shown(self.json.pointer(pointer)?));
        let said = said
            .map(|text| format!(" ({})", clean(&defang(&hide(&text)), TOLD_CHARS_MAX)))
            .unwrap_or_default();
        let what = format!("{who} answered {status}{said}");
        let asked = retry_after(&self.headers, now);
        if let Some(rule) = answers.rules.iter().find(|rule| self.follows(rule)) {
            let why = rule.why.as_ref().map_or_else(|| what.clone(), |why| format!("{what}: {why}"));
            return match rule.outcome {
                Outcome::Delivered => Ok(()),
                Outcome::Retry => Err(DeliveryError::Retry { after: asked.or(self.pace()), why }),
                Outcome::GiveUp => Err(DeliveryError::GiveUp { why }),
            };
        }
        if answers.delivered.iter().any(|listed| listed.covers(status)) {
            return Ok(());
        }
        if answers.give_up.iter().any(|listed| listed.covers(status)) {
            let why = if status == 410 { format!("{what}: it wants no more messages") } else { what };
            return Err(DeliveryError::GiveUp { why });
        }
        let why = match self.pace() {
            None => what,
            Some(_) if self.status.is_redirection() => {
                format!("{what}: redirects are not followed, set the URL it redirects to")
            }
            Some(_) => format!("{what}: check the settings of sink `{sink}`"),
        };
        Err(DeliveryError::Retry { after: asked.or(self.pace()), why })
    }

    /// Slow where only people can change the answer; else the outbox's own pace.
    fn pace(&self) -> Option<Duration> {
        let by_itself = matches!(
            self.status,
            StatusCode::REQUEST_TIMEOUT
                | StatusCode::CONFLICT
                | StatusCode::PRECONDITION_FAILED
                | StatusCode::TOO_EARLY
                | StatusCode::TOO_MANY_REQUESTS
        );
        (!by_itself && !self.status.is_success() && !self.status.is_server_error())
            .then_some(REFUSED_RETRY_AFTER)
    }

    fn follows(&self, rule: &Rule) -> bool {
        let status = self.status.as_u16();
        if !rule.status.is_empty() && !rule.status.iter().any(|listed| listed.covers(status)) {
            return false;
        }
        let looked_at = match &rule.pointer {
            None => self.text.trim().to_owned(),
            Some(pointer) => self.json.pointer(pointer).and_then(shown).unwrap_or_default(),
        };
        rule.is.as_ref().is_none_or(|text| looked_at == *text)
            && rule.is_not.as_ref().is_none_or(|text| looked_at != *text)
            && rule.contains.as_ref().is_none_or(|text| looked_at.contains(text.as_str()))
    }
}

/// A string, a number or a truth as text; a list's first.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Array(list) => list.first().and_then(shown),
        Value::Null | Value::Object(_) => None,
    }
}

/// `Retry-After` in seconds or as an HTTP date (RFC 9110), capped; `None` if it is missing or can't be read.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)
        }
    };
    Some(asked.min(RETRY_AFTER_MAX))
}
