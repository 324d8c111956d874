//! The real functions of `aks_stop_guard::case`, asked with real records and real times, each question once.
//!
//! A record is replaced by its *canonical* form: what no rule reads any more (words for people, a watch that is broken, when
//! the log was last asked if it may be asked again) is struck out, so that records which nothing can tell apart are one.

use std::collections::HashMap;

use aks_stop_guard::case::outbox::{self, Delivery};
use aks_stop_guard::case::{
    Advance, Case, Confirm, Context, Episode, Facts, GrantsRead, IntentState, Mode, RecentStops, Record,
    Routes, Stop, StopSource, Taken, Times, advance, close, note_start, take_in,
};
use aks_stop_guard::domain::{
    Caller, CallerKind, Cluster, ClusterId, Found, IncidentState, LogReading, Look, Power, PowerOperation,
    PowerVerb, Provisioning, Setup,
};
use aks_stop_guard::policy::{DEFAULT_POLICIES, Policies, PolicyFile};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::canonical::canonical;
use crate::search::Hasher;
use crate::state::{Cl, NO_OPERATION, NOTHING, Note, Operations, RecordId, START, StopKind, Tick};

/// Seconds of one tick.
pub(crate) const TICK_SECONDS: i64 = 120;
/// Tick 0: a day of 1970, so that a generation is its forerunner's plus one and no time. Two processes that open a case from one
/// record then choose the same generation, whenever they do.
const BASE_SECONDS: i64 = 86_400;
/// The generation of a cluster that no case was opened for.
const FIRST_GENERATION: u64 = 1_000_000;
const PIPELINE: &str = "33333333-3333-4333-8333-333333333333";
const MALLORY: &str = "11111111-1111-4111-8111-111111111111";
const POLICY: &str = "@id(\"pipeline\") permit (principal == \
    Caller::\"33333333-3333-4333-8333-333333333333\", action == Action::\"stop\", resource);";
const ONE_RESTART: &str = "@id(\"one-restart\") forbid (principal == Guard::\"self\", action == Action::\"restart\", \
    resource) when { context.restartsLast24h >= 1 };";

/// The times of the explored worlds. What safety rests on has its default. The long waits, of which each tick costs states,
/// are shortened, and keep their order: everything shorter < log_lag = retry_after < confirm_give_up_after < give_up_after, of
/// which the last two are longer than any world's horizon: people are asked at the fair end only.
pub(crate) fn times() -> Times {
    let secs = SignedDuration::from_secs;
    Times {
        log_lag: secs(300),
        retry_after: secs(300),
        confirm_give_up_after: secs(1_440),
        give_up_after: secs(1_500),
        held_look_every: secs(120),
        ..Times::default()
    }
}

/// Ticks until the activity log shows an operation for certain (T3).
pub(crate) const LOG_LAG: Tick = 3;
/// Ticks that a start takes at least (T2).
pub(crate) const START_TAKES: Tick = 2;
/// From the look of an intent to the last tick at which its POST may land (T1): VALID + QUIET is 140 s.
pub(crate) const POST_LANDS_FOR: Tick = 1;
/// From a stop to the last tick at which a GET may not show it yet (T4): SETTLE is 180 s.
pub(crate) const STALE_FOR: Tick = 1;

/// What a record is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    None,
    Open,
    Held,
    Closing,
}

/// What the modelled shell reads of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub phase: Phase,
    /// The generation, as [`generation`] counts it.
    pub generation: u16,
    /// The case wants attention.
    pub due: bool,
    pub outbox_empty: bool,
    /// The stops that the case at hand holds, one bit each.
    pub knows: u8,
    /// Stops up to this second of the world are history.
    pub history_until: i64,
    /// Number of the frozen bytes, if the case is closing.
    pub body: u16,
}

/// What a step decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    AskLog,
    Write { next: RecordId, starts: bool },
}

type LookKey = (RecordId, Cl, Tick, Tick, Operations, u8);

/// A record, an event of it and of whom, and when the stop was and when it is taken in.
type TakenKey = (RecordId, u8, StopKind, Tick, Tick);

