//! What is new about cases since they were last looked at.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;

use crate::case::outbox::Receipt;
use crate::case::{Case, CaseId, Record};
use crate::cli::cases::row::state;
use crate::cli::cases::show::receipts;
use crate::cli::stored::by_id::{case_id, find};
use crate::domain::incident::TimelineEntry;
use crate::domain::{ClusterId, ClusterKey};
use crate::store::{Etag, OpenMarker, Prefix, StatePath, Store, Stored};

/// Most clusters whose records are watched, and most open cases that are read at the beginning.
const RECORDS_MAX: usize = 20_000;
/// Reads at the same time.
const READS_AT_ONCE: usize = 32;

/// One thing that happened to a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct News {
    pub(super) at: Timestamp,
    pub(super) case: CaseId,
    /// Absent if nothing that can be read tells it.
    pub(super) cluster: Option<ClusterId>,
    /// Where the case is by now.
    pub(super) state: &'static str,
    pub(super) text: String,
    /// Nothing was told of this case before.
    #[serde(skip)]
    pub(super) is_first: bool,
}

/// What a look brought.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) news: Vec<News>,
    /// What can't be understood.
    pub(super) problems: Vec<String>,
}

/// What is known of a case by now.
#[derive(Debug, Clone)]
pub(super) struct Told {
    id: CaseId,
    timeline: Vec<TimelineEntry>,
    receipts: Vec<Receipt>,
    pub(super) is_over: bool,
}

/// How much is told of a case that was not told of before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Past {
    /// All that happened so far.
    Whole,
    /// Where it stands.
    Newest,
}

impl Told {
    /// Tells what is new about a case.
    pub(super) fn tell(
        before: Option<&Self>,
        (case, cluster, record): (&Case, Option<&ClusterId>, Option<&Record>),
        past: Past,
        news: &mut Vec<News>,
    ) -> Self {
        let receipts: Vec<Receipt> = receipts(case, record).into_iter().cloned().collect();
        let told = |entry: &TimelineEntry| before.is_some_and(|before| before.timeline.contains(entry));
        let mut lines: Vec<(Timestamp, String)> = Vec::new();
        let happened = case.timeline.iter().filter(|entry| !told(entry));
        lines.extend(happened.map(|entry| (entry.at, entry.text.clone())));
        let has = |receipt: &Receipt| {
            let mut known = before.into_iter().flat_map(|before| &before.receipts);
            known.any(|old| {
                (&old.sink, &old.incident, old.state) == (&receipt.sink, &receipt.incident, receipt.state)
            })
        };
        lines.extend(receipts.iter().filter(|receipt| !has(receipt)).map(received));
        lines.sort_by_key(|(at, _)| *at);
        if before.is_none() && past == Past::Newest {
            lines = lines.split_off(lines.len().saturating_sub(1));
        }
        let is_known = before.is_some();
        for (n, (at, text)) in lines.into_iter().enumerate() {
            let is_first = !is_known && n == 0;
            let (case_id, cluster) = (case.id.clone(), cluster.cloned());
            news.push(News { at, case: case_id, cluster, state: state(case), text, is_first });
        }
        Self {
            id: case.id.clone(),
            timeline: case.timeline.clone(),
            receipts,
            is_over: case.outcome.is_some(),
        }
    }
}

fn received(receipt: &Receipt) -> (Timestamp, String) {
    let reference =
        receipt.reference.as_ref().map(|reference| format!(" as {reference}")).unwrap_or_default();
    (
        receipt.at,
        format!("{} has `{}` of {}{reference}", receipt.sink, receipt.state.as_str(), receipt.incident),
    )
}

/// All clusters' cases. One list tells which records changed; only these are read.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// None before the first look.
    known: Option<BTreeMap<ClusterKey, Known>>,
}

#[derive(Debug, Default)]
struct Known {
    etag: Option<Etag>,
    told: Option<Told>,
}

