//! Filters for templates: each makes a text safe for one sort of reader, or short enough for one.

use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, ErrorKind};

use crate::domain::text::clean;

/// Filters that templates have beside the engine's own. docs/SINKS.md lists them.
pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_filter("cut", |text: &str, chars: usize| cut(text, chars));
    environment.add_filter("slack", |text: &str| slack(text));
    environment.add_filter("markdown", |text: &str| markdown(text));
    environment.add_filter("html", |text: &str| html(text));
    environment.add_filter("plain", |text: &str| plain(text));
    environment.add_filter("journal", |text: &str| journal(text));
    environment.add_filter("label", |text: &str| label(text));
    environment.add_filter("uuid5", |text: &str| uuid5(text));
    environment.add_filter("rfc3339", rfc3339);
    environment.add_filter("pointer", pointer);
}

/// At most `chars` characters, the last one being `…` if anything was cut.
pub(super) fn cut(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(chars.saturating_sub(1)).collect();
    kept.extend((chars > 0).then_some('…'));
    kept
}

/// Slack's text (source: its "Escaping text"): no command, mention or link comes of it. What it would take for bold, italics, code, a
/// strike, a quote or an emoji becomes a look-alike: there is no escape for it.
pub(super) fn slack(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = '\n';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let after = chars.peek().copied().unwrap_or('\n');
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' if before == '\n' => out.push('›'),
            '>' => out.push_str("&gt;"),
            '*' => out.push('∗'),
            '~' => out.push('∼'),
            '`' => out.push('ˋ'),
            // Within a word it is only itself.
            '_' if !(before.is_alphanumeric() && after.is_alphanumeric()) => out.push('ˍ'),
            // An emoji's name stands between two of these, without a space.
            ':' if !after.is_whitespace() && !after.is_ascii_digit() => out.push('∶'),
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// Markdown in which nothing is markup: every character that could be is escaped (source: CommonMark, "Backslash escapes"), and `<` and
/// `&` are entities, since tools differ on HTML within Markdown.
pub(super) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    // Whether the line has had nothing but digits so far: with a dot they would be the number of a list.
    let mut is_number = true;
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '.' if is_number => out.push_str("\\."),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '-' | '=' | '!'
            | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
        is_number = c == '\n' || is_number && (c.is_ascii_digit() || c == ' ');
    }
    out
}

/// Lines for a tool of which nobody knows whether it reads Markdown or HTML: what could be markup becomes a look-alike, so that the text
/// reads the same either way. A line may begin with `- `, as lists of the guard do; what follows is somebody's text.
pub(super) fn plain(text: &str) -> String {
    text.split('\n').map(plain_line).collect::<Vec<_>>().join("\n")
}

fn plain_line(line: &str) -> String {
    let (mark, text) = line.strip_prefix("- ").map_or(("", line), |text| ("- ", text));
    let mut out = String::with_capacity(line.len() + 16);
    out.push_str(mark);
    // Whether the text has had nothing but spaces and digits so far: a mark here would make a list, a heading or a quote.
    let mut is_start = true;
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_within = before.is_alphanumeric() && chars.peek().is_some_and(|after| after.is_alphanumeric());
        out.push(match c {
            '<' => '‹',
            '>' => '›',
            '&' => '＆',
            '[' => '［',
            ']' => '］',
            '*' => '∗',
            '~' => '∼',
            '`' => 'ˋ',
            '|' => '∣',
            '\\' => '＼',
            '_' if !is_within => 'ˍ',
            '-' if is_start => '‐',
            '+' if is_start => '＋',
            '#' if is_start => '＃',
            '=' if is_start => '＝',
            '.' if is_start => '․',
            ')' if is_start => '）',
            c => c,
        });
        is_start = is_start && (c.is_ascii_digit() || c == ' ');
        before = c;
    }
    out
}

/// HTML text or an attribute's value in quotes.
pub(super) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// ServiceNow's journals: between `[code]` and `[/code]` they show HTML, so those words lose their brackets.
pub(super) fn journal(text: &str) -> String {
    let mut out = text.to_owned();
    for tag in ["[code]", "[/code]"] {
        while let Some(at) = out.to_ascii_lowercase().find(tag) {
            out.replace_range(at..at + 1, "(");
        }
    }
    out
}

/// A word for labels and tags: letters, digits, `.`, `_`, `-`, `@` and `:`, at most 128 characters.
pub(super) fn label(text: &str) -> String {
    let word = |c: char| if c.is_alphanumeric() || "._-@:/".contains(c) { c } else { '_' };
    clean(text, 128).chars().map(word).collect()
}

/// The UUID of version 5 (RFC 9562) for a text, in the namespace of URLs: the same text gives the same id, in any process.
pub(super) fn uuid5(text: &str) -> String {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, text.as_bytes()).to_string()
}

/// What is at a JSON pointer (RFC 6901) of an answer; none if nothing is.
fn pointer(answer: Serde<serde_json::Value>, path: &str) -> Value {
    answer.0.pointer(path).map_or(Value::from(()), super::value)
}

/// Seconds since 1970 as a time in UTC.
fn rfc3339(seconds: i64) -> Result<String, Error> {
    let time = jiff::Timestamp::from_second(seconds);
    time.map(|time| time.to_string()).map_err(|_| Error::new(ErrorKind::InvalidOperation, "that is no time"))
}
