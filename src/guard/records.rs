//! Records in the store: read, and written under their ETag with a random writer (rule 3).

use jiff::Timestamp;

use crate::case::record::RecordError;
use crate::case::{Bulletin, BulletinKey, Mode, Record};
use crate::domain::{ClusterId, ClusterKey};
use crate::mutant::Mutant;
use crate::store::{Etag, OpenMarker, PathName, Prefix, StatePath, Store, StoreError, Stored, Written};

use super::Guard;

/// Markers of one cluster that are asked for its id: one is there as a rule, and some more if processes died.
const MARKERS_READ_MAX: usize = 8;

/// Something of ours in the store.
pub(super) trait Document {
    fn encode(&self) -> Result<Vec<u8>, RecordError>;
    fn set_writer(&mut self, writer: String);
}

impl Document for Record {
    fn encode(&self) -> Result<Vec<u8>, RecordError> {
        Self::encode(self)
    }
    fn set_writer(&mut self, writer: String) {
        self.writer = writer;
    }
}

impl Document for Bulletin {
    fn encode(&self) -> Result<Vec<u8>, RecordError> {
        Self::encode(self)
    }
    fn set_writer(&mut self, writer: String) {
        self.writer = writer;
    }
}

/// A document, and the version of it that was read; no version if it is not stored yet.
#[derive(Debug, Clone)]
pub(super) struct Loaded<D> {
    pub(super) document: D,
    pub(super) etag: Option<Etag>,
}

/// Whether a conditional write took.
#[derive(Debug)]
pub(super) enum Saved {
    Done(Etag),
    Lost,
}

/// Why a piece of work could not be finished.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GuardError {
    /// The store can't be used: nothing is durable, the event must come again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The record can't be touched by this program.
    #[error("cluster `{key}`: {error}")]
    Record {
        /// Which.
        key: String,
        /// Why.
        error: RecordError,
    },
    /// Others changed the record all the time.
    #[error("others changed the record of `{0}` all the time")]
    Contended(String),
    /// The settings don't let the guard take events in.
    #[error("the settings are broken: {0}")]
    Settings(String),
    /// Nobody can tell whether a subscription is in a guarded management group.
    #[error("whether the subscription is guarded is not known: {0}")]
    Members(String),
}

/// Reads the record of a cluster; `None` if there is none. `known` is the cluster, where the caller knows it from elsewhere: what
/// takes the place of a damaged record needs it.
pub(super) async fn load(
    store: &Store,
    key: &ClusterKey,
    known: Option<&ClusterId>,
    mode: Mode,
    now: Timestamp,
) -> Result<Option<Loaded<Record>>, GuardError> {
    let Some(stored) = store.read(&StatePath::cluster(key)).await? else { return Ok(None) };
    match Record::decode(&stored.bytes) {
        Ok(document) => Ok(Some(Loaded { document, etag: Some(stored.etag) })),
        Err(RecordError::Damaged(why)) => {
            let id = set_aside(store, key, known, &stored, &why).await?;
            let document = Record::replacing_damaged(id, mode, now);
            let marker = OpenMarker { key: key.clone(), generation: document.generation };
            let id = document.cluster.to_string();
            store.put(&StatePath::open_marker(&marker), id.into_bytes()).await?;
            Ok(Some(Loaded { document, etag: Some(stored.etag) }))
        }
        Err(error @ RecordError::Newer { .. }) => Err(GuardError::Record { key: key.to_string(), error }),
    }
}

/// A damaged record is copied aside before anything else happens to it (rule 25). Returns the cluster it was about: from its
/// bytes, from whoever asks, or from a marker. One whose id nobody knows any more can't be replaced, and stays where it is.
async fn set_aside(
    store: &Store,
    key: &ClusterKey,
    known: Option<&ClusterId>,
    stored: &Stored,
    why: &str,
) -> Result<ClusterId, GuardError> {
    let path = StatePath::aside(key, &stored.bytes);
    store.create(&path, stored.bytes.clone()).await?;
    tracing::error!(record = %key, copy = %path, why, "a record is damaged: its copy was set aside");
    let said = serde_json::from_slice::<IdOnly>(&stored.bytes).ok().map(|only| only.resource_id);
    let id = match said.filter(|id| id.key() == *key).or_else(|| known.cloned()) {
        Some(id) => Some(id),
        None => named_by_a_marker(store, key).await?,
    };
    id.ok_or_else(|| GuardError::Record { key: key.to_string(), error: RecordError::Damaged(why.to_owned()) })
}

