//! From a look to a start, or to none (rules 1, 11 to 17, 23).

use super::*;

#[test]
fn an_unauthorised_stop_is_undone_as_soon_as_the_cluster_can_be_started() {
    let mut world = World::stopped_by(mallory());
    let stepped = world.sees(Arm::Stopped, 11);
    let intent = stepped.start.unwrap();
    assert_eq!((intent.n, intent.look_at, intent.expires_at), (1, at(11), at(31)), "rule 13");
    assert_eq!(intent.state, IntentState::Planned);
    assert_eq!(world.case().intent, Some(intent), "rule 13: written before it is sent");
    assert_eq!(world.record.history.starts, [at(11)], "rule 23: in the budget at once");
    assert_eq!(stepped.log_questions, 0, "a fresh stop needs no log");
    assert_eq!(states(&stepped.told), [IncidentState::Opened]);
}

#[test]
fn rule_13_only_a_look_of_stopped_and_not_busy_starts() {
    for arm in [
        Arm::Running,
        Arm::Stopping,
        Arm::Starting,
        Arm::FailedRunning,
        Arm::Busy,
        Arm::Deleting,
        Arm::Silent,
        Arm::Gone,
        Arm::Unreachable,
    ] {
        let mut world = World::stopped_by(mallory());
        world.log_says(vec![log_stop(mallory(), 0)]);
        for second in (11..8_000).step_by(301) {
            assert_eq!(world.sees(arm, second).start, None, "{arm:?} after {second} s");
        }
    }
    for arm in [Arm::Stopped, Arm::FailedStopped] {
        assert!(World::stopped_by(mallory()).sees(arm, 11).start.is_some(), "{arm:?}");
    }
}

#[test]
fn rule_13_a_failed_and_stopped_cluster_is_started_once() {
    let mut world = World::stopped_by(mallory());
    world.log_says(vec![log_stop(mallory(), 0)]);
    assert!(world.sees(Arm::FailedStopped, 11).start.is_some());
    world.start_came_to(sent(), 12);
    assert_eq!(world.sees(Arm::FailedStopped, 100).start, None);
    assert_eq!(world.held(), None, "rule 16: the start may still land");
    assert_eq!(world.sees(Arm::FailedStopped, 151).start, None);
    assert_eq!(world.held(), Some(&Held::FailedState));
}

#[test]
fn rule_14_a_look_that_is_too_old_starts_nothing() {
    let mut world = World::stopped_by(mallory());
    let stepped = world.steps(&POLICIES, Arm::Stopped.look(at(11)), 32);
    assert_eq!(stepped.start, None);
    assert_eq!(world.next_look_after(32), 0, "it is looked at again at once");
    assert!(world.steps(&POLICIES, Arm::Stopped.look(at(32)), 52).start.is_some(), "20 s are not too old");
}

#[test]
fn rule_1_a_clock_too_far_from_azures_starts_nothing() {
    let mut world = World::stopped_by(mallory());
    world.skewed = true;
    assert_eq!(world.sees(Arm::Stopped, 11).start, None);
    assert_eq!(world.last_line(), "this machine's clock is too far from Azure's");
    world.skewed = false;
    assert!(world.sees(Arm::Stopped, 41).start.is_some());
}

#[test]
fn rule_16_an_intent_that_has_not_expired_for_quiet_blocks_the_next() {
    // Expires at 31, may land until 151.
    for state in [None, Some(IntentState::Unanswered), Some(put_off("OperationNotAllowed"))] {
        let mut world = World::stopped_by(mallory());
        world.log_says(vec![log_stop(mallory(), 0)]);
        world.sees(Arm::Stopped, 11);
        if let Some(state) = state.clone() {
            world.start_came_to(state, 12);
        }
        for second in [41, 71, 101, 131, 150] {
            assert_eq!(world.sees(Arm::Stopped, second).start, None, "{state:?} after {second} s");
        }
        assert!(world.sees(Arm::Stopped, 151).start.is_some(), "{state:?}");
    }
}

#[test]
fn rule_16_it_blocks_also_when_a_newer_stop_came() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Stopped, 11);
    world.hears(stop(trudy(), 60), 70);
    assert_eq!(world.sees(Arm::Stopped, 71).start, None);
}

