//! The main loop: a stop becomes a restart, an incident, or is left alone.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aks_stop_guard::case::Outcome;
use aks_stop_guard::clock::Clock as _;
use aks_stop_guard::domain::{IncidentState, Severity};
use jiff::SignedDuration;
use simulator::world::{Caller, EventMoment, EventRule, Fault, FaultRule, PowerState, RequestKind};

use crate::sim::{Setup, Sim, mallory, minutes, ops};

#[tokio::test(start_paused = true)]
async fn a_stop_that_nobody_was_allowed_is_restarted_verified_and_reported_once() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(15)).await;

    assert!(sim.is_running(&aks));
    assert_eq!(sim.starts(&aks), 1);
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    assert_eq!(
        sim.told(),
        [
            "opened aks-1 was stopped by Mallory@contoso.com without permission: the guard is restarting it",
            "resolved aks-1 runs again: the guard restarted it after Mallory@contoso.com stopped it without permission",
        ]
    );
    assert!(sim.paths("open").await.is_empty(), "no marker is left");
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn the_start_of_a_warm_event_takes_one_get_and_one_post_and_two_writes_one_after_another() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.clock.advance(minutes(2));
    let event = sim.stop_events().remove(0);
    let write = Duration::from_secs(1);
    guard.probe.write_takes(write);
    let posted_at = Arc::new(Mutex::new(None));
    let at = Arc::clone(&posted_at);
    guard.probe.once_before("POST", move || *at.lock().unwrap() = Some(tokio::time::Instant::now()));
    let began = tokio::time::Instant::now();
    sim.deliver(&guard, event).await.unwrap();

    let log = guard.probe.log();
    let arm = |verb: &str| log.iter().filter(|call| call.starts_with(verb)).count();
    assert_eq!((arm("GET "), arm("POST ")), (1, 1), "{log:#?}");
    let posted_at = posted_at.lock().unwrap().expect("it was started");
    assert_eq!(posted_at - began, write * 2, "marker and mark at the same time, then the record: {log:#?}");
}

