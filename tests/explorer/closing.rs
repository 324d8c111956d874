//! The end of a case, its messages and its markers: the second half of the guard's order of effects (`shell.rs`).

use aks_stop_guard::domain::IncidentState;
use aks_stop_guard::mutant::Mutant;

use crate::core::Phase;
use crate::search::Nexts;
use crate::shell::with;
use crate::state::{Generations, Pc, Proc, State, insert, remove};
use crate::world::World;

impl World {
    /// `closing::archive_and_reset`: `Store::archive`.
    pub(crate) fn archive(&mut self, s: &State, i: usize, out: &mut Nexts) {
        let p = s.procs[i];
        let (generation, body) = s.archived;
        let differs = generation == p.generation && body != p.body;
        let mut next = *s;
        if p.generation >= generation {
            next.archived = (p.generation, p.body);
        }
        let stops: u8 = self.core.body(p.body).split(' ').nth(2).unwrap().parse().unwrap();
        next.archived_stops |= stops;
        let pc = if self.has(Mutant::ArchiveFirst) { Pc::Write } else { Pc::Reset };
        next.procs[i].pc = pc;
        let broken = differs.then(|| {
            format!(
                "one case has two final forms: `{}` and `{}`",
                self.core.body(body),
                self.core.body(p.body)
            )
        });
        let body = self.core.body(p.body).to_owned();
        out.push_checked(next, broken, || format!("{{{i}}}: archives the case: `{body}`"));
    }

    /// `closing::archive_and_reset`: `close::reset` and the write.
    pub(crate) fn reset(&mut self, s: &State, i: usize, out: &mut Nexts) {
        let p = s.procs[i];
        let mut next = *s;
        let record = self.core.reset(s.record, s.now);
        next.written(i, record);
        next.procs[i] = Proc { fresh: true, ..p };
        let lost = s.archived.0 < p.generation;
        let broken = lost.then(|| "a case leaves its record and is not in the archive".to_owned());
        if p.event > 0 {
            next.procs[i].pc = Pc::TakeIn;
        } else {
            self.go_on(&mut next, i);
        }
        out.push_checked(next, broken, || format!("{{{i}}}: takes the closed case off the record"));
    }

    /// `work::finish`: `deliver_outbox` and, in a sweep, `forget_leftovers`, as far as they have something to do.
    pub(crate) fn finish(&mut self, s: &mut State, i: usize) {
        if self.core.view(s.record).outbox_empty {
            self.tidy(s, i);
        } else {
            s.procs[i].pc = Pc::Deliver;
        }
    }

    /// `outbox::deliver_outbox`: one message, and what came of it.
    pub(crate) fn deliver(&mut self, s: &State, i: usize, out: &mut Nexts) {
        let mut next = *s;
        next.procs[i].fresh = true;
        let Some((generation, state, record)) = self.core.deliver(s.record, s.now) else {
            self.tidy(&mut next, i);
            out.push(next, || format!("{{{i}}}: finds nothing to deliver any more"));
            return;
        };
        let broken = match state {
            IncidentState::Opened => {
                next.incident = generation;
                None
            }
            IncidentState::Updated | IncidentState::Resolved if s.incident != generation => {
                Some(format!("an incident is told as {} before it is opened", state.as_str()))
            }
            IncidentState::Updated => None,
            IncidentState::Resolved => {
                next.incident = 0;
                None
            }
        };
        next.written(i, record);
        self.finish(&mut next, i);
        out.push_checked(next, broken, || format!("{{{i}}}: tells people: g{generation} {}", state.as_str()));
    }

    /// `closing::forget_if_over`, `sweep::forget_leftovers`: which markers go, by the record as it was read or written.
    fn tidy(&mut self, s: &mut State, i: usize) {
        let p = s.procs[i];
        let view = self.core.view(s.record);
        let is_over = view.phase == Phase::None && view.outbox_empty;
        let mut doomed = Generations::default();
        if is_over && view.generation > 0 {
            insert(&mut doomed, self.marker(view.generation));
        }
        let newest = p.markers.iter().copied().max().unwrap_or(0);
        let with_generations = !self.has(Mutant::MarkerWithoutGeneration);
        let is_above = with_generations && newest > view.generation;
        if is_above && view.phase == Phase::None && !self.has(Mutant::NoBurning) {
            s.procs[i] = Proc { pc: Pc::Burn, generation: newest, markers: p.markers, ..Proc::default() };
            return;
        }
        if with_generations && (!is_above || view.phase == Phase::None) {
            let burnt = self.has(Mutant::NoBurning) && is_above;
            let goes = |g: u16| g > 0 && (g < view.generation || burnt || (g == view.generation && is_over));
            p.markers.iter().copied().filter(|g| goes(*g)).for_each(|g| insert(&mut doomed, g));
        }
        self.delete(s, i, doomed);
    }

    fn delete(&self, s: &mut State, i: usize, doomed: Generations) {
        let any = doomed.iter().any(|g| *g > 0 && s.markers.contains(g));
        let pc = if any { Pc::DeleteMarkers } else { Pc::Idle };
        s.procs[i] =
            Proc { pc, markers: if any { doomed } else { Generations::default() }, ..Proc::default() };
    }

    /// `sweep::burn`, and `sweep::burn_orphans` where there is no record yet.
    pub(crate) fn burn(&mut self, s: &State, i: usize, out: &mut Nexts) {
        let p = s.procs[i];
        let view = self.core.view(s.record);
        let mut next = *s;
        if view.generation >= p.generation || view.phase != Phase::None {
            next.procs[i] = Proc::default();
            out.push(next, || {
                format!("{{{i}}}: somebody used g{} meanwhile: leaves its marker", p.generation)
            });
            return;
        }
        let Some(burn) = s.faults.burn.checked_sub(1) else { return };
        next.faults.burn = burn;
        let record = self.core.burnt(s.record, p.generation, s.now);
        next.written(i, record);
        let is_over = self.core.view(record).outbox_empty;
        let mut doomed = Generations::default();
        let goes = |g: &u16| *g > 0 && (*g < p.generation || is_over);
        p.markers.iter().copied().filter(goes).for_each(|g| insert(&mut doomed, g));
        self.delete(&mut next, i, doomed);
        out.push(next, || format!("{{{i}}}: burns generation g{}", p.generation));
    }

    /// The deletes of `closing::forget_if_over` and `sweep::forget_leftovers`.
    pub(crate) fn delete_markers(&self, s: &State, i: usize, out: &mut Nexts) {
        let mut next = with(s, i, Proc::default());
        let doomed = s.procs[i].markers;
        doomed.iter().filter(|g| **g > 0).for_each(|g| remove(&mut next.markers, *g));
        out.push(next, || {
            let names: Vec<String> = doomed.iter().filter(|g| **g > 0).map(|g| format!("g{g}")).collect();
            format!("{{{i}}}: deletes marker {}", names.join(", "))
        });
    }
}
