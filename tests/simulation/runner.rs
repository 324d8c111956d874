//! Plays many seeds on all processors, and replays one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::run::{Outcome, play};
use crate::seed::Knobs;

/// Seeds that `make test` plays.
const SEEDS: u64 = 10_000;
/// Lines of a trace that a failure shows.
const TRACE_LINES: usize = 60;

/// A number from the environment.
#[expect(clippy::disallowed_methods, reason = "the Makefile says what to play")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.replace('_', "").parse().ok())
}

/// Plays seeds until one breaks something. Returns how many were played, and that one.
fn play_all(from: u64, seeds: u64) -> (u64, Option<Outcome>) {
    let next = AtomicU64::new(from);
    let stop = AtomicBool::new(false);
    let began = Instant::now();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let mut broken = std::thread::scope(|scope| {
        let work = || {
            while !stop.load(Ordering::Relaxed) {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= from + seeds {
                    break;
                }
                tell_progress(seed - from, seeds, began.elapsed());
                let outcome = play(Knobs::of(seed), false);
                if outcome.broken.is_some() {
                    stop.store(true, Ordering::Relaxed);
                    return Some(outcome);
                }
            }
            None
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().filter_map(|thread| thread.join().expect("a run panicked")).collect::<Vec<_>>()
    });
    broken.sort_by_key(|outcome| outcome.knobs.seed);
    (next.load(Ordering::Relaxed).min(from + seeds) - from, broken.into_iter().next())
}

#[expect(clippy::print_stderr, reason = "a soak runs for hours")]
fn tell_progress(done: u64, of: u64, took: Duration) {
    if done > 0 && done.is_multiple_of(10_000) {
        eprintln!("{done} of {of} seeds, {:.1} ms each", took.as_secs_f64() * 1_000.0 / done as f64);
    }
}

/// What a failure says.
pub(crate) fn report(outcome: &Outcome) -> String {
    let seed = outcome.knobs.seed;
    let replayed = play(outcome.knobs.clone(), true);
    let from = replayed.trace.len().saturating_sub(TRACE_LINES);
    let tail = replayed.trace.get(from..).unwrap_or_default().join("\n");
    format!(
        "{outcome}\ncommit={}\nreplay: make replay SEED={seed}\n... {tail}\n{:#?}",
        commit(),
        replayed.knobs
    )
}

fn commit() -> String {
    let asked = std::process::Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    asked.map_or_else(|_| "?".to_owned(), |out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

#[test]
fn whatever_goes_wrong_the_promises_hold() {
    let from = setting("SIMULATION_FROM").unwrap_or(0);
    let (played, broken) = play_all(from, setting("SIMULATION_SEEDS").unwrap_or(SEEDS));
    assert!(played > 0, "no seed was played");
    if let Some(outcome) = broken {
        panic!("{}", report(&outcome));
    }
}

#[test]
fn a_seed_replays_byte_for_byte() {
    let chosen = setting("SIMULATION_REPLAY");
    for seed in chosen.map_or(0..20, |seed| seed..seed + 1) {
        let (first, second) = (play(Knobs::of(seed), true), play(Knobs::of(seed), true));
        let differs = first.trace.iter().zip(&second.trace).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(first.trace.len(), second.trace.len(), "seed {seed}");
        if chosen.is_some() {
            show(&first);
        }
    }
}

#[expect(clippy::print_stdout, reason = "somebody wants to read it")]
fn show(outcome: &Outcome) {
    println!("{}\n{outcome}", outcome.trace.join("\n"));
}