#[test]
fn rule_16_a_start_that_was_certainly_not_sent_blocks_nothing_and_counts_nowhere() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Stopped, 11);
    world.start_came_to(IntentState::NotSent { why: "no token".to_owned() }, 12);
    assert_eq!(world.record.history.starts, []);
    let again = world.sees(Arm::Stopped, 42).start.unwrap();
    assert_eq!(again.n, 1);
}

#[test]
fn after_a_start_that_azure_accepted_the_next_one_waits_fifteen_minutes() {
    let mut world = World::stopped_by(mallory());
    world.log_says(vec![log_stop(mallory(), 0)]);
    world.sees(Arm::Stopped, 11);
    world.start_came_to(sent(), 12);
    for second in (41..911).step_by(30) {
        assert_eq!(world.sees(Arm::Stopped, second).start, None, "after {second} s");
    }
    assert_eq!(world.sees(Arm::Stopped, 911).start.unwrap().n, 2);
}

#[test]
fn three_attempts_are_all_and_then_people_decide() {
    let mut world = World::stopped_by(mallory());
    world.log_says(vec![log_stop(mallory(), 0)]);
    let mut started = Vec::new();
    for second in (11..6_000).step_by(30) {
        if let Some(intent) = world.sees(Arm::Stopped, second).start {
            started.push(intent.n);
            world.start_came_to(sent(), second + 1);
        }
    }
    assert_eq!(started, [1, 2, 3]);
    assert_eq!(world.held(), Some(&Held::AttemptsUsed));
}

#[test]
fn rule_16_starting_is_adopted_whoever_started_it() {
    let mut world = World::stopped_by(mallory());
    let stepped = world.sees(Arm::Starting, 11);
    assert_eq!(stepped.start, None);
    assert_eq!(world.last_line(), "it is starting: watching");
    world.sees(Arm::Running, 211);
    assert_eq!(world.outcome(), Some(Outcome::AlreadyRunning));
}

/// A clock that is far behind takes the time of every event for one to come, and dates the stop itself: too early, until ARM's clock is
/// known.
#[test]
fn rule_17_where_the_time_of_a_stop_is_not_known_running_has_to_last() {
    let dated_by_us = |second| Stop { time_known: false, ..stop(mallory(), second) };
    let mut world = World::new();
    world.hears(dated_by_us(-261), -261);
    for second in [1, 31, 91, 180] {
        world.sees(Arm::Running, second);
        assert_eq!(world.outcome(), None, "after {second} s");
    }
    assert_eq!(world.next_look_after(180), 1, "it is looked at as soon as it can be final");
    world.hears(dated_by_us(-80), -80);
    world.sees(Arm::Running, 181);
    assert_eq!(world.outcome(), None, "another stop came");
    world.sees(Arm::Stopping, 211);
    world.sees(Arm::Running, 400);
    assert_eq!(world.outcome(), None, "it was seen otherwise in between");
    world.sees(Arm::Running, 580);
    assert_eq!(world.outcome(), Some(Outcome::AlreadyRunning));
}

#[test]
fn rule_17_running_is_final_only_settle_after_the_newest_stop() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Running, 179);
    assert_eq!(world.outcome(), None, "counterexample 6: ARM may not show the stop yet");
    assert_eq!(world.next_look_after(179), 1, "it is looked at as soon as it can be final");
    world.sees(Arm::Running, 180);
    assert_eq!(world.outcome(), Some(Outcome::AlreadyRunning));
    assert_eq!(world.record.history.running_seen_at, Some(at(0)), "the look minus SETTLE");
}

#[test]
fn counterexample_6_an_event_before_arm_shows_the_stop_still_restarts() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Running, 11);
    world.sees(Arm::Stopping, 41);
    assert!(world.sees(Arm::Stopped, 71).start.is_some(), "the watch began when it was seen going down");
}

