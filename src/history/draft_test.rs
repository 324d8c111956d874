//! Draft tests for draft policies, for `policy test`: that each draft allows what was seen, and nothing beside it.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::learn::POLICIES_FILE;
use super::past::PastStop;
use super::pattern::Pattern;
use super::words;
use crate::domain::resource_id::MANAGED_CLUSTER_TYPE;
use crate::domain::{CallerKind, ClusterId};

/// An id that no principal has been given.
const NOBODY: &str = "00000000-0000-4000-8000-000000000001";
/// A resource group and a cluster that the drafts don't mean.
const ELSEWHERE: &str = "another-group";

/// One stop and what the drafts say of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DraftTest {
    /// What it shows.
    pub name: String,
    /// The caller's id.
    pub caller: String,
    /// The caller's kind, as policies name it.
    pub kind: CallerKind,
    /// The cluster, lower case.
    pub cluster: String,
    /// When it is stopped.
    pub at: Timestamp,
    /// The draft that allows it; none if it is not allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_by: Option<String>,
}

/// The tests of one pattern's draft: its newest stop, and the same stop with one thing changed.
pub(super) fn of(pattern: &Pattern<'_>, id: &str, zone: &TimeZone) -> Vec<DraftTest> {
    let Some(stop) = pattern.stops.last() else { return Vec::new() };
    let seen = DraftTest {
        name: format!("{id}: as seen"),
        caller: pattern.caller_id.clone(),
        kind: stop.caller.kind,
        cluster: stop.cluster.lower().to_owned(),
        at: stop.at,
        allowed_by: Some(id.to_owned()),
    };
    let not = |what: &str| DraftTest { name: format!("{id}: {what}"), allowed_by: None, ..seen.clone() };
    let mut tests =
        vec![seen.clone(), DraftTest { caller: NOBODY.to_owned(), ..not("not by somebody else") }];
    if let Some(at) = outside(pattern, stop, zone) {
        tests.push(DraftTest { at, ..not("not at another hour") });
    }
    if let Some(other) = elsewhere(stop) {
        tests.push(DraftTest { cluster: other.lower().to_owned(), ..not("not in another resource group") });
    }
    tests
}

/// The first whole number of hours after the stop that lies outside the pattern's hours: in that hour the caller was not seen, so
/// that no other draft allows it.
fn outside(pattern: &Pattern<'_>, stop: &PastStop, zone: &TimeZone) -> Option<Timestamp> {
    let mut later = (1..24).filter_map(|hours| stop.at.checked_add(SignedDuration::from_hours(hours)).ok());
    later.find(|at| !pattern.hours.contains(super::pattern::hour(*at, zone)))
}

fn elsewhere(stop: &PastStop) -> Option<ClusterId> {
    let subscription = stop.cluster.subscription();
    let id = format!(
        "/subscriptions/{subscription}/resourceGroups/{ELSEWHERE}/providers/{MANAGED_CLUSTER_TYPE}/{ELSEWHERE}"
    );
    ClusterId::parse(&id).ok()
}

/// The tests as a file for `policy test`. Every text is written in double quotes and with escapes (source: YAML 1.2, "Escaped
/// Characters"), so that no name becomes structure.
pub(super) fn yaml(tests: &[&DraftTest], zone: &str) -> String {
    let mut text =
        String::from("# Drafts of tests for learned.cedar: strike those whose policy you throw away.\n");
    let cases = if tests.is_empty() { "cases: []" } else { "cases:" };
    // Writing to a String can't fail.
    let _ = writeln!(text, "policies: [{POLICIES_FILE}]\nzone: {}\n{cases}", quoted(zone));
    for DraftTest { name, caller, kind, cluster, at, allowed_by } in tests {
        let _ = writeln!(text, "  - name: {}", quoted(name));
        let _ = writeln!(text, "    caller:\n      kind: {kind}\n      objectId: {}", quoted(caller));
        let _ = writeln!(text, "    cluster: {}\n    at: {}", quoted(cluster), quoted(&words::time(*at)));
        let _ = match allowed_by {
            Some(id) => {
                writeln!(text, "    expect:\n      verdict: authorised\n      policies: [{}]", quoted(id))
            }
            None => writeln!(text, "    expect:\n      verdict: unauthorised"),
        };
    }
    text
}

/// A double-quoted scalar of plain ASCII.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            other => {
                let _ = write!(out, "\\U{:08x}", u32::from(other));
            }
        }
    }
    out.push('"');
    out
}
