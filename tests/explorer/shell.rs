//! The guard's order of effects, one call to the store, ARM, the log or a sink a step. Between two steps anything else may
//! happen, time may pass, and the process may die.
//!
//! Each step says which function of `src/guard` it mirrors. Two calls are one step where nothing can tell the difference:
//!
//! * A record is read, and the cluster is looked at. Whoever writes the record between the two makes the write that relies on both
//!   fail, as if the record had been read later.
//! * What came of a start is written, a message is delivered and settled, a marker is burnt: read, and written if nobody wrote
//!   meanwhile; repeated until it works, or given up without effect.
//! * A decision that asks no log falls into the tick of its look. The write that follows may come at any time.

use aks_stop_guard::case::{Confirm, Taken};
use aks_stop_guard::mutant::Mutant;

use crate::core::{Decision, LOG_LAG, POST_LANDS_FOR, Phase, STALE_FOR};
use crate::search::Nexts;
use crate::state::{
    Cl, Event, Generations, NO_OPERATION, NOTHING, Note, Operations, Pc, Post, Proc, START, State, StopKind,
    Tick, insert,
};
use crate::world::World;

impl World {
    /// What the processes may do next.
    pub(crate) fn processes(&mut self, s: &State, out: &mut Nexts) {
        for i in 0..2 {
            if s.procs[i].pc != Pc::Idle {
                self.step(s, i, out);
                self.dies(s, i, out);
            } else if i == 0 || s.procs[0].pc != Pc::Idle {
                self.begin(s, i, out);
            }
        }
    }

    /// An invocation: a delivery, or the timer's.
    fn begin(&mut self, s: &State, i: usize, out: &mut Nexts) {
        for e in 0..s.stops_len {
            let is_in_hand = s.procs.iter().any(|proc| proc.event == e + 1);
            if s.events[usize::from(e)] == Event::Pending && !is_in_hand {
                self.step(&with(s, i, Proc { pc: Pc::TakeIn, event: e + 1, ..Proc::default() }), i, out);
            }
        }
        if s.markers != Generations::default() {
            self.step(&with(s, i, Proc { pc: Pc::Work, markers: s.markers, ..Proc::default() }), i, out);
        }
    }

    /// A process is killed. Its death right after a write, before anything else, is a case of its own: the delivery is not
    /// answered. So is its death while a start is on its way.
    fn dies(&mut self, s: &State, i: usize, out: &mut Nexts) {
        if s.faults.crash == 0 {
            return;
        }
        let mut dead = with(s, i, Proc::default());
        dead.faults.crash -= 1;
        out.push(dead, || format!("{{{i}}}: killed"));
        let p = s.procs[i];
        if p.pc == Pc::Write && p.fresh && p.event > 0 {
            let mut written = dead;
            written.record = self.core.aged(p.next, s.now);
            written.procs[1 - i].fresh = false;
            out.push(written, || format!("{{{i}}}: writes the record and is killed before it answers"));
        }
        if p.pc == Pc::Send && self.may_still_send(s, &p) && room_for_a_post(s) && s.faults.late > 0 {
            send_away(&mut dead, &p);
            out.push(dead, || format!("{{{i}}}: is killed while its start is on its way"));
        }
    }

    pub(crate) fn step(&mut self, s: &State, i: usize, out: &mut Nexts) {
        match s.procs[i].pc {
            Pc::Idle => {}
            Pc::TakeIn => self.take_in(s, i, out),
            Pc::Work => self.work(s, i, out),
            Pc::PutMarker => self.put_marker(s, i, out),
            Pc::AskLog => self.ask_log(s, i, out),
            Pc::Write => self.write(s, i, out),
            Pc::Verify => {
                let next = self.written(*s, i);
                out.push(next, || format!("{{{i}}}: finds its own write in the store"));
            }
            Pc::Send => self.send(s, i, out),
            Pc::Note => self.note(s, i, out),
            Pc::Archive => self.archive(s, i, out),
            Pc::Reset => self.reset(s, i, out),
            Pc::Deliver => self.deliver(s, i, out),
            Pc::DeleteMarkers => self.delete_markers(s, i, out),
            Pc::Burn => self.burn(s, i, out),
        }
    }