impl Watch {
    /// Looks once. What was found before something failed is in `seen`; what failed is looked at again the next time.
    pub(super) async fn look(
        &mut self,
        store: &Store,
        now: Timestamp,
        seen: &mut Seen,
    ) -> anyhow::Result<()> {
        let listing = store.list(&Prefix::clusters(), RECORDS_MAX).await?;
        let listed = listing.entries.into_iter();
        let listed = listed.filter_map(|entry| Some((entry.path.as_cluster()?, entry.etag)));
        let (known, past) = match &mut self.known {
            Some(known) => (known, Past::Whole),
            None => {
                if listing.is_cut {
                    seen.problems
                        .push(format!("more than {RECORDS_MAX} clusters: the others are not followed"));
                }
                let markers = store.list(&Prefix::open_markers(), RECORDS_MAX).await?.entries;
                let open = markers.iter().filter_map(|listed| listed.path.as_open_marker());
                let open: BTreeSet<ClusterKey> = open.map(|marker| marker.key).collect();
                let of = |(key, etag)| {
                    // What has no open case is read once it changes.
                    let etag = if open.contains(&key) { None } else { etag };
                    (key, Known { etag, told: None })
                };
                (self.known.insert(listed.clone().map(of).collect()), Past::Newest)
            }
        };
        let is_new = |(key, etag): &(ClusterKey, Option<Etag>)| {
            etag.is_none() || known.get(key).is_none_or(|known| known.etag != *etag)
        };
        let changed: Vec<(ClusterKey, Option<Etag>)> = listed.filter(is_new).collect();
        let reads = changed.into_iter().map(|(key, etag)| async move {
            let stored = store.read(&StatePath::cluster(&key)).await;
            (key, etag, stored)
        });
        let mut reads = stream::iter(reads).buffered(READS_AT_ONCE);
        let mut failed = Ok(());
        while let Some((key, etag, stored)) = reads.next().await {
            let of_cluster = known.entry(key).or_default();
            let taken = match stored {
                Ok(Some(stored)) => of_cluster.take(store, &stored, (now, past), seen).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error.into()),
            };
            match taken {
                Ok(()) => of_cluster.etag = etag,
                // The first one says it; all are looked at again.
                Err(error) if failed.is_ok() => failed = Err(error),
                Err(_) => {}
            }
        }
        failed
    }
}

impl Known {
    /// Takes in a record that changed.
    async fn take(
        &mut self,
        store: &Store,
        stored: &Stored,
        (now, past): (Timestamp, Past),
        seen: &mut Seen,
    ) -> anyhow::Result<()> {
        let read = Record::decode(&stored.bytes).map_err(anyhow::Error::from);
        let read = read.and_then(|record| Ok((record.episode.clone().into_case()?, record)));
        let (case, record) = match read {
            Ok(read) => read,
            // It stays so until somebody writes it anew.
            Err(error) => {
                seen.problems.push(format!("a cluster's record: {error}"));
                return Ok(());
            }
        };
        let is_same = |told: &Told| case.as_ref().is_some_and(|case| case.id == told.id);
        if let Some(before) = self.told.take_if(|told| !is_same(told)) {
            // Its end came between two looks: the archive tells it.
            if !before.is_over
                && let Ok(id) = case_id(before.id.as_str())
            {
                let found = find(store, &id, now).await;
                let Ok(found) = found else {
                    self.told = Some(before);
                    return found.map(drop);
                };
                let of = (&found.case, Some(&record.cluster), Some(&record));
                Told::tell(Some(&before), of, Past::Whole, &mut seen.news);
            }
        }
        if let Some(case) = case {
            let of = (&case, Some(&record.cluster), Some(&record));
            self.told = Some(Told::tell(self.told.as_ref(), of, past, &mut seen.news));
        }
        Ok(())
    }
}

/// One case.
#[derive(Debug)]
pub(super) struct WatchOne {
    pub(super) id: OpenMarker,
    pub(super) told: Option<Told>,
}

impl WatchOne {
    /// Looks once: one read, as long as it is open.
    pub(super) async fn look(
        &mut self,
        store: &Store,
        now: Timestamp,
        seen: &mut Seen,
    ) -> anyhow::Result<()> {
        let found = find(store, &self.id, now).await?;
        let of = (&found.case, found.cluster.as_ref(), found.record.as_ref().ok());
        self.told = Some(Told::tell(self.told.as_ref(), of, Past::Whole, &mut seen.news));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
