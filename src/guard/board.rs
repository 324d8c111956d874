//! What this process knows of the holds, and which of them is on a cluster.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{ClusterId, Hold, text};
use crate::store::StoreError;

use super::Guard;
use super::shared::Shared;

/// How long what was read of the holds is good enough to decide with. A start relies on nothing that was read before it was
/// about to be sent (rule 14).
const KNOWN_FOR: Duration = Duration::from_secs(5);
/// Longest description of a hold, in characters.
const SHOWN_CHARS_MAX: usize = 600;

/// The holds as they were read, those that can't be understood included: these cover everything.
type Read = Arc<[Hold]>;

/// What this process knows of the holds.
#[derive(Debug, Default)]
pub(super) struct Board {
    reading: Shared<Result<Read, StoreError>>,
    /// What was read last, and when reading it began, since boot.
    known: Mutex<Option<(Duration, Read)>>,
}

impl Guard {
    /// The hold on this cluster, if there is one, as the store says from now on. Many who ask at once share a read.
    pub(super) async fn hold_on(&self, cluster: &ClusterId) -> Result<Option<String>, StoreError> {
        let read = self.0.board.reading.ask(self.read_holds()).await?;
        Ok(covering(&read, cluster, self.now()))
    }

    /// The same to decide with: as it was some seconds ago at most.
    pub(super) async fn known_hold_on(&self, cluster: &ClusterId) -> Result<Option<String>, StoreError> {
        let known = self.0.board.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = self.0.clock.since_boot();
        match known.filter(|(at, _)| now.saturating_sub(*at) < KNOWN_FOR) {
            Some((_, read)) => Ok(covering(&read, cluster, self.now())),
            None => self.hold_on(cluster).await,
        }
    }

    /// A hold was set here: what was read before it is not good enough any more.
    pub(super) fn forget_holds(&self) {
        *self.0.board.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn read_holds(&self) -> Result<Read, StoreError> {
        let began = self.0.clock.since_boot();
        let read = Read::from(self.holds().list().await?);
        *self.0.board.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((began, Arc::clone(&read)));
        Ok(read)
    }
}

/// Of the holds that cover this cluster now, the one that ends last.
pub(super) fn covering(holds: &[Hold], cluster: &ClusterId, now: Timestamp) -> Option<String> {
    let covering = holds.iter().filter(|hold| hold.covers(cluster, now));
    let last = covering.max_by_key(|hold| (hold.until, &hold.id))?;
    Some(text::clean(&last.to_string(), SHOWN_CHARS_MAX))
}
