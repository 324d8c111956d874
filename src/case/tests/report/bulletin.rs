//! Storms and a broken guard, as people read of them.

use super::super::super::bulletin::{Bulletin, BulletinKey, StormReport, Teller};
use super::*;

fn storm_of(rows: &[(&str, &str, bool)], mode: Mode) -> Bulletin {
    let subscription = crate::domain::SubscriptionId::parse(SUBSCRIPTION).unwrap();
    let mut storm = Bulletin::new(BulletinKey::Storm { subscription });
    let (times, routes) = (Times::default(), Routes::to_all(["webhook"]));
    for (second, (name, status, ended)) in (0..).zip(rows) {
        let teller = Teller { now: at(second), mode, routes: &routes, times: &times };
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
    let teller = Teller { now: at(700), mode, routes: &routes, times: &times };
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
    [critical] storm over: 1 cluster of subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e stopped by caller-0@contoso.com, caller-1@contoso.com without permission, none is left to settle
      * Check what ran there: pods that no controller owns don't come back after a stop.
    [critical] storm: 1 cluster of subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e stopped by caller-0@contoso.com without permission; the guard is in mode notify and starts nothing
      * Take the callers' rights or sessions away if this is an attack.
      * Decide about those that wait for people (1): see their status.
    ");
}

#[test]
fn a_broken_guard_is_told_with_what_to_mend() {
    let (times, routes) = (Times::default(), Routes::to_all(["webhook"]));
    let teller = Teller { now: at(0), mode: Mode::Act, routes: &routes, times: &times };
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
