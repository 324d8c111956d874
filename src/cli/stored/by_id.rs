//! One case, by its id: from its cluster's record, or from the archive.

use std::iter;

use anyhow::Context as _;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};

use super::read::cluster_of;
use crate::case::{Case, CaseId, Record};
use crate::domain::{ClusterId, ClusterKey};
use crate::store::{CasePath, OpenMarker, StatePath, Store};

/// Days after a case was opened on which its end is looked for in the archive: people rarely leave one waiting for longer, and so
/// many reads take a few seconds.
const DAYS_SEARCHED: i32 = 100;
/// Reads at the same time.
const READS_AT_ONCE: usize = 8;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Reads the id of a case, as incidents have it: the cluster's key and the case's generation.
pub(in crate::cli) fn case_id(given: &str) -> Result<OpenMarker, String> {
    let parts = given.rsplit_once('-');
    let read = parts.and_then(|(key, generation)| {
        Some(OpenMarker { key: ClusterKey::parse(key)?, generation: generation.parse().ok()? })
    });
    read.ok_or_else(|| {
        "write a case's id as its incident has it: 32 hexadecimal digits, `-` and a number".to_owned()
    })
}

/// A case that was found.
pub(in crate::cli) struct Found {
    pub(in crate::cli) case: Case,
    /// The case as it is archived; `None` of one that is not.
    pub(in crate::cli) archived: Option<Bytes>,
    /// The record of its cluster; an archived case may be read without it.
    pub(in crate::cli) record: anyhow::Result<Record>,
    /// Its cluster, if anything that can be read tells it.
    pub(in crate::cli) cluster: Option<ClusterId>,
}

impl Found {
    fn of(id: &OpenMarker, case: Case, archived: Option<Bytes>, record: anyhow::Result<Record>) -> Self {
        let of_record = record.as_ref().ok().map(|record| record.cluster.clone());
        let cluster = of_record.or_else(|| cluster_of(&case, &id.key));
        Self { case, archived, record, cluster }
    }
}

/// The case, and the record of its cluster.
pub(in crate::cli) async fn read(
    store: &Store,
    id: &OpenMarker,
    now: Timestamp,
) -> anyhow::Result<(Record, Case)> {
    let found = find(store, id, now).await?;
    Ok((found.record?, found.case))
}

/// The case, and the record of its cluster as far as that can be read.
pub(in crate::cli) async fn find(store: &Store, id: &OpenMarker, now: Timestamp) -> anyhow::Result<Found> {
    let wanted = CaseId::new(&id.key, id.generation);
    let record = record(store, id).await;
    if let Ok(read) = &record {
        let of_record = read.episode.clone().into_case()?;
        if let Some(case) = of_record.filter(|case| case.id == wanted) {
            return Ok(Found::of(id, case, None, record));
        }
    }
    match archived(store, id, now).await? {
        Some(bytes) => {
            let case = serde_json::from_slice(&bytes).context("it is damaged")?;
            Ok(Found::of(id, case, Some(bytes), record))
        }
        None => {
            record?;
            anyhow::bail!(
                "it is neither open nor among those that ended within {DAYS_SEARCHED} days after it began"
            )
        }
    }
}

async fn record(store: &Store, id: &OpenMarker) -> anyhow::Result<Record> {
    let stored = store.read(&StatePath::cluster(&id.key)).await?;
    let stored = stored.context("the state has no record of its cluster")?;
    Ok(Record::decode(&stored.bytes)?)
}

/// The case in the archive, whose folders are the days on which cases ended. When it began is told by its generation: the
/// seconds since 1970 then, or hardly more.
async fn archived(store: &Store, id: &OpenMarker, now: Timestamp) -> anyhow::Result<Option<Bytes>> {
    let Some(days) = days_of(id.generation, now) else { return Ok(None) };
    let reads = days.map(|day| async move { store.read_case(&CasePath::new(id, day)).await });
    let mut found = stream::iter(reads).buffered(READS_AT_ONCE);
    while let Some(stored) = found.try_next().await? {
        if let Some(stored) = stored {
            return Ok(Some(stored.bytes));
        }
    }
    Ok(None)
}

/// A time on each day on which the case may have ended; `None` if no case can have this generation.
fn days_of(generation: u64, now: Timestamp) -> Option<impl Iterator<Item = Timestamp>> {
    let began = Timestamp::from_second(i64::try_from(generation).ok()?).ok()?;
    // A day on both sides, for clocks and for the time of day.
    let first = began.checked_sub(DAY).ok()?;
    let last = began.checked_add(DAY * DAYS_SEARCHED).ok()?.min(now.max(began) + DAY);
    Some(iter::successors(Some(first), |at| at.checked_add(DAY).ok()).take_while(move |at| *at <= last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::CaseDay;

    #[test]
    fn the_end_of_a_case_is_looked_for_from_its_beginning_until_now() {
        let now: Timestamp = "2026-09-20T10:00:00Z".parse().unwrap();
        let days =
            |generation| days_of(generation, now).map(|days| days.map(CaseDay::of).collect::<Vec<_>>());
        let began: Timestamp = "2026-09-17T23:59:59Z".parse().unwrap();
        let seconds = u64::try_from(began.as_second()).unwrap();
        let told: Vec<String> = days(seconds).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(told, ["2026/09/16", "2026/09/17", "2026/09/18", "2026/09/19", "2026/09/20"]);
        assert_eq!(days(17).unwrap().len(), 102);
        assert!(days(u64::MAX).is_none());
    }

    #[test]
    fn an_id_of_a_case_is_that_of_its_incident() {
        let id = case_id("183dfd2ce3e81077fefbe09205c4ed44-1789408810").unwrap();
        assert_eq!((id.key.as_str(), id.generation), ("183dfd2ce3e81077fefbe09205c4ed44", 1_789_408_810));
        for wrong in
            ["", "x", "183dfd2ce3e81077fefbe09205c4ed44", "183dfd2ce3e81077fefbe09205c4ed44-17-claims"]
        {
            assert!(case_id(wrong).is_err(), "{wrong}");
        }
    }
}
