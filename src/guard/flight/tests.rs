use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;

use super::*;
use crate::domain::ClusterId;

const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

fn key(name: &str) -> ClusterKey {
    let path = format!("resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/{name}");
    ClusterId::parse(&format!("/subscriptions/{SUBSCRIPTION}/{path}")).unwrap().key()
}

fn subscription(first: char) -> SubscriptionId {
    SubscriptionId::parse(&SUBSCRIPTION.replacen('a', &first.to_string(), 1)).unwrap()
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + milliseconds).unwrap()
}

#[tokio::test]
async fn rule_30_work_on_one_cluster_is_done_one_after_the_other() {
    let flights = Arc::new(Flights::default());
    let (flying, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks = (0..1_000).map(|_| {
        let (flights, flying, most) = (Arc::clone(&flights), Arc::clone(&flying), Arc::clone(&most));
        tokio::spawn(async move {
            let _flight = flights.take(&key("aks-1")).await;
            most.fetch_max(flying.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            flying.fetch_sub(1, Ordering::SeqCst);
        })
    });
    for task in futures::future::join_all(tasks).await {
        task.unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn other_clusters_do_not_wait() {
    let flights = Flights::default();
    let _first = flights.take(&key("aks-1")).await;
    assert!(flights.take(&key("aks-2")).now_or_never().is_some());
    assert!(flights.take(&key("aks-1")).now_or_never().is_none());
}

#[tokio::test]
async fn the_next_takes_off_when_the_one_before_has_landed() {
    let flights = Flights::default();
    let cluster = key("aks-1");
    let first = flights.take(&cluster).await;
    let mut second = Box::pin(flights.take(&cluster));
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    assert!(second.now_or_never().is_some());
}

#[tokio::test]
async fn clusters_that_nobody_works_on_are_forgotten() {
    let flights = Flights::default();
    for n in 0..100 {
        drop(flights.take(&key(&format!("aks-{n}"))).await);
    }
    let flying = flights.take(&key("aks-200")).await;
    assert_eq!(flights.0.lock().unwrap().len(), 1);
    drop(flying);
}

#[test]
fn thirty_starts_go_out_in_a_row_and_then_one_a_second() {
    let pace = Pace::default();
    let here = subscription('a');
    for _ in 0..30 {
        assert_eq!(pace.next_slot(&here, at(0)), at(0));
        pace.take_slot(&here, at(0));
    }
    assert_eq!(pace.next_slot(&here, at(0)), at(1_000));
    assert_eq!(pace.next_slot(&here, at(999)), at(1_000));
    assert_eq!(pace.next_slot(&here, at(1_000)), at(1_000));
    pace.take_slot(&here, at(1_000));
    assert_eq!(pace.next_slot(&here, at(1_000)), at(2_000));
}

#[test]
fn an_hour_without_starts_saves_no_more_than_thirty() {
    let pace = Pace::default();
    let here = subscription('a');
    pace.take_slot(&here, at(0));
    let later = at(3_600_000);
    for _ in 0..30 {
        assert_eq!(pace.next_slot(&here, later), later);
        pace.take_slot(&here, later);
    }
    assert!(pace.next_slot(&here, later) > later);
}

#[test]
fn each_subscription_has_a_pace_of_its_own() {
    let pace = Pace::default();
    for _ in 0..30 {
        pace.take_slot(&subscription('a'), at(0));
    }
    assert_eq!(pace.next_slot(&subscription('b'), at(0)), at(0));
}

#[test]
fn a_clock_that_goes_back_gives_no_starts() {
    let pace = Pace::default();
    let here = subscription('a');
    for _ in 0..30 {
        pace.take_slot(&here, at(0));
    }
    assert_eq!(pace.next_slot(&here, at(-60_000)), at(1_000));
}

#[test]
fn looks_between_starts_lose_no_fraction_of_a_second() {
    let pace = Pace::default();
    let here = subscription('a');
    for _ in 0..30 {
        pace.take_slot(&here, at(0));
    }
    // Looked at every 1.9 s, a bucket that forgets fractions would fill at about half the pace.
    for look in 1..=10 {
        let _ = pace.next_slot(&here, at(1_900 * look));
    }
    let now = at(19_000);
    let mut sent = 0;
    while pace.next_slot(&here, now) <= now {
        pace.take_slot(&here, now);
        sent += 1;
    }
    assert_eq!(sent, 19);
}
