//! What the guard is given may be wrong: the store away, the clock set, blobs that are damaged or not its own, events that
//! contradict each other. A case then waits or becomes an incident; nothing is dropped, and nothing is tried without a pause.

use aks_stop_guard::case::Outcome;
use aks_stop_guard::clock::Clock as _;
use aks_stop_guard::domain::{Caller, CallerKind, IncidentState, Severity};
use bytes::Bytes;
use jiff::SignedDuration;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use simulator::world::{Fault, FaultRule, RequestKind};

use crate::sim::{SUBSCRIPTION, Setup, Sim, mallory, minutes, ops};

/// Looks that a case may have a minute: one each 30 s, and one more that the event or a step asked for.
const LOOKS_A_MINUTE_MAX: usize = 3;
/// When Event Grid tries again, in seconds after the try before (source: "Event Grid message delivery and retry").
const REDELIVERIES: [i64; 7] = [10, 20, 30, 240, 300, 1_200, 1_800];

/// The redeliveries of one event and the sweeps of one hour are all that asks the store, three tries each.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_an_hour_loses_no_stop_and_keeps_nobody_busy() {
    let mut sim = Sim::new(Setup::default());
    sim.delivers = false;
    let (guard, known, fresh) = (sim.process(), sim.cluster("aks-known"), sim.cluster("aks-fresh"));
    sim.stop(&known, &mallory());
    sim.clock.advance(minutes(2));
    sim.deliver(&guard, sim.stop_events().remove(0)).await.unwrap();

    guard.probe.store_is_down(true);
    sim.stop(&fresh, &mallory());
    sim.clock.advance(minutes(2));
    let event = sim.stop_events().pop().unwrap();
    let (calls, looks) = (guard.probe.log().len(), looks(&sim));
    for wait in REDELIVERIES {
        sim.deliver(&guard, event.clone()).await.unwrap_err();
        sim.pass(&[&guard], SignedDuration::from_secs(wait)).await;
    }
    let calls = guard.probe.log().len() - calls;
    assert!(calls <= 3 * (120 + REDELIVERIES.len()), "{calls} calls in an hour");
    assert_eq!(looks, self::looks(&sim), "nothing can be written down, so nothing is looked at");

    guard.probe.store_is_down(false);
    sim.deliver(&guard, event).await.unwrap();
    sim.pass(&[&guard], minutes(30)).await;
    for cluster in [&known, &fresh] {
        assert!(sim.is_running(cluster), "{cluster}");
        assert_eq!(sim.starts(cluster), 1, "{cluster}");
    }
    assert_eq!(sim.outcomes().await, [Outcome::Restored, Outcome::Restored]);
    assert!(sim.paths("open").await.is_empty());
    sim.assert_no_violation();
}

/// The store goes between the look and the write, so that the decision is lost with it.
#[tokio::test(start_paused = true)]
async fn a_store_that_goes_away_before_the_intent_is_written_sends_no_start() {
    let mut sim = Sim::new(Setup::default());
    sim.delivers = false;
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.clock.advance(minutes(2));
    let event = sim.stop_events().remove(0);
    let probe = guard.probe.clone();
    guard.probe.once_before("put state/clusters", move || probe.store_is_down(true));
    sim.deliver(&guard, event.clone()).await.unwrap_err();
    assert_eq!(sim.world.lock().unwrap().journal().requests(RequestKind::Start, None), 0);
    sim.pass(&[&guard], minutes(10)).await;
    guard.probe.store_is_down(false);
    sim.deliver(&guard, event).await.unwrap();
    sim.pass(&[&guard], minutes(20)).await;
    assert!(sim.is_running(&aks));
    assert_eq!((sim.starts(&aks), sim.outcomes().await), (1, vec![Outcome::Restored]));
}

