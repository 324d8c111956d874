//! Was it allowed? (Rules 8, 9, 10, 29.)

use super::*;

fn is_authorised(world: &World) -> Option<bool> {
    world.case().verdict.as_ref().map(|verdict| verdict.authorised)
}

#[test]
fn rule_8_stops_less_than_quiet_apart_are_one_episode_and_authorised_if_one_of_them_is() {
    for (apart, expected) in [(119, true), (120, false)] {
        let mut world = World::stopped_by(pipeline());
        world.hears(stop(mallory(), apart), apart + 10);
        world.sees(Arm::Stopping, apart + 11);
        assert_eq!(is_authorised(&world), Some(expected), "{apart} s apart");
    }
}

#[test]
fn rule_8_a_chain_of_close_stops_is_one_episode() {
    let mut world = World::stopped_by(pipeline());
    for second in [100, 200, 300] {
        world.hears(stop(mallory(), second), 310);
    }
    world.sees(Arm::Stopping, 311);
    assert_eq!(is_authorised(&world), Some(true));
}

#[test]
fn rule_8_an_authorised_stop_after_an_unauthorised_one_authorises_the_episode() {
    let mut world = World::stopped_by(mallory());
    world.hears(stop(pipeline(), 60), 70);
    let stepped = world.sees(Arm::Stopped, 71);
    assert_eq!(is_authorised(&world), Some(true));
    assert_eq!(stepped.start, None);
}

#[test]
fn rule_9_the_verdict_is_about_the_newest_stop() {
    let mut world = World::stopped_by(pipeline());
    world.sees(Arm::Stopping, 11);
    assert_eq!(world.case().verdict.as_ref().unwrap().stop_time, at(0));
    world.hears(stop(mallory(), 500), 510);
    world.sees(Arm::Stopping, 511);
    let verdict = world.case().verdict.clone().unwrap();
    assert_eq!((verdict.stop_time, verdict.authorised), (at(500), false));
}

#[test]
fn rule_9_a_newer_stop_that_only_the_log_knows_voids_the_verdict_as_well() {
    let mut world = World::stopped_by(mallory());
    world.confirm = Confirm::Require;
    world.log_says(vec![log_stop(mallory(), 0), log_stop(pipeline(), 600)]);
    let stepped = world.sees(Arm::Stopped, 700);
    assert_eq!(stepped.start, None);
    assert_eq!(world.outcome(), Some(Outcome::Authorised), "the log names the newer stop itself");
}

#[test]
fn rule_10_what_was_authorised_stays_so_when_policies_change() {
    let mut world = World::stopped_by(pipeline());
    world.sees(Arm::Stopped, 11);
    let stepped = world.steps(&Policies::default_set().unwrap(), Arm::Stopped.look(at(41)), 41);
    assert_eq!(is_authorised(&world), Some(true));
    assert_eq!(stepped.start, None);
}

#[test]
fn rule_10_a_changed_policy_may_authorise() {
    let mut world = World::stopped_by(pipeline());
    let strict = Policies::default_set().unwrap();
    world.steps(&strict, Arm::Stopping.look(at(11)), 11);
    assert_eq!(is_authorised(&world), Some(false));
    world.sees(Arm::Stopped, 41);
    assert_eq!(is_authorised(&world), Some(true));
}

#[test]
fn rule_10_the_stop_question_is_asked_for_the_time_of_the_stop_in_the_configured_zone() {
    let at_night = with_default(
        "@id(\"night\") permit (principal, action == Action::\"stop\", resource) when { context.local.hour >= 20 };",
    );
    // 18:00 in UTC is 20:00 in Berlin; the decision comes seven hours later.
    let later = 7 * 3_600;
    for (zone, expected) in [("Europe/Berlin", true), ("UTC", false)] {
        let mut world = World::new();
        world.zone = TimeZone::get(zone).unwrap();
        world.hears(stop(mallory(), 0), later);
        world.steps(&at_night, Arm::Stopping.look(at(later)), later);
        assert_eq!(is_authorised(&world), Some(expected), "{zone}");
    }
}

#[test]
fn rule_10_the_restart_question_is_asked_for_now() {
    let never_at_20 = with_default(
        "@id(\"never-at-20\") forbid (principal, action == Action::\"restart\", resource) when { context.utc.hour == 20 };",
    );
    let mut world = World::stopped_by(mallory());
    let now = 2 * 3_600;
    world.steps(&never_at_20, Arm::Stopped.look(at(now)), now);
    assert_eq!(world.held(), Some(&Held::NotPermitted { policies: vec!["never-at-20".to_owned()] }));
}

