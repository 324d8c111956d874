//! Watches a run from outside, knows the truth, and says which promise was broken. Each look at it is cheap: it is called at
//! every write, start, message and acknowledgement.

mod end;
mod found;
mod groups;
mod messages;
mod records;
mod starts;

use std::collections::{BTreeMap, BTreeSet};

use aks_stop_guard::case::outbox::Message;
use aks_stop_guard::case::{Confirm, Record, Times};
use aks_stop_guard::domain::ClusterKey;
use jiff::{SignedDuration, Timestamp};
use simulator::world;

use crate::seed::Knobs;
use crate::stage::guarded;
use found::Discovering;
use groups::Groups;
use starts::{Intended, Posted};
pub(crate) use starts::{Landed, Post};

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Promise {
    /// Once a stop was acknowledged, its case, or the true decision that it is history, is in the store (promise 1).
    AckedIsDurable,
    /// It stays there until its case is archived (promise 1).
    AckedIsKept,
    /// A case at hand, and a message that waits, has a marker: else no sweep ever comes by (promise 1).
    MarkerGuardsCase,
    /// What is archived is what the record said when it closed, and the record forgets it only then (promise 1).
    ArchiveIsFinal,
    /// Generations never go back (rule 4).
    GenerationGrows,
    /// A start is on record before it is sent (promise 2).
    IntentFirst,
    /// One start an intent (promise 2).
    OnePostAnIntent,
    /// A start relies on a look of its own process that showed the cluster stopped, 20 s old at most (promise 2).
    FreshLook,
    /// The next start needs the previous one expired plus 120 s (promise 2).
    QuietBetween,
    /// Three attempts an episode (promise 2).
    ThreeAttempts,
    /// Mode and holds are obeyed (rule 14).
    ModeAndHold,
    /// ARM's Retry-After for a start is obeyed.
    RetryAfter,
    /// No authorised stop is undone (promise 2).
    AuthorisedStands,
    /// A message leaves the outbox only when it was delivered or is a dead letter (promise 3).
    MessageKept,
    /// Opened before resolved, and nothing that no record held (promise 3).
    OpenedFirst,
    /// A stop that nobody allowed is told (promise 3).
    Told,
    /// Where a sink is down another one steps in (promise 3).
    FallenBack,
    /// What is told in a group is in it until it is over (promise 3).
    Grouped,
    /// Restarts of a cluster stay within what the policy allowed (promise 5).
    Budget,
    /// A breaker with limit N lets N - 1 restarts pass (promise 5).
    Breaker,
    /// When faults are over, every case ends or is held, and its messages are out (promise 4).
    EndsInTime,
    /// No stopped cluster is forgotten (promises 1 and 4).
    NobodyForgotten,
    /// A stop whose event never came is found, and gets a case as soon as the log names it (promise 6).
    Found,
    /// The number of calls is bounded (promise 4).
    NoBusyLoop,
    /// The wire is used as Azure documents it.
    Wire,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) promise: Promise,
    pub(crate) at: Timestamp,
    pub(crate) what: String,
}

/// A stop that Azure accepted.
#[derive(Debug, Clone)]
pub(super) struct TrueStop {
    at: Timestamp,
    authorised: bool,
    acked: bool,
    /// The guard wrote down that it was allowed.
    recorded_as_authorised: bool,
}

/// What is known of one cluster.
#[derive(Debug, Default)]
pub(super) struct Known {
    record: Option<Record>,
    stops: Vec<TrueStop>,
    /// When a start was accepted, whosever, or the cluster was deleted or made.
    over: Vec<Timestamp>,
    /// The last time that anything happened to it, the guard's own starts included.
    disturbed: Option<Timestamp>,
    made_anew: Option<Timestamp>,
    put_off: Option<(String, Timestamp)>,
    put_off_noted: bool,
    busy: bool,
    /// When a sink took a message of it last.
    told_at: Option<Timestamp>,
    /// It ended sweeps, and is left to people (rule 26).
    quarantined: bool,
}

/// The checkers.
#[derive(Debug)]
pub(crate) struct Judge {
    times: Times,
    confirm: Confirm,
    log_lag: SignedDuration,
    sweep_every: SignedDuration,
    skew: SignedDuration,
    breaker: Option<u32>,
    clusters: BTreeMap<ClusterKey, Known>,
    intents: BTreeMap<String, Intended>,
    posts: Vec<Posted>,
    /// The newest look of a process at a cluster that showed it stopped.
    looks: BTreeMap<(u32, ClusterKey), Timestamp>,
    undone_seen: usize,
    held_since: Option<Timestamp>,
    /// Messages that some record held.
    messages: BTreeSet<(String, u32)>,
    /// Messages that a sink got, or that became dead letters.
    out: BTreeSet<(String, String, u32)>,
    /// Incidents that a sink knows to be open, or whose opening is a dead letter.
    opened: BTreeSet<(String, String)>,
    /// Policies or the mode were changed: what was allowed once is not so at all times.
    changed: bool,
    silent: bool,
    knobs: Knobs,
    groups: Groups,
    /// Messages that each bulletin held when it was written last.
    bulletins: BTreeMap<String, Vec<Message>>,
    calls: u64,
    trouble_until: Option<Timestamp>,
    discovering: Option<Discovering>,
    broken: Option<Broken>,
}

