//! What all processes of one run share: Azure, the storage account, the dice, the checkers, and tokio's paused clock as the
//! time. When nobody has anything to do, the clock jumps to the next moment at which somebody has.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aks_stop_guard::domain::ClusterId;
use jiff::{SignedDuration, Timestamp};
use simulator::world::{self, World};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::blobs::Container;
use crate::judge::Judge;
use crate::seed::{Dice, Knobs, PolicyChoice};
use aks_stop_guard::case::Mode;

/// The subscription that is guarded.
pub(crate) const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

/// The stage of one run.
pub(crate) struct Stage {
    began: Instant,
    start: Timestamp,
    pub(crate) knobs: Knobs,
    state: Mutex<State>,
    /// Something happened in Azure: whoever waits for what comes next has to look again.
    pub(crate) azure_changed: Notify,
}

/// What changes.
pub(crate) struct State {
    pub(crate) dice: Dice,
    pub(crate) world: World,
    pub(crate) records: Container,
    pub(crate) cases: Container,
    pub(crate) judge: Judge,
    /// What newly started processes are set to.
    pub(crate) deployed: Deployed,
    /// Whether things still go wrong.
    pub(crate) trouble: bool,
    /// Events on their way to the guard.
    pub(crate) events_under_way: u32,
    trace: Option<Vec<String>>,
}

/// Settings that people change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deployed {
    pub(crate) mode: Mode,
    pub(crate) policy: PolicyChoice,
}

impl Stage {
    pub(crate) fn new(knobs: Knobs, traced: bool) -> Arc<Self> {
        let settings = world::Settings {
            seed: knobs.seed,
            log_lag: knobs.log_lag,
            graph_lag: knobs.graph_lag,
            ..world::Settings::default()
        };
        let start: Timestamp = "2026-11-02T10:00:00Z".parse().expect("a constant");
        let state = State {
            dice: Dice::new(knobs.seed ^ 0x5eed),
            world: World::new(settings),
            records: Container::default(),
            cases: Container::default(),
            judge: Judge::new(&knobs),
            deployed: Deployed { mode: Mode::Act, policy: knobs.policy },
            trouble: true,
            events_under_way: 0,
            trace: traced.then(Vec::new),
        };
        Arc::new(Self {
            began: Instant::now(),
            start,
            knobs,
            state: Mutex::new(state),
            azure_changed: Notify::new(),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Azure's true time.
    pub(crate) fn now(&self) -> Timestamp {
        self.start + self.elapsed()
    }

    /// When that will be on tokio's clock.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        self.began + Duration::try_from(at.duration_since(self.start)).unwrap_or_default()
    }

    pub(crate) fn trace(&self, state: &mut State, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut state.trace {
            let at = self.elapsed();
            trace.push(format!("{:>7}.{:03} {}", at.as_secs(), at.subsec_millis(), line()));
        }
    }

    pub(crate) fn take_trace(&self) -> Vec<String> {
        self.state().trace.take().unwrap_or_default()
    }
}

/// A cluster of the run.
pub(crate) fn cluster(n: u32) -> world::ClusterId {
    world::ClusterId::new(SUBSCRIPTION, "rg-prod", &format!("aks-{n}"))
}

/// The same, as the guard names it.
pub(crate) fn guarded(id: &world::ClusterId) -> ClusterId {
    ClusterId::parse(&id.to_string()).expect("the simulator's ids are ids")
}

pub(crate) fn std(time: SignedDuration) -> Duration {
    Duration::try_from(time).unwrap_or_default()
}

/// Somebody whom no policy allows to stop a cluster.
pub(crate) fn mallory() -> world::Caller {
    world::Caller::user("Mallory")
}

/// Another one.
pub(crate) fn eve() -> world::Caller {
    world::Caller::user("Eve")
}

/// Somebody whom the policies of [`PolicyChoice::ops_may_stop`] allow to.
pub(crate) fn ops() -> world::Caller {
    world::Caller::user("Ops").authorised()
}
