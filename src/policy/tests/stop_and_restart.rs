use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::Severity;

fn counts(by_caller: u32, in_subscription: u32, restarts: u32) -> Counts {
    Counts {
        unauthorised_stops_by_caller_last_hour: by_caller,
        unauthorised_stops_in_subscription_last_hour: in_subscription,
        restarts_last_24h: restarts,
    }
}

#[test]
fn the_default_set_has_no_fault() {
    assert_eq!(DEFAULT.len(), 5);
}

#[test]
fn the_files_on_disk_are_what_is_built_in() {
    for file in [DEFAULT_POLICIES, SCHEMA] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(file.name);
        assert_eq!(std::fs::read_to_string(path).unwrap(), file.text);
    }
}

#[test]
fn by_default_a_stop_that_nobody_announced_is_not_allowed() {
    let answer = Stop::by(alice()).ask(&DEFAULT);
    assert!(!answer.allowed);
    assert!(answer.is_default_deny());
    assert_eq!((answer.severity(), answer.after(), answer.group()), (None, None, None));
}

#[test]
fn by_default_a_stop_that_a_grant_covers_is_allowed() {
    let stop = Stop { grant: Some(grant()), ..Stop::by(alice()) };
    let answer = stop.ask(&DEFAULT);
    assert!(answer.allowed);
    assert!(!answer.is_default_deny());
    assert_eq!(answer.ids(), ["granted"]);
}

#[test]
fn by_default_restarts_go_on_in_a_storm_and_end_with_the_budget() {
    let set = &*DEFAULT;
    let table = [
        (counts(1, 1, 0), true, vec!["restart"], None, None),
        (counts(4, 9, 2), true, vec!["restart"], None, None),
        (counts(5, 5, 0), true, vec!["restart", "storm"], Some(Severity::Critical), Some("storm")),
        (counts(1, 10, 2), true, vec!["restart", "storm"], Some(Severity::Critical), Some("storm")),
        (counts(1, 1, 3), false, vec!["restart-budget"], Some(Severity::Critical), None),
        (counts(50, 50, 4), false, vec!["restart-budget"], Some(Severity::Critical), None),
    ];
    for (counts, allowed, ids, severity, group) in table {
        let answer = Stop { counts, ..Stop::by(alice()) }.ask_restart(set);
        assert_eq!(answer.allowed, allowed, "{counts:?}");
        assert_eq!(answer.ids(), ids, "{counts:?}");
        assert_eq!(answer.severity(), severity, "{counts:?}");
        assert_eq!(answer.group(), group, "{counts:?}");
    }
}

#[test]
fn by_default_people_look_first_when_nobody_knows_who_stopped_it() {
    let set = &*DEFAULT;
    let answer = Stop::by(Caller::unknown()).ask_restart(set);
    assert!(!answer.allowed);
    assert_eq!(answer.ids(), ["unknown-caller"]);
    assert_eq!(answer.severity(), Some(Severity::High));

    let (id, stop) = (cluster_id(), Stop::by(alice()));
    let named_but_unproven = RestartQuestion {
        caller: &stop.caller,
        caller_known: false,
        cluster: &id,
        facts: None,
        at: stop.at,
        stopped_at: stop.at,
        zone: &UTC,
        counts: Counts::default(),
    };
    assert_eq!(set.may_restart(&named_but_unproven).ids(), ["unknown-caller"]);
}

#[test]
fn without_any_policy_nothing_is_allowed() {
    let set = load(&[]).unwrap();
    assert!(set.is_empty());
    assert!(Stop { grant: Some(grant()), ..Stop::by(alice()) }.ask(&set).is_default_deny());
    assert!(Stop::by(alice()).ask_restart(&set).is_default_deny());
}

#[test]
fn a_set_without_a_restart_permit_never_restarts() {
    let set = policies(r#"@id("all") permit (principal, action == Action::"stop", resource);"#);
    assert!(Stop::by(alice()).ask(&set).allowed);
    assert!(Stop::by(alice()).ask_restart(&set).is_default_deny());
}

#[test]
fn a_forbid_beats_every_permit_and_alone_determines() {
    let set = policies(
        r#"@id("all") permit (principal, action, resource);
           @id("never-prod") forbid (principal, action == Action::"stop", resource)
           when { resource.hasTag("env") && resource.getTag("env") == "Prod" };"#,
    );
    let answer = Stop::by(alice()).ask(&set);
    assert!(!answer.allowed);
    assert_eq!(answer.ids(), ["never-prod"]);
    assert_eq!(answer.policies.first().unwrap().effect, Effect::Forbid);
}

#[test]
fn of_several_determining_policies_the_worst_severity_and_the_longest_wait_count() {
    let set = load(&[
        (
            "b.cedar",
            r#"@id("late") @severity("low") @after("2h") @notify("teams,pager") @incident("second")
                       permit (principal, action == Action::"restart", resource);"#,
        ),
        (
            "a.cedar",
            r#"@id("z-first") @severity("high") @after("90s") @notify("pager, sentinel") @incident("first")
                       permit (principal, action == Action::"restart", resource);
                       @id("a-second") @doc("no response of its own")
                       permit (principal, action == Action::"restart", resource);"#,
        ),
    ])
    .unwrap();
    let answer = Stop::by(alice()).ask_restart(&set);
    assert_eq!(answer.ids(), ["z-first", "a-second", "late"], "files by name, then lines");
    assert_eq!(answer.severity(), Some(Severity::High));
    assert_eq!(answer.after(), Some(Duration::from_secs(2 * 60 * 60)));
    assert_eq!(answer.group(), Some("first"));
    assert_eq!(answer.notify(), ["pager", "sentinel", "teams"]);
    assert_eq!(
        set.sinks_named(),
        [("z-first", "pager"), ("z-first", "sentinel"), ("late", "teams"), ("late", "pager")]
    );
}

proptest! {
    /// The default set against what its comments promise, written down a second time.
    #[test]
    fn the_default_set_answers_as_its_comments_say(
        known in any::<bool>(),
        granted in any::<bool>(),
        confirmed in any::<bool>(),
        by_caller in 0_u32..12,
        in_subscription in 0_u32..20,
        restarts in 0_u32..6,
    ) {
        let set = &*DEFAULT;
        let stop = Stop {
            counts: counts(by_caller, in_subscription, restarts),
            grant: granted.then(grant),
            confirmed,
            ..Stop::by(if known { alice() } else { Caller::unknown() })
        };
        prop_assert_eq!(stop.ask(set).allowed, granted);

        let restart = stop.ask_restart(set);
        let storm = in_subscription >= 10 || by_caller >= 5;
        let mut expected = Vec::new();
        if restarts >= 3 { expected.push("restart-budget") }
        if !known { expected.push("unknown-caller") }
        let allowed = expected.is_empty();
        if allowed {
            expected.push("restart");
            if storm { expected.push("storm") }
        }
        prop_assert_eq!(restart.allowed, allowed);
        prop_assert_eq!(restart.ids(), expected);
        prop_assert_eq!(restart.group().is_some(), allowed && storm);
    }
}
