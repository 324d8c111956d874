//! Works on one case: look, decide, write, act. Anybody may do it at any time, any number of times.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::azure::ArmError;
use crate::case::record::RecordError;
use crate::case::{
    Advance, Context, Episode, Facts, GrantsRead, LookProblem, Record, Transition, advance, callers_to_grant,
};
use crate::domain::{ClusterKey, LogReading};
use crate::store::{Etag, StatePath, StoreError};

use super::closing::marker_of;
use super::intake::pause;
use super::records::{GuardError, Loaded, Saved, load, save};
use super::{Guard, nonce};

/// How often a step is taken anew because others changed the record (rule 30).
pub(super) const CONFLICTS_MAX: u32 = 5;
/// Steps of one case in one go: each closes, starts, looks again or loses to another process. What is still due then is the
/// next sweep's.
const STEPS_MAX: u32 = 4;
/// How long a look may take, retries included: an invocation has 20 s.
pub(super) const LOOK_BUDGET: Duration = Duration::from_secs(8);
/// How long a question to the activity log may take, pages and retries included.
const LOG_BUDGET: Duration = Duration::from_secs(8);
/// How far before the stop the activity log is read.
const LOG_WINDOW_BEFORE: SignedDuration = SignedDuration::from_hours(1);

/// The activity log keeps its records for 90 days (source: Azure Monitor, "Activity log retention"); older windows are refused.
const LOG_KEPT_FOR: SignedDuration = SignedDuration::from_hours(89 * 24);

/// A look, and when it was sent by the clock that can't be set back.
pub(super) struct Looked {
    pub(super) facts: Facts,
    pub(super) since_boot: Duration,
}

/// How one step ended.
enum Stepped {
    /// Written; the record as it is now.
    On(Box<Loaded<Record>>),
    /// Somebody else wrote: read, look and decide again (rule 2).
    Lost,
}

impl Guard {
    /// Reads the record and works on it until nothing is due.
    pub(super) async fn reconcile(&self, loaded: Loaded<Record>) -> Result<Record, GuardError> {
        let key = loaded.document.cluster.key();
        let mut current = loaded;
        for step in 0..STEPS_MAX {
            let is_due = match &current.document.episode {
                Episode::None => false,
                Episode::Open(case) | Episode::Held(case) => case.next_at <= self.now(),
                Episode::Closing(_) => true,
            };
            if !is_due {
                break;
            }
            match self.step(&current).await? {
                Stepped::On(next) => current = *next,
                Stepped::Lost => {
                    pause(step).await;
                    current = self.read(&key).await?;
                }
            }
        }
        self.finish(current).await
    }

    pub(super) async fn read(&self, key: &ClusterKey) -> Result<Loaded<Record>, GuardError> {
        load(&self.0.store, key, self.0.gate.mode(), self.now()).await?.ok_or_else(|| GuardError::Record {
            key: key.to_string(),
            error: RecordError::Damaged("it is gone".to_owned()),
        })
    }

    async fn step(&self, current: &Loaded<Record>) -> Result<Stepped, GuardError> {
        if let Episode::Closing(closing) = &current.document.episode {
            let closing = closing.clone();
            return self.archive_and_reset(current, &closing).await.map(|reset| match reset {
                Some(reset) => Stepped::On(Box::new(reset)),
                None => Stepped::Lost,
            });
        }
        let looked = self.look(&current.document).await;
        let transition = self.decide(&current.document, looked.facts, false).await?;
        match self.write_then(transition, current.etag.as_ref(), looked.since_boot, || {}).await? {
            Some(next) => Ok(Stepped::On(Box::new(next))),
            None => Ok(Stepped::Lost),
        }
    }

    /// One GET.
    pub(super) async fn look(&self, record: &Record) -> Looked {
        let since_boot = self.0.clock.since_boot();
        let look = self.0.arm.look(&record.cluster, LOOK_BUDGET).await.map_err(|error| problem(&error));
        Looked { facts: Facts { look, log: None, stops: None, grants: None }, since_boot }
    }

