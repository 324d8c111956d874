use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;

use super::*;
use crate::domain::ClusterId;

const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

fn key(name: &str) -> ClusterKey {
    let path = format!("resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/{name}");
    ClusterId::parse(&format!("/subscriptions/{SUBSCRIPTION}/{path}")).unwrap().key()
}

fn cluster(subscription: char, number: u16) -> ClusterId {
    let subscription = SUBSCRIPTION.replacen('a', &subscription.to_string(), 1);
    let path = format!("resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks-{number}");
    ClusterId::parse(&format!("/subscriptions/{subscription}/{path}")).unwrap()
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
fn sixty_starts_go_out_in_a_row_and_then_one_a_second() {
    let pace = Pace::default();
    for n in 0..60 {
        assert_eq!(pace.take_turn(&cluster('a', n), at(0), None), at(0));
    }
    for n in 60..70 {
        assert_eq!(pace.take_turn(&cluster('a', n), at(0), None), at(1_000 * i64::from(n - 59)));
    }
}

#[test]
fn parallel_cases_do_not_pass_the_burst_together() {
    let pace = Arc::new(Pace::default());
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let pace = Arc::clone(&pace);
            std::thread::spawn(move || {
                let mine = (0..25).map(|n| cluster('a', thread * 100 + n));
                mine.filter(|cluster| pace.take_turn(cluster, at(0), None) == at(0)).count()
            })
        })
        .collect();
    let at_once: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(at_once, 60);
}

#[test]
fn a_cluster_keeps_its_turn_until_its_start_is_sent() {
    let pace = Pace::default();
    for n in 0..60 {
        pace.take_turn(&cluster('a', n), at(0), None);
    }
    let waiting = cluster('a', 100);
    assert_eq!(pace.take_turn(&waiting, at(0), None), at(1_000));
    assert_eq!(pace.take_turn(&cluster('a', 101), at(500), None), at(2_000), "others come after it");
    assert_eq!(pace.take_turn(&waiting, at(500), None), at(1_000));
    assert_eq!(pace.take_turn(&waiting, at(30_000), None), at(30_000), "nobody took it meanwhile");
    pace.sent(&waiting);
    assert_eq!(pace.take_turn(&waiting, at(500), None), at(3_000), "a second start takes another");
}

#[test]
fn an_hour_without_starts_saves_no_more_than_sixty() {
    let pace = Pace::default();
    pace.take_turn(&cluster('a', 0), at(0), None);
    let later = at(3_600_000);
    for n in 1..=60 {
        assert_eq!(pace.take_turn(&cluster('a', n), later, None), later);
    }
    assert!(pace.take_turn(&cluster('a', 61), later, None) > later);
}

#[test]
fn each_subscription_has_a_pace_of_its_own() {
    let pace = Pace::default();
    for n in 0..60 {
        pace.take_turn(&cluster('a', n), at(0), None);
    }
    assert_eq!(pace.take_turn(&cluster('b', 0), at(0), None), at(0));
}

#[test]
fn a_clock_that_goes_back_gives_no_starts() {
    let pace = Pace::default();
    for n in 0..60 {
        pace.take_turn(&cluster('a', n), at(0), None);
    }
    assert_eq!(pace.take_turn(&cluster('a', 60), at(-60_000), None), at(1_000));
}

#[test]
fn a_throttled_subscription_gives_one_start_a_second_once_it_is_open_again() {
    let pace = Pace::default();
    let (early, next, last) = (cluster('a', 0), cluster('a', 1), cluster('a', 2));
    assert_eq!(pace.take_turn(&early, at(0), None), at(0));
    let opens = Some(at(30_000));
    assert_eq!(pace.take_turn(&next, at(0), opens), at(30_000));
    assert_eq!(pace.take_turn(&early, at(0), opens), at(30_000), "what it had taken was not there");
    assert_eq!(pace.take_turn(&early, at(30_000), None), at(30_000));
    assert_eq!(pace.take_turn(&next, at(30_000), None), at(31_000), "there is one");
    assert_eq!(pace.take_turn(&last, at(30_000), None), at(31_000));
    assert_eq!(pace.take_turn(&cluster('b', 0), at(0), None), at(0), "others go on");
}

#[test]
fn those_who_come_late_get_what_is_in_the_bucket_and_the_others_are_told_different_times() {
    let pace = Pace::default();
    for n in 0..260 {
        pace.take_turn(&cluster('a', n), at(0), None);
    }
    for n in 0..60 {
        pace.sent(&cluster('a', n));
    }
    // Nobody swept for so long that all turns have come: the bucket is full, and not more than that.
    let late = 300_000;
    let told: Vec<Timestamp> = (60..130).map(|n| pace.take_turn(&cluster('a', n), at(late), None)).collect();
    assert!(told[..60].iter().all(|told| *told == at(late)), "{told:?}");
    let others: Vec<Timestamp> = (1..=10).map(|second| at(late + 1_000 * second)).collect();
    assert_eq!(told[60..], others);
    assert_eq!(pace.take_turn(&cluster('a', 120), at(late + 1_000), None), at(late + 1_000));
}

#[test]
fn a_cluster_whose_start_was_put_off_keeps_its_place_in_the_row() {
    let pace = Pace::default();
    let first = cluster('a', 0);
    for n in 0..1_000 {
        pace.take_turn(&cluster('a', n), at(0), None);
    }
    pace.not_sent(&first);
    assert_eq!(pace.take_turn(&first, at(0), None), at(1_000), "it takes another start");
    assert_eq!(pace.take_turn(&first, at(1_000), None), at(1_000));
    pace.sent(&first);
    assert_eq!(pace.take_turn(&first, at(1_000), None), at(941_000), "the next start is behind all others");
}

#[test]
fn turns_that_nobody_came_for_are_forgotten() {
    let pace = Pace::default();
    for n in 0..1_000 {
        pace.take_turn(&cluster('a', n), at(0), None);
    }
    let later = at(3_600_000);
    pace.take_turn(&cluster('a', 0), later, None);
    assert_eq!(pace.0.lock().unwrap().values().map(|lane| lane.turns.len()).sum::<usize>(), 1);
}
