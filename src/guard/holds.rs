//! Holds: until when the guard starts nothing on a cluster, a group, a subscription or anywhere.
//!
//! One blob each, below `open/0-holds/`, for as long as it has to be looked at: a sweep that has told of its end moves it to
//! `holds-ended/`. So a look at the holds costs one list, and a read for each that is there.

use futures::StreamExt as _;
use futures::stream;
use jiff::Timestamp;

use crate::domain::grant::{AnnouncementError, Author, Ended};
use crate::domain::{Hold, Scope};
use crate::store::{PathName, Prefix, StatePath, Store, StoreError, Written};

use super::nonce::{self, SystemEntropy};

/// Holds that are looked at. More than that hold everything: nobody can say what the others are about.
const HOLDS_MAX: usize = 500;
/// Holds that are read at the same time.
const PARALLEL_READS: usize = 16;
/// Longest id that is quoted, in characters.
const QUOTED_CHARS_MAX: usize = 100;

/// Why a hold was not set or lifted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// It makes no sense.
    #[error(transparent)]
    Invalid(#[from] AnnouncementError),
    /// This very hold was set before, and is over.
    #[error("this hold was set before and is over; say `id` to set it again")]
    Over,
    /// There is none of this id.
    #[error("there is no hold `{0}`")]
    Unknown(String),
    /// Somebody else changed it at the same time.
    #[error("somebody else changed the hold `{0}` at the same time")]
    Contended(String),
    /// The store can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came of setting a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made<T> {
    /// It is there now.
    New(T),
    /// It was there already.
    Known(T),
}

/// The holds in the store.
#[derive(Clone)]
pub struct Holds(Store);

impl Holds {
    /// Those of a store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// Sets a hold. With an `id` a repeat of the same request sets it once; without, it is another one.
    pub async fn add(
        &self,
        id: Option<&PathName>,
        scope: Scope,
        until: Timestamp,
        reason: &str,
        (by, now): (Author, Timestamp),
    ) -> Result<Made<Hold>, HoldError> {
        let name = id.cloned().unwrap_or_else(|| PathName::digest(nonce::of(&SystemEntropy)));
        let hold = Hold::new(name.to_string(), scope, until, reason, by, now)?;
        if self.0.read(&StatePath::ended_hold(&name)).await?.is_some() {
            return Err(HoldError::Over);
        }
        let path = StatePath::hold(&name);
        let bytes = encode(&hold, &path)?;
        match self.0.create(&path, bytes).await? {
            Written::Done(_) => {
                tracing::warn!(hold = %hold.id, scope = %hold.scope, until = %hold.until, by = %hold.set_by, "a hold was set");
                Ok(Made::New(hold))
            }
            Written::Lost => match self.read(&path).await? {
                Some(known) if known.lifted.is_some() => Err(HoldError::Over),
                Some(known) => Ok(Made::Known(known)),
                None => Err(HoldError::Contended(hold.id)),
            },
        }
    }

    /// All that have not been moved away yet, those that can't be read included.
    pub async fn list(&self) -> Result<Vec<Hold>, StoreError> {
        let listing = self.0.list(&Prefix::holds(), HOLDS_MAX).await?;
        // As a rule there are none: reading is not made ready for.
        if listing.entries.is_empty() {
            return Ok(Vec::new());
        }
        let paths = listing.entries.into_iter().map(|entry| entry.path);
        let read: Vec<Result<Option<Hold>, StoreError>> = stream::iter(paths)
            .map(|path| async move { self.read(&path).await })
            .buffered(PARALLEL_READS)
            .collect()
            .await;
        let mut holds: Vec<Hold> =
            read.into_iter().filter_map(Result::transpose).collect::<Result<_, _>>()?;
        if listing.is_cut {
            holds.push(Hold::unreadable("more than can be looked at"));
        }
        Ok(holds)
    }

    /// Takes a hold back before its time. One that can't be read is taken away.
    pub async fn lift(&self, id: &str, by: Author, now: Timestamp) -> Result<Hold, HoldError> {
        let unknown = || HoldError::Unknown(crate::domain::text::clean(id, QUOTED_CHARS_MAX));
        let name = PathName::parse(id).ok_or_else(unknown)?;
        let path = StatePath::hold(&name);
        let stored = self.0.read(&path).await?.ok_or_else(unknown)?;
        let mut hold = decode(&path, &stored.bytes);
        if hold.lifted.is_none() {
            hold.lifted = Some(Ended { at: now, by });
            if let Written::Lost = self.0.replace(&path, encode(&hold, &path)?, &stored.etag).await? {
                return Err(HoldError::Contended(hold.id));
            }
            tracing::warn!(hold = %hold.id, scope = %hold.scope, "a hold was lifted");
        }
        Ok(hold)
    }

    /// Keeps a hold that is over where nobody has to look at it. Its path never comes back, so it may be deleted.
    pub(super) async fn move_away(&self, hold: &Hold) -> Result<(), StoreError> {
        let Some(name) = PathName::parse(&hold.id) else { return Ok(()) };
        let path = StatePath::hold(&name);
        self.0.create(&StatePath::ended_hold(&name), encode(hold, &path)?).await?;
        self.0.delete(&path).await
    }

    /// Whether a hold that was listed before has been told to its end and moved away since.
    pub(super) async fn is_moved_away(&self, hold: &Hold) -> Result<bool, StoreError> {
        let Some(name) = PathName::parse(&hold.id) else { return Ok(false) };
        Ok(self.0.read(&StatePath::ended_hold(&name)).await?.is_some())
    }

    async fn read(&self, path: &StatePath) -> Result<Option<Hold>, StoreError> {
        let stored = match self.0.read(path).await {
            // Too large to be one of ours: it counts as one that can't be read.
            Err(StoreError::Refused(_)) => {
                return Ok(Some(Hold::unreadable(path.as_hold().unwrap_or_default())));
            }
            read => read?,
        };
        Ok(stored.map(|stored| decode(path, &stored.bytes)))
    }
}

/// What lies among the holds and can't be read holds everything: a red button that fails must not start anything.
fn decode(path: &StatePath, bytes: &[u8]) -> Hold {
    let id = path.as_hold().unwrap_or_default().to_owned();
    let read = serde_json::from_slice::<Hold>(bytes).ok();
    read.filter(|hold| hold.v <= crate::domain::grant::ANNOUNCEMENT_VERSION && hold.id == id).unwrap_or_else(
        || {
            tracing::error!(%path, "a hold can't be read: nothing is started");
            Hold::unreadable(&id)
        },
    )
}

fn encode(hold: &Hold, path: &StatePath) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(hold).map_err(|error| StoreError::Refused(format!("writing `{path}`: {error}")))
}

#[cfg(test)]
mod tests;
