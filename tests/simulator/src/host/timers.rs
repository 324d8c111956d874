//! Timer triggers: fire by schedule, one run at a time, in time that may pass faster than it does.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::Shared;
use super::app::Timer;
use super::envelope::{self, TimerStatus};
use super::invocation::Call;
use super::trace::TraceContext;

/// Time that passes `speed` times as fast as the wall clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FastClock {
    wall: Timestamp,
    started: Instant,
    speed: u32,
}

impl FastClock {
    /// A clock that shows `wall` now.
    pub(crate) fn new(wall: Timestamp, speed: u32) -> FastClock {
        FastClock { wall, started: Instant::now(), speed: speed.max(1) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.started.elapsed() * self.speed).unwrap_or_default();
        self.wall.checked_add(passed).unwrap_or(self.wall)
    }

    /// How long this takes on the wall clock.
    pub(crate) fn shortened(&self, span: Duration) -> Duration {
        span / self.speed
    }

    /// How long to sleep until the clock shows `at`.
    fn wait(&self, at: Timestamp) -> Duration {
        Duration::try_from(at.duration_since(self.now())).unwrap_or_default() / self.speed
    }
}

/// Fires one timer until the host stops. The next run is planned when this one has ended, so runs never overlap.
pub(crate) async fn fire(shared: Arc<Shared>, function: String, binding: String, timer: Timer) {
    let mut stopping = shared.stopping.subscribe();
    let mut planned = shared.timer_clock.now();
    let mut last = None;
    let mut at_once = timer.on_startup;
    loop {
        let now = shared.timer_clock.now();
        let Some(next) = timer.schedule.next(now.max(planned)) else { return };
        if !std::mem::take(&mut at_once) {
            planned = next;
            tokio::select! {
                () = tokio::time::sleep(shared.timer_clock.wait(next)) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return,
            }
        }
        let monitored = timer.monitored && !timer.schedule.is_under_a_minute(now);
        let status = monitored.then_some(TimerStatus { last, next });
        let sys = envelope::sys(&function, super::wall_clock());
        let body = envelope::timer(&binding, timer.schedule.adjusts_for_dst(), status, sys);
        let call =
            Call { function: function.clone(), reason: "Timer fired", body, trace: TraceContext::default() };
        let _running = shared.background_calls.enter();
        // A failure is in the log; a timer is not retried.
        let _ = shared.call(call).await;
        last = Some(shared.timer_clock.now());
    }
}
