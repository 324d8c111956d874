//! All cases, one after another as they are read: open ones first, then closed ones, the newest days first.
//!
//! Each request is a task of its own. A reader who waits (a pager, say) holds up what is asked next, and lets no request that is
//! under way run into its time limit.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{Stream, StreamExt as _, stream};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinError;

use super::read::{Names, Read, read_closed, read_open};
use crate::case::Case;
use crate::domain::{ClusterId, ClusterKey};
use crate::store::{CaseDay, CasePath, OpenMarker, Prefix, Store};

/// Most open cases that are read: ten times as many as a sweep looks after.
const OPEN_MAX: usize = 20_000;
/// Most closed cases of one day that are read. Their names take some 4 MB.
const DAY_MAX: usize = 20_000;
/// Reads at once: a storage account takes thousands a second, and each has its own connection here.
const READS_AT_ONCE: usize = 32;
/// Days that are listed at once, ahead of what is read: most days are short, and an answer takes some 20 ms.
const DAYS_AT_ONCE: usize = 4;
/// After so many failures in a row nothing more is asked: the store is away, and each takes seconds.
const FAILURES_MAX: u32 = 10;
/// Cases and problems that wait for whoever shows them.
pub(in crate::cli) const WAITING_MAX: usize = 64;

/// Which cases are asked for.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Wanted {
    /// Closed ones are read if they ended at this time or later; `None` for open ones only.
    pub(in crate::cli) closed_since: Option<Timestamp>,
    /// Now.
    pub(in crate::cli) now: Timestamp,
    /// Of which cluster; `None` for all.
    pub(in crate::cli) cluster: Option<Which>,
}

/// A cluster that a person named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Which {
    /// By its resource id.
    Id(ClusterId),
    /// By its name, which several may have.
    Name(String),
}

/// What was read.
#[derive(Debug)]
pub(in crate::cli) enum Seen {
    /// A case.
    Case(Box<StoredCase>),
    /// Something that could not be read, and why.
    Problem(String),
}

/// A case and its cluster.
#[derive(Debug, Clone)]
pub(in crate::cli) struct StoredCase {
    /// Absent if neither the case nor its cluster's record tells it.
    pub(in crate::cli) cluster: Option<ClusterId>,
    pub(in crate::cli) case: Case,
}

impl Which {
    /// Reads a resource id, or else a name.
    pub(in crate::cli) fn parse(given: &str) -> Result<Self, String> {
        if given.starts_with('/') {
            return ClusterId::parse(given).map(Self::Id).map_err(|error| error.to_string());
        }
        let is_name =
            !given.is_empty() && given.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        if is_name {
            Ok(Self::Name(given.to_owned()))
        } else {
            Err("write a cluster's name or its resource id".to_owned())
        }
    }

    /// Whether it can be a cluster with this key. A name tells nothing of it.
    fn may_have(&self, key: &ClusterKey) -> bool {
        match self {
            Self::Id(id) => id.key() == *key,
            Self::Name(_) => true,
        }
    }

    fn is(&self, cluster: &ClusterId) -> bool {
        match self {
            Self::Id(id) => id == cluster,
            Self::Name(name) => cluster.name().eq_ignore_ascii_case(name),
        }
    }
}

/// Reads the cases that are wanted, and tells each as soon as it is read. Ends early if nobody listens any more.
pub(in crate::cli) async fn walk(store: &Store, wanted: &Wanted, tell: mpsc::Sender<Seen>) {
    let walk = Walk {
        store: store.clone(),
        wanted,
        tell,
        told: BTreeSet::new(),
        is_open_part: true,
        failures: 0,
        names: Arc::default(),
    };
    // That it ends early was told already, or there is nobody to tell.
    let _ended_early = walk.all().await;
}

/// Why a walk ends before its end.
struct Ended;

struct Walk<'a> {
    store: Store,
    wanted: &'a Wanted,
    tell: mpsc::Sender<Seen>,
    /// Ids of the open cases that were told: one that is being closed is in the archive as well.
    told: BTreeSet<String>,
    /// Open ones are being read: what is told now is not told again.
    is_open_part: bool,
    /// Failures in a row.
    failures: u32,
    names: Arc<Names>,
}

