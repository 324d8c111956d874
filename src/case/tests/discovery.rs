//! What explains a cluster that is down, and what follows where nothing does (rule 24).

use std::collections::{BTreeMap, BTreeSet};

use super::super::bulletin::{Bulletin, BulletinKey, DownReport, Teller};
use super::super::discovery::{
    Baseline, DiscoveryState, Examination, Finding, RunEnd, Seen, Standing, is_unknown, standing,
};
use super::super::record::{AuthorisedStop, RecordError};
use super::*;
use crate::domain::{ScopeOperation, Severity, SubscriptionId};

const HOUR: i64 = 3_600;

fn baseline(clusters: &[ClusterId]) -> Baseline {
    Baseline::new(SubscriptionId::parse(SUBSCRIPTION).unwrap(), clusters.to_vec(), at(0))
}

fn record() -> Record {
    Record::new(cluster_id())
}

fn with_authorised(second: i64) -> Record {
    let mut record = record();
    record.history.authorised =
        Some(AuthorisedStop { stop_time: at(second), caller: pipeline(), correlation_id: None });
    record
}

/// Looks into the cluster 30 hours on; it was seen down a minute before.
struct Scene {
    arm: Arm,
    record: Option<Record>,
    log: Vec<PowerOperation>,
    unnamed_since: i64,
    policies: bool,
}

const NOW: i64 = 30 * HOUR;

impl Default for Scene {
    fn default() -> Self {
        Self { arm: Arm::Stopped, record: None, log: Vec::new(), unnamed_since: NOW - 60, policies: true }
    }
}

impl Scene {
    fn find(&self) -> Finding {
        Examination {
            cluster: &cluster_id(),
            record: self.record.as_ref(),
            look: &self.arm.look(at(NOW - 1)).unwrap(),
            log: &LogReading { operations: self.log.clone() },
            unnamed_since: at(self.unnamed_since),
            policies: self.policies.then_some(&*POLICIES),
            zone: &TimeZone::UTC,
            now: at(NOW),
            times: &Times::default(),
        }
        .find()
    }
}

