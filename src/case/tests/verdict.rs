//! Was it allowed? (Rules 8, 9, 10, 29.)

use super::*;
use crate::domain::Severity;

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
    for second in [700, 701] {
        assert_eq!(world.sees(Arm::Stopped, second).start, None);
    }
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
        world.sees(Arm::Stopped, 44);
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
    let mut told = world.sees(Arm::Stopped, 71).told;
    let stepped = world.sees(Arm::Stopped, 72);
    told.extend(stepped.told);
    assert_eq!(is_authorised(&world), Some(false), "rule 10: void when the log contradicts");
    assert_eq!(world.case().stops[0].caller, mallory());
    assert!(stepped.start.is_some(), "the log names an unauthorised stop last");
    let ids: Vec<&str> = told.iter().map(|incident| incident.id.as_str()).collect();
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

#[test]
fn a_forged_authorisation_is_not_confirmed_by_the_logs_record_of_another_stop() {
    for forged_at in [-60, 60] {
        let mut world = World::stopped_by(mallory());
        world.hears(Stop { correlation_id: Some("forged".to_owned()), ..stop(pipeline(), forged_at) }, 70);
        world.log_says(vec![log_stop(mallory(), 0)]);
        world.sees(Arm::Stopped, 71);
        assert_eq!(world.outcome(), None, "forged {forged_at} s after the stop");
    }
}

#[test]
fn a_forged_event_without_a_correlation_id_is_contradicted_by_the_log() {
    let mut world = World::stopped_by(mallory());
    world.hears(Stop { correlation_id: None, ..stop(pipeline(), 60) }, 70);
    world.log_says(vec![log_stop(mallory(), 0)]);
    assert_eq!(world.sees(Arm::Stopped, 71).start, None, "the stops were counted for the forged one");
    assert!(world.sees(Arm::Stopped, 72).start.is_some());
}

#[test]
fn an_earlier_authorised_episode_does_not_confirm_a_later_claim() {
    let mut world = World::stopped_by(pipeline());
    world.sees(Arm::Stopping, 11);
    world.hears(stop(pipeline(), 700), 710);
    world.log_says(vec![log_stop(pipeline(), 0)]);
    world.sees(Arm::Stopped, 711);
    assert_eq!(world.outcome(), None);
}

#[test]
fn an_unconfirmed_authorisation_ends_when_the_cluster_runs_or_is_gone() {
    for (arm, outcome) in [(Arm::Running, Outcome::AlreadyRunning), (Arm::Gone, Outcome::Gone)] {
        let mut world = World::stopped_by(pipeline());
        world.sees(Arm::Stopped, 11);
        world.sees(Arm::Stopped, 1_900);
        assert_eq!(world.held(), Some(&Held::Unconfirmed));
        let stepped = world.sees(arm, 2_200);
        assert_eq!(world.outcome(), Some(outcome));
        assert_eq!(states(&stepped.told), [IncidentState::Resolved]);
        assert!(!stepped.told[0].title.contains("without permission"), "{}", stepped.told[0].title);
    }
}

#[test]
fn a_forged_event_about_a_cluster_that_runs_is_told_and_resolved() {
    let mut world = World::stopped_by(pipeline());
    let mut told = Vec::new();
    for second in (11..3_000).step_by(300) {
        if world.outcome().is_none() {
            told.extend(world.sees(Arm::Running, second).told);
        }
    }
    assert_eq!(states(&told), [IncidentState::Opened, IncidentState::Resolved]);
}

#[test]
fn a_flood_of_claims_does_not_push_an_authorised_stop_out() {
    let mut world = World::stopped_by(mallory());
    world.hears(stop(pipeline(), 5), 10);
    world.sees(Arm::Stopping, 11);
    assert!(world.case().verdict.as_ref().unwrap().authorised);
    for n in 0..40 {
        world.hears(stop(mallory(), 10 + 2 * n), 100);
    }
    world.sees(Arm::Stopped, 101);
    assert!(world.case().verdict.as_ref().unwrap().authorised, "rule 10: never back");
}

#[test]
fn a_policy_that_forbids_several_stops_is_named_once() {
    let forbids = with_default("@id(\"never\") forbid (principal, action == Action::\"stop\", resource);");
    let mut world = World::stopped_by(mallory());
    world.hears(stop(trudy(), 60), 70);
    world.steps(&forbids, Arm::Stopping.look(at(71)), 71);
    assert_eq!(world.case().verdict.as_ref().unwrap().policies, ["never"]);
}

#[test]
fn the_contradiction_names_who_stopped_it_by_the_log_and_not_a_later_caller() {
    let mut world = World::stopped_by(pipeline());
    world.confirm = Confirm::Require;
    world.log_says(vec![log_stop(mallory(), 0), log_stop(trudy(), 600)]);
    let stepped = world.sees(Arm::Stopped, 700);
    let claims = stepped.told.iter().find(|incident| incident.id.ends_with("-claims")).unwrap();
    assert!(claims.title.contains("the activity log says mallory@contoso.com"), "{}", claims.title);
}

#[test]
fn one_stop_is_not_confirmed_by_two_operations() {
    let mut world = World::new();
    world.confirm = Confirm::Require;
    world.hears(Stop { correlation_id: None, ..stop(mallory(), 0) }, 10);
    world.log_says(vec![log_stop(mallory(), 0), log_stop(trudy(), 60)]);
    let stepped = world.sees(Arm::Stopped, 70);
    let callers: Vec<&str> = world.case().stops.iter().map(|stop| stop.caller.label()).collect();
    assert_eq!(callers, ["mallory@contoso.com", "trudy@contoso.com"]);
    assert!(!stepped.told.iter().any(|incident| incident.id.ends_with("-claims")), "nobody lied");
}

#[test]
fn a_start_that_undid_an_authorised_stop_is_told_as_soon_as_the_guard_knows_of_that_stop() {
    let mut world = World::stopped_by(mallory());
    let intent = world.sees(Arm::Stopped, 150).start.unwrap();
    world.start_came_to(sent(), 151);
    assert!(intent.look_at >= at(140));
    // Somebody had started it, and the pipeline had stopped it: that event comes late.
    world.hears(stop(pipeline(), 140), 200);
    world.log_says(vec![log_stop(mallory(), 0), log_stop(pipeline(), 140)]);
    world.sees(Arm::Starting, 210);

    assert_eq!(world.outcome(), Some(Outcome::Authorised));
    let told: Vec<(IncidentState, Severity)> = world
        .record
        .outbox
        .iter()
        .map(|message| (message.incident.state, message.incident.severity))
        .collect();
    assert!(told.contains(&(IncidentState::Updated, Severity::High)), "{told:?}");
    let last = &world.record.outbox.last().unwrap().incident;
    assert_eq!(last.state, IncidentState::Resolved);
    insta::assert_snapshot!(last.title, @"aks-prod-01 was stopped by night-pipeline with permission, and the guard started it before it knew of that");
}

#[test]
fn a_start_before_an_authorised_stop_undid_nothing() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Stopped, 10);
    world.start_came_to(sent(), 11);
    world.hears(stop(pipeline(), 400), 410);
    world.log_says(vec![log_stop(mallory(), 0), log_stop(pipeline(), 400)]);
    world.sees(Arm::Stopped, 420);
    assert_eq!(world.outcome(), Some(Outcome::Authorised));
    assert!(world.record.outbox.iter().all(|message| message.incident.state != IncidentState::Updated));
}
