//! A Microsoft Teams workflow, "When a Teams webhook request is received" (learn.microsoft.com, *Create incoming webhooks with Workflows*;
//! the Adaptive Card schema).

use bytes::Bytes;
use http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::check::{self, Check, Need};
use super::desk::{Answer, Service};
use super::limit::Limit;

/// Largest message. What is measured is the card as a JSON string inside Teams' own message, so that every quote counts twice
/// (MicrosoftDocs/msteams-docs issue 11274: 24,453 bytes sent, "28897 bytes, whereas max allowed size is 28672 bytes").
const MESSAGE_BYTES_MAX: usize = 28 * 1024;
/// Longest text of a member: none is documented, the message's size is the limit.
const CHARS_MAX: usize = MESSAGE_BYTES_MAX;
/// Actions that Teams shows on a card; it drops the rest.
const ACTIONS_MAX: usize = 6;
/// Deepest nesting of containers that is looked into.
const DEPTH_MAX: usize = 8;

/// Members that say how a text looks, and their words.
const LOOKS: [(&str, &[&str]); 4] = [
    ("size", &["Default", "Small", "Medium", "Large", "ExtraLarge"]),
    ("weight", &["Default", "Lighter", "Bolder"]),
    ("color", &["Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"]),
    ("fontType", &["Default", "Monospace"]),
];

/// One channel behind one workflow.
#[derive(Debug)]
pub struct Teams {
    path_and_query: String,
    disabled: bool,
    cards: Vec<Value>,
}

impl Teams {
    /// A workflow at this path and query, whose `sig` is its secret.
    pub fn new(path_and_query: &str) -> Self {
        Self { path_and_query: path_and_query.to_owned(), disabled: false, cards: Vec::new() }
    }

    /// Its owner leaves, and the workflow is switched off.
    pub fn disable(&mut self) {
        self.disabled = true;
    }

    /// The cards that were posted, oldest first.
    pub fn cards(&self) -> &[Value] {
        &self.cards
    }
}

impl Service for Teams {
    /// Four a second (the limit that was documented for the connectors, and the strictest one known).
    fn limit(&self) -> Limit {
        Limit { requests: 4, within: SignedDuration::from_secs(1) }
    }

    fn throttled(&self) -> Answer {
        error(429, "WorkflowTriggerIsThrottled", "Rate limit is exceeded. Try again later.")
    }

    fn receive(&mut self, request: &Request<Bytes>, _now: Timestamp, broken: &mut Vec<String>) -> Answer {
        check::no_authorization(request, broken);
        let called = request.uri().path_and_query().map_or("", |path| path.as_str());
        if request.method() != Method::POST || called != self.path_and_query {
            broken.push("there is no such workflow, or its signature is wrong".to_owned());
            return error(401, "DirectApiAuthorizationRequired", "The request must be authenticated.");
        }
        if self.disabled {
            return error(
                400,
                "WorkflowTriggerIsNotEnabled",
                "Could not execute workflow: it is not enabled.",
            );
        }
        let message = match check::json(request) {
            Ok(message) => message,
            Err(wrong) => {
                broken.push(wrong);
                return error(400, "InvalidRequestContent", "The request content is not valid.");
            }
        };
        let wrong = faults(&message);
        let size = posted_bytes(&message);
        // The trigger has taken it: that the post fails later is seen in the workflow's runs only.
        if size > MESSAGE_BYTES_MAX {
            broken.push(format!("the message has {size} bytes in Teams, {MESSAGE_BYTES_MAX} are allowed"));
        } else if wrong.is_empty() {
            self.cards.extend(message.pointer("/attachments/0/content").cloned());
        }
        broken.extend(wrong);
        Answer { status: 202, headers: Vec::new(), content_type: "text/plain", body: String::new() }
    }
}

/// What a workflow or a connector of old said for a failed post, with status 200 (MicrosoftDocs/msteams-docs issue 3571).
pub fn failed_inside_a_success(status: u16) -> Answer {
    let said = format!(
        "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {status} with ContextId \
         tcid=0,server=msgapi-production,cv=Bsl8E+rFTkyPhteKHUmpOQ.0.."
    );
    Answer::text(200, &said)
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, &json!({"error": {"code": code, "message": message}}))
}

fn posted_bytes(message: &Value) -> usize {
    let card = message.pointer("/attachments/0/content").unwrap_or(&Value::Null);
    Value::String(card.to_string()).to_string().len()
}

