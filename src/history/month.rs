//! What the guard saw and did in some time, for a manager and an auditor: `docs/REPORT.md` defines every number.

mod chart;
mod page;
mod stopped;
mod storms;
mod table;
mod tally;
mod times;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::learn::Window;
use crate::case::Outcome;

pub use page::PageError;
pub use stopped::{Ruling, Stopped};
pub use storms::Storm;
pub use tally::Tallied;
pub use times::{Class, Restore, Times, Worst};

/// The report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Month {
    /// The time it is about.
    pub window: Window,
    /// The zone of its days, by its name in the IANA database.
    pub zone: String,
    /// Cases that could not be read: they are counted nowhere else.
    pub unreadable: usize,
    /// There was more than is read.
    pub is_cut: bool,
    /// How many stops there were. Those of one case are one.
    pub stops: usize,
    /// Whether they were allowed.
    pub rulings: Rulings,
    /// How their cases ended.
    pub ends: Ends,
    /// Stops of which no event came: discovery found the clusters down.
    pub found_by_discovery: usize,
    /// Further stops of clusters whose case was open, as far as cases keep them.
    pub stopped_again: usize,
    /// How long it took until clusters ran again.
    pub restore: Restore,
    /// Many stops in one subscription that people were told of together.
    pub storms: Vec<Storm>,
    /// What was left to people.
    pub people: People,
    /// The clusters: outliers first, then those with the most stops that were not authorised.
    pub clusters: Vec<Tallied>,
    /// Those who stopped them, likewise.
    pub callers: Vec<Tallied>,
    /// Each day of the window.
    pub days: Vec<Day>,
    /// Each case, the newest first.
    pub cases: Vec<Stopped>,
}

/// Stops by whether they were allowed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rulings {
    /// They were.
    pub authorised: usize,
    /// They were not.
    pub unauthorised: usize,
    /// Nothing was decided.
    pub undecided: usize,
}

/// Cases by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ends {
    /// The stop was allowed.
    pub authorised: usize,
    /// The guard restarted the cluster.
    pub restored: usize,
    /// The cluster ran again without the guard.
    pub already_running: usize,
    /// The cluster was deleted.
    pub gone: usize,
    /// Not ended yet.
    pub open: usize,
}

/// What was left to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct People {
    /// Cases that waited for them at some time.
    pub cases: usize,
    /// Cases that wait for them now.
    pub waiting: usize,
    /// Why, the most frequent first. A case may have waited for several reasons.
    pub reasons: Vec<Reason>,
}

/// Why cases waited for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// In a few words.
    pub why: String,
    /// How many cases.
    pub cases: usize,
}

/// One day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Day {
    /// Its date in the report's zone.
    pub date: Date,
    /// Its stops.
    #[serde(flatten)]
    pub rulings: Rulings,
}

impl Month {
    /// Makes the report of the stops in a window.
    pub fn of(window: Window, zone: &TimeZone, mut cases: Vec<Stopped>) -> Self {
        cases.sort_by(|a, b| (b.at, a.case.as_str()).cmp(&(a.at, b.case.as_str())));
        Self {
            window,
            zone: zone.iana_name().unwrap_or("UTC").to_owned(),
            unreadable: 0,
            is_cut: false,
            stops: cases.len(),
            rulings: Rulings::of(&cases),
            ends: Ends::of(&cases),
            found_by_discovery: cases.iter().filter(|stop| stop.found_by_discovery).count(),
            stopped_again: cases.iter().map(|stop| stop.stopped_again).sum(),
            restore: Restore::of(&cases),
            storms: storms::of(&cases),
            people: People::of(&cases),
            clusters: tally::clusters(&cases),
            callers: tally::callers(&cases),
            days: days(window, zone, &cases),
            cases,
        }
    }

    /// The cases that were not simply allowed, the newest first.
    fn of_note(&self) -> impl Iterator<Item = &Stopped> {
        self.cases.iter().filter(|stop| stop.is_of_note())
    }
}

impl Rulings {
    fn of(stops: &[Stopped]) -> Self {
        let mut rulings = Self::default();
        stops.iter().for_each(|stop| rulings.add(stop.ruling));
        rulings
    }

    fn add(&mut self, ruling: Ruling) {
        let count = match ruling {
            Ruling::Authorised => &mut self.authorised,
            Ruling::Unauthorised => &mut self.unauthorised,
            Ruling::Undecided => &mut self.undecided,
        };
        *count += 1;
    }

    fn total(self) -> usize {
        self.authorised + self.unauthorised + self.undecided
    }
}

impl Ends {
    fn of(stops: &[Stopped]) -> Self {
        let mut ends = Self::default();
        for stop in stops {
            let count = match stop.outcome {
                Some(Outcome::Authorised) => &mut ends.authorised,
                Some(Outcome::Restored) => &mut ends.restored,
                Some(Outcome::AlreadyRunning) => &mut ends.already_running,
                Some(Outcome::Gone) => &mut ends.gone,
                None => &mut ends.open,
            };
            *count += 1;
        }
        ends
    }
}

impl People {
    fn of(stops: &[Stopped]) -> Self {
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for why in stops.iter().flat_map(|stop| stop.waited.iter().collect::<BTreeSet<_>>()) {
            *reasons.entry(why).or_default() += 1;
        }
        let mut reasons: Vec<Reason> =
            reasons.into_iter().map(|(why, cases)| Reason { why: why.to_owned(), cases }).collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.cases));
        Self {
            cases: stops.iter().filter(|stop| !stop.waited.is_empty()).count(),
            waiting: stops.iter().filter(|stop| stop.is_waiting).count(),
            reasons,
        }
    }
}

/// Every day that the window touches, with or without stops.
fn days(window: Window, zone: &TimeZone, stops: &[Stopped]) -> Vec<Day> {
    let date = |at| zone.to_datetime(at).date();
    let last = date(window.until);
    let dates = std::iter::successors(Some(date(window.since)), |date| date.tomorrow().ok());
    let mut days: BTreeMap<Date, Rulings> =
        dates.take_while(|date| *date <= last).map(|date| (date, Rulings::default())).collect();
    for stop in stops {
        if let Some(rulings) = days.get_mut(&date(stop.at)) {
            rulings.add(stop.ruling);
        }
    }
    days.into_iter().map(|(date, rulings)| Day { date, rulings }).collect()
}
