//! What a case and a start mean for the next case, and for another cluster under the same id (rules 16 and 28).

use super::*;

/// A look in that second at a stopped cluster that was made under the id of the first one.
fn another_cluster(second: i64) -> Result<Look, LookProblem> {
    let mut look = Arm::Stopped.look(at(second))?;
    let Found::Cluster(cluster) = &mut look.found else { panic!("{look:?}") };
    cluster.resource_uid = Some("uid-2".to_owned());
    Ok(look)
}

#[test]
fn rule_16_it_blocks_also_when_another_cluster_is_there_under_the_same_id() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Stopped, 11);
    world.hears(stop(mallory(), 55), 55);
    for second in [55, 56, 90, 120, 150] {
        assert_eq!(world.steps(&POLICIES, another_cluster(second), second).start, None, "after {second} s");
    }
    assert_eq!(world.last_line(), "waiting until an earlier start can't land any more");
    let intent = world.steps(&POLICIES, another_cluster(151), 151).start.unwrap();
    assert_eq!(intent.n, 1, "the old cluster's attempts are void");
}

#[test]
fn rule_16_it_blocks_the_next_case_too() {
    for came_to in [None, Some(IntentState::Unanswered), Some(put_off("OperationNotAllowed"))] {
        let mut world = World::stopped_by(mallory());
        world.sees(Arm::Stopped, 11);
        if let Some(state) = came_to.clone() {
            world.start_came_to(state, 12);
        }
        world.sees(Arm::Gone, 41);
        world.is_archived();
        assert_eq!(world.hears(stop(trudy(), 80), 81), Taken::Opened);
        for second in [82, 116, 150] {
            let started = world.steps(&POLICIES, another_cluster(second), second).start;
            assert_eq!(started, None, "{came_to:?} after {second} s");
        }
        assert!(world.steps(&POLICIES, another_cluster(151), 151).start.is_some(), "{came_to:?}");
    }
}

#[test]
fn rule_16_a_start_that_was_certainly_not_sent_blocks_no_later_case() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Stopped, 11);
    world.start_came_to(IntentState::NotSent { why: "no token".to_owned() }, 12);
    world.sees(Arm::Gone, 41);
    world.is_archived();
    world.hears(stop(trudy(), 80), 81);
    assert!(world.steps(&POLICIES, another_cluster(82), 82).start.is_some());
}

#[test]
fn rule_28_another_cluster_under_the_same_id_ends_the_case_of_the_old_one_and_keeps_the_budgets() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Stopped, 11);
    world.record.history.running_seen_at = Some(at(-9_000));
    let stepped = world.steps(&POLICIES, another_cluster(600), 600);
    assert_eq!((stepped.start, world.outcome()), (None, Some(Outcome::Gone)));
    assert_eq!(world.record.history.running_seen_at, None);
    assert_eq!(world.record.history.starts, [at(11)]);
}

#[test]
fn rule_28_between_cases_another_cluster_voids_what_was_known_of_the_old_one() {
    let mut world = World::new();
    world.record.resource_uid = Some("uid-0".to_owned());
    world.hears(stop(mallory(), 0), 10);
    world.record.history.authorised = Some(super::super::record::AuthorisedStop {
        stop_time: at(-900),
        caller: pipeline(),
        correlation_id: None,
    });
    assert!(world.sees(Arm::Stopped, 11).start.is_some(), "the old one's authorised stop explains nothing");
    assert_eq!(world.record.resource_uid.as_deref(), Some("uid-1"));
    assert_eq!(world.record.history.authorised, None);
}

#[test]
fn a_cluster_whose_uid_arm_does_not_tell_is_the_same_one() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Stopping, 11);
    let mut look = Arm::Stopped.look(at(41)).unwrap();
    let Found::Cluster(cluster) = &mut look.found else { panic!("{look:?}") };
    cluster.resource_uid = None;
    assert!(world.steps(&POLICIES, Ok(look), 41).start.is_some());
}

#[test]
fn a_stop_of_the_new_cluster_is_not_lost_with_the_old_ones_case() {
    let mut world = World::stopped_by(mallory());
    world.hold = Some("audit by Ada".to_owned());
    world.sees(Arm::Stopped, 11);
    world.hold = None;
    world.hears(stop(trudy(), 5_000), 5_010);
    let started =
        [5_011, 5_012].map(|second| world.steps(&POLICIES, another_cluster(second), second).start.is_some());
    assert!(started.contains(&true), "{:?}", world.record.episode);
}
