//! Closed cases of some days. They never change, so each is read once, and later only the days are listed.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};

use super::Board;
use super::known::{Part, TEXT_CHARS_MAX};
use super::refresh::Turn;
use crate::cli::cases::row::Summary;
use crate::cli::stored::read::{Names, Read, read_closed};
use crate::domain::text::clean;
use crate::store::{CaseDay, CasePath};

/// How far back closed cases are shown: as far as `cases list` goes by itself.
pub(super) const SHOWN_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Closed cases that are kept, the newest days first. Each takes about 1 KB here.
pub(super) const CASES_MAX: usize = 5_000;
/// How long a list of days is good enough.
const FRESH_FOR: Duration = Duration::from_secs(15);
/// Reads and lists at once, as in `cases list`.
const READS_AT_ONCE: usize = 32;
const LISTS_AT_ONCE: usize = 4;
/// After so many failures in a row nothing more is asked: the store is away.
const FAILURES_MAX: usize = 10;

/// What is known of closed cases.
pub(super) struct Closed {
    known: Mutex<KnownClosed>,
    turn: Turn,
    names: Arc<Names>,
}

#[derive(Default)]
pub(super) struct KnownClosed {
    /// By the time they were closed, and their ids.
    pub(super) cases: BTreeMap<(Timestamp, String), Summary>,
    /// Those that were read, whatever came of it.
    read: HashSet<CasePath>,
    /// Cases that are damaged, or that a newer version wrote.
    pub(super) unreadable: BTreeMap<CasePath, String>,
    /// How reading them went, and whether there are more than are kept.
    pub(super) listed: Part<bool>,
    /// Somebody reads them for the first time.
    pub(super) is_reading: bool,
}

impl Default for Closed {
    fn default() -> Self {
        Self { known: Mutex::default(), turn: Turn::new(), names: Arc::default() }
    }
}

impl Board {
    pub(super) fn closed(&self) -> MutexGuard<'_, KnownClosed> {
        self.closed.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the closed cases up to date, if they are not.
    pub(super) async fn look_at_closed(self: &Arc<Self>) {
        let board = Arc::clone(self);
        let read = |reading| async move {
            let _until_done = reading;
            let at = board.now();
            board.closed().is_reading = true;
            let read = board.read_closed(at).await;
            let mut closed = board.closed();
            closed.listed.take(read, at);
            closed.is_reading = false;
        };
        self.closed.turn.take(FRESH_FOR, read).await;
    }

    /// Whether there are more than are kept.
    async fn read_closed(&self, at: Timestamp) -> Result<bool, String> {
        let since = at.checked_sub(SHOWN_FOR).map_err(|error| error.to_string())?;
        self.closed().cases.retain(|(closed_at, _), _| *closed_at >= since);
        let (first, today) = (CaseDay::of(since), CaseDay::of(at));
        // A clock may be ahead of this one.
        let newest = today.next().unwrap_or(today);
        let days = std::iter::successors(Some(newest), |day| day.previous()).take_while(|day| *day >= first);
        let lists = days.map(|day| self.store.list_cases(day, CASES_MAX));
        let mut lists = stream::iter(lists).buffered(LISTS_AT_ONCE);
        let mut listed = HashSet::new();
        let mut is_cut = false;
        let mut failed = None;
        while let Some(listing) = lists.next().await {
            let listing = listing.map_err(|error| error.to_string())?;
            let left = CASES_MAX - listed.len();
            is_cut = listing.is_cut || listing.cases.len() > left;
            let paths: Vec<CasePath> = listing.cases.into_iter().take(left).collect();
            listed.extend(paths.iter().cloned());
            failed = self.read_new(paths, since).await?.or(failed);
            if is_cut {
                break;
            }
        }
        let mut closed = self.closed();
        closed.read.retain(|path| listed.contains(path));
        closed.unreadable.retain(|path, _| listed.contains(path));
        match failed {
            // They are asked for again next time.
            Some(why) => Err(format!("some cases: {why}")),
            None => Ok(is_cut),
        }
    }

    /// Reads those that were not read before. Why one could not be, if it is not the store as a whole.
    async fn read_new(&self, mut paths: Vec<CasePath>, since: Timestamp) -> Result<Option<String>, String> {
        {
            let closed = self.closed();
            paths.retain(|path| !closed.read.contains(path));
        }
        let reads = paths.into_iter().map(|path| {
            let (store, names) = (self.store.clone(), Arc::clone(&self.closed.names));
            async move {
                if path.is_conflict() {
                    let why = format!("{path}: other bytes of a case that was archived before");
                    return (path, Read::Unreadable(why));
                }
                (path.clone(), read_closed(store, names, path, since).await)
            }
        });
        let mut reads = stream::iter(reads).buffer_unordered(READS_AT_ONCE);
        let (mut failures, mut failed) = (0, None);
        while let Some((path, read)) = reads.next().await {
            let Read::Failed(why) = read else {
                failures = 0;
                self.closed().take(path, read);
                continue;
            };
            failures += 1;
            if failures == FAILURES_MAX {
                return Err(format!("nothing more was asked after {failures} failures in a row: {why}"));
            }
            failed = Some(why);
        }
        Ok(failed)
    }
}

impl KnownClosed {
    fn take(&mut self, path: CasePath, read: Read) {
        match read {
            Read::Case(found) => {
                let summary = Summary::of(&found);
                let closed_at = summary.closed_at.unwrap_or(summary.opened_at);
                self.cases.insert((closed_at, summary.id.as_str().to_owned()), summary);
            }
            Read::Unreadable(why) => {
                self.unreadable.insert(path.clone(), clean(&why, TEXT_CHARS_MAX));
            }
            Read::Nothing | Read::Failed(_) => {}
        }
        self.read.insert(path);
    }
}
