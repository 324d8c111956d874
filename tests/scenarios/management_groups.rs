//! Whole management groups are guarded: who is in them comes from Resource Graph, and nothing drops out because it is away.

use std::collections::BTreeSet;

use aks_stop_guard::azure::{ACTIONS, GROUP_ACTION};
use aks_stop_guard::case::Outcome;
use aks_stop_guard::clock::Clock as _;
use aks_stop_guard::domain::ManagementGroup;
use aks_stop_guard::functions::envelope::{self, RawEvent};
use aks_stop_guard::functions::{App, Invocations as _, Outcome as Answer, Status};
use jiff::SignedDuration;
use serde_json::json;
use simulator::world::{ClusterId, Deed, EventRule, Fault, FaultRule, NewCluster, RequestKind};

use crate::sim::{Process, SUBSCRIPTION, Setup, Sim, guard, mallory, minutes};

/// A second subscription.
const OTHER: &str = "bbbb0b0b-cc1c-dd2d-ee3e-ffffff4f4f4f";
const GROUP: &str = "mg-landing-zones";

/// A guard of one group and nothing else; the usual subscription is in a group below it. Events come as the scenario says.
fn sim() -> Sim {
    let groups = BTreeSet::from([ManagementGroup::parse(GROUP).unwrap()]);
    let setup = Setup { subscriptions: BTreeSet::new(), management_groups: groups, ..Setup::default() };
    let mut sim = Sim::new(setup);
    sim.delivers = false;
    let mut world = sim.world.lock().unwrap();
    let actions: Vec<&str> = ACTIONS.into_iter().chain([GROUP_ACTION]).collect();
    world.give_role(&guard(), &actions);
    world.nest_group("mg-online", GROUP);
    world.place_in_group(SUBSCRIPTION, "MG-Online");
    drop(world);
    sim
}

fn cluster_in(sim: &Sim, subscription: &str, name: &str) -> ClusterId {
    let id = ClusterId::new(subscription, "rg-prod", name);
    let now = sim.clock.now();
    sim.world.lock().unwrap().create_cluster(NewCluster::new(id.clone()), now).unwrap();
    id
}

/// Resource Graph can't be asked from now on.
fn away(sim: &Sim) {
    let on = Some(RequestKind::QueryResourceGraph);
    sim.world.lock().unwrap().add_fault(FaultRule {
        fault: Fault::Unavailable,
        on,
        cluster: None,
        times: None,
    });
}

fn questions(sim: &Sim) -> usize {
    sim.world.lock().unwrap().journal().requests(RequestKind::QueryResourceGraph, None)
}

/// Stops a cluster and gives the event to a process, as the Functions host does.
async fn stop_and_tell(sim: &Sim, process: &Process, cluster: &ClusterId) -> Answer {
    sim.stop(cluster, &mallory());
    sim.clock.advance(minutes(2));
    sim.collect_events();
    tell_again(sim, process, cluster).await
}

/// The last stop of a cluster, once more.
async fn tell_again(sim: &Sim, process: &Process, cluster: &ClusterId) -> Answer {
    let event = {
        let events = sim.events.lock().unwrap();
        let stops = events.iter().filter(|event| event.deed == Deed::Stop).map(|event| event.event_grid());
        stops.rev().find(|event| event.to_string().contains(&cluster.name)).unwrap()
    };
    let delivery: Vec<RawEvent> =
        envelope::events(json!({ "Data": { "event": event }, "Metadata": {} }).to_string().as_bytes())
            .unwrap();
    App::new(process.guard.clone(), None).stop_events(delivery).await
}

