//! Azure as far as a stopped cluster is concerned: pure state, with time passed in.
//!
//! A [`World`] does nothing by itself. Every call that takes `now` first lets happen what is due by then, so a test in
//! virtual time only ever says what time it is. Time never goes back: an earlier `now` counts as the latest seen.

mod activity_log;
mod amend;
mod answer;
mod arm;
mod around;
mod caller;
mod cluster;
mod collection;
mod container_group;
pub mod entra;
mod estate;
mod event;
mod fault;
mod gates;
mod graph;
mod groups;
mod guid;
mod id;
mod identity;
mod journal;
mod kind;
mod log_filter;
mod log_list;
mod operation;
mod polling;
mod power;
mod put;
mod refusals;
mod rights;
mod rules;
mod settle;
mod target;
mod throttle;
mod wording;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

pub use activity_log::DEFAULT_LAG;
pub use arm::Reply;
pub use caller::{AKS_PROVIDER_APP, Caller, CallerKind, TENANT};
pub use cluster::{
    Cluster, Durations, NewCluster, PowerShown, PowerState, ProvisioningError, ProvisioningState, State,
    StoppingShows,
};
pub use estate::Estate;
pub use event::{EventMoment, EventRule, ResourceEvent};
pub use fault::{Fault, FaultRule, RequestKind};
pub use gates::Gates;
pub use graph::DEFAULT_GRAPH_LAG;
pub use id::{ClusterId, NotAClusterId};
pub use identity::AssignedIdentity;
pub use journal::{Entry, Happening, Journal, RequestResult, Violation};
pub use kind::Kind;
pub use operation::Deed;
pub use power::Refusal;
pub use rules::NetworkRule;

use fault::Faults;
use guid::Guids;
use identity::Tokens;
use operation::Operation;
use rights::Rights;
use throttle::Buckets;

/// What a world is like.
#[derive(Debug, Clone)]
pub struct Settings {
    /// GUIDs come from it; equal seeds and equal calls give equal worlds.
    pub seed: u64,
    /// Scheme and authority under which ARM is reached, without a slash at the end: polling URLs begin with it.
    pub endpoint: String,
    /// The secret of the identity endpoint (`IDENTITY_HEADER`).
    pub identity_secret: String,
    /// Azure's durations and lags are divided by it and its quotas fill faster by it. `Date`, token lifetimes and
    /// `Retry-After` are not touched.
    pub speed_up: u32,
    /// Lag of the activity log, in Azure's time.
    pub log_lag: SignedDuration,
    /// Records of one page of the activity log.
    pub log_page_size: usize,
    /// Clusters of one page of a list.
    pub cluster_page_size: usize,
    /// Lag of Resource Graph's index, in Azure's time.
    pub graph_lag: SignedDuration,
    /// By how much ARM's `Date` header is ahead of the true time.
    pub date_skew: SignedDuration,
    /// How events come about if nothing else is said for an operation.
    pub events: EventRule,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            endpoint: "https://management.azure.com".to_owned(),
            identity_secret: "simulated-identity-header".to_owned(),
            speed_up: 1,
            log_lag: DEFAULT_LAG,
            log_page_size: 200,
            cluster_page_size: 100,
            graph_lag: DEFAULT_GRAPH_LAG,
            date_skew: SignedDuration::ZERO,
            events: EventRule::default(),
        }
    }
}

/// Azure. A clone goes its own way from then on.
#[derive(Debug, Clone)]
pub struct World {
    settings: Settings,
    now: Timestamp,
    guids: Guids,
    clusters: BTreeMap<ClusterId, Cluster>,
    estate: Estate,
    gates: Gates,
    /// Lower-cased subscriptions, and subscription and group, that ever held a cluster.
    subscriptions: BTreeSet<String>,
    groups: BTreeSet<(String, String)>,
    groups_above: groups::Groups,
    operations: BTreeMap<String, Operation>,
    log: activity_log::ActivityLog,
    events: Vec<(Timestamp, ResourceEvent)>,
    next_events: VecDeque<EventRule>,
    faults: Faults,
    identities: Vec<AssignedIdentity>,
    tokens: Tokens,
    buckets: Buckets,
    rights: Rights,
    journal: Journal,
    violations: Vec<Violation>,
}

