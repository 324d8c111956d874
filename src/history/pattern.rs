//! Patterns in what a caller did that are frequent enough to draft a policy from.
//!
//! Never broader than what was seen: the hours, the days of the week and the clusters of the pattern's own stops, and their
//! resource group only where several clusters of one group are all there is.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::habit::Deeds;
use super::past::PastStop;
use super::words;
use crate::domain::{CallerKind, ClusterId, SubscriptionId};

/// Fewest stops that make a pattern: two can be a slip and its repeat.
pub const STOPS_MIN: usize = 3;
/// Fewest days that they lie on: many stops on one day are one event.
pub const DAYS_MIN: usize = 2;
/// Clusters from which on a resource group stands for its clusters. Two are better listed.
const GROUP_CLUSTERS_MIN: usize = 3;
/// Most clusters that a draft lists: a longer list is nothing that people review.
const CLUSTERS_MAX: usize = 50;

/// A pattern.
#[derive(Debug, Clone)]
pub struct Pattern<'a> {
    /// The caller's id, a GUID.
    pub caller_id: String,
    /// The stops that it rests on, in order of time.
    pub stops: Vec<&'a PastStop>,
    /// How many days they lie on. A night counts as one day.
    pub days: usize,
    /// At which hours.
    pub hours: Hours,
    /// On which days of the week; 1 is Monday.
    pub weekdays: BTreeSet<i8>,
    /// Where.
    pub place: Place,
}

/// Whole hours of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// The first one.
    pub from: usize,
    /// How many, 1 to 24.
    pub length: usize,
}

/// What was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// These clusters.
    Clusters(Vec<ClusterId>),
    /// Clusters of one resource group: its subscription and its name in lower case.
    ResourceGroup(SubscriptionId, String),
}

/// Stops from which no policy is drafted, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit<'a> {
    /// The stops.
    pub stops: Vec<&'a PastStop>,
    /// Why not.
    pub why: String,
}

impl Hours {
    /// The hour after the last one; 24 only for a window that ends with the day.
    pub fn until(self) -> usize {
        match (self.from + self.length) % 24 {
            0 => 24,
            hour => hour,
        }
    }

    /// Whether it is all day.
    pub fn is_all_day(self) -> bool {
        self.length >= 24
    }

    /// Whether midnight lies in it.
    pub fn crosses_midnight(self) -> bool {
        !self.is_all_day() && self.from + self.length > 24
    }

    /// Whether an hour of the day lies in it.
    pub fn contains(self, hour: usize) -> bool {
        (hour + 24 - self.from) % 24 < self.length
    }
}

/// The patterns in a caller's deeds, and what is none.
pub fn find<'a>(deeds: &Deeds<'a>, zone: &TimeZone) -> (Vec<Pattern<'a>>, Vec<Unfit<'a>>) {
    let caller_id = match nameable(deeds) {
        Ok(id) => id,
        Err(why) => return (Vec::new(), vec![Unfit { stops: deeds.stops.clone(), why }]),
    };
    let (undone, evidence): (Vec<&PastStop>, Vec<&PastStop>) =
        deeds.stops.iter().partition(|stop| stop.was_undone());
    let mut patterns = Vec::new();
    let mut unfit = Vec::new();
    if !undone.is_empty() {
        let why = "somebody else started the cluster again within an hour: it looks unwanted".to_owned();
        unfit.push(Unfit { stops: undone, why });
    }
    for hours in runs(&evidence, zone) {
        let within = |stop: &&&PastStop| hours.contains(hour_of(stop, zone));
        let stops: Vec<&PastStop> = evidence.iter().filter(within).copied().collect();
        match pattern(caller_id.clone(), stops, hours, zone) {
            Ok(pattern) => patterns.push(pattern),
            Err(found) => unfit.push(found),
        }
    }
    (patterns, unfit)
}

