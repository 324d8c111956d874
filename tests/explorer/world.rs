//! What happens around the guard: people, Azure, Event Grid, the passing of time; and how much of it a world has.

use std::collections::HashSet;

use aks_stop_guard::case::Confirm;
use aks_stop_guard::mutant::Mutant;

use crate::core::{Core, LOG_LAG, Phase, START_TAKES};
use crate::search::{Hasher, Nexts};
use crate::state::{Cl, Event, Faults, Pc, Post, STOPS_MAX, State, StopKind, Tick};

/// A small world.
pub(crate) struct World {
    pub core: Core,
    pub faults: Faults,
    /// Who stops the cluster, at most and in this order; `None` is either.
    pub stops: Vec<Option<StopKind>>,
    /// ARM refuses the guard's starts until people mend something.
    pub denied: bool,
    /// The last tick. What is under way then comes to its end all the same, see `end.rs`.
    pub horizon: Tick,
    pub confirm: Confirm,
    /// Takes the documented risk of `prefer` for a broken promise as well.
    pub strict: bool,
    /// The policies let the guard restart the cluster once a day.
    pub one_restart: bool,
    pub mutant: Option<Mutant>,
    pub states_max: usize,
    /// States from which a fair run ends well.
    pub end_well: HashSet<State, Hasher>,
}

/// Starts of one episode at most.
const STARTS_OF_ONE_STOP_MAX: u8 = 3;

impl World {
    pub(crate) fn new(confirm: Confirm, one_restart: bool) -> Self {
        Self {
            core: Core::new(confirm, one_restart),
            faults: Faults::default(),
            stops: vec![None, None],
            denied: false,
            horizon: 8,
            confirm,
            strict: false,
            one_restart,
            mutant: None,
            states_max: 1_500_000,
            end_well: HashSet::default(),
        }
    }

    pub(crate) fn first(&self) -> State {
        State::new(self.faults)
    }

    pub(crate) fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Everything that may come next.
    pub(crate) fn nexts(&mut self, s: &State, out: &mut Nexts) {
        self.people(s, out);
        self.azure(s, out);
        event_grid(s, out);
        if s.now < self.horizon
            && let Some(next) = self.tick(s)
        {
            out.push(next, || format!("-- tick {} --", next.now));
        }
        self.processes(s, out);
        for next in &mut out.items {
            for i in 0..2 {
                self.forget_locals(&mut next.state, i);
            }
            if !self.has(Mutant::ArchiveFirst) && self.core.view(next.state.record).phase != Phase::Closing {
                next.state.archived = (0, 0);
            }
        }
    }

    fn people(&self, s: &State, out: &mut Nexts) {
        if s.cl == Cl::Running
            && let Some(who) = self.stops.get(usize::from(s.stops_len))
        {
            for kind in [StopKind::Unauthorised, StopKind::Authorised] {
                if who.is_none_or(|who| who == kind) {
                    let next = stopped(s, kind);
                    out.push(next, || format!("world: stop {} is accepted ({kind:?})", s.stops_len));
                }
            }
        }
        if matches!(s.cl, Cl::Stopped | Cl::FailedStopped) && s.faults.user > 0 {
            let mut next = *s;
            next.faults.user -= 1;
            next.cl = Cl::Starting;
            next.add_start();
            out.push(next, || "world: somebody starts the cluster".to_owned());
        }
    }

    fn azure(&mut self, s: &State, out: &mut Nexts) {
        if s.cl == Cl::Stopping {
            out.push(State { cl: Cl::Stopped, ..*s }, || "world: the cluster is stopped".to_owned());
        }
        if s.cl == Cl::Starting {
            if start_is_over(s) {
                out.push(State { cl: Cl::Running, ..*s }, || "world: the cluster runs".to_owned());
            }
            if s.faults.fail > 0 {
                for cl in [Cl::Stopped, Cl::FailedStopped, Cl::FailedRunning] {
                    let mut next = State { cl, ..*s };
                    next.faults.fail -= 1;
                    out.push(next, || format!("world: the start fails: {cl:?}"));
                }
            }
        }
        for (n, post) in s.posts.iter().enumerate().filter(|(_, post)| post.on_its_way) {
            let mut next = *s;
            next.posts[n] = Post::default();
            next.posts.sort_unstable();
            let broken = self.arrive(&mut next, *post);
            out.push_checked(next, broken, || match next.cl == s.cl {
                true => "arm: the start that was on its way is refused".to_owned(),
                false => "arm: the start that was on its way is accepted".to_owned(),
            });
        }
    }

    /// A start request reaches ARM. Returns the promise that this breaks.
    pub(crate) fn arrive(&self, s: &mut State, post: Post) -> Option<String> {
        if self.denied || !matches!(s.cl, Cl::Stopped | Cl::FailedStopped) {
            return None;
        }
        s.cl = Cl::Starting;
        s.add_start();
        let stop = usize::from(s.stops_len).checked_sub(1)?;
        s.accepted[stop] += 1;
        let total: u8 = s.accepted.iter().sum();
        if s.newest_stop().map(|(kind, _)| kind) == Some(StopKind::Authorised) && (self.strict || !post.risk)
        {
            return Some("the guard started a cluster whose last stop was authorised".to_owned());
        }
        if s.accepted[stop] > STARTS_OF_ONE_STOP_MAX {
            return Some("more than three starts in one episode".to_owned());
        }
        (self.one_restart && total > 1).then(|| "more starts than the policies allow in a day".to_owned())
    }

    /// 120 s pass.
    pub(crate) fn tick(&mut self, s: &State) -> Option<State> {
        let mut next = *s;
        next.now += 1;
        for proc in next.procs.iter_mut().filter(|proc| proc.pc != Pc::Idle && !proc.paused) {
            next.faults.pause = next.faults.pause.checked_sub(1)?;
            proc.paused = true;
        }
        for post in &mut next.posts {
            if post.on_its_way && post.lands_until < next.now {
                *post = Post::default();
            }
        }
        next.posts.sort_unstable();
        next.record = self.core.aged(s.record, next.now);
        let now = next.now;
        next.forget_hidden_starts(|tick| now - tick >= LOG_LAG);
        // Before the first stop nothing depends on the time.
        (s.stops_len > 0).then_some(next)
    }
}

pub(crate) fn start_is_over(s: &State) -> bool {
    let newest = s.operations().first().map_or(0, |(_, tick)| *tick);
    s.cl == Cl::Starting && s.now >= newest + START_TAKES
}

fn stopped(s: &State, kind: StopKind) -> State {
    let mut next = State { cl: Cl::Stopping, ..*s };
    let index = usize::from(s.stops_len);
    assert!(index < STOPS_MAX);
    next.stops[index] = (kind, s.now);
    next.events[index] = Event::Pending;
    next.stops_len += 1;
    next
}

fn event_grid(s: &State, out: &mut Nexts) {
    for (i, event) in s.events.iter().enumerate() {
        let is_in_hand = s.procs.iter().any(|proc| usize::from(proc.event) == i + 1);
        let mut next = *s;
        match event {
            Event::Acknowledged if s.faults.dup > 0 => {
                next.faults.dup -= 1;
                next.events[i] = Event::Pending;
                out.push(next, || format!("event grid: event {i} will come again"));
            }
            Event::Pending if s.faults.lost > 0 && !is_in_hand => {
                next.faults.lost -= 1;
                next.events[i] = Event::Lost;
                out.push(next, || format!("event grid: event {i} is lost"));
            }
            Event::None | Event::Pending | Event::Acknowledged | Event::Lost => {}
        }
    }
}
