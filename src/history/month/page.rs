//! The month as one HTML file that loads nothing, runs nothing and can be sent on. Every value is escaped by the template engine, also in charts;
//! the only text that goes in as it is is the style sheet, of which the file's content security policy has the digest.

use jiff::Timestamp;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::chart::{self, Chart};
use super::stopped::Stopped;
use super::table::seconds;
use super::tally::Tallied;
use super::{Day, Month, Reason};
use crate::case::Outcome;
use crate::history::words;
use crate::page::{self, Inline};

const TEMPLATE: &str = include_str!("month.html");
const STYLE: &str = include_str!("month.css");

/// Clusters, callers, reasons and storms that the page lists, each: who has more reads them with a program.
const ROWS_MAX: usize = 200;
/// Cases that the page lists: some 200 KB, and about as much as anybody scrolls through.
const CASES_MAX: usize = 500;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The template doesn't fit the report: a fault of this version. Another form of the report can be had.
    #[error("the page can't be made")]
    Template(#[from] minijinja::Error),
}

/// What the template shows of a cluster or a caller.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    stops: usize,
    unauthorised: usize,
    undecided: usize,
    median: String,
    worst: String,
    outlier: Option<&'a str>,
}

#[derive(Serialize)]
struct DayRow {
    date: String,
    authorised: usize,
    unauthorised: usize,
    undecided: usize,
}

#[derive(Serialize)]
struct ClassRow {
    label: String,
    by_guard: usize,
    by_others: usize,
}

#[derive(Serialize)]
struct StormRow<'a> {
    subscription: &'a str,
    first: String,
    last: String,
    stops: usize,
}

#[derive(Serialize)]
struct CaseRow<'a> {
    at: String,
    cluster: String,
    caller: &'a str,
    verdict: &'static str,
    end: &'static str,
    restored: String,
    waited: String,
    id: &'a str,
}

/// What the template is filled with.
#[derive(Serialize)]
struct Page<'a> {
    since: String,
    until: String,
    zone: &'a str,
    summary: String,
    careful: Vec<String>,
    has_stops: bool,
    facts: Vec<(&'static str, String)>,
    by_day: Chart,
    days: Vec<DayRow>,
    by_time: Chart,
    spread: Vec<ClassRow>,
    clusters: Vec<Row<'a>>,
    more_clusters: usize,
    callers: Vec<Row<'a>>,
    more_callers: usize,
    reasons: &'a [Reason],
    more_reasons: usize,
    storms: Vec<StormRow<'a>>,
    more_storms: usize,
    cases: Vec<CaseRow<'a>>,
    more_cases: usize,
}

impl Month {
    /// The report as one self-contained HTML file.
    ///
    /// # Errors
    ///
    /// None in a version whose tests pass.
    pub fn html(&self) -> Result<String, PageError> {
        let engine = page::engine();
        let template = engine.template_from_str(TEMPLATE)?;
        let page = Value::from(Serde(self.page()));
        let style = Inline::style(STYLE);
        let style = context! { style => style.value(), style_source => style.source() };
        // The engine drops the last line break.
        Ok(template.render(context! { ..page, ..style })? + "\n")
    }

    fn page(&self) -> Page<'_> {
        let older = self.of_note().count().saturating_sub(CASES_MAX);
        Page {
            since: time(self.window.since),
            until: time(self.window.until),
            zone: &self.zone,
            summary: self.summary(),
            careful: self.careful(),
            has_stops: self.stops > 0,
            facts: self.facts(),
            by_day: chart::by_day(&self.days),
            days: self.days.iter().filter(|day| day.rulings.total() > 0).map(DayRow::of).collect(),
            by_time: chart::by_time(&self.restore.spread),
            spread: self.restore.spread.iter().map(ClassRow::of).collect(),
            clusters: self.clusters.iter().take(ROWS_MAX).map(Row::of).collect(),
            more_clusters: self.clusters.len().saturating_sub(ROWS_MAX),
            callers: self.callers.iter().take(ROWS_MAX).map(Row::of).collect(),
            more_callers: self.callers.len().saturating_sub(ROWS_MAX),
            reasons: self.people.reasons.get(..ROWS_MAX).unwrap_or(&self.people.reasons),
            more_reasons: self.people.reasons.len().saturating_sub(ROWS_MAX),
            storms: self.storms.iter().take(ROWS_MAX).map(StormRow::of).collect(),
            more_storms: self.storms.len().saturating_sub(ROWS_MAX),
            cases: self.of_note().take(CASES_MAX).map(CaseRow::of).collect(),
            more_cases: older,
        }
    }
}

impl<'a> Row<'a> {
    fn of(row: &'a Tallied) -> Self {
        let Tallied { name, stops, unauthorised, undecided, restore, outlier, id: _ } = row;
        let time = |time: Option<i64>| time.map(seconds).unwrap_or_default();
        Self {
            name,
            stops: *stops,
            unauthorised: *unauthorised,
            undecided: *undecided,
            median: time(restore.median_seconds),
            worst: time(restore.worst.as_ref().map(|worst| worst.seconds)),
            outlier: outlier.as_deref(),
        }
    }
}

impl DayRow {
    fn of(day: &Day) -> Self {
        let super::Rulings { authorised, unauthorised, undecided } = day.rulings;
        Self { date: day.date.to_string(), authorised, unauthorised, undecided }
    }
}

impl ClassRow {
    fn of(class: &super::Class) -> Self {
        Self { label: chart::class_label(class), by_guard: class.by_guard, by_others: class.by_others }
    }
}

impl<'a> StormRow<'a> {
    fn of(storm: &'a super::Storm) -> Self {
        Self {
            subscription: storm.subscription.as_str(),
            first: time(storm.first),
            last: time(storm.last),
            stops: storm.stops,
        }
    }
}

impl<'a> CaseRow<'a> {
    fn of(stop: &'a Stopped) -> Self {
        Self {
            at: time(stop.at),
            cluster: words::cluster(&stop.cluster),
            caller: &stop.caller,
            verdict: stop.ruling.as_str(),
            end: match (stop.outcome, stop.is_waiting) {
                (Some(outcome), _) => end(outcome),
                (None, true) => "open, waits for people",
                (None, false) => "open",
            },
            restored: stop.restored_after_seconds.map(seconds).unwrap_or_default(),
            waited: stop.waited.join("; "),
            id: stop.case.as_str(),
        }
    }
}

fn end(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Authorised => "left as authorised",
        Outcome::AlreadyRunning => "ran again without the guard",
        Outcome::Restored => "restarted by the guard",
        Outcome::Gone => "deleted",
    }
}

/// A time for people; the page says that all are UTC.
fn time(at: Timestamp) -> String {
    at.strftime("%F %T").to_string()
}