/// The id that a policy can name the caller by.
fn nameable(deeds: &Deeds<'_>) -> Result<String, String> {
    let caller = deeds.caller;
    match caller.kind {
        CallerKind::Unknown => return Err("nobody could be named".to_owned()),
        CallerKind::Azure => return Err("it was Azure itself: find out why first".to_owned()),
        CallerKind::User | CallerKind::Guest | CallerKind::ServicePrincipal | CallerKind::ManagedIdentity => {
        }
    }
    let id = caller.identity().and_then(|id| SubscriptionId::parse(id).ok());
    id.map(|guid| guid.as_str().to_owned()).ok_or_else(|| "nobody could be named by an id".to_owned())
}

/// Hours that follow one another, as far as stops were seen in them.
fn runs(stops: &[&PastStop], zone: &TimeZone) -> Vec<Hours> {
    let seen: BTreeSet<usize> = stops.iter().map(|stop| hour_of(stop, zone)).collect();
    let Some(quiet) = (0..24).find(|hour| !seen.contains(hour)) else {
        return vec![Hours { from: 0, length: 24 }];
    };
    let mut runs: Vec<Hours> = Vec::new();
    // From a quiet hour on, so that no run is cut at midnight.
    for hour in (1..24).map(|step| (quiet + step) % 24).filter(|hour| seen.contains(hour)) {
        match runs.last_mut().filter(|run| run.until() % 24 == hour) {
            Some(run) => run.length += 1,
            None => runs.push(Hours { from: hour, length: 1 }),
        }
    }
    runs.sort_by_key(|run| run.from);
    runs
}

fn pattern<'a>(
    caller_id: String,
    stops: Vec<&'a PastStop>,
    hours: Hours,
    zone: &TimeZone,
) -> Result<Pattern<'a>, Unfit<'a>> {
    let days: BTreeSet<Date> = stops.iter().filter_map(|stop| day_of(stop, hours, zone)).collect();
    if stops.len() < STOPS_MIN || days.len() < DAYS_MIN {
        let why = match stops.len() {
            1 => "seen once".to_owned(),
            many => format!(
                "seen {} on {}: {STOPS_MIN} on {DAYS_MIN} days are needed",
                words::count(many, "time"),
                words::count(days.len(), "day")
            ),
        };
        return Err(Unfit { stops, why });
    }
    let weekdays =
        stops.iter().map(|stop| stop.at.to_zoned(zone.clone()).weekday().to_monday_one_offset()).collect();
    match place(&stops) {
        Some(place) => Ok(Pattern { caller_id, days: days.len(), stops, hours, weekdays, place }),
        None => {
            let why =
                format!("more than {CLUSTERS_MAX} clusters of several resource groups: write it by hand");
            Err(Unfit { stops, why })
        }
    }
}

fn place(stops: &[&PastStop]) -> Option<Place> {
    let mut clusters: Vec<ClusterId> = stops.iter().map(|stop| stop.cluster.clone()).collect();
    clusters.sort_by(|a, b| a.lower().cmp(b.lower()));
    clusters.dedup();
    let groups: BTreeSet<(&SubscriptionId, String)> =
        clusters.iter().map(|id| (id.subscription(), id.resource_group().to_lowercase())).collect();
    if let (true, 1, Some((subscription, group))) =
        (clusters.len() >= GROUP_CLUSTERS_MIN, groups.len(), groups.first())
    {
        return Some(Place::ResourceGroup((*subscription).clone(), group.clone()));
    }
    (clusters.len() <= CLUSTERS_MAX).then_some(Place::Clusters(clusters))
}

fn hour_of(stop: &PastStop, zone: &TimeZone) -> usize {
    hour(stop.at, zone)
}

/// The hour of the day that a time lies in.
pub(super) fn hour(at: Timestamp, zone: &TimeZone) -> usize {
    usize::try_from(at.to_zoned(zone.clone()).hour()).unwrap_or_default()
}

/// The day that a stop belongs to: a window that crosses midnight is one night.
fn day_of(stop: &PastStop, hours: Hours, zone: &TimeZone) -> Option<Date> {
    let local = stop.at.to_zoned(zone.clone()).datetime();
    if !hours.crosses_midnight() {
        return Some(local.date());
    }
    let from = i64::try_from(hours.from).ok()?;
    local.checked_sub(from.hours()).ok().map(|night| night.date())
}
