//! Another sink steps in where one is down (rule 32).

use proptest::prelude::*;

use super::super::outbox::{
    DELIVERY_GIVE_UP_AFTER, Delivery, FALLBACK_AFTER, due, fall_back, falls_back_at, next_at, settle,
    stand_in_for,
};
use super::super::routes::{Route, Takes};
use super::*;
use crate::domain::Severity;

const OPENED: IncidentState = IncidentState::Opened;
const RESOLVED: IncidentState = IncidentState::Resolved;

/// A guard that tells the pager everything, and mail what policies name it for.
fn world() -> World {
    let takes = [("pager", Takes::From(Severity::Info)), ("mail", Takes::Named)];
    let routes = takes.map(|(sink, takes)| Route { sink: sink.to_owned(), takes });
    World { routes: Routes::new(routes.into(), Some("mail".to_owned())), ..World::stopped_by(mallory()) }
}

impl World {
    /// The pager's first message fails once more.
    fn pager_fails(&mut self, second: i64) {
        let due = due(&self.record.outbox, at(1_000_000));
        let message = due.iter().find(|(_, sink)| *sink == "pager").map(|(i, _)| (i.id.clone(), i.sequence));
        let (id, sequence) = message.expect("nothing waits for the pager");
        let failed = Delivery::Failed { why: "503".to_owned(), retry_after: None };
        settle(&mut self.record.outbox, (&id, sequence), "pager", failed, at(second), 0);
    }

    fn falls_back(&mut self, second: i64) -> bool {
        fall_back(&mut self.record, "mail", at(second))
    }

    fn told_by_mail(&self) -> Vec<&Incident> {
        let of_mail = self.record.outbox.iter().filter(|m| m.pending.iter().any(|p| p.sink == "mail"));
        of_mail.map(|message| &message.incident).collect()
    }
}