/// The cluster that a marker of this key names.
async fn named_by_a_marker(store: &Store, key: &ClusterKey) -> Result<Option<ClusterId>, GuardError> {
    let markers = store.list(&Prefix::open_markers_of(key), MARKERS_READ_MAX).await?;
    for marker in markers.entries {
        let stored = store.read(&marker.path).await?;
        let id = stored.and_then(|stored| ClusterId::parse(std::str::from_utf8(&stored.bytes).ok()?).ok());
        if let Some(id) = id.filter(|id| id.key() == *key) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

#[derive(serde::Deserialize)]
struct IdOnly {
    resource_id: ClusterId,
}

/// Reads a bulletin, or makes a new one. A damaged one is replaced: it holds no state that a case doesn't have.
pub(super) async fn load_bulletin(store: &Store, key: &BulletinKey) -> Result<Loaded<Bulletin>, GuardError> {
    let Some(path) = bulletin_path(key) else {
        return Ok(Loaded { document: Bulletin::new(key.clone()), etag: None });
    };
    match store.read(&path).await? {
        None => Ok(Loaded { document: Bulletin::new(key.clone()), etag: None }),
        Some(stored) => match Bulletin::decode(&stored.bytes) {
            Ok(document) => Ok(Loaded { document, etag: Some(stored.etag) }),
            Err(RecordError::Damaged(why)) => {
                tracing::error!(bulletin = key.name(), why, "a bulletin is damaged: it starts anew");
                Ok(Loaded { document: Bulletin::new(key.clone()), etag: Some(stored.etag) })
            }
            Err(error @ RecordError::Newer { .. }) => Err(GuardError::Record { key: key.name(), error }),
        },
    }
}

/// Where a bulletin is stored.
pub(super) fn bulletin_path(key: &BulletinKey) -> Option<StatePath> {
    PathName::parse(&key.name()).map(|name| StatePath::bulletin(&name))
}

impl Guard {
    /// Writes a document if nobody else did meanwhile. A lost answer is looked up: our own writer means it was our write.
    pub(super) async fn save<D: Document>(
        &self,
        path: &StatePath,
        document: &mut D,
        etag: Option<&Etag>,
    ) -> Result<Saved, GuardError> {
        let store = &self.0.store;
        let writer = self.nonce();
        document.set_writer(writer.clone());
        let bytes = document.encode().map_err(|error| GuardError::Record { key: path.to_string(), error })?;
        let written = match etag {
            _ if Mutant::ForgetEtag.is_on() => {
                store.put(path, bytes).await?;
                return Ok(ours(store, path, &writer).await?.map_or(Saved::Lost, Saved::Done));
            }
            Some(etag) => store.replace(path, bytes, etag).await,
            None => store.create(path, bytes).await,
        };
        match written {
            Ok(Written::Done(etag)) => Ok(Saved::Done(etag)),
            Ok(Written::Lost) => Ok(ours(store, path, &writer).await?.map_or(Saved::Lost, Saved::Done)),
            Err(StoreError::Unavailable(why)) => match ours(store, path, &writer).await? {
                Some(etag) => Ok(Saved::Done(etag)),
                None => Err(StoreError::Unavailable(why).into()),
            },
            Err(error) => Err(error.into()),
        }
    }
}

/// The ETag of what is stored, if we wrote it.
async fn ours(store: &Store, path: &StatePath, writer: &str) -> Result<Option<Etag>, GuardError> {
    let Some(stored) = store.read(path).await? else { return Ok(None) };
    let is_ours = !writer.is_empty()
        && serde_json::from_slice::<WriterOnly>(&stored.bytes).is_ok_and(|only| only.writer == writer);
    Ok(is_ours.then_some(stored.etag))
}

#[derive(serde::Deserialize)]
struct WriterOnly {
    writer: String,
}
