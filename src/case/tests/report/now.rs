//! What `sink render --case` shows is what a message says.

use super::*;
use crate::case::{NoIncident, incident_now};
use crate::domain::Severity;

impl World {
    fn incident_now(&self, second: i64) -> Result<Incident, NoIncident> {
        let stored = match &self.record.episode {
            Episode::Open(case) | Episode::Held(case) => case.as_ref().clone(),
            Episode::Closing(closing) => serde_json::from_str(&closing.body).unwrap(),
            Episode::None => panic!("no case"),
        };
        incident_now(&self.record, &stored, &self.context(None, at(second)))
    }
}

#[test]
fn a_stored_case_shows_the_message_that_was_told_of_it() {
    let mut world = World::stopped_by(mallory());
    assert_eq!(world.incident_now(10), Err(NoIncident::Undecided));
    let opened = world.sees(Arm::Stopped, 11).told;
    let shown = world.incident_now(11).unwrap();
    assert_eq!(
        shown,
        Incident { state: IncidentState::Updated, sequence: 1, ..opened[0].clone() },
        "the next message"
    );
    world.start_came_to(sent(), 12);
    let resolved = world.sees(Arm::Running, 400).told;
    assert_eq!(world.incident_now(400), Ok(last(&resolved).clone()), "its end is its last message");
}

#[test]
fn a_case_that_waits_for_people_shows_why_and_what_to_do() {
    let mut world = World { mode: Mode::Notify, ..World::stopped_by(mallory()) };
    let told = world.sees(Arm::Stopped, 11).told;
    let shown = world.incident_now(11).unwrap();
    assert_eq!((&shown.title, &shown.next), (&last(&told).title, &last(&told).next));
    assert_eq!(shown.severity, Severity::High);
}

#[test]
fn in_dry_run_it_shows_what_people_would_have_been_told() {
    let mut world = World { mode: Mode::DryRun, ..World::new() };
    world.hears(stop(mallory(), 0), 10);
    assert_eq!(world.sees(Arm::Stopped, 11).told, []);
    let shown = world.incident_now(11).unwrap();
    assert_eq!((shown.state, shown.sequence, shown.mode.as_str()), (IncidentState::Opened, 0, "dry-run"));
}

#[test]
fn what_nobody_is_told_of_by_itself_has_no_incident_to_show() {
    let mut world = World::stopped_by(pipeline());
    world.sees(Arm::Stopped, 11);
    assert_eq!(world.incident_now(11), Err(NoIncident::Allowed));
    let mut world = World::stopped_by(mallory());
    world.counts.by_caller = 50;
    world.sees(Arm::Stopped, 11);
    assert_eq!(world.incident_now(11), Err(NoIncident::InStorm));
}
