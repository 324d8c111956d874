//! A process may die at every instruction: whoever comes next finishes its work.

use aks_stop_guard::case::Outcome;
use aks_stop_guard::domain::IncidentState;

use crate::sim::{Setup, Sim, mallory, minutes};

/// How many points of death a whole case has when nothing goes wrong.
async fn points_of_a_case() -> usize {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(15)).await;
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    guard.probe.points()
}

#[tokio::test(start_paused = true)]
async fn a_process_killed_before_or_after_any_call_leaves_a_case_that_the_next_one_finishes() {
    let points = points_of_a_case().await;
    assert!(points > 40, "the probe sees the calls: {points}");
    for point in 0..points {
        let sim = Sim::new(Setup::default());
        let (doomed, aks) = (sim.process(), sim.cluster("aks-1"));
        doomed.probe.kill_at(point);
        sim.stop(&aks, &mallory());
        // The doomed process gets the event first; Event Grid delivers it again to the next one.
        sim.clock.advance(minutes(2));
        let event = sim.stop_events().remove(0);
        let _ = doomed.probe.run(sim.deliver(&doomed, event.clone())).await;
        sim.pass(&[&doomed], minutes(8)).await;
        let next = sim.process();
        sim.deliver(&next, event).await.unwrap();
        sim.pass(&[&next], minutes(45)).await;

        assert!(sim.is_running(&aks), "killed at {point}: it runs");
        assert_eq!(sim.outcomes().await.len(), 1, "killed at {point}: one case");
        assert_eq!(sim.starts(&aks), 1, "killed at {point}: one accepted start");
        assert!(sim.told_times(IncidentState::Opened) >= 1, "killed at {point}: people were told");
        assert!(sim.told_times(IncidentState::Resolved) >= 1, "killed at {point}: and told that it is over");
        assert!(sim.paths("open").await.is_empty(), "killed at {point}: no marker is left");
        sim.assert_no_violation();
    }
}

#[tokio::test(start_paused = true)]
async fn several_processes_at_once_start_a_cluster_once_and_tell_it_under_one_name() {
    let sim = Sim::new(Setup::default());
    let (a, b, c) = (sim.process(), sim.process(), sim.process());
    let aks = sim.cluster("aks-1");
    sim.stop(&aks, &mallory());
    sim.clock.advance(minutes(2));
    let event = sim.stop_events().remove(0);
    let deliveries = [&a, &b, &c].map(|process| sim.deliver(process, event.clone()));
    for delivered in futures::future::join_all(deliveries).await {
        delivered.unwrap();
    }
    sim.pass(&[&a, &b, &c], minutes(20)).await;

    assert_eq!(sim.starts(&aks), 1);
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    let ids: std::collections::BTreeSet<_> = sim
        .inbox
        .messages
        .lock()
        .unwrap()
        .iter()
        .map(|message| (message.id.clone(), message.sequence))
        .collect();
    assert_eq!(ids.len(), 2, "one opened, one resolved, however often they were sent");
    sim.assert_no_violation();
}