    /// Lets `case` decide, and gets what it asks for. With `opening`, the marker of the new case goes out beside the stop's mark:
    /// both are there before the record is written (rule 5).
    pub(super) async fn decide(
        &self,
        record: &Record,
        mut facts: Facts,
        opening: bool,
    ) -> Result<Transition, GuardError> {
        let intent_nonce = nonce::nonce();
        let holds = self.holds();
        let (hold, granted) =
            futures::join!(holds.on(&record.cluster, self.now()), self.read_grants(record, BTreeSet::new()));
        let hold = hold?;
        facts.grants = Some(granted?);
        let subscription = record.cluster.subscription();
        let mut marker_due = opening;
        loop {
            let now = self.now();
            let slot = self.0.pace.next_slot(subscription, now);
            let context = self.context(now, hold.as_deref(), slot, &intent_nonce);
            match advance(record, &facts, &context) {
                Advance::ReadGrants { callers } => {
                    facts.grants = Some(self.read_grants(record, callers).await?);
                }
                Advance::AskLog => facts.log = Some(self.ask_log(record).await),
                Advance::CountStops { mark } => {
                    let due = std::mem::take(&mut marker_due);
                    let (marked, stops) =
                        futures::join!(self.put_marker(record, due), self.count_stops(record, mark));
                    marked?;
                    facts.stops = Some(stops?);
                }
                Advance::Write(transition) => {
                    self.put_marker(record, marker_due).await?;
                    return Ok(*transition);
                }
            }
        }
    }

    /// The grants of those who stopped the cluster, as far as the record knows them, and of these others.
    pub(super) async fn read_grants(
        &self,
        record: &Record,
        mut callers: BTreeSet<String>,
    ) -> Result<GrantsRead, StoreError> {
        let case = record.case();
        callers.extend(case.map(callers_to_grant).unwrap_or_default());
        let since = case.into_iter().flat_map(|case| &case.stops).map(|stop| stop.time).min();
        self.grants().for_decision(callers, &record.cluster, since.unwrap_or_else(|| self.now())).await
    }

    /// What a step is decided with.
    pub(super) fn context<'a>(
        &'a self,
        now: Timestamp,
        hold: Option<&'a str>,
        start_slot_at: Timestamp,
        nonce: &'a str,
    ) -> Context<'a> {
        Context {
            now,
            mode: self.0.gate.mode(),
            times: self.times(),
            policies: self.policies(),
            zone: &self.0.settings.zone,
            confirm: self.0.settings.confirm,
            hold,
            skewed: self.is_skewed(),
            start_slot_at,
            sinks: &self.0.sink_names,
            nonce,
        }
    }

    /// Puts the marker of the record's newest case, if it is due. It holds the cluster's id, so that one without a record can be
    /// burnt.
    async fn put_marker(&self, record: &Record, due: bool) -> Result<(), GuardError> {
        if due {
            let id = record.cluster.to_string();
            self.0.store.put(&StatePath::open_marker(&marker_of(record)), id.into_bytes()).await?;
        }
        Ok(())
    }

    async fn ask_log(&self, record: &Record) -> Result<LogReading, String> {
        let now = self.now();
        let stopped_at = record.case().map_or(now, |case| case.newest_stop_time());
        let since = stopped_at.max(now - LOG_KEPT_FOR) - LOG_WINDOW_BEFORE;
        self.0
            .arm
            .power_operations(&record.cluster, since, now, LOG_BUDGET)
            .await
            .map_err(|error| error.to_string())
    }

    /// Writes the record, calls `written` as soon as it is stored, then does what was decided. `None` if somebody else wrote first:
    /// then nothing was done.
    pub(super) async fn write_then(
        &self,
        transition: Transition,
        etag: Option<&Etag>,
        looked_since_boot: Duration,
        written: impl FnOnce() + Send,
    ) -> Result<Option<Loaded<Record>>, GuardError> {
        let Transition { mut record, start, storm } = transition;
        let path = StatePath::cluster(&record.cluster.key());
        let Saved::Done(etag) = save(&self.0.store, &path, &mut record, etag).await? else { return Ok(None) };
        written();
        let mut current = Loaded { document: record, etag: Some(etag) };
        if let Some(intent) = start {
            self.0.pace.take_slot(current.document.cluster.subscription(), self.now());
            current = self.start(current, &intent, looked_since_boot).await?;
        }
        if let Some(row) = storm {
            self.tell_storm(&current.document, &row).await?;
        }
        Ok(Some(current))
    }

    /// Nothing is due any more: deliver what waits, and remember when to come back.
    pub(super) async fn finish(&self, current: Loaded<Record>) -> Result<Record, GuardError> {
        let current = self.deliver_outbox(current).await?;
        self.remember_due(&current.document);
        Ok(current.document)
    }
}

/// Why a look failed, for the case.
fn problem(error: &ArmError) -> LookProblem {
    let retry_after = error.retry_after().and_then(|after| SignedDuration::try_from(after).ok());
    LookProblem { text: error.to_string(), retry_after }
}
