//! Stops whose events get lost are found (rule 24), and what is explained is left alone.

use aks_stop_guard::case::{Mode, Outcome, StopSource};
use aks_stop_guard::domain::{IncidentState, Severity};
use jiff::SignedDuration;
use object_store::ObjectStoreExt as _;
use simulator::world::{self, ClusterId, EventRule, Fault, FaultRule, RequestKind};

use crate::sim::{Process, Setup, Sim, mallory, minutes, ops};

fn with_ops() -> Sim {
    Sim::new(Setup { extra: Sim::allow(&ops()), ..Setup::default() })
}

/// A stop whose event never comes.
fn stop_in_silence(sim: &Sim, cluster: &ClusterId, caller: &world::Caller) {
    sim.world.lock().unwrap().next_event(EventRule { copies: 0, ..EventRule::default() });
    sim.stop(cluster, caller);
}

fn questions(sim: &Sim) -> usize {
    sim.world.lock().unwrap().journal().requests(RequestKind::QueryResourceGraph, None)
}

fn log_questions(sim: &Sim) -> usize {
    sim.world.lock().unwrap().journal().requests(RequestKind::ListActivityLog, None)
}

/// The incidents with this in their id, as `state title`.
fn told_of(sim: &Sim, id: &str) -> Vec<String> {
    let messages = sim.inbox.messages.lock().unwrap();
    let of = messages.iter().filter(|message| message.id.starts_with(id));
    of.map(|message| format!("{} {}", message.state.as_str(), message.title)).collect()
}

/// Promise 6: a period and the lag of the index; then the log's word is asked for each minute.
#[tokio::test(start_paused = true)]
async fn a_stop_whose_event_is_lost_is_found_and_undone() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.pass(&[&guard], minutes(3)).await;
    stop_in_silence(&sim, &aks, &mallory());
    sim.pass(&[&guard], minutes(6)).await;

    let case = sim.case(&aks).await.expect("found within a period and the index's lag");
    assert_eq!(case.stops[0].source, StopSource::Discovery);
    assert!(case.stops[0].confirmed, "the log names who did it");
    sim.pass(&[&guard], minutes(20)).await;
    assert!(sim.is_running(&aks));
    assert_eq!(sim.starts(&aks), 1);
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    assert_eq!(sim.told_times(IncidentState::Opened), 1);
    assert_eq!(sim.told_times(IncidentState::Resolved), 1);
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn an_authorised_stop_whose_event_is_lost_is_left_alone() {
    let sim = with_ops();
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.pass(&[&guard], minutes(3)).await;
    stop_in_silence(&sim, &aks, &ops());
    sim.pass(&[&guard], minutes(60)).await;

    assert!(!sim.is_running(&aks));
    assert_eq!(sim.outcomes().await, [Outcome::Authorised], "it is judged once, and explained from then on");
    assert_eq!(sim.told(), [""; 0]);
    sim.assert_no_violation();
}

