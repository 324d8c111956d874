//! Rules of the protocol that need the whole guard to show.

use std::collections::BTreeSet;

use aks_stop_guard::case::{Confirm, Mode, Outcome};
use aks_stop_guard::clock::Clock as _;
use aks_stop_guard::domain::{Caller, CallerKind, IncidentState, Severity};
use bytes::Bytes;
use jiff::SignedDuration;
use object_store::ObjectStoreExt as _;
use simulator::world::{self, Fault, FaultRule, RequestKind};

use crate::sim::{SUBSCRIPTION, Setup, Sim, mallory, minutes, ops};

/// Rule 1: nothing is started by a clock that is far from Azure's.
#[tokio::test(start_paused = true)]
async fn a_clock_far_from_azures_starts_nothing() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.world.lock().unwrap().settings_mut().date_skew = SignedDuration::from_secs(90);
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(20)).await;
    assert_eq!(sim.world.lock().unwrap().journal().requests(RequestKind::Start, None), 0);
    sim.world.lock().unwrap().settings_mut().date_skew = SignedDuration::ZERO;
    sim.pass(&[&guard], minutes(20)).await;
    assert!(sim.is_running(&aks));
}

/// Rule 14: a hold forbids starts, whatever policies say.
#[tokio::test(start_paused = true)]
async fn a_hold_starts_nothing_and_tells_people_who_holds() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.hold(&format!("/subscriptions/{SUBSCRIPTION}"), minutes(600), "forensics").await;
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(30)).await;

    assert_eq!(sim.starts(&aks), 0);
    let told = sim.told();
    let held = "a hold forbids starts: held by Dana (d) until 2026-11-02T20:00:00Z: forensics";
    assert!(told.iter().any(|told| told.contains(held)), "{told:?}");
}

/// Rule 25: a damaged record is set aside, replaced with its budgets spent, and told.
#[tokio::test(start_paused = true)]
async fn a_damaged_record_is_kept_aside_and_waits_for_people() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(3)).await;
    let path: object_store::path::Path = sim.paths("clusters").await.remove(0).into();
    let whole = sim.state.get(&path).await.unwrap().bytes().await.unwrap();
    let text = String::from_utf8(whole.to_vec()).unwrap().replace("\"phase\":\"open\"", "\"phase\":\"opne\"");
    sim.state.put(&path, Bytes::from(text).into()).await.unwrap();
    let next = sim.process();
    sim.pass(&[&next], minutes(3)).await;

    assert_eq!(sim.paths("aside").await.len(), 1);
    assert!(sim.is_held(&aks).await);
    assert!(
        sim.told().iter().any(|line| line.contains("the guard's record of it was damaged")),
        "{:?}",
        sim.told()
    );
    sim.pass(&[&next], minutes(20)).await;
    assert_eq!(sim.outcomes().await, [Outcome::AlreadyRunning], "it is swept until the cluster runs");
    assert!(sim.paths("open").await.is_empty());
}

/// Rule 25: a record of a newer program is neither written nor lost; the event has to come again.
#[tokio::test(start_paused = true)]
async fn a_record_of_a_newer_program_is_left_alone() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(3)).await;
    let path: object_store::path::Path = sim.paths("clusters").await.remove(0).into();
    let whole = sim.state.get(&path).await.unwrap().bytes().await.unwrap();
    let newer = String::from_utf8(whole.to_vec()).unwrap().replace("\"min_writer\":1", "\"min_writer\":2");
    sim.state.put(&path, Bytes::from(newer.clone()).into()).await.unwrap();
    let event = sim.stop_events().remove(0);
    let explained = sim.process().guard.evaluate(&event).await;
    let refused = sim.deliver(&sim.process(), event).await;

    assert!(refused.is_err(), "it is answered 5xx");
    assert!(explained.is_err(), "nobody is told of a decision that was taken without it");
    assert_eq!(sim.state.get(&path).await.unwrap().bytes().await.unwrap(), newer.as_bytes());
}

