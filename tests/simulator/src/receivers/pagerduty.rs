//! PagerDuty Events API v2 (PagerDuty/developer-docs, `docs/events-API-v2`: overview, trigger events, rate limits).

use bytes::Bytes;
use http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::check::{self, Check, Need};
use super::desk::{Answer, Service};
use super::limit::Limit;

/// Longest body ("Event payload ... 512 KB").
const BODY_BYTES_MAX: usize = 512 * 1024;
/// Longest `dedup_key`.
const DEDUP_KEY_CHARS_MAX: usize = 255;
/// Longest `payload.summary`.
const SUMMARY_CHARS_MAX: usize = 1024;
/// A routing key is as long as this.
const ROUTING_KEY_CHARS: usize = 32;
/// Requests a minute for one routing key.
const REQUESTS_PER_MINUTE: usize = 120;
/// Longest text of any other member: none is documented, this is past all that a page shows.
const CHARS_MAX: usize = 8_192;

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Which.
    pub dedup_key: String,
    /// Whether it is still open.
    pub open: bool,
    /// The events that it took in, oldest first: the trigger, its repeats, the resolve.
    pub events: Vec<Value>,
}

/// One service region, with one integration.
#[derive(Debug)]
pub struct PagerDuty {
    routing_key: String,
    alerts: Vec<Alert>,
    dropped: usize,
}

impl PagerDuty {
    /// A region (the United States' or Europe's) that knows this routing key alone: it is a key of the other's that was sent to the wrong host.
    pub fn new(routing_key: &str) -> Self {
        Self { routing_key: routing_key.to_owned(), alerts: Vec::new(), dropped: 0 }
    }

    /// All alerts, oldest first.
    pub fn alerts(&self) -> &[Alert] {
        &self.alerts
    }

    /// Resolves without an open alert: PagerDuty drops them in silence.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    fn take(&mut self, event: &Value, now: Timestamp) -> Answer {
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let given = text("dedup_key");
        let dedup_key =
            if given.is_empty() { format!("{:032x}", now.as_nanosecond()) } else { given.to_owned() };
        let open = self.alerts.iter_mut().find(|alert| alert.open && alert.dedup_key == dedup_key);
        match (open, text("event_action")) {
            (Some(alert), action) => {
                alert.open = action != "resolve";
                alert.events.push(event.clone());
            }
            (None, "trigger") => {
                let events = vec![event.clone()];
                self.alerts.push(Alert { dedup_key: dedup_key.clone(), open: true, events });
            }
            (None, _) => self.dropped += 1,
        }
        Answer::json(202, &json!({"status": "success", "message": "Event processed", "dedup_key": dedup_key}))
    }
}

impl Service for PagerDuty {
    fn limit(&self) -> Limit {
        Limit { requests: REQUESTS_PER_MINUTE, within: SignedDuration::from_mins(1) }
    }

    fn throttled(&self) -> Answer {
        Answer::json(429, &json!({"status": "throttled", "message": "Too Many Requests"}))
    }

    fn receive(&mut self, request: &Request<Bytes>, now: Timestamp, broken: &mut Vec<String>) -> Answer {
        check::no_authorization(request, broken);
        if (request.method(), request.uri().path()) != (&Method::POST, "/v2/enqueue") {
            broken.push("only POST /v2/enqueue is there".to_owned());
            return Answer::text(404, "Not Found");
        }
        if request.body().len() > BODY_BYTES_MAX {
            broken.push(format!("the body has {} bytes, {BODY_BYTES_MAX} are allowed", request.body().len()));
            return Answer::json(413, &json!({"status": "invalid event", "message": "Event too large"}));
        }
        let found = match check::json(request) {
            Err(wrong) => Err(vec![wrong]),
            Ok(event) => match self.faults(&event) {
                wrong if wrong.is_empty() => Ok(event),
                wrong => Err(wrong),
            },
        };
        match found {
            Ok(event) => self.take(&event, now),
            Err(wrong) => {
                broken.extend(wrong.iter().cloned());
                let invalid =
                    json!({"status": "invalid event", "message": "Event object is invalid", "errors": wrong});
                Answer::json(400, &invalid)
            }
        }
    }
}

impl PagerDuty {
    fn faults(&self, event: &Value) -> Vec<String> {
        let mut check = Check::new(event);
        check.only(
            "",
            &[
                "routing_key",
                "event_action",
                "dedup_key",
                "payload",
                "links",
                "images",
                "client",
                "client_url",
            ],
        );
        let key = check.text("/routing_key", Need::Must, ROUTING_KEY_CHARS);
        check.rule(key.chars().count() == ROUTING_KEY_CHARS, "/routing_key: has not 32 characters");
        check.rule(key == self.routing_key, "/routing_key: is not known in this region");
        let action = check.word("/event_action", Need::Must, &["trigger", "acknowledge", "resolve"]);
        let has_key = if action == "trigger" { Need::May } else { Need::Must };
        check.text("/dedup_key", has_key, DEDUP_KEY_CHARS_MAX);
        check.text("/client", Need::May, CHARS_MAX);
        check.https("/client_url", Need::May, CHARS_MAX);
        for at in 0..check.list("/links", Need::May, usize::MAX).len() {
            check.https(&format!("/links/{at}/href"), Need::Must, CHARS_MAX);
            check.text(&format!("/links/{at}/text"), Need::May, CHARS_MAX);
            check.only(&format!("/links/{at}"), &["href", "text"]);
        }
        for at in 0..check.list("/images", Need::May, usize::MAX).len() {
            check.https(&format!("/images/{at}/src"), Need::Must, CHARS_MAX);
            check.only(&format!("/images/{at}"), &["src", "href", "alt"]);
        }
        if action == "trigger" {
            payload(&mut check);
        }
        check.end()
    }
}

fn payload(check: &mut Check<'_>) {
    check.only(
        "/payload",
        &["summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"],
    );
    check.text("/payload/summary", Need::Must, SUMMARY_CHARS_MAX);
    check.text("/payload/source", Need::Must, CHARS_MAX);
    check.word("/payload/severity", Need::Must, &["critical", "error", "warning", "info"]);
    check.time("/payload/timestamp", Need::May);
    for name in ["component", "group", "class"] {
        check.text(&format!("/payload/{name}"), Need::May, CHARS_MAX);
    }
    let details = check.get("/payload/custom_details").is_none_or(Value::is_object);
    check.rule(details, "/payload/custom_details: is not an object");
}
