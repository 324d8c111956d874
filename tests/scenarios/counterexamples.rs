//! The counterexamples that made the protocol's rules (docs/PROTOCOL.md), each a world in which a simpler guard does harm.

use aks_stop_guard::case::Outcome;
use aks_stop_guard::clock::Clock as _;
use aks_stop_guard::domain::IncidentState;
use simulator::world::{EventMoment, EventRule, Fault, FaultRule, RequestKind};

use crate::sim::{Setup, Sim, mallory, minutes, ops};

fn with_ops() -> Sim {
    Sim::new(Setup { extra: Sim::allow(&ops()), ..Setup::default() })
}

/// U → restart accepted → Running → A stops before our next look → A's event joins the open case.
#[tokio::test(start_paused = true)]
async fn counterexample_1_absorbed_stop() {
    let sim = with_ops();
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(2)).await;
    assert_eq!(sim.starts(&aks), 1);
    // No sweep sees it running: the process is away until the authorised stop has happened.
    sim.pass(&[], minutes(4)).await;
    assert!(sim.is_running(&aks));
    sim.stop(&aks, &ops());
    sim.pass(&[&guard], minutes(60)).await;

    assert!(!sim.is_running(&aks), "the authorised stop stands");
    assert_eq!(sim.starts(&aks), 1);
    assert_eq!(sim.outcomes().await, [Outcome::Authorised]);
    sim.assert_no_violation();
}

/// The same, and A's event is lost: only the log tells.
#[tokio::test(start_paused = true)]
async fn counterexample_1_absorbed_stop_whose_event_is_lost() {
    let sim = with_ops();
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(2)).await;
    sim.pass(&[], minutes(4)).await;
    sim.world.lock().unwrap().next_event(EventRule { copies: 0, ..EventRule::default() });
    sim.stop(&aks, &ops());
    sim.pass(&[&guard], minutes(60)).await;

    assert!(!sim.is_running(&aks), "the authorised stop stands");
    assert_eq!(sim.starts(&aks), 1);
    sim.assert_no_violation();
}

/// U stops; somebody starts; A stops; only then U's event arrives.
#[tokio::test(start_paused = true)]
async fn counterexample_2_late_event() {
    let sim = with_ops();
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.world.lock().unwrap().next_event(EventRule { delay: minutes(12), ..EventRule::default() });
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(2)).await;
    sim.start(&aks, &ops());
    sim.pass(&[&guard], minutes(4)).await;
    sim.world.lock().unwrap().next_event(EventRule { copies: 0, ..EventRule::default() });
    sim.stop(&aks, &ops());
    sim.pass(&[&guard], minutes(60)).await;

    assert!(!sim.is_running(&aks), "the authorised stop stands");
    assert_eq!(sim.starts(&aks), 1, "only theirs");
    sim.assert_no_violation();
}

/// Look says Stopped → somebody starts → intent written → pause → Running → A stops → our POST would go out.
#[tokio::test(start_paused = true)]
async fn counterexample_3_late_post() {
    let sim = with_ops();
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.clock.advance(minutes(2));
    let event = sim.stop_events().remove(0);
    let (world, clock, id) = (sim.world.clone(), sim.clock.clone(), aks.clone());
    // The holds are read once for the decision and once right before the POST: the process pauses at the second.
    let elsewhere =
        sim.hold("/subscriptions/11111111-1111-4111-8111-111111111111", minutes(600), "audit").await;
    let read = format!("get state/open/0-holds/{elsewhere}.json");
    guard.probe.once_before(&read, || {});
    guard.probe.once_before(&read, move || {
        world.lock().unwrap().start(&id, &ops(), clock.now()).unwrap();
        clock.advance(minutes(4));
        world.lock().unwrap().stop(&id, &ops(), clock.now()).unwrap();
        clock.advance(minutes(2));
    });
    sim.deliver(&guard, event).await.unwrap();
    assert_eq!(sim.world.lock().unwrap().journal().requests(RequestKind::Start, None), 0, "nothing was sent");
    sim.pass(&[&guard], minutes(60)).await;

    assert!(!sim.is_running(&aks), "the authorised stop stands");
    assert_eq!(sim.starts(&aks), 1, "only theirs");
    sim.assert_no_violation();
}

