//! The bounded worlds, and what is promised in each. All promises are checked in each state and on each step of each world.
//!
//! A world has at most two stops (`three`: three) by anybody, and at most the faults that its name stands for. In each, ARM shows a
//! stop late, the log shows anything younger than its lag or not, and events come in any order and at any time.

use aks_stop_guard::case::Confirm;

use crate::search::{Explored, explore};
use crate::state::{Faults, StopKind};
use crate::world::World;

const U: Option<StopKind> = Some(StopKind::Unauthorised);
const A: Option<StopKind> = Some(StopKind::Authorised);

/// What every world has: a sweep may burn a generation once. (Burning and opening could take turns for ever within one tick.)
pub(crate) const NO_FAULTS: Faults =
    Faults { crash: 0, dup: 0, lost: 0, user: 0, fail: 0, own412: 0, late: 0, pause: 0, burn: 1 };

/// A world of two stops, by anybody.
pub(crate) fn world(confirm: Confirm, faults: Faults) -> World {
    let mut world = World::new(confirm, false);
    world.faults = faults;
    world.horizon = 4;
    world
}

/// Explores it to its end, and tells how much that was.
pub(crate) fn explored(name: &str, mut world: World) -> Explored {
    let explored = explore(&mut world);
    println!(
        "{name}: {} states, {} steps deep, {} real steps of the case machine, horizon {} ticks",
        explored.states, explored.depth, explored.real_steps, world.horizon
    );
    explored
}

fn holds(name: &str, faults: Faults) {
    explored(name, world(Confirm::Prefer, faults)).holds();
}

/// Where the first stop is one that nobody was allowed to: the worlds of several faults.
fn holds_from_an_unauthorised_stop(name: &str, faults: Faults) {
    let mut world = world(Confirm::Prefer, faults);
    world.stops = vec![U, None];
    explored(name, world).holds();
}

/// One tick shorter, and an authorised stop second: the worlds of three faults.
fn holds_for_three_ticks(name: &str, faults: Faults) {
    let mut world = world(Confirm::Prefer, faults);
    world.stops = vec![U, A];
    world.horizon = 3;
    explored(name, world).holds();
}

/// With both ways to prove who stopped the cluster last.
fn holds_in_both(name: &str, faults: Faults) {
    holds(name, faults);
    explored(&format!("{name}, require"), world(Confirm::Require, faults)).holds();
}

fn holds_for_one_stop(name: &str, faults: Faults, denied: bool) {
    let mut world = world(Confirm::Prefer, faults);
    world.stops = vec![U];
    world.denied = denied;
    world.horizon = 3;
    explored(name, world).holds();
}

#[test]
fn crash_a_process_that_is_killed_at_any_step_breaks_no_promise() {
    holds("crash", Faults { crash: 1, ..NO_FAULTS });
}

#[test]
fn crash2_two_deaths_break_no_promise() {
    holds_from_an_unauthorised_stop("crash2", Faults { crash: 2, ..NO_FAULTS });
}

#[test]
fn dup_an_event_that_comes_twice_breaks_no_promise() {
    holds_in_both("dup", Faults { dup: 1, ..NO_FAULTS });
}

#[test]
fn user_a_start_by_somebody_else_breaks_no_promise() {
    holds_in_both("user", Faults { user: 1, ..NO_FAULTS });
}

#[test]
fn userdup_a_start_by_somebody_else_and_an_event_that_comes_twice_break_no_promise() {
    holds_from_an_unauthorised_stop("userdup", Faults { user: 1, dup: 1, ..NO_FAULTS });
}

#[test]
fn disc_two_stops_whose_events_come_late_break_no_promise() {
    holds_in_both("disc", NO_FAULTS);
}

#[test]
fn lost_an_event_that_never_comes_and_a_start_by_somebody_else_undo_no_authorised_stop() {
    holds_in_both("lost", Faults { lost: 1, user: 1, ..NO_FAULTS });
}

#[test]
fn fail_a_start_that_fails_breaks_no_promise() {
    holds("fail", Faults { fail: 1, ..NO_FAULTS });
}

#[test]
fn own412_a_write_whose_answer_is_lost_breaks_no_promise() {
    holds("own412", Faults { own412: 1, ..NO_FAULTS });
}

#[test]
fn late_a_start_that_lands_late_or_never_breaks_no_promise() {
    holds_from_an_unauthorised_stop("late", Faults { late: 1, user: 1, ..NO_FAULTS });
}

#[test]
fn pause_an_invocation_that_sleeps_between_any_two_steps_breaks_no_promise() {
    let mut sleeper = world(Confirm::Prefer, Faults { pause: 1, late: 1, user: 1, ..NO_FAULTS });
    sleeper.stops = vec![U, A];
    explored("pause", sleeper).holds();
}

#[test]
fn denied_a_guard_that_may_not_start_asks_people() {
    holds_for_one_stop("denied", Faults { crash: 1, dup: 1, user: 1, ..NO_FAULTS }, true);
}

#[test]
fn one2_one_stop_and_every_fault_once_break_no_promise() {
    let faults = Faults { crash: 1, dup: 1, user: 1, fail: 1, own412: 1, ..NO_FAULTS };
    holds_for_one_stop("one2", faults, false);
}

#[test]
fn mix_a_death_a_repeat_and_a_failed_start_break_no_promise() {
    holds_for_three_ticks("mix", Faults { crash: 1, dup: 1, fail: 1, ..NO_FAULTS });
}

#[test]
fn mix2_a_death_a_start_by_somebody_else_and_a_failed_start_break_no_promise() {
    holds_for_three_ticks("mix2", Faults { crash: 1, user: 1, fail: 1, ..NO_FAULTS });
}

#[test]
fn three_stops_and_a_start_by_somebody_else_break_no_promise() {
    let mut three = world(Confirm::Prefer, Faults { user: 1, ..NO_FAULTS });
    three.stops = vec![U, U, A];
    explored("three", three).holds();
}