/// Rule 6: a marker above the record's generation is burnt; a message that another process left on the record meanwhile keeps it.
#[tokio::test(start_paused = true)]
async fn a_marker_that_is_burnt_stays_while_the_record_has_something_to_tell() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    *sim.inbox.down.lock().unwrap() = true;
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(20)).await;
    let path: object_store::path::Path = sim.paths("clusters").await.remove(0).into();
    let with_messages = sim.state.get(&path).await.unwrap().bytes().await.unwrap();
    assert!(
        sim.record(&aks).await.is_some_and(|record| record.case().is_none() && !record.outbox.is_empty())
    );
    *sim.inbox.down.lock().unwrap() = false;
    sim.pass(&[&guard], minutes(20)).await;
    assert!(sim.paths("open").await.is_empty());
    let told = sim.inbox.messages.lock().unwrap().len();

    // A process dies after it put a marker; while the sweep burns that, another process leaves messages.
    let key = sim.record(&aks).await.unwrap().cluster.key();
    let marker: object_store::path::Path = format!("open/{key}/9999999999").into();
    sim.state.put(&marker, Bytes::from(aks.to_string()).into()).await.unwrap();
    let sweeper = sim.process();
    let (probe, state) = (sweeper.probe.clone(), sim.state.clone());
    sweeper.probe.once_before("get state/clusters", move || {
        probe.once_before_async("get state/clusters", move || {
            Box::pin(async move {
                state.put(&path, with_messages.into()).await.unwrap();
            })
        });
    });
    sweeper.guard.sweep().await.unwrap();
    assert_eq!(sim.paths("open").await, [marker.to_string()]);
    sim.pass(&[&sweeper], minutes(10)).await;

    assert!(sim.inbox.messages.lock().unwrap().len() > told, "they are told");
    assert!(sim.paths("open").await.is_empty());
}

/// Rule 29: an event that claims a caller who may, while the log names one who may not.
#[tokio::test(start_paused = true)]
async fn a_forged_claim_is_found_out_and_the_cluster_is_restarted() {
    let mut sim = Sim::new(Setup { extra: Sim::allow(&ops()), ..Setup::default() });
    sim.delivers = false;
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.clock.advance(minutes(2));
    let mut event = sim.stop_events().remove(0);
    event.caller = Caller { object_id: Some(ops().object_id), kind: CallerKind::User, ..Caller::unknown() };
    sim.deliver(&guard, event).await.unwrap();
    assert_eq!(sim.outcomes().await, [], "the event's word is not enough");
    sim.pass(&[&guard], minutes(30)).await;

    assert!(sim.is_running(&aks));
    let messages = sim.inbox.messages.lock().unwrap();
    let forgery = messages.iter().find(|message| message.id.ends_with("-claims")).expect("it is told");
    assert_eq!((forgery.severity, forgery.state), (Severity::Critical, IncidentState::Opened));
}

/// Rule 29: an authorisation that the log never confirms becomes an incident, and ends when the log does.
#[tokio::test(start_paused = true)]
async fn an_authorisation_without_a_record_in_the_log_is_told_after_half_an_hour() {
    let sim = Sim::new(Setup { extra: Sim::allow(&ops()), ..Setup::default() });
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.world.lock().unwrap().settings_mut().log_lag = minutes(50);
    sim.stop(&aks, &ops());
    sim.pass(&[&guard], minutes(25)).await;
    assert_eq!(sim.told(), [""; 0]);
    sim.pass(&[&guard], minutes(15)).await;
    assert_eq!(sim.told_times(IncidentState::Opened), 1);
    sim.pass(&[&guard], minutes(30)).await;

    assert_eq!(sim.outcomes().await, [Outcome::Authorised]);
    assert_eq!(sim.told_times(IncidentState::Resolved), 1);
    assert_eq!(sim.starts(&aks), 0);
}

/// Rule 28: the same id, another cluster.
#[tokio::test(start_paused = true)]
async fn a_cluster_made_anew_under_the_same_id_has_no_history() {
    let sim = Sim::new(Setup { extra: Sim::allow(&ops()), ..Setup::default() });
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &ops());
    sim.pass(&[&guard], minutes(20)).await;
    assert_eq!(sim.outcomes().await, [Outcome::Authorised]);
    sim.world.lock().unwrap().delete(&aks, &ops(), sim.clock.now()).unwrap();
    sim.pass(&[&guard], minutes(10)).await;
    sim.cluster("aks-1");
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(20)).await;

    assert!(sim.is_running(&aks));
    assert_eq!(sim.outcomes().await, [Outcome::Authorised, Outcome::Restored]);
}