impl Judge {
    pub(crate) fn new(knobs: &Knobs) -> Self {
        Self {
            times: knobs.times.clone(),
            confirm: knobs.confirm,
            log_lag: knobs.log_lag,
            sweep_every: knobs.sweep_every,
            skew: SignedDuration::from_secs(knobs.skew),
            breaker: knobs.policy.breaker,
            clusters: BTreeMap::new(),
            intents: BTreeMap::new(),
            posts: Vec::new(),
            looks: BTreeMap::new(),
            undone_seen: 0,
            held_since: None,
            messages: BTreeSet::new(),
            out: BTreeSet::new(),
            opened: BTreeSet::new(),
            changed: false,
            silent: false,
            knobs: knobs.clone(),
            groups: Groups::default(),
            bulletins: BTreeMap::new(),
            calls: 0,
            trouble_until: None,
            discovering: Discovering::of(knobs),
            broken: None,
        }
    }

    /// The first promise that was broken.
    pub(crate) fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }

    pub(crate) fn starts(&self) -> usize {
        self.posts.len()
    }

    fn breaks(&mut self, promise: Promise, at: Timestamp, what: impl FnOnce() -> String) {
        if self.broken.is_none() {
            self.broken = Some(Broken { promise, at, what: what() });
        }
    }

    fn known(&mut self, key: &ClusterKey) -> &mut Known {
        self.clusters.entry(key.clone()).or_default()
    }

    fn disturb(&mut self, key: &ClusterKey, at: Timestamp) {
        let known = self.known(key);
        known.disturbed = known.disturbed.max(Some(at));
    }

    pub(crate) fn on_call(&mut self, _process: u32) {
        self.calls += 1;
    }

    /// Somebody stopped a cluster.
    pub(crate) fn on_stop(&mut self, id: &world::ClusterId, authorised: bool, at: Timestamp) {
        let key = guarded(id).key();
        self.disturb(&key, at);
        let stop = TrueStop { at, authorised, acked: false, recorded_as_authorised: false };
        self.known(&key).stops.push(stop);
    }

    /// Somebody started, deleted or made a cluster.
    pub(crate) fn on_deed(&mut self, id: &world::ClusterId, makes_anew: bool, at: Timestamp) {
        let key = guarded(id).key();
        self.disturb(&key, at);
        let known = self.known(&key);
        known.over.push(at);
        if makes_anew {
            known.made_anew = Some(at);
        }
    }

    /// People deployed other settings.
    pub(crate) fn on_deploy(&mut self, is_silent: bool, at: Timestamp) {
        self.changed = true;
        self.silent |= is_silent;
        self.disturb_all(at);
    }

    /// Everything is held, or not any more.
    pub(crate) fn on_hold(&mut self, held: bool, at: Timestamp) {
        self.held_since = held.then_some(at);
        self.disturb_all(at);
    }

    pub(crate) fn disturb_all(&mut self, at: Timestamp) {
        for known in self.clusters.values_mut() {
            known.disturbed = known.disturbed.max(Some(at));
        }
    }

    /// From now on nothing goes wrong any more.
    pub(crate) fn on_calm(&mut self, at: Timestamp) {
        self.trouble_until = Some(at);
    }
}

impl Known {
    /// The stop that an event or a record of the log of this time tells of.
    fn stop_at(&mut self, at: Timestamp) -> Option<&mut TrueStop> {
        let slack = SignedDuration::from_secs(1);
        self.stops.iter_mut().rev().find(|stop| stop.at <= at + slack)
    }

    /// Whether something came after a stop that makes it history.
    fn is_over(&self, stop: Timestamp) -> bool {
        self.over.iter().any(|at| *at >= stop)
    }

    /// Whether an authorised stop is this one, one of the same episode, or a later one.
    fn is_explained(&self, stop: Timestamp, quiet: SignedDuration) -> bool {
        self.stops
            .iter()
            .any(|other| (other.authorised || other.recorded_as_authorised) && other.at + quiet >= stop)
    }
}
