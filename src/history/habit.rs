//! What one caller did: how often, when, where from, through which role, and what came of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::past::PastStop;
use super::words;
use crate::domain::Caller;

/// Lines of a tally that are told one by one; the rest is one line.
const TALLY_MAX: usize = 10;
/// What stands for the rest of a tally.
const OTHERS: &str = "others";
/// What stands for a fact that the log doesn't tell.
const NOT_TOLD: &str = "not told";

/// All stops of one caller, in order of time.
#[derive(Debug, Clone)]
pub struct Deeds<'a> {
    /// The caller, as the newest stop shows them.
    pub caller: &'a Caller,
    /// The stops; never empty.
    pub stops: Vec<&'a PastStop>,
}

impl<'a> Deeds<'a> {
    /// The stops by caller, whoever stopped most first. All whom nobody could name are one.
    pub fn by_caller(stops: &'a [PastStop]) -> Vec<Self> {
        let mut by_identity: HashMap<Option<&str>, Self> = HashMap::new();
        for stop in stops {
            let deeds = by_identity
                .entry(stop.caller.identity())
                .or_insert_with(|| Self { caller: &stop.caller, stops: Vec::new() });
            deeds.caller = &stop.caller;
            deeds.stops.push(stop);
        }
        let mut all: Vec<Self> = by_identity.into_values().collect();
        all.sort_by(|a, b| {
            let most = b.stops.len().cmp(&a.stops.len());
            most.then_with(|| a.caller.identity().cmp(&b.caller.identity()))
        });
        all
    }

    /// Whether anything of it says who did it.
    pub fn is_named(&self) -> bool {
        self.caller.is_known()
    }
}

/// One line of a tally.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// What was counted, cleaned.
    pub what: String,
    /// How often.
    pub count: usize,
}

/// A caller's habits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Habits {
    /// The id that policies name; absent when nobody could be named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The kind, as policies name it.
    pub kind: &'static str,
    /// What people call the caller. Never identifies.
    pub name: String,
    /// How many stops.
    pub stops: usize,
    /// On how many days of the zone.
    pub days: usize,
    /// The first one.
    pub first: Timestamp,
    /// The last one.
    pub last: Timestamp,
    /// Clusters by id, lower case.
    pub clusters: Vec<Tally>,
    /// Stops in each hour of the day, in the zone: 24 numbers.
    pub hours: [usize; 24],
    /// Stops on each day of the week, in the zone: 7 numbers, Monday first.
    pub weekdays: [usize; 7],
    /// Addresses that the requests came from.
    pub ips: Vec<Tally>,
    /// Roles that let the caller.
    pub roles: Vec<Tally>,
    /// What became of the clusters.
    pub started_again: StartedAgain,
}

/// How stops ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StartedAgain {
    /// How many clusters were started again.
    pub count: usize,
    /// How many of them by somebody else within an hour: such stops look unwanted, and no policy is drafted from them.
    pub undone: usize,
    /// Shortest time down, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shortest_seconds: Option<i64>,
    /// Median of the times down, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_seconds: Option<i64>,
    /// Longest time down, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_seconds: Option<i64>,
    /// By whom.
    pub by: Vec<Tally>,
}

impl Habits {
    /// The habits that deeds show, with hours and days in a zone.
    pub fn of(deeds: &Deeds<'_>, zone: &TimeZone) -> Self {
        let Deeds { caller, stops } = deeds;
        let mut hours = [0; 24];
        let mut weekdays = [0; 7];
        let mut days = BTreeSet::new();
        for stop in stops {
            let local = stop.at.to_zoned(zone.clone());
            days.insert(local.date());
            add(&mut hours, usize::try_from(local.hour()).ok());
            add(&mut weekdays, usize::try_from(local.weekday().to_monday_zero_offset()).ok());
        }
        let at = |stop: Option<&&PastStop>| stop.map_or(Timestamp::UNIX_EPOCH, |stop| stop.at);
        Self {
            id: caller.identity().map(words::name),
            kind: caller.kind.as_str(),
            name: words::label(caller),
            stops: stops.len(),
            days: days.len(),
            first: at(stops.first()),
            last: at(stops.last()),
            clusters: tally(stops.iter().map(|stop| stop.cluster.lower().to_owned())),
            hours,
            weekdays,
            ips: tally(stops.iter().map(|stop| told(stop.caller.ip.map(|ip| ip.to_string())))),
            roles: tally(stops.iter().map(|stop| told(stop.role.as_deref().map(words::name)))),
            started_again: StartedAgain::of(stops),
        }
    }
}

impl StartedAgain {
    fn of(stops: &[&PastStop]) -> Self {
        let mut seconds: Vec<i64> =
            stops.iter().filter_map(|stop| stop.down_for()).map(|down| down.as_secs()).collect();
        seconds.sort_unstable();
        let by = stops.iter().filter_map(|stop| stop.started_again.as_ref());
        Self {
            count: seconds.len(),
            undone: stops.iter().filter(|stop| stop.was_undone()).count(),
            shortest_seconds: seconds.first().copied(),
            median_seconds: seconds.get(seconds.len() / 2).copied(),
            longest_seconds: seconds.last().copied(),
            by: tally(by.map(|start| words::label(&start.caller))),
        }
    }
}

fn told(fact: Option<String>) -> String {
    fact.unwrap_or_else(|| NOT_TOLD.to_owned())
}

fn add(counts: &mut [usize], at: Option<usize>) {
    if let Some(count) = at.and_then(|at| counts.get_mut(at)) {
        *count += 1;
    }
}

/// Counts equal texts, the most frequent first.
pub(super) fn tally(texts: impl Iterator<Item = String>) -> Vec<Tally> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for text in texts {
        *counts.entry(text).or_default() += 1;
    }
    let mut lines: Vec<Tally> = counts.into_iter().map(|(what, count)| Tally { what, count }).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.count));
    if lines.len() > TALLY_MAX {
        let rest: usize = lines.drain(TALLY_MAX..).map(|line| line.count).sum();
        lines.push(Tally { what: OTHERS.to_owned(), count: rest });
    }
    lines
}