#[test]
fn rule_11_a_watch_with_a_gap_or_with_a_start_in_it_needs_the_log() {
    let seen_between: [&[(Arm, i64)]; 3] = [
        &[(Arm::Stopping, 11), (Arm::Stopping, 132 + 60)],
        &[(Arm::Stopping, 11), (Arm::Starting, 41), (Arm::Stopping, 182)],
        &[(Arm::Stopping, 11), (Arm::Running, 41), (Arm::Stopping, 182)],
    ];
    for looks in seen_between {
        let mut world = World::stopped_by(mallory());
        for (arm, second) in looks {
            world.sees(*arm, *second);
        }
        let stepped = world.sees(Arm::Stopped, 200);
        assert_eq!((stepped.start, stepped.log_questions), (None, 1), "{looks:?}");
    }
}

#[test]
fn a_late_event_is_answered_as_soon_as_the_log_names_the_stop() {
    let late = 4 * 3_600;
    let mut world = World::new();
    world.hears(stop(mallory(), 0), late);
    world.log = Err("the activity log answered 503".to_owned());
    let stepped = world.sees(Arm::Stopped, late + 1);
    assert_eq!((stepped.start, stepped.log_questions), (None, 1));
    let stepped = world.sees(Arm::Stopped, late + 31);
    assert_eq!((stepped.start, stepped.log_questions), (None, 0), "asked once a minute at most");
    world.log_says(vec![log_stop(mallory(), 0)]);
    assert!(world.sees(Arm::Stopped, late + 61).start.is_some());
}

#[test]
fn rule_11_waiting_for_the_log_is_no_gap_in_the_watch() {
    let mut world = World::stopped_by(mallory());
    world.confirm = Confirm::Require;
    world.log_says(vec![log_stop(mallory(), 0)]);
    world.sees(Arm::Stopped, 11);
    for second in [41, 71, 101] {
        world.sees(Arm::Stopped, second);
        assert_eq!(world.next_look_after(second), 30, "after {second} s: {}", world.last_line());
    }
}

#[test]
fn rule_22_a_stop_that_only_the_log_knows_is_on_record_before_it_is_counted() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Stopped, 11);
    world.start_came_to(sent(), 12);
    world.log_says(vec![log_stop(mallory(), 0), log_stop(trudy(), 400)]);
    assert_eq!(world.sees(Arm::Stopped, 1_000).start, None, "the stops were counted for the first one");
    assert_eq!(world.case().newest_stop_time(), at(400));
    assert_eq!(world.next_look_after(1_000), 0);
    assert!(world.sees(Arm::Stopped, 1_001).start.is_some());
}

#[test]
fn counterexample_1_an_absorbed_authorised_stop_is_not_undone() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Stopped, 11);
    world.start_came_to(sent(), 12);
    // It runs, and the pipeline stops it before our next look. Its event has not come.
    world.log_says(vec![log_stop(mallory(), 0), log_start(Caller::unknown(), 12), log_stop(pipeline(), 400)]);
    for second in (912..4_000).step_by(30) {
        if world.outcome().is_some() {
            break;
        }
        assert_eq!(world.sees(Arm::Stopped, second).start, None, "after {second} s");
    }
    assert_eq!(world.outcome(), Some(Outcome::Authorised));
}

#[test]
fn rule_12_a_stop_without_a_record_in_the_log_becomes_an_incident() {
    let late = 4 * 3_600;
    let mut world = World::new();
    world.hears(stop(mallory(), 0), late);
    assert_eq!(world.sees(Arm::Stopped, late + 1).start, None);
    assert_eq!(world.held(), Some(&Held::UnknownCaller));
}