/// Rule 1: Azure's clock counts. A process whose own is hours off starts nothing, asks as often as ever, and goes on when it is set.
#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_by_hours_and_back_delays_a_start_and_loses_nothing() {
    for hours in [3, -3] {
        let sim = Sim::new(Setup::default());
        let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
        // It has heard Azure's time before its own clock jumps.
        sim.stop(&aks, &mallory());
        sim.pass(&[&guard], minutes(10)).await;
        assert_eq!(sim.outcomes().await, [Outcome::Restored], "{hours}");

        guard.clock.is_ahead_by(SignedDuration::from_hours(hours));
        sim.stop(&aks, &mallory());
        let before = looks(&sim);
        sim.pass(&[&guard], minutes(20)).await;
        assert_eq!(sim.starts(&aks), 1, "{hours} h: nothing is started");
        assert!(sim.case(&aks).await.is_some(), "{hours} h: and nothing dropped");
        let made = looks(&sim) - before;
        assert!((20..=20 * LOOKS_A_MINUTE_MAX).contains(&made), "{hours} h: {made} looks");

        guard.clock.is_ahead_by(SignedDuration::ZERO);
        sim.pass(&[&guard], minutes(30)).await;
        assert!(sim.is_running(&aks), "{hours} h: {:#?}", sim.case(&aks).await);
        assert_eq!(sim.starts(&aks), 2, "{hours} h");
        assert_eq!(sim.outcomes().await, [Outcome::Restored, Outcome::Restored], "{hours} h");
        sim.assert_no_violation();
    }
}

/// A process that starts with a wrong clock has heard nothing of Azure's when the first event comes.
#[tokio::test(start_paused = true)]
async fn a_stop_is_no_history_because_the_clock_is_behind() {
    let sim = Sim::new(Setup::default());
    let (first, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.pass(&[&first], minutes(10)).await;
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);

    let wrong = sim.process();
    wrong.clock.is_ahead_by(SignedDuration::from_hours(-3));
    sim.stop(&aks, &mallory());
    sim.pass(&[&wrong], minutes(3)).await;
    assert!(sim.case(&aks).await.is_some(), "the cluster was not seen running after this stop");
    sim.pass(&[&sim.process()], minutes(40)).await;
    let people_know = sim.is_held(&aks).await && sim.told_times(IncidentState::Opened) == 2;
    assert!(sim.is_running(&aks) || people_know, "{:?}", sim.told());
}

/// The wake-up that a wrong clock wrote down is far ahead once the clock is right. It never is further than people are made to wait.
#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_while_azure_is_away_puts_no_case_to_sleep() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let gone = FaultRule {
        fault: Fault::NeverArrived,
        on: Some(RequestKind::GetCluster),
        cluster: None,
        times: None,
    };
    sim.world.lock().unwrap().add_fault(gone);
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(3)).await;
    guard.clock.is_ahead_by(SignedDuration::from_mins(40));
    sim.pass(&[&guard], minutes(1)).await;
    guard.clock.is_ahead_by(SignedDuration::ZERO);
    sim.world.lock().unwrap().clear_faults();
    sim.pass(&[&guard], minutes(60)).await;
    assert!(sim.is_running(&aks), "{:?}", sim.told());
    assert_eq!(sim.starts(&aks), 1);
}

/// Rule 14: the wall clock is set back by as long as the machine slept, so that only the boot clock knows.
#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_sends_no_start_whatever_its_wall_clock_says() {
    let sim = Sim::new(Setup { extra: Sim::allow(&ops()), ..Setup::default() });
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.clock.advance(minutes(2));
    let event = sim.stop_events().remove(0);
    let (truth, local) = (sim.clock.clone(), guard.clock.clone());
    guard.probe.once_before("list state/open/0-holds", || {});
    guard.probe.once_before("list state/open/0-holds", move || {
        truth.advance(minutes(4));
        local.is_ahead_by(-minutes(4));
    });
    sim.deliver(&guard, event).await.unwrap();
    assert_eq!(sim.world.lock().unwrap().journal().requests(RequestKind::Start, None), 0);
}

/// Threat 5, as far as the guard can know: the same event again after a day.
#[tokio::test(start_paused = true)]
async fn an_event_that_is_replayed_after_a_day_starts_nothing_that_it_did_not_stop() {
    let mut sim = Sim::new(Setup { extra: Sim::allow(&ops()), ..Setup::default() });
    sim.delivers = false;
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    // Nobody ever handled it: somebody started the cluster, and ops stopped it since. That event was lost.
    sim.stop(&aks, &mallory());
    sim.clock.advance(minutes(2));
    let event = sim.stop_events().remove(0);
    sim.start(&aks, &ops());
    sim.clock.advance(SignedDuration::from_hours(20));
    sim.stop(&aks, &ops());
    sim.clock.advance(SignedDuration::from_hours(5));
    sim.deliver(&guard, event.clone()).await.unwrap();
    sim.pass(&[&guard], minutes(90)).await;
    assert!(!sim.is_running(&aks), "the log decides: it was stopped with permission");
    assert_eq!(sim.world.lock().unwrap().journal().requests(RequestKind::Start, None), 0);
    sim.assert_no_violation();
}

