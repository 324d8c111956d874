//! Grants: a stop that was announced.

use jiff::SignedDuration;

use super::*;
use crate::domain::GrantScope;
use crate::domain::grant::{Author, Ended, Plan, Way};

fn by() -> Author {
    Author { id: Some(TRUDY.to_owned()), name: Some("trudy@contoso.com".to_owned()), via: Way::Http }
}

/// Lets Mallory stop this very cluster from `from` on, for two hours after the evening began.
fn grant(from: i64) -> Grant {
    let scope = GrantScope::Cluster { id: cluster_id(), resource_uid: "uid-1".to_owned() };
    let times = (Some(at(from)), at(7_200));
    let plan = Plan::new(scope, MALLORY, times, ("nightly", Some("CHG-1")), at(from)).unwrap();
    Grant::of(plan, format!("grant-{from}"), by(), at(from))
}

fn world(grants: Vec<Grant>) -> World {
    World { grants, ..World::stopped_by(mallory()) }
}

#[test]
fn a_stop_that_was_granted_is_authorised_and_the_case_says_by_whom() {
    let mut world = world(vec![grant(-60)]);
    world.log_says(vec![log_stop(mallory(), 0)]);
    world.sees(Arm::Stopped, 11);
    assert_eq!(world.outcome(), Some(Outcome::Authorised));
    let Episode::Closing(closing) = &world.record.episode else { panic!("it is not over") };
    let case: Case = serde_json::from_str(&closing.body).unwrap();
    assert_eq!(case.stops[0].granted.as_deref(), Some("grant--60"));
    let story: Vec<_> = case.timeline.iter().map(|line| line.text.as_str()).collect();
    let said = format!(
        "it was granted by trudy@contoso.com ({TRUDY}) until 2026-09-14 20:00:00 UTC: nightly (grant grant--60)"
    );
    assert!(story.contains(&said.as_str()), "{story:#?}");
}

#[test]
fn rule_10_what_counts_is_the_time_of_the_stop() {
    let revoked = Grant { revoked: Some(Ended { at: at(-1), by: by() }), ..grant(-60) };
    for uncovering in [grant(1), revoked, Grant { until: at(0), ..grant(-60) }] {
        let mut world = world(vec![uncovering]);
        assert!(world.sees(Arm::Stopped, 11).start.is_some());
    }
}

#[test]
fn a_grant_for_somebody_else_or_another_cluster_explains_nothing() {
    let other_cluster = GrantScope::Cluster { id: cluster_named("other"), resource_uid: "uid-1".to_owned() };
    let remade = GrantScope::Cluster { id: cluster_id(), resource_uid: "uid-0".to_owned() };
    for uncovering in [
        Grant { caller: TRUDY.to_owned(), ..grant(-60) },
        Grant { scope: other_cluster, ..grant(-60) },
        Grant { scope: remade, ..grant(-60) },
    ] {
        let mut world = world(vec![uncovering]);
        assert!(world.sees(Arm::Stopped, 11).start.is_some());
    }
}

#[test]
fn rule_10_a_grant_that_comes_late_still_authorises_and_its_end_takes_nothing_back() {
    let mut world = world(Vec::new());
    world.sees(Arm::Stopping, 11);
    assert!(!world.case().verdict.as_ref().unwrap().authorised);
    world.grants = vec![grant(-60)];
    assert_eq!(world.sees(Arm::Stopped, 41).start, None);
    assert!(world.case().verdict.as_ref().unwrap().authorised);
    world.grants = Vec::new();
    assert_eq!(world.sees(Arm::Stopped, 71).start, None);
    assert!(world.case().verdict.as_ref().unwrap().authorised);
}

#[test]
fn rule_29_a_grant_for_whom_the_event_named_is_void_when_the_log_names_another() {
    let mut world = world(vec![grant(-60)]);
    let stop = PowerOperation { caller: trudy(), ..log_stop(mallory(), 0) };
    world.log_says(vec![stop]);
    world.sees(Arm::Stopped, 11);
    assert!(world.sees(Arm::Stopped, 12).start.is_some(), "the log's caller had no grant");
    let case = world.case();
    assert!(!case.verdict.as_ref().unwrap().authorised);
    assert_eq!(case.stops[0].granted, None);
}

#[test]
fn of_several_grants_the_one_that_ends_last_is_used_and_none_where_a_policy_allows_it_anyway() {
    let longer = Grant { until: at(7_200) + SignedDuration::from_secs(1), ..grant(-50) };
    let mut two = world(vec![grant(-60), longer, grant(-40)]);
    two.sees(Arm::Stopped, 11);
    assert_eq!(two.case().stops[0].granted.as_deref(), Some("grant--50"));

    let for_pipeline = Grant { caller: PIPELINE.to_owned(), ..grant(-60) };
    let mut allowed = World { grants: vec![for_pipeline], ..World::stopped_by(pipeline()) };
    allowed.sees(Arm::Stopped, 11);
    assert_eq!(allowed.case().stops[0].granted, None);
}

#[test]
fn a_policy_may_be_stricter_than_a_grant() {
    let strict = with_default(
        "@id(\"ticket\") forbid (principal, action == Action::\"stop\", resource)
         when { context has grant && !(context.grant has ticket) };",
    );
    let bare = Grant { ticket: None, ..grant(-60) };
    let mut world = world(vec![bare]);
    world.steps(&strict, Arm::Stopped.look(at(11)), 11);
    assert!(!world.case().verdict.as_ref().unwrap().authorised);
}
