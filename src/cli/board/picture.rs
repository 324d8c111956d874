//! A case's timeline as rectangles and dots, in percents of the width: its letters keep their size on a phone.
//!
//! What happened lies minutes apart, and a case may wait for days. So the time between two marks is drawn by its logarithm.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use crate::case::{Case, Outcome};
use crate::cli::cases::age::age;
use crate::domain::Situation;

/// Seconds that are drawn about as long as they are; more are drawn shorter and shorter.
const UNIT_SECONDS: f64 = 15.0;
/// The margins, in percents: a dot's radius on a phone.
const LEFT: f64 = 4.0;
const RIGHT: f64 = 4.0;
/// Dots that are nearer are drawn as one: their width on a phone, in percents.
const DOT: f64 = 8.0;
/// The shortest band that can be seen, in percents.
const BAND_MIN: f64 = 1.5;
/// Labels of the axis need so much, in percents of a phone's width: times, and times with a day.
const TIME_LABEL: f64 = 19.0;
const DAY_LABEL: f64 = 28.0;

/// What the template draws.
#[derive(Debug, Serialize)]
pub(super) struct Picture {
    /// How the cluster stood.
    cluster: Vec<Band>,
    /// While people had an incident.
    told: Option<Band>,
    stops: Vec<Mark>,
    steps: Vec<Mark>,
    labels: Vec<Mark>,
    /// The kinds of bands that there are.
    kinds: Vec<&'static str>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Band {
    x: f64,
    width: f64,
    kind: &'static str,
    title: String,
}

#[derive(Debug, PartialEq, Serialize)]
struct Mark {
    x: f64,
    text: String,
    anchor: &'static str,
}

/// Where each time is.
struct Axis(Vec<(Timestamp, f64)>);

impl Axis {
    /// Of these times, in any order.
    fn of(times: impl IntoIterator<Item = Timestamp>) -> Self {
        let times: Vec<Timestamp> = times.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut sum = 0.0;
        let mut at: Vec<(Timestamp, f64)> = Vec::with_capacity(times.len());
        for time in times {
            if let Some((before, _)) = at.last() {
                sum += (1.0 + time.duration_since(*before).as_secs_f64() / UNIT_SECONDS).ln();
            }
            at.push((time, sum));
        }
        let scale = if sum > 0.0 { (100.0 - LEFT - RIGHT) / sum } else { 0.0 };
        Self(at.into_iter().map(|(time, sum)| (time, rounded(LEFT + sum * scale))).collect())
    }

    /// Of one of its times.
    fn x(&self, time: Timestamp) -> f64 {
        let at = self.0.partition_point(|(known, _)| *known < time);
        self.0.get(at).or(self.0.last()).map_or(LEFT, |(_, x)| *x)
    }
}

impl Picture {
    /// A case as it stands at `now`. `running_seen_at`: when its cluster was seen running last, if that is known.
    pub(super) fn of(case: &Case, running_seen_at: Option<Timestamp>, now: Timestamp) -> Self {
        let begun = case.stops.iter().map(|stop| stop.time).min().unwrap_or(case.opened_at);
        let newest = case.timeline.iter().map(|entry| entry.at).max().unwrap_or(begun);
        let end = case.closed_at.unwrap_or(now).max(newest).max(begun);
        let within = |at: Timestamp| at.max(begun).min(end);
        let ran = ran(case).then(|| {
            let seen = running_seen_at.filter(|at| *at >= case.newest_stop_time() && *at <= end);
            seen.unwrap_or(end)
        });
        let started = case.intent.as_ref().filter(|intent| intent.state.may_have_landed());
        let started =
            started.map(|intent| within(intent.look_at)).filter(|at| ran.is_none_or(|ran| *at < ran));
        let told = case.told.as_ref().map(|told| within(told.opened_at));
        let times = case.timeline.iter().map(|entry| within(entry.at));
        let stops = case.stops.iter().map(|stop| within(stop.time));
        let axis =
            Axis::of(times.chain(stops.clone()).chain([begun, end]).chain(ran).chain(started).chain(told));
        let band = |from: Timestamp, to: Timestamp, kind, what: &str| Band {
            x: axis.x(from),
            width: rounded((axis.x(to) - axis.x(from)).max(BAND_MIN)),
            kind,
            title: format!("{what} for {}", age(from, to)),
        };
        let down = match case.outcome {
            Some(Outcome::Authorised) => ("allowed", "stopped with permission"),
            Some(Outcome::AlreadyRunning | Outcome::Restored | Outcome::Gone) | None => ("down", "down"),
        };
        let mut cluster = vec![band(begun, started.or(ran).unwrap_or(end), down.0, down.1)];
        cluster.extend(started.map(|at| band(at, ran.unwrap_or(end), "starting", "being started")));
        cluster.extend(ran.map(|at| band(at, end, "running", "seen running")));
        let told = told.map(|at| band(at, end, "told", "people have an incident"));
        Self {
            kinds: cluster.iter().chain(&told).map(|band| band.kind).collect(),
            cluster,
            told,
            stops: stops
                .map(|at| Mark { x: axis.x(at), text: "stopped".to_owned(), anchor: "middle" })
                .collect(),
            steps: dots(case.timeline.iter().map(|entry| axis.x(within(entry.at)))),
            labels: labels(&axis),
        }
    }
}

