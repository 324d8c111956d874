//! A stop arrives (rules 4, 5, 7, 9, 19).

use proptest::prelude::*;

use super::super::record::{AuthorisedStop, Closing};
use super::super::{CaseId, close};
use super::*;
use crate::domain::calendar::{EARLIEST, LATEST};
use crate::domain::{EventSchema, StopEvent, StopTime, Verbatim};

#[test]
fn rule_5_the_first_stop_opens_a_case_that_is_due_at_once() {
    let world = World::stopped_by(mallory());
    let case = world.case();
    assert_eq!(case.id, CaseId::new(&cluster_id().key(), world.record.generation));
    assert_eq!((case.opened_at, case.next_at), (at(10), at(10)));
    assert_eq!(case.mode, Mode::Act);
    assert_eq!(world.last_line(), "stopped by mallory@contoso.com (user)");
}

fn event(time: StopTime) -> StopEvent {
    StopEvent {
        id: "event-1".to_owned(),
        cluster: cluster_id(),
        time,
        caller: mallory(),
        correlation_id: None,
        schema: EventSchema::EventGrid,
        verbatim: Verbatim::of(b"{}"),
        token_id: None,
    }
}

#[test]
fn an_event_whose_time_is_missing_or_ahead_of_azures_clock_is_a_stop_now_and_never_fresh() {
    let times = Times::default();
    for time in [StopTime::Missing, StopTime::At(at(131)), StopTime::At(Timestamp::MAX)] {
        let stop = Stop::of_event(&event(time), at(100), &times);
        assert_eq!((stop.time, stop.time_known), (at(100), false), "{time:?}");
    }
    let stop = Stop::of_event(&event(StopTime::At(at(130))), at(100), &times);
    assert_eq!((stop.time, stop.time_known), (at(130), true), "as far as clocks may differ");
}

#[test]
fn no_time_of_an_event_or_a_clock_leaves_the_calendar() {
    let (times, ends) = (Times::default(), [Timestamp::MIN, Timestamp::MAX]);
    for (time, now) in ends.iter().flat_map(|time| ends.map(|now| (*time, now))) {
        let stop = Stop::of_event(&event(StopTime::At(time)), now, &times);
        assert!((EARLIEST..=LATEST).contains(&stop.time), "{time} at {now}: {}", stop.time);
    }
}

#[test]
fn rule_5_a_stop_that_is_known_changes_nothing() {
    let mut world = World::stopped_by(mallory());
    let before = world.record.clone();
    let original = stop(mallory(), 0);
    let again_by_id = Stop { time: at(9), time_known: false, correlation_id: None, ..original.clone() };
    let again_by_time = Stop { event_id: "other".to_owned(), correlation_id: None, ..original.clone() };
    let again_by_correlation = Stop { event_id: "other".to_owned(), time: at(119), ..original.clone() };
    for again in [original, again_by_id, again_by_time, again_by_correlation] {
        assert_eq!(world.hears(again.clone(), 20), Taken::Known, "{again:?}");
    }
    assert_eq!(world.record, before);
}

#[test]
fn one_correlation_id_does_not_make_two_stops_one() {
    let mut world = World::stopped_by(mallory());
    let later = Stop { correlation_id: Some("correlation-0".to_owned()), ..stop(mallory(), 120) };
    assert_eq!(world.hears(later, 130), Taken::Joined, "all operations of a deployment share it");
}

#[test]
fn two_events_without_a_time_are_two_stops_unless_their_ids_agree() {
    let mut world = World::new();
    let untimed = |id: &str| Stop {
        time_known: false,
        correlation_id: None,
        event_id: id.to_owned(),
        ..stop(mallory(), 10)
    };
    assert_eq!(world.hears(untimed("a"), 10), Taken::Opened);
    assert_eq!(world.hears(untimed("a"), 11), Taken::Known);
    assert_eq!(world.hears(untimed("b"), 10), Taken::Joined);
}

#[test]
fn rule_29_another_caller_for_the_same_stop_joins_as_a_claim() {
    let mut world = World::stopped_by(pipeline());
    let claim = Stop { caller: mallory(), ..stop(pipeline(), 0) };
    assert_eq!(world.hears(claim.clone(), 20), Taken::Joined);
    assert_eq!(world.hears(claim, 21), Taken::Known, "and is known from then on");
    assert_eq!(world.case().stops.len(), 2);
    assert_eq!(world.case().next_at, at(20), "it is looked at at once");
}

#[test]
fn rule_29_once_the_log_has_spoken_no_event_claims_otherwise() {
    let mut world = World::stopped_by(mallory());
    world.confirm = Confirm::Require;
    world.log_says(vec![log_stop(mallory(), 0)]);
    world.sees(Arm::Stopped, 10);
    assert!(world.case().stops[0].confirmed);
    let claim = Stop { caller: pipeline(), ..stop(mallory(), 0) };
    assert_eq!(world.hears(claim, 70), Taken::Known);
}

#[test]
fn rule_7_a_stop_that_the_cluster_survived_is_history() {
    let mut world = World::new();
    world.record.history.running_seen_at = Some(at(100));
    assert!(matches!(world.hears(stop(mallory(), 100), 200), Taken::History(_)));
    assert_eq!(world.record.episode, Episode::None);
    assert_eq!(world.hears(stop(mallory(), 101), 200), Taken::Opened);
    assert!(matches!(world.hears(stop(trudy(), 99), 201), Taken::History(_)), "also while a case is open");
}

#[test]
fn a_stop_whose_time_only_this_machines_clock_tells_is_never_history() {
    let mut world = World::new();
    world.record.history.running_seen_at = Some(at(1_000));
    // This machine's clock is five minutes behind: the stop was at 1,100.
    let late = Stop { time: at(800), time_known: false, ..stop(mallory(), 800) };
    assert_eq!(world.hears(late, 800), Taken::Opened);
}

