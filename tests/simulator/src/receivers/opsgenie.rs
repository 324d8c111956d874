//! Opsgenie's Alert API (opsgenie/opsgenie-oas, `definitions/alert.yaml` and `paths/alert.yaml`).

use bytes::Bytes;
use http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::check::{self, Check, Need};
use super::desk::{Answer, Service};
use super::limit::Limit;

/// Characters of the members (the API's own definition).
const MESSAGE_CHARS_MAX: usize = 130;
const ALIAS_CHARS_MAX: usize = 512;
const DESCRIPTION_CHARS_MAX: usize = 15_000;
const ENTITY_CHARS_MAX: usize = 512;
const SOURCE_CHARS_MAX: usize = 100;
const USER_CHARS_MAX: usize = 100;
const NOTE_CHARS_MAX: usize = 25_000;
const TAG_CHARS_MAX: usize = 50;
/// Characters of all keys and values of `details` together.
const DETAILS_CHARS_MAX: usize = 8_000;
/// Tags of an alert.
const TAGS_MAX: usize = 20;

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Which.
    pub alias: String,
    /// Whether it is open.
    pub open: bool,
    /// How often it was created: the first time, and every repeat while it was open.
    pub count: usize,
    /// What was sent first: a repeat changes nothing of it.
    pub created: Value,
    /// What was added.
    pub notes: Vec<String>,
}

/// One team's integration.
#[derive(Debug)]
pub struct Opsgenie {
    key: String,
    alerts: Vec<Alert>,
    requests: u64,
}

impl Opsgenie {
    /// An account with this key.
    pub fn new(key: &str) -> Self {
        Self { key: key.to_owned(), alerts: Vec::new(), requests: 0 }
    }

    /// All alerts, oldest first.
    pub fn alerts(&self) -> &[Alert] {
        &self.alerts
    }

    fn create(&mut self, alert: Value, now: Timestamp) {
        let given = alert.get("alias").and_then(Value::as_str).unwrap_or_default();
        let alias = if given.is_empty() { format!("{:x}", now.as_nanosecond()) } else { given.to_owned() };
        match self.open(&alias) {
            Some(open) => open.count += 1,
            None => {
                self.alerts.push(Alert { alias, open: true, count: 1, created: alert, notes: Vec::new() });
            }
        }
    }

    fn open(&mut self, alias: &str) -> Option<&mut Alert> {
        self.alerts.iter_mut().find(|alert| alert.open && alert.alias == alias)
    }

    /// Adds a note, and closes it. Asynchronous: an alias that nobody knows is accepted too, and nothing comes of it.
    fn act(&mut self, alias: &str, closes: bool, body: &Value, broken: &mut Vec<String>) {
        match self.open(alias) {
            Some(alert) => {
                alert.notes.extend(body.get("note").and_then(Value::as_str).map(str::to_owned));
                alert.open = !closes;
            }
            None => broken.push(format!("no open alert has the alias `{alias}`")),
        }
    }

    fn accepted(&mut self) -> Answer {
        self.requests += 1;
        let id = format!("43a29c5c-3dbf-4fa4-9c26-{:012x}", self.requests);
        Answer::json(202, &json!({"result": "Request will be processed", "took": 0.107, "requestId": id}))
    }
}

impl Service for Opsgenie {
    /// Depends on the account; this is a strict one.
    fn limit(&self) -> Limit {
        Limit { requests: 60, within: SignedDuration::from_mins(1) }
    }

    fn throttled(&self) -> Answer {
        refused(429, "You are making too many requests!")
    }