/// Whether it is known to run at the end.
fn ran(case: &Case) -> bool {
    match case.outcome {
        Some(Outcome::AlreadyRunning | Outcome::Restored) => true,
        Some(Outcome::Authorised | Outcome::Gone) => false,
        None => case.last_situation == Some(Situation::Running),
    }
}

/// Numbered dots; those that would lie on one another are one: `3–5`.
fn dots(places: impl Iterator<Item = f64>) -> Vec<Mark> {
    let mut dots: Vec<(f64, usize, usize)> = Vec::new();
    for (n, x) in places.enumerate() {
        match dots.last_mut() {
            Some((first, _, last)) if x - *first < DOT => *last = n + 1,
            _ => dots.push((x, n + 1, n + 1)),
        }
    }
    let mark = |(x, first, last): (f64, usize, usize)| {
        let text = if first == last { first.to_string() } else { format!("{first}–{last}") };
        Mark { x, text, anchor: "middle" }
    };
    dots.into_iter().map(mark).collect()
}

/// Times under the axis: the first, the last, and those between that have the room.
fn labels(axis: &Axis) -> Vec<Mark> {
    let (Some(first), Some(last)) = (axis.0.first(), axis.0.last()) else { return Vec::new() };
    let is_one_day = first.0.strftime("%F").to_string() == last.0.strftime("%F").to_string();
    let text = |at: Timestamp| at.strftime(if is_one_day { "%T" } else { "%-d %b %H:%M" }).to_string();
    let width = if is_one_day { TIME_LABEL } else { DAY_LABEL };
    let mut labels = vec![Mark { x: first.1, text: text(first.0), anchor: "start" }];
    // The first one reaches to the right.
    let mut free_from = first.1 + width * 1.5;
    for (at, x) in &axis.0 {
        if *x >= free_from && *x <= last.1 - width * 1.5 {
            labels.push(Mark { x: *x, text: text(*at), anchor: "middle" });
            free_from = x + width;
        }
    }
    if last.1 - first.1 >= width * 2.0 {
        labels.push(Mark { x: last.1, text: text(last.0), anchor: "end" });
    }
    labels
}

/// To a hundredth of a percent: less can't be seen.
fn rounded(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Episode, Record};

    fn case(text: &str) -> Case {
        Record::decode(text.as_bytes()).unwrap().episode.into_case().unwrap().unwrap()
    }

    fn at(time: &str) -> Timestamp {
        format!("2026-09-14T{time}Z").parse().unwrap()
    }

    fn told(text: &str, running_seen_at: Option<Timestamp>, now: &str) -> String {
        let picture = Picture::of(&case(text), running_seen_at, at(now));
        let bands = picture.cluster.iter().chain(&picture.told);
        let bands = bands.map(|band| format!("{} {}-{}", band.title, band.x, rounded(band.x + band.width)));
        let marks = |marks: &[Mark]| {
            marks.iter().map(|mark| format!("{}@{}", mark.text, mark.x)).collect::<Vec<_>>().join(" ")
        };
        format!(
            "{}\n{}\n{}",
            bands.collect::<Vec<_>>().join("\n"),
            marks(&picture.steps),
            marks(&picture.labels)
        )
    }

    #[test]
    fn a_case_that_waits_is_down_until_now() {
        let held = include_str!("../../../tests/records/v1_held.json");
        insta::assert_snapshot!(told(held, None, "18:15:10"), @"
        down for 15m 4-96
        people have an incident for 14m 17.28-96
        1–3@13.79
        18:00:00@4 18:15:10@96
        ");
    }

    #[test]
    fn a_case_that_was_restored_was_down_then_started_and_seen_running() {
        let closing = include_str!("../../../tests/records/v1_closing.json");
        insta::assert_snapshot!(told(closing, Some(at("18:03:40")), "19:00:00"), @"
        down for 41s 4-26.46
        being started for 2m59s 26.46-61.59
        seen running for 3m 61.59-96
        people have an incident for 6m29s 11.72-96
        1–3@10.85 4–5@26.46 6@96
        18:00:00@4 18:03:40@61.59 18:06:40@96
        ");
        let without_record = told(closing, None, "19:00:00");
        assert!(without_record.contains("being started for 5m59s"), "{without_record}");
    }

    #[test]
    fn a_clock_that_is_behind_draws_nothing_outside() {
        let Episode::Open(mut case) =
            Record::decode(include_bytes!("../../../tests/records/v1_told.json")).unwrap().episode
        else {
            panic!("it is open")
        };
        case.closed_at = Some(at("17:00:00"));
        let picture = Picture::of(&case, Some(at("12:00:00")), at("16:00:00"));
        let inside = |x: f64| (0.0..=100.0).contains(&x);
        assert!(
            picture
                .cluster
                .iter()
                .chain(&picture.told)
                .all(|band| inside(band.x) && inside(band.x + band.width))
        );
        assert!(picture.steps.iter().chain(&picture.stops).chain(&picture.labels).all(|mark| inside(mark.x)));
        let mut all_at_once = *case;
        all_at_once.timeline.iter_mut().for_each(|entry| entry.at = at("18:00:00"));
        (all_at_once.told, all_at_once.intent, all_at_once.opened_at) = (None, None, at("18:00:00"));
        let picture = Picture::of(&all_at_once, None, at("18:00:00"));
        assert!(picture.steps.iter().all(|mark| inside(mark.x)), "{picture:?}");
    }
}
