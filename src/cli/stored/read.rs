//! One case, read and understood as far as it goes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::walk::StoredCase;
use crate::case::{Case, Record};
use crate::domain::{ClusterId, ClusterKey};
use crate::store::{CasePath, OpenMarker, StatePath, Store, StoreError};

/// What came of reading one case.
pub(in crate::cli) enum Read {
    /// It.
    Case(Box<StoredCase>),
    /// It ended meanwhile, or too long ago.
    Nothing,
    /// It can't be understood.
    Unreadable(String),
    /// The store did not give it.
    Failed(String),
}

/// Which cluster has which key, read from the clusters' records, each once.
#[derive(Default)]
pub(in crate::cli) struct Names(Mutex<HashMap<ClusterKey, Arc<OnceCell<Option<ClusterId>>>>>);

/// The open case of a marker.
pub(super) async fn read_open(store: Store, marker: OpenMarker) -> Read {
    let path = StatePath::cluster(&marker.key);
    let stored = match store.read(&path).await {
        Ok(Some(stored)) => stored,
        Ok(None) => {
            let marker = StatePath::open_marker(&marker);
            return Read::Unreadable(format!("{marker}: the state has no record of this cluster"));
        }
        Err(error) => return Read::Failed(error.to_string()),
    };
    let record = match Record::decode(&stored.bytes) {
        Ok(record) => record,
        Err(error) => return Read::Unreadable(format!("{path}: {error}")),
    };
    match record.episode.into_case() {
        Ok(Some(case)) => Read::Case(Box::new(StoredCase { cluster: Some(record.cluster), case })),
        Ok(None) => Read::Nothing,
        Err(error) => Read::Unreadable(format!("{path}: its case that is being closed: {}", damaged(&error))),
    }
}

/// A closed case, if it was closed at `since` or later.
pub(in crate::cli) async fn read_closed(
    store: Store,
    names: Arc<Names>,
    path: CasePath,
    since: Timestamp,
) -> Read {
    let stored = match store.read_case(&path).await {
        Ok(Some(stored)) => stored,
        // Whoever keeps the archive short was faster.
        Ok(None) => return Read::Nothing,
        Err(error) => return Read::Failed(error.to_string()),
    };
    let case: Case = match serde_json::from_slice(&stored.bytes) {
        Ok(case) => case,
        Err(error) => return Read::Unreadable(format!("{path}: {}", damaged(&error))),
    };
    if case.closed_at.is_some_and(|at| at < since) {
        return Read::Nothing;
    }
    let Some(key) = path.cluster_key() else { return Read::Nothing };
    let cluster = match cluster_of(&case, &key) {
        Some(cluster) => Some(cluster),
        None => match names.of(&store, &key).await {
            Ok(cluster) => cluster,
            Err(error) => return Read::Failed(error.to_string()),
        },
    };
    Read::Case(Box::new(StoredCase { cluster, case }))
}

fn damaged(error: &serde_json::Error) -> String {
    format!("it is damaged, or a newer version wrote it: {error}")
}

/// The case's cluster, as the question to the policies names it.
pub(in crate::cli) fn cluster_of(case: &Case, key: &ClusterKey) -> Option<ClusterId> {
    let asked = case.verdict.as_ref()?.asked.as_ref()?;
    (asked.cluster.key() == *key).then(|| asked.cluster.clone())
}

impl Names {
    /// The cluster of this key; `None` if its record is gone or can't be understood.
    async fn of(&self, store: &Store, key: &ClusterKey) -> Result<Option<ClusterId>, StoreError> {
        let cell = {
            let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry(key.clone()).or_default())
        };
        let read = || async {
            let stored = store.read(&StatePath::cluster(key)).await?;
            Ok(stored.and_then(|stored| Record::decode(&stored.bytes).ok()).map(|record| record.cluster))
        };
        cell.get_or_try_init(read).await.cloned()
    }
}
