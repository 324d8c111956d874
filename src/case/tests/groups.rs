//! Incidents that come too many at once for a sink (rule 33).

use super::super::bulletin::{Bulletin, BulletinKey, GroupReport, Teller};
use super::super::outbox::begun;
use super::super::report::begun_in_groups;
use super::*;
use crate::domain::Severity;

const OPENED: IncidentState = IncidentState::Opened;
const UPDATED: IncidentState = IncidentState::Updated;
const RESOLVED: IncidentState = IncidentState::Resolved;

fn crowded(caller: Caller) -> World {
    let routes = Routes::to_all(["pager", "log"]);
    World { routes, crowded: vec!["pager".to_owned()], ..World::stopped_by(caller) }
}

fn sinks_of(record: &Record) -> Vec<&str> {
    let pending = record.outbox.iter().flat_map(|message| &message.pending);
    pending.map(|pending| pending.sink.as_str()).collect()
}

#[test]
fn rule_33_a_sink_with_too_many_incidents_hears_of_the_next_in_its_group_until_it_ends() {
    let mut world = crowded(mallory());
    let first = world.sees(Arm::Stopped, 10);
    assert_eq!(sinks_of(&world.record), ["log"]);
    let id = world.case().id.to_string();
    let row = |status: &str, severity, ended| GroupRow {
        incident: id.clone(),
        sinks: vec!["pager".to_owned()],
        status: status.to_owned(),
        severity,
        ended,
    };
    assert_eq!(first.groups, [row("restarting", Severity::Medium, false)]);
    // There is room again: this incident stays where it is.
    world.crowded.clear();
    world.start_came_to(refused("AuthorizationFailed", "grant the role"), 11);
    let held = world.sees(Arm::Stopped, 40);
    assert_eq!(
        held.groups,
        [row("held: Azure refused the start (AuthorizationFailed)", Severity::High, false)]
    );
    assert_eq!(sinks_of(&world.record), ["log", "log"]);
    world.sees(Arm::Running, 600);
    let Episode::Closing(closing) = &world.record.episode else { panic!("{:?}", world.record.episode) };
    assert_eq!(closing.groups, [row("already-running", Severity::High, true)]);
    assert_eq!(sinks_of(&world.record), ["log", "log", "log"]);
}

#[test]
fn rule_33_an_incident_that_ends_as_it_begins_is_in_the_group_with_its_end() {
    let mut world = crowded(mallory());
    world.sees(Arm::Running, 400);
    let Episode::Closing(closing) = &world.record.episode else { panic!("{:?}", world.record.episode) };
    assert!(closing.groups.iter().all(|row| row.ended) && closing.groups.len() == 1);
    assert_eq!(sinks_of(&world.record), ["log", "log"]);
}

#[test]
fn rule_33_forged_claims_are_capped_as_well() {
    let mut world = crowded(pipeline());
    world.log_says(vec![log_stop(mallory(), 0)]);
    let stepped = world.sees(Arm::Stopped, 300);
    assert!(stepped.groups.iter().any(|row| row.incident.ends_with("-claims")), "{:?}", stepped.groups);
    assert!(!sinks_of(&world.record).contains(&"pager"));
}

#[test]
fn what_a_step_begins_is_told_by_what_it_puts_into_the_outbox() {
    let mut world = World { routes: Routes::to_all(["pager", "log"]), ..World::stopped_by(mallory()) };
    world.sees(Arm::Stopped, 10);
    let opened = world.record.outbox.clone();
    let id = world.case().id.to_string();
    assert_eq!(begun(&[], &opened).collect::<Vec<_>>(), [(id.as_str(), vec!["pager", "log"])]);
    world.sees(Arm::Running, 600);
    assert_eq!(begun(&opened, &world.record.outbox).collect::<Vec<_>>(), []);
}

#[test]
fn what_a_step_begins_in_groups_is_told_once() {
    let mut world = crowded(mallory());
    let before = world.record.clone();
    let first = world.sees(Arm::Stopped, 10);
    let id = world.case().id.to_string();
    let begun = begun_in_groups(&before, &world.record, &first.groups);
    assert_eq!(begun, [(id.as_str(), vec!["pager"])]);
    let before = world.record.clone();
    world.start_came_to(refused("AuthorizationFailed", "grant the role"), 11);
    let held = world.sees(Arm::Stopped, 40);
    assert_eq!(begun_in_groups(&before, &world.record, &held.groups), []);
    let before = world.record.clone();
    let closed = world.sees(Arm::Running, 600);
    assert_eq!(begun_in_groups(&before, &world.record, &closed.groups), []);
}

#[test]
fn what_begins_in_a_group_and_ends_with_the_same_step_is_told_as_well() {
    let mut world = crowded(mallory());
    let before = world.record.clone();
    let closed = world.sees(Arm::Running, 400);
    assert_eq!(closed.groups, [], "they are told when the case is archived");
    let begun = begun_in_groups(&before, &world.record, &closed.groups);
    assert_eq!(begun.iter().map(|(_, sinks)| sinks.as_slice()).collect::<Vec<_>>(), [["pager"]]);
}

struct Desk {
    mode: Mode,
    times: Times,
    routes: Routes,
}

impl Desk {
    fn new() -> Self {
        Self { mode: Mode::Act, times: Times::default(), routes: Routes::to_all(["pager", "log"]) }
    }