#[tokio::test(start_paused = true)]
async fn holds_and_grants_are_read_beside_the_look_and_holds_once_more_before_the_start() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.clock.advance(minutes(2));
    let event = sim.stop_events().remove(0);
    let answer = Duration::from_secs(1);
    for call in ["GET ", "list state/grants/", "list state/open/0-holds"] {
        guard.probe.once_before_async(call, move || Box::pin(tokio::time::sleep(answer)));
    }
    let began = tokio::time::Instant::now();
    let posted_at = Arc::new(Mutex::new(None));
    let at = Arc::clone(&posted_at);
    guard.probe.once_before("POST", move || *at.lock().unwrap() = Some(tokio::time::Instant::now()));
    sim.deliver(&guard, event).await.unwrap();

    let log = guard.probe.log();
    let posted_at = posted_at.lock().unwrap().expect("it was started");
    assert_eq!(posted_at - began, answer, "all three at the same time: {log:#?}");
    let at = |call: &str| log.iter().position(|done| done.starts_with(call)).unwrap();
    assert!(at("get state/clusters/") < at("GET "), "the record is read first: {log:#?}");
    let from = at("put state/clusters/");
    let before_the_post =
        log[from..at("POST")].iter().filter(|call| call.starts_with("list state/open/0-holds"));
    assert_eq!(before_the_post.count(), 1, "the start relies on no older answer: {log:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_authorised_stop_is_left_alone_and_nobody_is_told() {
    let sim = Sim::new(Setup { extra: Sim::allow(&ops()), ..Setup::default() });
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &ops());
    sim.pass(&[&guard], minutes(60)).await;

    assert!(!sim.is_running(&aks));
    assert_eq!(sim.outcomes().await, [Outcome::Authorised]);
    assert_eq!(sim.told(), [""; 0]);
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn the_same_event_again_changes_nothing_before_and_after_the_case_is_closed() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.clock.advance(minutes(2));
    let event = sim.stop_events().remove(0);
    for _ in 0..3 {
        sim.deliver(&guard, event.clone()).await.unwrap();
    }
    assert_eq!(sim.starts(&aks), 1);
    sim.pass(&[&guard], minutes(15)).await;
    sim.deliver(&guard, event).await.unwrap();
    sim.pass(&[&guard], minutes(5)).await;

    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    assert_eq!(sim.told_times(IncidentState::Opened), 1);
    assert!(sim.case(&aks).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_still_stopping_is_waited_for() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let at_once = EventRule { moment: EventMoment::Acceptance, ..EventRule::default() };
    sim.world.lock().unwrap().next_event(at_once);
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(1)).await;
    assert_eq!(sim.starts(&aks), 0, "a start would be refused now");
    sim.pass(&[&guard], minutes(14)).await;

    assert!(sim.is_running(&aks));
    assert_eq!(sim.starts(&aks), 1);
    assert_eq!(sim.world.lock().unwrap().journal().requests(RequestKind::Start, None), 1, "none was refused");
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_azure_denies_becomes_an_incident_that_says_what_to_mend() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let denied = FaultRule { fault: Fault::Denied, on: Some(RequestKind::Start), cluster: None, times: None };
    sim.world.lock().unwrap().add_fault(denied);
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(30)).await;

    assert!(sim.is_held(&aks).await);
    let message = sim.inbox.messages.lock().unwrap().last().cloned().unwrap();
    assert_eq!(message.severity, Severity::High);
    let action = "lacks `Microsoft.ContainerService/managedClusters/start/action`";
    assert!(message.next[0].contains(action), "{:?}", message.next);
    // The tenant is the one that the simulated ARM names as the cluster's.
    let tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee";
    let log = format!("https://portal.azure.com/#@{tenant}/resource{}/eventlogs", message.clusters[0].id);
    assert!(message.links.iter().any(|link| link.url == log), "{:?}", message.links);
    let starts = sim.world.lock().unwrap().journal().requests(RequestKind::Start, None);
    assert_eq!(starts, 1, "what people must mend is not tried again and again");

    sim.world.lock().unwrap().clear_faults();
    sim.start(&aks, &ops());
    sim.pass(&[&guard], minutes(20)).await;
    assert_eq!(sim.outcomes().await, [Outcome::AlreadyRunning]);
    assert_eq!(sim.told_times(IncidentState::Resolved), 1, "the incident ends when somebody starts it");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_start_is_tried_again_and_does_not_use_up_an_attempt() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let throttled = FaultRule {
        fault: Fault::Throttled { retry_after: Some(40) },
        on: Some(RequestKind::Start),
        cluster: None,
        times: Some(5),
    };
    sim.world.lock().unwrap().add_fault(throttled);
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(45)).await;

    assert!(sim.is_running(&aks));
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn a_throttled_start_is_not_tried_again_before_azure_said() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let throttled = FaultRule {
        fault: Fault::Throttled { retry_after: Some(1_200) },
        on: Some(RequestKind::Start),
        cluster: None,
        times: Some(1),
    };
    sim.world.lock().unwrap().add_fault(throttled);
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(20)).await;
    assert_eq!(sim.world.lock().unwrap().journal().requests(RequestKind::Start, None), 1);
    sim.pass(&[&guard], minutes(10)).await;
    assert!(sim.is_running(&aks));
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_answer_is_lost_is_not_sent_twice() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let lost =
        FaultRule { fault: Fault::AnswerLost, on: Some(RequestKind::Start), cluster: None, times: Some(1) };
    sim.world.lock().unwrap().add_fault(lost);
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(20)).await;

    assert!(sim.is_running(&aks));
    assert_eq!(sim.world.lock().unwrap().journal().requests(RequestKind::Start, None), 1);
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_never_arrives_is_sent_again() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let never =
        FaultRule { fault: Fault::NeverArrived, on: Some(RequestKind::Start), cluster: None, times: Some(1) };
    sim.world.lock().unwrap().add_fault(never);
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(20)).await;

    assert!(sim.is_running(&aks));
    assert_eq!(sim.starts(&aks), 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_half_way_becomes_an_incident() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let fails = FaultRule {
        fault: Fault::StartFails { leaves: PowerState::Running },
        on: None,
        cluster: None,
        times: Some(1),
    };
    sim.world.lock().unwrap().add_fault(fails);
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(30)).await;

    assert!(sim.is_held(&aks).await);
    assert_eq!(sim.starts(&aks), 1);
    assert!(sim.told().last().unwrap().contains("it is in a failed state"), "{:?}", sim.told());
}

