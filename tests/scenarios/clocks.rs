//! The true time of a scenario, and what a process's clocks make of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aks_stop_guard::clock::Clock;
use jiff::{SignedDuration, Timestamp};

/// A clock that stands until the scenario moves it.
#[derive(Debug)]
pub(crate) struct VirtualClock(Mutex<(Timestamp, Duration)>);

impl VirtualClock {
    pub(crate) fn new() -> Arc<Self> {
        let start: Timestamp = "2026-11-02T10:00:00Z".parse().unwrap();
        Arc::new(Self(Mutex::new((start, Duration::from_secs(1_000)))))
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        let mut clock = self.0.lock().unwrap();
        clock.0 += by;
        clock.1 += Duration::try_from(by).unwrap();
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().0
    }

    fn since_boot(&self) -> Duration {
        self.0.lock().unwrap().1
    }
}

/// The clock of one process, which may be wrong: so far ahead of the true time.
#[derive(Debug)]
pub(crate) struct LocalClock {
    truth: Arc<VirtualClock>,
    ahead: Mutex<SignedDuration>,
}

impl LocalClock {
    /// A clock that is right.
    pub(crate) fn of(truth: &Arc<VirtualClock>) -> Arc<Self> {
        Arc::new(Self { truth: Arc::clone(truth), ahead: Mutex::default() })
    }

    /// Sets the process's wall clock. Its boot clock goes on as it did.
    pub(crate) fn is_ahead_by(&self, time: SignedDuration) {
        *self.ahead.lock().unwrap() = time;
    }
}

impl Clock for LocalClock {
    fn now(&self) -> Timestamp {
        self.truth.now() + *self.ahead.lock().unwrap()
    }

    fn since_boot(&self) -> Duration {
        self.truth.since_boot()
    }
}