fn faults(message: &Value) -> Vec<String> {
    let mut check = Check::new(message);
    check.only("", &["type", "attachments"]);
    check.word("/type", Need::Must, &["message"]);
    let count = check.list("/attachments", Need::Must, 1).len();
    check.rule(count == 1, "/attachments: a workflow posts one card");
    check.only("/attachments/0", &["contentType", "contentUrl", "content"]);
    check.word("/attachments/0/contentType", Need::Must, &["application/vnd.microsoft.card.adaptive"]);
    let card = "/attachments/0/content";
    check.only(card, &["$schema", "type", "version", "body", "actions", "msteams", "fallbackText", "lang"]);
    check.word(&format!("{card}/type"), Need::Must, &["AdaptiveCard"]);
    check.word(&format!("{card}/version"), Need::Must, &["1.0", "1.1", "1.2", "1.3", "1.4", "1.5"]);
    elements(&mut check, &format!("{card}/body"), Need::Must, 0);
    actions(&mut check, &format!("{card}/actions"));
    let entities = check.get(&format!("{card}/msteams/entities")).is_some();
    check.rule(!entities, "/msteams/entities: makes mentions");
    check.end()
}

fn elements(check: &mut Check<'_>, at: &str, need: Need, depth: usize) {
    check.rule(depth <= DEPTH_MAX, &format!("{at}: nested too deep"));
    let count = if depth > DEPTH_MAX { 0 } else { check.list(at, need, usize::MAX).len() };
    for index in 0..count {
        element(check, &format!("{at}/{index}"), depth);
    }
}

fn element(check: &mut Check<'_>, at: &str, depth: usize) {
    let kinds = ["TextBlock", "RichTextBlock", "FactSet", "Container", "ColumnSet", "ActionSet"];
    match check.word(&format!("{at}/type"), Need::Must, &kinds) {
        "TextBlock" => text_block(check, at),
        "RichTextBlock" => rich_text_block(check, at),
        "FactSet" => {
            let facts = format!("{at}/facts");
            for index in 0..check.list(&facts, Need::Must, usize::MAX).len() {
                check.text(&format!("{facts}/{index}/title"), Need::Must, CHARS_MAX);
                check.text(&format!("{facts}/{index}/value"), Need::Must, CHARS_MAX);
                check.only(&format!("{facts}/{index}"), &["title", "value"]);
            }
        }
        "Container" => elements(check, &format!("{at}/items"), Need::Must, depth + 1),
        "ColumnSet" => {
            let columns = format!("{at}/columns");
            for index in 0..check.list(&columns, Need::Must, usize::MAX).len() {
                elements(check, &format!("{columns}/{index}/items"), Need::May, depth + 1);
            }
        }
        "ActionSet" => actions(check, &format!("{at}/actions")),
        _ => {}
    }
}

fn text_block(check: &mut Check<'_>, at: &str) {
    check.only(
        at,
        &[
            "type",
            "text",
            "color",
            "fontType",
            "horizontalAlignment",
            "isSubtle",
            "maxLines",
            "size",
            "weight",
            "wrap",
            "style",
            "separator",
            "spacing",
            "id",
            "isVisible",
        ],
    );
    check.text(&format!("{at}/text"), Need::Must, CHARS_MAX);
    look(check, at);
    check.word(&format!("{at}/style"), Need::May, &["default", "heading"]);
    // Without it a long line ends in an ellipsis on a phone.
    let wraps = check.get(&format!("{at}/wrap")).and_then(Value::as_bool) == Some(true);
    check.rule(wraps, &format!("{at}/wrap: is not true, so that the line is cut"));
}

/// A line of runs, whose texts are shown as they are (Adaptive Cards 1.2).
fn rich_text_block(check: &mut Check<'_>, at: &str) {
    check.only(at, &["type", "inlines", "horizontalAlignment", "separator", "spacing", "id", "isVisible"]);
    let inlines = format!("{at}/inlines");
    let count = check.list(&inlines, Need::Must, usize::MAX).len();
    check.rule(count > 0, &format!("{inlines}: is empty"));
    for index in 0..count {
        let run = format!("{inlines}/{index}");
        check.only(
            &run,
            &[
                "type",
                "text",
                "color",
                "fontType",
                "highlight",
                "isSubtle",
                "italic",
                "size",
                "strikethrough",
                "underline",
                "weight",
            ],
        );
        check.word(&format!("{run}/type"), Need::Must, &["TextRun"]);
        check.text(&format!("{run}/text"), Need::Must, CHARS_MAX);
        look(check, &run);
    }
}

/// How a text looks. The words are read in any case.
fn look(check: &mut Check<'_>, at: &str) {
    for (name, words) in LOOKS {
        let pointer = format!("{at}/{name}");
        let word = check.text(&pointer, Need::May, CHARS_MAX);
        let known = word.is_empty() || words.iter().any(|known| known.eq_ignore_ascii_case(word));
        check.rule(known, &format!("{pointer}: `{word}` is none of {words:?}"));
    }
}

fn actions(check: &mut Check<'_>, at: &str) {
    for index in 0..check.list(at, Need::May, ACTIONS_MAX).len() {
        let action = format!("{at}/{index}");
        check.only(&action, &["type", "title", "url", "style", "tooltip", "id"]);
        check.word(&format!("{action}/type"), Need::Must, &["Action.OpenUrl"]);
        check.text(&format!("{action}/title"), Need::Must, CHARS_MAX);
        check.https(&format!("{action}/url"), Need::Must, CHARS_MAX);
    }
}
