//! Evidence: what a case rests on is kept word for word, beside what it takes to start a cluster and never before it.

use aks_stop_guard::case::Outcome;
use aks_stop_guard::store::{ExhibitPath, OpenMarker};
use serde_json::Value;

use crate::sim::{Setup, Sim, mallory, minutes, ops};

impl Sim {
    /// The pieces of evidence of the newest closed case by name, as they are stored.
    async fn evidence(&self) -> Vec<(String, Option<Value>)> {
        let case = self.closed().await.pop().unwrap();
        let (key, generation) = case.id.as_str().rsplit_once('-').unwrap();
        let key = aks_stop_guard::domain::ClusterKey::parse(key).unwrap();
        let marker = OpenMarker { key, generation: generation.parse().unwrap() };
        let mut found = Vec::new();
        for (name, exhibit) in case.evidence.exhibits() {
            let path = ExhibitPath::new(&marker, &exhibit.sha256).unwrap();
            let stored = self.store().read_exhibit(&path).await.unwrap();
            if let Some(stored) = &stored {
                let sha256 = aks_stop_guard::domain::verbatim::sha256(&stored.bytes);
                assert_eq!(sha256, exhibit.sha256, "{name}");
            }
            found.push((name, stored.map(|stored| serde_json::from_slice(&stored.bytes).unwrap())));
        }
        found
    }
}

fn names(found: &[(String, Option<Value>)]) -> Vec<&str> {
    found.iter().filter(|(_, stored)| stored.is_some()).map(|(name, _)| name.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_restored_case_keeps_its_event_both_looks_and_arms_ids_of_the_start() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    guard.guard.is_executable("0f1e");
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(15)).await;
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    let found = sim.evidence().await;
    assert_eq!(names(&found), ["event-1", "look-before-start-1", "look-at-the-end"]);
    let value = |at: usize, pointer: &str| found[at].1.as_ref().unwrap().pointer(pointer).cloned();
    let stop = "Microsoft.ContainerService/managedClusters/stop/action";
    assert_eq!(value(0, "/data/operationName"), Some(stop.into()));
    assert_eq!(value(1, "/properties/powerState/code"), Some("Stopped".into()));
    assert_eq!(value(2, "/properties/powerState/code"), Some("Running".into()));
    let evidence = sim.closed().await.pop().unwrap().evidence;
    assert_eq!(evidence.programs, [concat!("aks-stop-guard ", env!("CARGO_PKG_VERSION"), ", sha256 0f1e")]);
    let attempts = evidence.attempts;
    assert_eq!(attempts.len(), 1);
    assert!(attempts[0].ids.request_id.is_some() && attempts[0].ids.correlation_id.is_some(), "{attempts:?}");
}

#[tokio::test(start_paused = true)]
async fn an_authorised_case_keeps_the_logs_records_that_confirmed_it() {
    let sim = Sim::new(Setup { extra: Sim::allow(&ops()), ..Setup::default() });
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &ops());
    sim.pass(&[&guard], minutes(60)).await;
    assert_eq!(sim.outcomes().await, [Outcome::Authorised]);
    let found = sim.evidence().await;
    assert_eq!(names(&found), ["event-1", "activity-log", "look-at-the-end"]);
    let records = found[1].1.as_ref().unwrap().as_array().unwrap();
    assert!(records.iter().all(|record| {
        record["operationName"]["value"]
            .as_str()
            .is_some_and(|name| name.ends_with("managedClusters/stop/action"))
    }));
}

#[tokio::test(start_paused = true)]
async fn evidence_that_can_not_be_stored_keeps_no_cluster_down() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    guard.probe.refuse("cases/evidence/");
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(15)).await;
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    let found = sim.evidence().await;
    assert_eq!((found.len(), names(&found)), (3, Vec::new()), "named, and missing");
}

#[tokio::test(start_paused = true)]
async fn what_a_process_that_dies_did_not_store_is_missing_and_the_rest_is_there() {
    let sim = Sim::new(Setup::default());
    let aks = sim.cluster("aks-1");
    let first = sim.process();
    // Dies before the first piece is stored: the start is sent, and noted.
    let (probe, flag) = (first.probe.clone(), first.probe.clone());
    probe.once_before("put cases/evidence/", move || flag.kill_at(flag.points()));
    sim.stop(&aks, &mallory());
    sim.pass(&[&first], minutes(4)).await;
    assert!(first.probe.is_dead());
    let second = sim.process();
    sim.pass(&[&second], minutes(15)).await;
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    assert_eq!(sim.starts(&aks), 1);
    let found = sim.evidence().await;
    assert_eq!((found.len(), names(&found)), (3, vec!["look-at-the-end"]));
}
