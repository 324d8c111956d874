//! Slack's incoming webhooks (the API's pages "Sending messages using incoming webhooks", "Blocks", "Rate limits").

use bytes::Bytes;
use http::{Method, Request};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::check::{self, Check, Need};
use super::desk::{Answer, Service};
use super::limit::Limit;

/// Characters after which Slack cuts a message's text.
const TEXT_CHARS_MAX: usize = 40_000;
/// Blocks of one message.
const BLOCKS_MAX: usize = 50;
/// Characters of a section's text.
const SECTION_CHARS_MAX: usize = 3_000;
/// Fields of a section.
const FIELDS_MAX: usize = 10;
/// Characters of a field.
const FIELD_CHARS_MAX: usize = 2_000;
/// Characters of a header.
const HEADER_CHARS_MAX: usize = 150;
/// Elements of a context block.
const CONTEXT_ELEMENTS_MAX: usize = 10;
/// Elements of an actions block.
const ACTIONS_MAX: usize = 25;
/// Characters of a button's text.
const BUTTON_CHARS_MAX: usize = 75;
/// Characters of a button's address.
const BUTTON_URL_CHARS_MAX: usize = 3_000;
/// Characters of an id of a block or an action.
const ID_CHARS_MAX: usize = 255;
/// Characters of all blocks of a message: undocumented, seen at 13,200 (slackapi/bolt-js issue 2509: `msg_blocks_too_long`).
const ALL_BLOCKS_CHARS_MAX: usize = 13_000;

/// One channel behind one webhook.
#[derive(Debug)]
pub struct Slack {
    path: String,
    archived: bool,
    messages: Vec<Value>,
}

impl Slack {
    /// A webhook at this path (`/services/T…/B…/…`), which is its secret.
    pub fn new(path: &str) -> Self {
        Self { path: path.to_owned(), archived: false, messages: Vec::new() }
    }

    /// Somebody archives the channel.
    pub fn archive(&mut self) {
        self.archived = true;
    }

    /// What people read, oldest first. A webhook can't change or take back what it posted.
    pub fn messages(&self) -> &[Value] {
        &self.messages
    }
}

impl Service for Slack {
    /// "1 per second. Short bursts >1 allowed": here 5 in 5 s.
    fn limit(&self) -> Limit {
        Limit { requests: 5, within: SignedDuration::from_secs(5) }
    }

    fn throttled(&self) -> Answer {
        Answer::text(429, "rate_limited")
    }

    fn receive(&mut self, request: &Request<Bytes>, _now: Timestamp, broken: &mut Vec<String>) -> Answer {
        check::no_authorization(request, broken);
        if request.method() != Method::POST || request.uri().path() != self.path {
            broken.push("there is no such webhook".to_owned());
            return Answer::text(404, "no_service");
        }
        if self.archived {
            return Answer::text(410, "channel_is_archived");
        }
        let message = match check::json(request) {
            Ok(message) => message,
            Err(wrong) => {
                broken.push(wrong);
                return Answer::text(400, "invalid_payload");
            }
        };
        let mut check = Check::new(&message);
        envelope(&mut check);
        let wrong = check.end();
        if !wrong.is_empty() {
            broken.extend(wrong);
            return Answer::text(400, "invalid_payload");
        }
        let wrong = blocks(&message);
        if !wrong.is_empty() {
            broken.extend(wrong);
            return Answer::text(400, "invalid_blocks");
        }
        self.messages.push(message);
        Answer::text(200, "ok")
    }
}

fn envelope(check: &mut Check<'_>) {
    check.only(
        "",
        &[
            "text",
            "blocks",
            "attachments",
            "thread_ts",
            "mrkdwn",
            "link_names",
            "parse",
            "unfurl_links",
            "unfurl_media",
            "response_type",
        ],
    );
    // Without it a notification on a phone says nothing, and a screen reader neither.
    check.text("/text", Need::Must, TEXT_CHARS_MAX);
    let names = check.get("/link_names").is_some_and(|value| value != &Value::Bool(false));
    check.rule(!names, "/link_names: makes mentions out of plain `@names`");
    check.word("/parse", Need::May, &["none"]);
}

