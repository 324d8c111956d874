//! Closed cases, day by day, and the form that chooses among them.

use serde::Serialize;

use super::closed::{CASES_MAX, KnownClosed, SHOWN_FOR};
use super::overview::tone_word;
use super::site::Problem;
use crate::cli::cases::age::age;
use crate::cli::cases::row::{Summary, tone, verdict};
use crate::domain::text::{clean, utc};

/// Cases that one page lists.
const ROWS_MAX: usize = 300;
/// Cases that can't be read and are named.
const PROBLEMS_MAX: usize = 20;
/// Longest text of a filter, in characters: a resource id has fewer.
const FILTER_CHARS_MAX: usize = 300;
/// Longest name of others in a table, in characters.
const TEXT_CHARS_MAX: usize = 300;
/// How a case can have ended.
const STATES: [&str; 4] = ["restored", "already-running", "authorised", "gone"];

/// Which cases are asked for: empty texts ask for all.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Filter {
    /// A part of the cluster's resource id.
    pub(super) cluster: String,
    /// How it ended.
    pub(super) state: String,
    /// The day, in UTC, on which it was closed.
    pub(super) day: String,
    states: [&'static str; 4],
}

impl Filter {
    /// Reads the form's fields. What is no state or no day asks for none.
    pub(super) fn of(query: &[(String, String)]) -> Self {
        let field = |wanted: &str| {
            let found = query.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| clean(value.trim(), FILTER_CHARS_MAX)).unwrap_or_default()
        };
        Self { cluster: field("cluster"), state: field("state"), day: field("day"), states: STATES }
    }

    fn takes(&self, case: &Summary) -> bool {
        let cluster = self.cluster.to_lowercase();
        let is_cluster = cluster.is_empty()
            || case.cluster.as_ref().is_some_and(|cluster_id| cluster_id.lower().contains(&cluster));
        let is_state = self.state.is_empty() || self.state == case.state;
        is_cluster && is_state && (self.day.is_empty() || day(case) == self.day)
    }
}

fn day(case: &Summary) -> String {
    case.closed_at.unwrap_or(case.opened_at).strftime("%F").to_string()
}

/// What the template shows.
#[derive(Serialize)]
pub(super) struct ClosedView {
    updated: Option<String>,
    pub(super) is_reading: bool,
    /// Cases that were read.
    known: usize,
    /// Those that were asked for.
    found: usize,
    more: usize,
    days_shown: i64,
    days: Vec<Day>,
    problems: Vec<Problem>,
    more_problems: usize,
}

#[derive(Serialize)]
struct Day {
    date: String,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    id: String,
    cluster: String,
    place: String,
    state: &'static str,
    tone: &'static str,
    verdict: &'static str,
    caller: String,
    stopped: String,
    closed: String,
    lasted: String,
    starts: u32,
}

impl ClosedView {
    pub(super) fn of(closed: &KnownClosed, filter: &Filter) -> Self {
        let mut days: Vec<Day> = Vec::new();
        let mut found = 0;
        for case in closed.cases.values().rev().filter(|case| filter.takes(case)) {
            found += 1;
            if found > ROWS_MAX {
                continue;
            }
            let (date, row) = (day(case), Row::of(case));
            match days.last_mut().filter(|day| day.date == date) {
                Some(day) => day.rows.push(row),
                None => days.push(Day { date, rows: vec![row] }),
            }
        }
        let failed = closed.listed.problem.iter();
        let failed = failed.map(|why| Problem::new(&format!("the closed cases: {why}"), closed.listed.at));
        let cut = closed.listed.value.then(|| {
            let what = format!(
                "there are more than {CASES_MAX} closed cases: older ones are not shown, `aks-stop-guard cases list` has them"
            );
            Problem::new(&what, None)
        });
        let unreadable = closed.unreadable.values().take(PROBLEMS_MAX).map(|what| Problem::new(what, None));
        Self {
            updated: closed.listed.at.map(utc),
            is_reading: closed.is_reading,
            known: closed.cases.len(),
            found,
            more: found.saturating_sub(ROWS_MAX),
            days_shown: SHOWN_FOR.as_hours() / 24,
            days,
            problems: failed.chain(cut).chain(unreadable).collect(),
            more_problems: closed.unreadable.len().saturating_sub(PROBLEMS_MAX),
        }
    }
}

impl Row {
    fn of(case: &Summary) -> Self {
        let cluster = case.cluster.as_ref();
        let place = cluster.map_or_else(String::new, |cluster| {
            format!("{} in {}", cluster.resource_group(), cluster.subscription().as_str())
        });
        let closed_at = case.closed_at.unwrap_or(case.opened_at);
        Self {
            id: case.id.as_str().to_owned(),
            cluster: clean(cluster.map_or("not known", |cluster| cluster.name()), TEXT_CHARS_MAX),
            place: clean(&place, TEXT_CHARS_MAX),
            state: case.state,
            tone: tone_word(tone(case.state)),
            verdict: verdict(case.authorised),
            caller: clean(case.caller(), TEXT_CHARS_MAX),
            stopped: utc(case.stopped_at),
            closed: closed_at.strftime("%T").to_string(),
            lasted: age(case.stopped_at, closed_at),
            starts: case.starts,
        }
    }
}
