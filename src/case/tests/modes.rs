//! What each mode lets happen (rule 27).

use super::*;

/// In `mode`, an unauthorised stop of a cluster that is startable.
fn in_mode(mode: Mode) -> (World, Stepped) {
    let mut world = World::new();
    world.mode = mode;
    world.log_says(vec![log_stop(mallory(), 0)]);
    world.hears(stop(mallory(), 0), 10);
    let stepped = world.sees(Arm::Stopped, 11);
    (world, stepped)
}

#[test]
fn rule_27_only_act_starts_and_only_act_counts_in_a_budget() {
    for (mode, starts) in [(Mode::DryRun, 0), (Mode::Notify, 0), (Mode::Act, 1)] {
        let (world, stepped) = in_mode(mode);
        assert_eq!(stepped.start.is_some(), starts == 1, "{mode}");
        assert_eq!(world.record.history.starts.len(), starts, "{mode}");
    }
}

#[test]
fn rule_27_notify_tells_and_says_by_which_mode_nothing_was_started() {
    let (world, stepped) = in_mode(Mode::Notify);
    assert_eq!(world.held(), Some(&Held::Mode { mode: Mode::Notify }));
    assert_eq!(states(&stepped.told), [IncidentState::Opened]);
    assert_eq!(stepped.told[0].mode, "notify");
}

#[test]
fn rule_27_dry_run_tells_nobody_and_records_what_would_have_been_told() {
    let (mut world, stepped) = in_mode(Mode::DryRun);
    assert_eq!(stepped.told, []);
    assert!(
        world.last_line().starts_with("dry-run: would have raised a high incident"),
        "{}",
        world.last_line()
    );
    let stepped = world.sees(Arm::Running, 400);
    assert_eq!(stepped.told, []);
    assert_eq!(world.outcome(), Some(Outcome::AlreadyRunning));
}

#[test]
fn rule_27_a_change_of_mode_never_arms_a_case() {
    for mode in [Mode::DryRun, Mode::Notify] {
        let (mut world, _) = in_mode(mode);
        world.mode = Mode::Act;
        for second in (311..20_000).step_by(300) {
            assert_eq!(world.sees(Arm::Stopped, second).start, None, "{mode}");
        }
        world.hears(stop(trudy(), 20_000), 20_010);
        assert_eq!(world.sees(Arm::Stopped, 20_011).start, None, "{mode}: nor does a newer stop");
    }
}

#[test]
fn rule_27_switching_away_from_act_is_seen_by_the_next_step() {
    let mut world = World::stopped_by(mallory());
    world.mode = Mode::Notify;
    assert_eq!(world.sees(Arm::Stopped, 11).start, None);
    assert_eq!(world.held(), Some(&Held::Mode { mode: Mode::Notify }));
}

#[test]
fn a_hold_starts_nothing_whatever_the_policies_say() {
    let mut world = World::stopped_by(mallory());
    world.hold = Some("audit by Ada".to_owned());
    assert_eq!(world.sees(Arm::Stopped, 11).start, None);
    assert_eq!(world.held(), Some(&Held::Hold { reason: "audit by Ada".to_owned() }));
}
