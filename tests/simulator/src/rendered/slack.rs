//! Slack: `mrkdwn` and plain text objects.

use serde_json::Value;

use super::{Shown, json};

/// Words that call a whole channel when names are linked.
const CALLS: [&str; 3] = ["@here", "@channel", "@everyone"];

/// Shows a message of an incoming webhook.
pub fn slack(message: &Value) -> Shown {
    let mut shown = Shown::default();
    json::structure(&mut shown, message);
    if let Some(text) = message.get("text").and_then(Value::as_str) {
        match message.get("mrkdwn").and_then(Value::as_bool) {
            // The commands in angle brackets work all the same.
            Some(false) => commands(&mut shown, text),
            Some(true) | None => mrkdwn(&mut shown, text),
        }
    }
    for block in message.get("blocks").and_then(Value::as_array).into_iter().flatten() {
        texts(&mut shown, block);
    }
    shown
}

/// Text objects and addresses, wherever in a block they are.
fn texts(shown: &mut Shown, value: &Value) {
    match value {
        Value::Object(members) => {
            let member = |name: &str| members.get(name).and_then(Value::as_str);
            match (member("type"), member("text")) {
                (Some("mrkdwn"), Some(text)) => mrkdwn(shown, text),
                (Some("plain_text"), Some(text)) => {
                    if members.get("emoji").and_then(Value::as_bool) != Some(false) {
                        emoji(shown, text);
                    }
                    shown.plain(text);
                }
                _ => {}
            }
            shown.links.extend(member("url").map(str::to_owned));
            shown.images.extend(member("image_url").map(str::to_owned));
            members.values().for_each(|value| texts(shown, value));
        }
        Value::Array(entries) => entries.iter().for_each(|entry| texts(shown, entry)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn mrkdwn(shown: &mut Shown, source: &str) {
    let before = shown.texts.len();
    commands(shown, source);
    let text = shown.texts.get(before..).unwrap_or_default().concat();
    let lower = text.to_lowercase();
    for call in CALLS {
        shown.mentions.extend(lower.matches(call).map(str::to_owned));
    }
    for line in text.split('\n') {
        formats(shown, line);
    }
    shown.markup.extend(text.matches("```").map(|_| "code block".to_owned()));
    emoji(shown, &text);
}

/// Reads what stands in angle brackets, and the text around it.
fn commands(shown: &mut Shown, source: &str) {
    let mut text = String::new();
    let mut rest = source;
    while let Some((before, from)) = rest.split_once('<') {
        text.push_str(before);
        match from.split_once('>').filter(|(inside, _)| control(shown, inside)) {
            Some((inside, after)) => {
                // The label is read, the address is behind it.
                text.push_str(inside.split_once('|').map_or("", |(_, label)| label));
                rest = after;
            }
            None => {
                text.push('<');
                rest = from;
            }
        }
    }
    text.push_str(rest);
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    shown.linked(&text);
    shown.read(&text);
}

/// What stands between angle brackets: a mention or a link, which is noted; otherwise it is a text.
fn control(shown: &mut Shown, inside: &str) -> bool {
    let target = inside.split('|').next().unwrap_or_default();
    if target.starts_with(['!', '@', '#']) {
        shown.mentions.push(target.to_owned());
        if let Some((_, link)) = target.split_once("^http") {
            shown.links.push(format!("http{link}"));
        }
        return true;
    }
    let is_link = target.split_once(':').is_some_and(|(scheme, rest)| {
        !scheme.is_empty()
            && !rest.is_empty()
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c))
    });
    if is_link {
        shown.links.push(target.to_owned());
    }
    is_link
}

fn formats(shown: &mut Shown, line: &str) {
    if line.trim_start().starts_with('>') {
        shown.markup.push("quote".to_owned());
    }
    for (marker, kind) in [('*', "bold"), ('_', "italic"), ('~', "struck out"), ('`', "code")] {
        let mut from = 0;
        while let Some(end) = pair_end(line, marker, from) {
            shown.markup.push(kind.to_owned());
            from = end;
        }
    }
}

/// The end of the next pair of markers at word borders, with something between them that no space is next to.
fn pair_end(line: &str, marker: char, from: usize) -> Option<usize> {
    let is_border = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != marker);
    let before = |at: usize| line.get(..at).and_then(|text| text.chars().next_back());
    let after = |at: usize| line.get(at + marker.len_utf8()..).and_then(|text| text.chars().next());
    let places = || line.match_indices(marker).map(|(at, _)| at).filter(move |at| *at >= from);
    let solid = |c: Option<char>| c.is_some_and(|c| !c.is_whitespace() && c != marker);
    let open = places().find(|at| is_border(before(*at)) && solid(after(*at)))?;
    let close = places().find(|at| *at > open && is_border(after(*at)) && solid(before(*at)))?;
    Some(close + marker.len_utf8())
}

/// `:names:` with a letter; the parts of a time have none.
fn emoji(shown: &mut Shown, text: &str) {
    let mut parts = text.split(':').peekable();
    parts.next();
    while let Some(name) = parts.next() {
        let named = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-+'".contains(c));
        if parts.peek().is_some() && named && name.chars().any(|c| c.is_ascii_lowercase()) {
            shown.markup.push(format!("emoji {name}"));
        }
    }
}
