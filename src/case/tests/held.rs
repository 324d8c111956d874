//! A case that waits for people (rule 21).

use super::*;

/// A case that is held by `hold`, told at second 11.
fn held() -> World {
    let mut world = World::stopped_by(mallory());
    world.log_says(vec![log_stop(mallory(), 0)]);
    world.hold = Some("audit by Ada".to_owned());
    let stepped = world.sees(Arm::Stopped, 11);
    assert_eq!(states(&stepped.told), [IncidentState::Opened]);
    assert_eq!(world.held(), Some(&Held::Hold { reason: "audit by Ada".to_owned() }));
    world
}

#[test]
fn rule_21_a_held_case_is_looked_at_every_five_minutes_and_told_once() {
    let mut world = held();
    for second in (311..100_000).step_by(300) {
        let stepped = world.sees(Arm::Stopped, second);
        assert_eq!((stepped.start, stepped.told), (None, vec![]), "after {second} s");
        assert_eq!(world.next_look_after(second), 300);
    }
}

#[test]
fn rule_21_a_lifted_hold_does_not_arm_the_case() {
    let mut world = held();
    world.hold = None;
    assert_eq!(world.sees(Arm::Stopped, 311).start, None);
    assert!(world.held().is_some());
}

#[test]
fn rule_21_a_newer_stop_does() {
    let mut world = held();
    world.hold = None;
    world.hears(stop(trudy(), 400), 410);
    assert!(world.sees(Arm::Stopped, 411).start.is_some());
}

#[test]
fn rule_21_it_ends_when_the_cluster_runs_or_is_gone() {
    for (arm, outcome) in [(Arm::Running, Outcome::AlreadyRunning), (Arm::Gone, Outcome::Gone)] {
        let mut world = held();
        let stepped = world.sees(arm, 311);
        assert_eq!(world.outcome(), Some(outcome));
        assert_eq!(states(&stepped.told), [IncidentState::Resolved]);
    }
}

#[test]
fn rule_21_somebody_who_starts_it_is_watched_and_a_failure_of_theirs_arms_nothing() {
    let mut world = held();
    world.sees(Arm::Starting, 311);
    assert!(world.held().is_some());
    assert_eq!(world.next_look_after(311), 30);
    assert_eq!(world.sees(Arm::Stopped, 341).start, None);
    assert_eq!(world.held(), Some(&Held::Hold { reason: "audit by Ada".to_owned() }));
}

#[test]
fn rule_21_a_policy_that_permits_the_restart_later_does_not_arm_the_case() {
    let mut world = World::stopped_by(mallory());
    world.steps(&only(PIPELINE_MAY_STOP), Arm::Stopped.look(at(11)), 11);
    assert_eq!(world.held(), Some(&Held::NotPermitted { policies: vec![] }));
    assert_eq!(world.sees(Arm::Stopped, 311).start, None);
    assert_eq!(world.held(), Some(&Held::NotPermitted { policies: vec![] }));
}

#[test]
fn rule_10_a_policy_that_authorises_the_stop_later_ends_it() {
    let mut world = World::stopped_by(pipeline());
    world.hold = Some("audit by Ada".to_owned());
    world.log_says(vec![log_stop(pipeline(), 0)]);
    world.steps(&Policies::default_set().unwrap(), Arm::Stopped.look(at(11)), 11);
    assert!(world.held().is_some());
    let stepped = world.sees(Arm::Stopped, 311);
    assert_eq!(world.outcome(), Some(Outcome::Authorised));
    assert_eq!(states(&stepped.told), [IncidentState::Resolved]);
}

#[test]
fn a_cluster_that_does_not_come_to_run_becomes_an_incident_after_an_hour() {
    for arm in [Arm::Stopping, Arm::Starting, Arm::Busy, Arm::Deleting, Arm::Silent, Arm::Unreachable] {
        let mut world = World::stopped_by(mallory());
        for second in (11..3_600).step_by(30) {
            world.sees(arm, second);
            assert_eq!(world.held(), None, "{arm:?} after {second} s");
        }
        world.sees(arm, 3_641);
        assert!(matches!(world.held(), Some(Held::TooLong { .. })), "{arm:?}");
    }
}

#[test]
fn a_cluster_in_a_failed_state_that_no_start_mends_becomes_an_incident_at_once() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::FailedRunning, 11);
    assert_eq!(world.held(), Some(&Held::FailedState));
}

#[test]
fn a_look_that_fails_is_taken_again_when_arm_asks_for_it() {
    let mut world = World::stopped_by(mallory());
    let throttled = |seconds| LookProblem {
        text: "ARM answered 429".to_owned(),
        retry_after: Some(SignedDuration::from_secs(seconds)),
    };
    let stepped = world.steps(&POLICIES, Err(throttled(200)), 11);
    assert_eq!((stepped.start, world.next_look_after(11)), (None, 200));
    world.steps(&POLICIES, Err(throttled(1)), 211);
    assert_eq!(world.next_look_after(211), 30, "never sooner than we would have looked");
    assert_eq!(world.last_line(), "can't look at the cluster: ARM answered 429");
}
