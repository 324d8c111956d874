//! What came of a start (rules 15 and 16).

use super::super::milestones::{Milestones, milestones};
use super::super::note_start;
use super::*;

fn started() -> World {
    let mut world = World::stopped_by(mallory());
    world.log_says(vec![log_stop(mallory(), 0)]);
    assert!(world.sees(Arm::Stopped, 11).start.is_some());
    world
}

#[test]
fn what_came_of_a_start_decides_whether_it_counts() {
    let not_sent = IntentState::NotSent { why: "no token".to_owned() };
    let denied = refused("AuthorizationFailed", "Give the guard's identity the right to start it.");
    for (state, attempts, in_budget) in [
        (sent(), 1, 1),
        (IntentState::Unanswered, 1, 1),
        (IntentState::Planned, 1, 1),
        (not_sent, 0, 0),
        (put_off("TooManyRequests"), 0, 0),
        (denied, 1, 0),
    ] {
        let mut world = started();
        world.start_came_to(state.clone(), 12);
        assert_eq!(world.case().episode_attempts, attempts, "{state:?}");
        assert_eq!(world.record.history.starts.len(), in_budget, "{state:?}");
        assert_eq!(world.case().intent.as_ref().unwrap().state, state);
    }
}

#[test]
fn the_timeline_tells_when_a_case_was_judged_and_its_start_was_sent_and_taken() {
    let mut world = started();
    let judged_at = Some(at(11));
    let sent = Milestones { judged_at, starting_at: Some(at(11)), accepted_at: None };
    assert_eq!(milestones(world.case()), sent);
    world.start_came_to(self::sent(), 12);
    assert_eq!(milestones(world.case()), Milestones { accepted_at: Some(at(12)), ..sent });
}

#[test]
fn rule_16_another_processes_start_is_none_of_our_business() {
    let mut world = started();
    let before = world.record.clone();
    note_start(&mut world.record, "another", sent(), at(12), &world.times);
    assert_eq!(world.record, before);
}

#[test]
fn a_refusal_that_only_people_can_mend_is_told_at_once_and_ends_the_attempts() {
    let mut world = started();
    world.start_came_to(refused("Odd", "Give it the right."), 12);
    assert_eq!(world.case().next_at, at(12));
    let stepped = world.sees(Arm::Stopped, 13);
    let held = Held::Refused { code: "Odd".to_owned(), advice: "Give it the right.".to_owned(), lock: None };
    assert_eq!((stepped.start, world.held()), (None, Some(&held)));
    assert_eq!(states(&stepped.told), [IncidentState::Updated]);
    assert_eq!(stepped.told[0].next[0], "Give it the right.");
}

#[test]
fn a_newer_stop_gives_a_refused_start_another_try() {
    let mut world = started();
    world.start_came_to(refused("AuthorizationFailed", "Give it the right."), 12);
    world.sees(Arm::Stopped, 13);
    world.hears(stop(trudy(), 400), 410);
    assert!(world.sees(Arm::Stopped, 411).start.is_some());
}

#[test]
fn a_start_that_azure_only_put_off_is_tried_again_until_it_takes_too_long() {
    let mut world = started();
    let mut tries = 1;
    for second in (12..4_000).step_by(30) {
        if world.case().intent.as_ref().unwrap().state == IntentState::Planned {
            world.start_came_to(put_off("TooManyRequests"), second);
        }
        if world.sees(Arm::Stopped, second + 1).start.is_some() {
            tries += 1;
        }
    }
    assert!((20..=30).contains(&tries), "{tries} tries in an hour");
    assert!(matches!(world.held(), Some(Held::TooLong { .. })), "{:?}", world.held());
}

#[test]
fn a_cluster_that_runs_after_a_start_that_may_have_landed_is_restored() {
    let not_sent = IntentState::NotSent { why: "no token".to_owned() };
    for (state, outcome) in [
        (sent(), Outcome::Restored),
        (IntentState::Unanswered, Outcome::Restored),
        (IntentState::Planned, Outcome::Restored),
        (not_sent, Outcome::AlreadyRunning),
        (put_off("OperationNotAllowed"), Outcome::AlreadyRunning),
    ] {
        let mut world = started();
        world.start_came_to(state.clone(), 12);
        let stepped = world.sees(Arm::Running, 400);
        assert_eq!(world.outcome(), Some(outcome), "{state:?}");
        assert_eq!(states(&stepped.told), [IncidentState::Resolved], "{state:?}");
    }
}

#[test]
fn an_earlier_start_that_may_have_landed_is_not_forgotten_by_a_later_one() {
    let mut world = started();
    world.sees(Arm::Stopped, 81);
    assert!(world.sees(Arm::Stopped, 151).start.is_some());
    world.start_came_to(IntentState::NotSent { why: "no token".to_owned() }, 152);
    world.sees(Arm::Running, 400);
    assert_eq!(world.outcome(), Some(Outcome::Restored));
}

#[test]
fn what_came_of_a_start_counts_once_however_often_it_is_written_down() {
    let mut world = World::stopped_by(mallory());
    world.record.history.starts = vec![at(-90)];
    world.sees(Arm::Stopped, 11);
    let not_sent = IntentState::NotSent { why: "no token".to_owned() };
    world.start_came_to(not_sent.clone(), 12);
    let once = world.record.clone();
    world.start_came_to(not_sent, 13);
    world.start_came_to(sent(), 13);
    assert_eq!(world.record, once);
    assert_eq!(world.record.history.starts, [at(-90)]);
}

#[test]
fn people_read_what_came_of_the_start_and_not_that_it_is_on_its_way() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Stopped, 11);
    world.start_came_to(sent(), 12);
    let message = world.record.outbox.first().unwrap();
    assert_eq!(message.incident.done, ["Start 1 was accepted by Azure (request request-1)."]);
}
