//! Azure's quotas: a subscription that throttles is left alone, and a storm of stops is worked off at the pace that Azure takes.

use aks_stop_guard::clock::Clock as _;
use aks_stop_guard::domain::SubscriptionId;
use jiff::{SignedDuration, Timestamp};
use simulator::world::{ClusterId, Fault, FaultRule, Happening, NewCluster, RequestKind, RequestResult};

use crate::sim::{Process, SUBSCRIPTION, Setup, Sim, mallory, minutes};

/// A guarded subscription beside [`SUBSCRIPTION`].
const OTHER: &str = "bbbb0b0b-cc1c-dd2d-ee3e-ffffff5f5f5f";

/// Starts in a row that Azure lets a subscription have; one a second after that.
const STARTS_BURST: usize = 60;

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

/// When starts of a subscription's clusters were accepted.
fn starts(sim: &Sim, subscription: &str) -> Vec<Timestamp> {
    let accepted = RequestResult::Status(202);
    let requests = requests(sim, subscription).into_iter();
    requests
        .filter(|(_, kind, result)| *kind == RequestKind::Start && *result == accepted)
        .map(|(at, _, _)| at)
        .collect()
}

/// Lets time pass until a cluster of the subscription is started, ten minutes at most.
async fn pass_to_first_start(sim: &Sim, guard: &Process, subscription: &str) {
    let latest = sim.clock.now() + minutes(10);
    while starts(sim, subscription).is_empty() && sim.clock.now() < latest {
        sim.pass(&[guard], SignedDuration::from_secs(5)).await;
    }
}

/// The clusters that were looked at in the sweep of this moment, in order.
fn looks_of_now(sim: &Sim) -> Vec<ClusterId> {
    let (world, now) = (sim.world.lock().unwrap(), sim.clock.now());
    let of_now = world.journal().entries.iter().filter(|entry| entry.at == now);
    let looks = of_now
        .filter(|entry| matches!(&entry.what, Happening::Request { kind: RequestKind::GetCluster, .. }));
    looks.filter_map(|entry| entry.cluster.clone()).collect()
}

/// How many of the starts that the buckets allow within some time after the first were sent.
fn share_of_allowed(starts: &[Timestamp], within: SignedDuration) -> f64 {
    let until = *starts.first().unwrap() + within;
    let sent = starts.iter().filter(|at| **at <= until).count();
    let allowed = STARTS_BURST + usize::try_from(within.as_secs()).unwrap();
    f64::from(u32::try_from(sent).unwrap()) / f64::from(u32::try_from(allowed).unwrap())
}

/// More clusters are stopped at once than Azure lets be looked at: 240 of them are, and the others are due when the turns of the first
/// come, beside those that start already. Their looks must not cost starts.
#[tokio::test(start_paused = true)]
async fn in_a_storm_the_looks_that_a_start_waits_for_find_their_place_among_all_others() {
    let sim = Sim::new(Setup::default());
    let guard = sim.process();
    for n in 0..480 {
        sim.stop(&sim.cluster(&format!("aks-{n}")), &mallory());
    }
    pass_to_first_start(&sim, &guard, SUBSCRIPTION).await;
    let within = SignedDuration::from_secs(55);
    sim.pass(&[&guard], within).await;

    let share = share_of_allowed(&starts(&sim, SUBSCRIPTION), within);
    assert!(share >= 0.95, "only {share} of what Azure allows was started");
    let requests = requests(&sim, SUBSCRIPTION);
    assert!(requests.iter().all(|(_, _, result)| *result != RequestResult::Status(429)));
    let looks = looks_of_now(&sim).len();
    assert!(looks >= 200, "those that are only watched are looked at as well: {looks}");
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn storms_in_two_subscriptions_keep_neither_each_other_nor_a_third_waiting() {
    const THIRD: &str = "cccc0c0c-dd1d-ee2e-ff3f-aaaaaa6a6a6a";
    let subscriptions = [SUBSCRIPTION, OTHER, THIRD].map(|id| SubscriptionId::parse(id).unwrap());
    let sim = Sim::new(Setup { subscriptions: subscriptions.into(), ..Setup::default() });
    let guard = sim.process();
    for n in 0..90 {
        sim.stop(&cluster_in(&sim, SUBSCRIPTION, &format!("aks-{n}")), &mallory());
        sim.stop(&cluster_in(&sim, OTHER, &format!("aks-{n}")), &mallory());
    }
    sim.clock.advance(SignedDuration::from_secs(20));
    // Azure throttles the look that its event brings: so it comes to the sweeps, the last of all.
    let alone = cluster_in(&sim, THIRD, "aks-alone");
    throttled_once(&sim, RequestKind::GetCluster, &alone, 5);
    sim.stop(&alone, &mallory());
    pass_to_first_start(&sim, &guard, THIRD).await;

    let looks = looks_of_now(&sim);
    let place = looks.iter().position(|cluster| *cluster == alone);
    assert!(looks.len() > 100 && place.is_some_and(|place| place < 3), "{place:?} of {}", looks.len());
    let throttled_at = requests(&sim, THIRD).first().unwrap().0;
    assert!(starts(&sim, THIRD)[0].duration_since(throttled_at) <= minutes(1));

    sim.pass(&[&guard], minutes(2)).await;
    for subscription in [SUBSCRIPTION, OTHER] {
        let starts = starts(&sim, subscription);
        let share = share_of_allowed(&starts, SignedDuration::from_secs(25));
        assert!(share >= 0.95 && starts.len() == 90, "{subscription}: {share}, {}", starts.len());
    }
    sim.assert_no_violation();
}
