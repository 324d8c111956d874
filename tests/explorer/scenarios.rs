use aks_stop_guard::case::Confirm;
use crate::search::explore;
use crate::state::*;
use crate::world::World;

fn run(name: &str, faults: Faults, f: impl FnOnce(&mut World)) {
    let t = std::time::Instant::now();
    let mut w = World::new(Confirm::Prefer, false);
    w.faults = faults;
    f(&mut w);
    let e = explore(&mut w);
    println!("{name}: {} states, depth {}, {} real steps, {} records, endwell {}, {:?}", e.states, e.depth, e.real_steps, w.core.records(), w.end_well.len(), t.elapsed());
    e.holds();
}

#[test]
fn one_stop() { run("one", Faults::default(), |w| { w.stops = vec![None]; w.horizon = 5; }); }
#[test]
fn two() { run("two", Faults::default(), |w| { w.horizon = 6; }); }
