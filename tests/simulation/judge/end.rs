//! Promise 4: when faults are over, everything comes to its end.

use aks_stop_guard::case::{Case, Episode, StopSource, outbox};
use jiff::{SignedDuration, Timestamp};
use simulator::world::{ClusterId, PowerState, World};

use super::{Judge, Promise};
use crate::seed::Knobs;
use crate::stage::{cluster, guarded};

/// However late a case says that it is due, a sweep reads it this often.
const READ_EVERY: SignedDuration = SignedDuration::from_mins(5);

impl Judge {
    /// By when a cluster's case must have ended, or be held with its messages out.
    fn deadline(&self, disturbed: Option<Timestamp>, calm: Timestamp) -> Timestamp {
        let lags = self.times.retry_after.max(self.times.log_lag) + self.times.settle;
        let steps = self.sweep_every * 2 + self.times.look_every + self.times.log_every + self.times.quiet;
        // A process may know of a case only what it read of it so long ago, and by a clock that was wrong then.
        let steps = steps + READ_EVERY + self.skew * 2;
        disturbed.max(Some(calm)).unwrap_or(calm) + lags + steps
    }

    /// Looks whether somebody is late. True if nothing is left to do at all.
    pub(crate) fn on_tick(&mut self, world: &World, now: Timestamp) -> bool {
        let Some(calm) = self.trouble_until else { return false };
        for cluster in world.clusters().filter(|cluster| !cluster.state().provisioning.is_terminal()) {
            self.disturb(&guarded(&cluster.id).key(), now);
        }
        let mut all_over = self.check_found(world, now, calm);
        all_over &= self.check_groups_end(now, calm);
        let mut late = None;
        for (key, known) in &self.clusters {
            let Some(record) = &known.record else { continue };
            if known.quarantined {
                continue;
            }
            let waits = outbox::next_at(&record.outbox);
            let (is_settled, phase) = match &record.episode {
                Episode::None => (true, "over"),
                Episode::Held(_) => (true, "held"),
                Episode::Open(_) => (false, "open"),
                Episode::Closing(_) => (false, "closing"),
            };
            all_over &= is_settled && waits.is_none();
            // What discovery found had no case until then; by when it finds it is another promise (`found.rs`).
            let found = record.case().filter(|case| is_found(case)).map(|case| case.opened_at);
            let deadline = self.deadline(known.disturbed.max(found), calm);
            if !is_settled && now > deadline {
                let why = record.case().and_then(|case| case.timeline.last()).map(|line| &line.text);
                late = Some(format!("{key} is still {phase} ({why:?}), deadline {deadline}"));
            }
            // What waited behind another message goes out with the sweeps after that.
            let waits_since = waits.max(known.told_at).unwrap_or(deadline);
            let deadline = deadline.max(waits_since + self.sweep_every * 3);
            if waits.is_some() && now > deadline {
                late = Some(format!("{key} has still messages, deadline {deadline}"));
            }
        }
        if let Some(late) = late {
            self.breaks(Promise::EndsInTime, now, || late);
        }
        all_over
    }

    /// The run is over.
    pub(crate) fn on_end(&mut self, knobs: &Knobs, world: &World, now: Timestamp, lasted: SignedDuration) {
        for n in 0..knobs.clusters {
            self.check_not_forgotten(n, world, now);
        }
        let sweeps = u64::try_from(lasted.as_secs() / knobs.sweep_every.as_secs().max(1)).unwrap_or(0) + 10;
        let most = sweeps * u64::from(knobs.processes) * (60 + 40 * u64::from(knobs.clusters)) + 2_000;
        if self.calls > most {
            let calls = self.calls;
            self.breaks(Promise::NoBusyLoop, now, || format!("{calls} calls in {lasted:#}, at most {most}"));
        }
    }

    /// A cluster that is down by a stop that was acknowledged and that nobody allowed has a case.
    fn check_not_forgotten(&mut self, n: u32, world: &World, now: Timestamp) {
        if self.trouble_until.is_none() {
            return;
        }
        let id = cluster(n);
        let is_down = is_down(world, &id);
        let quiet = self.times.quiet;
        let known = self.known(&guarded(&id).key());
        let Some(stop) = known.stops.last() else { return };
        let has_case = known.record.as_ref().is_some_and(|record| record.case().is_some());
        let explained = known.is_explained(stop.at, quiet);
        if is_down && stop.acked && !known.is_over(stop.at) && !explained && !has_case {
            let at = stop.at;
            self.breaks(Promise::NobodyForgotten, now, || format!("{} is down since {at}", id.name));
        }
    }
}

/// Its stop was not heard of by an event.
fn is_found(case: &Case) -> bool {
    case.stops.first().is_some_and(|stop| stop.source == StopSource::Discovery)
}

/// It is stopped, and nothing is under way.
pub(super) fn is_down(world: &World, id: &ClusterId) -> bool {
    world.cluster(id).is_some_and(|cluster| {
        let state = cluster.state();
        state.provisioning.is_terminal() && state.power == PowerState::Stopped
    })
}
