//! Storms, and a guard that is broken.

use super::super::bulletin::{Bulletin, BulletinKey, StormReport};
use super::super::record::RecordError;
use super::super::routes::Routes;
use super::*;
use crate::domain::grant::{Author, Ended, Way};
use crate::domain::incident::AFFECTED_MAX;
use crate::domain::{Hold, Scope, SubscriptionId};

fn storm() -> Bulletin {
    Bulletin::new(BulletinKey::Storm { subscription: SubscriptionId::parse(SUBSCRIPTION).unwrap() })
}

/// What tells at a time: sinks and times that never change.
struct Desk {
    mode: Mode,
    times: Times,
    routes: Routes,
}

impl Desk {
    fn new() -> Self {
        Self { mode: Mode::Act, times: Times::default(), routes: Routes::to_all(["webhook"]) }
    }

    fn teller(&self, second: i64) -> Teller<'_> {
        Teller { now: at(second), mode: self.mode, routes: &self.routes, portal: None, times: &self.times }
    }

    fn report(&self, storm: &mut Bulletin, cluster: &str, status: &str, ended: bool, second: i64) -> bool {
        let (cluster, row) = (cluster_named(cluster), StormRow { status: status.to_owned(), ended });
        let (caller, policies) = (mallory(), ["storm".to_owned()]);
        let report = StormReport {
            cluster: &cluster,
            row: &row,
            caller: Some(&caller),
            policies: &policies,
            notify: &[],
        };
        storm.take_row(report, self.teller(second))
    }
}

fn told(bulletin: &Bulletin) -> Vec<Incident> {
    bulletin.outbox.iter().map(|message| message.incident.clone()).collect()
}

#[test]
fn a_storm_is_opened_once_and_lists_its_clusters() {
    let desk = Desk::new();
    let mut storm = storm();
    for n in 0..10 {
        assert!(desk.report(&mut storm, &format!("aks-{n}"), "restarting", false, n));
    }
    assert_eq!(states(&told(&storm)), [IncidentState::Opened]);
    assert!(storm.look_after(desk.teller(61)));
    let told = told(&storm);
    assert_eq!(states(&told), [IncidentState::Opened, IncidentState::Updated]);
    assert_eq!((told[1].cluster_count, told[1].clusters.len()), (10, 10));
    assert_eq!((told[0].id.as_str(), told[1].sequence), (told[1].id.as_str(), 1));
    assert_eq!(told[1].caller, Some(mallory()));
    assert_eq!(told[1].policies, ["storm"]);
}

#[test]
fn a_storm_is_told_at_a_pace_and_only_if_something_changed() {
    let desk = Desk::new();
    let mut storm = storm();
    desk.report(&mut storm, "aks-1", "restarting", false, 0);
    desk.report(&mut storm, "aks-2", "restarting", false, 1);
    assert!(!storm.look_after(desk.teller(59)));
    assert!(storm.look_after(desk.teller(60)));
    assert!(!storm.look_after(desk.teller(600)), "nothing changed");
    desk.report(&mut storm, "aks-2", "held: a hold forbids starts", false, 601);
    assert!(storm.look_after(desk.teller(602)));
    assert_eq!(told(&storm).len(), 3);
}

#[test]
fn a_cluster_that_says_the_same_again_is_no_news() {
    let desk = Desk::new();
    let mut storm = storm();
    assert!(desk.report(&mut storm, "aks-1", "restarting", false, 0));
    let before = storm.clone();
    assert!(!desk.report(&mut storm, "AKS-1", "restarting", false, 5), "whatever the casing of its id");
    assert_eq!(storm, before);
}

#[test]
fn a_storm_is_over_when_all_are_settled_and_none_came_for_a_while() {
    let desk = Desk::new();
    let mut storm = storm();
    desk.report(&mut storm, "aks-1", "restarting", false, 0);
    desk.report(&mut storm, "aks-2", "restarting", false, 100);
    desk.report(&mut storm, "aks-1", "restored", true, 400);
    storm.look_after(desk.teller(401));
    assert!(!storm.look_after(desk.teller(100_000)), "one is still being restarted");
    desk.report(&mut storm, "aks-2", "restored", true, 100_001);
    storm.look_after(desk.teller(100_002));
    assert_eq!(states(&told(&storm)).last(), Some(&IncidentState::Resolved));
    assert!(storm.open.is_none());
    assert!(!storm.is_over(), "its messages are not delivered yet");
    assert!(!desk.report(&mut storm, "aks-1", "restored", true, 100_003), "a late one has nothing to add");
}

#[test]
fn a_storm_that_just_settled_waits_for_more() {
    let desk = Desk::new();
    let mut storm = storm();
    desk.report(&mut storm, "aks-1", "restarting", false, 0);
    desk.report(&mut storm, "aks-1", "restored", true, 300);
    storm.look_after(desk.teller(599));
    assert!(storm.open.is_some());
    storm.look_after(desk.teller(600));
    assert!(storm.open.is_none());
}

