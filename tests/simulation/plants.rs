//! The checkers find what they look for: each planted bug is caught, and by the checker that is meant to. Without a plant the
//! same seeds break nothing.

use aks_stop_guard::case::Confirm;
use aks_stop_guard::domain::Severity;
use aks_stop_guard::mutant::{Mutant, plant};
use jiff::SignedDuration;

use crate::judge::{Broken, Promise};
use crate::run::play;
use crate::runner::report;
use crate::seed::{Aim, Dice, Knobs, PolicyChoice, Rates, RouteChoice};

/// Seeds that a planted bug gets at most until it is found.
const SEEDS_MAX: u64 = 2_000;
/// Seeds that are played without a plant as well.
const SEEDS_OF_CONTROL: u64 = 60;

/// A family of worlds in which a bug has something to do.
type Family = fn(&mut Knobs);

fn world(seed: u64, family: Family) -> Knobs {
    let mut knobs = Knobs::of(seed);
    knobs.trouble = SignedDuration::from_secs(3_000);
    knobs.confirm = Confirm::Prefer;
    knobs.deploys = false;
    knobs.deletes = 0;
    family(&mut knobs);
    knobs
}

/// Plays seeds with a bug planted, until a checker finds it. Returns the checker.
fn caught(mutant: Mutant, family: Family) -> Broken {
    let planted = plant(mutant);
    for seed in 0..SEEDS_MAX {
        if let Some(broken) = play(world(seed, family), false).broken {
            drop(planted);
            without_the_plant_nothing_breaks(family);
            return broken;
        }
    }
    panic!("{mutant:?} was not found in {SEEDS_MAX} seeds");
}

/// Expects one of these checkers to find the bug.
fn finds(mutant: Mutant, family: Family, promises: &[Promise]) {
    let broken = caught(mutant, family);
    assert!(promises.contains(&broken.promise), "{mutant:?} was found as {broken:?}");
}

fn without_the_plant_nothing_breaks(family: Family) {
    for seed in 0..SEEDS_OF_CONTROL {
        let outcome = play(world(seed, family), false);
        assert!(outcome.broken.is_none(), "without a plant: {}", report(&outcome));
    }
}

/// Several processes that stumble over each other.
fn crowded(knobs: &mut Knobs) {
    knobs.processes = 3;
    knobs.duplicates = 80;
    knobs.clusters = 1;
    knobs.unauthorised = 100;
    knobs.rates.slow = 10_000;
}

fn crashing(knobs: &mut Knobs) {
    knobs.rates = Rates { crash: 15_000, ..Rates::default() };
    knobs.unauthorised = 100;
}

fn throttled(knobs: &mut Knobs) {
    knobs.rates = Rates { start: 500_000, ..Rates::default() };
    knobs.unauthorised = 100;
    knobs.holds = false;
}

fn paused(knobs: &mut Knobs) {
    knobs.rates = Rates { pause: 40_000, ..Rates::default() };
    knobs.unauthorised = 100;
    knobs.holds = false;
}

fn contested(knobs: &mut Knobs) {
    knobs.people = 60;
    knobs.stops = 4;
    knobs.rates.token = 60_000;
}

fn stormy(knobs: &mut Knobs) {
    knobs.clusters = 4;
    knobs.policy = PolicyChoice { ops_may_stop: true, breaker: Some(2) };
    knobs.unauthorised = 100;
    knobs.stops = 1;
    knobs.rates = Rates::default();
}

fn quiet_end(knobs: &mut Knobs) {
    knobs.aim = Aim::Liveness;
    knobs.unauthorised = 100;
    knobs.rates = Rates { sink: 500_000, ..Rates::default() };
}

/// Many sinks of which one is down, and little room for incidents.
fn routed(knobs: &mut Knobs) {
    knobs.unauthorised = 100;
    knobs.clusters = 4;
    knobs.sinks = 2;
    knobs.rates = Rates::default();
    knobs.routes = RouteChoice { pager_from: Severity::High, fallback: true, dead: Some("webhook"), cap: 1 };
}

/// Stops of which nobody tells, after stops that were allowed and starts by people.
fn unheard(knobs: &mut Knobs) {
    quiet_end(knobs);
    knobs.lose_events(&mut Dice::new(knobs.seed));
    knobs.lost = 50;
    knobs.unauthorised = 50;
    knobs.people = 60;
    knobs.stops = 4;
}

#[test]
fn a_write_that_forgets_the_etag_is_caught() {
    let lost_update = [
        Promise::AckedIsKept,
        Promise::ArchiveIsFinal,
        Promise::QuietBetween,
        Promise::GenerationGrows,
        Promise::MessageKept,
        Promise::AckedIsDurable,
        Promise::IntentFirst,
        Promise::MarkerGuardsCase,
    ];
    finds(Mutant::ForgetEtag, crowded, &lost_update);
}

#[test]
fn a_start_before_its_record_is_caught() {
    finds(Mutant::RecordAfterEffect, crashing, &[Promise::IntentFirst]);
}

#[test]
fn a_retry_after_that_is_ignored_is_caught() {
    finds(Mutant::IgnoreRetryAfter, throttled, &[Promise::RetryAfter]);
}

#[test]
fn a_start_without_a_look_is_caught() {
    finds(Mutant::SkipLook, contested, &[Promise::FreshLook]);
}

#[test]
fn an_intent_without_a_deadline_is_caught() {
    finds(Mutant::NoDeadline, paused, &[Promise::FreshLook]);
}

#[test]
fn a_marker_without_a_generation_is_caught() {
    finds(Mutant::MarkerWithoutGeneration, crowded, &[Promise::MarkerGuardsCase]);
}

#[test]
fn a_marker_that_is_deleted_without_burning_is_caught() {
    finds(Mutant::NoBurning, crowded, &[Promise::MarkerGuardsCase]);
}

#[test]
fn a_budget_that_is_off_by_one_is_caught() {
    finds(Mutant::BudgetOffByOne, stormy, &[Promise::Breaker]);
}

#[test]
fn an_end_for_those_who_heard_no_beginning_is_caught() {
    finds(Mutant::EndToAll, routed, &[Promise::OpenedFirst]);
}

#[test]
fn a_sink_that_is_down_and_that_nobody_stands_in_for_is_caught() {
    finds(Mutant::NoFallback, routed, &[Promise::FallenBack]);
}

#[test]
fn a_group_that_is_not_told_of_an_end_is_caught() {
    finds(Mutant::ForgetGroup, routed, &[Promise::Grouped]);
}

#[test]
fn a_forgotten_outbox_is_caught() {
    finds(Mutant::ForgetOutbox, quiet_end, &[Promise::MessageKept]);
}

#[test]
fn an_archive_before_its_record_is_caught() {
    finds(Mutant::ArchiveFirst, crashing, &[Promise::ArchiveIsFinal]);
}

#[test]
fn an_authorised_stop_that_explains_for_ever_is_caught() {
    finds(Mutant::AuthorisedForEver, unheard, &[Promise::Found]);
}
