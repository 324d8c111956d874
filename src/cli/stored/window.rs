//! The guard's cases of some time: closed ones from the archive, open ones from their records. Reads only.

use std::collections::{BTreeSet, HashMap};

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::case::{Case, Record};
use crate::cli::output;
use crate::domain::{ClusterId, ClusterKey};
use crate::history::Window;
use crate::store::{CaseDay, CasePath, Prefix, StatePath, Store, StoreError};

/// Most closed cases that are read, the newest days first.
pub(in crate::cli) const CASES_MAX: usize = 20_000;
/// Most open cases that are read: as many as a sweep looks after.
const OPEN_MAX: usize = 2_000;
/// Reads at once: a storage account takes thousands a second, and each has its own connection here.
const READS_AT_ONCE: usize = 32;
/// Lists at once.
const LISTS_AT_ONCE: usize = 8;
/// Cases between two lines of progress: fewer only flicker.
const PROGRESS_EVERY: usize = 100;

/// What was found.
#[derive(Debug)]
pub(in crate::cli) struct Found<T> {
    /// What was kept of each case, in no order.
    pub(in crate::cli) cases: Vec<T>,
    /// Cases that can't be read, or whose cluster's record is gone or can't be read.
    pub(in crate::cli) unreadable: usize,
    pub(in crate::cli) is_cut: bool,
}

/// Reads the cases whose newest stop lies in the window. A case has some 10 KB, and there may be thousands: only what `keep` makes
/// of each stays in memory.
pub(in crate::cli) async fn read<T>(
    store: &Store,
    window: Window,
    keep: impl Fn(&ClusterId, Case) -> T,
) -> Result<Found<T>, StoreError> {
    let (closed, closed_cut) = list(store, window).await?;
    let markers = store.list(&Prefix::open_markers(), OPEN_MAX).await?;
    let open: BTreeSet<ClusterKey> = markers
        .entries
        .iter()
        .filter_map(|listed| listed.path.as_open_marker())
        .map(|marker| marker.key)
        .collect();
    let keys: BTreeSet<ClusterKey> =
        closed.iter().filter_map(CasePath::cluster_key).chain(open.iter().cloned()).collect();
    let mut sieve = Sieve {
        window,
        keep,
        seen: BTreeSet::new(),
        read: 0,
        found: Found { cases: Vec::new(), unreadable: 0, is_cut: closed_cut || markers.is_cut },
    };
    let clusters = read_records(store, keys, &open, &mut sieve).await?;
    read_closed(store, closed, &clusters, &mut sieve).await?;
    output::progress("");
    Ok(sieve.found)
}

/// Lets through each case of the window once.
struct Sieve<T, K> {
    window: Window,
    keep: K,
    /// A case that is being closed is in its record and in the archive.
    seen: BTreeSet<String>,
    read: usize,
    found: Found<T>,
}

impl<T, K: Fn(&ClusterId, Case) -> T> Sieve<T, K> {
    fn take(&mut self, cluster: Option<&ClusterId>, case: Option<Case>) {
        self.read += 1;
        if self.read.is_multiple_of(PROGRESS_EVERY) {
            output::progress(&format!("{} cases read", self.read));
        }
        let (Some(cluster), Some(case)) = (cluster, case) else {
            self.found.unreadable += 1;
            return;
        };
        let stopped_at = case.newest_stop_time();
        let is_within = stopped_at >= self.window.since && stopped_at <= self.window.until;
        if is_within && self.seen.insert(case.id.as_str().to_owned()) {
            self.found.cases.push((self.keep)(cluster, case));
        }
    }
}

/// The closed cases of the days of the window, and whether there are more. A stop of the window can't have been closed before it.
async fn list(store: &Store, window: Window) -> Result<(Vec<CasePath>, bool), StoreError> {
    let last = CaseDay::of(window.until);
    let mut days: Vec<CaseDay> = std::iter::successors(Some(CaseDay::of(window.since)), |day| day.next())
        .take_while(|day| *day <= last)
        .collect();
    days.reverse();
    let mut listings =
        stream::iter(days.into_iter().map(|day| store.list_cases(day, CASES_MAX))).buffered(LISTS_AT_ONCE);
    let (mut cases, mut is_cut) = (Vec::new(), false);
    while let Some(listing) = listings.try_next().await? {
        is_cut |= listing.is_cut;
        cases.extend(listing.cases);
        output::progress(&format!("{} cases", cases.len()));
        if cases.len() > CASES_MAX {
            is_cut = true;
            cases.truncate(CASES_MAX);
            break;
        }
    }
    Ok((cases, is_cut))
}

/// Reads these clusters' records: they tell which cluster it is, and hold the cases that are open.
async fn read_records<T, K: Fn(&ClusterId, Case) -> T>(
    store: &Store,
    keys: BTreeSet<ClusterKey>,
    open: &BTreeSet<ClusterKey>,
    sieve: &mut Sieve<T, K>,
) -> Result<HashMap<ClusterKey, ClusterId>, StoreError> {
    let reads = keys.into_iter().map(|key| async move {
        let stored = store.read(&StatePath::cluster(&key)).await?;
        let record = stored.map(|stored| Record::decode(&stored.bytes));
        Ok::<_, StoreError>((key, record))
    });
    let mut records = stream::iter(reads).buffered(READS_AT_ONCE);
    let mut clusters = HashMap::new();
    while let Some((key, record)) = records.try_next().await? {
        let is_open = open.contains(&key);
        // Its closed cases are counted when they are met.
        let Some(record) = record else { continue };
        let Ok(Record { cluster, episode, .. }) = record else {
            sieve.found.unreadable += usize::from(is_open);
            continue;
        };
        // One that was opened since the list was made is for the next report.
        if is_open && let Some(case) = episode.into_case().transpose() {
            sieve.take(Some(&cluster), case.ok());
        }
        clusters.insert(key, cluster);
    }
    Ok(clusters)
}

async fn read_closed<T, K: Fn(&ClusterId, Case) -> T>(
    store: &Store,
    paths: Vec<CasePath>,
    clusters: &HashMap<ClusterKey, ClusterId>,
    sieve: &mut Sieve<T, K>,
) -> Result<(), StoreError> {
    let reads = paths.into_iter().map(|path| async move {
        let stored = store.read_case(&path).await?;
        let case = stored.and_then(|stored| serde_json::from_slice::<Case>(&stored.bytes).ok());
        Ok::<_, StoreError>((path.cluster_key(), case))
    });
    let mut cases = stream::iter(reads).buffered(READS_AT_ONCE);
    while let Some((key, case)) = cases.try_next().await? {
        sieve.take(key.and_then(|key| clusters.get(&key)), case);
    }
    Ok(())
}
