//! Several sinks: what each is told, who steps in where one is down, and that none keeps a restart waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aks_stop_guard::case::{Route, Routes, Takes};
use aks_stop_guard::domain::{IncidentState, Severity};
use object_store::ObjectStoreExt as _;
use simulator::world;

use crate::inbox::Inbox;
use crate::sim::{Setup, Sim, mallory, minutes};

const OPENED: IncidentState = IncidentState::Opened;
const UPDATED: IncidentState = IncidentState::Updated;
const RESOLVED: IncidentState = IncidentState::Resolved;
/// Shorter than a delivery to a sink that never answers takes. On tokio's paused clock, which only such waits move.
const AT_ONCE: Duration = Duration::from_secs(5);
/// A restart some minutes after the stop.
const LATER: &str = r#"@id("later") @after("5m") permit (principal == Guard::"self", action == Action::"restart", resource);"#;
/// Incidents a minute that a sink gets in these tests.
const CAP: usize = 3;

fn routes(mail: Takes) -> Routes {
    let routes = [("webhook", Takes::From(Severity::Info)), ("mail", mail)];
    let routes = routes.map(|(sink, takes)| Route { sink: sink.to_owned(), takes });
    Routes::new(routes.into(), Some("mail".to_owned()))
}

/// A guard with the sinks `webhook` and `mail`.
fn with_mail(routes: Routes) -> (Sim, Arc<Inbox>) {
    let mut sim = Sim::new(Setup { routes, ..Setup::default() });
    let mail = Arc::new(Inbox::default());
    sim.more_sinks.push(("mail", Arc::clone(&mail)));
    (sim, mail)
}