/// The real core, memoised.
pub(crate) struct Core {
    policies: Policies,
    zone: TimeZone,
    times: Times,
    confirm: Confirm,
    routes: Routes,
    cluster: ClusterId,
    records: Vec<(Record, View)>,
    ids: HashMap<Vec<u8>, RecordId>,
    bodies: Vec<String>,
    aged: HashMap<(RecordId, Tick), RecordId, Hasher>,
    decided: HashMap<LookKey, Decision, Hasher>,
    taken: HashMap<TakenKey, (Taken, RecordId), Hasher>,
    noted: HashMap<(RecordId, Note, Tick, Tick), RecordId, Hasher>,
    /// Real steps taken.
    pub steps: usize,
}

pub(crate) fn at(tick: Tick) -> Timestamp {
    Timestamp::from_second(BASE_SECONDS + i64::from(tick) * TICK_SECONDS).unwrap()
}

pub(crate) fn past() -> Timestamp {
    Timestamp::from_second(BASE_SECONDS - 36_000).unwrap()
}

/// A real generation as a small number: that of the first case is 1.
pub(crate) fn small(generation: u64) -> u16 {
    u16::try_from(generation - FIRST_GENERATION).unwrap()
}

fn large(generation: u16) -> u64 {
    FIRST_GENERATION + u64::from(generation)
}

fn caller(kind: StopKind) -> Caller {
    let (kind, id) = match kind {
        StopKind::Authorised => (CallerKind::ServicePrincipal, PIPELINE),
        StopKind::Unauthorised => (CallerKind::User, MALLORY),
    };
    Caller { kind, object_id: Some(id.to_owned()), groups_known: true, ..Caller::unknown() }
}

fn stop(index: u8, kind: StopKind, tick: Tick) -> Stop {
    Stop {
        time: at(tick),
        time_known: true,
        caller: caller(kind),
        correlation_id: Some(format!("{index}")),
        event_id: format!("{index}"),
        source: StopSource::Event,
        confirmed: false,
        claimed: None,
        allowed_by: None,
        granted: None,
    }
}

pub(crate) fn mask(case: &Case) -> u8 {
    let indexes = case.stops.iter().filter_map(|stop| stop.correlation_id.as_ref()?.parse::<u8>().ok());
    indexes.fold(0, |mask, index| mask | 1 << index)
}

impl Core {
    pub(crate) fn new(confirm: Confirm, one_restart: bool) -> Self {
        let more = if one_restart { format!("{POLICY}\n{ONE_RESTART}") } else { POLICY.to_owned() };
        let policies = Policies::load(&[DEFAULT_POLICIES, PolicyFile { name: "more.cedar", text: &more }]);
        let id = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg/providers/\
            Microsoft.ContainerService/managedClusters/aks";
        let times = times();
        times.check().unwrap();
        let cluster = ClusterId::parse(id).unwrap();
        let mut core = Self {
            policies: policies.unwrap(),
            zone: TimeZone::UTC,
            times,
            confirm,
            routes: Routes::to_all(["webhook"]),
            records: Vec::new(),
            ids: HashMap::new(),
            bodies: vec![String::new()],
            aged: HashMap::default(),
            decided: HashMap::default(),
            taken: HashMap::default(),
            noted: HashMap::default(),
            cluster,
            steps: 0,
        };
        // Record 0 is the one that is not there yet.
        let mut absent = Record::new(core.cluster.clone());
        absent.generation = FIRST_GENERATION;
        core.intern(absent, 0);
        core
    }

    pub(crate) fn view(&self, id: RecordId) -> View {
        self.records[id as usize].1
    }

    pub(crate) fn record(&self, id: RecordId) -> &Record {
        &self.records[id as usize].0
    }

    /// The frozen bytes with this number, as they are told apart.
    pub(crate) fn body(&self, id: u16) -> &str {
        &self.bodies[usize::from(id)]
    }

    fn intern(&mut self, mut record: Record, now: Tick) -> RecordId {
        canonical(&mut record, now, &self.times);
        let bytes = record.encode().unwrap();
        if let Some(id) = self.ids.get(&bytes) {
            return *id;
        }
        let view = self.view_of(&record);
        let id = RecordId::try_from(self.records.len()).unwrap();
        self.records.push((record, view));
        self.ids.insert(bytes, id);
        id
    }

