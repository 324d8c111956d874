//! With `STOP_GUARD_POSTURE` an incident says how exposed its cluster is, and no start waits for that.

use aks_stop_guard::azure::{ACTIONS, POSTURE_ACTIONS};
use aks_stop_guard::case::Outcome;
use simulator::world::{ClusterId, Fault, FaultRule, NetworkRule, RequestKind};

use crate::sim::{Process, Setup, Sim, guard, mallory, minutes};

/// A cluster with SSH open to the internet.
fn exposed(may_read: bool) -> (Sim, Process, ClusterId) {
    let sim = Sim::new(Setup { posture: true, ..Setup::default() });
    if may_read {
        let actions: Vec<&str> = ACTIONS.into_iter().chain(POSTURE_ACTIONS).collect();
        sim.world.lock().unwrap().give_role(&guard(), &actions);
    }
    let (process, aks) = (sim.process(), sim.cluster("aks-1"));
    {
        let mut world = sim.world.lock().unwrap();
        let group = world.cluster(&aks).unwrap().network_group();
        world.estate_mut().add_rule(&group, NetworkRule::new("ssh", 200, true, "Internet", "22"));
    }
    (sim, process, aks)
}

/// The lines about it in each message, in order.
fn told(sim: &Sim) -> Vec<Vec<String>> {
    let messages = sim.inbox.messages.lock().unwrap();
    let about = |line: &&String| line.contains("xposed");
    messages.iter().map(|incident| incident.warnings.iter().filter(about).cloned().collect()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_incident_says_what_lets_its_cluster_be_stopped() {
    let (sim, process, aks) = exposed(true);
    sim.stop(&aks, &mallory());
    sim.pass(&[&process], minutes(20)).await;

    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    let told = told(&sim);
    assert_eq!(told.len(), 2, "opened and resolved");
    assert_eq!(told[0], told[1], "read once");
    insta::assert_snapshot!(told[0].join("\n"), @"
    Exposed (high): network rule open to the internet: inbound rule `ssh` of `aks-agentpool-12345678-nsg` lets Internet in: Tcp 22 to *.
    Exposed (medium): the Defender for Containers plan is off: the plan Containers is `Free`.
    Exposed (medium): API server open to the internet: the API server takes connections from everywhere: no authorised ranges, not private.
    Exposed (medium): local accounts are on: `disableLocalAccounts` is not set; Entra ID integration is off.
    Exposed (medium): no audit log of the API server: no diagnostic setting sends kube-audit or kube-audit-admin.
    Exposed: 1 more; `aks-stop-guard posture --cluster /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-1` shows all.
    ");
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn without_the_right_an_incident_says_so_in_one_line() {
    let (sim, process, aks) = exposed(false);
    sim.stop(&aks, &mallory());
    sim.pass(&[&process], minutes(20)).await;

    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    let told = told(&sim);
    let missing: Vec<&String> = told[0].iter().filter(|line| line.contains("could not")).collect();
    assert_eq!(missing.len(), 1);
    assert!(missing[0].contains("the right `Microsoft."), "{missing:?}");
}

/// Azure throttles what is read for the incident: for an hour, say.
#[tokio::test(start_paused = true)]
async fn no_start_and_no_incident_waits_for_slow_answers() {
    let (sim, process, aks) = exposed(true);
    let other = sim.cluster("aks-2");
    let fault = Fault::Throttled { retry_after: Some(3_600) };
    let on = Some(RequestKind::ListAssignments);
    sim.world.lock().unwrap().add_fault(FaultRule { fault, on, cluster: None, times: None });
    sim.stop(&aks, &mallory());
    sim.pass(&[&process], minutes(3)).await;
    sim.stop(&other, &mallory());
    sim.pass(&[&process], minutes(10)).await;

    assert_eq!(sim.outcomes().await, [Outcome::Restored; 2]);
    assert_eq!(told(&sim).len(), 4, "both opened and resolved");
    let told = told(&sim).concat();
    assert!(told.iter().any(|line| line.contains("could not all be read")), "{told:?}");
}

/// In a storm the reads of a subscription are needed for its clusters.
#[tokio::test(start_paused = true)]
async fn in_a_storm_one_cluster_is_read_at_a_time() {
    let (sim, process, _) = exposed(true);
    let all: Vec<ClusterId> = (2..30).map(|n| sim.cluster(&format!("aks-{n}"))).collect();
    for aks in &all {
        sim.stop(aks, &mallory());
    }
    sim.pass(&[&process], minutes(2)).await;

    let read = sim.world.lock().unwrap().journal().requests(RequestKind::ListNetworkGroups, None);
    assert!((1..=5).contains(&read), "{read}");
    assert!(all.iter().all(|aks| sim.starts(aks) == 1));
}

#[tokio::test(start_paused = true)]
async fn where_it_is_off_nothing_is_read() {
    let sim = Sim::new(Setup::default());
    let (process, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.pass(&[&process], minutes(20)).await;
    assert_eq!(told(&sim), [[""; 0], [""; 0]]);
    sim.assert_no_violation();
}