    /// `intake::take_in` up to the look, with `load_or_new` and `take_all`.
    fn take_in(&mut self, s: &State, i: usize, out: &mut Nexts) {
        let p = s.procs[i];
        let e = p.event - 1;
        let (kind, stopped) = s.stops[usize::from(e)];
        let (taken, record) = self.core.take_in(s.record, e, kind, stopped, s.now);
        match taken {
            Taken::FinishFirst => {
                let mut next = *s;
                self.begin_archive(&mut next, i);
                out.push(next, || format!("{{{i}}}: event {e}: an older case is closing, finishes it first"));
            }
            Taken::Known | Taken::History(_) => {
                let mut next = with(s, i, Proc::default());
                next.events[usize::from(e)] = Event::Acknowledged;
                out.push(next, || format!("{{{i}}}: event {e} is acknowledged: {taken:?}"));
            }
            Taken::Opened | Taken::Joined => {
                let opening = taken == Taken::Opened;
                let generation = self.core.view(record).generation;
                let p = Proc { fresh: true, base: record, opening, generation, ..p };
                self.look(s, i, p, &format!("event {e}: {taken:?}"), out);
            }
        }
    }

    /// `work::reconcile`, `work::step`: one step of the case on record.
    fn work(&mut self, s: &State, i: usize, out: &mut Nexts) {
        let view = self.core.view(s.record);
        let p = Proc { fresh: true, base: s.record, ..s.procs[i] };
        match view.phase {
            Phase::Open | Phase::Held if view.due => self.look(s, i, p, "works on the case", out),
            Phase::Closing => {
                let mut next = with(s, i, p);
                self.begin_archive(&mut next, i);
                out.push(next, || format!("{{{i}}}: finds the case closing"));
            }
            Phase::None | Phase::Open | Phase::Held => {
                let mut next = with(s, i, p);
                self.finish(&mut next, i);
                out.push(next, || format!("{{{i}}}: reads the record: nothing is due"));
            }
        }
    }

    /// `work::look`, then `work::decide` as far as it asks for nothing.
    fn look(&mut self, s: &State, i: usize, p: Proc, why: &str, out: &mut Nexts) {
        let mut shown = vec![(s.cl, "")];
        let age = s.newest_stop().map_or(0, |(_, tick)| s.now - tick);
        if s.cl == Cl::Stopping && age <= STALE_FOR {
            shown.push((Cl::Running, " (stale)"));
        }
        if self.has(Mutant::SkipLook)
            && let Some(old) = last_seen(self.core.record(p.base))
        {
            shown = vec![(old, " (seen earlier)")];
        }
        for (cl, stale) in shown {
            let mut next = with(s, i, Proc { look: Some((cl, s.now)), ..p });
            self.decide(&mut next, i, NOTHING);
            out.push(next, || format!("{{{i}}}: {why}, looks: {cl:?}{stale}, {}", then(next.procs[i].pc)));
        }
    }

    /// `case::advance`, and where it leads.
    fn decide(&mut self, s: &mut State, i: usize, log: Operations) {
        let p = s.procs[i];
        let (cl, looked) = p.look.unwrap();
        let decision = self.core.advance(p.base, cl, looked, s.now, log, s.kinds());
        let (pc, next, starts) = match decision {
            Decision::AskLog => (Pc::AskLog, 0, false),
            Decision::Write { next, starts } => (Pc::Write, next, starts),
        };
        let pc = if p.opening { Pc::PutMarker } else { pc };
        s.procs[i] = Proc { pc, next, starts, ..p };
        self.wrong_order(s, i);
    }