    fn view_of(&mut self, record: &Record) -> View {
        let (phase, due, knows, body) = match &record.episode {
            Episode::None => (Phase::None, false, 0, 0),
            Episode::Open(case) => (Phase::Open, case.next_at == past(), mask(case), 0),
            Episode::Held(case) => (Phase::Held, case.next_at == past(), mask(case), 0),
            Episode::Closing(closing) => {
                let known = self.bodies.iter().position(|body| *body == closing.body);
                let body = known.unwrap_or_else(|| {
                    self.bodies.push(closing.body.clone());
                    self.bodies.len() - 1
                });
                let knows = closing.body.split(' ').nth(2).unwrap().parse().unwrap();
                (Phase::Closing, true, knows, u16::try_from(body).unwrap())
            }
        };
        let history = &record.history;
        let authorised = history.authorised.as_ref().map(|authorised| authorised.stop_time);
        let until = history.running_seen_at.max(authorised);
        View {
            phase,
            generation: small(record.generation),
            due,
            outbox_empty: record.outbox.is_empty(),
            knows,
            history_until: until.map_or(i64::MIN, |until| until.as_second() - BASE_SECONDS),
            body,
        }
    }

    /// The record as it is at `now`: what has become too old to matter is struck out.
    pub(crate) fn aged(&mut self, id: RecordId, now: Tick) -> RecordId {
        if let Some(aged) = self.aged.get(&(id, now)) {
            return *aged;
        }
        let record = self.record(id).clone();
        let aged = self.intern(record, now);
        self.aged.insert((id, now), aged);
        aged
    }

    /// `case::take_in`.
    pub(crate) fn take_in(
        &mut self,
        id: RecordId,
        index: u8,
        kind: StopKind,
        stopped: Tick,
        now: Tick,
    ) -> (Taken, RecordId) {
        let key = (id, index, kind, stopped, now);
        if let Some(known) = self.taken.get(&key) {
            return *known;
        }
        self.steps += 1;
        let mut record = self.record(id).clone();
        let taken = take_in(&mut record, stop(index, kind, stopped), Mode::Act, at(now), &self.times);
        let answer = (taken, self.intern(record, now));
        self.taken.insert(key, answer);
        answer
    }

    /// `case::advance`, on a look that was sent at `looked` and what the log showed, if it was asked. `kinds` has a bit for each
    /// stop that is authorised.
    pub(crate) fn advance(
        &mut self,
        id: RecordId,
        shown: Cl,
        looked: Tick,
        now: Tick,
        log: Operations,
        kinds: u8,
    ) -> Decision {
        let key = (id, shown, looked, now, log, kinds);
        if let Some(known) = self.decided.get(&key) {
            return *known;
        }
        self.steps += 1;
        let mut facts = Facts {
            look: Ok(Look {
                sent_at: at(looked),
                found: Found::Cluster(Box::new(self.cluster(shown))),
                body: None,
            }),
            log: (log != NOTHING).then(|| Ok(reading(log, kinds))),
            stops: None,
            grants: None,
        };
        let nonce = format!("{looked}");
        let decision = loop {
            let context = Context {
                now: at(now),
                mode: Mode::Act,
                times: &self.times,
                policies: Some(&self.policies),
                zone: &self.zone,
                confirm: self.confirm,
                hold: None,
                skewed: false,
                start_slot_at: at(now),
                routes: &self.routes,
                crowded: &[],
                portal: None,
                nonce: &nonce,
                program: "",
            };
            match advance(self.record(id), &facts, &context) {
                // In these worlds nobody grants anything.
                Advance::ReadGrants { callers } => {
                    facts.grants = Some(GrantsRead { callers, grants: Vec::new() });
                }
                Advance::AskLog => break Decision::AskLog,
                Advance::CountStops { mark } => {
                    facts.stops = Some(RecentStops { by_caller: 1, in_subscription: 1, marked: mark });
                }
                Advance::Write(transition) => {
                    let starts = transition.start.is_some();
                    break Decision::Write { next: self.intern(transition.record, now), starts };
                }
            }
        };
        self.decided.insert(key, decision);
        decision
    }