/// P0 puts the marker; the sweep of P1 reads "no case: leftover"; P0 opens the case and answers 2xx; P1 deletes the marker.
#[tokio::test(start_paused = true)]
async fn counterexample_4_marker_under_a_new_case() {
    let sim = Sim::new(Setup::default());
    let (first, second, aks) = (sim.process(), sim.process(), sim.cluster("aks-1"));
    // An old case, so that there is a record whose generation is below the new marker's.
    sim.stop(&aks, &mallory());
    sim.pass(&[&first], minutes(20)).await;
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);

    sim.stop(&aks, &mallory());
    sim.clock.advance(minutes(2));
    let event = sim.stop_events().pop().unwrap();
    let sweeper = second.guard.clone();
    first.probe.once_before_async("put state/clusters", move || {
        Box::pin(async move {
            sweeper.sweep().await.unwrap();
        })
    });
    sim.deliver(&first, event).await.unwrap();
    // The process that took the event in dies now; the other has nothing but the markers to go by.
    assert!(!sim.paths("open").await.is_empty(), "the open case has its marker");
    sim.pass(&[&second], minutes(30)).await;

    assert!(sim.is_running(&aks));
    assert_eq!(sim.outcomes().await, [Outcome::Restored, Outcome::Restored]);
    assert!(sim.paths("open").await.is_empty());
}

/// P archives, dies; the sweep finishes the close: the archive holds one case, the same bytes.
#[tokio::test(start_paused = true)]
async fn counterexample_5_archive() {
    let sim = Sim::new(Setup::default());
    let aks = sim.cluster("aks-1");
    let first = sim.process();
    sim.stop(&aks, &mallory());
    sim.pass(&[&first], minutes(4)).await;
    // Dies right after the archive was written.
    let (probe, flag) = (first.probe.clone(), first.probe.clone());
    probe.once_before("put cases/2", move || flag.kill_at(flag.points() + 1));
    sim.pass(&[&first], minutes(4)).await;
    assert_eq!(sim.closed().await.len(), 1, "it was archived");
    assert!(sim.record(&aks).await.unwrap().case().is_none(), "and is closing");
    let second = sim.process();
    sim.pass(&[&second], minutes(10)).await;

    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    assert_eq!(sim.told_times(IncidentState::Resolved), 1);
    assert!(sim.told().iter().all(|line| !line.contains("archive")), "{:?}", sim.told());
    assert!(sim.paths("open").await.is_empty());
}

/// The GET still says Running when the event comes → closed as nothing to do.
#[tokio::test(start_paused = true)]
async fn counterexample_6_event_before_arm_shows_it() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let stale =
        FaultRule { fault: Fault::StaleLook(minutes(2)), on: None, cluster: Some(aks.clone()), times: None };
    {
        let mut world = sim.world.lock().unwrap();
        world.add_fault(stale);
        world.next_event(EventRule { moment: EventMoment::Acceptance, ..EventRule::default() });
    }
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(1)).await;
    assert!(sim.case(&aks).await.is_some(), "a look that shows Running is not final so soon after a stop");
    sim.pass(&[&guard], minutes(30)).await;

    assert!(sim.is_running(&aks));
    assert_eq!(sim.starts(&aks), 1);
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
}

/// A; somebody starts; U stops and its event is lost → discovery: "explained".
#[tokio::test(start_paused = true)]
async fn counterexample_7_an_authorised_stop_explains_for_ever() {
    let sim = with_ops();
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &ops());
    sim.pass(&[&guard], minutes(30)).await;
    assert_eq!(sim.outcomes().await, [Outcome::Authorised]);
    // Nobody looks while it runs.
    sim.start(&aks, &ops());
    sim.pass(&[], minutes(10)).await;
    sim.world.lock().unwrap().next_event(EventRule { copies: 0, ..EventRule::default() });
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(30)).await;

    assert!(sim.is_running(&aks), "the second stop is found and undone");
    assert_eq!(sim.starts(&aks), 2, "theirs and ours");
    assert_eq!(sim.outcomes().await, [Outcome::Authorised, Outcome::Restored]);
    sim.assert_no_violation();
}

/// Start denied → case closed → opened again → attempts and incidents for ever; and an incident that never resolves.
#[tokio::test(start_paused = true)]
async fn counterexample_8_escalation_is_not_an_end() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let locked = FaultRule { fault: Fault::Locked, on: Some(RequestKind::Start), cluster: None, times: None };
    sim.world.lock().unwrap().add_fault(locked);
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(300)).await;

    assert!(sim.is_held(&aks).await, "it stands until the cluster runs or is gone");
    assert_eq!(sim.world.lock().unwrap().journal().requests(RequestKind::Start, None), 1);
    assert_eq!(sim.told_times(IncidentState::Opened), 1);
    assert_eq!(sim.told_times(IncidentState::Resolved), 0);

    sim.world.lock().unwrap().clear_faults();
    sim.start(&aks, &ops());
    sim.pass(&[&guard], minutes(20)).await;
    assert_eq!(sim.told_times(IncidentState::Resolved), 1);
    assert_eq!(sim.outcomes().await, [Outcome::AlreadyRunning]);
}
