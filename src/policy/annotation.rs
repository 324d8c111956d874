//! Our annotations on policies. Cedar takes any annotation with any text, so every mistake in one is ours to find.

use std::time::Duration;

use super::answer::{Determining, Effect};
use crate::domain::Severity;

/// Longest `@id`, sink name or incident name, in characters: they go into records, messages and file names.
const NAME_CHARS_MAX: usize = 64;
/// Longest `@after`. Later than a day a restart would surprise people, and budgets count within a day.
const AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Most sinks that one `@notify` names.
const NOTIFY_MAX: usize = 16;

/// What is wrong with an annotation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Bad {
    #[error("`@{0}` is not an annotation of the guard")]
    Unknown(String),
    #[error("`{0}` is not a policy id")]
    Id(String),
    #[error("`{0}` is not a severity")]
    Severity(String),
    #[error("`{0}` is not a time to wait")]
    After(String),
    #[error("`@after` on a forbid does nothing")]
    AfterForbid,
    #[error("`{0}` is not a list of sinks")]
    Notify(String),
    #[error("`{0}` is not a name of an incident")]
    Incident(String),
}

impl Bad {
    /// How to mend it.
    pub(super) fn help(&self) -> &'static str {
        match self {
            Self::Unknown(_) => {
                "the guard knows @id, @severity, @after, @notify, @incident and @doc; write free text as @doc(\"...\")"
            }
            Self::Id(_) => "an id has 1 to 64 characters: lower-case letters, digits and dashes",
            Self::Severity(_) => "write one of info, low, medium, high, critical",
            Self::After(_) => "write a number of seconds, minutes or hours, 24 hours at most: 90s, 20m, 2h",
            Self::AfterForbid => "it delays a restart that a permit allows",
            Self::Notify(_) => {
                "write 1 to 16 names of sinks with commas between them, each in lower-case letters, digits and dashes"
            }
            Self::Incident(_) => "a name has 1 to 64 characters: lower-case letters, digits and dashes",
        }
    }
}

/// Reads one annotation into what the policy asks for.
pub(super) fn read(into: &mut Determining, name: &str, value: &str) -> Result<(), Bad> {
    match name {
        "id" if is_name(value) => value.clone_into(&mut into.id),
        "id" => return Err(Bad::Id(value.to_owned())),
        "severity" => {
            let severity = Severity::parse(value).ok_or_else(|| Bad::Severity(value.to_owned()))?;
            into.severity = Some(severity);
        }
        "after" if into.effect == Effect::Forbid => return Err(Bad::AfterForbid),
        "after" => into.after = Some(wait(value).ok_or_else(|| Bad::After(value.to_owned()))?),
        "notify" => into.notify = sinks(value).ok_or_else(|| Bad::Notify(value.to_owned()))?,
        "incident" if is_name(value) => into.incident = Some(value.to_owned()),
        "incident" => return Err(Bad::Incident(value.to_owned())),
        "doc" => {}
        unknown => return Err(Bad::Unknown(unknown.to_owned())),
    }
    Ok(())
}

/// `90s`, `20m`, `2h`: more than nothing, [`AFTER_MAX`] at most.
fn wait(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let seconds_per_unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        _ => return None,
    };
    let digits = text.strip_suffix(unit)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds = digits.parse::<u64>().ok()?.checked_mul(seconds_per_unit)?;
    let wait = Duration::from_secs(seconds);
    (!wait.is_zero() && wait <= AFTER_MAX).then_some(wait)
}

fn sinks(text: &str) -> Option<Vec<String>> {
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    (names.len() <= NOTIFY_MAX && names.iter().all(|name| is_name(name))).then_some(names)
}

pub(super) fn is_name(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}
