mod page;

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::*;
use crate::case::{Held, Outcome, Stop, StopSource};
use crate::domain::incident::TimelineEntry;
use crate::history::month::Stopped;

fn judged(mut case: Case, authorised: bool) -> Case {
    case.verdict = serde_json::from_value(json!({
        "stop_time": case.newest_stop_time(),
        "authorised": authorised,
        "policy_hash": "of then",
    }))
    .unwrap();
    case
}

fn ended(mut case: Case, outcome: Outcome, after: SignedDuration) -> Case {
    case.outcome = Some(outcome);
    case.closed_at = Some(case.newest_stop_time() + after);
    case
}

/// An unauthorised stop that the guard undid after so many minutes.
fn undone(id: &ClusterId, when: &str, caller: &Caller, minutes: i64) -> Stopped {
    let case = judged(opened(id, when, caller), false);
    Stopped::of(id, &ended(case, Outcome::Restored, SignedDuration::from_mins(minutes)))
}

/// A stop that was allowed.
fn allowed(id: &ClusterId, when: &str, caller: &Caller) -> Stopped {
    let case = judged(opened(id, when, caller), true);
    Stopped::of(id, &ended(case, Outcome::Authorised, SignedDuration::from_mins(1)))
}

fn month(stops: Vec<Stopped>) -> Month {
    Month::of(window(), &TimeZone::UTC, stops)
}

/// A month with something of everything.
fn eventful() -> Month {
    let (a, b, c) = (cluster("rg", "a"), cluster("rg", "b"), cluster("rg", "c"));
    let mut held = judged(opened(&c, "2026-10-20T09:00:00Z", &alice()), false);
    held.note(at("2026-10-20T09:01:00Z"), "waiting for people: Azure refused the start (ScopeLocked)");
    held.held =
        Some(Held::Refused { code: "ScopeLocked".to_owned(), advice: "unlock it".to_owned(), lock: None });
    let mut found = ended(
        judged(opened(&b, "2026-10-21T10:00:00Z", &pipeline()), false),
        Outcome::AlreadyRunning,
        SignedDuration::from_mins(90),
    );
    found.stops[0].source = StopSource::Discovery;
    let mut month = month(vec![
        allowed(&b, "2026-10-02T20:00:00Z", &pipeline()),
        allowed(&b, "2026-10-03T20:00:00Z", &pipeline()),
        undone(&a, "2026-10-05T10:00:00Z", &alice(), 6),
        undone(&a, "2026-10-05T11:00:00Z", &alice(), 8),
        undone(&a, "2026-10-06T10:00:00Z", &alice(), 12),
        undone(&a, "2026-10-07T10:00:00Z", &alice(), 9),
        Stopped::of(&c, &held),
        Stopped::of(&b, &found),
        Stopped::of(&c, &opened(&c, "2026-10-31T23:59:00Z", &Caller::unknown())),
    ]);
    month.unreadable = 1;
    month
}

