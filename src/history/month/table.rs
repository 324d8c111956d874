//! The month as text for a terminal.

use std::fmt::Write as _;

use jiff::SignedDuration;

use super::tally::Tallied;
use super::times::Times;
use super::{Month, People};
use crate::history::words::{self, count};

/// Clusters and callers that are shown, and reasons and storms; `-o json` has all.
const ROWS_MAX: usize = 15;

impl Month {
    /// The report for people.
    pub fn human(&self) -> String {
        let mut told = String::new();
        // Writing to a String can't fail.
        let _ = writeln!(
            told,
            "{}, from {} to {}",
            self.summary(),
            words::time(self.window.since),
            words::time(self.window.until)
        );
        for careful in self.careful() {
            let _ = writeln!(told, "careful: {careful}");
        }
        if self.stops == 0 {
            return told;
        }
        told.push('\n');
        for (name, text) in self.facts() {
            let _ = writeln!(told, "{name:<18}{text}");
        }
        told.push_str(&listed(&self.people));
        told.push_str(&rows("CLUSTER", &self.clusters));
        told.push_str(&rows("CALLER", &self.callers));
        told
    }

    /// How much there was, in one line.
    pub(super) fn summary(&self) -> String {
        let (clusters, callers) =
            (count(self.clusters.len(), "cluster"), count(self.callers.len(), "caller"));
        format!("{} of {clusters} by {callers}", count(self.stops, "stop"))
    }

    /// What is missing from the report.
    pub(super) fn careful(&self) -> Vec<String> {
        let mut careful = Vec::new();
        if self.unreadable > 0 {
            careful
                .push(format!("{} could not be read: counted nowhere below", count(self.unreadable, "case")));
        }
        if self.is_cut {
            careful
                .push("there are more cases than are read, the oldest are missing: ask for less time".into());
        }
        careful
    }

    /// The numbers that stand for the month, each with its name.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let (rulings, ends, restore) = (self.rulings, self.ends, &self.restore);
        let mut verdicts =
            format!("{} authorised, {} not authorised", rulings.authorised, rulings.unauthorised);
        if rulings.undecided > 0 {
            let _ = write!(verdicts, ", {} not decided", rulings.undecided);
        }
        let mut ended = format!(
            "{} restarted by the guard, {} running again without it, {} deleted, {} left as authorised",
            ends.restored, ends.already_running, ends.gone, ends.authorised
        );
        if ends.open > 0 {
            let _ = write!(ended, "; {} open", ends.open);
        }
        let people = match (self.people.cases, self.people.waiting) {
            (0, _) => "nothing was left to people".to_owned(),
            (cases, 0) => format!("{} waited for people, none does now", count(cases, "case")),
            (cases, waiting) => format!("{} waited for people, {waiting} still", count(cases, "case")),
        };
        let stormy: usize = self.storms.iter().map(|storm| storm.stops).sum();
        vec![
            ("verdicts", verdicts),
            ("ended", ended),
            ("time to restore", restored(&restore.all)),
            ("  by the guard", restored(&restore.by_guard)),
            ("  by others", restored(&restore.by_others)),
            ("left to people", people),
            (
                "storms",
                match self.storms.len() {
                    0 => "none".to_owned(),
                    storms => format!("{storms}, {} told in them", count(stormy, "stop")),
                },
            ),
            (
                "lost events",
                match self.found_by_discovery {
                    0 => "no stop was found only by discovery".to_owned(),
                    found => format!("{} found only by discovery", count(found, "stop")),
                },
            ),
            (
                "stopped again",
                match self.stopped_again {
                    0 => "no cluster, while its case was open".to_owned(),
                    again => format!("{again} more times, while a case was open"),
                },
            ),
        ]
    }
}

fn restored(times: &Times) -> String {
    match (times.median_seconds, &times.worst) {
        (Some(median), Some(worst)) => format!(
            "median {}, worst {} ({}), of {}",
            seconds(median),
            seconds(worst.seconds),
            words::cluster(&worst.cluster),
            count(times.count, "stop")
        ),
        _ => "none".to_owned(),
    }
}

/// A number of seconds in words.
pub(super) fn seconds(seconds: i64) -> String {
    words::duration(SignedDuration::from_secs(seconds))
}

fn listed(people: &People) -> String {
    let mut told = String::new();
    if people.reasons.is_empty() {
        return told;
    }
    told.push_str("\nCASES  WAITED FOR PEOPLE BECAUSE\n");
    for reason in people.reasons.iter().take(ROWS_MAX) {
        let _ = writeln!(told, "{:>5}  {}", reason.cases, reason.why);
    }
    more(&mut told, people.reasons.len(), "reason");
    told
}

fn rows(head: &str, all: &[Tallied]) -> String {
    let shown = || all.iter().take(ROWS_MAX);
    let wide = shown().map(|row| row.name.chars().count()).max().unwrap_or(0).max(head.len());
    let mut told = format!("\n   {head:<wide$}  STOPS  NOT AUTHORISED  {:>10}  {:>10}\n", "MEDIAN", "WORST");
    for row in shown() {
        let times = [row.restore.median_seconds, row.restore.worst.as_ref().map(|worst| worst.seconds)];
        let [median, worst] = times.map(|time| time.map_or_else(|| "-".to_owned(), seconds));
        let mark = if row.outlier.is_some() { "!" } else { " " };
        let Tallied { name, stops, unauthorised, .. } = row;
        let _ = writeln!(
            told,
            "{mark:>2} {name:<wide$}  {stops:>5}  {unauthorised:>14}  {median:>10}  {worst:>10}"
        );
        if let Some(why) = &row.outlier {
            let _ = writeln!(told, "     stands out: {why}");
        }
    }
    more(&mut told, all.len(), &head.to_lowercase());
    told
}

fn more(told: &mut String, all: usize, noun: &str) {
    if let Some(more) = all.checked_sub(ROWS_MAX).filter(|more| *more > 0) {
        let _ = writeln!(told, "   and {}: see -o json", count(more, &format!("more {noun}")));
    }
}
