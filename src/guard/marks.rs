//! Marks of unauthorised stops, and counting them (rule 22): first the own mark, then the list, so that of several processes
//! each sees at least all that came before it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::case::{RecentStops, Record};
use crate::domain::text::hex;
use crate::domain::{Caller, ClusterId, ClusterKey, SubscriptionId};
use crate::mutant::Mutant;
use crate::store::{PathName, Prefix, StatePath, StopHour, StoreError};

use super::Guard;
use super::records::GuardError;
use super::shared::Shared;

/// Marks that are counted in one hour of one subscription. More are not a different storm.
const MARKS_MAX: usize = 5_000;
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// One unauthorised stop, as its mark's name tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    key: ClusterKey,
    stopped_at: Timestamp,
    caller: String,
}

impl Mark {
    fn of(record: &Record) -> Option<(Self, PathName)> {
        let case = record.case()?;
        let stop = case.newest_stop()?;
        let mark =
            Self { key: record.cluster.key(), stopped_at: stop.time, caller: caller_digest(&stop.caller) };
        let seconds = mark.stopped_at.as_second();
        let name = format!("{}-{}-{seconds}-{}", mark.key, record.generation, mark.caller);
        Some((mark, PathName::parse(&name)?))
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.splitn(4, '-');
        let key = ClusterKey::parse(parts.next()?)?;
        let _generation: u64 = parts.next()?.parse().ok()?;
        let stopped_at = Timestamp::from_second(parts.next()?.parse().ok()?).ok()?;
        let caller = parts.next()?.to_owned();
        Some(Self { key, stopped_at, caller })
    }
}

type MarkList = Arc<Shared<Result<Arc<Vec<Mark>>, StoreError>>>;

/// The lists of marks that are being read, by folder.
#[derive(Debug, Default)]
pub(super) struct Lists(Mutex<HashMap<Prefix, MarkList>>);

impl Lists {
    /// The list of a folder. Those that nobody reads are forgotten.
    fn of(&self, folder: &Prefix) -> MarkList {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|_, list| Arc::strong_count(list) > 1);
        Arc::clone(lists.entry(folder.clone()).or_default())
    }
}

/// Stands for a caller in a name: 16 hex digits.
fn caller_digest(caller: &Caller) -> String {
    let digest = Sha256::digest(caller.identity().unwrap_or("unknown").as_bytes());
    hex(digest.iter().take(8))
}

impl Guard {
    /// Counts the stops around the newest one of the record's case; marks that one as unauthorised first, if `mark` says so.
    pub(super) async fn count_stops(
        &self,
        record: &Record,
        mark_it: bool,
    ) -> Result<RecentStops, GuardError> {
        let Some((mark, name)) = Mark::of(record) else { return Ok(RecentStops::default()) };
        let subscription = record.cluster.subscription();
        if mark_it {
            let path = StatePath::stop_mark(subscription, StopHour::of(mark.stopped_at), &name);
            self.0.store.create(&path, record.cluster.to_string().into_bytes()).await?;
        }
        let around = self.marks_around(subscription, mark.stopped_at).await?;
        Ok(count(around.iter().flat_map(|marks| marks.iter()), &mark, mark_it))
    }

    async fn marks_around(
        &self,
        subscription: &SubscriptionId,
        at: Timestamp,
    ) -> Result<Vec<Arc<Vec<Mark>>>, GuardError> {
        let mut hours = vec![StopHour::of(at).previous(), StopHour::of(at)];
        // No stop is ahead of Azure's clock, so that folder is empty still for most.
        if StopHour::of(at) != StopHour::of(self.now()) {
            hours.push(StopHour::of(at + HOUR));
        }
        let lists = hours.into_iter().map(|hour| self.marks_of(Prefix::stop_marks(subscription, hour)));
        Ok(futures::future::try_join_all(lists).await?)
    }

    /// The marks of one hour, as the store lists them from now on. Cases of one storm share their lists: each would read
    /// as many names as there are cases.
    async fn marks_of(&self, hour: Prefix) -> Result<Arc<Vec<Mark>>, StoreError> {
        let list = self.0.mark_lists.of(&hour);
        list.ask(async {
            let entries = self.0.store.list(&hour, MARKS_MAX).await?.entries;
            let marks = entries.iter().filter_map(|entry| Mark::parse(entry.path.name()?.as_str()));
            Ok(Arc::new(marks.collect()))
        })
        .await
    }