fn status(finding: &Finding) -> &str {
    match finding {
        Finding::Unexplained { status, .. } => status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_case_explains_and_a_baseline_does_until_the_cluster_ran() {
    let id = cluster_id();
    let none = baseline(&[]);
    let old = baseline(std::slice::from_ref(&id));
    assert_eq!(standing(None, &id, &none), Standing::Open);
    assert_eq!(standing(None, &id, &old), Standing::InBaseline);
    assert_eq!(standing(Some(&with_authorised(5)), &id, &none), Standing::Open, "the log has to agree");

    let mut with_case = record();
    take_in(&mut with_case, stop(mallory(), 10), Mode::Act, at(20), &Times::default());
    assert_eq!(standing(Some(&with_case), &id, &none), Standing::HasCase);
    assert!(!is_unknown(Some(&with_case)) && !is_unknown(Some(&with_authorised(5))) && is_unknown(None));

    let mut ran = record();
    ran.history.running_seen_at = Some(at(50));
    assert_eq!(standing(Some(&ran), &id, &old), Standing::Open, "it ran since the baseline");
}

/// A start or stop of the cluster, as the log of its subscription tells it.
fn told(verb: PowerVerb, second: i64) -> ScopeOperation {
    let operation = PowerOperation {
        verb,
        began_at: at(second),
        last_seen_at: at(second + 300),
        caller: mallory(),
        correlation_id: None,
        operation_id: None,
    };
    ScopeOperation { cluster: cluster_id(), operation, role: None }
}

#[test]
fn only_a_stop_since_the_log_was_asked_ends_what_the_baseline_says_of_a_cluster() {
    let mut baseline = baseline(&[cluster_id()]);
    let before = [told(PowerVerb::Stop, -1), told(PowerVerb::Stop, 0), told(PowerVerb::Start, HOUR)];
    assert_eq!(baseline.stopped_again(&before), BTreeSet::new(), "a start may have failed");
    let again = [told(PowerVerb::Stop, HOUR)];
    assert_eq!(baseline.stopped_again(&again), BTreeSet::from([cluster_id().key()]));

    baseline.log_told(at(HOUR));
    assert_eq!(baseline.stopped_again(&again), BTreeSet::new(), "it was told before");
    baseline.log_told(at(0));
    assert_eq!(baseline.log_due_since(), at(HOUR), "what was told stays told");
    let read = Baseline::decode(&baseline.encode().unwrap()).unwrap();
    assert_eq!(read, baseline);

    let others = Baseline::new(SubscriptionId::parse(SUBSCRIPTION).unwrap(), Vec::new(), at(0));
    assert_eq!(others.stopped_again(&again), BTreeSet::new(), "it is in no baseline");
}

#[test]
fn a_row_is_a_hint_and_a_look_decides() {
    let seen = |arm: Arm| Seen::of(&arm.look(at(0)).unwrap());
    for arm in [Arm::Stopped, Arm::Stopping, Arm::FailedStopped] {
        assert_eq!(seen(arm), Seen::Down, "{arm:?}");
    }
    for arm in [Arm::Running, Arm::Starting, Arm::FailedRunning, Arm::Gone] {
        assert_eq!(seen(arm), Seen::Up, "{arm:?}");
        assert_eq!(Scene { arm, ..Scene::default() }.find(), Finding::Up);
    }
    for arm in [Arm::Busy, Arm::Deleting, Arm::Silent] {
        assert_eq!(seen(arm), Seen::Unclear, "{arm:?}");
        assert!(matches!(Scene { arm, ..Scene::default() }.find(), Finding::Undecided(_)));
    }
}

#[test]
fn an_authorised_stop_explains_only_while_the_log_names_it_last() {
    let stop = NOW - HOUR;
    let mut scene = Scene {
        record: Some(with_authorised(stop)),
        log: vec![log_stop(pipeline(), stop)],
        ..Scene::default()
    };
    assert_eq!(scene.find(), Finding::Explained);
    // Somebody started it, and Mallory stopped it again.
    scene.log = vec![
        log_stop(mallory(), stop + 1_200),
        log_start(pipeline(), stop + 600),
        log_stop(pipeline(), stop),
    ];
    assert!(matches!(scene.find(), Finding::Stopped(_)));
    // The log names a start last, and the cluster is down: it is behind, or the start failed.
    scene.log.remove(0);
    assert_eq!(scene.find(), Finding::Unnamed);
    scene.log.clear();
    assert_eq!(scene.find(), Finding::Unnamed, "a log without a word explains nothing");
    // Before what the log keeps it can't tell.
    scene.record = Some(with_authorised(NOW - 90 * 24 * HOUR));
    assert_eq!(scene.find(), Finding::Explained);
}

#[test]
fn a_named_stop_of_the_last_day_becomes_a_case_that_the_log_proves() {
    let scene = Scene { log: vec![log_stop(mallory(), NOW - 23 * HOUR)], ..Scene::default() };
    let Finding::Stopped(found) = scene.find() else { panic!("no case") };
    assert_eq!((found.source, found.confirmed, found.time_known), (StopSource::Discovery, true, true));

    let mut world = World::new();
    assert_eq!(world.hears(*found, NOW), Taken::Opened);
    world.log_says(scene.log.clone());
    let stepped = world.sees(Arm::Stopped, NOW);
    assert_eq!(stepped.log_questions, 1, "it is not fresh");
    assert!(stepped.start.is_some(), "{}", world.last_line());
    insta::assert_snapshot!(world.case().timeline[0].text, @"stopped by mallory@contoso.com (user); found by discovery, no event of it had come");
}

#[test]
fn a_stop_that_is_too_old_is_for_people_unless_it_was_allowed() {
    let old = NOW - 25 * HOUR;
    let by = |caller: Caller| Scene { log: vec![log_stop(caller, old)], ..Scene::default() };
    let found = by(mallory()).find();
    insta::assert_snapshot!(status(&found), @"stopped without permission at 2026-09-14T23:00:00Z by mallory@contoso.com, too long ago for a restart");
    let allowed = AuthorisedStop {
        stop_time: at(old),
        caller: pipeline(),
        correlation_id: Some(format!("correlation-{old}")),
    };
    assert_eq!(by(pipeline()).find(), Finding::Allowed(allowed));
    let broken = Scene { policies: false, ..by(pipeline()) };
    assert!(matches!(broken.find(), Finding::Undecided(_)), "a broken guard judges nothing");
    let young = Scene { policies: false, log: vec![log_stop(mallory(), NOW - HOUR)], ..Scene::default() };
    assert!(matches!(young.find(), Finding::Stopped(_)), "and stores cases");
}

#[test]
fn a_caller_whom_the_log_does_not_name_is_for_people() {
    let scene = Scene { log: vec![log_stop(Caller::unknown(), NOW - HOUR)], ..Scene::default() };
    insta::assert_snapshot!(status(&scene.find()), @"stopped at 2026-09-15T23:00:00Z by a caller whom the activity log does not name");
}

#[test]
fn the_log_is_waited_for_and_not_for_ever() {
    let waited = |log: Vec<PowerOperation>, seconds: i64| {
        Scene { log, unnamed_since: NOW - seconds, ..Scene::default() }.find()
    };
    assert_eq!(waited(Vec::new(), 899), Finding::Unnamed);
    insta::assert_snapshot!(status(&waited(Vec::new(), 900)), @"stopped; the activity log names no stop of it");
    let start = vec![log_start(pipeline(), NOW - HOUR)];
    assert_eq!(waited(start.clone(), 899), Finding::Unnamed);
    insta::assert_snapshot!(status(&waited(start, 900)), @"stopped; the activity log names a start last");
}

#[test]
fn a_stop_that_is_history_is_not_the_one_that_keeps_the_cluster_down() {
    let mut ran = record();
    ran.history.running_seen_at = Some(at(NOW - 600));
    let scene = Scene { record: Some(ran), log: vec![log_stop(mallory(), NOW - HOUR)], ..Scene::default() };
    assert_eq!(scene.find(), Finding::Unnamed);
}

#[test]
fn the_next_run_comes_after_a_period_and_sooner_where_something_is_left() {
    let times = Times::default();
    let next = |failure: Option<&'static str>, is_log_behind: bool, is_cut: bool, not_before: Option<i64>| {
        let mut state = DiscoveryState::new(at(0));
        let unnamed = BTreeMap::new();
        let not_before = not_before.map(at);
        state.end(RunEnd { failure, not_before, unnamed, is_log_behind, found: 0, is_cut }, at(0), &times);
        state.next_at.duration_since(at(0)).as_secs()
    };
    assert_eq!(next(None, false, false, None), 300);
    assert_eq!(next(None, true, false, None), 60, "the log is asked for each minute");
    assert_eq!(next(Some("down"), false, false, None), 60);
    assert_eq!(next(None, false, true, None), 0, "clusters are left");
    assert_eq!(next(Some("throttled"), false, false, Some(1_200)), 1_200);
}

#[test]
fn a_failure_is_remembered_from_its_first_run_on() {
    let mut state = DiscoveryState::new(at(0));
    let mut end = |failure: Option<&'static str>, second: i64| {
        let unnamed = BTreeMap::new();
        let end =
            RunEnd { failure, not_before: None, unnamed, is_log_behind: false, found: 1, is_cut: false };
        state.end(end, at(second), &Times::default());
        (state.failing.clone().map(|failing| (failing.since, failing.why)), state.found)
    };
    assert_eq!(end(Some("one"), 10), (Some((at(10), "one".to_owned())), 1));
    assert_eq!(end(Some("two"), 70), (Some((at(10), "one".to_owned())), 2));
    assert_eq!(end(None, 130), (None, 3));
}

