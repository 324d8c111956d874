//! Azure's quotas: a subscription that throttles is left alone, and a storm of stops is worked off at the pace that Azure takes.

use aks_stop_guard::clock::Clock as _;
use jiff::{SignedDuration, Timestamp};
use simulator::world::{ClusterId, Fault, FaultRule, Happening, NewCluster, RequestKind, RequestResult};

use crate::sim::{SUBSCRIPTION, Setup, Sim, mallory, minutes};

/// A guarded subscription beside [`SUBSCRIPTION`].
const OTHER: &str = "bbbb0b0b-cc1c-dd2d-ee3e-ffffff5f5f5f";

fn cluster_in(sim: &Sim, subscription: &str, name: &str) -> ClusterId {
    let id = ClusterId::new(subscription, "rg-prod", name);
    sim.world.lock().unwrap().create_cluster(NewCluster::new(id.clone()), sim.clock.now()).unwrap();
    id
}

/// The requests about clusters of a subscription, when they were sent and what came of them.
fn requests(sim: &Sim, subscription: &str) -> Vec<(Timestamp, RequestKind, RequestResult)> {
    let world = sim.world.lock().unwrap();
    let of = |id: &ClusterId| id.to_string().contains(subscription);
    let entries = world.journal().entries.iter().filter(|entry| entry.cluster.as_ref().is_some_and(of));
    entries
        .filter_map(|entry| match &entry.what {
            Happening::Request { kind, result } => Some((entry.at, *kind, *result)),
            _ => None,
        })
        .collect()
}

fn throttled_once(sim: &Sim, on: RequestKind, cluster: &ClusterId, seconds: u32) {
    sim.world.lock().unwrap().add_fault(FaultRule {
        fault: Fault::Throttled { retry_after: Some(seconds) },
        on: Some(on),
        cluster: Some(cluster.clone()),
        times: Some(1),
    });
}

/// How long nothing was sent to the subscription after its first 429.
fn silence_after_429(sim: &Sim) -> SignedDuration {
    let requests = requests(sim, SUBSCRIPTION);
    let mut from = requests.iter().skip_while(|(_, _, result)| *result != RequestResult::Status(429));
    let (throttled, next) = (from.next().unwrap(), from.next().unwrap());
    next.0.duration_since(throttled.0)
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_throttles_a_look_is_left_alone_and_others_go_on() {
    let sim = Sim::new(Setup::default());
    let guard = sim.process();
    let (first, second) = (sim.cluster("aks-1"), sim.cluster("aks-2"));
    let elsewhere = cluster_in(&sim, OTHER, "aks-3");
    throttled_once(&sim, RequestKind::GetCluster, &first, 600);
    sim.stop(&first, &mallory());
    while requests(&sim, SUBSCRIPTION).is_empty() {
        sim.pass(&[&guard], SignedDuration::from_secs(30)).await;
    }
    let throttled_at = requests(&sim, SUBSCRIPTION).first().unwrap().0;
    sim.stop(&second, &mallory());
    sim.stop(&elsewhere, &mallory());
    sim.pass(&[&guard], minutes(8)).await;
    assert_eq!(requests(&sim, SUBSCRIPTION).len(), 1, "no call for it goes out");
    assert_eq!(sim.starts(&elsewhere), 1);
    for aks in [&first, &second] {
        let next_at = sim.case(aks).await.unwrap().next_at;
        assert!(next_at >= throttled_at + minutes(10), "its cases get that as their next time: {next_at}");
    }

    sim.pass(&[&guard], minutes(40)).await;
    assert!(silence_after_429(&sim) >= minutes(10));
    for aks in [&first, &second, &elsewhere] {
        assert!(sim.is_running(aks), "{aks}");
        assert_eq!(sim.starts(aks), 1);
    }
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn a_throttled_start_keeps_the_looks_and_starts_of_its_subscription_back() {
    let sim = Sim::new(Setup::default());
    let guard = sim.process();
    let (first, second) = (sim.cluster("aks-1"), sim.cluster("aks-2"));
    throttled_once(&sim, RequestKind::Start, &first, 600);
    sim.stop(&first, &mallory());
    sim.pass(&[&guard], minutes(5)).await;
    sim.stop(&second, &mallory());
    sim.pass(&[&guard], minutes(60)).await;

    assert!(silence_after_429(&sim) >= minutes(10));
    for aks in [&first, &second] {
        assert!(sim.is_running(aks), "{aks}");
        assert_eq!(sim.starts(aks), 1);
    }
}

/// Azure lets a subscription have 60 starts in a row and one a second after that, 250 reads and 25 a second.
#[tokio::test(start_paused = true)]
async fn a_storm_of_stops_in_one_subscription_is_worked_off_without_a_storm_of_429s() {
    let sim = Sim::new(Setup::default());
    let guard = sim.process();
    let clusters: Vec<ClusterId> = (0..100).map(|n| sim.cluster(&format!("aks-{n}"))).collect();
    for aks in &clusters {
        sim.stop(aks, &mallory());
    }
    sim.pass(&[&guard], minutes(30)).await;

    let requests = requests(&sim, SUBSCRIPTION);
    let throttled = requests.iter().filter(|(_, _, result)| *result == RequestResult::Status(429)).count();
    assert!(throttled <= 3, "{throttled} of {} requests were throttled", requests.len());
    for aks in &clusters {
        assert!(sim.is_running(aks), "{aks}: {:?}", sim.case(aks).await);
        assert_eq!(sim.starts(aks), 1, "{aks}");
    }
    sim.assert_no_violation();
}