#[test]
fn an_error_while_evaluating_the_stop_question_is_never_an_allow_and_never_a_restart() {
    let broken = with_default(
        "@id(\"all\") permit (principal, action == Action::\"stop\", resource);
         @id(\"broken\") forbid (principal, action == Action::\"stop\", resource)
         when { context.utc.hour * 9223372036854775807 > 0 };",
    );
    let mut world = World::stopped_by(mallory());
    let stepped = world.steps(&broken, Arm::Stopped.look(at(11)), 11);
    assert_eq!(is_authorised(&world), Some(false));
    assert_eq!((stepped.start, world.held()), (None, Some(&Held::PolicyError)));
    let [incident] = stepped.told.as_slice() else { panic!("{:?}", stepped.told) };
    let story: Vec<&str> = incident.timeline.iter().map(|line| line.text.as_str()).collect();
    assert!(story.iter().any(|line| line.contains("policy `broken` can't be evaluated")), "{story:?}");
}

#[test]
fn an_error_while_evaluating_the_restart_question_is_never_a_restart() {
    let broken = with_default(
        "@id(\"broken\") forbid (principal, action == Action::\"restart\", resource)
         when { context.utc.hour * 9223372036854775807 > 0 };",
    );
    let mut world = World::stopped_by(mallory());
    let stepped = world.steps(&broken, Arm::Stopped.look(at(11)), 11);
    assert_eq!((stepped.start, world.held()), (None, Some(&Held::PolicyError)));
}

#[test]
fn rule_29_of_two_claims_about_one_stop_the_stricter_counts_until_the_log_speaks() {
    for who in [mallory(), pipeline()] {
        let mut world = World::stopped_by(pipeline());
        world.hears(Stop { caller: mallory(), ..stop(pipeline(), 0) }, 12);
        world.sees(Arm::Stopping, 13);
        assert_eq!(is_authorised(&world), Some(false));
        world.confirm = Confirm::Require;
        world.log_says(vec![log_stop(who.clone(), 0)]);
        world.sees(Arm::Stopped, 43);
        let by_pipeline = who == pipeline();
        assert_eq!(world.outcome(), by_pipeline.then_some(Outcome::Authorised));
        if !by_pipeline {
            assert_eq!(is_authorised(&world), Some(false));
            assert_eq!(world.case().stops.len(), 1, "both claims are one stop by now");
            assert_eq!(world.case().stops[0].claimed.as_deref(), Some(&pipeline()));
        }
    }
}

#[test]
fn rule_29_an_authorisation_that_the_log_agrees_with_closes_the_case_silently() {
    let mut world = World::stopped_by(pipeline());
    world.log_says(vec![log_stop(pipeline(), 0)]);
    let stepped = world.sees(Arm::Stopped, 11);
    assert_eq!(world.outcome(), Some(Outcome::Authorised));
    assert_eq!(states(&stepped.told), []);
    let authorised = world.record.history.authorised.clone().unwrap();
    assert_eq!((authorised.stop_time, authorised.caller), (at(0), pipeline()));
}

#[test]
fn rule_29_an_authorisation_waits_for_the_log_and_becomes_an_incident_without_it() {
    let mut world = World::stopped_by(pipeline());
    let mut asked = 0;
    for second in (11..=1_800).step_by(30) {
        let stepped = world.sees(Arm::Stopped, second);
        asked += stepped.log_questions;
        assert_eq!((stepped.start, world.held(), stepped.told.len()), (None, None, 0), "after {second} s");
    }
    assert_eq!(asked, 30, "once a minute at most");
    let stepped = world.sees(Arm::Stopped, 1_871);
    assert_eq!(world.held(), Some(&Held::Unconfirmed));
    assert_eq!(states(&stepped.told), [IncidentState::Opened]);
    world.log_says(vec![log_stop(pipeline(), 0)]);
    let stepped = world.sees(Arm::Stopped, 2_171);
    assert_eq!(world.outcome(), Some(Outcome::Authorised));
    assert_eq!(states(&stepped.told), [IncidentState::Resolved]);
}

#[test]
fn rule_29_claims_that_the_log_contradicts_are_decided_anew_and_told_on_their_own() {
    let mut world = World::stopped_by(pipeline());
    world.sees(Arm::Stopped, 11);
    assert_eq!(is_authorised(&world), Some(true));
    world.log_says(vec![log_stop(mallory(), 0)]);
    let stepped = world.sees(Arm::Stopped, 71);
    assert_eq!(is_authorised(&world), Some(false), "rule 10: void when the log contradicts");
    assert_eq!(world.case().stops[0].caller, mallory());
    assert!(stepped.start.is_some(), "the log names an unauthorised stop last");
    let ids: Vec<&str> = stepped.told.iter().map(|incident| incident.id.as_str()).collect();
    let case = world.case().id.as_str();
    assert_eq!(ids, [format!("{case}-claims"), case.to_owned()]);
    let again = world.sees(Arm::Stopped, 300);
    assert_eq!(states(&again.told), [], "told once");
}

#[test]
fn without_confirmation_an_authorised_stop_closes_at_once() {
    let mut world = World::stopped_by(pipeline());
    world.confirm = Confirm::Off;
    assert_eq!(world.sees(Arm::Stopped, 11).log_questions, 0);
    assert_eq!(world.outcome(), Some(Outcome::Authorised));
}

#[test]
fn a_log_that_names_nobody_takes_no_caller_away() {
    let mut world = World::stopped_by(mallory());
    world.confirm = Confirm::Require;
    world.log_says(vec![log_stop(Caller::unknown(), 0)]);
    world.sees(Arm::Stopped, 11);
    assert_eq!(world.case().stops[0].caller, mallory());
    assert!(!world.case().stops[0].confirmed);
}

#[test]
fn while_the_policies_are_broken_nothing_is_decided() {
    let mut world = World::stopped_by(mallory());
    for second in [11, 4_000, 90_000] {
        let stepped = world.steps_under(None, Arm::Stopped.look(at(second)), at(second));
        assert_eq!((stepped.start, is_authorised(&world), world.held()), (None, None, None));
        let stepped = world.steps_under(None, Arm::Unreachable.look(at(second)), at(second));
        assert_eq!((stepped.start, is_authorised(&world), world.held()), (None, None, None));
    }
    assert!(world.sees(Arm::Stopped, 90_100).log_questions > 0, "it goes on when they are mended");
}
