//! Each rule done wrong, one by one: the explorer finds what it costs, on the shortest way. A promise that nothing can break is
//! not checked.

use aks_stop_guard::case::Confirm;
use aks_stop_guard::mutant::{Mutant, plant};

use crate::scenarios::{NO_FAULTS, world};
use crate::search::{Broken, explore};
use crate::state::{Faults, StopKind};
use crate::world::World;

const U: Option<StopKind> = Some(StopKind::Unauthorised);
const A: Option<StopKind> = Some(StopKind::Authorised);

/// What the explorer finds in a world whose guard has this mutant.
fn found(mutant: Mutant, faults: Faults, set: impl FnOnce(&mut World)) -> Broken {
    let _planted = plant(mutant);
    let mut world = world(Confirm::Prefer, faults);
    world.mutant = Some(mutant);
    set(&mut world);
    let broken = explore(&mut world).finds();
    println!("{mutant:?}: {}\n  {}\n", broken.promise, broken.trace.join("\n  "));
    broken
}

fn two_stops(world: &mut World) {
    world.horizon = 5;
}

/// The steps, in this order, with others between them.
fn goes_by(broken: &Broken, steps: &[&str]) {
    let mut trace = broken.trace.iter();
    for step in steps {
        assert!(trace.any(|line| line.contains(step)), "`{step}` is missing in\n{}", broken.trace.join("\n"));
    }
}

#[test]
fn a_verdict_for_all_stops_undoes_an_authorised_stop() {
    let broken = found(Mutant::VerdictForAllStops, Faults { user: 1, ..NO_FAULTS }, two_stops);
    assert_eq!(broken.promise, "the guard started a cluster whose last stop was authorised");
    goes_by(
        &broken,
        &["stop 0 is accepted (Unauthorised)", "stop 1 is accepted (Authorised)", "sends the start: Sent"],
    );
}

#[test]
fn a_restart_without_proof_undoes_an_authorised_stop() {
    let broken = found(Mutant::NoProof, Faults { user: 1, ..NO_FAULTS }, |world| world.stops = vec![U, A]);
    assert_eq!(broken.promise, "the guard started a cluster whose last stop was authorised");
    goes_by(
        &broken,
        &[
            "somebody starts the cluster",
            "stop 1 is accepted (Authorised)",
            "event 0: Opened",
            "sends the start: Sent",
        ],
    );
}

#[test]
fn a_running_look_that_is_taken_for_final_at_once_misses_a_stop() {
    let broken = found(Mutant::NoSettling, NO_FAULTS, |world| world.stops = vec![U]);
    assert_eq!(
        broken.promise,
        "a cluster that nobody was allowed to stop stays down, and nobody is told (the cluster is Stopped, the case None)"
    );
    goes_by(&broken, &["looks: Running (stale)"]);
}

#[test]
fn a_held_case_that_is_over_leaves_a_cluster_down_and_nobody_told() {
    let broken = found(Mutant::HeldIsTheEnd, NO_FAULTS, |world| {
        world.stops = vec![U];
        world.denied = true;
    });
    assert!(broken.promise.contains("stays down, and nobody is told"), "{}", broken.promise);
}

#[test]
fn a_budget_that_is_off_by_one_lets_one_start_too_many_out() {
    let broken = found(Mutant::BudgetOffByOne, NO_FAULTS, |world| {
        *world = World {
            faults: world.faults,
            mutant: world.mutant,
            horizon: 5,
            ..World::new(Confirm::Prefer, true)
        };
        world.stops = vec![U, U];
    });
    assert_eq!(broken.promise, "more starts than the policies allow in a day");
}

#[test]
fn an_intent_without_a_deadline_meets_another() {
    let broken = found(Mutant::NoDeadline, Faults { pause: 1, user: 1, late: 1, ..NO_FAULTS }, |world| {
        world.stops = vec![U, A];
    });
    assert!(
        broken.promise.contains("while another may still land") || broken.promise.contains("authorised"),
        "{}",
        broken.promise
    );
}

#[test]
fn a_marker_that_names_no_case_is_deleted_under_a_new_one() {
    let broken = found(Mutant::MarkerWithoutGeneration, Faults { dup: 1, ..NO_FAULTS }, two_stops);
    assert!(broken.promise.contains("has no marker"), "{}", broken.promise);
    goes_by(&broken, &["puts marker", "writes the record", "deletes marker"]);
}

#[test]
fn a_marker_that_is_deleted_without_burning_is_deleted_under_a_new_case() {
    let broken = found(Mutant::NoBurning, NO_FAULTS, |world| world.stops = vec![U]);
    assert!(broken.promise.contains("has no marker"), "{}", broken.promise);
    goes_by(&broken, &["puts marker g1", "deletes marker g1"]);
}

#[test]
fn a_case_that_is_archived_first_has_two_final_forms() {
    let broken = found(Mutant::ArchiveFirst, Faults { crash: 1, user: 1, ..NO_FAULTS }, two_stops);
    assert!(broken.promise.starts_with("one case has two final forms"), "{}", broken.promise);
    goes_by(&broken, &["archives the case", "archives the case"]);
}

#[test]
fn a_write_that_forgets_its_etag_opens_a_case_under_a_burnt_generation() {
    let broken = found(Mutant::ForgetEtag, NO_FAULTS, two_stops);
    assert_eq!(broken.promise, "a case is Open or has news to tell, and has no marker");
    insta::assert_snapshot!(broken.trace.join("\n"), @r"
    world: stop 0 is accepted (Unauthorised)
    P0: event 0: Opened, looks: Stopping, puts its marker next
    P0: puts marker g1
    P1: reads the record: nothing is due
    P1: burns generation g1
    P0: writes the record (Open), tells people next
    P1: deletes marker g1
    ");
}

#[test]
fn a_start_before_its_intent_is_sent_twice() {
    let broken =
        found(Mutant::RecordAfterEffect, Faults { late: 1, ..NO_FAULTS }, |world| world.stops = vec![U]);
    assert!(broken.promise.contains("while another may still land"), "{}", broken.promise);
}

/// The shortest way to a broken promise is an incident that is never resolved; the search stops there.
#[test]
fn a_case_that_looks_once_never_sees_its_cluster_run() {
    let broken = found(Mutant::SkipLook, Faults { user: 1, ..NO_FAULTS }, |world| world.stops = vec![U, A]);
    assert!(
        broken.promise.starts_with("the cluster runs, and its incident stays open"),
        "{}",
        broken.promise
    );
}

/// The risk that the default takes, and docs/RELIABILITY.md tells: the late event of an earlier stop undoes an authorised one that
/// neither the log nor an event told of yet.
#[test]
fn under_prefer_a_late_event_may_undo_an_authorised_stop_that_the_log_does_not_show_yet() {
    let mut world = world(Confirm::Prefer, Faults { user: 1, ..NO_FAULTS });
    world.stops = vec![U, A];
    world.strict = true;
    let broken = explore(&mut world).finds();
    assert_eq!(broken.promise, "the guard started a cluster whose last stop was authorised");
    goes_by(
        &broken,
        &[
            "somebody starts the cluster",
            "stop 1 is accepted (Authorised)",
            "event 0: Opened",
            "the log names stop 0 last",
            "sends the start: Sent",
        ],
    );
}

#[test]
fn under_require_no_late_event_undoes_an_authorised_stop() {
    let mut world = world(Confirm::Require, Faults { user: 1, ..NO_FAULTS });
    world.stops = vec![U, A];
    world.strict = true;
    world.horizon = 6;
    explore(&mut world).holds();
}
