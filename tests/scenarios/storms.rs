//! Many stops at once: one incident, all clusters restarted.

use aks_stop_guard::domain::{IncidentState, Severity};
use object_store::ObjectStoreExt as _;

use crate::sim::{Setup, Sim, mallory, minutes, ops};

#[tokio::test(start_paused = true)]
async fn ten_stops_by_one_caller_are_one_critical_storm_and_all_are_restarted() {
    let sim = Sim::new(Setup::default());
    let guard = sim.process();
    let clusters: Vec<_> = (0..10).map(|n| sim.cluster(&format!("aks-{n}"))).collect();
    for aks in &clusters {
        sim.stop(aks, &mallory());
        sim.clock.advance(jiff::SignedDuration::from_secs(5));
    }
    sim.pass(&[&guard], minutes(40)).await;

    for aks in &clusters {
        assert!(sim.is_running(aks), "{aks}");
        assert_eq!(sim.starts(aks), 1);
    }
    let messages = sim.inbox.messages.lock().unwrap().clone();
    let storms: Vec<_> = messages.iter().filter(|message| message.id.starts_with("storm-")).collect();
    let opened: Vec<_> = storms.iter().filter(|message| message.state == IncidentState::Opened).collect();
    assert_eq!(opened.len(), 1, "a storm is told once");
    assert_eq!(opened[0].severity, Severity::Critical);
    assert!(opened[0].done[0].ends_with("more have incidents of their own."), "{:?}", opened[0].done);
    let last = storms.last().unwrap();
    assert_eq!(last.state, IncidentState::Resolved);
    assert_eq!(last.cluster_count, 10, "it lists those that led up to it as well");
    let bulletin = sim.paths("bulletins").await;
    assert_eq!(bulletin.len(), 1);
    sim.assert_no_violation();
}

/// A bulletin that this program must not touch keeps no other one back.
#[tokio::test(start_paused = true)]
async fn a_storm_is_told_to_its_end_beside_a_bulletin_of_a_newer_program() {
    let sim = Sim::new(Setup::default());
    let guard = sim.process();
    let newer = r#"{"v":2,"min_writer":2,"writer":"x","key":{"about":"degraded"},"gen":1}"#;
    sim.state.put(&"bulletins/degraded.json".into(), newer.into()).await.unwrap();
    sim.state.put(&"open/0-bulletins/degraded/1".into(), "".into()).await.unwrap();
    for n in 0..5 {
        sim.stop(&sim.cluster(&format!("aks-{n}")), &mallory());
    }
    sim.pass(&[&guard], minutes(40)).await;

    let messages = sim.inbox.messages.lock().unwrap().clone();
    let storm: Vec<_> = messages.iter().filter(|message| message.id.starts_with("storm-")).collect();
    assert_eq!(storm.last().map(|message| message.state), Some(IncidentState::Resolved));
    let swept = guard.guard.sweep().await.unwrap();
    assert_eq!(swept.failed.len(), 2, "{:?}", swept.failed);
}

#[tokio::test(start_paused = true)]
async fn a_nightly_shutdown_of_many_clusters_is_no_storm() {
    let sim = Sim::new(Setup { extra: Sim::allow(&ops()), ..Setup::default() });
    let guard = sim.process();
    let clusters: Vec<_> = (0..20).map(|n| sim.cluster(&format!("aks-{n}"))).collect();
    for aks in &clusters {
        sim.stop(aks, &ops());
    }
    sim.pass(&[&guard], minutes(40)).await;

    assert_eq!(sim.told(), [""; 0]);
    assert!(sim.paths("stops").await.is_empty(), "authorised stops count in no breaker");
    assert!(clusters.iter().all(|aks| !sim.is_running(aks)));
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn a_breaker_policy_with_limit_n_lets_at_most_n_minus_one_restarts_precede_its_trip() {
    let breaker = "@id(\"breaker\") @severity(\"critical\")\nforbid (principal == Guard::\"self\", action == Action::\"restart\", resource)\nwhen { context.unauthorisedStopsInSubscriptionLastHour >= 4 };\n";
    let sim = Sim::new(Setup { extra: breaker.to_owned(), ..Setup::default() });
    let (first, second) = (sim.process(), sim.process());
    let clusters: Vec<_> = (0..8).map(|n| sim.cluster(&format!("aks-{n}"))).collect();
    for aks in &clusters {
        sim.stop(aks, &mallory());
    }
    sim.pass(&[&first, &second], minutes(30)).await;

    let restarted = clusters.iter().filter(|aks| sim.starts(aks) > 0).count();
    assert!(restarted <= 3, "{restarted} were restarted");
}