    fn teller(&self, second: i64) -> Teller<'_> {
        Teller { now: at(second), mode: self.mode, routes: &self.routes, portal: None, times: &self.times }
    }

    fn report(&self, group: &mut Bulletin, n: usize, status: &str, ended: bool, second: i64) -> bool {
        let row = GroupRow {
            incident: format!("case-{n:04}"),
            sinks: vec!["pager".to_owned()],
            status: status.to_owned(),
            severity: if n == 3 { Severity::Critical } else { Severity::Medium },
            ended,
        };
        let (cluster, caller) = (cluster_named(&format!("aks-{n:04}")), mallory());
        let report = GroupReport { cluster: &cluster, row: &row, caller: Some(&caller) };
        group.take_group_row(report, self.teller(second))
    }
}

fn group() -> Bulletin {
    Bulletin::new(BulletinKey::Group { sink: "pager".to_owned() })
}

fn told(group: &Bulletin) -> Vec<(IncidentState, &str, Severity)> {
    let incidents = group.outbox.iter().map(|message| &message.incident);
    incidents.map(|incident| (incident.state, incident.title.as_str(), incident.severity)).collect()
}

#[test]
fn rule_33_a_group_is_one_incident_of_one_sink_that_lists_its_clusters_and_ends_when_all_are_over() {
    let desk = Desk::new();
    let mut group = group();
    for n in 0..5 {
        assert!(desk.report(&mut group, n, "restarting", false, 0));
        assert!(!desk.report(&mut group, n, "restarting", false, 1), "it said so before");
    }
    desk.report(&mut group, 2, "held: a hold forbids starts", false, 2);
    assert!(!group.look_after(desk.teller(59)));
    assert!(group.look_after(desk.teller(60)));
    for n in 0..5 {
        desk.report(&mut group, n, "restored", true, 61);
    }
    assert!(group.look_after(desk.teller(62)));
    assert_eq!(group.open.as_ref().map(|_| ()), None);
    let by = "after stops by mallory@contoso.com";
    let too_many = "too many at once to tell each by itself";
    assert_eq!(
        told(&group),
        [
            (OPENED, format!("1 incident in one, {by}: {too_many}").as_str(), Severity::Medium),
            (UPDATED, format!("5 incidents in one, {by}: {too_many}").as_str(), Severity::Critical),
            (RESOLVED, format!("5 incidents in one, {by}: all are over").as_str(), Severity::Critical),
        ]
    );
    assert!(group.outbox.iter().all(|message| message.pending.iter().all(|p| p.sink == "pager")));
    let update = &group.outbox[1].incident;
    assert_eq!((update.cluster_count, update.clusters.len()), (5, 5));
    assert_eq!(update.next, ["Decide about those that wait for people (1): see their status."]);
    assert_eq!(update.done, ["0 of 5 are over."]);
    assert_eq!(group.outbox[2].incident.done, ["5 of 5 are over."]);
}

#[test]
fn rule_33_a_group_stays_open_while_one_of_its_incidents_is() {
    let desk = Desk::new();
    let mut group = group();
    desk.report(&mut group, 0, "restored", true, 0);
    desk.report(&mut group, 1, "restarting", false, 0);
    group.look_after(desk.teller(100_000));
    assert!(group.open.is_some());
    let unsettled: Vec<String> = group.unsettled().into_iter().map(|(incident, _)| incident).collect();
    assert_eq!(unsettled, ["case-0001"]);
}

#[test]
fn rule_33_a_full_group_takes_a_new_incident_for_one_that_is_over_and_counts_both() {
    let desk = Desk::new();
    let mut group = group();
    for n in 0..1_000 {
        desk.report(&mut group, n, "restarting", false, 0);
    }
    assert!(!desk.report(&mut group, 1_000, "restarting", false, 1), "it will say so again");
    desk.report(&mut group, 7, "restored", true, 2);
    assert!(desk.report(&mut group, 1_000, "restarting", false, 3));
    assert!(group.look_after(desk.teller(60)));
    let update = &group.outbox.last().unwrap().incident;
    assert_eq!((update.cluster_count, update.done[0].as_str()), (1_001, "1 of 1001 are over."));
    assert!(group.encode().unwrap().len() < 1_000_000);
}

#[test]
fn rule_33_what_is_over_stays_over_whoever_says_late_what_was_true_before() {
    let desk = Desk::new();
    let mut group = group();
    desk.report(&mut group, 0, "restarting", false, 0);
    desk.report(&mut group, 0, "restored", true, 1);
    assert!(!desk.report(&mut group, 0, "restarting", false, 2));
    assert!(group.unsettled().is_empty());
}

#[test]
fn rule_33_a_line_whose_case_is_gone_from_its_record_is_over() {
    let desk = Desk::new();
    let mut group = group();
    desk.report(&mut group, 0, "restarting", false, 0);
    desk.report(&mut group, 1, "restored", true, 0);
    assert!(!group.is_check_due(desk.teller(3_599)) && group.is_check_due(desk.teller(3_600)));
    group.settle_lost(&[], desk.teller(3_600));
    assert!(!group.is_check_due(desk.teller(3_601)));
    assert!(group.open.is_some());
    group.settle_lost(&["case-0000".to_owned(), "case-0001".to_owned()], desk.teller(7_200));
    assert!(group.look_after(desk.teller(7_200)));
    assert!(group.open.is_none());
    let end = &group.outbox.last().unwrap().incident;
    assert_eq!(
        (end.state, end.clusters[0].status.as_str()),
        (RESOLVED, "its case is not on record any more")
    );
}

#[test]
fn a_groups_name_is_read_back() {
    let key = group().key;
    assert_eq!(BulletinKey::parse(&key.name()), Some(key));
}
