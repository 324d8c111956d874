//! Works on one case: look, decide, write, act. Anybody may do it at any time, any number of times.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::azure::ArmError;
use crate::case::evidence::PROGRAM;
use crate::case::record::RecordError;
use crate::case::{
    Advance, Context, Episode, Facts, GrantsRead, LookProblem, Record, Transition, advance, callers_to_grant,
    note_start,
};
use crate::domain::{
    Cluster, ClusterKey, Found, LogReading, Look, Power, Provisioning, Setup, Situation, SubscriptionId,
};
use crate::mutant::Mutant;
use crate::store::{CasePath, Etag, StatePath, StoreError};

use super::Guard;
use super::closing::marker_of;
use super::records::{GuardError, Loaded, Saved, load};

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

/// What is to be done, and when the look that it relies on was sent by the clock that can't be set back.
pub(super) struct Decided {
    pub(super) transition: Transition,
    pub(super) looked_since_boot: Duration,
}

/// How one step ended.
enum Stepped {
    /// Written; the record as it is now.
    On(Box<Loaded<Record>>),
    /// Somebody else wrote: read, look and decide again (rule 2).
    Lost,
}

impl Guard {
    /// Works on a record until nothing is due: then its messages can be delivered, which keeps no step and no start waiting. To be
    /// called by whoever has the cluster's flight.
    pub(super) async fn reconcile(&self, loaded: Loaded<Record>) -> Result<Loaded<Record>, GuardError> {
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
                    self.pause(step).await;
                    current = self.read(&key).await?;
                }
            }
        }
        self.remember_due(&current.document);
        Ok(current)
    }

    pub(super) async fn read(&self, key: &ClusterKey) -> Result<Loaded<Record>, GuardError> {
        load(&self.0.store, key, None, self.0.gate.mode(), self.now()).await?.ok_or_else(|| {
            GuardError::Record { key: key.to_string(), error: RecordError::Damaged("it is gone".to_owned()) }
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
        let decided = self.decide(&current.document, false).await?;
        match self.write_then(decided, current.etag.as_ref(), || {}).await? {
            Some(next) => Ok(Stepped::On(Box::new(next))),
            None => Ok(Stepped::Lost),
        }
    }

    /// One GET.
    pub(super) async fn look(&self, record: &Record) -> Looked {
        let since_boot = self.0.clock.since_boot();
        if Mutant::SkipLook.is_on()
            && let Some(look) = look_from_memory(record, self.now())
        {
            return Looked {
                facts: Facts { look: Ok(look), log: None, stops: None, grants: None },
                since_boot,
            };
        }
        let look = self.0.arm.look(&record.cluster, LOOK_BUDGET).await.map_err(|error| problem(&error));
        Looked { facts: Facts { look, log: None, stops: None, grants: None }, since_boot }
    }

    /// Looks, lets `case` decide, and gets what it asks for. With `opening`, the marker of the new case goes out beside the stop's mark:
    /// both are there before the record is written (rule 5).
    pub(super) async fn decide(&self, record: &Record, opening: bool) -> Result<Decided, GuardError> {
        let intent_nonce = self.nonce();
        // None of the three needs another's answer, and all are asked after the record was read.
        let (Looked { mut facts, since_boot }, hold, granted) = futures::join!(
            self.look(record),
            self.known_hold_on(&record.cluster),
            self.read_grants(record, BTreeSet::new()),
        );
        let hold = hold?;
        facts.grants = Some(granted?);
        let mut marker_due = opening;
        // Its turn is taken only when there is something to start: until then a start may go at once.
        let mut turn = None;
        // Which sinks have no room for what begins here is certain only when something does.
        let mut crowded = self.crowded();
        let mut begun = false;
        // As long as nothing is waited for it stays the same, so that the same questions have the same answers (`policy/memo.rs`).
        let mut now = self.now();
        loop {
            let context = Context {
                crowded: &crowded,
                ..self.context(now, hold.as_deref(), turn.unwrap_or(now), &intent_nonce)
            };
            match advance(record, &facts, &context) {
                Advance::ReadGrants { callers } => {
                    facts.grants = Some(self.read_grants(record, callers).await?);
                    now = self.now();
                }
                Advance::AskLog => {
                    facts.log = Some(self.ask_log(record).await);
                    now = self.now();
                }
                Advance::CountStops { mark } => {
                    let due = std::mem::take(&mut marker_due);
                    let (marked, stops) =
                        futures::join!(self.put_marker(record, due), self.count_stops(record, mark));
                    marked?;
                    facts.stops = Some(stops?);
                    now = self.now();
                }
                Advance::Write(transition) => {
                    if transition.start.is_some() && turn.is_none() {
                        let until = self.left_alone_until(record.cluster.subscription(), now);
                        let at = self.0.pace.take_turn(&record.cluster, now, until);
                        turn = Some(at);
                        if at > now {
                            continue;
                        }
                    }
                    let otherwise = if begun { None } else { self.begin(record, &transition) };
                    begun = true;
                    let Some(full) = otherwise else {
                        self.put_marker(record, marker_due).await?;
                        return Ok(Decided { transition: *transition, looked_since_boot: since_boot });
                    };
                    crowded = full;
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

    /// Until when a subscription that throttled a request is left alone.
    fn left_alone_until(&self, subscription: &SubscriptionId, now: Timestamp) -> Option<Timestamp> {
        let left = SignedDuration::try_from(self.0.arm.left_alone_for(subscription)?).ok()?;
        now.checked_add(left).ok()
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
            routes: &self.0.routes,
            crowded: &[],
            portal: self.0.settings.portal.as_ref(),
            nonce,
            program: self.0.program.get().map_or(PROGRAM, String::as_str),
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
        decided: Decided,
        etag: Option<&Etag>,
        written: impl FnOnce() + Send,
    ) -> Result<Option<Loaded<Record>>, GuardError> {
        let Decided { transition, looked_since_boot } = decided;
        let Transition { mut record, mut start, storm, groups, evidence } = transition;
        let path = StatePath::cluster(&record.cluster.key());
        if Mutant::RecordAfterEffect.is_on()
            && let Some(intent) = start.take()
        {
            let (came_of_it, _ids) = self.send(&record, &intent, looked_since_boot).await;
            note_start(&mut record, &intent.nonce, came_of_it, self.now(), self.times());
        }
        if Mutant::ArchiveFirst.is_on()
            && let Episode::Closing(closing) = &record.episode
        {
            let path = CasePath::new(&marker_of(&record), closing.closed_at);
            self.0.store.archive(&path, closing.body.clone()).await?;
        }
        let Saved::Done(etag) = self.save(&path, &mut record, etag).await? else { return Ok(None) };
        written();
        let mut current = Loaded { document: record, etag: Some(etag) };
        if let Some(intent) = start {
            current = self.start(current, &intent, looked_since_boot).await?;
        }
        let told = async {
            if let Some(row) = storm {
                self.tell_storm(&current.document, &row).await?;
            }
            self.tell_groups(&current.document, &groups).await
        };
        let (told, ()) = futures::join!(told, self.keep_evidence(&current.document, &evidence));
        told.map(|()| Some(current))
    }
}

/// What the record says of the cluster, as if it had just been looked at (a mutant's look).
fn look_from_memory(record: &Record, now: Timestamp) -> Option<Look> {
    let is_startable = record.case()?.last_situation == Some(Situation::Startable);
    is_startable.then(|| Look {
        sent_at: now,
        found: Found::Cluster(Box::new(Cluster {
            id: record.cluster.clone(),
            resource_uid: record.resource_uid.clone(),
            provisioning: Provisioning::Succeeded,
            power: Power::Stopped,
            location: None,
            tags: BTreeMap::new(),
            sku_tier: None,
            private: None,
            kubernetes_version: None,
            setup: Setup::default(),
            fault: None,
        })),
        body: None,
    })
}

/// Why a look failed, for the case.
fn problem(error: &ArmError) -> LookProblem {
    let retry_after = error.retry_after().and_then(|after| SignedDuration::try_from(after).ok());
    LookProblem { text: error.to_string(), code: error.code().map(str::to_owned), retry_after }
}
