//! Storms and a broken guard, as people read of them.

use super::super::super::bulletin::{Bulletin, BulletinKey, StormReport};
use super::*;
use crate::case::bulletin::DownReport;
use crate::domain::grant::{Author, Way};
use crate::domain::{Hold, Scope};

fn storm_of(rows: &[(&str, &str, bool)], mode: Mode) -> Bulletin {
    let subscription = crate::domain::SubscriptionId::parse(SUBSCRIPTION).unwrap();
    let mut storm = Bulletin::new(BulletinKey::Storm { subscription });
    let (times, routes) = (Times::default(), Routes::to_all(["webhook"]));
    for (second, (name, status, ended)) in (0..).zip(rows) {
        let teller = Teller { now: at(second), mode, routes: &routes, portal: Some(&PORTAL), times: &times };
        let (cluster, row) = (cluster_named(name), StormRow { status: (*status).to_owned(), ended: *ended });
        let caller = person(
            &format!("{second:08}-1111-4111-8111-111111111111"),
            &format!("caller-{second}@contoso.com"),
        );
        let policies = ["storm".to_owned()];
        storm.take_row(
            StormReport {
                cluster: &cluster,
                row: &row,
                caller: Some(&caller),
                policies: &policies,
                notify: &[],
            },
            teller,
        );
    }
    let teller = Teller { now: at(700), mode, routes: &routes, portal: Some(&PORTAL), times: &times };
    storm.look_after(teller);
    storm
}