    /// The modelled shell's own mutants of the order before a write.
    fn wrong_order(&mut self, s: &mut State, i: usize) {
        let p = s.procs[i];
        if p.pc != Pc::Write {
            return;
        }
        if self.has(Mutant::RecordAfterEffect) && p.starts {
            s.procs[i].pc = Pc::Send;
        }
        let view = self.core.view(p.next);
        if self.has(Mutant::ArchiveFirst) && view.phase == Phase::Closing {
            let next = self.core.reset(p.next, s.now);
            s.procs[i] = Proc { pc: Pc::Archive, body: view.body, generation: view.generation, next, ..p };
        }
    }

    /// `work::put_marker`.
    fn put_marker(&mut self, s: &State, i: usize, out: &mut Nexts) {
        let p = s.procs[i];
        let mut next = *s;
        insert(&mut next.markers, self.marker(p.generation));
        let pc = if p.next == 0 { Pc::AskLog } else { Pc::Write };
        next.procs[i] = Proc { pc, opening: false, ..p };
        self.wrong_order(&mut next, i);
        out.push(next, || format!("{{{i}}}: puts marker g{}", p.generation));
    }

    pub(crate) fn marker(&self, generation: u16) -> u16 {
        if self.has(Mutant::MarkerWithoutGeneration) { 1 } else { generation }
    }

    /// `work::ask_log`: an operation younger than the log's lag may be in it or not.
    fn ask_log(&mut self, s: &State, i: usize, out: &mut Nexts) {
        let operations = s.operations();
        let young: Vec<usize> =
            (0..operations.len()).filter(|n| s.now - operations[*n].1 < LOG_LAG).collect();
        let knows = self.core.view(s.procs[i].base).knows;
        for hidden in 0..1_u32 << young.len() {
            let is_hidden =
                |n: usize| young.iter().position(|y| *y == n).is_some_and(|at| hidden >> at & 1 == 1);
            let shown = (0..operations.len()).filter(|n| !is_hidden(*n)).map(|n| operations[n]);
            let mut next = *s;
            // The documented risk of `prefer`: an authorised stop that is too young for the log, and whose own event is not on
            // record yet.
            next.procs[i].risk = self.confirm == Confirm::Prefer
                && (0..operations.len()).filter(|n| is_hidden(*n) && operations[*n].0 != START).any(|n| {
                    let stop = operations[n].0 - 1;
                    s.stops[usize::from(stop)].0 == StopKind::Authorised && knows >> stop & 1 == 0
                });
            let reading = reading(shown);
            self.decide(&mut next, i, reading);
            out.push(next, || {
                let newest = match reading[0] {
                    NO_OPERATION => "nothing".to_owned(),
                    code if code >> 6 == START => "a start".to_owned(),
                    code => format!("stop {}", (code >> 6) - 1),
                };
                format!("{{{i}}}: the log names {newest} last, {}", then(next.procs[i].pc))
            });
        }
    }

    /// `work::write_then` up to the write, `records::save`.
    fn write(&mut self, s: &State, i: usize, out: &mut Nexts) {
        let p = s.procs[i];
        let mut next = *s;
        let record = self.core.aged(p.next, s.now);
        next.written(i, record);
        if p.starts && is_start_under_way(self, s, i) {
            let broken = "an intent is written while another may still land".to_owned();
            out.push_checked(next, Some(broken), || format!("{{{i}}}: writes an intent"));
            return;
        }
        if s.faults.own412 > 0 {
            let mut unanswered = next;
            unanswered.faults.own412 -= 1;
            unanswered.procs[i].pc = Pc::Verify;
            unanswered.procs[i].fresh = true;
            out.push(unanswered, || format!("{{{i}}}: writes the record; the answer is lost"));
        }
        next = self.written(next, i);
        let of_what = self.core.view(record).phase;
        out.push(next, || {
            let intent = if p.starts { " with an intent" } else { "" };
            format!("{{{i}}}: writes the record ({of_what:?}){intent}, {}", then(next.procs[i].pc))
        });
    }

    /// What follows a write that is done: the delivery is answered, a start is sent, the work goes on.
    fn written(&mut self, mut s: State, i: usize) -> State {
        let p = s.procs[i];
        if p.event > 0 {
            s.events[usize::from(p.event - 1)] = Event::Acknowledged;
        }
        s.procs[i] = Proc { event: 0, fresh: true, ..p };
        if p.starts && !self.has(Mutant::RecordAfterEffect) {
            s.procs[i].pc = Pc::Send;
        } else {
            self.go_on(&mut s, i);
        }
        s
    }

