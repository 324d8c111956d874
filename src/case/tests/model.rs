//! What a case keeps, and how much of it.

use super::super::model::{STOPS_MAX, TIMELINE_MAX};
use super::*;

fn case() -> Case {
    World::stopped_by(mallory()).case().clone()
}

#[test]
fn a_story_keeps_its_beginning_and_its_newest_lines() {
    let mut case = case();
    case.timeline.clear();
    for n in 0..500 {
        case.note(at(n), format!("line {n}"));
    }
    let lines: Vec<&str> = case.timeline.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(lines.len(), TIMELINE_MAX);
    assert_eq!(lines[..17], (0..16).chain([452]).map(|n| format!("line {n}")).collect::<Vec<_>>());
    assert_eq!(lines.last(), Some(&"line 499"));
}

#[test]
fn a_line_that_says_the_same_again_is_written_once() {
    let mut case = case();
    case.timeline.clear();
    case.note(at(1), "waiting");
    case.note(at(2), "waiting");
    case.note(at(3), "starting it");
    case.note(at(4), "waiting");
    let lines: Vec<_> = case.timeline.iter().map(|line| (line.at, line.text.as_str())).collect();
    assert_eq!(lines, [(at(1), "waiting"), (at(3), "starting it"), (at(4), "waiting")]);
}

#[test]
fn a_war_of_stops_keeps_the_first_and_the_newest_ones() {
    let mut world = World::stopped_by(mallory());
    for n in 1..100 {
        world.hears(stop(mallory(), n * 1_000), n * 1_000 + 10);
    }
    let stops = &world.case().stops;
    assert_eq!(stops.len(), STOPS_MAX);
    assert_eq!(stops[0].time, at(0));
    assert_eq!(stops[1].time, at(85_000));
    assert_eq!(world.case().newest_stop_time(), at(99_000));
}

#[test]
fn modes_are_ordered_by_what_they_let_the_guard_do() {
    assert!(Mode::DryRun < Mode::Notify && Mode::Notify < Mode::Act);
    assert_eq!(Mode::default(), Mode::DryRun, "nothing is done unless somebody said so");
}
