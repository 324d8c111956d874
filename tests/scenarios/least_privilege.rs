//! The guard's identity has one custom role. In every scenario the simulated Azure refuses what is not in it, and calls it a violation.

use std::collections::BTreeSet;

use aks_stop_guard::azure::ACTIONS;

use crate::sim::{Setup, Sim, guard, mallory, minutes};

#[tokio::test(start_paused = true)]
async fn each_action_of_the_role_is_needed_and_nothing_else() {
    let mut sim = Sim::new(Setup::default());
    let (guarded, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.pass(&[&guarded], minutes(10)).await;
    sim.stop(&aks, &mallory());
    sim.pass(&[&guarded], minutes(30)).await;
    // One whose event is lost: who did it is asked of the activity log.
    sim.delivers = false;
    sim.stop(&aks, &mallory());
    sim.pass(&[&guarded], minutes(60)).await;
    sim.delivers = true;
    let worker = sim.container_group("cg-worker");
    sim.stop(&worker, &mallory());
    sim.pass(&[&guarded], minutes(30)).await;
    assert!(sim.is_running(&worker));

    let used = sim.world.lock().unwrap().actions_used(&guard());
    assert_eq!(used, BTreeSet::from(ACTIONS));
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn what_the_role_does_not_hold_is_refused_and_seen() {
    let sim = Sim::new(Setup::default());
    sim.world.lock().unwrap().give_role(&guard(), &ACTIONS[..1]);
    let (guarded, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.pass(&[&guarded], minutes(10)).await;
    let world = sim.world.lock().unwrap();
    assert_eq!(world.actions_used(&guard()), BTreeSet::from([ACTIONS[0]]));
    let told = format!("{:?}", world.violations());
    assert!(told.contains("BeyondRole") && told.contains(ACTIONS[1]), "{told}");
}
