use super::*;
use crate::flood::Answers;
use crate::process::Memory;
use crate::stats::Spread;
use crate::trip::Trip;

fn spread(median: f64, p95: f64) -> Spread {
    Spread { median, p95 }
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
        stop_cpu_ms: 0.5,
        burst_cpu_ms: 0.25,
        minimal_get_cpu_ms: 0.025,
        known_cpu_ms: 0.125,
        until_start_ms: spread(2.0, 4.0),
        writes_in_a_row: 3,
        worst,
        last: vec!["   0.50 ms   1.50 ms  ARM: GET the cluster".to_owned()],
    }
}

fn report(azurite: Option<Load>) -> Report {
    let cold_start =
        ColdStart { guard_ms: spread(5.0, 8.0), minimal_ms: spread(2.0, 3.0), minimal_memory: memory(3) };
    let machine = Machine {
        cpu: "Example CPU".to_owned(),
        cores: 2,
        kernel: "6.1".to_owned(),
        load_before: "0.10".to_owned(),
        commit: "abc1234".to_owned(),
        date: "2026-11-24 12:00 UTC".to_owned(),
    };
    let single = Single { cold_start, memory: load(), azurite };
    let figures = figures(Some(&single), None, None, None);
    Report {
        machine,
        starts: 50,
        events: 1_000,
        single: Some(single),
        floods: None,
        board: None,
        stored: None,
        figures,
    }
}

#[test]
fn people_see_each_figure_beside_its_limit() {
    insta::assert_snapshot!(report(Some(load())).human(), @r"
    commit abc1234, 2026-11-24 12:00 UTC, 2 cores (Example CPU), Linux 6.1, load before 0.10
    50 starts of each program, 1000 events of each kind

    figure                                               measured     limit  of limit
    start to first answer ÷ minimal server                 2.50 ×       3 ×      0.83  ok
    ARM GETs up to the start POST, worst event                  1         1      1.00  ok
    start POSTs, worst event                                    1         1      1.00  ok
    store writes one after another, median event                3         2      1.50  MISSED
    CPU of a stop, one at a time, state in memory         0.50 ms      1 ms      0.50  ok
    CPU of a stop, 16 at a time, state in memory          0.25 ms      1 ms      0.25  ok
    CPU of an event known already, state in memory        0.12 ms      1 ms      0.12  ok
    CPU of a stop, one at a time, state in Azurite        0.50 ms      1 ms      0.50  ok
    CPU of a stop, 16 at a time, state in Azurite         0.25 ms      1 ms      0.25  ok
    CPU of an event known already, state in Azurite       0.12 ms      1 ms      0.12  ok
    RSS at rest, state in Azurite                        8.00 MiB    20 MiB      0.40  ok
    RSS after one event, state in Azurite               12.00 MiB    20 MiB      0.60  ok
    RSS after all events, state in Azurite              20.00 MiB    20 MiB      1.00  MISSED

    start, median (p95): guard 5.00 ms (8.00), minimal server 2.00 ms (3.00)
    minimal server's RSS: 3.0 MiB

    state in memory:
      invocation to start POST, median (p95): 2.0 ms (4.0), simulators and a look of 20 ms included
      CPU of the minimal server's GET /, one after each stop: 0.025 ms; a stop costs 20 of them
      heap and stacks at rest, after one event, after all: 2.0, 3.0, 5.0 MiB
      worst event up to its start POST: 1 look, 0 other to Azure, 3 store writes (3 in a row), 5 store reads (2 in a row)
      the last event (begin after the invocation, duration):
         0.50 ms   1.50 ms  ARM: GET the cluster

    state in Azurite:
      invocation to start POST, median (p95): 2.0 ms (4.0), simulators and a look of 20 ms included
      CPU of the minimal server's GET /, one after each stop: 0.025 ms; a stop costs 20 of them
      heap and stacks at rest, after one event, after all: 2.0, 3.0, 5.0 MiB
      worst event up to its start POST: 1 look, 0 other to Azure, 3 store writes (3 in a row), 5 store reads (2 in a row)
      the last event (begin after the invocation, duration):
         0.50 ms   1.50 ms  ARM: GET the cluster
    ");
}

#[test]
fn a_missed_limit_is_said_and_fails_the_run() {
    let report = report(Some(load()));
    let missed: Vec<&str> = report.figures.iter().filter(|f| !f.ok).map(|f| f.what.as_str()).collect();
    assert_eq!(
        missed,
        ["store writes one after another, median event", "RSS after all events, state in Azurite"]
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
    let missed = |first_ms, p95, peak_rss_mib| {
        let part_ms = spread(1.0, 2.0);
        let board =
            Board { first_ms, all_known_ms: 900.0, overview_ms: spread(10.0, p95), part_ms, peak_rss_mib };
        figures(None, None, Some(&board), None).iter().filter(|figure| !figure.ok).count()
    };
    assert_eq!(missed(199.0, 199.0, 63.0), 0);
    assert_eq!(missed(200.0, 200.0, 64.0), 3);
}
