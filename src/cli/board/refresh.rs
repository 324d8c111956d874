//! Reads the state anew: by lists, and of what these name only the blobs whose version is another one.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::known::{Cluster, Deliveries, Entry, Known};
use super::{Board, Now};
use crate::case::{Bulletin, Record};
use crate::domain::ClusterKey;
use crate::guard::{Grants, Holds};
use crate::store::{Etag, Prefix, StatePath, Store};

/// How long what was read is good enough: pages ask as often.
pub(super) const FRESH_FOR: Duration = Duration::from_secs(4);
/// How long a page waits for what is being read before it shows what is known: most stores answer within that.
pub(super) const WAIT_MAX: Duration = Duration::from_millis(100);
/// Clusters that are shown. Each takes about 2 KB here; those with an open case come first.
pub(super) const CLUSTERS_MAX: usize = 10_000;
/// Grants that are read.
const GRANTS_MAX: usize = 500;
/// Incidents about several cases: a guard has a few for each subscription.
const BULLETINS_MAX: usize = 1_000;
/// Reads at once, as in `cases list`.
const READS_AT_ONCE: usize = 32;
/// After so many failures in a row nothing more is asked: the store is away.
const FAILURES_MAX: usize = 10;

/// One who reads at a time, however many ask.
pub(super) struct Turn {
    began: Mutex<Option<Instant>>,
    /// Whether somebody reads.
    reading: watch::Sender<bool>,
}

impl Turn {
    pub(super) fn new() -> Self {
        Self { began: Mutex::new(None), reading: watch::Sender::new(false) }
    }

    /// Begins to read if nobody does and what was read before is older than `fresh_for`. Waits a little for the end in any case.
    pub(super) async fn take<F>(&self, fresh_for: Duration, read: impl FnOnce(Reading) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut reading = self.reading.subscribe();
        if !*reading.borrow() {
            {
                let mut began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
                if began.is_some_and(|began| began.elapsed() < fresh_for) {
                    return;
                }
                *began = Some(Instant::now());
            }
            tokio::spawn(read(Reading::begin(&self.reading)));
        }
        // Late is no fault: what is known is shown.
        let _late = timeout(WAIT_MAX, reading.wait_for(|reading| !reading)).await;
    }
}

/// That somebody reads; over when it is dropped, also by a panic.
pub(super) struct Reading(watch::Sender<bool>);

