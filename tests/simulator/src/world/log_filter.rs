//! The `$filter` of the activity log: the documented grammar and nothing more.
//!
//! The documentation allows a time window and one of `correlationId`, `resourceUri`, `resourceGroupName` and
//! `resourceProvider`. Azure itself also answers a window alone; this log is stricter and wants one of the four, and
//! it wants both ends of the window.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::activity_log::Record;

/// How far back the log reaches.
const RETENTION: SignedDuration = SignedDuration::from_hours(90 * 24);

/// A filter longer than this is refused.
const FILTER_BYTES_MAX: usize = 4096;

/// A window and what to select in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogFilter {
    from: Timestamp,
    to: Timestamp,
    by: Selector,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Selector {
    CorrelationId(String),
    ResourceUri(String),
    ResourceGroup(String),
    ResourceProvider(String),
}

impl LogFilter {
    /// Parses a filter; the error is the message of a 400.
    pub(super) fn parse(text: &str, now: Timestamp) -> Result<Self, String> {
        if text.len() > FILTER_BYTES_MAX {
            return Err("The filter is too long.".to_owned());
        }
        let (mut from, mut to, mut by) = (None, None, None);
        for clause in clauses(text)? {
            match (clause.name.as_str(), clause.operator.as_str()) {
                ("eventTimestamp", "ge") => set(&mut from, time(&clause.value)?)?,
                ("eventTimestamp", "le") => set(&mut to, time(&clause.value)?)?,
                ("correlationId", "eq") => set(&mut by, Selector::CorrelationId(clause.value))?,
                ("resourceUri", "eq") => set(&mut by, Selector::ResourceUri(clause.value))?,
                ("resourceGroupName", "eq") => set(&mut by, Selector::ResourceGroup(clause.value))?,
                ("resourceProvider", "eq") => set(&mut by, Selector::ResourceProvider(clause.value))?,
                (name, operator) => {
                    return Err(format!("The filter clause '{name} {operator}' is not supported."));
                }
            }
        }
        let (Some(from), Some(to)) = (from, to) else {
            return Err("The filter needs a start time and an end time of eventTimestamp.".to_owned());
        };
        if now.duration_since(from) > RETENTION {
            return Err("The start time cannot be more than 90 days in the past.".to_owned());
        }
        if from > to {
            return Err("The start time cannot be later than the end time.".to_owned());
        }
        let by = by.ok_or(
            "The filter needs one of correlationId, resourceUri, resourceGroupName, resourceProvider.",
        )?;
        Ok(Self { from, to, by })
    }

    pub(super) fn keeps(&self, record: &Record, subscription: &str) -> bool {
        let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        same(&record.cluster.subscription, subscription)
            && (self.from..=self.to).contains(&record.at)
            && match &self.by {
                Selector::CorrelationId(id) => same(id, &record.correlation_id),
                Selector::ResourceUri(uri) => same(uri, &record.cluster.to_string()),
                Selector::ResourceGroup(group) => same(group, &record.cluster.resource_group),
                Selector::ResourceProvider(provider) => same(provider, record.cluster.kind.provider()),
            }
    }
}

fn set<T>(slot: &mut Option<T>, value: T) -> Result<(), String> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err("The filter names more than one of the alternatives.".to_owned()),
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    let bad = || format!("'{}' is not a time.", text.chars().take(40).collect::<String>());
    // A recorded request of 2016 has a bare date.
    match text.parse::<Timestamp>() {
        Ok(at) => Ok(at),
        Err(_) => {
            let date: Date = text.parse().map_err(|_| bad())?;
            date.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).map_err(|_| bad())
        }
    }
}

struct Clause {
    name: String,
    operator: String,
    value: String,
}

/// `name operator value`, joined by `and`.
fn clauses(text: &str) -> Result<Vec<Clause>, String> {
    let words = words(text)?;
    if words.len() % 4 != 3 {
        return Err("The filter is not complete.".to_owned());
    }
    words
        .chunks(4)
        .map(|chunk| match chunk {
            [name, operator, value] => Ok((name, operator, value)),
            [name, operator, value, join] if join == "and" => Ok((name, operator, value)),
            _ => Err("The clauses of the filter must be joined by 'and'.".to_owned()),
        })
        .map(|clause| {
            clause.map(|(name, operator, value)| Clause {
                name: name.clone(),
                operator: operator.clone(),
                value: value.clone(),
            })
        })
        .collect()
}

/// Splits at spaces; `'...'` is one word, a doubled quote in it stands for one.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('\'') {
            let (word, after) = quoted_word(quoted)?;
            words.push(word);
            rest = after.trim_start();
        } else {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            words.push(word.to_owned());
            rest = after.trim_start();
        }
    }
    Ok(words)
}

fn quoted_word(text: &str) -> Result<(String, &str), String> {
    let mut word = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('\'').ok_or("A quoted value of the filter does not end.")?;
        word.push_str(part);
        match after.strip_prefix('\'') {
            Some(more) => {
                word.push('\'');
                rest = more;
            }
            None => return Ok((word, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<LogFilter, String> {
        LogFilter::parse(text, "2026-09-14T20:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_window_and_one_selector_is_the_grammar() {
        let filter = parse(
            "eventTimestamp ge '2026-09-14T17:00:00Z' and eventTimestamp le '2026-09-14T19:00:00.1234567Z' and \
             resourceUri eq '/subscriptions/s/it''s'",
        )
        .unwrap();
        assert_eq!(filter.by, Selector::ResourceUri("/subscriptions/s/it's".to_owned()));
        assert!(
            parse("eventTimestamp ge 2026-09-14 and eventTimestamp le 2026-09-15T00:00:00+00:00 and correlationId eq 'c'")
                .is_ok()
        );
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "eventTimestamp ge '2026-09-14T17:00:00Z'",
            "eventTimestamp ge '2026-09-14T17:00:00Z' and eventTimestamp le '2026-09-14T19:00:00Z'",
            "eventTimestamp ge '2026-09-14T17:00:00Z' and eventTimestamp le '2026-09-14T19:00:00Z' and caller eq 'x'",
            "eventTimestamp ge '2026-09-14T17:00:00Z' and eventTimestamp le '2026-09-14T19:00:00Z' and \
             correlationId eq 'a' and resourceUri eq 'b'",
            "eventTimestamp ge '2026-09-14T17:00:00Z' or eventTimestamp le '2026-09-14T19:00:00Z' and correlationId eq 'a'",
            "eventTimestamp ge '2026-09-14T17:00:00Z' and eventTimestamp le '2026-09-14T19:00:00Z' and correlationId eq 'a",
            "eventTimestamp ge '2026-09-14T17:00:00Z' and eventTimestamp le '2026-09-14T19:00:00Z' and correlationId eq 'a' and",
            "eventTimestamp ge 'yesterday' and eventTimestamp le '2026-09-14T19:00:00Z' and correlationId eq 'a'",
        ] {
            assert!(parse(text).is_err(), "accepted: {text}");
        }
    }

    #[test]
    fn more_than_ninety_days_back_is_refused_in_the_recorded_words() {
        let refused = parse(
            "eventTimestamp ge '2018-01-01' and eventTimestamp le '2999-01-01' and correlationId eq 'a'",
        );
        assert_eq!(refused, Err("The start time cannot be more than 90 days in the past.".to_owned()));
    }
}
