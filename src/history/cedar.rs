//! A pattern as a draft policy in Cedar. What a caller chose becomes a comment or an escaped literal, never syntax.

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use super::habit::{Habits, Tally};
use super::pattern::{Hours, Pattern, Place};
use super::words::{self, WEEKDAYS};
use crate::domain::ClusterId;

/// The `@id` of a pattern's draft: the caller's id and the hours, so that learning again gives the same name.
pub fn policy_id(pattern: &Pattern<'_>) -> String {
    format!("learned-{}-{:02}-{:02}", pattern.caller_id, pattern.hours.from, pattern.hours.until())
}

/// The draft, with comments that say what it rests on. `zone` is the zone in which hours and days were counted, and so the one
/// that the guard must be set to, unless it is UTC.
pub fn draft(pattern: &Pattern<'_>, habits: &Habits, zone: &TimeZone) -> String {
    let mut text = comments(habits, pattern, zone);
    let (resource, condition) = resource(&pattern.place);
    // Writing to a String can't fail.
    let _ = write!(
        text,
        "@id({})\npermit (\n  principal == Caller::{},\n  action == Action::\"stop\",\n  {resource}\n)",
        literal(&policy_id(pattern)),
        literal(&pattern.caller_id),
    );
    let moment = if is_utc(zone) { "context.utc" } else { "context.local" };
    let conditions = [hours(pattern.hours, moment), weekdays(pattern, moment), condition];
    for condition in conditions.into_iter().flatten() {
        let _ = write!(text, "\nwhen {{ {condition} }}");
    }
    text.push_str(";\n");
    text
}

/// `habits` are those of the pattern's stops alone.
fn comments(habits: &Habits, pattern: &Pattern<'_>, zone: &TimeZone) -> String {
    let mut text = String::new();
    let mut row = |name: &str, told: &str| {
        let _ = writeln!(text, "// {name:<10}{told}");
    };
    row("caller", &format!("{} ({})", habits.name, habits.kind));
    let (stops, days) = (words::count(habits.stops, "stop"), words::count(pattern.days, "day"));
    let (first, last) = (words::time(habits.first), words::time(habits.last));
    row("seen", &format!("{stops} on {days}, first {first}, last {last}"));
    let name = zone_name(zone);
    let seen = habits.hours.iter().enumerate().filter(|(_, count)| **count > 0);
    let seen: Vec<String> = seen.map(|(hour, count)| format!("{hour:02}h {count}")).collect();
    row("hours", &format!("{} ({name})", seen.join(", ")));
    row("clusters", &tallied(&habits.clusters));
    row("from", &tallied(&habits.ips));
    row("role", &tallied(&habits.roles));
    let again = &habits.started_again;
    let by = if again.by.is_empty() { String::new() } else { format!(", by {}", tallied(&again.by)) };
    row("ended", &format!("{} of {} started again{by}", again.count, habits.stops));
    match &pattern.place {
        Place::ResourceGroup(..) => {
            row("careful", "it covers every cluster of the group, also those that were not seen");
        }
        Place::Clusters(_) => {}
    }
    if !is_utc(zone) {
        row("needs", &format!("STOP_GUARD_TIMEZONE={name}"));
    }
    text
}

/// The zone's name, as `STOP_GUARD_TIMEZONE` takes it.
pub(super) fn zone_name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

fn is_utc(zone: &TimeZone) -> bool {
    *zone == TimeZone::UTC || zone_name(zone) == "UTC"
}

fn tallied(tally: &[Tally]) -> String {
    let lines: Vec<String> =
        tally.iter().map(|line| format!("{} {}", words::short(&line.what), line.count)).collect();
    lines.join(", ")
}

/// The scope of the resource, and a condition where the scope can't say it: Cedar's scope takes no list of resources.
fn resource(place: &Place) -> (String, Option<String>) {
    match place {
        Place::ResourceGroup(subscription, group) => {
            let id = format!("/subscriptions/{subscription}/resourcegroups/{group}");
            (format!("resource in ResourceGroup::{}", literal(&id)), None)
        }
        Place::Clusters(clusters) => match clusters.as_slice() {
            [only] => (format!("resource == {}", entity(only)), None),
            several => {
                // No set of them: Cedar compares entities of several types one by one only.
                let each = several.iter().map(|one| format!("resource == {}", entity(one)));
                ("resource".to_owned(), Some(each.collect::<Vec<_>>().join(" ||\n  ")))
            }
        },
    }
}

fn entity(cluster: &ClusterId) -> String {
    format!("{}::{}", cluster.kind().entity(), literal(cluster.lower()))
}

fn hours(hours: Hours, moment: &str) -> Option<String> {
    let (from, until) = (hours.from, hours.until());
    if hours.is_all_day() {
        return None;
    }
    let word = if hours.crosses_midnight() { "||" } else { "&&" };
    Some(format!("{moment}.hour >= {from} {word} {moment}.hour < {until}"))
}

fn weekdays(pattern: &Pattern<'_>, moment: &str) -> Option<String> {
    if pattern.weekdays.len() == WEEKDAYS.len() {
        return None;
    }
    let days: Vec<String> = pattern.weekdays.iter().map(ToString::to_string).collect();
    Some(format!("[{}].contains({moment}.weekday)", days.join(", ")))
}

/// A text as a Cedar string: what is more than plain is written as an escape (source: Cedar policy language reference, "string").
fn literal(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            other => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(other));
            }
        }
    }
    out.push('"');
    out
}
