use super::*;
use crate::extra::Point;
use crate::flood::Answers;
use crate::process::Memory;
use crate::stats::Spread;
use crate::trip::Trip;

fn spread(median: f64, p90: f64) -> Spread {
    Spread { p10: median / 2.0, median, p90, runs: 50 }
}

fn memory(mib: u64) -> Memory {
    Memory { rss_kib: mib * 1024, anonymous_kib: mib * 256 }
}

fn load() -> Load {
    let worst = Trip {
        looks: 1,
        starts: 1,
        other_to_azure: 0,
        writes: 3,
        writes_in_a_row: 3,
        reads: 5,
        reads_in_a_row: 2,
        until_start_us: 4_000,
    };
    Load {
        at_rest: memory(8),
        after_first: memory(12),
        after_all: memory(20),
        stop_cpu_ms: spread(0.5, 0.75),
        burst_cpu_ms: spread(0.25, 0.5),
        minimal_get_cpu_ms: spread(0.025, 0.05),
        known_cpu_ms: spread(0.125, 0.25),
        until_start_ms: spread(2.0, 4.0),
        writes_in_a_row: 3,
        worst,
        last: vec!["   0.50 ms   1.50 ms  ARM: GET the cluster".to_owned()],
    }
}

fn report(azurite: Option<Load>) -> Report {
    let machine = Machine {
        cpu: "Example CPU".to_owned(),
        cores: 2,
        kernel: "6.1".to_owned(),
        load_before: "0.10".to_owned(),
        commit: "abc1234".to_owned(),
        date: "2026-11-24 12:00 UTC".to_owned(),
    };
    let single = Single { beside: beside(), memory: load(), azurite };
    let mut figures = figures(Some(&single), None, None, None);
    for (open, ms) in [(10.0, 0.5), (100.0, 5.0)] {
        let mut figure = Figure::told("a sweep", "ms", spread(ms, ms));
        figure.curve = Some(Point { curve: "a sweep".to_owned(), over: "open cases".to_owned(), at: open });
        figures.push(figure);
    }
    Report {
        machine,
        slowness: Some(single.beside.warm.slowness()),
        figures,
        starts: 50,
        events: 1_000,
        single: Some(single),
        floods: None,
        board: None,
        stored: None,
    }
}

fn beside() -> Beside {
    let cold_start = ColdStart {
        guard_ms: spread(5.0, 8.0),
        minimal_ms: spread(2.0, 3.0),
        event_ms: spread(20.0, 30.0),
        minimal_memory: memory(3),
    };
    let warm = Warm {
        wall_ms: spread(3.0, 4.0),
        bare_wall_ms: spread(2.0, 2.5),
        cpu_ms: spread(2.205, 3.0),
        bare_cpu_ms: spread(1.22, 1.5),
        own_cpu_share: spread(0.75, 1.5),
        requests: spread(9.0, 9.0),
    };
    let useless = Useless { guard: spread(5_000.0, 6_000.0), echo: spread(10_000.0, 12_000.0) };
    let held = Held {
        at_rest: spread(12.0, 13.0),
        after_one: memory(14),
        after_ten_thousand: memory(20),
        with_open_cases: memory(48),
        open_cases: 5_000,
    };
    let sizes = Sizes { binary: 20_000_000, package: Some(7_500_000) };
    Beside { cold_start, warm, useless, held, sizes }
}