#[test]
fn rule_32_a_sink_that_fails_for_a_quarter_of_an_hour_is_stood_in_for_once_and_to_the_end() {
    let mut world = world();
    world.sees(Arm::Stopped, 10);
    assert_eq!(falls_back_at(&world.record, "mail"), None, "nothing failed yet");
    world.pager_fails(11);
    let quarter = 10 + FALLBACK_AFTER.as_secs();
    assert_eq!(falls_back_at(&world.record, "mail"), Some(at(quarter)));
    assert!(!world.falls_back(quarter - 1));
    assert!(world.falls_back(quarter));
    assert!(!world.falls_back(quarter + 1), "once");
    assert_eq!(falls_back_at(&world.record, "mail"), None);
    let told = world.told_by_mail();
    assert_eq!((told.len(), told[0].state), (1, OPENED));
    insta::assert_snapshot!(told[0].done.join("\n"), @r"
    Start 1 is being sent.
    Told here because sink pager has not taken it for 15 minutes (503).
    ");
    world.sees(Arm::Running, quarter + 60);
    assert_eq!(states(&world.told_by_mail().into_iter().cloned().collect::<Vec<_>>()), [OPENED, RESOLVED]);
    assert!(world.record.outbox.iter().any(|m| m.pending.iter().any(|p| p.sink == "pager")), "tried on");
}

#[test]
fn rule_32_an_incident_that_is_over_by_then_is_told_with_its_end() {
    let mut world = world();
    world.sees(Arm::Running, 400);
    world.is_archived();
    world.pager_fails(401);
    assert!(world.falls_back(400 + FALLBACK_AFTER.as_secs()));
    assert_eq!(states(&world.told_by_mail().into_iter().cloned().collect::<Vec<_>>()), [OPENED, RESOLVED]);
    assert!(!world.falls_back(100_000), "whatever is left for the pager");
}

#[test]
fn rule_32_an_end_alone_calls_nobody_and_who_hears_of_it_anyway_is_not_told_twice() {
    let mut over = world();
    over.sees(Arm::Running, 400);
    over.is_archived();
    let id = over.record.outbox[0].incident.id.clone();
    let taken = Delivery::Delivered { reference: None };
    settle(&mut over.record.outbox, (&id, 0), "pager", taken, at(401), 0);
    over.pager_fails(402);
    assert!(!over.falls_back(100_000));

    let mut named = World { routes: Routes::to_all(["pager", "mail"]), ..world() };
    named.sees(Arm::Stopped, 10);
    named.pager_fails(11);
    assert!(!named.falls_back(100_000));
    assert_eq!(named.told_by_mail().len(), 1);
}

#[test]
fn rule_32_who_heard_of_an_incident_is_not_told_again_when_its_case_is_closed() {
    let mut world = World {
        routes: Routes::new(
            Routes::to_all(["pager", "mail"]).iter().cloned().collect(),
            Some("mail".to_owned()),
        ),
        ..world()
    };
    world.sees(Arm::Running, 400);
    world.is_archived();
    let id = world.record.outbox[0].incident.id.clone();
    for sequence in [0, 1] {
        let taken = Delivery::Delivered { reference: None };
        settle(&mut world.record.outbox, (&id, sequence), "mail", taken, at(401), 0);
    }
    world.pager_fails(402);
    assert!(!world.falls_back(100_000));
}

#[test]
fn rule_32_what_waits_behind_a_failing_message_falls_back_too() {
    let mut world = world();
    world.sees(Arm::Running, 400);
    world.is_archived();
    world.pager_fails(401);
    world.hears(stop(mallory(), 2_000), 2_010);
    world.sees(Arm::Stopped, 2_010);
    assert!(world.falls_back(2_010), "the first incident, long since");
    assert_eq!(falls_back_at(&world.record, "mail"), Some(at(2_010 + FALLBACK_AFTER.as_secs())));
    assert!(world.falls_back(2_010 + FALLBACK_AFTER.as_secs()));
    let ids: std::collections::BTreeSet<&str> =
        world.told_by_mail().iter().map(|incident| incident.id.as_str()).collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn rule_32_a_message_that_a_sink_will_never_take_is_stood_in_for_at_once() {
    let mut world = world();
    world.sees(Arm::Stopped, 10);
    let id = world.record.outbox[0].incident.id.clone();
    let gone = Delivery::GivenUp { why: "410".to_owned() };
    let mut letter = settle(&mut world.record.outbox, (&id, 0), "pager", gone, at(11), 0).unwrap();
    stand_in_for(&mut world.record, &mut letter, "mail", at(11));
    assert!(letter.fallen_back);
    assert_eq!(world.told_by_mail()[0].done[1], "Told here because sink pager did not take it (410).");
    // The next one that it refuses is of an incident that the fallback sink knows.
    world.start_came_to(refused("AuthorizationFailed", "grant the role"), 12);
    world.sees(Arm::Stopped, 40);
    let update = world.record.outbox.last().unwrap().incident.clone();
    let gone = Delivery::GivenUp { why: "410".to_owned() };
    let mut letter =
        settle(&mut world.record.outbox, (&id, update.sequence), "pager", gone, at(41), 0).unwrap();
    let before = world.record.clone();
    stand_in_for(&mut world.record, &mut letter, "mail", at(41));
    assert_eq!(world.record, before);
}

#[test]
fn rule_32_a_dead_letter_that_was_stood_in_for_is_not_stood_in_for_again() {
    let mut world = world();
    world.sees(Arm::Running, 400);
    world.is_archived();
    world.pager_fails(401);
    assert!(world.falls_back(2_000));
    let (id, end) = (world.record.outbox[0].incident.id.clone(), 400 + DELIVERY_GIVE_UP_AFTER.as_secs());
    let failed = Delivery::Failed { why: "503".to_owned(), retry_after: None };
    let mut letter = settle(&mut world.record.outbox, (&id, 0), "pager", failed, at(end), 0).unwrap();
    let before = world.record.clone();
    stand_in_for(&mut world.record, &mut letter, "mail", at(end));
    assert_eq!(world.record, before);
}

/// What the pager says to each try, in turn; at the end it takes everything.
fn answer(answers: &mut std::vec::IntoIter<u8>) -> Delivery {
    match answers.next() {
        Some(0..6) => Delivery::Failed { why: "503".to_owned(), retry_after: None },
        Some(6) => Delivery::GivenUp { why: "410".to_owned() },
        Some(_) | None => Delivery::Delivered { reference: None },
    }
}

proptest! {
    /// Whatever the pager answers and whenever the case ends, mail hears one whole story or nothing; and the pager is tried on.
    #[test]
    fn rule_32_the_fallback_sink_hears_one_whole_story_or_nothing(
        answers in proptest::collection::vec(0_u8..9, 0..40),
        held_at in 60_i64..3_000,
        lasts in 600_i64..6_000,
    ) {
        let mut world = world();
        world.sees(Arm::Stopped, 10);
        world.start_came_to(refused("AuthorizationFailed", "grant the role"), 11);
        let mut answers = answers.into_iter();
        let mut mail: Vec<IncidentState> = Vec::new();
        let (mut is_held, mut is_over) = (false, false);
        let mut second = 12;
        while !(is_over && world.record.outbox.is_empty()) {
            if !is_held && second >= held_at {
                world.sees(Arm::Stopped, second);
                is_held = true;
            } else if is_held && !is_over && second >= held_at + lasts {
                world.sees(Arm::Running, second);
                world.is_archived();
                is_over = true;
            }
            let tries: Vec<(String, u32, IncidentState, String)> = due(&world.record.outbox, at(second))
                .into_iter()
                .map(|(i, sink)| (i.id.clone(), i.sequence, i.state, sink.to_owned()))
                .collect();
            for (id, sequence, state, sink) in tries {
                let to_mail = sink == "mail";
                let delivery =
                    if to_mail { Delivery::Delivered { reference: None } } else { answer(&mut answers) };
                mail.extend(to_mail.then_some(state));
                let letter =
                    settle(&mut world.record.outbox, (&id, sequence), &sink, delivery, at(second), 0);
                if let Some(mut letter) = letter {
                    stand_in_for(&mut world.record, &mut letter, "mail", at(second));
                }
            }
            world.falls_back(second);
            let next = next_at(&world.record.outbox).into_iter().chain(falls_back_at(&world.record, "mail"));
            let next = next.map(|next| next.duration_since(at(0)).as_secs()).min();
            let deed = if is_held { held_at + lasts } else { held_at };
            let deed = (!is_over).then_some(deed);
            second = next.into_iter().chain(deed).min().unwrap_or(second).max(second + 1);
        }
        if let (Some(first), Some(last)) = (mail.first(), mail.last()) {
            prop_assert_eq!((*first, *last), (OPENED, RESOLVED), "{:?}", &mail);
            prop_assert_eq!(mail.iter().filter(|state| **state == OPENED).count(), 1, "{:?}", &mail);
        }
    }
}
