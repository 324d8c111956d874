use proptest::prelude::*;

use super::*;
use crate::policy::{Counts, Policies, PolicyFile, StopQuestion};

/// A pipeline that stops three clusters of a group each evening of October, Monday to Friday, and starts them in the morning. It
/// goes by UTC: in Berlin its hour changes with the end of summer time on the 25th.
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
    insta::assert_snapshot!(learned.policies(), @r#"
    // Drafts, learned from the activity log. They say what was done, not what anybody decided should be allowed: read each, throw
    // away what you would not allow, and only then put the rest beside your policies.

    // caller    22222222-2222-4222-8222-222222222222 (service-principal)
    // seen      60 stops on 20 days, first 2026-10-05T18:00:10Z, last 2026-10-30T18:00:10Z
    // hours     19h 15, 20h 45 (Europe/Berlin)
    // clusters  a in rg-dev 20, b in rg-dev 20, c in rg-dev 20
    // from      203.0.113.7 60
    // role      Contributor 60
    // ended     60 of 60 started again, by 22222222-2222-4222-8222-222222222222 60
    // careful   it covers every cluster of the group, also those that were not seen
    // needs     STOP_GUARD_TIMEZONE=Europe/Berlin
    @id("learned-22222222-2222-4222-8222-222222222222-19-21")
    permit (
      principal == Caller::"22222222-2222-4222-8222-222222222222",
      action == Action::"stop",
      resource in ResourceGroup::"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg-dev"
    )
    when { context.local.hour >= 19 && context.local.hour < 21 }
    when { [1, 2, 3, 4, 5].contains(context.local.weekday) };
    "#);
    let policies = loaded(&learned);
    let a = cluster("rg-dev", "a");
    assert!(allows(&policies, &a, "2026-10-06T18:59:59Z", &pipeline()));
    for (id, when, caller) in [
        (&a, "2026-10-06T16:59:59Z", &pipeline()),
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
    insta::assert_snapshot!(learned(operations, "Europe/Berlin").human(), @r#"
    62 stops of 4 clusters by 3 callers, from 2026-10-01T00:00:00Z to 2026-11-01T00:00:00Z; hours and days in Europe/Berlin

    service-principal 22222222-2222-4222-8222-222222222222
      stops     60 stops on 20 days, first 2026-10-05T18:00:10Z, last 2026-10-30T18:00:10Z
      clusters  a in rg-dev (20), b in rg-dev (20), c in rg-dev (20)
      hour         0   1   2   3   4   5   6   7   8   9  10  11  12  13  14  15  16  17  18  19  20  21  22  23
                   .   .   .   .   .   .   .   .   .   .   .   .   .   .   .   .   .   .   .  15  45   .   .   .
      weekday    Mon Tue Wed Thu Fri Sat Sun
                  12  12  12  12  12   .   .
      from      203.0.113.7 (60)
      role      Contributor (60)
      ended     60 of 60 started again after 10 h 29 min, by 22222222-2222-4222-8222-222222222222 (60)

    an unknown caller
      stops     1 stop on 1 day, first 2026-10-14T02:00:00Z, last 2026-10-14T02:00:00Z
      clusters  main in rg-prod (1)
      hour         0   1   2   3   4   5   6   7   8   9  10  11  12  13  14  15  16  17  18  19  20  21  22  23
                   .   .   .   .   1   .   .   .   .   .   .   .   .   .   .   .   .   .   .   .   .   .   .   .
      weekday    Mon Tue Wed Thu Fri Sat Sun
                   .   .   1   .   .   .   .
      from      not told (1)
      role      Contributor (1)
      ended     0 of 1 started again

    alice@contoso.com (user 11111111-1111-4111-8111-111111111111)
      stops     1 stop on 1 day, first 2026-10-13T11:15:00Z, last 2026-10-13T11:15:00Z
      clusters  main in rg-prod (1)
      hour         0   1   2   3   4   5   6   7   8   9  10  11  12  13  14  15  16  17  18  19  20  21  22  23
                   .   .   .   .   .   .   .   .   .   .   .   .   .   1   .   .   .   .   .   .   .   .   .   .
      weekday    Mon Tue Wed Thu Fri Sat Sun
                   .   1   .   .   .   .   .
      from      192.0.2.10 (1)
      role      Contributor (1)
      ended     1 of 1 started again after 4 min, by 22222222-2222-4222-8222-222222222222 (1); 1 by others within an hour

    not proposed
      an unknown caller: 1 stop, first 2026-10-14T02:00:00Z: nobody could be named
      alice@contoso.com (user 11111111-1111-4111-8111-111111111111): 1 stop, first 2026-10-13T11:15:00Z: somebody else started the cluster again within an hour: it looks unwanted
    "#);
}

#[test]
fn an_empty_history_proposes_nothing() {
    let learned = learned(Vec::new(), "UTC");
    insta::assert_snapshot!(learned.human(), @"0 stops of 0 clusters by 0 callers, from 2026-10-01T00:00:00Z to 2026-11-01T00:00:00Z; hours and days in UTC");
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
        let stops = ids
            .flat_map(|id| (1..=3).map(move |day| stop(id, &format!("2026-10-0{day}T10:00:00Z"), &alice())));
        let learned = learned(stops.collect(), "UTC");
        assert_eq!(learned.drafts[0].policy.matches("ManagedCluster::").count(), count);
        assert!(!learned.policies().contains("ResourceGroup::"));
        let policies = loaded(&learned);
        assert!(allows(&policies, &cluster("RG-1", "B"), "2026-10-01T10:30:00Z", &alice()));
        assert!(!allows(&policies, &cluster("rg-1", "z"), "2026-10-01T10:30:00Z", &alice()));
    }
}

#[test]
fn each_draft_comes_with_tests_of_what_it_allows_and_of_what_lies_beside_it() {
    let learned = learned(nights(), "Europe/Berlin");
    insta::assert_snapshot!(learned.tests(), @r#"
    # Drafts of tests for learned.cedar: strike those whose policy you throw away.
    policies: [learned.cedar]
    zone: "Europe/Berlin"
    cases:
      - name: "learned-22222222-2222-4222-8222-222222222222-19-21: as seen"
        caller:
          kind: service-principal
          objectId: "22222222-2222-4222-8222-222222222222"
        cluster: "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg-dev/providers/microsoft.containerservice/managedclusters/c"
        at: "2026-10-30T18:00:10Z"
        expect:
          verdict: authorised
          policies: ["learned-22222222-2222-4222-8222-222222222222-19-21"]
      - name: "learned-22222222-2222-4222-8222-222222222222-19-21: not by somebody else"
        caller:
          kind: service-principal
          objectId: "00000000-0000-4000-8000-000000000001"
        cluster: "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg-dev/providers/microsoft.containerservice/managedclusters/c"
        at: "2026-10-30T18:00:10Z"
        expect:
          verdict: unauthorised
      - name: "learned-22222222-2222-4222-8222-222222222222-19-21: not at another hour"
        caller:
          kind: service-principal
          objectId: "22222222-2222-4222-8222-222222222222"
        cluster: "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg-dev/providers/microsoft.containerservice/managedclusters/c"
        at: "2026-10-30T20:00:10Z"
        expect:
          verdict: unauthorised
      - name: "learned-22222222-2222-4222-8222-222222222222-19-21: not in another resource group"
        caller:
          kind: service-principal
          objectId: "22222222-2222-4222-8222-222222222222"
        cluster: "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/another-group/providers/microsoft.containerservice/managedclusters/another-group"
        at: "2026-10-30T18:00:10Z"
        expect:
          verdict: unauthorised
    "#);
}

#[test]
fn the_tests_of_each_draft_hold_for_all_drafts_together() {
    let id = cluster("rg", "a");
    let at_hours = |hours: [u8; 2]| {
        let times = (1..=4).flat_map(move |day| hours.map(|hour| format!("2026-10-0{day}T{hour:02}:00:00Z")));
        learned(times.map(|time| stop(&id, &time, &alice())).collect(), "UTC")
    };
    let apart = at_hours([10, 12]);
    assert_eq!(apart.drafts.iter().map(|draft| draft.tests.len()).collect::<Vec<_>>(), [4, 4]);
    let policies = loaded(&apart);
    for test in apart.drafts.iter().flat_map(|draft| &draft.tests) {
        let by = Caller { object_id: Some(test.caller.clone()), ..alice() };
        let on = ClusterId::parse(&test.cluster).unwrap();
        assert_eq!(allows(&policies, &on, &test.at.to_string(), &by), test.allowed_by.is_some(), "{test:?}");
    }
}

/// A stop by one of two callers, of one of five clusters in two groups, on a day and at an hour of October.
fn any_stop() -> impl Strategy<Value = (bool, usize, u8, u8)> {
    (any::<bool>(), 0..5_usize, 1..=9_u8, prop_oneof![9..=11_u8, Just(20_u8)])
}

proptest! {
    // Each case loads a set, which takes long in a build without optimisations.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn no_history_makes_a_draft_that_is_broader_than_itself(
        stops in proptest::collection::vec(any_stop(), 0..24),
    ) {
        let clusters =
            ["a", "b", "c", "d", "e"].map(|name| cluster(if name < "d" { "rg-1" } else { "rg-2" }, name));
        let who = |is_alice: bool| if is_alice { alice() } else { pipeline() };
        let when = |day: u8, hour: u8| format!("2026-10-0{day}T{hour:02}:30:00Z");
        let done = stops.iter().map(|(is_alice, at, day, hour)| {
            stop(&clusters[*at], &when(*day, *hour), &who(*is_alice))
        });
        let learned = learned(done.collect(), "UTC");
        let policies = loaded(&learned);
        let questions = (0..5).flat_map(|at| [8, 9, 10, 11, 12, 20, 21].map(|hour| (at, hour)));
        let questions = questions.flat_map(|(at, hour)| [(true, at, hour), (false, at, hour)]);
        let allowed = |(is_alice, at, hour): &(bool, usize, u8)| {
            [1, 5, 9].into_iter().any(|day| allows(&policies, &clusters[*at], &when(day, *hour), &who(*is_alice)))
        };
        for (is_alice, at, hour) in questions.filter(allowed) {
            let own = || stops.iter().filter(|(by, _, _, h)| *by == is_alice && *h == hour);
            prop_assert!(own().next().is_some(), "never seen at that hour");
            let own_anywhere = || stops.iter().filter(|(by, ..)| *by == is_alice);
            let seen_there = own_anywhere().any(|(_, cluster, ..)| *cluster == at);
            let seen_in_group = own_anywhere().map(|(_, cluster, ..)| *cluster).filter(|cluster| (*cluster < 3) == (at < 3));
            let group: std::collections::BTreeSet<usize> = seen_in_group.collect();
            prop_assert!(seen_there || group.len() >= 3, "never seen there");
        }
    }
}
