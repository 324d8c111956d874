//! Breadth first through every state, and the shortest way to a bad one in words.

use std::hash::{BuildHasherDefault, Hash, Hasher as _};

use crate::state::State;
use crate::world::World;

/// A quick hash for small keys; full keys are compared, so that nothing rests on it.
#[derive(Default, Clone, Copy)]
pub(crate) struct Mix(u64);

pub(crate) type Hasher = BuildHasherDefault<Mix>;

impl std::hash::Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }
    fn write_u8(&mut self, n: u8) {
        self.write_u64(n.into());
    }
    fn write_u16(&mut self, n: u16) {
        self.write_u64(n.into());
    }
    fn write_u32(&mut self, n: u32) {
        self.write_u64(n.into());
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }
}

/// What may come next.
pub(crate) struct Next {
    pub state: State,
    /// What happened, if words are wanted.
    pub words: String,
    /// The promise that it broke.
    pub broken: Option<String>,
}

/// Collects what may come next.
pub(crate) struct Nexts {
    pub items: Vec<Next>,
    in_words: bool,
}

impl Nexts {
    pub(crate) fn new(in_words: bool) -> Self {
        Self { items: Vec::new(), in_words }
    }

    pub(crate) fn push(&mut self, state: State, words: impl FnOnce() -> String) {
        self.push_checked(state, None, words);
    }

    pub(crate) fn push_checked(
        &mut self,
        state: State,
        broken: Option<String>,
        words: impl FnOnce() -> String,
    ) {
        let words = if self.in_words { words() } else { String::new() };
        self.items.push(Next { state, words, broken });
    }
}

/// States that were seen, each once, with the one it was first reached from.
struct Seen {
    states: Vec<State>,
    from: Vec<u32>,
    table: Vec<u32>,
}

const FREE: u32 = u32::MAX;

fn hash(state: &State) -> usize {
    let mut hasher = Mix::default();
    state.hash(&mut hasher);
    usize::try_from(hasher.finish()).unwrap()
}

impl Seen {
    fn new() -> Self {
        Self { states: Vec::new(), from: Vec::new(), table: vec![FREE; 1 << 16] }
    }

    fn insert(&mut self, state: State, from: u32) {
        if self.states.len() * 2 > self.table.len() {
            self.grow();
        }
        let mask = self.table.len() - 1;
        let mut at = hash(&state) & mask;
        while self.table[at] != FREE {
            if self.states[self.table[at] as usize] == state {
                return;
            }
            at = (at + 1) & mask;
        }
        self.table[at] = u32::try_from(self.states.len()).unwrap();
        self.states.push(state);
        self.from.push(from);
    }

    fn grow(&mut self) {
        let mut table = vec![FREE; self.table.len() * 2];
        let mask = table.len() - 1;
        for (id, state) in self.states.iter().enumerate() {
            let mut at = hash(state) & mask;
            while table[at] != FREE {
                at = (at + 1) & mask;
            }
            table[at] = u32::try_from(id).unwrap();
        }
        self.table = table;
    }
}

/// What an exploration came to.
pub(crate) struct Explored {
    pub states: usize,
    /// Steps on the longest shortest way.
    pub depth: usize,
    /// Real steps of the case machine, each taken once.
    pub real_steps: usize,
    pub broken: Option<Broken>,
}

/// A broken promise, and the shortest way to it.
pub(crate) struct Broken {
    pub promise: String,
    pub trace: Vec<String>,
}

impl Explored {
    /// Panics with the way to the broken promise, if there is one.
    pub(crate) fn holds(&self) {
        if let Some(broken) = &self.broken {
            panic!("{}\n{}", broken.promise, broken.trace.join("\n"));
        }
    }

    /// The promise that was broken. Panics if none was.
    pub(crate) fn finds(self) -> Broken {
        let states = self.states;
        self.broken.unwrap_or_else(|| panic!("nothing was found in {states} states"))
    }
}

/// Explores a world to its end, or to the first broken promise. A world of more states than it was given is no result, and
/// panics.
pub(crate) fn explore(world: &mut World) -> Explored {
    let mut seen = Seen::new();
    seen.insert(world.first(), FREE);
    let mut at = 0;
    let mut depth = 0;
    let mut level_ends = 1;
    let mut broken = None;
    while let Some(state) = seen.states.get(at).copied() {
        if at == level_ends {
            depth += 1;
            level_ends = seen.states.len();
        }
        let id = u32::try_from(at).unwrap();
        if let Some((promise, end)) = world.broken_in(&state) {
            let (mut trace, _) = way_to(world, &seen, id);
            trace.extend(end);
            broken = Some(Broken { promise, trace });
            break;
        }
        let mut nexts = Nexts::new(false);
        world.nexts(&state, &mut nexts);
        if let Some(n) = nexts.items.iter().position(|next| next.broken.is_some()) {
            let (mut trace, names) = way_to(world, &seen, id);
            let mut worded = Nexts::new(true);
            world.nexts(&state, &mut worded);
            trace.push(named(&worded.items[n].words, names));
            let promise = nexts.items[n].broken.clone().unwrap();
            broken = Some(Broken { promise, trace });
            break;
        }
        for mut next in nexts.items {
            next.state.sort_procs();
            seen.insert(next.state, id);
        }
        assert!(seen.states.len() <= world.states_max, "more than {} states", world.states_max);
        at += 1;
    }
    Explored { states: seen.states.len(), depth, real_steps: world.core.steps, broken }
}

/// The way to a state, in words. A process keeps its name on the way, whichever place the order of processes gives it.
fn way_to(world: &mut World, seen: &Seen, id: u32) -> (Vec<String>, [&'static str; 2]) {
    let mut way = vec![id];
    while let Some(from) = way.last().map(|id| seen.from[*id as usize]).filter(|from| *from != FREE) {
        way.push(from);
    }
    way.reverse();
    let mut names = ["P0", "P1"];
    let mut words = Vec::new();
    for pair in way.windows(2) {
        let (from, to) = (seen.states[pair[0] as usize], seen.states[pair[1] as usize]);
        let mut nexts = Nexts::new(true);
        world.nexts(&from, &mut nexts);
        let found = nexts.items.into_iter().find_map(|mut next| {
            let exchanged = next.state.sort_procs();
            (next.state == to).then_some((next.words, exchanged))
        });
        let (text, exchanged) = found.unwrap();
        words.push(named(&text, names));
        if exchanged {
            names.swap(0, 1);
        }
    }
    (words, names)
}

fn named(words: &str, names: [&str; 2]) -> String {
    words.replace("{0}", names[0]).replace("{1}", names[1])
}