/// An event that comes after discovery found its stop tells nothing new.
#[tokio::test(start_paused = true)]
async fn an_event_that_comes_after_its_stop_was_found_opens_no_second_case() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.pass(&[&guard], minutes(3)).await;
    sim.world.lock().unwrap().next_event(EventRule { delay: minutes(25), ..EventRule::default() });
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(50)).await;

    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    assert_eq!(sim.starts(&aks), 1);
    assert_eq!(sim.told_times(IncidentState::Opened), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_down_before_the_guard_looked_is_listed_once_and_left_alone_until_it_runs() {
    let sim = with_ops();
    let aks = sim.cluster("aks-old");
    stop_in_silence(&sim, &aks, &mallory());
    sim.pass(&[], minutes(30)).await;
    let guard = sim.process();
    sim.pass(&[&guard], minutes(60)).await;

    assert_eq!(sim.starts(&aks), 0);
    assert!(sim.record(&aks).await.is_none(), "no case");
    insta::assert_snapshot!(sim.told().join("\n"), @"
    opened 1 cluster was down when the guard first looked; it is left alone
    resolved 1 cluster was down when the guard first looked; it is left alone
    ");
    assert_eq!(sim.inbox.messages.lock().unwrap()[0].severity, Severity::Info);
    assert!(sim.paths("open").await.is_empty());

    sim.start(&aks, &ops());
    sim.pass(&[&guard], minutes(20)).await;
    stop_in_silence(&sim, &aks, &mallory());
    sim.pass(&[&guard], minutes(30)).await;
    assert!(sim.is_running(&aks), "a stop after it ran counts");
    sim.assert_no_violation();
}

/// A cluster of the baseline that comes up and goes down again between two runs never leaves the index.
async fn down_before_and_stopped_anew(sim: &Sim, guard: &Process, by: &world::Caller) -> ClusterId {
    let aks = sim.cluster("aks-old");
    stop_in_silence(sim, &aks, &mallory());
    sim.pass(&[], minutes(30)).await;
    sim.pass(&[guard], minutes(60)).await;
    assert!(sim.record(&aks).await.is_none(), "it is in the baseline");

    // Resource Graph goes on showing it as stopped meanwhile.
    let seen = questions(sim);
    sim.start(&aks, &ops());
    sim.pass(&[], minutes(10)).await;
    assert!(sim.is_running(&aks));
    stop_in_silence(sim, &aks, by);
    sim.pass(&[], minutes(10)).await;
    assert_eq!(questions(sim), seen, "no run of discovery saw it up");
    aks
}

#[tokio::test(start_paused = true)]
async fn a_cluster_of_the_baseline_that_came_up_unseen_and_was_stopped_again_is_found_by_the_log() {
    let sim = with_ops();
    let guard = sim.process();
    let aks = down_before_and_stopped_anew(&sim, &guard, &mallory()).await;
    sim.pass(&[&guard], minutes(30)).await;

    assert!(sim.is_running(&aks), "its last stop was after the baseline");
    assert_eq!(sim.starts(&aks), 2, "theirs, which nobody saw, and the guard's");
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    assert_eq!(sim.told_times(IncidentState::Opened), 2, "the baseline, and the stop");
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn a_cluster_of_the_baseline_that_was_stopped_again_with_permission_is_left_alone() {
    let sim = with_ops();
    let guard = sim.process();
    let aks = down_before_and_stopped_anew(&sim, &guard, &ops()).await;
    sim.pass(&[&guard], minutes(60)).await;

    assert_eq!(sim.starts(&aks), 1, "theirs alone");
    assert_eq!(sim.outcomes().await, [Outcome::Authorised]);
    assert_eq!(sim.told_times(IncidentState::Opened), 1, "the baseline");
    sim.assert_no_violation();
}

/// What can't be asked now is asked next time, back to where the last answer ended.
#[tokio::test(start_paused = true)]
async fn a_log_that_refuses_to_tell_of_the_baseline_loses_nothing() {
    let sim = with_ops();
    let guard = sim.process();
    let aks = down_before_and_stopped_anew(&sim, &guard, &mallory()).await;
    let on = RequestKind::ListActivityLog;
    let broken = FaultRule { fault: Fault::ServerError, on: Some(on), cluster: None, times: None };
    sim.world.lock().unwrap().add_fault(broken);
    sim.pass(&[&guard], minutes(20)).await;
    assert!(sim.record(&aks).await.is_none(), "nothing is known, and nothing done");
    sim.world.lock().unwrap().clear_faults();
    sim.pass(&[&guard], minutes(30)).await;

    assert!(sim.is_running(&aks));
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
}

/// What the baseline costs: one question a run while something is in it, none afterwards.
#[tokio::test(start_paused = true)]
async fn the_log_is_asked_about_the_baseline_once_a_run_while_something_is_in_it() {
    let sim = with_ops();
    let clusters = ["aks-old", "aks-older"].map(|name| sim.cluster(name));
    for cluster in &clusters {
        stop_in_silence(&sim, cluster, &mallory());
    }
    sim.pass(&[], minutes(30)).await;
    let guard = sim.process();
    sim.pass(&[&guard], minutes(10)).await;
    let (runs, asked) = (questions(&sim), log_questions(&sim));
    sim.pass(&[&guard], minutes(60)).await;
    let (runs, asked) = (questions(&sim) - runs, log_questions(&sim) - asked);
    assert!(runs >= 11, "{runs} runs");
    assert_eq!(asked, runs);

    for cluster in &clusters {
        sim.start(cluster, &ops());
    }
    sim.pass(&[&guard], minutes(20)).await;
    let asked = log_questions(&sim);
    sim.pass(&[&guard], minutes(60)).await;
    assert_eq!(log_questions(&sim), asked, "nothing is in it any more");
}

/// A day without a guard: all that is still stopped is found, without calling it a storm; what was started or deleted
/// meanwhile is not touched.
#[tokio::test(start_paused = true)]
async fn after_an_outage_of_25_hours_all_that_is_still_stopped_is_found_and_it_is_no_storm() {
    let sim = with_ops();
    let clusters: Vec<_> = (0..12).map(|n| sim.cluster(&format!("aks-{n:02}"))).collect();
    let before = sim.process();
    sim.pass(&[&before], minutes(3)).await;
    for aks in &clusters {
        stop_in_silence(&sim, aks, &mallory());
        sim.pass(&[], minutes(122)).await;
    }
    sim.start(&clusters[3], &ops());
    sim.world.lock().unwrap().delete(&clusters[4], &ops(), now(&sim)).unwrap();
    sim.pass(&[], minutes(30)).await;
    let guard = sim.process();
    sim.pass(&[&guard], minutes(60)).await;

    for (n, aks) in clusters.iter().enumerate() {
        let starts = usize::from(!matches!(n, 0 | 4));
        assert_eq!(sim.starts(aks), starts, "{aks}");
        assert_eq!(sim.is_running(aks), starts == 1, "{aks}");
    }
    assert_eq!(sim.outcomes().await, [Outcome::Restored; 9]);
    assert!(told_of(&sim, "storm").is_empty(), "{:?}", sim.told());
    let unexplained = told_of(&sim, "unexplained");
    insta::assert_snapshot!(unexplained.join("\n"), @"opened 1 cluster is down, and nobody can say that it may be; the guard doesn't start it");
    sim.assert_no_violation();
}

fn now(sim: &Sim) -> jiff::Timestamp {
    use aks_stop_guard::clock::Clock as _;
    sim.clock.now()
}

#[tokio::test(start_paused = true)]
async fn an_old_stop_that_was_allowed_is_no_incident() {
    let sim = with_ops();
    let aks = sim.cluster("aks-1");
    let before = sim.process();
    sim.pass(&[&before], minutes(3)).await;
    stop_in_silence(&sim, &aks, &ops());
    sim.pass(&[], minutes(25 * 60)).await;
    let guard = sim.process();
    sim.pass(&[&guard], minutes(30)).await;

    assert_eq!(sim.told(), [""; 0]);
    assert!(sim.record(&aks).await.is_some_and(|record| record.history.authorised.is_some()));
    assert_eq!(sim.starts(&aks), 0);
}

#[tokio::test(start_paused = true)]
async fn clusters_whose_stop_the_log_never_names_are_one_incident_until_none_is_down() {
    let sim = Sim::new(Setup::default());
    let (guard, a, b) = (sim.process(), sim.cluster("aks-a"), sim.cluster("aks-b"));
    sim.pass(&[&guard], minutes(3)).await;
    sim.world.lock().unwrap().settings_mut().log_lag = minutes(100_000);
    stop_in_silence(&sim, &a, &mallory());
    stop_in_silence(&sim, &b, &mallory());
    sim.pass(&[&guard], minutes(12)).await;
    assert_eq!(sim.told(), [""; 0], "the log may be behind still");
    sim.pass(&[&guard], minutes(60)).await;
    assert_eq!((sim.starts(&a), sim.starts(&b)), (0, 0));
    assert!(sim.record(&a).await.is_none(), "no case");
    assert_eq!(sim.told_times(IncidentState::Opened), 1);

    sim.start(&a, &ops());
    sim.pass(&[&guard], minutes(15)).await;
    assert_eq!(sim.told_times(IncidentState::Resolved), 0, "one is still down");
    sim.start(&b, &ops());
    sim.pass(&[&guard], minutes(15)).await;
    insta::assert_snapshot!(told_of(&sim, "unexplained").join("\n"), @"
    opened 2 clusters are down, and nobody can say that they may be; the guard starts none of them
    updated 1 cluster is down, and nobody can say that it may be; the guard doesn't start it
    resolved no cluster is down unexplained any more
    ");
    assert!(sim.paths("open").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn several_processes_ask_once_a_period_and_make_one_case_and_one_start() {
    let sim = Sim::new(Setup::default());
    let (first, second, aks) = (sim.process(), sim.process(), sim.cluster("aks-1"));
    sim.pass(&[&first, &second], minutes(31)).await;
    assert!((6..=8).contains(&questions(&sim)), "{}", questions(&sim));
    stop_in_silence(&sim, &aks, &mallory());
    sim.pass(&[&first, &second], minutes(30)).await;

    assert_eq!(sim.starts(&aks), 1);
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    assert_eq!(sim.told_times(IncidentState::Opened), 1);
}

#[tokio::test(start_paused = true)]
async fn a_resource_graph_that_is_down_breaks_nothing_else_and_is_told_after_an_hour() {
    let sim = Sim::new(Setup::default());
    let (guard, aks, other) = (sim.process(), sim.cluster("aks-1"), sim.cluster("aks-2"));
    sim.pass(&[&guard], minutes(3)).await;
    let on = Some(RequestKind::QueryResourceGraph);
    sim.world.lock().unwrap().add_fault(FaultRule { fault: Fault::Denied, on, cluster: None, times: None });
    stop_in_silence(&sim, &aks, &mallory());
    sim.stop(&other, &mallory());
    sim.pass(&[&guard], minutes(50)).await;
    assert!(sim.is_running(&other), "events are worked on");
    assert!(told_of(&sim, "discovery").is_empty());
    sim.pass(&[&guard], minutes(20)).await;
    assert_eq!(told_of(&sim, "discovery").len(), 1, "{:?}", sim.told());

    sim.world.lock().unwrap().clear_faults();
    sim.pass(&[&guard], minutes(30)).await;
    insta::assert_snapshot!(told_of(&sim, "discovery").join("\n"), @"
    opened discovery fails: a stop whose event gets lost is not noticed
    resolved discovery works again
    ");
    assert!(sim.is_running(&aks), "found as soon as it can be");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_resource_graph_is_left_alone_for_as_long_as_it_asks() {
    let sim = Sim::new(Setup::default());
    let guard = sim.process();
    let fault = Fault::Throttled { retry_after: Some(1_200) };
    let on = Some(RequestKind::QueryResourceGraph);
    sim.world.lock().unwrap().add_fault(FaultRule { fault, on, cluster: None, times: Some(1) });
    sim.pass(&[&guard], minutes(19)).await;
    assert_eq!(questions(&sim), 1);
    sim.pass(&[&guard], minutes(3)).await;
    assert_eq!(questions(&sim), 2);
}

#[tokio::test(start_paused = true)]
async fn in_dry_run_what_is_found_is_recorded_and_nobody_is_told() {
    let sim = Sim::new(Setup { mode: Mode::DryRun, ..Setup::default() });
    let (old, aks) = (sim.cluster("aks-old"), sim.cluster("aks-1"));
    stop_in_silence(&sim, &old, &mallory());
    sim.pass(&[], minutes(30)).await;
    let guard = sim.process();
    sim.pass(&[&guard], minutes(3)).await;
    stop_in_silence(&sim, &aks, &mallory());
    sim.pass(&[&guard], minutes(40)).await;

    assert!(sim.is_held(&aks).await);
    assert_eq!(sim.starts(&aks), 0);
    assert_eq!(sim.told(), [""; 0]);
    assert_eq!(sim.paths("baselines").await.len(), 1);
}

/// What an idle guard costs.
#[tokio::test(start_paused = true)]
async fn a_sweep_with_nothing_to_do_is_one_list() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(30)).await;
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    // Right after a sweep that ran discovery and wrote a heartbeat.
    let asked = questions(&sim);
    while questions(&sim) == asked {
        sim.clock.advance(SignedDuration::from_secs(30));
        guard.guard.sweep().await.unwrap();
    }
    let calls = guard.probe.log().len();
    sim.clock.advance(SignedDuration::from_secs(30));
    let swept = guard.guard.sweep().await.unwrap();
    assert_eq!((swept.open, swept.failed.len()), (0, 0));
    assert_eq!(guard.probe.log()[calls..], ["list state/open"]);
}

#[tokio::test(start_paused = true)]
async fn the_heartbeat_tells_what_is_open_held_and_found() {
    let sim = Sim::new(Setup { mode: Mode::Notify, ..Setup::default() });
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.pass(&[&guard], minutes(3)).await;
    stop_in_silence(&sim, &aks, &mallory());
    let mut discovered = 0;
    for _ in 0..4 {
        sim.pass(&[&guard], minutes(5)).await;
        let bytes = sim.state.get(&"heartbeat.json".into()).await.unwrap().bytes().await.unwrap();
        let beat: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        discovered += beat["discovered"].as_u64().unwrap();
        if beat["held"] == 1 {
            assert_eq!((&beat["open"], &beat["mode"]), (&1.into(), &"notify".into()));
            assert!(beat["oldestSeconds"].as_i64().unwrap() >= 0);
        }
    }
    assert_eq!(discovered, 1, "each is told once");
    let bytes = sim.state.get(&"heartbeat.json".into()).await.unwrap().bytes().await.unwrap();
    let beat: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(beat["held"], 1);
}

/// Whoever dies in a run leaves nothing that the next one does not find.
#[tokio::test(start_paused = true)]
async fn a_process_killed_in_a_run_of_discovery_leaves_the_stop_to_the_next_one() {
    let scene = async |kill_at: Option<usize>| {
        let sim = Sim::new(Setup::default());
        let (first, aks) = (sim.process(), sim.cluster("aks-1"));
        sim.pass(&[&first], minutes(1)).await;
        stop_in_silence(&sim, &aks, &mallory());
        sim.pass(&[], minutes(8)).await;
        let doomed = sim.process();
        if let Some(point) = kill_at {
            doomed.probe.kill_at(point);
        }
        doomed.probe.run(doomed.guard.sweep()).await;
        (sim, doomed, aks)
    };
    let points = scene(None).await.1.probe.points();
    assert!(points > 20, "the probe sees the calls: {points}");
    for point in 0..points {
        let (sim, _, aks) = scene(Some(point)).await;
        let next = sim.process();
        sim.pass(&[&next], minutes(25)).await;
        assert_eq!(sim.starts(&aks), 1, "killed at {point}: one accepted start");
        assert_eq!(sim.outcomes().await, [Outcome::Restored], "killed at {point}: one case");
        sim.assert_no_violation();
    }
}