#[test]
fn rule_12_unless_a_policy_names_unknown_callers() {
    let anyones = only(
        "@id(\"restart\") permit (principal, action == Action::\"restart\", resource) when { !context.callerKnown };
         @id(\"known\") permit (principal, action == Action::\"restart\", resource) when { context.callerKnown };",
    );
    let late = 4 * 3_600;
    let mut world = World::new();
    world.hears(stop(mallory(), 0), late);
    assert!(world.steps(&anyones, Arm::Stopped.look(at(late + 1)), late + 1).start.is_some());
}

#[test]
fn an_event_that_names_nobody_becomes_an_incident() {
    let mut world = World::stopped_by(Caller::unknown());
    assert_eq!(world.sees(Arm::Stopped, 11).start, None);
    assert_eq!(world.held(), Some(&Held::NotPermitted { policies: vec!["unknown-caller".to_owned()] }));
}

#[test]
fn a_policy_delays_the_first_attempt() {
    let after = with_default(
        "@id(\"slow\") @after(\"20m\") permit (principal, action == Action::\"restart\", resource);",
    );
    let mut world = World::stopped_by(mallory());
    world.log_says(vec![log_stop(mallory(), 0)]);
    for second in (11..1_200).step_by(30) {
        assert_eq!(world.steps(&after, Arm::Stopped.look(at(second)), second).start, None);
        assert!(world.next_look_after(second) <= 30, "it is watched meanwhile");
    }
    assert!(world.steps(&after, Arm::Stopped.look(at(1_200)), 1_200).start.is_some());
}

#[test]
fn rule_23_a_start_waits_for_its_turn() {
    let mut world = World::stopped_by(mallory());
    world.start_slot_at = at(14);
    assert_eq!(world.sees(Arm::Stopped, 11).start, None);
    assert_eq!(world.next_look_after(11), 3);
    assert!(world.sees(Arm::Stopped, 14).start.is_some());
}

#[test]
fn rule_23_three_restarts_in_a_day_are_all_and_a_day_is_never_a_calendar_day() {
    let hour = 3_600;
    let mut world = World::new();
    world.record.history.starts = vec![at(-23 * hour), at(-22 * hour), at(-hour)];
    world.hears(stop(mallory(), 0), 10);
    let stepped = world.sees(Arm::Stopped, 11);
    assert_eq!(world.held(), Some(&Held::NotPermitted { policies: vec!["restart-budget".to_owned()] }));
    assert_eq!(stepped.told[0].severity, crate::domain::Severity::Critical);
    world.hears(stop(mallory(), hour + 60), hour + 70);
    assert!(world.sees(Arm::Stopped, hour + 71).start.is_some(), "the oldest is a day old by now");
}

#[test]
fn a_cluster_that_is_deleted_ends_the_case() {
    let mut world = World::stopped_by(mallory());
    world.record.history.running_seen_at = Some(at(-9_000));
    world.sees(Arm::Deleting, 11);
    assert_eq!(world.outcome(), None);
    let stepped = world.sees(Arm::Gone, 41);
    assert_eq!(world.outcome(), Some(Outcome::Gone));
    assert_eq!(states(&stepped.told), [IncidentState::Resolved]);
    let history = &world.record.history;
    assert_eq!((history.running_seen_at, history.gone_seen_at), (None, Some(at(41))));
}

#[test]
fn a_storm_goes_on_restarting_and_shares_one_incident() {
    let mut world = World::stopped_by(mallory());
    world.counts = RecentStops { by_caller: 5, in_subscription: 9, marked: false };
    let stepped = world.sees(Arm::Stopped, 11);
    assert!(stepped.start.is_some());
    assert_eq!(stepped.told, [], "it has no messages of its own");
    assert_eq!(stepped.storm, Some(StormRow { status: "restarting".to_owned(), ended: false }));
    world.start_came_to(sent(), 12);
    let stepped = world.sees(Arm::Running, 400);
    assert_eq!(stepped.told, []);
    let Episode::Closing(closing) = &world.record.episode else { panic!("not closed") };
    assert_eq!(closing.storm, Some(StormRow { status: "restored".to_owned(), ended: true }));
}

#[test]
fn a_delay_that_is_longer_than_an_hour_is_no_reason_to_give_up() {
    let after = with_default(
        "@id(\"slow\") @after(\"2h\") permit (principal, action == Action::\"restart\", resource);",
    );
    let mut world = World::stopped_by(mallory());
    world.log_says(vec![log_stop(mallory(), 0)]);
    for second in (11..7_200).step_by(30) {
        world.steps(&after, Arm::Stopped.look(at(second)), second);
        assert_eq!(world.held(), None, "after {second} s");
    }
    assert!(world.steps(&after, Arm::Stopped.look(at(7_201)), 7_201).start.is_some());
}
