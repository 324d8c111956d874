//! Times as policies see them, in UTC and in the configured zone.

use super::*;

fn in_berlin(time: &str) -> Stop {
    Stop { at: at(time), zone: TimeZone::get("Europe/Berlin").unwrap(), ..Stop::by(alice()) }
}

fn shows(stop: &Stop, clock: &str, fields: [i64; 7]) {
    let names = ["year", "month", "day", "weekday", "hour", "minute", "minuteOfDay"];
    for (name, value) in names.iter().zip(fields) {
        assert!(stop.has(&format!("context.{clock}.{name} == {value}")), "{clock}.{name} is not {value}");
    }
}

#[test]
fn the_zone_may_show_another_day_year_and_weekday_than_utc() {
    let new_year = in_berlin("2026-12-31T23:30:00Z");
    shows(&new_year, "utc", [2026, 12, 31, 4, 23, 30, 1410]);
    shows(&new_year, "local", [2027, 1, 1, 5, 0, 30, 30]);
}

#[test]
fn sunday_is_7_and_monday_is_1() {
    assert!(in_berlin("2026-11-22T12:00:00Z").has("context.local.weekday == 7"));
    assert!(in_berlin("2026-11-23T12:00:00Z").has("context.local.weekday == 1"));
}

#[test]
fn when_summer_time_begins_the_clock_goes_from_2_to_3() {
    // Europe/Berlin, 29 March 2026: 01:00 UTC.
    shows(&in_berlin("2026-03-29T00:59:59Z"), "local", [2026, 3, 29, 7, 1, 59, 119]);
    shows(&in_berlin("2026-03-29T01:00:00Z"), "local", [2026, 3, 29, 7, 3, 0, 180]);
    shows(&in_berlin("2026-03-29T01:00:00Z"), "utc", [2026, 3, 29, 7, 1, 0, 60]);
}

#[test]
fn when_summer_time_ends_the_clock_shows_one_hour_twice() {
    // Europe/Berlin, 25 October 2026: 01:00 UTC.
    shows(&in_berlin("2026-10-25T00:30:00Z"), "local", [2026, 10, 25, 7, 2, 30, 150]);
    shows(&in_berlin("2026-10-25T01:30:00Z"), "local", [2026, 10, 25, 7, 2, 30, 150]);
    shows(&in_berlin("2026-10-25T02:00:00Z"), "local", [2026, 10, 25, 7, 3, 0, 180]);
}

#[test]
fn a_night_window_is_judged_in_the_zone() {
    let night = "context.local.hour >= 20 || context.local.hour < 6";
    assert!(in_berlin("2026-07-01T18:00:00Z").has(night), "20:00 in summer");
    assert!(!in_berlin("2026-12-01T18:00:00Z").has(night), "19:00 in winter");
}

#[test]
fn a_stop_is_judged_at_its_own_time_and_a_restart_now() {
    let stop = in_berlin("2026-12-01T18:59:30.123456Z");
    assert!(stop.has("context.local.hour == 19"));
    assert!(stop.restart_has(
        "context.local.hour == 20 && context.utc.hour == 19 && context.stoppedMinutesAgo == 60"
    ));
    assert!(stop.has(r#"context.at == datetime("2026-12-01T18:59:30.123Z")"#));
}

#[test]
fn minutes_since_the_stop_are_whole_and_never_negative() {
    let set = policies(
        r#"@id("early") forbid (principal, action == Action::"restart", resource) when { context.stoppedMinutesAgo < 20 };
           @id("restart") permit (principal, action == Action::"restart", resource);
           @id("negative") forbid (principal, action == Action::"restart", resource) when { context.stoppedMinutesAgo < 0 };"#,
    );
    let (caller, id, stopped_at) = (alice(), cluster_id(), at("2026-11-24T12:00:00Z"));
    let ask = |now: &str| {
        let question = RestartQuestion {
            caller: &caller,
            caller_known: true,
            cluster: &id,
            facts: None,
            at: at(now),
            stopped_at,
            zone: &UTC,
            counts: Counts::default(),
        };
        set.may_restart(&question).ids()
    };
    assert_eq!(ask("2026-11-24T12:19:59Z"), ["early"]);
    assert_eq!(ask("2026-11-24T12:20:00Z"), ["restart"]);
    assert_eq!(ask("2026-11-24T11:00:00Z"), ["early"], "a clock that is behind is no negative time");
}
