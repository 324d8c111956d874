//! What was learned, as a table for people.

use std::fmt::Write as _;

use jiff::SignedDuration;

use super::habit::{Habits, StartedAgain, Tally};
use super::learn::{Learned, NotProposed, Window};
use super::words::{self, WEEKDAYS};

/// Lines of what is not proposed that are shown; `-o json` has all.
const NOT_PROPOSED_MAX: usize = 50;

impl Learned {
    /// The habits and what is not proposed, for people. The drafts are apart: see [`Learned::policies`].
    pub fn human(&self) -> String {
        let Window { since, until } = self.window;
        let mut told = String::new();
        let (stops, clusters) = (words::count(self.stops, "stop"), words::count(self.clusters, "cluster"));
        let callers = words::count(self.callers.len() + self.more_callers, "caller");
        // Writing to a String can't fail.
        let _ = writeln!(
            told,
            "{stops} of {clusters} by {callers}, from {} to {}; hours and days in {}",
            words::time(since),
            words::time(until),
            self.zone
        );
        if self.is_cut {
            told.push_str(
                "careful: the log holds more than is read, the oldest is missing: name smaller scopes\n",
            );
        }
        if self.unusable > 0 {
            let _ = writeln!(
                told,
                "careful: {} without a time or a cluster",
                words::count(self.unusable, "record")
            );
        }
        for habits in &self.callers {
            told.push('\n');
            told.push_str(&caller(habits));
        }
        if self.more_callers > 0 {
            let _ = writeln!(told, "\nand {} with fewer stops", words::count(self.more_callers, "caller"));
        }
        told.push_str(&not_proposed(&self.not_proposed));
        told
    }
}

fn caller(habits: &Habits) -> String {
    let mut told = String::new();
    let _ = match habits.id.as_deref() {
        None => writeln!(told, "{}", habits.name),
        Some(id) if id == habits.name => writeln!(told, "{} {id}", habits.kind),
        Some(id) => writeln!(told, "{} ({} {id})", habits.name, habits.kind),
    };
    let mut row = |name: &str, text: &str| {
        let _ = writeln!(told, "  {name:<10}{text}");
    };
    let (stops, days) = (words::count(habits.stops, "stop"), words::count(habits.days, "day"));
    let (first, last) = (words::time(habits.first), words::time(habits.last));
    row("stops", &format!("{stops} on {days}, first {first}, last {last}"));
    row("clusters", &tallied(&habits.clusters));
    row("hour", &(0..24).map(|hour| format!("{hour:>4}")).collect::<String>());
    row("", &numbers(&habits.hours));
    row("weekday", &WEEKDAYS.map(|day| format!("{day:>4}")).concat());
    row("", &numbers(&habits.weekdays));
    row("from", &tallied(&habits.ips));
    row("role", &tallied(&habits.roles));
    row("ended", &ended(&habits.started_again, habits.stops));
    told
}

fn numbers(counts: &[usize]) -> String {
    let shown = |count: &usize| if *count == 0 { "   .".to_owned() } else { format!("{count:>4}") };
    counts.iter().map(shown).collect()
}

fn tallied(tally: &[Tally]) -> String {
    let lines: Vec<String> =
        tally.iter().map(|line| format!("{} ({})", words::short(&line.what), line.count)).collect();
    lines.join(", ")
}

fn ended(again: &StartedAgain, stops: usize) -> String {
    let mut told = format!("{} of {stops} started again", again.count);
    let times = [again.shortest_seconds, again.median_seconds, again.longest_seconds];
    if let [Some(shortest), Some(median), Some(longest)] =
        times.map(|time| time.map(|seconds| words::duration(SignedDuration::from_secs(seconds))))
    {
        let after =
            if shortest == longest { median } else { format!("{shortest} to {longest} (median {median})") };
        let _ = write!(told, " after {after}, by {}", tallied(&again.by));
    }
    if again.undone > 0 {
        let _ = write!(told, "; {} by others within an hour", again.undone);
    }
    told
}

fn not_proposed(all: &[NotProposed]) -> String {
    let mut told = String::new();
    if all.is_empty() {
        return told;
    }
    told.push_str("\nnot proposed\n");
    for NotProposed { caller, stops, first, why } in all.iter().take(NOT_PROPOSED_MAX) {
        let (stops, first) = (words::count(*stops, "stop"), words::time(*first));
        let _ = writeln!(told, "  {caller}: {stops}, first {first}: {why}");
    }
    if let Some(more) = all.len().checked_sub(NOT_PROPOSED_MAX).filter(|more| *more > 0) {
        let _ = writeln!(told, "  and {more} more");
    }
    told
}
