//! What Event Grid could not deliver is a hint to look, once, and nobody's word.

use aks_stop_guard::case::{Outcome, StopSource};
use aks_stop_guard::clock::Clock as _;
use aks_stop_guard::store::RECORD_BYTES_MAX;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use simulator::world::{ClusterId, EventRule, Fault, FaultRule, RequestKind};

use crate::sim::{Setup, Sim, mallory, minutes, ops};

/// A guard that has seen the subscription, and a stop by Mallory whose event is a dead letter now. Resource Graph shows nothing, so that
/// nothing else tells of it. The dead letter claims that it was an operator, who may stop clusters.
async fn undelivered(sim: &Sim) -> (crate::sim::Process, ClusterId) {
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.pass(&[&guard], minutes(3)).await;
    fail(sim, RequestKind::QueryResourceGraph);
    sim.world.lock().unwrap().next_event(EventRule { delay: minutes(10_000), ..EventRule::default() });
    sim.stop(&aks, &mallory());
    let id = aks.to_string();
    put(sim, "2026/a.json", &[stop_claimed_by_ops(sim, &id)]).await;
    (guard, aks)
}

fn fail(sim: &Sim, on: RequestKind) {
    let rule = FaultRule { fault: Fault::Denied, on: Some(on), cluster: None, times: None };
    sim.world.lock().unwrap().add_fault(rule);
}

/// An event as Event Grid leaves it, with its own members beside those of the event.
fn stop_claimed_by_ops(sim: &Sim, cluster: &str) -> serde_json::Value {
    serde_json::json!({
        "id": "dead-1",
        "subject": cluster,
        "eventType": "Microsoft.Resources.ResourceActionSuccess",
        "eventTime": sim.clock.now().to_string(),
        "data": {
            "operationName": "Microsoft.ContainerService/managedClusters/stop/action",
            "resourceUri": cluster,
            "claims": { "http://schemas.microsoft.com/identity/claims/objectidentifier": ops().object_id },
        },
        "deadLetterReason": "MaxDeliveryAttemptsExceeded",
        "deliveryAttempts": 30,
        "lastDeliveryOutcome": "NotFound",
    })
}

async fn put(sim: &Sim, name: &str, events: &[serde_json::Value]) {
    let bytes = serde_json::to_vec(events).unwrap();
    sim.dead_letters.put(&Path::from(name), bytes.into()).await.unwrap();
}

async fn names(of: &object_store::memory::InMemory, folder: &str) -> Vec<String> {
    let found: Vec<_> = of.list(Some(&Path::from(folder))).try_collect().await.unwrap();
    found.into_iter().map(|blob| blob.location.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_leads_to_a_look_and_its_claims_are_dropped() {
    let sim = Sim::new(Setup { extra: Sim::allow(&ops()), ..Setup::default() });
    let (guard, aks) = undelivered(&sim).await;
    sim.pass(&[&guard], minutes(40)).await;

    assert_eq!(
        sim.outcomes().await,
        [Outcome::Restored],
        "the log names Mallory, whatever the dead letter claims"
    );
    let case = &sim.closed().await[0];
    assert_eq!(case.stops[0].source, StopSource::Discovery);
    assert!(case.stops[0].confirmed);
    assert_eq!(sim.starts(&aks), 1);
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_followed_once_and_kept_aside() {
    let sim = Sim::new(Setup::default());
    let (guard, _) = undelivered(&sim).await;
    let bytes = sim.dead_letters.get(&Path::from("2026/a.json")).await.unwrap().bytes().await.unwrap();
    sim.pass(&[&guard], minutes(40)).await;

    assert_eq!(names(&sim.dead_letters, "").await, [""; 0]);
    let aside = names(&sim.state, "dead-events").await;
    assert_eq!(aside.len(), 1);
    let kept = sim.state.get(&Path::from(aside[0].as_str())).await.unwrap().bytes().await.unwrap();
    assert_eq!(kept, bytes, "byte for byte");
    sim.pass(&[&guard], minutes(60)).await;
    assert_eq!(sim.outcomes().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_waits_while_its_cluster_can_not_be_looked_at() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = undelivered(&sim).await;
    fail(&sim, RequestKind::GetCluster);
    sim.pass(&[&guard], minutes(30)).await;
    assert_eq!(names(&sim.dead_letters, "").await.len(), 1);

    sim.world.lock().unwrap().clear_faults();
    fail(&sim, RequestKind::QueryResourceGraph);
    sim.pass(&[&guard], minutes(40)).await;
    assert!(sim.is_running(&aks));
    assert_eq!(names(&sim.dead_letters, "").await, [""; 0]);
}

/// Whoever can write there can make the guard look at guarded clusters, and nothing else.
#[tokio::test(start_paused = true)]
async fn what_strangers_put_there_starts_nothing_and_keeps_no_dead_letter_back() {
    let sim = Sim::new(Setup::default());
    let (guard, running) = (sim.process(), sim.cluster("aks-running"));
    sim.pass(&[&guard], minutes(3)).await;
    let looks = |sim: &Sim| sim.world.lock().unwrap().journal().requests(RequestKind::GetCluster, None);
    put(&sim, "0/running.json", &[stop_claimed_by_ops(&sim, &running.to_string())]).await;
    let foreign = running.to_string().replace("aaaa0a0a", "bbbb0b0b");
    put(&sim, "0/foreign.json", &[stop_claimed_by_ops(&sim, &foreign)]).await;
    sim.dead_letters.put(&Path::from("0/junk.json"), b"junk".to_vec().into()).await.unwrap();
    let long = vec![b' '; RECORD_BYTES_MAX + 1];
    sim.dead_letters.put(&Path::from("0/long.json"), long.into()).await.unwrap();
    for n in 0..60 {
        let gone = running.to_string().replace("aks-running", &format!("aks-gone-{n}"));
        put(&sim, &format!("1/{n:02}.json"), &[stop_claimed_by_ops(&sim, &gone)]).await;
    }
    sim.pass(&[&guard], minutes(20)).await;

    assert_eq!(names(&sim.dead_letters, "").await, ["0/long.json"], "left alone, and named in the log");
    assert_eq!(looks(&sim), 61, "one each");
    assert_eq!(sim.starts(&running), 0);
    assert_eq!(sim.told(), [""; 0]);
}