#[test]
fn rule_7_a_stop_of_a_cluster_that_is_gone_since_is_history() {
    let mut world = World::new();
    world.record.history.gone_seen_at = Some(at(100));
    assert!(matches!(world.hears(stop(mallory(), 100), 200), Taken::History(_)));
    assert_eq!(world.hears(stop(mallory(), 101), 200), Taken::Opened);
}

#[test]
fn rule_7_an_authorised_stop_explains_earlier_ones_but_only_while_no_case_is_open() {
    let mut world = World::new();
    world.record.history.authorised =
        Some(AuthorisedStop { stop_time: at(100), caller: pipeline(), correlation_id: None });
    assert!(matches!(world.hears(stop(mallory(), 100), 200), Taken::History(_)));
    assert_eq!(world.hears(stop(mallory(), 101), 200), Taken::Opened);
    assert_eq!(world.hears(stop(trudy(), 50), 201), Taken::Joined);
}

#[test]
fn rule_9_a_newer_stop_voids_the_verdict_and_the_attempts_but_never_the_budgets() {
    let mut world = World::stopped_by(mallory());
    assert!(world.sees(Arm::Stopped, 11).start.is_some());
    assert_eq!(world.case().episode_attempts, 1);
    assert_eq!(world.hears(stop(trudy(), 400), 410), Taken::Joined);
    assert_eq!(world.case().episode_attempts, 0);
    assert_eq!(world.case().verdict, None);
    assert_eq!(world.record.history.starts_last_24h(at(410)), 1);
    assert!(world.case().intent.is_some(), "rule 16: the start that may still land stays on record");
}

#[test]
fn rule_9_an_older_stop_voids_nothing() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Stopped, 11);
    assert_eq!(world.hears(stop(trudy(), -400), 20), Taken::Joined);
    assert_eq!(world.case().episode_attempts, 1);
    assert_eq!(world.case().newest_stop_time(), at(0));
}

#[test]
fn rule_9_a_newer_stop_takes_a_held_case_back_to_work() {
    let mut world = World::stopped_by(mallory());
    world.hold = Some("audit by Ada".to_owned());
    world.sees(Arm::Stopped, 11);
    assert!(matches!(world.held(), Some(Held::Hold { .. })));
    assert_eq!(world.hears(stop(trudy(), -400), 20), Taken::Joined);
    assert!(world.held().is_some(), "an older one does not");
    assert_eq!(world.hears(stop(trudy(), 400), 410), Taken::Joined);
    assert!(matches!(&world.record.episode, Episode::Open(case) if case.held.is_none()));
}

#[test]
fn rule_19_a_case_on_its_way_into_the_archive_is_finished_first() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Running, 200);
    assert_eq!(world.outcome(), Some(Outcome::AlreadyRunning));
    let before = world.record.clone();
    assert_eq!(world.hears(stop(trudy(), 190), 201), Taken::FinishFirst);
    assert_eq!(world.record, before);
    world.is_archived();
    assert_eq!(world.hears(stop(trudy(), 190), 202), Taken::Opened);
}

#[test]
fn a_stop_can_lie_at_the_ends_of_time() {
    for time in [Timestamp::MIN, Timestamp::MAX] {
        let mut world = World::new();
        assert_eq!(world.hears(Stop { time, ..stop(mallory(), 0) }, 10), Taken::Opened);
        world.hears(stop(mallory(), 5), 10);
        assert_eq!(world.case().stops.len(), 2);
    }
}

proptest! {
    /// Rule 4, also where clocks go back and a marker was burnt.
    #[test]
    fn rule_4_generations_never_repeat(
        start in 0_u64..=u64::MAX - 100,
        clock in proptest::collection::vec(-100_000_i64..100_000, 1..20),
    ) {
        let mut record = Record::new(cluster_id());
        record.generation = start;
        let mut used = vec![start];
        for (n, second) in clock.into_iter().enumerate() {
            let n = i64::try_from(n).unwrap();
            let taken = take_in(&mut record, stop(mallory(), n * 1_000), Mode::Act, at(second), &Times::default());
            prop_assert_eq!(taken, Taken::Opened);
            prop_assert!(record.generation > *used.last().unwrap());
            used.push(record.generation);
            let id = record.case().unwrap().id.clone();
            record.episode = Episode::Closing(Closing {
                id,
                closed_at: at(second),
                outcome: Outcome::AlreadyRunning,
                body: String::new(),
                storm: None,
                groups: Vec::new(),
            });
            close::reset(&mut record);
        }
    }
}

#[test]
fn another_claim_about_the_newest_stop_gives_no_new_attempts() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Stopped, 11);
    world.start_came_to(sent(), 12);
    let claim =
        Stop { time: at(0) + SignedDuration::from_millis(900), caller: trudy(), ..stop(mallory(), 0) };
    assert_eq!(world.hears(claim, 20), Taken::Joined);
    assert_eq!(world.case().episode_attempts, 1);
}

#[test]
fn rule_7_an_event_that_dates_an_authorised_stop_at_its_end_is_that_stop() {
    let known = || {
        let mut world = World::new();
        let correlation_id = Some("correlation-211".to_owned());
        world.record.history.authorised =
            Some(AuthorisedStop { stop_time: at(100), caller: pipeline(), correlation_id });
        world
    };
    assert!(
        matches!(known().hears(stop(pipeline(), 211), 230), Taken::History(_)),
        "the log dated it at 100"
    );
    assert_eq!(known().hears(stop(mallory(), 211), 230), Taken::Opened, "somebody else's is another stop");
    assert_eq!(known().hears(stop(pipeline(), 212), 230), Taken::Opened, "another operation is another stop");
}