    /// `work::reconcile` on the record that this process just read or wrote.
    pub(crate) fn go_on(&mut self, s: &mut State, i: usize) {
        let view = self.core.view(s.record);
        match view.phase {
            Phase::Closing => self.begin_archive(s, i),
            Phase::Open | Phase::Held if view.due => s.procs[i].pc = Pc::Work,
            Phase::None | Phase::Open | Phase::Held => self.finish(s, i),
        }
    }

    pub(crate) fn begin_archive(&mut self, s: &mut State, i: usize) {
        let view = self.core.view(s.record);
        let p = s.procs[i];
        s.procs[i] = Proc { pc: Pc::Archive, fresh: true, body: view.body, generation: view.generation, ..p };
    }

    fn may_still_send(&self, s: &State, p: &Proc) -> bool {
        let looked = p.look.map(|(_, looked)| looked);
        looked == Some(s.now) || self.has(Mutant::NoDeadline)
    }

    /// `starting::send`: the last checks, then one POST. It is answered at once, or it is on its way and no answer comes.
    fn send(&mut self, s: &State, i: usize, out: &mut Nexts) {
        let p = s.procs[i];
        let note_next = if self.has(Mutant::RecordAfterEffect) { Pc::Write } else { Pc::Note };
        let noted = |s: &State, note: Note| with(s, i, Proc { pc: note_next, note, ..p });
        if !self.may_still_send(s, &p) {
            out.push(noted(s, Note::NotSent), || {
                format!("{{{i}}}: its look is too old by now: sends nothing")
            });
            return;
        }
        if self.has(Mutant::RecordAfterEffect) && is_start_under_way(self, s, i) {
            let broken = "a start is sent while another may still land".to_owned();
            out.push_checked(*s, Some(broken), || format!("{{{i}}}: sends a start"));
            return;
        }
        let mut answered = *s;
        let broken = self.arrive(&mut answered, Post { risk: p.risk, ..Post::default() });
        let note = match answered.cl == s.cl {
            false => Note::Sent,
            true if self.denied => Note::Refused,
            true => Note::PutOff,
        };
        out.push_checked(noted(&answered, note), broken, || format!("{{{i}}}: sends the start: {note:?}"));
        if room_for_a_post(s) && s.faults.late > 0 {
            let mut next = noted(s, Note::Unanswered);
            send_away(&mut next, &p);
            out.push(next, || format!("{{{i}}}: sends the start, no answer comes"));
        }
    }

    /// `starting::note`.
    fn note(&mut self, s: &State, i: usize, out: &mut Nexts) {
        let p = s.procs[i];
        let looked = p.look.map_or(0, |(_, looked)| looked);
        let mut next = *s;
        let record = self.core.note(s.record, p.note, looked, s.now);
        next.written(i, record);
        next.procs[i] = Proc { fresh: true, ..p };
        self.go_on(&mut next, i);
        out.push(next, || format!("{{{i}}}: writes down what came of the start: {:?}", p.note));
    }

