use super::*;
use crate::policy::{Counts, Policies, PolicyFile, StopQuestion};

/// A pipeline that stops three clusters of a group each evening of October, Monday to Friday, and starts them in the morning.
fn nights() -> Vec<ScopeOperation> {
    let clusters = ["a", "b", "c"].map(|name| cluster("RG-Dev", name));
    let mut operations = Vec::new();
    for day in (5..=30).filter(|day| !matches!((day - 5) % 7, 5 | 6)) {
        for id in &clusters {
            operations.push(stop(id, &format!("2026-10-{day:02}T18:00:10Z"), &pipeline()));
            operations.push(start(id, &format!("2026-10-{:02}T04:30:00Z", day + 1), &pipeline()));
        }
    }
    operations
}

fn loaded(learned: &Learned) -> Policies {
    Policies::load(&[PolicyFile { name: "learned.cedar", text: &learned.policies() }]).unwrap()
}

fn allows(policies: &Policies, id: &ClusterId, when: &str, caller: &Caller) -> bool {
    let answer = policies.may_stop(&StopQuestion {
        caller,
        cluster: id,
        facts: None,
        at: at(when),
        zone: &TimeZone::get("Europe/Berlin").unwrap(),
        counts: Counts::default(),
        confirmed: false,
        grant: None,
    });
    assert_eq!(answer.errors, []);
    answer.allowed
}

#[test]
fn a_nightly_shutdown_becomes_one_draft_that_allows_that_and_no_more() {
    let learned = learned(nights(), "Europe/Berlin");
    insta::assert_snapshot!(learned.policies(), @"");
    let policies = loaded(&learned);
    let a = cluster("rg-dev", "a");
    assert!(allows(&policies, &a, "2026-10-06T18:59:59Z", &pipeline()));
    for (id, when, caller) in [
        (&a, "2026-10-06T17:59:59Z", &pipeline()),
        (&a, "2026-10-06T19:00:00Z", &pipeline()),
        (&a, "2026-10-10T18:30:00Z", &pipeline()),
        (&a, "2026-10-06T18:30:00Z", &alice()),
        (&cluster("rg-prod", "a"), "2026-10-06T18:30:00Z", &pipeline()),
    ] {
        assert!(!allows(&policies, id, when, caller), "{id} {when}");
    }
}

#[test]
fn people_read_who_stopped_what_how_often_when_and_what_came_of_it() {
    let mut operations = nights();
    let prod = cluster("rg-prod", "main");
    operations.push(stop(&prod, "2026-10-13T11:15:00Z", &alice()));
    operations.push(start(&prod, "2026-10-13T11:19:00Z", &pipeline()));
    operations.push(stop(&prod, "2026-10-14T02:00:00Z", &Caller::unknown()));
    insta::assert_snapshot!(learned(operations, "Europe/Berlin").human(), @"");
}

#[test]
fn an_empty_history_proposes_nothing() {
    let learned = learned(Vec::new(), "UTC");
    insta::assert_snapshot!(learned.human(), @"");
    assert_eq!(learned.drafts, []);
    assert_eq!(loaded(&learned).len(), 0);
}

#[test]
fn no_draft_comes_from_fewer_than_three_stops_or_from_one_day() {
    let id = cluster("rg", "a");
    for days in [&["01T10:00"][..], &["01T10:00", "02T10:00"], &["01T10:00", "01T10:20", "01T10:40"]] {
        let stops = days.iter().map(|day| stop(&id, &format!("2026-10-{day}:00Z"), &alice())).collect();
        let learned = learned(stops, "UTC");
        assert_eq!((learned.drafts.len(), learned.not_proposed.len()), (0, 1), "{days:?}");
    }
}

#[test]
fn stops_that_others_undid_at_once_are_no_habit() {
    let id = cluster("rg", "a");
    let mut operations = Vec::new();
    for day in 1..=9 {
        operations.push(stop(&id, &format!("2026-10-0{day}T10:00:00Z"), &alice()));
        operations.push(start(&id, &format!("2026-10-0{day}T10:05:00Z"), &pipeline()));
    }
    let learned = learned(operations, "UTC");
    assert_eq!(learned.drafts, []);
    assert_eq!(learned.callers[0].started_again.undone, 9);
    assert!(learned.not_proposed[0].why.contains("it looks unwanted"));
}

#[test]
fn a_one_off_of_a_caller_with_a_habit_does_not_widen_it() {
    let mut operations = nights();
    operations.push(stop(&cluster("rg-prod", "main"), "2026-10-13T09:00:00Z", &pipeline()));
    let learned = learned(operations, "Europe/Berlin");
    assert_eq!(learned.drafts.len(), 1);
    assert_eq!(learned.not_proposed.len(), 1);
    assert_eq!(learned.not_proposed[0].why, "seen once");
    assert!(!learned.policies().contains("rg-prod"));
}

#[test]
fn a_night_that_crosses_midnight_is_one_window_and_one_day() {
    let id = cluster("rg", "a");
    let one_night = ["2026-10-01T23:50:00Z", "2026-10-02T00:05:00Z", "2026-10-02T00:10:00Z"];
    let stops = |times: &[&str]| times.iter().map(|time| stop(&id, time, &alice())).collect::<Vec<_>>();
    let one = learned(stops(&one_night), "UTC");
    assert_eq!(one.drafts, []);
    assert_eq!(one.not_proposed[0].why, "seen 3 times on 1 day: 3 on 2 days are needed");
    let mut times = one_night.to_vec();
    times.push("2026-10-02T23:55:00Z");
    let two = learned(stops(&times), "UTC");
    assert!(two.drafts[0].policy.contains("context.utc.hour >= 23 || context.utc.hour < 1"));
    let policies = loaded(&two);
    for time in times {
        assert!(allows(&policies, &id, time, &alice()), "{time}");
    }
}

#[test]
fn nobody_and_azure_itself_get_no_draft() {
    let azure = Caller { kind: CallerKind::Azure, ..pipeline() };
    for caller in [Caller::unknown(), azure] {
        let id = cluster("rg", "a");
        let days = 1..=9;
        let stops = days.map(|day| stop(&id, &format!("2026-10-0{day}T10:00:00Z"), &caller)).collect();
        let learned = learned(stops, "UTC");
        assert_eq!((learned.drafts.len(), learned.not_proposed.len()), (0, 1));
    }
}

#[test]
fn two_clusters_are_listed_and_clusters_of_several_groups_too() {
    let ids = [cluster("rg-1", "a"), cluster("rg-1", "b"), cluster("rg-2", "c"), cluster("rg-3", "d")];
    for count in [2, 4] {
        let ids = ids.iter().take(count);
        let stops = ids.flat_map(|id| {
            (1..=3).map(move |day| stop(id, &format!("2026-10-0{day}T10:00:00Z"), &alice()))
        });
        let learned = learned(stops.collect(), "UTC");
        assert_eq!(learned.drafts[0].policy.matches("ManagedCluster::").count(), count);
        assert!(!learned.policies().contains("ResourceGroup::"));
        let policies = loaded(&learned);
        assert!(allows(&policies, &cluster("RG-1", "B"), "2026-10-01T10:30:00Z", &alice()));
        assert!(!allows(&policies, &cluster("rg-1", "z"), "2026-10-01T10:30:00Z", &alice()));
    }
}