impl Default for World {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl World {
    /// An empty world.
    pub fn new(settings: Settings) -> Self {
        Self {
            guids: Guids::new(settings.seed),
            settings,
            now: Timestamp::UNIX_EPOCH,
            clusters: BTreeMap::new(),
            estate: Estate::default(),
            gates: Gates::default(),
            subscriptions: BTreeSet::new(),
            groups: BTreeSet::new(),
            groups_above: groups::Groups::default(),
            operations: BTreeMap::new(),
            log: activity_log::ActivityLog::default(),
            events: Vec::new(),
            next_events: VecDeque::new(),
            faults: Faults::default(),
            identities: Vec::new(),
            tokens: Tokens::default(),
            buckets: Buckets::default(),
            rights: Rights::default(),
            journal: Journal::default(),
            violations: Vec::new(),
        }
    }

    /// The settings, which may be changed at any time.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A cluster, as of the last call that said what time it is.
    pub fn cluster(&self, id: &ClusterId) -> Option<&Cluster> {
        self.clusters.get(id)
    }

    /// A cluster, to turn its knobs.
    pub fn cluster_mut(&mut self, id: &ClusterId) -> Option<&mut Cluster> {
        self.clusters.get_mut(id)
    }

    /// What stands around the clusters, to turn its knobs.
    pub fn estate_mut(&mut self) -> &mut Estate {
        &mut self.estate
    }

    /// Locks, deny assignments and Event Grid, to turn their knobs.
    pub fn gates_mut(&mut self) -> &mut Gates {
        &mut self.gates
    }

    /// All clusters, ordered by id.
    pub fn clusters(&self) -> impl Iterator<Item = &Cluster> {
        self.clusters.values()
    }

    /// Orders a fault.
    pub fn add_fault(&mut self, rule: FaultRule) {
        self.faults.add(rule);
    }

    /// Takes back all faults.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Says how the event of the next accepted operation comes about; several are used in order.
    pub fn next_event(&mut self, rule: EventRule) {
        self.next_events.push_back(rule);
    }

    /// Assigns an identity to the app whose identity endpoint this is.
    pub fn assign_identity(&mut self, identity: AssignedIdentity) {
        self.identities.push(identity);
    }

    /// A bearer token for a caller, as a test needs it that does not go through the identity endpoint.
    pub fn token_for(&mut self, caller: &Caller, audience: &str, now: Timestamp) -> String {
        self.tokens.issue(caller, audience, now, &mut self.guids)
    }

    /// From now on the login service signs with another key, and publishes no other.
    pub fn rotate_signing_key(&mut self) {
        self.tokens.entra.rotate();
    }

    /// Whether the login service answers its keys with 503.
    pub fn set_login_down(&mut self, down: bool) {
        self.tokens.entra.set_down(down);
    }

    /// How often the login service's keys were fetched.
    pub fn keys_fetched(&self) -> u32 {
        self.tokens.entra.fetched()
    }

    /// The events that have come to Event Grid by `now` and were not taken yet, in the order in which they came.
    pub fn take_events(&mut self, now: Timestamp) -> Vec<ResourceEvent> {
        let now = self.advance(now);
        let (mut due, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.events).into_iter().partition(|(at, _)| *at <= now);
        self.events = waiting;
        due.sort_by_key(|(at, _)| *at);
        due.into_iter().map(|(_, event)| event).collect()
    }

    /// When something will happen next by itself (an operation ends, an event comes); a test in virtual time may jump
    /// there.
    pub fn next_due(&self) -> Option<Timestamp> {
        let running = self.operations.values().filter(|operation| operation.is_running());
        running.map(|operation| operation.ends_at).chain(self.events.iter().map(|(at, _)| *at)).min()
    }

    /// What happened.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What must not have happened and did.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Notes something that only the wire shows.
    pub fn record(&mut self, violation: Violation) {
        self.violations.push(violation);
    }

    /// A duration of Azure's in this world's time.
    fn scaled(&self, duration: SignedDuration) -> SignedDuration {
        duration / i32::try_from(self.settings.speed_up.max(1)).unwrap_or(i32::MAX)
    }
}

#[cfg(test)]
mod tests;