    /// The clusters that were stopped without permission within an hour of `at`.
    pub(super) async fn clusters_around(
        &self,
        subscription: &SubscriptionId,
        at: Timestamp,
        limit: usize,
    ) -> Result<Vec<ClusterId>, GuardError> {
        let mut clusters = Vec::new();
        for hour in [StopHour::of(at).previous(), StopHour::of(at)] {
            let listing = self.0.store.list(&Prefix::stop_marks(subscription, hour), MARKS_MAX).await?;
            for entry in listing.entries {
                let mark = entry.path.name().and_then(|name| Mark::parse(name.as_str()));
                let is_near = mark.is_some_and(|mark| at.duration_since(mark.stopped_at).abs() < HOUR);
                if !is_near || clusters.len() >= limit {
                    continue;
                }
                let stored = self.0.store.read(&entry.path).await?;
                let id =
                    stored.and_then(|stored| ClusterId::parse(std::str::from_utf8(&stored.bytes).ok()?).ok());
                clusters.extend(id);
            }
        }
        Ok(clusters)
    }
}

/// The most stops in any one hour that holds this one: counted so, a stop whose event comes late still sees those after it.
/// The own stop counts if it is `marked`, whether the list shows its mark yet or not.
fn count<'a>(marks: impl Iterator<Item = &'a Mark> + Clone, own: &Mark, marked: bool) -> RecentStops {
    let by_caller = busiest_hour(marks.clone().filter(|mark| mark.caller == own.caller), own, marked);
    RecentStops { by_caller, in_subscription: busiest_hour(marks, own, marked), marked }
}

fn busiest_hour<'a>(marks: impl Iterator<Item = &'a Mark>, own: &Mark, marked: bool) -> u32 {
    let mut times: Vec<Timestamp> = Vec::new();
    let mut own_seen = false;
    let mut seen = BTreeSet::new();
    for mark in marks {
        own_seen |= mark.key == own.key && mark.stopped_at.as_second() == own.stopped_at.as_second();
        // A stop whose caller the log corrected has a mark for each.
        if seen.insert((&mark.key, mark.stopped_at)) {
            times.push(mark.stopped_at);
        }
    }
    if marked && !own_seen {
        times.push(own.stopped_at);
    }
    times.sort();
    // Sorted, so that a window's ends are found by halving: a flood of stops is counted for each of them.
    let before = |at: Timestamp| times.partition_point(|time| *time < at);
    let starts = times.iter().copied().chain([own.stopped_at]);
    let most = starts
        .filter(|start| *start <= own.stopped_at && own.stopped_at.duration_since(*start) < HOUR)
        .map(|start| before(start + HOUR) - before(start))
        .max();
    let most = u32::try_from(most.unwrap_or(0)).unwrap_or(u32::MAX);
    if Mutant::BudgetOffByOne.is_on() { most.saturating_sub(1) } else { most }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(cluster: u8, seconds: i64, caller: &str) -> Mark {
        Mark {
            key: ClusterKey::parse(&format!("{cluster:032x}")).unwrap(),
            stopped_at: Timestamp::from_second(seconds).unwrap(),
            caller: caller.to_owned(),
        }
    }

    #[test]
    fn stops_of_one_hour_count_and_those_spread_over_days_do_not() {
        let storm: Vec<Mark> = (0..10).map(|n| mark(n, i64::from(n) * 60, "a")).collect();
        assert_eq!(count(storm.iter(), &storm[9], true).in_subscription, 10);
        let spread: Vec<Mark> = (0..10).map(|n| mark(n, i64::from(n) * 86_400, "a")).collect();
        assert_eq!(count(spread.iter(), &spread[9], true).in_subscription, 1);
    }

    #[test]
    fn a_stop_whose_event_comes_late_sees_the_stops_after_it() {
        let marks: Vec<Mark> = (0..6).map(|n| mark(n, 1_000 + i64::from(n), "a")).collect();
        assert_eq!(count(marks.iter(), &marks[2], true).by_caller, 6);
    }

    #[test]
    fn only_the_same_caller_counts_as_the_same_caller() {
        let marks = [mark(1, 10, "a"), mark(2, 20, "b"), mark(3, 30, "a")];
        assert_eq!(
            count(marks.iter(), &marks[2], true),
            RecentStops { by_caller: 2, in_subscription: 3, marked: true }
        );
    }

    #[test]
    fn a_stop_that_is_not_marked_counts_the_others_only() {
        let marks = [mark(1, 10, "a"), mark(2, 20, "a")];
        assert_eq!(count(marks.iter(), &mark(3, 30, "a"), false).by_caller, 2);
        assert_eq!(count(marks.iter(), &mark(3, 30, "a"), true).by_caller, 3);
    }

    #[test]
    fn junk_beside_the_marks_is_passed_over() {
        for junk in ["", "x", "0-1-2-3", "00000000000000000000000000000000-x-1-a"] {
            assert_eq!(Mark::parse(junk), None, "{junk}");
        }
    }
}