#[test]
fn the_next_storm_is_another_incident() {
    let desk = Desk::new();
    let mut storm = storm();
    for _ in 0..2 {
        desk.report(&mut storm, "aks-1", "restarting", false, 0);
        desk.report(&mut storm, "aks-1", "restored", true, 0);
        storm.look_after(desk.teller(600));
    }
    let told = told(&storm);
    assert_eq!(told.len(), 4);
    assert_ne!(told[0].id, told[2].id, "even within one second");
}

#[test]
fn a_storm_of_thousands_stays_bounded() {
    let desk = Desk::new();
    let mut storm = storm();
    for n in 0..1_200 {
        desk.report(&mut storm, &format!("aks-{n}"), "restarting", false, n);
    }
    storm.look_after(desk.teller(2_000));
    let told = told(&storm);
    assert_eq!(told[1].clusters.len(), AFFECTED_MAX);
    assert_eq!(told[1].cluster_count, 1_000);
    assert!(storm.encode().unwrap().len() < 512 * 1_024);
}

#[test]
fn dry_run_tells_no_storm() {
    let desk = Desk { mode: Mode::DryRun, ..Desk::new() };
    let mut storm = storm();
    desk.report(&mut storm, "aks-1", "restarting", false, 0);
    desk.report(&mut storm, "aks-1", "restored", true, 0);
    storm.look_after(desk.teller(600));
    assert_eq!(told(&storm), []);
}

#[test]
fn a_broken_guard_is_told_at_once_again_every_hour_and_when_it_is_mended() {
    let desk = Desk::new();
    let mut degraded = Bulletin::new(BulletinKey::Degraded);
    let faults = ["policy `a`: line 3".to_owned()];
    assert!(!degraded.take_faults(&[], desk.teller(0)), "nothing is broken");
    assert!(degraded.take_faults(&faults, desk.teller(10)));
    assert!(!degraded.take_faults(&faults, desk.teller(3_609)));
    assert!(degraded.take_faults(&faults, desk.teller(3_610)));
    assert!(degraded.take_faults(&["sink `b`".to_owned()], desk.teller(3_620)), "another fault is news");
    assert!(!degraded.look_after(desk.teller(90_000)));
    assert!(degraded.take_faults(&[], desk.teller(3_700)));
    assert!(!degraded.take_faults(&[], desk.teller(3_710)));
    let told = told(&degraded);
    let expected =
        [IncidentState::Opened, IncidentState::Updated, IncidentState::Updated, IncidentState::Resolved];
    assert_eq!(states(&told), expected);
    assert_eq!(told.iter().map(|incident| incident.sequence).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(told[0].next[0], "Mend: policy `a`: line 3");
}

#[test]
fn a_bulletin_reads_back_what_it_wrote_and_keeps_what_it_does_not_know() {
    let desk = Desk::new();
    let mut storm = storm();
    desk.report(&mut storm, "aks-1", "restarting", false, 0);
    assert_eq!(Bulletin::decode(&storm.encode().unwrap()).unwrap(), storm);
    let mut json: serde_json::Value = serde_json::from_slice(&storm.encode().unwrap()).unwrap();
    json["weather"] = "stormy".into();
    let bytes = serde_json::to_vec(&json).unwrap();
    let again = Bulletin::decode(&bytes).unwrap().encode().unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&again).unwrap(), json);
}

#[test]
fn rule_25_a_newer_bulletin_is_not_touched_and_damage_is_told_from_it() {
    let mut json: serde_json::Value = serde_json::from_slice(&storm().encode().unwrap()).unwrap();
    json["min_writer"] = 2.into();
    let newer = Bulletin::decode(&serde_json::to_vec(&json).unwrap());
    assert_eq!(newer, Err(RecordError::Newer { min_writer: 2 }));
    assert!(matches!(Bulletin::decode(b"{"), Err(RecordError::Damaged(_))));
}

#[test]
fn a_bulletins_name_reads_back() {
    for key in [storm().key, BulletinKey::Degraded] {
        assert_eq!(BulletinKey::parse(&key.name()), Some(key));
    }
    for name in ["", "storm-", "storm-1", "degraded2"] {
        assert_eq!(BulletinKey::parse(name), None, "{name}");
    }
}

#[test]
fn a_storm_that_lists_earlier_clusters_is_opened_at_once_all_the_same() {
    let mut storm =
        Bulletin::new(BulletinKey::Storm { subscription: SubscriptionId::parse(SUBSCRIPTION).unwrap() });
    let times = Times::default();
    let routes = Routes::to_all(["webhook"]);
    let teller = Teller { now: at(0), mode: Mode::Act, routes: &routes, portal: None, times: &times };
    storm.list_earlier(&[cluster_named("aks-0")], at(0));
    let (cluster, row) = (cluster_named("aks-1"), StormRow { status: "restarting".to_owned(), ended: false });
    storm.take_row(
        StormReport { cluster: &cluster, row: &row, caller: None, policies: &[], notify: &[] },
        teller,
    );
    let told: Vec<_> = storm.outbox.iter().map(|m| (m.incident.state, m.incident.cluster_count)).collect();
    assert_eq!(told, [(IncidentState::Opened, 2)]);
}