/// The same, where that stop is still the reason why the cluster is down.
#[tokio::test(start_paused = true)]
async fn a_day_old_event_of_a_cluster_that_is_still_down_by_it_waits_for_the_log() {
    let mut sim = Sim::new(Setup::default());
    sim.delivers = false;
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.clock.advance(SignedDuration::from_hours(25));
    let event = sim.stop_events().remove(0);
    sim.deliver(&guard, event.clone()).await.unwrap();
    assert!(sim.world.lock().unwrap().journal().requests(RequestKind::ListActivityLog, None) >= 1);
    sim.pass(&[&guard], minutes(30)).await;
    assert!(sim.is_running(&aks));
    // And once more: it is history now.
    sim.deliver(&guard, event).await.unwrap();
    sim.pass(&[&guard], minutes(10)).await;
    assert_eq!((sim.starts(&aks), sim.outcomes().await.len()), (1, 1));
}

/// D3: the id of an event is known, and another caller is in it. Rule 29: the stricter answer counts until the log speaks.
#[tokio::test(start_paused = true)]
async fn a_known_event_with_another_caller_in_it_is_believed_only_as_far_as_the_log_confirms_it() {
    for forged_first in [true, false] {
        let mut sim = Sim::new(Setup { extra: Sim::allow(&ops()), ..Setup::default() });
        sim.delivers = false;
        let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
        // Ops stopped it, with permission. Somebody claims under the same id that it was Mallory.
        sim.stop(&aks, &ops());
        sim.clock.advance(minutes(2));
        let truth = sim.stop_events().remove(0);
        let mut forged = truth.clone();
        forged.caller =
            Caller { object_id: Some(mallory().object_id), kind: CallerKind::User, ..Caller::unknown() };
        let mut events = vec![truth, forged];
        if forged_first {
            events.reverse();
        }
        // Both before anything was decided: one delivery may hold both.
        let (durable, _acknowledged) = tokio::sync::oneshot::channel();
        guard.guard.take_in(events[0].cluster.clone(), events, durable).await.unwrap();
        sim.pass(&[&guard], minutes(40)).await;

        assert_eq!(sim.starts(&aks), 0, "forged first: {forged_first}");
        assert!(!sim.is_running(&aks));
        assert_eq!(sim.outcomes().await, [Outcome::Authorised], "forged first: {forged_first}");
        assert!(
            sim.told().iter().any(|line| line.starts_with("opened")),
            "forged first: {forged_first}: a contradiction is told: {:?}",
            sim.told()
        );
        sim.assert_no_violation();
    }
}

/// D3 the other way: a claim that it was somebody who may.
#[tokio::test(start_paused = true)]
async fn a_known_event_that_claims_a_permitted_caller_keeps_no_cluster_down() {
    let mut sim = Sim::new(Setup { extra: Sim::allow(&ops()), ..Setup::default() });
    sim.delivers = false;
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.clock.advance(minutes(2));
    let truth = sim.stop_events().remove(0);
    let mut forged = truth.clone();
    forged.caller = Caller { object_id: Some(ops().object_id), kind: CallerKind::User, ..Caller::unknown() };
    sim.deliver(&guard, forged).await.unwrap();
    assert_eq!(sim.starts(&aks), 0, "an authorisation waits for the log");
    sim.deliver(&guard, truth).await.unwrap();
    sim.pass(&[&guard], minutes(40)).await;

    assert!(sim.is_running(&aks));
    assert_eq!(sim.starts(&aks), 1);
    let messages = sim.inbox.messages.lock().unwrap();
    let forgery = messages.iter().find(|message| message.id.ends_with("-claims")).expect("it is told");
    assert_eq!((forgery.severity, forgery.state), (Severity::Critical, IncidentState::Opened));
}