#[test]
fn people_read_the_month_with_what_stands_out_first() {
    insta::assert_snapshot!(eventful().human(), @r"
    9 stops of 3 clusters by 3 callers, from 2026-10-01T00:00:00Z to 2026-11-01T00:00:00Z
    careful: 1 case could not be read: counted nowhere below

    verdicts          2 authorised, 6 not authorised, 1 not decided
    ended             4 restarted by the guard, 1 running again without it, 0 deleted, 2 left as authorised; 2 open
    time to restore   median 9 min, worst 1 h 30 min (b in rg), of 5 stops
      by the guard    median 8 min, worst 12 min (a in rg), of 4 stops
      by others       median 1 h 30 min, worst 1 h 30 min (b in rg), of 1 stop
    left to people    1 case waited for people, 1 still
    storms            none
    lost events       1 stop found only by discovery
    stopped again     no cluster, while its case was open

    CASES  WAITED FOR PEOPLE BECAUSE
        1  Azure refused the start (ScopeLocked)

       CLUSTER  STOPS  NOT AUTHORISED      MEDIAN       WORST
     ! a in rg      4               4       8 min      12 min
         stands out: 4 not authorised, the median of the others is 1
       b in rg      3               1  1 h 30 min  1 h 30 min
       c in rg      2               1           -           -

       CALLER                                                         STOPS  NOT AUTHORISED      MEDIAN       WORST
     ! alice@contoso.com (user 11111111-1111-4111-8111-111111111111)      5               5       8 min      12 min
         stands out: 5 not authorised, the median of the others is 0.5
       service-principal 22222222-2222-4222-8222-222222222222             3               1  1 h 30 min  1 h 30 min
       an unknown caller                                                  1               0           -           -
    ");
}

#[test]
fn a_month_without_stops_is_a_report_too() {
    insta::assert_snapshot!(month(Vec::new()).human(), @"0 stops of 0 clusters by 0 callers, from 2026-10-01T00:00:00Z to 2026-11-01T00:00:00Z");
    let told = serde_json::to_value(month(Vec::new())).unwrap();
    assert_eq!((&told["stops"], told["days"].as_array().unwrap().len()), (&json!(0), 32));
}

#[test]
fn programs_read_every_number_and_every_case() {
    let told = serde_json::to_value(eventful()).unwrap();
    assert_eq!(told["rulings"], json!({"authorised": 2, "unauthorised": 6, "undecided": 1}));
    assert_eq!(
        told["ends"],
        json!({"authorised": 2, "restored": 4, "alreadyRunning": 1, "gone": 0, "open": 2})
    );
    assert_eq!((&told["foundByDiscovery"], &told["people"]["waiting"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&told["restore"]["byGuard"]["medianSeconds"], told["cases"].as_array().unwrap().len()),
        (&json!(510), 9)
    );
}

#[test]
fn the_days_are_those_of_the_zone() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let late = undone(&cluster("rg", "a"), "2026-10-05T22:30:00Z", &alice(), 5);
    let days = Month::of(window(), &berlin, vec![late]).days;
    let with_stops: Vec<String> =
        days.iter().filter(|day| day.rulings.unauthorised > 0).map(|day| day.date.to_string()).collect();
    assert_eq!(with_stops, ["2026-10-06"]);
}

#[test]
fn what_a_closed_case_waited_for_is_known_from_its_timeline() {
    let id = cluster("rg", "a");
    let mut case = judged(opened(&id, "2026-10-05T10:00:00Z", &alice()), false);
    for text in ["stopped", "waiting for people: a hold forbids starts: frozen", "the hold is over: going on"]
    {
        case.timeline.push(TimelineEntry { at: case.opened_at, text: text.to_owned() });
    }
    let case = ended(case, Outcome::Restored, SignedDuration::from_hours(2));
    let people = month(vec![Stopped::of(&id, &case)]).people;
    assert_eq!((people.cases, people.waiting), (1, 0));
    assert_eq!(people.reasons[0].why, "a hold forbids starts: frozen");
}

#[test]
fn every_way_of_being_held_is_found_again_in_the_timeline() {
    let id = cluster("rg", "a");
    let refused = Held::Refused { code: "X".to_owned(), advice: String::new(), lock: None };
    for held in [
        Held::Mode { mode: Mode::Notify },
        Held::AttemptsUsed,
        refused,
        Held::UnknownCaller,
        Held::DamagedRecord,
    ] {
        let mut case = opened(&id, "2026-10-05T10:00:00Z", &alice());
        case.held = Some(held.clone());
        assert_eq!(Stopped::of(&id, &case).waited.len(), 1, "{held:?}");
    }
}

#[test]
fn a_verdict_about_an_earlier_stop_decides_nothing_about_the_newest() {
    let id = cluster("rg", "a");
    let mut case = judged(opened(&id, "2026-10-05T10:00:00Z", &alice()), true);
    let again = Stop { time: at("2026-10-05T11:00:00Z"), ..case.stops[0].clone() };
    case.stops.push(again);
    let month = month(vec![Stopped::of(&id, &case)]);
    assert_eq!((month.rulings.authorised, month.rulings.undecided, month.stopped_again), (0, 1, 1));
}

#[test]
fn a_time_to_restore_needs_the_time_of_the_stop_and_clocks_that_agree() {
    let id = cluster("rg", "a");
    let case =
        ended(opened(&id, "2026-10-05T10:00:00Z", &alice()), Outcome::Restored, SignedDuration::from_mins(5));
    let mut untimed = case.clone();
    untimed.stops[0].time_known = false;
    let early = Case { closed_at: Some(at("2026-10-05T09:59:00Z")), ..case.clone() };
    let deleted = Case { outcome: Some(Outcome::Gone), ..case.clone() };
    let after = |case| Stopped::of(&id, case).restored_after_seconds;
    assert_eq!([&case, &untimed, &early, &deleted].map(after), [Some(300), None, None, None]);
}

#[test]
fn a_cluster_stands_out_with_three_stops_and_more_than_three_times_the_others_median() {
    let stops = |name: &str, count: i64| -> Vec<Stopped> {
        let id = cluster("rg", name);
        (1..=count).map(|n| undone(&id, &format!("2026-10-{n:02}T10:00:00Z"), &alice(), 5)).collect()
    };
    let outliers = |counts: &[i64]| -> Vec<usize> {
        let all = counts.iter().enumerate().flat_map(|(n, count)| stops(&format!("c{n}"), *count));
        let month = month(all.collect());
        month.clusters.iter().filter(|row| row.outlier.is_some()).map(|row| row.unauthorised).collect()
    };
    for (counts, expected) in [
        (vec![2], vec![]),
        (vec![3], vec![3]),
        (vec![3, 1, 1], vec![]),
        (vec![4, 1, 1], vec![4]),
        // The median of 1 and 2 is 1.5.
        (vec![4, 1, 2], vec![]),
        (vec![5, 1, 2], vec![5]),
        (vec![9, 9, 1, 1, 1], vec![9, 9]),
        (vec![9, 9, 9, 9], vec![]),
    ] {
        assert_eq!(outliers(&counts), expected, "{counts:?}");
    }
}

#[test]
fn stops_of_one_subscription_told_together_are_one_storm_until_an_hour_passes() {
    let mut stops = Vec::new();
    for (n, when) in ["10:00", "10:50", "11:40", "13:00"].into_iter().enumerate() {
        let id = cluster("rg", &format!("c{n}"));
        stops.push(Stopped { in_storm: true, ..undone(&id, &format!("2026-10-05T{when}:00Z"), &alice(), 5) });
    }
    stops.push(undone(&cluster("rg", "alone"), "2026-10-05T13:10:00Z", &alice(), 5));
    let storms = month(stops).storms;
    assert_eq!(storms.iter().map(|storm| storm.stops).collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn ten_thousand_cases_are_a_page_of_bounded_length_and_all_of_them_in_the_json() {
    let first = at("2026-10-01T00:00:00Z");
    let stops: Vec<Stopped> = (0..10_000_i64)
        .map(|n| {
            let id = cluster("rg", &format!("c{}", n % 1_000));
            let caller = Caller { object_id: Some(format!("{n:036}")), ..alice() };
            let when = first + SignedDuration::from_mins(4 * n);
            undone(&id, &when.to_string(), &caller, 5 + n % 50)
        })
        .collect();
    let month = month(stops);
    assert_eq!((month.stops, month.clusters.len(), month.callers.len()), (10_000, 1_000, 10_000));
    let page = month.html().unwrap();
    assert!(page.len() < 600_000, "{} bytes", page.len());
    assert!(month.human().lines().count() < 80);
    let ids: BTreeSet<&str> = month.cases.iter().map(|stop| stop.case.as_str()).collect();
    assert_eq!(ids.len(), 10_000);
}