    /// Strikes out what a process can't use any more. One whose ETag is old loses its next write, whatever it says: it will read,
    /// look and decide again (`intake::take_in`, `work::reconcile`).
    pub(crate) fn forget_locals(&self, s: &mut State, i: usize) {
        let p = s.procs[i];
        let is_lost = !p.fresh && !self.has(Mutant::ForgetEtag);
        let again = if p.event > 0 {
            Proc { pc: Pc::TakeIn, event: p.event, ..Proc::default() }
        } else {
            Proc { pc: Pc::Work, markers: p.markers, ..Proc::default() }
        };
        s.procs[i] = match p.pc {
            Pc::Idle => Proc::default(),
            Pc::TakeIn | Pc::Work => Proc { pc: p.pc, paused: p.paused, ..again },
            Pc::AskLog | Pc::Write | Pc::Verify | Pc::Reset if is_lost => again,
            Pc::Archive if is_lost && !self.has(Mutant::ArchiveFirst) => again,
            Pc::PutMarker if is_lost => Proc {
                pc: p.pc,
                paused: p.paused,
                event: p.event,
                generation: p.generation,
                ..Proc::default()
            },
            Pc::AskLog => Proc { next: 0, risk: false, generation: 0, ..p },
            Pc::Write | Pc::Verify if !p.starts => {
                Proc { base: 0, look: None, risk: false, generation: 0, body: 0, ..p }
            }
            Pc::Write | Pc::Verify => Proc { base: 0, generation: 0, body: 0, ..p },
            Pc::PutMarker => p,
            Pc::Send if self.has(Mutant::RecordAfterEffect) => p,
            Pc::Send | Pc::Note => {
                Proc { fresh: false, base: 0, next: 0, starts: false, generation: 0, body: 0, ..p }
            }
            Pc::Archive | Pc::Reset if self.has(Mutant::ArchiveFirst) => p,
            Pc::Archive | Pc::Reset => {
                Proc { base: 0, next: 0, look: None, starts: false, opening: false, risk: false, ..p }
            }
            Pc::Deliver => Proc { pc: p.pc, paused: p.paused, markers: p.markers, ..Proc::default() },
            Pc::DeleteMarkers | Pc::Burn => p,
        };
    }
}

pub(crate) fn with(s: &State, i: usize, p: Proc) -> State {
    let mut next = *s;
    next.procs[i] = p;
    next
}

fn room_for_a_post(s: &State) -> bool {
    s.posts.iter().any(|post| !post.on_its_way)
}

fn send_away(s: &mut State, p: &Proc) {
    let looked = p.look.map_or(s.now, |(_, looked)| looked);
    let lands_until: Tick = looked.max(s.now.saturating_sub(1)) + POST_LANDS_FOR;
    s.faults.late -= 1;
    s.posts.sort_unstable();
    s.posts[0] = Post { on_its_way: true, lands_until, risk: p.risk };
    s.posts.sort_unstable();
}

/// Whether a start that was decided before may still reach ARM.
fn is_start_under_way(world: &World, s: &State, i: usize) -> bool {
    let other = &s.procs[1 - i];
    s.posts.iter().any(|post| post.on_its_way) || (other.pc == Pc::Send && world.may_still_send(s, other))
}

fn reading(shown: impl Iterator<Item = (u8, Tick)>) -> Operations {
    let mut reading = [NO_OPERATION; 8];
    for (place, (what, tick)) in reading.iter_mut().zip(shown) {
        *place = what << 6 | tick;
    }
    reading
}

fn last_seen(record: &aks_stop_guard::case::Record) -> Option<Cl> {
    use aks_stop_guard::domain::Situation;
    match record.case()?.last_situation? {
        Situation::Running => Some(Cl::Running),
        Situation::Startable => Some(Cl::Stopped),
        Situation::Stopping => Some(Cl::Stopping),
        Situation::Starting => Some(Cl::Starting),
        Situation::FailedStopped => Some(Cl::FailedStopped),
        Situation::FailedRunning => Some(Cl::FailedRunning),
        Situation::Busy | Situation::Deleting | Situation::Unknown => None,
    }
}

fn then(pc: Pc) -> &'static str {
    match pc {
        Pc::Idle => "is done",
        Pc::TakeIn => "takes the event in next",
        Pc::Work => "goes on with the case",
        Pc::PutMarker => "puts its marker next",
        Pc::AskLog => "asks the log next",
        Pc::Write => "writes the record next",
        Pc::Verify => "reads it again next",
        Pc::Send => "sends a start next",
        Pc::Note => "writes down the result next",
        Pc::Archive => "archives it next",
        Pc::Reset => "takes it off the record next",
        Pc::Deliver => "tells people next",
        Pc::DeleteMarkers => "deletes markers next",
        Pc::Burn => "burns a generation next",
    }
}