#[test]
fn the_beginning_and_the_end_of_a_hold_are_told_once_each() {
    let desk = Desk::new();
    let by = Author { id: Some("d-1".to_owned()), name: Some("dana".to_owned()), via: Way::Http };
    let hold = Hold::new("h-1".to_owned(), Scope::Everywhere, at(600), "audit", by.clone(), at(0)).unwrap();
    let mut bulletin = Bulletin::new(BulletinKey::Hold { id: "h-1".to_owned() });
    assert!(bulletin.take_hold(&hold, desk.teller(1)));
    assert!(!bulletin.take_hold(&hold, desk.teller(31)));
    let lifted = Hold { lifted: Some(Ended { at: at(60), by }), ..hold };
    assert!(bulletin.take_hold(&lifted, desk.teller(61)));
    assert!(!bulletin.take_hold(&lifted, desk.teller(91)), "its bulletin never opens again");
    let titles: Vec<String> = told(&bulletin).iter().map(|told| told.title.clone()).collect();
    insta::assert_snapshot!(titles.join("\n"), @r"
    hold: the guard starts nothing anywhere: held by dana (d-1) until 2026-09-14T18:10:00Z: audit
    hold over: the guard may start clusters anywhere again (lifted by dana (d-1)); it was held by dana (d-1) until 2026-09-14T18:10:00Z: audit
    ");
}

/// A marker was written and its bulletin was not, so that its number was used up (seed 8238 of the simulation).
#[test]
fn a_hold_whose_number_was_used_up_is_not_over_and_is_told() {
    let desk = Desk::new();
    let hold = Hold::new("h-1".to_owned(), Scope::Everywhere, at(600), "audit", Author::by_cli(None), at(0))
        .unwrap();
    let mut bulletin = Bulletin::new(BulletinKey::Hold { id: "h-1".to_owned() });
    bulletin.burn(1_000);
    assert!(bulletin.take_hold(&hold, desk.teller(1)));
    assert_eq!(states(&told(&bulletin)), [IncidentState::Opened]);
}

#[test]
fn a_hold_that_nobody_saw_begin_is_told_with_its_end() {
    let desk = Desk::new();
    let hold =
        Hold::new("h-1".to_owned(), Scope::Everywhere, at(20), "audit", Author::by_cli(None), at(0)).unwrap();
    let mut bulletin = Bulletin::new(BulletinKey::Hold { id: "h-1".to_owned() });
    assert!(bulletin.take_hold(&hold, desk.teller(30)));
    assert_eq!(states(&told(&bulletin)), [IncidentState::Opened, IncidentState::Resolved]);
}

/// A guard that only watches, and that tells people from the second deployment on.
fn from_watching_to_telling() -> [Desk; 2] {
    [Desk { mode: Mode::DryRun, ..Desk::new() }, Desk::new()]
}

#[test]
fn a_hold_that_began_while_nobody_was_told_is_opened_before_it_is_resolved() {
    let [watching, telling] = from_watching_to_telling();
    let hold = Hold::new("h-1".to_owned(), Scope::Everywhere, at(600), "audit", Author::by_cli(None), at(0))
        .unwrap();
    let mut bulletin = Bulletin::new(BulletinKey::Hold { id: "h-1".to_owned() });
    assert!(bulletin.take_hold(&hold, watching.teller(1)));
    assert!(!bulletin.take_hold(&hold, watching.teller(31)));
    let mut unheard = bulletin.clone();
    assert!(bulletin.take_hold(&hold, telling.teller(61)));
    assert!(!bulletin.take_hold(&hold, telling.teller(91)));
    assert!(bulletin.take_hold(&hold, telling.teller(600)));
    assert_eq!(states(&told(&bulletin)), [IncidentState::Opened, IncidentState::Resolved]);
    assert_eq!(told(&bulletin).iter().map(|told| told.sequence).collect::<Vec<_>>(), [0, 1]);

    assert!(unheard.take_hold(&hold, telling.teller(600)));
    assert_eq!(states(&told(&unheard)), [], "nobody was told that it began");
    assert!(unheard.is_over());
}

#[test]
fn a_storm_that_began_while_nobody_was_told_is_opened_as_soon_as_people_are() {
    let [watching, telling] = from_watching_to_telling();
    let mut storm = storm();
    assert!(watching.report(&mut storm, "aks-1", "stopped", false, 1));
    assert!(storm.look_after(telling.teller(61)));
    assert_eq!(states(&told(&storm)), [IncidentState::Opened]);
}
