//! A report for people: a line a finding, the worst first, then what to do about each kind.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Check, Finding};
use super::report::{ClusterReport, Report, SubscriptionReport};
use crate::domain::Severity;
use crate::domain::text::{self, clean};

/// Commands that are shown of one kind of finding; the others are in the JSON.
const COMMANDS_SHOWN: usize = 4;
/// Longest line, in characters: names are long, terminals wrap.
const LINE_CHARS_MAX: usize = 1_000;

/// Writes a report, with colours or without.
pub fn table(report: &Report, colour: bool) -> String {
    let mut rows: Vec<Row<'_>> = report.findings().map(Row::of).collect();
    rows.sort_by(|a, b| {
        (b.finding.severity, &a.place, a.finding.check).cmp(&(a.finding.severity, &b.place, b.finding.check))
    });
    let mut out = String::new();
    if !rows.is_empty() {
        lines(&rows, colour, &mut out);
        out.push('\n');
    }
    for note in notes(report) {
        out.push_str(&note);
    }
    out.push_str(&summary(report, &rows));
    advice(&rows, &mut out);
    out
}

struct Row<'a> {
    place: String,
    finding: &'a Finding,
}

impl<'a> Row<'a> {
    fn of(
        (subscription, cluster, finding): (&SubscriptionReport, Option<&ClusterReport>, &'a Finding),
    ) -> Self {
        let place = match cluster {
            Some(cluster) => format!("{} in {}", cluster.id.name(), cluster.id.resource_group()),
            None => format!("subscription {}", subscription.id),
        };
        Self { place, finding }
    }
}

fn lines(rows: &[Row<'_>], colour: bool, out: &mut String) {
    let wide =
        |width: fn(&Row<'_>) -> usize, least: usize| rows.iter().map(width).max().unwrap_or(0).max(least);
    let place = wide(|row| row.place.chars().count(), "WHERE".len());
    let check = wide(|row| row.finding.check.as_str().len(), "FINDING".len());
    out.push_str(&format!("SEVERITY  {:place$}  {:check$}  SEEN\n", "WHERE", "FINDING"));
    for row in rows {
        let severity = row.finding.severity;
        let word = painted(severity, &format!("{:8}", severity.as_str()), colour);
        let line =
            format!("{:place$}  {:check$}  {}", row.place, row.finding.check.as_str(), row.finding.seen);
        out.push_str(&format!("{word}  {}\n", clean(&line, LINE_CHARS_MAX)));
    }
}

fn painted(severity: Severity, word: &str, colour: bool) -> String {
    let code = match severity {
        Severity::Critical => "1;31",
        Severity::High => "31",
        Severity::Medium => "33",
        Severity::Low => "36",
        Severity::Info => "2",
    };
    text::painted(code, word, colour)
}

fn notes(report: &Report) -> Vec<String> {
    let clusters = report.subscriptions.iter().flat_map(|subscription| &subscription.clusters);
    let note = |cluster: &ClusterReport| {
        let (name, group) = (cluster.id.name(), cluster.id.resource_group());
        cluster.note.map(|note| format!("note: {name} in {group}: {note}\n"))
    };
    clusters.filter_map(note).collect()
}

fn summary(report: &Report, rows: &[Row<'_>]) -> String {
    let clusters: usize = report.subscriptions.iter().map(|subscription| subscription.clusters.len()).sum();
    let of = |severity| rows.iter().filter(|row| row.finding.severity == severity).count();
    let counts = Severity::ALL.iter().rev().map(|severity| (of(*severity), severity));
    let counts: Vec<String> = counts
        .filter(|(count, _)| *count > 0)
        .map(|(count, severity)| format!("{count} {severity}"))
        .collect();
    let found = match rows.len() {
        0 => "nothing found".to_owned(),
        1 => format!("1 finding ({})", counts.join(", ")),
        count => format!("{count} findings ({})", counts.join(", ")),
    };
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let subscriptions = report.subscriptions.len();
    format!(
        "{found} on {clusters} cluster{} in {subscriptions} subscription{}\n",
        plural(clusters),
        plural(subscriptions)
    )
}

/// What to do, once for each kind, those with the worst findings first.
fn advice(rows: &[Row<'_>], out: &mut String) {
    let mut kinds: BTreeMap<Check, Vec<&Finding>> = BTreeMap::new();
    for row in rows {
        kinds.entry(row.finding.check).or_default().push(row.finding);
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(_, findings)| Reverse(findings.iter().map(|finding| finding.severity).max()));
    for (check, findings) in kinds {
        let rule = check.rule();
        out.push_str(&format!("\n{}: {}\n", rule.id, rule.title));
        for line in once(findings.iter().flat_map(|finding| &finding.details)) {
            out.push_str(&format!("  {}\n", clean(line, LINE_CHARS_MAX)));
        }
        out.push_str(&format!("  why   {}\n  mend  {}\n", rule.why, rule.mend));
        let commands = once(findings.iter().flat_map(|finding| &finding.commands));
        for command in commands.iter().take(COMMANDS_SHOWN) {
            out.push_str(&format!("        {}\n", clean(command, LINE_CHARS_MAX)));
        }
        if commands.len() > COMMANDS_SHOWN {
            out.push_str(&format!(
                "        and {} more commands: see -o json\n",
                commands.len() - COMMANDS_SHOWN
            ));
        }
        out.push_str(&format!("  see   {}\n", rule.link));
    }
}

/// Each line once, in the order in which they came: commands may build on each other.
fn once<'a>(lines: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    lines.map(String::as_str).filter(|line| seen.insert(*line)).collect()
}
