//! Single cases, as they were read last.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::Board;
use crate::case::{Case, Record};
use crate::cli::stored::by_id::{self, Found};
use crate::cli::stored::evidence;
use crate::domain::ClusterId;
use crate::store::OpenMarker;

/// Cases that are kept. One has some 10 KB as a rule, and with its cluster's record half a MB at most.
const KEPT_MAX: usize = 16;
/// How long an open one is good enough.
const OPEN_FRESH_FOR: Duration = Duration::from_secs(4);
/// How long a closed one is: it changes no more, but sinks may still be told. To find one that is not kept may take a hundred reads.
const CLOSED_FRESH_FOR: Duration = Duration::from_secs(60);

/// The cases that somebody looked at of late, the newest last.
#[derive(Default)]
pub(super) struct Cases(Mutex<VecDeque<Slot>>);

/// One case: who reads it locks it, so that it is read once for all who ask at the same time.
type Slot = (OpenMarker, Arc<tokio::sync::Mutex<Option<Kept>>>);

#[derive(Clone)]
struct Kept {
    read: Arc<Read>,
    at: Timestamp,
    began: Instant,
}

/// A case, its evidence and its cluster's record, as far as they can be read.
pub(super) struct Read {
    pub(super) case: Case,
    pub(super) record: Result<Record, String>,
    /// Whether the words that it rests on are there.
    pub(super) evidence: Vec<evidence::Found>,
    pub(super) cluster: Option<ClusterId>,
}

/// What there is to show.
pub(super) struct Shown {
    pub(super) read: Arc<Read>,
    /// When that was read.
    pub(super) at: Timestamp,
    /// Why it could not be read since then.
    pub(super) problem: Option<String>,
}

impl Cases {
    fn slot(&self, id: &OpenMarker) -> Arc<tokio::sync::Mutex<Option<Kept>>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().position(|(known, _)| known == id).and_then(|at| kept.remove(at));
        let slot = known.unwrap_or_else(|| (id.clone(), Arc::default()));
        let shared = Arc::clone(&slot.1);
        kept.push_back(slot);
        if kept.len() > KEPT_MAX {
            kept.pop_front();
        }
        shared
    }
}

impl Board {
    /// A case as it is now, or as it was known last.
    ///
    /// # Errors
    /// It can't be read, and was never read before.
    pub(super) async fn case(&self, id: &OpenMarker) -> Result<Shown, String> {
        let slot = self.cases.slot(id);
        let mut kept = slot.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.is_fresh()) {
            return Ok(kept.shown(None));
        }
        let (began, now) = (Instant::now(), self.now());
        match by_id::find(&self.store, id, now).await {
            Ok(Found { case, record, cluster, .. }) => {
                let evidence = evidence::read_all(&self.store, id, &case.evidence).await;
                let evidence = evidence.into_iter().map(evidence::Found::without_bytes).collect();
                let record = record.map_err(|error| format!("{error:#}"));
                let read = Kept { read: Arc::new(Read { case, record, cluster, evidence }), at: now, began };
                Ok(kept.insert(read).shown(None))
            }
            Err(error) => {
                let why = format!("{error:#}");
                kept.as_ref().map(|kept| kept.shown(Some(why.clone()))).ok_or(why)
            }
        }
    }
}

impl Kept {
    fn is_fresh(&self) -> bool {
        let fresh_for = if self.read.case.outcome.is_some() { CLOSED_FRESH_FOR } else { OPEN_FRESH_FOR };
        self.began.elapsed() < fresh_for
    }

    fn shown(&self, problem: Option<String>) -> Shown {
        Shown { read: Arc::clone(&self.read), at: self.at, problem }
    }
}