    fn cluster(&self, shown: Cl) -> Cluster {
        let (provisioning, power) = match shown {
            Cl::Running => (Provisioning::Succeeded, Power::Running),
            Cl::Stopping => (Provisioning::Stopping, Power::Stopped),
            Cl::Stopped => (Provisioning::Succeeded, Power::Stopped),
            Cl::Starting => (Provisioning::Starting, Power::Running),
            Cl::FailedStopped => (Provisioning::Failed, Power::Stopped),
            Cl::FailedRunning => (Provisioning::Failed, Power::Running),
        };
        Cluster {
            id: self.cluster.clone(),
            resource_uid: None,
            provisioning,
            power,
            location: None,
            tags: std::collections::BTreeMap::new(),
            sku_tier: None,
            private: None,
            kubernetes_version: None,
            setup: Setup::default(),
            fault: None,
        }
    }

    /// `case::note_start` for the intent of the look at `looked`.
    pub(crate) fn note(&mut self, id: RecordId, note: Note, looked: Tick, now: Tick) -> RecordId {
        let key = (id, note, looked, now);
        if let Some(known) = self.noted.get(&key) {
            return *known;
        }
        self.steps += 1;
        let text = String::new;
        let state = match note {
            Note::Sent => IntentState::Sent { request_id: None },
            Note::Unanswered => IntentState::Unanswered,
            Note::Refused => IntentState::Refused { code: text(), advice: text(), lock: None },
            Note::PutOff => IntentState::PutOff { code: text(), until: None },
            Note::NotSent => IntentState::NotSent { why: text() },
        };
        let mut record = self.record(id).clone();
        note_start(&mut record, &format!("{looked}"), state, at(now), &self.times);
        let noted = self.intern(record, now);
        self.noted.insert(key, noted);
        noted
    }

    /// The message that is due, by generation of its case and state, and the record without it (`outbox::due`, `outbox::settle`).
    pub(crate) fn deliver(&mut self, id: RecordId, now: Tick) -> Option<(u16, IncidentState, RecordId)> {
        let mut record = self.record(id).clone();
        let (incident, sink) = outbox::due(&record.outbox, at(now)).into_iter().next()?;
        let (name, sequence, state, sink) =
            (incident.id.clone(), incident.sequence, incident.state, sink.to_owned());
        let generation = small(name.rsplit('-').next().unwrap().parse().unwrap());
        outbox::settle(
            &mut record.outbox,
            (&name, sequence),
            &sink,
            Delivery::Delivered { reference: None },
            at(now),
            0,
        );
        Some((generation, state, self.intern(record, now)))
    }

    /// `close::reset`.
    pub(crate) fn reset(&mut self, id: RecordId, now: Tick) -> RecordId {
        let mut record = self.record(id).clone();
        close::reset(&mut record);
        self.intern(record, now)
    }

    /// The record with its generation raised.
    pub(crate) fn burnt(&mut self, id: RecordId, generation: u16, now: Tick) -> RecordId {
        let mut record = self.record(id).clone();
        record.generation = large(generation);
        self.intern(record, now)
    }
}

fn reading(log: Operations, kinds: u8) -> LogReading {
    let shown = log.into_iter().filter(|code| *code != NO_OPERATION);
    let operations = shown.map(|code| {
        let (of, tick) = (code >> 6, code & 0x3f);
        let verb = if of == START { PowerVerb::Start } else { PowerVerb::Stop };
        let index = of.saturating_sub(1);
        let authorised = of != START && kinds >> index & 1 == 1;
        let kind = if authorised { StopKind::Authorised } else { StopKind::Unauthorised };
        PowerOperation {
            verb,
            began_at: at(tick),
            last_seen_at: at(tick),
            caller: caller(kind),
            correlation_id: Some(if of == START { format!("start-{tick}") } else { format!("{index}") }),
            operation_id: Some(if of == START { format!("start-{tick}") } else { format!("{index}") }),
            records: Vec::new(),
        }
    });
    LogReading { operations: operations.collect() }
}