#[test]
fn a_storm_is_one_critical_incident_that_lists_its_clusters() {
    let storm = storm_of(
        &[
            ("aks-1", "restarting", false),
            ("aks-2", "held: a hold forbids starts: audit by Ada", false),
            ("aks-3", "restarting", false),
            ("aks-4", "restarting", false),
            ("aks-3", "restored", true),
        ],
        Mode::Act,
    );
    insta::assert_snapshot!(shown(&storm.outbox.last().unwrap().incident), @r"
    id: storm-aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e-1789408800
    state: updated
    sequence: 1
    severity: critical
    title: storm: 4 clusters of subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e stopped by caller-0@contoso.com, caller-1@contoso.com, caller-2@contoso.com and 2 more without permission; the guard restarts what it may
    opened_at: 2026-09-14T18:00:00Z
    at: 2026-09-14T18:11:40Z
    clusters:
      - id: /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-2, status: held: a hold forbids starts: audit by Ada
      - id: /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-4, status: restarting
      - id: /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-3, status: restored
      - id: /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-1, status: restarting
    cluster_count: 4
    timeline:
      - at: 2026-09-14T18:00:00Z, text: aks-1: restarting
      - at: 2026-09-14T18:00:01Z, text: aks-2: held: a hold forbids starts: audit by Ada
      - at: 2026-09-14T18:00:02Z, text: aks-3: restarting
      - at: 2026-09-14T18:00:03Z, text: aks-4: restarting
      - at: 2026-09-14T18:00:04Z, text: aks-3: restored
    verdict: unauthorised
    policies:
      - storm
    mode: act
    done:
      - 1 of 4 clusters are settled.
    next:
      - Take the callers' rights or sessions away if this is an attack.
      - Decide about those that wait for people (1): see their status.
      - What caller-0@contoso.com may do there: `az role assignment list --all --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --assignee 00000000-1111-4111-8111-111111111111`.
      - What caller-1@contoso.com may do there: `az role assignment list --all --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --assignee 00000001-1111-4111-8111-111111111111`.
      - What caller-2@contoso.com may do there: `az role assignment list --all --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --assignee 00000002-1111-4111-8111-111111111111`.
      - If the stops are meant, keep the guard from starting anything there: `aks-stop-guard hold add --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --until <time> --reason <why>`.
    links:
      - label: activity log of subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e, url: https://portal.azure.com/#@/resource/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/eventlogs
    ");
}

#[test]
fn a_storm_is_told_in_a_line_from_its_first_cluster_to_its_end() {
    let storm = storm_of(&[("aks-1", "restarting", false), ("aks-1", "restored", true)], Mode::Act);
    let mut lines: Vec<String> = storm.outbox.iter().map(|message| brief(&message.incident)).collect();
    let storm = storm_of(&[("aks-1", "held: mode", false)], Mode::Notify);
    lines.push(brief(&storm.outbox[0].incident));
    insta::assert_snapshot!(lines.join("\n"), @r"
    [critical] storm: 1 cluster of subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e stopped by caller-0@contoso.com without permission; the guard restarts what it may
      * Take the callers' rights or sessions away if this is an attack.
      * What caller-0@contoso.com may do there: `az role assignment list --all --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --assignee 00000000-1111-4111-8111-111111111111`.
      * If the stops are meant, keep the guard from starting anything there: `aks-stop-guard hold add --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --until <time> --reason <why>`.
    [critical] storm over: 1 cluster of subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e stopped by caller-0@contoso.com, caller-1@contoso.com without permission, none is left to settle
      * Check what ran there: pods that no controller owns don't come back after a stop.
    [critical] storm: 1 cluster of subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e stopped by caller-0@contoso.com without permission; the guard is in mode notify and starts nothing
      * Take the callers' rights or sessions away if this is an attack.
      * Decide about those that wait for people (1): see their status.
      * What caller-0@contoso.com may do there: `az role assignment list --all --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --assignee 00000000-1111-4111-8111-111111111111`.
      * If the stops are meant, keep the guard from starting anything there: `aks-stop-guard hold add --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --until <time> --reason <why>`.
    ");
}

#[test]
fn a_broken_guard_is_told_with_what_to_mend() {
    let (times, routes) = (Times::default(), Routes::to_all(["webhook"]));
    let teller =
        Teller { now: at(0), mode: Mode::Act, routes: &routes, portal: Some(&PORTAL), times: &times };
    let mut degraded = Bulletin::new(BulletinKey::Degraded);
    degraded.take_faults(&["policies/more.cedar:3: `burts` is not an attribute".to_owned()], teller);
    degraded.take_faults(&[], teller);
    let told: Vec<String> = degraded.outbox.iter().map(|message| shown(&message.incident)).collect();
    insta::assert_snapshot!(told.join("\n\n"), @r"
    id: degraded-1789408800
    state: opened
    sequence: 0
    severity: critical
    title: the guard is broken: it records stops, but decides nothing and starts nothing
    opened_at: 2026-09-14T18:00:00Z
    at: 2026-09-14T18:00:00Z
    cluster_count: 0
    mode: act
    done:
      - All stops are recorded; none is lost.
    next:
      - Mend: policies/more.cedar:3: `burts` is not an attribute
      - Check with `aks-stop-guard check`, then deploy again.

    id: degraded-1789408800
    state: resolved
    sequence: 1
    severity: critical
    title: the guard works again
    opened_at: 2026-09-14T18:00:00Z
    at: 2026-09-14T18:00:00Z
    cluster_count: 0
    mode: act
    done:
      - All stops are recorded; none is lost.
    ");
}

#[test]
fn clusters_that_are_down_unexplained_are_told_with_their_pages_and_how_to_start_them() {
    let world = World::new();
    let mut bulletin = Bulletin::new(BulletinKey::Unexplained);
    let reports = ["aks-1", "aks-2", "aks-3", "aks-4"].map(|name| DownReport {
        cluster: cluster_named(name),
        status: "stopped; the activity log names nobody".to_owned(),
        ended: name == "aks-0",
        caller: None,
    });
    bulletin.take_down(&reports, world.teller(0));
    insta::assert_snapshot!(whole(&bulletin), @r"
    [high] 4 clusters are down, and nobody can say that they may be; the guard starts none of them
      * Find out who stopped them and why: their status says what is known.
      * Start those that must run, by hand. What runs or is gone leaves this incident.
      * Start aks-2: `az aks start --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-2`.
      * Start aks-4: `az aks start --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-4`.
      * Start aks-3: `az aks start --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-3`.
      > aks-2 in the portal https://portal.azure.com/#@/resource/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-2/overview
      > aks-4 in the portal https://portal.azure.com/#@/resource/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-4/overview
      > aks-3 in the portal https://portal.azure.com/#@/resource/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-3/overview
      > activity log of subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e https://portal.azure.com/#@/resource/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/eventlogs
    ");
}

#[test]
fn a_baseline_a_hold_and_a_failing_discovery_are_told_with_where_to_look() {
    let world = World::new();
    let mut baseline = Bulletin::new(BulletinKey::Baseline);
    baseline.tell_baseline(&[cluster_id()], world.teller(0));
    let mut held = Bulletin::new(BulletinKey::Hold { id: "h-1".to_owned() });
    let dana = Author { id: None, name: Some("dana".to_owned()), via: Way::Cli };
    let scope = Scope::around(&cluster_id())[1].clone();
    let hold = Hold::new("h-1".to_owned(), scope, at(3_600), "audit", dana, at(0)).unwrap();
    held.take_hold(&hold, world.teller(0));
    let mut discovery = Bulletin::new(BulletinKey::Discovery);
    let faults: Vec<String> =
        (0..12).map(|n| format!("subscription {n}: ARM denies it\n{}", "x".repeat(400))).collect();
    discovery.take_faults(&faults, world.teller(0));
    let told = &discovery.outbox[0].incident;
    assert_eq!(told.next.len(), 11, "ten faults, and how many more there are");
    assert!(told.next.iter().all(|line| line.chars().count() < 320 && !line.contains('\n')));
    insta::assert_snapshot!(format!("{}\n\n{}", whole(&baseline), whole(&held)), @r"
    [info] 1 cluster was down when the guard first looked; it is left alone
      * Start those that must run, by hand: from then on they are guarded.
      * Start aks-prod-01: `az aks start --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group 'rg-prod' --name aks-prod-01`.
      > aks-prod-01 in the portal https://portal.azure.com/#@/resource/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod-01/overview
      > activity log of subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e https://portal.azure.com/#@/resource/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/eventlogs

    [high] hold: the guard starts nothing in /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod: held by CLI, unverified until 2026-09-14T19:00:00Z: audit
      * Lift it with `aks-stop-guard hold lift h-1` when it is no longer needed. When it is over, stopped clusters that nobody was allowed to stop are restarted.
      > resource group rg-prod in the portal https://portal.azure.com/#@/resource/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/overview
    ");
}

/// The first message of a bulletin: what a person reads, and where it leads.
fn whole(bulletin: &Bulletin) -> String {
    let incident = &bulletin.outbox[0].incident;
    let links = incident.links.iter().map(|link| format!("  > {} {}", link.label, link.url));
    [brief(incident)].into_iter().chain(links).collect::<Vec<_>>().join("\n")
}