/// Rule 11 with `require`: the log is always asked.
#[tokio::test(start_paused = true)]
async fn with_confirm_require_a_fresh_stop_waits_for_the_log() {
    let sim = Sim::new(Setup { confirm: Confirm::Require, ..Setup::default() });
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(10)).await;
    assert_eq!(sim.starts(&aks), 0);
    sim.pass(&[&guard], minutes(20)).await;
    assert!(sim.is_running(&aks));
}

/// Rule 30: a thousand events of one cluster.
#[tokio::test(start_paused = true)]
async fn a_thousand_copies_of_one_event_start_once() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.clock.advance(minutes(2));
    let event = sim.stop_events().remove(0);
    let copies = (0..1_000).map(|_| sim.deliver(&guard, event.clone()));
    for done in futures::future::join_all(copies).await {
        done.unwrap();
    }
    assert_eq!(sim.world.lock().unwrap().journal().requests(RequestKind::Start, None), 1);
    assert_eq!(sim.paths("open").await.len(), 1);
}

/// A late event is answered in minutes, by asking the log.
#[tokio::test(start_paused = true)]
async fn a_late_event_is_restarted_once_the_log_names_its_stop() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let late = world::EventRule { delay: minutes(30), ..world::EventRule::default() };
    sim.world.lock().unwrap().next_event(late);
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(50)).await;

    assert!(sim.is_running(&aks));
    assert!(sim.world.lock().unwrap().journal().requests(RequestKind::ListActivityLog, None) >= 1);
    sim.assert_no_violation();
}

/// Rule 28: the new cluster is stopped while the case of the old one is still open.
#[tokio::test(start_paused = true)]
async fn a_stop_of_a_cluster_made_anew_is_not_lost_in_the_case_of_the_old_one() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    let denied =
        FaultRule { fault: Fault::Denied, on: Some(RequestKind::Start), cluster: None, times: Some(1) };
    sim.world.lock().unwrap().add_fault(denied);
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(5)).await;
    assert!(sim.is_held(&aks).await);
    // Nobody looks while it is deleted and made anew.
    sim.world.lock().unwrap().delete(&aks, &ops(), sim.clock.now()).unwrap();
    sim.pass(&[], minutes(10)).await;
    sim.cluster("aks-1");
    sim.stop(&aks, &mallory());
    sim.clock.advance(minutes(2));
    let event = sim.stop_events().pop().unwrap();
    sim.deliver(&guard, event).await.unwrap();
    sim.pass(&[&guard], minutes(30)).await;

    assert!(sim.is_running(&aks), "the new one is guarded");
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
}

/// Rule 26: a case that ends sweeps is left to people after the third, and the others go on.
#[tokio::test(start_paused = true)]
async fn a_case_that_ends_sweeps_is_left_to_people_and_the_others_go_on() {
    let sim = Sim::new(Setup::default());
    let (guard, bad) = (sim.process(), sim.cluster("aks-bad"));
    sim.stop(&bad, &mallory());
    sim.pass(&[&guard], minutes(2)).await;
    guard.probe.poison("aks-bad");
    let good = sim.cluster("aks-good");
    sim.stop(&good, &mallory());
    sim.pass(&[&guard], minutes(20)).await;

    assert!(sim.is_running(&good));
    assert!(sim.told().contains(&"resolved aks-good runs again: the guard restarted it after Mallory@contoso.com stopped it without permission".to_owned()), "{:?}", sim.told());
    let quarantine = "opened 1 cluster is not guarded: work on its record ends the guard's sweeps";
    assert!(sim.told().contains(&quarantine.to_owned()), "{:?}", sim.told());
    let looks = guard.probe.log().iter().filter(|call| call.contains("aks-bad")).count();
    sim.pass(&[&guard], minutes(20)).await;
    assert_eq!(
        guard.probe.log().iter().filter(|call| call.contains("aks-bad")).count(),
        looks,
        "it is not tried again"
    );
}

