//! What holds in every state, and how a state ends when nothing goes wrong any more.

use aks_stop_guard::mutant::Mutant;

use crate::core::{Phase, TICK_SECONDS};
use crate::search::Nexts;
use crate::state::{Cl, Event, Faults, Generations, Pc, Proc, State, StopKind};
use crate::world::{World, start_is_over};

/// Ticks of a fair run at most.
const TICKS_MAX: usize = 40;
/// Ticks in a row without any change of what counts, after which nothing will change any more: for an open case longer than
/// the longest wait of `core::times`, 1,500 s.
const QUIET_TICKS_OPEN: usize = 14;
/// The same where no case is at hand, or people have it.
const QUIET_TICKS: usize = 4;
/// Steps of one invocation at most.
const STEPS_MAX: usize = 40;

type Verdict = Result<(), String>;

impl World {
    /// The promise that is broken in this state, and how it came out, if that took longer.
    pub(crate) fn broken_in(&mut self, s: &State) -> Option<(String, Vec<String>)> {
        if let Err(promise) = self.holds_now(s) {
            return Some((promise, Vec::new()));
        }
        if s.procs.iter().any(|proc| proc.pc != Pc::Idle) {
            return None;
        }
        let mut way = vec!["== from here nothing goes wrong any more ==".to_owned()];
        let promise = self.ends_well(s, &mut way).err()?;
        Some((promise, way))
    }

    fn holds_now(&self, s: &State) -> Verdict {
        let view = self.core.view(s.record);
        let is_over = view.phase == Phase::None && view.outbox_empty;
        let generation = if self.has(Mutant::MarkerWithoutGeneration) { 1 } else { view.generation };
        if !is_over && !s.markers.contains(&generation) {
            return Err(format!("a case is {:?} or has news to tell, and has no marker", view.phase));
        }
        for (i, (_, tick)) in s.stops.iter().enumerate().take(usize::from(s.stops_len)) {
            let is_known = (view.knows | s.archived_stops) >> i & 1 == 1;
            let is_history = i64::from(*tick) * TICK_SECONDS <= view.history_until;
            if s.events[i] == Event::Acknowledged && !is_known && !is_history {
                return Err(format!("event {i} was acknowledged, and is in no case and no history"));
            }
        }
        Ok(())
    }

    /// No more faults, nobody touches the cluster, every event comes, sweeps run.
    fn ends_well(&mut self, s: &State, way: &mut Vec<String>) -> Verdict {
        let mut s = State { faults: Faults { burn: u8::MAX, ..Faults::default() }, ..*s };
        let mut passed = Vec::new();
        let mut same = 0;
        for _ in 0..TICKS_MAX {
            if self.end_well.contains(&s) {
                break;
            }
            passed.push(s);
            let before = self.gist(&s);
            self.azure_goes_on(&mut s, way)?;
            self.events_come(&mut s, way)?;
            if s.markers != Generations::default() {
                way.push("the timer's sweep:".to_owned());
                let sweep = Proc { pc: Pc::Work, markers: s.markers, ..Proc::default() };
                self.runs(&mut s, sweep, way)?;
            }
            same = if self.gist(&s) == before { same + 1 } else { 0 };
            if self.is_quiet(&s, same) {
                break;
            }
            if let Some(next) = self.tick(&s) {
                s = next;
                way.push(format!("-- tick {} --", s.now));
            }
        }
        if !self.end_well.contains(&s) {
            self.is_a_good_end(&s, self.is_quiet(&s, same))?;
        }
        self.end_well.extend(passed);
        Ok(())
    }

    fn is_quiet(&self, s: &State, same: usize) -> bool {
        match self.core.view(s.record).phase {
            Phase::None | Phase::Held => same >= QUIET_TICKS,
            Phase::Open | Phase::Closing => same >= QUIET_TICKS_OPEN,
        }
    }

    /// What a state is at, whatever the time.
    fn gist(&self, s: &State) -> (Cl, Phase, bool, Generations, u16) {
        let view = self.core.view(s.record);
        (s.cl, view.phase, view.outbox_empty, s.markers, s.incident)
    }

    fn azure_goes_on(&mut self, s: &mut State, way: &mut Vec<String>) -> Verdict {
        while let Some(post) = s.posts.iter().copied().find(|post| post.on_its_way) {
            s.posts
                .iter_mut()
                .find(|other| **other == post)
                .into_iter()
                .for_each(|p| *p = Default::default());
            s.posts.sort_unstable();
            way.push("arm: the start that was on its way arrives".to_owned());
            if let Some(broken) = self.arrive(s, post) {
                return Err(broken);
            }
        }
        if s.cl == Cl::Stopping {
            s.cl = Cl::Stopped;
            way.push("world: the cluster is stopped".to_owned());
        }
        if start_is_over(s) {
            s.cl = Cl::Running;
            way.push("world: the cluster runs".to_owned());
        }
        Ok(())
    }

    fn events_come(&mut self, s: &mut State, way: &mut Vec<String>) -> Verdict {
        for event in 1..=s.stops_len {
            if s.events[usize::from(event - 1)] == Event::Pending {
                self.runs(s, Proc { pc: Pc::TakeIn, event, ..Proc::default() }, way)?;
            }
        }
        Ok(())
    }

    /// One invocation, to its end. ARM shows what is, the log shows all, every start is answered.
    fn runs(&mut self, s: &mut State, proc: Proc, way: &mut Vec<String>) -> Verdict {
        s.procs[0] = proc;
        for _ in 0..STEPS_MAX {
            if s.procs[0].pc == Pc::Idle {
                return Ok(());
            }
            let mut nexts = Nexts::new(true);
            self.step(s, 0, &mut nexts);
            let next = nexts.items.into_iter().next().ok_or("a process is stuck")?;
            way.push(next.words.replace("{0}", "P"));
            *s = next.state;
            self.forget_locals(s, 0);
            if let Some(broken) = next.broken {
                return Err(broken);
            }
        }
        Err("one invocation does not come to its end".to_owned())
    }

    fn is_a_good_end(&self, s: &State, is_quiet: bool) -> Verdict {
        let view = self.core.view(s.record);
        let fault =
            |what: &str| Err(format!("{what} (the cluster is {:?}, the case {:?})", s.cl, view.phase));
        if !is_quiet || matches!(view.phase, Phase::Open | Phase::Closing) {
            return fault("a case never ends");
        }
        if !view.outbox_empty {
            return fault("a message is never delivered");
        }
        let is_down = s.cl != Cl::Running;
        let newest = usize::from(s.stops_len).checked_sub(1);
        let heard_of = newest.is_some_and(|n| s.events[n] != Event::Lost);
        let unauthorised = s.newest_stop().map(|(kind, _)| kind) == Some(StopKind::Unauthorised);
        if is_down && unauthorised && heard_of && s.incident == 0 {
            return fault("a cluster that nobody was allowed to stop stays down, and nobody is told");
        }
        if !is_down && s.incident != 0 {
            return fault("the cluster runs, and its incident stays open");
        }
        if view.phase == Phase::None && s.markers != Generations::default() {
            return fault("a marker stays for ever");
        }
        Ok(())
    }
}