#[tokio::test(start_paused = true)]
async fn a_stop_below_the_group_is_undone_and_each_right_that_the_role_has_there_is_needed() {
    let sim = sim();
    let (process, aks) = (sim.process(), sim.cluster("aks-1"));
    // The first event of this process: nobody has asked for the groups yet.
    let answer = stop_and_tell(&sim, &process, &aks).await;
    assert_eq!(answer.status, Status::Done, "{:?}", answer.logs);
    sim.pass(&[&process], minutes(20)).await;
    assert!(sim.is_running(&aks));
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);

    // One whose event is lost is found there, too.
    sim.world.lock().unwrap().next_event(EventRule { copies: 0, ..EventRule::default() });
    sim.stop(&aks, &mallory());
    sim.pass(&[&process], minutes(30)).await;
    assert!(sim.is_running(&aks));

    let worker = sim.container_group("cg-worker");
    stop_and_tell(&sim, &process, &worker).await;
    sim.pass(&[&process], minutes(10)).await;
    assert!(sim.is_running(&worker));
    let used = sim.world.lock().unwrap().actions_used(&guard());
    assert_eq!(used, ACTIONS.into_iter().chain([GROUP_ACTION]).collect());
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_not_refused_before_the_groups_were_asked() {
    let sim = sim();
    let (process, aks) = (sim.process(), sim.cluster("aks-1"));
    away(&sim);
    let answer = stop_and_tell(&sim, &process, &aks).await;
    assert_eq!(answer.status, Status::Redeliver);
    assert!(answer.logs[0].contains("whether the subscription is guarded is not known"), "{:?}", answer.logs);

    sim.world.lock().unwrap().clear_faults();
    sim.clock.advance(minutes(1));
    let answer = tell_again(&sim, &process, &aks).await;
    assert_eq!(answer.status, Status::Done, "{:?}", answer.logs);
    sim.pass(&[&process], minutes(20)).await;
    assert!(sim.is_running(&aks));
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn a_new_process_guards_who_was_in_the_group_though_resource_graph_is_away() {
    let sim = sim();
    let (before, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.pass(&[&before], minutes(2)).await;
    away(&sim);
    let process = sim.process();
    let answer = stop_and_tell(&sim, &process, &aks).await;
    assert_eq!(answer.status, Status::Done, "{:?}", answer.logs);
    sim.pass(&[&process], minutes(70)).await;
    assert!(sim.is_running(&aks));
    assert!(
        sim.told().iter().any(|told| told.contains("discovery") || told.contains("lost events")),
        "after an hour people know that the groups can't be asked: {:?}",
        sim.told()
    );
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_joins_is_guarded_from_its_first_event_on_and_one_that_left_is_not() {
    let sim = sim();
    let process = sim.process();
    sim.pass(&[&process], minutes(2)).await;
    sim.world.lock().unwrap().place_in_group(OTHER, GROUP);
    let aks = cluster_in(&sim, OTHER, "aks-new");
    sim.clock.advance(minutes(1));
    let answer = stop_and_tell(&sim, &process, &aks).await;
    assert_eq!(answer.status, Status::Done, "{:?}", answer.logs);
    sim.pass(&[&process], minutes(20)).await;
    assert!(sim.is_running(&aks));

    sim.world.lock().unwrap().place_in_group(OTHER, "mg-decommissioned");
    sim.pass(&[&process], minutes(6)).await;
    let answer = stop_and_tell(&sim, &process, &aks).await;
    assert_eq!(answer.status, Status::Done);
    assert!(answer.logs[0].contains("is not guarded"), "{:?}", answer.logs);
    sim.pass(&[&process], minutes(30)).await;
    assert!(!sim.is_running(&aks));
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    sim.assert_no_violation();
}

/// Whoever takes the guard's right away must not end the guarding without a word.
#[tokio::test(start_paused = true)]
async fn a_group_that_looks_empty_is_guarded_on_and_people_are_told() {
    let sim = sim();
    let (process, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.pass(&[&process], minutes(2)).await;
    sim.world.lock().unwrap().give_role(&guard(), &ACTIONS);
    sim.pass(&[&process], minutes(75)).await;
    let told: Vec<String> =
        sim.inbox.messages.lock().unwrap().iter().map(|message| format!("{message:?}")).collect();
    assert!(told.iter().any(|told| told.contains("shows no subscription in management group")), "{told:?}");
    let answer = stop_and_tell(&sim, &process, &aks).await;
    assert_eq!(answer.status, Status::Done, "{:?}", answer.logs);
    sim.pass(&[&process], minutes(20)).await;
    assert!(sim.is_running(&aks));
}

#[tokio::test(start_paused = true)]
async fn events_from_elsewhere_ask_once_a_minute_at_most() {
    let sim = sim();
    let process = sim.process();
    let foreign = cluster_in(&sim, OTHER, "aks-foreign");
    let answer = stop_and_tell(&sim, &process, &foreign).await;
    assert_eq!(answer.status, Status::Done, "a whole answer does not name it");
    let asked = questions(&sim);
    for _ in 0..50 {
        sim.clock.advance(SignedDuration::from_secs(1));
        let answer = tell_again(&sim, &process, &foreign).await;
        assert_eq!((answer.status, answer.logs.len()), (Status::Done, 1));
    }
    assert_eq!(questions(&sim), asked);
    sim.clock.advance(SignedDuration::from_secs(11));
    tell_again(&sim, &process, &foreign).await;
    assert_eq!(questions(&sim), asked + 1);
    assert!(sim.paths("clusters").await.is_empty());
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn more_subscriptions_than_are_guarded_are_no_answer() {
    let sim = sim();
    for number in 0..1_000 {
        let id = format!("{number:08}-0000-0000-0000-000000000000");
        sim.world.lock().unwrap().place_in_group(&id, GROUP);
    }
    let (process, aks) = (sim.process(), sim.cluster("aks-1"));
    let answer = stop_and_tell(&sim, &process, &aks).await;
    assert_eq!(answer.status, Status::Redeliver);
    assert!(answer.logs[0].contains("hold 1001 subscriptions, at most 1000"), "{:?}", answer.logs);
}

/// It is in the incident about clusters that nobody can explain when its subscription leaves.
#[tokio::test(start_paused = true)]
async fn what_left_with_its_subscription_is_not_looked_at_any_more() {
    let sim = sim();
    sim.world.lock().unwrap().place_in_group(OTHER, GROUP);
    let (process, aks) = (sim.process(), cluster_in(&sim, OTHER, "aks-moved"));
    sim.pass(&[&process], minutes(2)).await;
    sim.world.lock().unwrap().next_event(EventRule { copies: 0, ..EventRule::default() });
    sim.stop(&aks, &mallory());
    sim.pass(&[], SignedDuration::from_hours(25)).await;
    sim.pass(&[&process], minutes(10)).await;
    assert!(sim.told()[0].starts_with("opened 1 cluster is down, and nobody can say"), "{:?}", sim.told());

    sim.world.lock().unwrap().place_in_group(OTHER, "mg-decommissioned");
    let looks = |sim: &Sim| sim.world.lock().unwrap().journal().requests(RequestKind::GetCluster, Some(&aks));
    let before = looks(&sim);
    sim.pass(&[&process], minutes(30)).await;
    assert_eq!(looks(&sim), before);
    assert!(sim.told().last().is_some_and(|told| told.starts_with("resolved")), "{:?}", sim.told());
    assert!(!sim.is_running(&aks));
    sim.assert_no_violation();
}