#[tokio::test(start_paused = true)]
async fn an_unauthorised_stop_that_somebody_undid_is_still_reported() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let late = EventRule { delay: minutes(20), ..EventRule::default() };
    sim.world.lock().unwrap().next_event(late);
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(3)).await;
    sim.start(&aks, &ops());
    sim.pass(&[&guard], minutes(30)).await;

    assert_eq!(sim.starts(&aks), 1, "only theirs");
    assert_eq!(sim.outcomes().await, [Outcome::AlreadyRunning]);
    assert_eq!(
        sim.told(),
        [
            "opened aks-1 runs again without the guard's help, after Mallory@contoso.com stopped it without permission",
            "resolved aks-1 runs again without the guard's help, after Mallory@contoso.com stopped it without permission",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_deleted_cluster_ends_its_case_and_its_incident() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.clock.advance(minutes(2));
    sim.world.lock().unwrap().delete(&aks, &ops(), sim.clock.now()).unwrap();
    sim.pass(&[&guard], minutes(30)).await;

    assert_eq!(sim.outcomes().await, [Outcome::Gone]);
    assert_eq!(sim.told_times(IncidentState::Resolved), 1);
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn a_caller_whom_nobody_can_name_becomes_an_incident_and_not_a_restart() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &Caller::nameless());
    sim.pass(&[&guard], minutes(40)).await;

    assert_eq!(sim.starts(&aks), 0);
    assert!(sim.is_held(&aks).await);
    assert!(sim.told()[0].contains("unknown-caller"), "{:?}", sim.told());
}

#[tokio::test(start_paused = true)]
async fn the_fourth_stop_of_a_war_is_not_restarted_but_wakes_people() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    for _ in 0..3 {
        sim.stop(&aks, &mallory());
        sim.pass(&[&guard], minutes(20)).await;
        assert!(sim.is_running(&aks));
    }
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(20)).await;

    assert_eq!(sim.starts(&aks), 3);
    assert!(sim.is_held(&aks).await);
    let last = sim.inbox.messages.lock().unwrap().last().cloned().unwrap();
    assert_eq!(last.severity, Severity::Critical);
    assert!(last.policies.contains(&"restart-budget".to_owned()), "{:?}", last.policies);
}

#[tokio::test(start_paused = true)]
async fn a_policy_may_delay_the_first_attempt() {
    let extra = "@id(\"later\") @after(\"20m\")\npermit (principal == Guard::\"self\", action == Action::\"restart\", resource);\n";
    let sim = Sim::new(Setup { extra: extra.to_owned(), ..Setup::default() });
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(15)).await;
    assert_eq!(sim.starts(&aks), 0);
    sim.pass(&[&guard], minutes(15)).await;

    assert!(sim.is_running(&aks));
    assert_eq!(sim.starts(&aks), 1);
}

#[tokio::test(start_paused = true)]
async fn an_arm_that_is_down_delays_the_case_and_loses_nothing() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let down = FaultRule { fault: Fault::ServerError, on: None, cluster: None, times: None };
    sim.world.lock().unwrap().add_fault(down);
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(10)).await;
    assert!(sim.case(&aks).await.is_some(), "the case is durable");
    sim.world.lock().unwrap().clear_faults();
    sim.pass(&[&guard], minutes(20)).await;

    assert!(sim.is_running(&aks));
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_down_gets_its_messages_in_order_when_it_is_back() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    *sim.inbox.down.lock().unwrap() = true;
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(40)).await;
    assert_eq!(sim.outcomes().await, [Outcome::Restored], "the case does not wait for the sink");
    assert!(!sim.paths("open").await.is_empty(), "the marker stays until people are told");
    *sim.inbox.down.lock().unwrap() = false;
    sim.pass(&[&guard], minutes(70)).await;

    let states: Vec<_> = sim.inbox.messages.lock().unwrap().iter().map(|message| message.state).collect();
    assert_eq!(states, [IncidentState::Opened, IncidentState::Resolved]);
    assert!(sim.paths("open").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_never_comes_back_leaves_a_dead_letter() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    *sim.inbox.down.lock().unwrap() = true;
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], SignedDuration::from_hours(76)).await;

    assert_eq!(sim.paths("dead-letters").await.len(), 2);
    assert!(sim.paths("open").await.is_empty());
}
