//! The end of a case (rules 17, 18, 20).

use super::super::close::conflict;
use super::super::record::Closing;
use super::*;

fn closing(world: &World) -> Closing {
    let Episode::Closing(closing) = &world.record.episode else { panic!("not closed") };
    closing.clone()
}

#[test]
fn rule_18_the_archived_bytes_are_the_whole_case_with_its_end() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Stopped, 11);
    world.start_came_to(sent(), 12);
    world.sees(Arm::Running, 400);
    let closing = closing(&world);
    let case: Case = serde_json::from_str(&closing.body).unwrap();
    assert_eq!((case.id, case.outcome), (closing.id, Some(Outcome::Restored)));
    assert_eq!((case.closed_at, closing.closed_at), (Some(at(400)), at(400)));
    assert_eq!(case.stops[0].caller, mallory());
    assert_eq!(case.timeline.last().unwrap().text, "closed: it runs again, after the guard's start");
}

#[test]
fn rule_18_the_reset_keeps_the_history_and_what_is_still_to_be_told() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Running, 400);
    let (history, outbox) = (world.record.history.clone(), world.record.outbox.clone());
    assert_eq!(outbox.len(), 2, "rule 20: closing appends the resolve");
    world.is_archived();
    assert_eq!(world.record.episode, Episode::None);
    assert_eq!((&world.record.history, &world.record.outbox), (&history, &outbox));
}

#[test]
fn rule_18_a_case_that_is_not_closing_is_not_reset() {
    let mut world = World::stopped_by(mallory());
    let before = world.record.clone();
    super::super::close::reset(&mut world.record);
    assert_eq!(world.record, before);
}

#[test]
fn rule_19_a_step_leaves_a_closing_record_as_it_is() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Running, 400);
    let before = world.record.clone();
    let stepped = world.sees(Arm::Stopped, 430);
    assert_eq!((&world.record, stepped.start), (&before, None));
}

#[test]
fn rule_18_other_bytes_in_the_archive_are_told_except_in_dry_run() {
    for (mode, told) in [(Mode::DryRun, 0), (Mode::Notify, 1), (Mode::Act, 1)] {
        let mut world = World::stopped_by(mallory());
        world.sees(Arm::Running, 400);
        let closing = closing(&world);
        let before = world.record.outbox.len();
        let teller = Teller { mode, ..world.teller(401) };
        let mut record = world.record.clone();
        conflict(&mut record, &closing, teller);
        assert_eq!(record.outbox.len() - before, told, "{mode}");
    }
}

#[test]
fn an_unauthorised_stop_of_a_cluster_that_runs_again_is_still_told() {
    let mut world = World::stopped_by(mallory());
    let stepped = world.sees(Arm::Running, 400);
    assert_eq!(states(&stepped.told), [IncidentState::Opened, IncidentState::Resolved]);
    let sequence: Vec<u32> = stepped.told.iter().map(|incident| incident.sequence).collect();
    assert_eq!(sequence, [0, 1]);
}

#[test]
fn counterexample_7_an_authorised_stop_explains_only_until_the_cluster_runs() {
    let mut world = World::stopped_by(pipeline());
    world.log_says(vec![log_stop(pipeline(), 0)]);
    world.sees(Arm::Stopped, 11);
    world.is_archived();
    assert!(world.record.history.authorised.is_some());
    world.hears(stop(mallory(), 5_000), 5_010);
    world.sees(Arm::Running, 5_400);
    world.is_archived();
    assert_eq!(world.record.history.authorised, None, "rule 17");
    assert_eq!(world.record.history.running_seen_at, Some(at(5_400 - 180)));
}

#[test]
fn rule_17_an_authorised_stop_explains_nothing_where_the_cluster_was_seen_running_since() {
    let mut world = World::stopped_by(pipeline());
    world.log_says(vec![log_stop(pipeline(), 0)]);
    world.sees(Arm::Running, 200);
    assert_eq!(world.outcome(), Some(Outcome::Authorised));
    assert_eq!(world.record.history.authorised, None);
    assert_eq!(world.record.history.running_seen_at, Some(at(20)));
}

#[test]
fn rule_7_the_same_event_after_the_end_is_history() {
    for (caller, arm) in [(mallory(), Arm::Running), (pipeline(), Arm::Stopped), (mallory(), Arm::Gone)] {
        let mut world = World::stopped_by(caller.clone());
        world.log_says(vec![log_stop(caller.clone(), 0)]);
        world.sees(arm, 400);
        world.is_archived();
        assert!(matches!(world.hears(stop(caller, 0), 500), Taken::History(_)), "{arm:?}");
    }
}

#[test]
fn rule_8_an_escalated_case_is_no_end_so_nothing_opens_it_again() {
    let mut world = World::stopped_by(mallory());
    world.start_slot_at = Timestamp::MIN;
    world.mode = Mode::Notify;
    world.sees(Arm::Stopped, 11);
    assert_eq!(world.hears(stop(mallory(), 0), 5_000), Taken::Known, "counterexample 8");
}