/// Rule 25: the damage took the cluster's id as well. The marker still says it, and so does an event.
#[tokio::test(start_paused = true)]
async fn a_record_that_no_longer_says_which_cluster_it_is_about_is_replaced_too() {
    for by_event in [false, true] {
        let mut sim = Sim::new(Setup::default());
        sim.delivers = false;
        let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
        sim.stop(&aks, &mallory());
        sim.clock.advance(minutes(2));
        sim.deliver(&guard, sim.stop_events().remove(0)).await.unwrap();
        let record: Path = sim.paths("clusters").await.remove(0).into();
        sim.state.put(&record, Bytes::from_static(b"\xff\xfenothing of it is left").into()).await.unwrap();
        let next = sim.process();
        if by_event {
            for marker in sim.paths("open").await {
                sim.state.delete(&marker.into()).await.unwrap();
            }
            sim.deliver(&next, sim.stop_events().remove(0)).await.unwrap();
        }
        sim.pass(&[&next], minutes(2)).await;
        assert_eq!(sim.paths("aside").await.len(), 1, "by event: {by_event}: the bytes are kept");
        assert!(
            sim.told().iter().any(|line| line.contains("the guard's record of it was damaged")),
            "by event: {by_event}: {:?}",
            sim.told()
        );
        sim.pass(&[&next], minutes(20)).await;
        assert_eq!(sim.outcomes().await, [Outcome::AlreadyRunning], "by event: {by_event}");
        assert!(sim.paths("open").await.is_empty(), "by event: {by_event}");
    }
}

/// Blobs of somebody else, wherever the guard looks.
#[tokio::test(start_paused = true)]
async fn foreign_blobs_anywhere_in_the_container_are_left_alone_and_stop_nothing() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let hour = sim.clock.now().strftime("%Y-%m-%dt%H").to_string();
    let stray = "0123456789abcdef0123456789abcdef";
    let foreign = [
        "README.md".to_owned(),
        "open/README.md".to_owned(),
        format!("open/{stray}"),
        format!("open/{stray}/not-a-number"),
        format!("open/{stray}/7"),
        format!("open/{stray}/7/deeper"),
        "clusters/README.md".to_owned(),
        "open/0-bulletins/README.md".to_owned(),
        "open/0-entries/README.md".to_owned(),
        "open/0-entries/sweep-of-somebody.json".to_owned(),
        "open/0-entries/case-of-somebody.json".to_owned(),
        "bulletins/README.md".to_owned(),
        "bulletins/news.json".to_owned(),
        format!("stops/{SUBSCRIPTION}/README.md"),
        format!("stops/{SUBSCRIPTION}/{hour}/README.md"),
        "dead-letters/README.md".to_owned(),
        "aside/README.md".to_owned(),
    ];
    for path in &foreign {
        sim.state.put(&path.as_str().into(), Bytes::from_static(b"not yours").into()).await.unwrap();
    }
    sim.cases.put(&"README.md".into(), Bytes::from_static(b"not yours").into()).await.unwrap();
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(20)).await;

    assert!(sim.is_running(&aks));
    assert_eq!(sim.starts(&aks), 1);
    for path in &foreign {
        let kept = sim.state.get(&path.as_str().into()).await.unwrap_or_else(|_| panic!("{path} is gone"));
        assert_eq!(kept.bytes().await.unwrap(), "not yours", "{path}");
    }
    let reads =
        guard.probe.log().iter().filter(|call| call.contains(stray) && call.starts_with("get")).count();
    assert!(reads <= 2 * 40, "{reads} reads in 40 sweeps");
    assert!(
        sim.paths("open").await.iter().all(|path| foreign.contains(path)),
        "{:?}",
        sim.paths("open").await
    );
}

/// Rule 26: what was left to people comes back when they say so.
#[tokio::test(start_paused = true)]
async fn a_case_that_was_left_to_people_is_finished_once_they_release_it() {
    let sim = Sim::new(Setup::default());
    let (guard, bad) = (sim.process(), sim.cluster("aks-bad"));
    sim.stop(&bad, &mallory());
    sim.pass(&[&guard], minutes(2)).await;
    guard.probe.poison("aks-bad");
    sim.pass(&[&guard], minutes(20)).await;
    let entries = sim.paths("open/0-entries").await;
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert!(entries[0].starts_with("open/0-entries/case-"), "{entries:?}");

    let mended = sim.process();
    sim.pass(&[&mended], minutes(5)).await;
    assert!(!mended.probe.log().iter().any(|call| call.contains("aks-bad")), "a new process leaves it too");
    sim.state.delete(&entries[0].as_str().into()).await.unwrap();
    sim.pass(&[&mended], minutes(20)).await;
    assert!(sim.is_running(&bad));
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    assert_eq!(sim.told_times(IncidentState::Resolved), 2, "the case, and the quarantine: {:?}", sim.told());
}

/// Looks that reached Azure.
fn looks(sim: &Sim) -> usize {
    sim.world.lock().unwrap().journal().requests(RequestKind::GetCluster, None)
}
