//! The guard's cases of some time: closed ones from the archive, open ones from their records. Reads only.

use std::collections::{BTreeSet, HashMap};

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::output;
use crate::case::{Case, Episode, Record};
use crate::domain::ClusterKey;
use crate::history::{Past, Window};
use crate::store::{CaseDay, CasePath, Prefix, StatePath, Store, StoreError};

/// Most closed cases that are read, the newest days first. A case has some 10 KB, of which a quarter is kept.
pub(super) const CASES_MAX: usize = 20_000;
/// Most open cases that are read: as many as a sweep looks after.
const OPEN_MAX: usize = 2_000;
/// Reads at once: a storage account takes thousands a second, and each has its own connection here.
const READS_AT_ONCE: usize = 32;
/// Lists at once.
const LISTS_AT_ONCE: usize = 8;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) past: Vec<Past>,
    /// Cases that can't be read, or whose cluster's record is gone or can't be read.
    pub(super) unreadable: usize,
    pub(super) is_cut: bool,
}

/// Reads the cases whose newest stop lies in the window.
pub(super) async fn read(store: &Store, window: Window) -> Result<Found, StoreError> {
    let mut found = Found::default();
    let closed = list(store, window, &mut found.is_cut).await?;
    let markers = store.list(&Prefix::open_markers(), OPEN_MAX).await?;
    found.is_cut |= markers.is_cut;
    let open: BTreeSet<ClusterKey> = markers
        .entries
        .iter()
        .filter_map(|listed| listed.path.as_open_marker())
        .map(|marker| marker.key)
        .collect();
    let keys: BTreeSet<ClusterKey> =
        closed.iter().filter_map(CasePath::cluster_key).chain(open.iter().cloned()).collect();
    let records = records(store, keys).await?;
    let cases = read_cases(store, closed).await?;
    for (key, case) in cases {
        found.add(key.and_then(|key| records.get(&key)), case, window);
    }
    for record in open.iter().filter_map(|key| records.get(key)) {
        let case = match &record.episode {
            Episode::Open(case) | Episode::Held(case) => Some(case.as_ref().clone()),
            Episode::Closing(closing) => serde_json::from_str(&closing.body).ok(),
            // Its case was closed meanwhile, and is in the archive.
            Episode::None => continue,
        };
        found.add(Some(record), case, window);
    }
    found.forget_repeats();
    output::progress("");
    Ok(found)
}

impl Found {
    fn add(&mut self, record: Option<&Record>, case: Option<Case>, window: Window) {
        let (Some(record), Some(mut case)) = (record, case) else {
            self.unreadable += 1;
            return;
        };
        let stopped_at = case.newest_stop_time();
        if stopped_at < window.since || stopped_at > window.until {
            return;
        }
        // The longest part of it, and nothing is decided by it.
        case.timeline = Vec::new();
        self.past.push(Past { cluster: record.cluster.clone(), case });
    }

    /// A case that is being closed is in its record and in the archive.
    fn forget_repeats(&mut self) {
        let mut seen = BTreeSet::new();
        self.past.retain(|past| seen.insert(past.case.id.as_str().to_owned()));
    }
}

/// The closed cases of the days of the window. A stop of the window can't have been closed before it.
async fn list(store: &Store, window: Window, is_cut: &mut bool) -> Result<Vec<CasePath>, StoreError> {
    let last = CaseDay::of(window.until);
    let mut days: Vec<CaseDay> = std::iter::successors(Some(CaseDay::of(window.since)), |day| day.next())
        .take_while(|day| *day <= last)
        .collect();
    days.reverse();
    let mut listings =
        stream::iter(days.into_iter().map(|day| store.list_cases(day, CASES_MAX))).buffered(LISTS_AT_ONCE);
    let mut cases = Vec::new();
    while let Some(listing) = listings.try_next().await? {
        *is_cut |= listing.is_cut;
        cases.extend(listing.cases);
        output::progress(&format!("{} cases", cases.len()));
        if cases.len() > CASES_MAX {
            *is_cut = true;
            cases.truncate(CASES_MAX);
            break;
        }
    }
    Ok(cases)
}

/// The records of these clusters, as far as they can be read: they tell which cluster it is.
async fn records(
    store: &Store,
    keys: BTreeSet<ClusterKey>,
) -> Result<HashMap<ClusterKey, Record>, StoreError> {
    let reads = keys.into_iter().map(|key| async move {
        let stored = store.read(&StatePath::cluster(&key)).await?;
        let record = stored.and_then(|stored| Record::decode(&stored.bytes).ok());
        Ok(record.map(|record| (key, record)))
    });
    stream::iter(reads)
        .buffered(READS_AT_ONCE)
        .try_filter_map(|found| async move { Ok(found) })
        .try_collect()
        .await
}

async fn read_cases(
    store: &Store,
    paths: Vec<CasePath>,
) -> Result<Vec<(Option<ClusterKey>, Option<Case>)>, StoreError> {
    let reads = paths.into_iter().map(|path| async move {
        let stored = store.read_case(&path).await?;
        let case = stored.and_then(|stored| serde_json::from_slice::<Case>(&stored.bytes).ok());
        Ok((path.cluster_key(), case))
    });
    stream::iter(reads).buffered(READS_AT_ONCE).try_collect().await
}
