//! Words that several commands use.

use std::fmt::Write as _;

use crate::domain::text::clean;
use crate::policy::{Effect, Explained};

/// Longest text of one policy that is printed, in characters: a list of callers can be long.
const POLICY_CHARS_MAX: usize = 4_000;

/// `a, b`, or a word for none.
pub(super) fn list(ids: &[String], none: &str) -> String {
    if ids.is_empty() { none.to_owned() } else { ids.join(", ") }
}

/// One explained question, for people.
pub(super) fn question(explained: &Explained) -> String {
    let mut told = String::new();
    let mut line = |text: &str| {
        // Writing to a String can't fail.
        let _ = writeln!(told, "{}", text.trim_end());
    };
    line(&explained.question);
    let by = match (explained.allowed, explained.policies.as_slice()) {
        (true, _) => "yes, by",
        (false, []) if explained.errors.is_empty() => "no: no policy allows it",
        (false, []) => "no, because of an error",
        (false, _) => "no, forbidden by",
    };
    line(&format!("  {by}"));
    for error in &explained.errors {
        line(&format!("    error: {error}"));
    }
    for policy in &explained.policies {
        line(&format!("    {} ({}:{})", policy.id, policy.file, policy.line));
        for text in policy.text.chars().take(POLICY_CHARS_MAX).collect::<String>().lines() {
            // A policy's own text: what is printed of it must not move a cursor.
            line(&format!("      {}", clean(text, POLICY_CHARS_MAX)));
        }
    }
    if !explained.otherwise.is_empty() {
        line(&format!("  it would be a {} if", if explained.allowed { "no" } else { "yes" }));
    }
    for change in &explained.otherwise {
        let effect = match change.effect {
            Effect::Permit => "permit",
            Effect::Forbid => "forbid",
        };
        let held = if change.must_hold { "this held" } else { "this did not hold" };
        line(&format!("    {held}: {} ({effect} {})", change.condition, change.policy));
    }
    line("  facts");
    for fact in facts(&explained.facts) {
        line(&format!("    {fact}"));
    }
    told
}

/// Facts as lines, each with the path to it.
fn facts(value: &serde_json::Value) -> Vec<String> {
    use serde_json::Value;
    let mut lines = Vec::new();
    let mut rest = vec![(String::new(), value)];
    while let Some((path, value)) = rest.pop() {
        match value {
            Value::Object(members) => {
                let below =
                    |name: &String| if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                rest.extend(members.iter().rev().map(|(name, value)| (below(name), value)));
            }
            Value::Array(elements) if elements.iter().any(Value::is_object) => {
                rest.extend(elements.iter().rev().map(|element| (path.clone(), element)));
            }
            Value::Array(elements) => {
                let words: Vec<String> = elements.iter().map(plain).collect();
                lines.push(format!("{path} = {}", words.join(", ")));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                lines.push(format!("{path} = {}", plain(value)));
            }
        }
    }
    lines
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
