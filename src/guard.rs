//! The guard: the only place where effects are ordered. It makes cases durable, looks, lets `case` decide, writes, acts.

mod board;
mod bulletins;
mod closing;
mod crowd;
mod discovery;
mod entries;
mod evaluate;
mod evidence;
mod exposure;
mod flight;
mod foreign;
mod gate;
mod grants;
mod heartbeat;
mod holds;
mod intake;
mod marks;
mod members;
mod nonce;
mod open_work;
mod order;
mod outbox;
mod permission;
mod records;
mod shared;
mod starting;
mod sweep;
mod work;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::azure::Arm;
use crate::case::evidence::PROGRAM;
use crate::case::{BulletinKey, Confirm, Mode, Routes, Times};
use crate::clock::Clock;
use crate::domain::{ClusterKey, ManagementGroup, Portal, SubscriptionId};
use crate::incident::Sink;
use crate::mutant::Mutant;
use crate::policy::Policies;
use crate::store::{DeadLetters, Store};

pub use grants::{GrantError, Grants};
pub use holds::{HoldError, Holds, Made};
pub use intake::Intake;
pub use nonce::{Entropy, SystemEntropy};
pub use permission::{Denied, GrantRequest, HoldRequest, Wanted, bind};
pub use records::GuardError;
pub use sweep::Swept;

use board::Board;
use crowd::Crowd;
use flight::{Flights, Pace};
use foreign::Foreign;
use gate::Gate;
use marks::Lists;
use sweep::Due;

/// How the guard is set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What it may do.
    pub mode: Mode,
    /// The guarded subscriptions. Events of others are refused, unless they are in the groups. `None` if the setting is broken: then
    /// events can't be taken in, and have to come again.
    pub subscriptions: Option<BTreeSet<SubscriptionId>>,
    /// Management groups whose subscriptions are guarded too.
    pub management_groups: BTreeSet<ManagementGroup>,
    /// The zone of `context.local` in policies.
    pub zone: TimeZone,
    /// When the activity log is asked.
    pub confirm: Confirm,
    /// The protocol's times.
    pub times: Times,
    /// The portal that links in incidents lead to; `None` while the settings don't say which cloud it is.
    pub portal: Option<Portal>,
    /// Which sinks get which incidents; one that is not named there gets all.
    pub routes: Routes,
    /// Whether incidents say how exposed their cluster is. Needs rights of its own (docs/POSTURE.md).
    pub posture: bool,
    /// What is broken in settings and sinks. Anything here makes the guard run degraded: it records and starts nothing.
    pub faults: Vec<String>,
}

/// Loads the policies on first use, or says what is broken in them.
pub type PolicyLoader = Box<dyn FnOnce() -> Result<Policies, Vec<String>> + Send>;

/// The guard. Cheap to clone.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    settings: Settings,
    policies: LazyLock<Result<Policies, Vec<String>>, PolicyLoader>,
    arm: Arm,
    store: Store,
    dead_letters: Option<DeadLetters>,
    gate: Gate,
    routes: Routes,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    flights: Flights<ClusterKey>,
    /// Clusters whose messages are being delivered, and bulletins: beside the work on them, so that no sink keeps it back.
    deliveries: Flights<ClusterKey>,
    bulletin_deliveries: Flights<BulletinKey>,
    /// One cluster's news at a time goes into an incident about many: at once they would lose to one another.
    shared_incidents: tokio::sync::Mutex<()>,
    crowd: Crowd,
    exposure: exposure::Board,
    pace: Pace,
    board: Board,
    members: members::Board,
    mark_lists: Lists,
    foreign: Foreign,
    /// When each open case wants attention next, as far as this process knows.
    due: Mutex<HashMap<ClusterKey, Due>>,
    /// The bulletins that this process left with something to tell.
    bulletins: Mutex<BTreeSet<BulletinKey>>,
    /// What it remembers of discovery.
    discovery: Mutex<discovery::Memory>,
    /// What it remembers of its heartbeats.
    beats: Mutex<heartbeat::Beats>,
    /// What evidence calls it, once its executable's digest is known.
    program: OnceLock<String>,
}

/// What the guard works with.
pub struct Ports {
    /// Azure Resource Manager.
    pub arm: Arm,
    /// Where records are.
    pub store: Store,
    /// What Event Grid could not deliver, if the settings say where it is.
    pub dead_letters: Option<DeadLetters>,
    /// Where people are told.
    pub sinks: Vec<Arc<dyn Sink>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes, for nonces and jitter.
    pub entropy: Arc<dyn Entropy>,
}

impl Guard {
    /// Sets the guard up. Does no I/O; the policies are loaded when they are first needed.
    pub fn new(settings: Settings, policies: PolicyLoader, ports: Ports) -> Self {
        let names: Vec<&str> = ports.sinks.iter().map(|sink| sink.name()).collect();
        let routes = settings.routes.among(&names);
        Self(Arc::new(Inner {
            gate: Gate::new(settings.mode, ports.sinks),
            settings,
            policies: LazyLock::new(policies),
            arm: ports.arm,
            store: ports.store,
            dead_letters: ports.dead_letters,
            routes,
            clock: ports.clock,
            entropy: ports.entropy,
            flights: Flights::default(),
            deliveries: Flights::default(),
            bulletin_deliveries: Flights::default(),
            shared_incidents: tokio::sync::Mutex::default(),
            crowd: Crowd::default(),
            exposure: exposure::Board::default(),
            pace: Pace::default(),
            board: Board::default(),
            members: members::Board::default(),
            mark_lists: Lists::default(),
            foreign: Foreign::default(),
            due: Mutex::default(),
            bulletins: Mutex::default(),
            discovery: Mutex::default(),
            beats: Mutex::default(),
            program: OnceLock::new(),
        }))
    }

    /// Says which executable this is, by its SHA-256 in hex: evidence names it from now on.
    pub fn is_executable(&self, sha256: &str) {
        // It is the same whoever says it first.
        let _is_first = self.0.program.set(format!("{PROGRAM}, sha256 {sha256}"));
    }

    /// What is broken: in the settings, the sinks and the policies. Loads the policies if that has not happened yet.
    pub fn faults(&self) -> Vec<String> {
        let policies = self.0.policies.as_ref().err().into_iter().flatten();
        self.0.settings.faults.iter().chain(policies).cloned().collect()
    }

    /// The policies, if nothing at all is broken.
    fn policies(&self) -> Option<&Policies> {
        self.0.policies.as_ref().ok().filter(|_| self.0.settings.faults.is_empty())
    }

    /// Now, on Azure's clock (rule 1).
    fn now(&self) -> Timestamp {
        self.0.arm.arm_now()
    }

    fn grants(&self) -> Grants {
        Grants::new(self.0.store.clone())
    }

    fn holds(&self) -> Holds {
        Holds::new(self.0.store.clone())
    }

    fn times(&self) -> &Times {
        &self.0.settings.times
    }

    /// The sink that gets the incidents of one that is down. In `dry-run` nothing is delivered, so none is.
    fn fallback(&self) -> Option<&str> {
        match self.0.gate.mode() {
            Mode::DryRun => None,
            Mode::Notify | Mode::Act => self.0.routes.fallback().filter(|_| !Mutant::NoFallback.is_on()),
        }
    }

    fn is_skewed(&self) -> bool {
        self.0.arm.clock_offset().abs() > self.0.settings.times.skew_max
    }
}