impl Walk<'_> {
    async fn all(mut self) -> Result<(), Ended> {
        self.open().await?;
        self.is_open_part = false;
        match self.wanted.closed_since {
            Some(since) => self.closed(since).await,
            None => Ok(()),
        }
    }

    async fn open(&mut self) -> Result<(), Ended> {
        let listing = match self.store.list(&Prefix::open_markers(), OPEN_MAX).await {
            Ok(listing) => listing,
            // The closed ones are in a container of their own, which may be there all the same.
            Err(error) => return self.problem(format!("the open cases: {error}")).await,
        };
        if listing.is_cut {
            self.problem(format!("more than {OPEN_MAX} entries of open cases: the others are not shown"))
                .await?;
        }
        let markers = listing.entries.iter().filter_map(|listed| listed.path.as_open_marker());
        let mut markers: Vec<OpenMarker> = markers.filter(|marker| self.may_be_wanted(&marker.key)).collect();
        markers.sort_by_key(|marker| std::cmp::Reverse(marker.generation));
        // A process that died leaves the marker of the case before.
        let mut keys = BTreeSet::new();
        markers.retain(|marker| keys.insert(marker.key.clone()));
        let store = self.store.clone();
        let reads = markers.into_iter().map(move |marker| tokio::spawn(read_open(store.clone(), marker)));
        self.read_all(stream::iter(reads).buffered(READS_AT_ONCE)).await
    }

    async fn closed(&mut self, since: Timestamp) -> Result<(), Ended> {
        let first = CaseDay::of(since);
        // A clock may be ahead of this one.
        let today = CaseDay::of(self.wanted.now);
        let newest = today.next().unwrap_or(today);
        let days =
            std::iter::successors(Some(newest), |day| day.previous()).take_while(move |day| *day >= first);
        let store = self.store.clone();
        let lists = days.map(move |day| {
            let store = store.clone();
            tokio::spawn(async move { (day, store.list_cases(day, DAY_MAX).await) })
        });
        let mut lists = stream::iter(lists).buffered(DAYS_AT_ONCE);
        while let Some(listed) = lists.next().await {
            let (day, listing) = match listed {
                Ok(listed) => listed,
                Err(error) => {
                    self.problem(format!("a day's closed cases: {}", gone_wrong(&error))).await?;
                    continue;
                }
            };
            let listing = match listing {
                Ok(listing) => listing,
                Err(error) => {
                    self.problem(format!("the cases that were closed on {day} or before: {error}")).await?;
                    return Err(Ended);
                }
            };
            if listing.is_cut {
                self.problem(format!(
                    "more than {DAY_MAX} cases were closed on {day}: the others are not shown"
                ))
                .await?;
            }
            self.day(listing.cases, since).await?;
        }
        Ok(())
    }

    /// The cases of one day, the one that was opened last first: names tell it.
    async fn day(&mut self, mut paths: Vec<CasePath>, since: Timestamp) -> Result<(), Ended> {
        paths.retain(|path| path.cluster_key().is_some_and(|key| self.may_be_wanted(&key)));
        paths.sort_by_cached_key(|path| std::cmp::Reverse(path.marker().map(|marker| marker.generation)));
        for conflict in paths.iter().filter(|path| path.is_conflict()) {
            self.problem(format!("{conflict}: other bytes of a case that was archived before; not shown"))
                .await?;
        }
        paths.retain(|path| !path.is_conflict());
        let (store, names) = (self.store.clone(), Arc::clone(&self.names));
        let reads = paths
            .into_iter()
            .map(move |path| tokio::spawn(read_closed(store.clone(), Arc::clone(&names), path, since)));
        self.read_all(stream::iter(reads).buffered(READS_AT_ONCE)).await
    }

    async fn read_all(
        &mut self,
        mut reads: impl Stream<Item = Result<Read, JoinError>> + Unpin,
    ) -> Result<(), Ended> {
        while let Some(read) = reads.next().await {
            match read.unwrap_or_else(|error| Read::Unreadable(format!("a case: {}", gone_wrong(&error)))) {
                Read::Case(found) => {
                    self.failures = 0;
                    self.case(found).await?;
                }
                Read::Nothing => self.failures = 0,
                Read::Unreadable(why) => self.problem(why).await?,
                Read::Failed(why) => {
                    self.failures += 1;
                    self.problem(why).await?;
                    if self.failures == FAILURES_MAX {
                        self.problem(format!(
                            "nothing more was asked after {FAILURES_MAX} failures in a row"
                        ))
                        .await?;
                        return Err(Ended);
                    }
                }
            }
        }
        Ok(())
    }

    async fn case(&mut self, found: Box<StoredCase>) -> Result<(), Ended> {
        let is_wanted = match (&self.wanted.cluster, &found.cluster) {
            (None, _) => true,
            (Some(which), Some(cluster)) => which.is(cluster),
            (Some(Which::Id(_)), None) => true,
            (Some(Which::Name(_)), None) => false,
        };
        let id = found.case.id.as_str();
        if !is_wanted || self.told.contains(id) {
            return Ok(());
        }
        if self.is_open_part {
            self.told.insert(id.to_owned());
        }
        if found.cluster.is_none() {
            let problem = format!("case `{id}`: the state has no record of its cluster that can be read");
            self.problem(problem).await?;
        }
        self.tell.send(Seen::Case(found)).await.map_err(|_| Ended)
    }

    async fn problem(&self, what: String) -> Result<(), Ended> {
        self.tell.send(Seen::Problem(what)).await.map_err(|_| Ended)
    }

    fn may_be_wanted(&self, key: &ClusterKey) -> bool {
        self.wanted.cluster.as_ref().is_none_or(|which| which.may_have(key))
    }
}

/// A request's task did not end as it should.
fn gone_wrong(error: &JoinError) -> &'static str {
    if error.is_panic() {
        "reading it broke off: a fault of this program"
    } else {
        "reading it was broken off"
    }
}

#[cfg(test)]
mod tests;