/// Until all of these were started.
async fn started(sim: &Sim, clusters: &[world::ClusterId]) {
    while clusters.iter().any(|aks| sim.starts(aks) == 0) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_never_answers_keeps_no_start_waiting() {
    let (mut sim, mail) = with_mail(routes(Takes::From(Severity::Info)));
    sim.setup.extra = LATER.to_owned();
    *sim.inbox.silent.lock().unwrap() = true;
    let guard = sim.process();
    // More than are worked on at the same time.
    let clusters: Vec<_> = (0..40).map(|n| sim.cluster(&format!("aks-{n}"))).collect();
    for (n, aks) in clusters.iter().enumerate() {
        sim.stop(aks, &world::Caller::user(&format!("User {n}")));
    }
    sim.clock.advance(minutes(2));
    // Each is told, and waits until it may be started.
    let events = sim.stop_events();
    let taken = events.into_iter().map(|event| sim.deliver(&guard, event));
    assert!(futures::future::join_all(taken).await.iter().all(Result::is_ok));
    assert!(!mail.got().is_empty(), "the other sink is told");
    sim.clock.advance(minutes(5));

    let swept = guard.guard.sweep();
    let all_started = tokio::time::timeout(AT_ONCE, started(&sim, &clusters));
    let (swept, all_started) = futures::join!(swept, all_started);
    assert!(all_started.is_ok(), "a start waited for a sink");
    assert_eq!(swept.unwrap().failed, [""; 0]);
    // The next sweep begins while deliveries of the one before still go on.
    let began = tokio::time::Instant::now();
    guard.guard.sweep().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(45), "a sweep waits for its deliveries for a while only");
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn a_new_stop_of_a_cluster_does_not_wait_for_what_is_told_of_the_one_before() {
    let (sim, _) = with_mail(routes(Takes::Named));
    *sim.inbox.silent.lock().unwrap() = true;
    let guard = sim.process();
    let aks = sim.cluster("aks-1");
    sim.stop(&aks, &mallory());
    sim.clock.advance(minutes(2));
    let event = sim.stop_events().remove(0);
    let process = guard.clone();
    let first = sim.deliver(&process, event.clone());
    let second = async {
        started(&sim, std::slice::from_ref(&aks)).await;
        tokio::time::timeout(AT_ONCE, sim.deliver(&guard, event)).await
    };
    let (first, second) = futures::join!(first, second);
    assert!(first.is_ok());
    assert!(second.is_ok_and(|taken| taken.is_ok()), "it waited for the sink");
}

#[tokio::test(start_paused = true)]
async fn rule_32_while_a_sink_is_down_the_fallback_sink_is_told_once_and_to_the_end() {
    let (sim, mail) = with_mail(routes(Takes::Named));
    *sim.inbox.down.lock().unwrap() = true;
    let (first, second) = (sim.process(), sim.process());
    let aks = sim.cluster("aks-1");
    sim.stop(&aks, &mallory());
    sim.pass(&[&first, &second], minutes(10)).await;
    assert_eq!(mail.got(), [], "it may come back");
    sim.pass(&[&first, &second], minutes(10)).await;
    assert!(sim.is_running(&aks));
    let states: Vec<IncidentState> = mail.got().into_iter().map(|(state, _)| state).collect();
    assert_eq!(states, [OPENED, RESOLVED]);
    let told = mail.messages.lock().unwrap()[0].done.clone();
    assert!(told.last().unwrap().starts_with("Told here because sink webhook has not taken it"), "{told:?}");
    assert_eq!(sim.told(), [""; 0]);

    *sim.inbox.down.lock().unwrap() = false;
    sim.pass(&[&first, &second], minutes(60)).await;
    assert_eq!((sim.told_times(OPENED), sim.told_times(RESOLVED)), (1, 1), "it was tried on");
    assert_eq!(mail.got().len(), 2, "once");
    assert!(sim.paths("open").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_receiver_calls_an_incident_is_kept_with_its_cluster() {
    let (sim, _) = with_mail(routes(Takes::From(Severity::High)));
    let guard = sim.process();
    let aks = sim.cluster("aks-1");
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(40)).await;
    let record = sim.record(&aks).await.unwrap();
    let case = &sim.closed().await[0];
    let kept: Vec<(&str, IncidentState, Option<&str>)> = record
        .receipts
        .iter()
        .map(|receipt| (receipt.sink.as_str(), receipt.state, receipt.reference.as_deref()))
        .collect();
    let reference = format!("webhook/{}", case.id);
    assert_eq!(kept, [("webhook", RESOLVED, Some(reference.as_str()))]);
    assert_eq!(case.receipts[0].reference.as_deref(), Some(reference.as_str()), "and in the archive");
}

/// Clusters stopped at once, by so many that no policy calls it a storm.
fn many_at_once(sim: &Sim, count: usize) -> Vec<world::ClusterId> {
    let clusters: Vec<_> = (0..count).map(|n| sim.cluster(&format!("aks-{n}"))).collect();
    for (n, aks) in clusters.iter().enumerate() {
        sim.stop(aks, &world::Caller::user(&format!("User {n}")));
    }
    clusters
}

/// What came of each incident that this sink heard of: its states.
fn stories(inbox: &Inbox) -> BTreeMap<String, Vec<IncidentState>> {
    let mut stories: BTreeMap<String, Vec<IncidentState>> = BTreeMap::new();
    for (state, id) in inbox.got() {
        stories.entry(id).or_default().push(state);
    }
    stories
}

/// Every cluster was told, by itself or in a group, and all of it ended.
fn assert_all_told(inbox: &Inbox, clusters: &[world::ClusterId], how: &str) {
    let messages = inbox.messages.lock().unwrap().clone();
    let told: BTreeSet<String> = messages
        .iter()
        .flat_map(|incident| &incident.clusters)
        .map(|affected| affected.id.to_string().to_lowercase())
        .collect();
    for aks in clusters {
        assert!(told.contains(&aks.to_string().to_lowercase()), "{how}: nobody heard of {aks}");
    }
    for (id, states) in stories(inbox) {
        assert_eq!(states.first(), Some(&OPENED), "{how}: {id} {states:?}");
        assert_eq!(states.last(), Some(&RESOLVED), "{how}: {id} {states:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rule_33_past_the_cap_incidents_are_one_for_each_sink_and_every_cluster_is_in_it() {
    let (sim, mail) = with_mail(routes(Takes::From(Severity::Info)).with_cap(CAP));
    let guard = sim.process();
    let clusters = many_at_once(&sim, 9);
    sim.pass(&[&guard], minutes(40)).await;
    for inbox in [&sim.inbox, &mail] {
        let stories = stories(inbox);
        let (groups, own): (Vec<_>, Vec<_>) = stories.iter().partition(|(id, _)| id.starts_with("group-"));
        assert_eq!((groups.len(), own.len()), (1, CAP), "{stories:?}");
        assert!(groups[0].1.contains(&UPDATED), "{groups:?}");
        assert_all_told(inbox, &clusters, "");
    }
    let last = mail.messages.lock().unwrap().last().cloned().unwrap();
    assert_eq!((last.cluster_count, last.done[0].as_str()), (6, "6 of 6 are over."));
    assert!(sim.paths("open").await.is_empty());
    assert!(clusters.iter().all(|aks| sim.is_running(aks) && sim.starts(aks) == 1));
    sim.assert_no_violation();
}

#[tokio::test(start_paused = true)]
async fn rule_33_a_group_does_not_wait_for_a_case_whose_record_people_deleted() {
    let (sim, _) = with_mail(routes(Takes::Named).with_cap(0));
    let guard = sim.process();
    let clusters = many_at_once(&sim, 2);
    sim.pass(&[&guard], minutes(3)).await;
    for folder in ["clusters", "open/0-entries"] {
        for path in sim.paths(folder).await {
            sim.state.delete(&path.as_str().into()).await.unwrap();
        }
    }
    let told = sim.inbox.got().len();
    sim.pass(&[&guard], minutes(30)).await;
    assert!(sim.inbox.got().iter().skip(told).all(|(state, _)| *state != RESOLVED));
    sim.pass(&[&guard], minutes(60)).await;
    assert_eq!(sim.inbox.got().last().unwrap().0, RESOLVED);
    assert!(clusters.iter().all(|aks| sim.is_running(aks)));
}

#[tokio::test(start_paused = true)]
async fn rule_33_whoever_dies_at_whatever_call_every_cluster_of_a_storm_is_told_to_its_end() {
    let mut deaths = 0;
    for point in (0..).step_by(7) {
        let (sim, mail) = with_mail(routes(Takes::From(Severity::High)).with_cap(1));
        let doomed = sim.process();
        doomed.probe.kill_at(point);
        let clusters = many_at_once(&sim, 3);
        let events = {
            sim.clock.advance(minutes(2));
            sim.stop_events()
        };
        for event in &events {
            doomed.probe.run(sim.deliver(&doomed, event.clone())).await;
        }
        sim.pass(&[&doomed], minutes(20)).await;
        let lived = !doomed.probe.is_dead();
        // Another process takes over; what was not acknowledged comes again.
        let next = sim.process();
        for event in events {
            sim.deliver(&next, event).await.unwrap();
        }
        sim.pass(&[&next], minutes(60)).await;
        let how = format!("killed at call {point}");
        assert_all_told(&sim.inbox, &clusters, &how);
        assert_eq!(mail.got(), [], "{how}: no sink was down");
        assert!(sim.paths("open").await.is_empty(), "{how}: {:?}", sim.paths("open").await);
        sim.assert_no_violation();
        if lived {
            break;
        }
        deaths += 1;
    }
    assert!(deaths > 10, "{deaths} deaths");
}