fn blocks(message: &Value) -> Vec<String> {
    let mut check = Check::new(message);
    let count = check.list("/blocks", Need::May, BLOCKS_MAX).len();
    for at in 0..count {
        block(&mut check, &format!("/blocks/{at}"));
    }
    let all = message.get("blocks").map_or(0, |blocks| blocks.to_string().chars().count());
    check
        .rule(all <= ALL_BLOCKS_CHARS_MAX, &format!("/blocks: {all} characters in all, msg_blocks_too_long"));
    check.end()
}

fn block(check: &mut Check<'_>, at: &str) {
    check.text(&format!("{at}/block_id"), Need::May, ID_CHARS_MAX);
    match check.word(
        &format!("{at}/type"),
        Need::Must,
        &["section", "header", "context", "divider", "actions"],
    ) {
        "header" => {
            check.only(at, &["type", "text", "block_id"]);
            check.word(&format!("{at}/text/type"), Need::Must, &["plain_text"]);
            text_object(check, &format!("{at}/text"), HEADER_CHARS_MAX);
        }
        "section" => section(check, at),
        "context" => {
            check.only(at, &["type", "elements", "block_id"]);
            let count = check.list(&format!("{at}/elements"), Need::Must, CONTEXT_ELEMENTS_MAX).len();
            check.rule(count > 0, &format!("{at}/elements: is empty"));
            for element in 0..count {
                text_object(check, &format!("{at}/elements/{element}"), SECTION_CHARS_MAX);
            }
        }
        "actions" => {
            check.only(at, &["type", "elements", "block_id"]);
            let count = check.list(&format!("{at}/elements"), Need::Must, ACTIONS_MAX).len();
            check.rule(count > 0, &format!("{at}/elements: is empty"));
            for element in 0..count {
                button(check, &format!("{at}/elements/{element}"));
            }
        }
        _ => check.only(at, &["type", "block_id"]),
    }
}

fn section(check: &mut Check<'_>, at: &str) {
    check.only(at, &["type", "text", "fields", "accessory", "block_id", "expand"]);
    let fields = check.list(&format!("{at}/fields"), Need::May, FIELDS_MAX).len();
    for field in 0..fields {
        text_object(check, &format!("{at}/fields/{field}"), FIELD_CHARS_MAX);
    }
    if fields == 0 || check.get(&format!("{at}/text")).is_some() {
        text_object(check, &format!("{at}/text"), SECTION_CHARS_MAX);
    }
    if check.get(&format!("{at}/accessory")).is_some() {
        button(check, &format!("{at}/accessory"));
    }
}

fn text_object(check: &mut Check<'_>, at: &str, chars_max: usize) {
    check.only(at, &["type", "text", "emoji", "verbatim"]);
    let kind = check.word(&format!("{at}/type"), Need::Must, &["plain_text", "mrkdwn"]);
    check.text(&format!("{at}/text"), Need::Must, chars_max);
    let emoji = check.get(&format!("{at}/emoji")).is_some();
    check.rule(!emoji || kind == "plain_text", &format!("{at}/emoji: is for plain_text"));
    let verbatim = check.get(&format!("{at}/verbatim")).is_some();
    check.rule(!verbatim || kind == "mrkdwn", &format!("{at}/verbatim: is for mrkdwn"));
}

fn button(check: &mut Check<'_>, at: &str) {
    check.only(at, &["type", "text", "url", "action_id", "value", "style", "accessibility_label"]);
    check.word(&format!("{at}/type"), Need::Must, &["button"]);
    check.word(&format!("{at}/text/type"), Need::Must, &["plain_text"]);
    text_object(check, &format!("{at}/text"), BUTTON_CHARS_MAX);
    check.https(&format!("{at}/url"), Need::Must, BUTTON_URL_CHARS_MAX);
    check.text(&format!("{at}/action_id"), Need::May, ID_CHARS_MAX);
    check.word(&format!("{at}/style"), Need::May, &["primary", "danger"]);
}
