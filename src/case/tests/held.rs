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
fn rule_21_a_case_goes_on_by_itself_when_its_hold_is_over_with_the_log_as_proof() {
    let mut world = held();
    world.hold = None;
    let stepped = world.sees(Arm::Stopped, 7_511);
    assert_eq!(stepped.log_questions, 1, "two hours of looks five minutes apart are no watch");
    assert!(stepped.start.is_some());
    assert!(world.case().timeline.iter().any(|line| line.text == "the hold is over: going on"));
    let stepped = world.sees(Arm::Starting, 7_541);
    assert_eq!((stepped.start, world.held()), (None, None), "what it waits for counts anew");
}

#[test]
fn rule_21_a_case_whose_hold_is_over_is_not_started_when_somebody_else_stopped_it_last() {
    let mut world = held();
    world.hold = None;
    world.log_says(vec![log_start(trudy(), 600), log_stop(pipeline(), 900)]);
    for second in [7_511, 7_512] {
        assert_eq!(world.sees(Arm::Stopped, second).start, None);
    }
    assert_eq!(world.outcome(), Some(Outcome::Authorised), "it is the pipeline's stop by then");
}

#[test]
fn rule_21_the_end_of_a_hold_frees_no_case_that_waits_for_something_else() {
    let mut world = World::stopped_by(mallory());
    world.steps(&only(PIPELINE_MAY_STOP), Arm::Stopped.look(at(11)), 11);
    world.hold = Some("audit by Ada".to_owned());
    world.sees(Arm::Stopped, 311);
    world.hold = None;
    assert_eq!(world.sees(Arm::Stopped, 611).start, None);
    assert_eq!(world.held(), Some(&Held::NotPermitted { policies: vec![] }));
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
        code: None,
        retry_after: Some(SignedDuration::from_secs(seconds)),
    };
    let stepped = world.steps(&POLICIES, Err(throttled(200)), 11);
    assert_eq!((stepped.start, world.next_look_after(11)), (None, 200));
    world.steps(&POLICIES, Err(throttled(1)), 211);
    assert_eq!(world.next_look_after(211), 30, "never sooner than we would have looked");
    assert_eq!(world.last_line(), "can't look at the cluster: ARM answered 429");
}

#[test]
fn an_arm_that_asks_for_a_day_of_patience_does_not_keep_people_waiting() {
    let mut world = World::stopped_by(mallory());
    let day = || LookProblem {
        text: "ARM answered 429".to_owned(),
        code: None,
        retry_after: Some(SignedDuration::from_hours(24)),
    };
    world.steps(&POLICIES, Err(day()), 11);
    let again = 11 + world.next_look_after(11);
    assert!((3_600..3_700).contains(&again), "when people have to be told: {again}");
    let stepped = world.steps(&POLICIES, Err(day()), again);
    assert_eq!(states(&stepped.told), [IncidentState::Opened]);
    assert_eq!(world.held(), Some(&Held::TooLong { situation: None }));
}

#[test]
fn a_late_event_and_one_failed_look_are_no_hour_of_failed_looks() {
    let late = 4 * 3_600;
    let mut world = World::new();
    world.log_says(vec![log_stop(mallory(), 0)]);
    world.hears(stop(mallory(), 0), late);
    world.sees(Arm::Unreachable, late + 1);
    assert_eq!(world.held(), None);
    assert!(world.sees(Arm::Stopped, late + 31).start.is_some());
}

#[test]
fn a_failed_look_at_a_held_case_does_not_change_why_it_is_held() {
    let mut world = World::stopped_by(mallory());
    world.hold = Some("audit by Ada".to_owned());
    world.sees(Arm::Stopped, 11);
    let stepped = world.sees(Arm::Unreachable, 7_200);
    assert_eq!(world.held(), Some(&Held::Hold { reason: "audit by Ada".to_owned() }));
    assert_eq!(stepped.told, []);
    assert_eq!(world.next_look_after(7_200), 300);
}

#[test]
fn rule_25_a_case_in_the_place_of_a_damaged_record_stays_held_whatever_policies_say() {
    let permissive = only("@id(\"restart\") permit (principal, action == Action::\"restart\", resource);");
    let mut world = World::new();
    world.record = Record::replacing_damaged(cluster_id(), Mode::Act, at(0));
    world.log_says(vec![log_stop(mallory(), -60)]);
    let stepped = world.steps(&permissive, Arm::Stopped.look(at(1)), 1);
    assert_eq!((stepped.start, world.held()), (None, Some(&Held::DamagedRecord)));
    assert_eq!(states(&stepped.told), [IncidentState::Opened]);
    assert_eq!(world.steps(&permissive, Arm::Stopped.look(at(2_000)), 2_000).start, None);
}