/// Rule 26: what a killed process was sweeping is suspected, and cleared when it does no harm.
#[tokio::test(start_paused = true)]
async fn a_case_that_a_killed_process_was_sweeping_is_suspected_and_cleared() {
    let sim = Sim::new(Setup::default());
    let (first, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.pass(&[&first], minutes(3)).await;
    let (probe, flag) = (first.probe.clone(), first.probe.clone());
    probe.once_before("GET", move || flag.kill_at(flag.points()));
    sim.pass(&[&first], minutes(1)).await;
    assert_eq!(sim.paths("open/0-entries").await.len(), 1, "the dead process left its entry");
    let next = sim.process();
    sim.pass(&[&next], minutes(20)).await;

    assert!(sim.is_running(&aks));
    assert!(sim.paths("open").await.is_empty(), "{:?}", sim.paths("open").await);
}

/// Rule 26: whoever counts a death may die before its entry is gone; the next one counts nothing anew.
#[tokio::test(start_paused = true)]
async fn a_death_that_two_sweeps_find_counts_once() {
    let sim = Sim::new(Setup::default());
    let aks = sim.cluster("aks-1");
    sim.stop(&aks, &mallory());
    let processes = [sim.process(), sim.process(), sim.process()];
    sim.pass(&[&processes[0]], minutes(3)).await;
    let last_words = ["GET", "delete state/open/0-entries/sweep-", "put state/open/0-entries/sweep-"];
    for (process, call) in processes.iter().zip(last_words) {
        let flag = process.probe.clone();
        process.probe.once_before(call, move || flag.kill_at(flag.points()));
        sim.pass(&[process], minutes(12)).await;
        assert!(process.probe.is_dead(), "{call}");
    }

    let entries = sim.paths("open/0-entries").await;
    assert!(matches!(entries.as_slice(), [only] if only.contains("/case-")), "{entries:?}");
    let stored = sim.state.get(&entries[0].as_str().into()).await.unwrap().bytes().await.unwrap();
    let suspicion: serde_json::Value = serde_json::from_slice(&stored).unwrap();
    assert_eq!(suspicion["kills"], 1);
}

/// A policy about the rolling counts sees them when it is asked about the stop.
#[tokio::test(start_paused = true)]
async fn a_stop_policy_may_ask_how_many_unauthorised_stops_there_were() {
    let extra = format!(
        "@id(\"calm-only\")\npermit (principal == Caller::\"{}\", action == Action::\"stop\", resource)\nwhen {{ context.unauthorisedStopsInSubscriptionLastHour == 0 }};\n",
        ops().object_id
    );
    let sim = Sim::new(Setup { extra, ..Setup::default() });
    let (guard, calm, other) = (sim.process(), sim.cluster("aks-calm"), sim.cluster("aks-other"));
    sim.stop(&calm, &ops());
    sim.pass(&[&guard], minutes(20)).await;
    assert_eq!(sim.outcomes().await, [Outcome::Authorised]);
    sim.stop(&other, &mallory());
    sim.pass(&[&guard], minutes(10)).await;
    let late = sim.cluster("aks-late");
    sim.stop(&late, &world::Caller::user("Ops"));
    sim.pass(&[&guard], minutes(15)).await;
    assert!(sim.is_running(&late), "not while others stop clusters without permission");
}

/// Rule 26 and its budget: a sweep that runs out of time begins the next time with those that it passed over.
#[tokio::test(start_paused = true)]
async fn sweeps_that_run_out_of_time_reach_every_case() {
    // Cases that wait for people stay.
    let sim = Sim::new(Setup { mode: Mode::Notify, ..Setup::default() });
    let first = sim.process();
    for n in 0..40 {
        sim.stop(&sim.cluster(&format!("aks-{n}")), &mallory());
    }
    sim.clock.advance(minutes(2));
    for event in sim.stop_events() {
        sim.deliver(&first, event).await.unwrap();
    }

    let next = sim.process();
    for _ in 0..2 {
        sim.clock.advance(minutes(6));
        let clock = sim.clock.clone();
        next.probe.once_before("GET", move || clock.advance(minutes(2)));
        next.guard.sweep().await.unwrap();
    }
    let looks: BTreeSet<String> = next
        .probe
        .log()
        .into_iter()
        .filter(|call| call.starts_with("GET") && call.contains("/aks-"))
        .collect();
    assert_eq!(looks.len(), 40);
}
