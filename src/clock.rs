//! The clock, as a port: the rest of the program gets the time handed in.

use std::time::Duration;

use jiff::Timestamp;

/// Where the adapters and the guard get the time from.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// This machine's wall clock. It may be wrong: order across machines comes from Azure's clock.
    fn now(&self) -> Timestamp;

    /// Time since boot, suspended time included (`CLOCK_BOOTTIME`): it can't be set back, and a paused machine
    /// can't mistake an old look for a fresh one.
    fn since_boot(&self) -> Duration;
}

/// The machine's own clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the time is read")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn since_boot(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
    }
}