#[test]
fn what_is_stored_is_read_back_and_that_of_a_newer_program_is_not_touched() {
    let mut old = baseline(&[cluster_named("aks-1"), cluster_named("aks-2")]);
    assert!(!old.told && baseline(&[]).told, "there is nothing to tell of an empty one");
    old.forget(&BTreeSet::from([cluster_named("AKS-1").key()]));
    assert_eq!(old.clusters(), [cluster_named("aks-2")]);
    let bytes = old.encode().unwrap();
    assert_eq!(Baseline::decode(&bytes), Ok(old));
    let state = DiscoveryState::new(at(0));
    let text = String::from_utf8(state.encode().unwrap()).unwrap();
    assert_eq!(DiscoveryState::decode(text.as_bytes()), Ok(state));
    let newer = text.replace("\"min_writer\":1", "\"min_writer\":2");
    assert_eq!(DiscoveryState::decode(newer.as_bytes()), Err(RecordError::Newer { min_writer: 2 }));
    assert!(matches!(Baseline::decode(b"{}"), Err(RecordError::Damaged(_))));
}

fn report(name: &str, status: &str, ended: bool) -> DownReport {
    DownReport { cluster: cluster_named(name), status: status.to_owned(), ended, caller: None }
}

#[test]
fn what_nobody_explains_is_one_incident_until_none_of_it_is_down() {
    let (times, routes) = (Times::default(), Routes::to_all(["webhook"]));
    let teller =
        |second| Teller { now: at(second), mode: Mode::Act, routes: &routes, portal: None, times: &times };
    let mut bulletin = Bulletin::new(BulletinKey::Unexplained);
    assert!(!bulletin.take_down(&[report("aks-1", "is gone", true)], teller(0)), "nobody asked about it");
    assert!(bulletin.take_down(&[report("aks-1", "x", false), report("aks-2", "x", false)], teller(0)));
    assert!(!bulletin.take_down(&[report("aks-2", "x", false)], teller(300)), "nothing is new");
    assert!(bulletin.take_down(&[report("aks-1", "runs or starts", true)], teller(600)));
    assert_eq!(bulletin.still_down(), [cluster_named("aks-2")]);
    assert!(!bulletin.look_after(teller(90_000)), "time alone changes nothing");
    assert!(bulletin.take_down(&[report("aks-2", "is gone", true)], teller(900)));
    let told: Vec<Incident> = bulletin.outbox.iter().map(|message| message.incident.clone()).collect();
    assert_eq!(states(&told), [IncidentState::Opened, IncidentState::Updated, IncidentState::Resolved]);
    assert_eq!(told.iter().map(|incident| incident.severity).max(), Some(Severity::High));
    assert!(bulletin.open.is_none());
}

#[test]
fn in_dry_run_nobody_is_told_of_what_was_found() {
    let (times, routes) = (Times::default(), Routes::to_all(["webhook"]));
    let teller = Teller { now: at(0), mode: Mode::DryRun, routes: &routes, portal: None, times: &times };
    let mut bulletin = Bulletin::new(BulletinKey::Unexplained);
    assert!(bulletin.take_down(&[report("aks-1", "x", false)], teller));
    let mut baseline = Bulletin::new(BulletinKey::Baseline);
    baseline.tell_baseline(&[cluster_id()], teller);
    assert!(bulletin.outbox.is_empty() && baseline.is_over());
    assert_eq!(bulletin.still_down(), [cluster_named("aks-1")], "it is on record");
}