#[test]
fn people_see_each_figure_beside_its_limit() {
    insta::assert_snapshot!(report(Some(load())).human(), @r"
    commit abc1234, 2026-11-24 12:00 UTC, 2 cores (Example CPU), Linux 6.1, load before 0.10
    limits of CPU time are 2.00 × as high as on the machine that they are told for: bare requests took 1.22 ms of CPU, and 0.61 ms there
    50 starts of each program, 1000 events of each kind

    figure                                                 median      p10 to p90  runs     limit
    start to first answer                                 5.00 ms    2.50 to 8.00    50
      the minimal server's                                2.00 ms    1.00 to 3.00    50
    start ÷ the minimal server's                           2.50 ×    1.25 to 4.00    50     ≤ 2 ×  MISSED
    start to first event done                            20.00 ms  10.00 to 30.00    50
    warm event to start POST                              3.00 ms    1.50 to 4.00    50
      its requests alone                                  2.00 ms    1.00 to 2.50    50
    warm event ÷ its requests alone                        1.50 ×    0.75 to 2.00    50   ≤ 1.5 ×  ok
    CPU of a warm event to start POST                     2.21 ms    1.10 to 3.00    50
      its requests alone                                  1.22 ms    0.61 to 1.50    50
    own CPU of a warm event to start POST                 0.92 ms    0.46 to 1.83    50    ≤ 1 ms  ok
    requests of a warm event to start POST                      9          4 to 9    50
    events of no use                                      5000 /s    2500 to 6000    50
      the echo server's                                  10000 /s   5000 to 12000    50
    events of no use ÷ the echo server's                   0.50 ×    0.25 to 0.60    50   ≥ 0.6 ×  MISSED
    RSS at start                                        12.00 MiB   6.00 to 13.00    50  ≤ 14 MiB  ok
    RSS after one event                                 14.00 MiB                     1
    RSS after 10,000 events                             20.00 MiB                     1
    RSS with 5,000 open cases                           48.00 MiB                     1  ≤ 48 MiB  ok
    executable                                           20.00 MB                     1
    package, zipped                                       7.50 MB                     1    ≤ 8 MB  ok
    ARM GETs up to the start POST, worst event                  1                     1       ≤ 1  ok
    start POSTs, worst event                                    1                     1       ≤ 1  ok
    store writes one after another, median event                3                     1       ≤ 2  MISSED
    CPU of a stop to its end, state in memory             0.50 ms    0.25 to 0.75    50
    CPU of one of 16 stops at a time, state in memory     0.25 ms    0.12 to 0.50    50
    CPU of an event known already, state in memory        0.12 ms   0.062 to 0.25    50
    CPU of a stop to its end, state in Azurite            0.50 ms    0.25 to 0.75    50
    CPU of one of 16 stops at a time, state in Azurite    0.25 ms    0.12 to 0.50    50
    CPU of an event known already, state in Azurite       0.12 ms   0.062 to 0.25    50
    a sweep                                               0.50 ms    0.25 to 0.50    50
    a sweep                                               5.00 ms    2.50 to 5.00    50

    minimal server's RSS: 3.0 MiB

    state in memory:
      invocation to start POST, median (p90): 2.0 ms (4.0), simulators and a look of 20 ms included
      CPU of the minimal server's GET /, one after each stop: 0.025 ms; a stop costs 20 of them
      heap and stacks at rest, after one event, after all: 2.0, 3.0, 5.0 MiB
      worst event up to its start POST: 1 look, 0 other to Azure, 3 store writes (3 in a row), 5 store reads (2 in a row)
      the last event (begin after the invocation, duration):
         0.50 ms   1.50 ms  ARM: GET the cluster

    state in Azurite:
      invocation to start POST, median (p90): 2.0 ms (4.0), simulators and a look of 20 ms included
      CPU of the minimal server's GET /, one after each stop: 0.025 ms; a stop costs 20 of them
      heap and stacks at rest, after one event, after all: 2.0, 3.0, 5.0 MiB
      worst event up to its start POST: 1 look, 0 other to Azure, 3 store writes (3 in a row), 5 store reads (2 in a row)
      the last event (begin after the invocation, duration):
         0.50 ms   1.50 ms  ARM: GET the cluster
    ");
}

#[test]
fn the_picture_is_the_same_for_the_same_figures_and_shows_each_that_has_a_limit() {
    let report = report(None);
    let picture = report.picture();
    assert_eq!(picture, report.picture());
    for figure in report.figures.iter().filter(|figure| figure.of_limit.is_some()) {
        assert!(picture.contains(&figure.what), "{}", figure.what);
    }
    assert_eq!(picture.matches("class=\"missed\"").count(), 2, "the minimal and the echo server");
    assert_eq!(picture.matches("<circle").count(), 2, "a curve of two points");
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
}

#[test]
fn what_the_librarys_benches_wrote_is_read_with_its_limits() {
    let file = std::env::temp_dir().join(format!("bench-extra-{}.json", std::process::id()));
    let lines = concat!(
        "running\n",
        r#"{"what":"load","unit":"ms","p10":1.0,"median":2.0,"p90":3.0,"runs":21,"at_most":1.5}"#,
        "\n",
        r#"{"what":"storm","unit":"×","p10":1.0,"median":1.0,"p90":1.0,"runs":1,"at_least":0.95,"curve":{"curve":"c","over":"o","at":10.0}}"#,
        "\n"
    );
    std::fs::write(&file, lines).unwrap();
    let measured = crate::extra::read(&[&file]).unwrap();
    std::fs::remove_file(&file).unwrap();
    let figures: Vec<Figure> = measured.into_iter().map(|measured| measured.figure(None)).collect();
    let [load, storm] = &figures[..] else { panic!("{figures:?}") };
    assert_eq!((load.ok, load.limit), (false, Limit::AtMost(1.5)));
    assert_eq!((storm.ok, storm.limit), (true, Limit::AtLeast(0.95)));
    assert_eq!(storm.curve.as_ref().map(|point| point.at), Some(10.0));
}

#[test]
fn limits_of_cpu_time_and_no_others_are_so_many_times_as_high_as_the_machine_is_slow() {
    let measured = |what: &str, unit: &str, limit: &str| -> Figure {
        let line = format!(
            r#"{{"what":"{what}","unit":"{unit}","p10":1.0,"median":2.0,"p90":3.0,"runs":21,"{limit}":1.0}}"#
        );
        serde_json::from_str::<crate::extra::Measured>(&line).unwrap().figure(Some(beside().warm.slowness()))
    };
    assert_eq!(measured("load", "ms", "at_most").limit, Limit::AtMost(2.0));
    assert_eq!(measured("a sweep for ten times the cases", "×", "at_most").limit, Limit::AtMost(1.0));
    assert_eq!(measured("storm", "ms", "at_least").limit, Limit::AtLeast(1.0));
    let figures = figures_of_warm(&beside().warm);
    let own = figures.iter().find(|figure| figure.what.starts_with("own CPU")).unwrap();
    assert_eq!(
        (own.limit, own.ok),
        (Limit::AtMost(1.0), true),
        "twice 0.5 ms: the bare requests take twice 0.61 ms"
    );
}

#[test]
fn a_missed_limit_is_said_and_fails_the_run() {
    let report = report(Some(load()));
    let missed: Vec<&str> = report.figures.iter().filter(|f| !f.ok).map(|f| f.what.as_str()).collect();
    assert_eq!(
        missed,
        [
            "start ÷ the minimal server's",
            "events of no use ÷ the echo server's",
            "store writes one after another, median event"
        ]
    );
    assert!(!report.ok());
}

#[test]
fn without_azurite_nothing_is_claimed_of_the_store() {
    let report = report(None);
    assert!(report.figures.iter().all(|figure| !figure.what.contains("store writes")));
    assert!(report.human().contains("no Azurite: store requests were not counted"));
}

fn flooded(p99_ms: f64, lost: usize, looks: usize) -> Flooded {
    Flooded {
        events: 10_000,
        new_stops: 1_000,
        answers: Answers { p50_ms: 5.0, p99_ms, max_ms: 900.0 },
        unacknowledged: 0,
        lost,
        looks,
        starts: 1_000,
        peak_rss_mib: 40.0,
        guard_cpu_s: 10.0,
        blobs_cpu_s: 2.0,
        bench_cpu_s: 3.0,
        took_s: 60.0,
    }
}

#[test]
fn a_slow_answer_a_lost_event_and_a_needless_look_under_load_are_missed_limits() {
    let missed = |steady, at_once| {
        let steady_rate = Rate { per_second: 500, seconds: 60, new_one_in: 15 };
        let floods = Floods { steady_rate, steady, at_once, all_new: Vec::new() };
        let figures = figures(None, Some(&floods), None, None);
        figures.into_iter().filter(|figure| !figure.ok).map(|figure| figure.what).collect::<Vec<String>>()
    };
    assert_eq!(missed(flooded(20.0, 0, 1_000), flooded(5_000.0, 0, 1_000)), [""; 0]);
    let bad = missed(flooded(1_000.0, 1, 1_000), flooded(20.0, 2, 1_001));
    insta::assert_snapshot!(bad.join("\n"), @r"
    500 events/s for 60 s: p99 of the answer
    500 events/s for 60 s: acknowledged and lost
    10000 events at once: acknowledged and lost
    10000 events at once: ARM calls beyond one look a stop
    ");
}

#[test]
fn a_slow_view_of_the_board_and_too_much_memory_are_missed_limits() {
    let missed = |first_ms, median, peak_rss_mib| {
        let part_ms = spread(1.0, 2.0);
        let board = Board {
            first_ms,
            all_known_ms: 900.0,
            overview_ms: spread(median, 2.0 * median),
            part_ms,
            peak_rss_mib,
        };
        figures(None, None, Some(&board), None).iter().filter(|figure| !figure.ok).count()
    };
    assert_eq!(missed(Spread::once(199.0), 199.0, 63.0), 0);
    assert_eq!(missed(Spread::once(200.0), 200.0, 64.0), 3);
}
