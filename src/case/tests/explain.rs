//! What would be decided, for an operator who asks.

use super::super::{Action, Explanation, explain};
use super::*;

fn explained(world: &World, stop: Stop, arm: Arm, second: i64) -> Explanation {
    let facts = Facts { look: arm.look(at(second)), log: None, stops: None, grants: None };
    explain(&world.record, stop, facts, &world.context(Some(&POLICIES), at(second)))
}

#[test]
fn a_stop_by_somebody_who_may_is_left_alone() {
    let explained = explained(&World::new(), stop(pipeline(), 0), Arm::Stopped, 11);
    assert_eq!(explained.action, Action::LeaveStopped);
    assert_eq!(explained.verdict.unwrap().policies, ["pipeline"]);
    assert_eq!(explained.restart, None);
}

#[test]
fn a_stop_by_somebody_who_may_not_is_undone() {
    let explained = explained(&World::new(), stop(mallory(), 0), Arm::Stopped, 11);
    assert_eq!(explained.action, Action::Restart);
    assert!(!explained.verdict.unwrap().authorised);
    assert_eq!(explained.restart.unwrap().policies, ["restart"]);
    let story: Vec<&str> = explained.timeline.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(
        story,
        [
            "stopped by mallory@contoso.com (user)",
            "the stop was not authorised: no policy allows it",
            "starting it (attempt 1)",
        ]
    );
}

#[test]
fn what_people_have_to_decide_says_why() {
    let mut world = World::new();
    world.mode = Mode::Notify;
    let explained = explained(&world, stop(mallory(), 0), Arm::Stopped, 11);
    assert_eq!(explained.action, Action::RaiseIncident { held: Held::Mode { mode: Mode::Notify } });
}

#[test]
fn a_stop_that_is_over_is_ignored() {
    let mut world = World::new();
    world.record.history.running_seen_at = Some(at(50));
    let explained = explained(&world, stop(mallory(), 0), Arm::Stopped, 60);
    assert_eq!(explained.action, Action::Ignore { why: "the cluster was seen running after it" });
}

#[test]
fn a_cluster_that_runs_is_reported() {
    let explained = explained(&World::new(), stop(mallory(), 0), Arm::Running, 400);
    assert_eq!(explained.action, Action::Report { outcome: "already-running" });
    assert!(!explained.verdict.unwrap().authorised);
}

#[test]
fn a_cluster_that_is_still_stopping_is_waited_for() {
    let explained = explained(&World::new(), stop(mallory(), 0), Arm::Stopping, 11);
    assert_eq!(explained.action, Action::Wait { why: "waiting for the stop to finish".to_owned() });
}

#[test]
fn a_late_stop_waits_for_the_log_that_nobody_asked() {
    let explained = explained(&World::new(), stop(mallory(), 0), Arm::Stopped, 800);
    assert_eq!(explained.action, Action::Wait { why: "waiting for the activity log".to_owned() });
}

#[test]
fn it_is_an_object_that_programs_can_read() {
    let explained = explained(&World::new(), stop(mallory(), 0), Arm::Stopped, 11);
    let json = serde_json::to_value(&explained).unwrap();
    assert_eq!(json["action"], "restart");
    assert_eq!(json["verdict"]["authorised"], false);
    assert_eq!(json["restart"]["permitted"], true);
}

#[test]
fn the_record_is_not_touched() {
    let world = World::stopped_by(mallory());
    let before = world.record.clone();
    explained(&world, stop(trudy(), 400), Arm::Stopped, 411);
    assert_eq!(world.record, before);
}

#[test]
fn in_dry_run_too_it_says_what_it_waits_for() {
    let mut world = World::new();
    world.mode = Mode::DryRun;
    let facts = Facts { look: Arm::Stopping.look(at(11)), log: None, stops: None, grants: None };
    let explained =
        explain(&world.record, stop(mallory(), 0), facts, &world.context(Some(&POLICIES), at(11)));
    assert_eq!(explained.action, Action::Wait { why: "waiting for the stop to finish".to_owned() });
}

#[test]
fn a_case_on_its_way_into_the_archive_is_not_mistaken_for_the_stop_in_question() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Running, 400);
    let facts = Facts { look: Arm::Stopped.look(at(611)), log: None, stops: None, grants: None };
    let explained =
        explain(&world.record, stop(trudy(), 600), facts, &world.context(Some(&POLICIES), at(611)));
    assert_eq!(explained.action, Action::Restart);
}
