//! Clusters and callers, those that stand out first.

use std::collections::BTreeMap;

use serde::Serialize;

use super::stopped::{Ruling, Stopped};
use super::times::Times;
use crate::history::words;

/// Fewer stops without permission than this are no outlier: two are an accident and its repetition.
const OUTLIER_MIN: usize = 3;
/// An outlier has more than this many times the median of the others.
const OUTLIER_FACTOR: usize = 3;

/// One cluster or one caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tallied {
    /// What people call it.
    pub name: String,
    /// A cluster's resource id, a caller's object or app id; `None` for callers that nobody could name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Stops.
    pub stops: usize,
    /// Those that were not authorised.
    pub unauthorised: usize,
    /// Those of which nothing was decided.
    pub undecided: usize,
    /// How long it took until clusters ran again.
    pub restore: Times,
    /// Why it stands out, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outlier: Option<String>,
}

/// The clusters that were stopped.
pub(super) fn clusters(stops: &[Stopped]) -> Vec<Tallied> {
    tallied(stops, |stop| Some(stop.cluster.lower().to_owned()), |stop| words::cluster(&stop.cluster))
}

/// Those who stopped them.
pub(super) fn callers(stops: &[Stopped]) -> Vec<Tallied> {
    tallied(stops, |stop| stop.caller_id.clone(), |stop| stop.caller.clone())
}

/// The name is that of the newest stop: callers may change theirs.
fn tallied(
    stops: &[Stopped],
    id: impl Fn(&Stopped) -> Option<String>,
    name: impl Fn(&Stopped) -> String,
) -> Vec<Tallied> {
    let mut groups: BTreeMap<Option<String>, Vec<&Stopped>> = BTreeMap::new();
    for stop in stops {
        groups.entry(id(stop)).or_default().push(stop);
    }
    let mut all: Vec<Tallied> = groups
        .into_iter()
        .map(|(id, stops)| {
            let ruled = |ruling| stops.iter().filter(|stop| stop.ruling == ruling).count();
            Tallied {
                name: stops.iter().max_by_key(|stop| stop.at).map(|stop| name(stop)).unwrap_or_default(),
                id,
                stops: stops.len(),
                unauthorised: ruled(Ruling::Unauthorised),
                undecided: ruled(Ruling::Undecided),
                restore: Times::of(stops.iter().copied()),
                outlier: None,
            }
        })
        .collect();
    mark_outliers(&mut all);
    all.sort_by(|a, b| order(a).cmp(&order(b)));
    all
}

fn order(row: &Tallied) -> impl Ord + use<'_> {
    let most = |count: usize| std::cmp::Reverse(count);
    (row.outlier.is_none(), most(row.unauthorised), most(row.stops), &row.name, &row.id)
}

fn mark_outliers(all: &mut [Tallied]) {
    let count = |row: &Tallied| i64::try_from(row.unauthorised).unwrap_or(i64::MAX);
    let mut sorted: Vec<i64> = all.iter().map(count).collect();
    sorted.sort_unstable();
    for row in all {
        let own = sorted.partition_point(|other| *other < count(row));
        let twice = doubled_median_without(&sorted, own).unwrap_or(0);
        let others = sorted.len().saturating_sub(1);
        row.outlier = why_outlier(row.unauthorised, usize::try_from(twice).unwrap_or(0), others);
    }
}

/// Twice the median of numbers in order but one. There may be thousands of rows: no copy is made for each.
fn doubled_median_without(sorted: &[i64], left_out: usize) -> Option<i64> {
    let count = sorted.len().checked_sub(1)?;
    let at = |n: usize| sorted.get(if n < left_out { n } else { n + 1 }).copied();
    let upper = at(count / 2)?;
    let lower = if count.is_multiple_of(2) { at((count / 2).checked_sub(1)?)? } else { upper };
    Some(lower.saturating_add(upper))
}

/// `twice` is twice the median of the `others`.
fn why_outlier(unauthorised: usize, twice: usize, others: usize) -> Option<String> {
    let is_outlier = unauthorised >= OUTLIER_MIN && 2 * unauthorised > OUTLIER_FACTOR * twice;
    let half = if twice.is_multiple_of(2) { "" } else { ".5" };
    is_outlier.then(|| match others {
        0 => format!("{unauthorised} not authorised, and there is no other"),
        _ => format!("{unauthorised} not authorised, the median of the others is {}{half}", twice / 2),
    })
}