impl Reading {
    fn begin(reading: &watch::Sender<bool>) -> Self {
        reading.send_replace(true);
        Self(reading.clone())
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

/// Reads all that the overview shows, and puts it where it is known as it comes.
pub(super) async fn refresh(board: &Board) {
    let at = board.now();
    let heartbeat = async {
        let read = board.store.read(&StatePath::heartbeat()).await;
        let read = read.map(|stored| stored.map(|stored| stored.bytes)).map_err(|error| error.to_string());
        board.known().heartbeat.take(read, at);
    };
    let holds = async {
        let read = Holds::new(board.store.clone()).list().await.map_err(|error| error.to_string());
        board.known().holds.take(read, at);
    };
    let grants = async {
        let read = Grants::new(board.store.clone()).not_over(at, GRANTS_MAX).await;
        board.known().grants.take(read.map_err(|error| error.to_string()), at);
    };
    let records = async {
        let read = records(board, at).await;
        let mut known = board.known();
        known.records.take(read, at);
        known.progress = None;
    };
    tokio::join!(heartbeat, holds, grants, records);
}

/// Whether there are more than are read.
async fn records(board: &Board, at: Timestamp) -> Result<bool, String> {
    let (open, all, bulletins) = (Prefix::open_markers(), Prefix::clusters(), Prefix::bulletins());
    let (open, all, bulletins) = tokio::join!(
        board.store.list(&open, CLUSTERS_MAX),
        board.store.list(&all, CLUSTERS_MAX),
        board.store.list(&bulletins, BULLETINS_MAX)
    );
    let (open, all) = (open.map_err(|error| error.to_string())?, all.map_err(|error| error.to_string())?);
    let bulletins = bulletins.map_err(|error| error.to_string())?;
    let mut wanted: HashMap<ClusterKey, Option<Etag>> = HashMap::new();
    for listed in all.entries {
        wanted.extend(listed.path.as_cluster().map(|key| (key, listed.etag)));
    }
    // A record may be made between the two lists, or be beyond the end of the second.
    for marker in open.entries.iter().filter_map(|listed| listed.path.as_open_marker()) {
        wanted.entry(marker.key).or_default();
    }
    let bulletins_cut = bulletins.is_cut;
    let bulletins: HashMap<StatePath, Option<Etag>> =
        bulletins.entries.into_iter().map(|listed| (listed.path, listed.etag)).collect();
    {
        let mut known = board.known();
        known.clusters.retain(|key, _| wanted.contains_key(key));
        known.bulletins.retain(|path, _| bulletins.contains_key(path));
    }
    let clusters = Kind {
        entries: |known| &mut known.clusters,
        path: StatePath::cluster,
        read: |bytes, now| {
            let record = Record::decode(bytes).map_err(|error| error.to_string())?;
            Cluster::of(record, now)
        },
    };
    clusters.read_changed(board, wanted, at).await?;
    let told = Kind {
        entries: |known| &mut known.bulletins,
        path: StatePath::clone,
        read: |bytes, _| {
            let bulletin = Bulletin::decode(bytes).map_err(|error| error.to_string())?;
            Ok(Deliveries::of(&bulletin.outbox, &bulletin.receipts))
        },
    };
    told.read_changed(board, bulletins, at).await?;
    Ok(open.is_cut || all.is_cut || bulletins_cut)
}

/// A kind of blob, and where what is in it is known.
struct Kind<K, T> {
    entries: fn(&mut Known) -> &mut HashMap<K, Entry<T>>,
    path: fn(&K) -> StatePath,
    read: fn(&[u8], Timestamp) -> Result<T, String>,
}

impl<K: Clone + Eq + Hash, T> Kind<K, T> {
    /// Reads those of another version than the known one.
    async fn read_changed(
        &self,
        board: &Board,
        mut wanted: HashMap<K, Option<Etag>>,
        at: Timestamp,
    ) -> Result<(), String> {
        {
            let mut known = board.known();
            let entries = (self.entries)(&mut known);
            wanted.retain(|key, etag| {
                etag.is_none() || entries.get(key).is_none_or(|entry| entry.etag != *etag)
            });
            known.progress = (!wanted.is_empty()).then_some((0, wanted.len()));
        }
        let reads = wanted.into_keys().map(|key| async move {
            let read = board.store.read(&(self.path)(&key)).await;
            (key, read)
        });
        let mut reads = stream::iter(reads).buffer_unordered(READS_AT_ONCE);
        let mut failures = 0;
        while let Some((key, read)) = reads.next().await {
            let mut known = board.known();
            if let Some((done, _)) = &mut known.progress {
                *done += 1;
            }
            let entries = (self.entries)(&mut known);
            match read {
                Ok(None) => {
                    entries.remove(&key);
                    failures = 0;
                }
                Ok(Some(stored)) => {
                    let understood = (self.read)(&stored.bytes, at);
                    let entry = entries.entry(key.clone()).or_default();
                    entry.etag = Some(stored.etag);
                    match understood {
                        Ok(seen) => (entry.seen, entry.problem) = (Some(seen), None),
                        Err(why) => entry.problem = Some(format!("{}: {why}", (self.path)(&key))),
                    }
                    failures = 0;
                }
                Err(error) => {
                    failures += 1;
                    let entry = entries.entry(key).or_default();
                    // Asked for again next time.
                    (entry.etag, entry.problem) = (None, Some(error.to_string()));
                    if failures == FAILURES_MAX {
                        return Err(format!(
                            "nothing more was asked after {failures} failures in a row: {error}"
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}

impl Board {
    /// A board over a store.
    pub(super) fn new(store: Store, now: Now) -> Self {
        Self {
            store,
            now,
            known: Mutex::default(),
            turn: Turn::new(),
            closed: super::closed::Closed::default(),
            cases: super::case::Cases::default(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.now)()
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