    fn receive(&mut self, request: &Request<Bytes>, now: Timestamp, broken: &mut Vec<String>) -> Answer {
        if check::header(request, "authorization").strip_prefix("GenieKey ") != Some(&self.key) {
            broken.push("authorization: is not `GenieKey` and the key".to_owned());
            return refused(401, "Could not authenticate");
        }
        let Some(Target { alias, action }) = target(request) else {
            broken.push("there is no such method and path".to_owned());
            return refused(404, "Not found");
        };
        let body = match check::json(request) {
            Ok(body) => body,
            Err(wrong) => {
                broken.push(wrong);
                return refused(400, "Request body is not a valid JSON");
            }
        };
        let wrong = match action {
            Action::Create => alert_faults(&body),
            Action::Note | Action::Close => note_faults(&body, action == Action::Note),
        };
        if !wrong.is_empty() {
            let errors: Value = wrong.iter().map(|rule| (rule.clone(), Value::from("invalid"))).collect();
            broken.extend(wrong);
            return Answer::json(
                422,
                &json!({"message": "Request body is not processable. Please check the errors.", "errors": errors}),
            );
        }
        match action {
            Action::Create => self.create(body, now),
            Action::Note => self.act(&alias, false, &body, broken),
            Action::Close => self.act(&alias, true, &body, broken),
        }
        self.accepted()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Create,
    Note,
    Close,
}

struct Target {
    alias: String,
    action: Action,
}

fn target(request: &Request<Bytes>) -> Option<Target> {
    if request.method() != Method::POST {
        return None;
    }
    let rest = request.uri().path().strip_prefix("/v2/alerts")?;
    if rest.is_empty() {
        return Some(Target { alias: String::new(), action: Action::Create });
    }
    let (alias, verb) = rest.strip_prefix('/')?.split_once('/')?;
    let action = match verb {
        "close" => Action::Close,
        "notes" => Action::Note,
        _ => return None,
    };
    // Without it the alias is read as Opsgenie's own id.
    (check::query(request, "identifierType").as_deref() == Some("alias"))
        .then(|| Target { alias: percent_decoded(alias), action })
}

fn percent_decoded(segment: &str) -> String {
    // A form's plus sign is a space; a path's is a plus sign.
    let pair = format!("x={}", segment.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

fn refused(status: u16, message: &str) -> Answer {
    Answer::json(
        status,
        &json!({"message": message, "took": 0.001, "requestId": "8418d193-2dab-4490-b331-8c02cdd196b7"}),
    )
}

fn alert_faults(alert: &Value) -> Vec<String> {
    let mut check = Check::new(alert);
    check.only(
        "",
        &[
            "message",
            "alias",
            "description",
            "responders",
            "visibleTo",
            "actions",
            "tags",
            "details",
            "entity",
            "source",
            "priority",
            "user",
            "note",
        ],
    );
    check.text("/message", Need::Must, MESSAGE_CHARS_MAX);
    check.text("/alias", Need::Must, ALIAS_CHARS_MAX);
    check.text("/description", Need::May, DESCRIPTION_CHARS_MAX);
    check.text("/entity", Need::May, ENTITY_CHARS_MAX);
    check.text("/source", Need::May, SOURCE_CHARS_MAX);
    check.text("/user", Need::May, USER_CHARS_MAX);
    check.text("/note", Need::May, NOTE_CHARS_MAX);
    check.word("/priority", Need::May, &["P1", "P2", "P3", "P4", "P5"]);
    for at in 0..check.list("/tags", Need::May, TAGS_MAX).len() {
        check.text(&format!("/tags/{at}"), Need::Must, TAG_CHARS_MAX);
    }
    if let Some(details) = check.get("/details") {
        let pairs = details.as_object();
        let strings = pairs.is_some_and(|pairs| pairs.values().all(Value::is_string));
        check.rule(strings, "/details: is not a map of strings");
        let value = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
        let chars: usize =
            pairs.into_iter().flatten().map(|(key, text)| key.chars().count() + value(text)).sum();
        check.rule(
            chars <= DETAILS_CHARS_MAX,
            &format!("/details: {chars} characters, {DETAILS_CHARS_MAX} are allowed"),
        );
    }
    check.end()
}

fn note_faults(body: &Value, must: bool) -> Vec<String> {
    let mut check = Check::new(body);
    check.only("", &["note", "user", "source"]);
    check.text("/note", if must { Need::Must } else { Need::May }, NOTE_CHARS_MAX);
    check.text("/user", Need::May, USER_CHARS_MAX);
    check.text("/source", Need::May, SOURCE_CHARS_MAX);
    check.end()
}
