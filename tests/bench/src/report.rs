//! The figures beside their limits, as a table for people and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::board::{Board, CASES};
use crate::cases::Stored;
use crate::cold_start::ColdStart;
use crate::flood::{Flooded, Rate};
use crate::load::{BURST, Load};
use crate::machine::Machine;
use crate::wire::LOOK_TAKES;

/// From the start of the process to the first answer: times that of the minimal server.
const COLD_START_RATIO_MAX: f64 = 3.0;
/// GETs of the cluster up to a warm event's start POST.
const LOOKS_MAX: f64 = 1.0;
/// Start POSTs of an event.
const STARTS_MAX: f64 = 1.0;
/// Store writes one after another, beside the look and the POST.
const WRITES_IN_A_ROW_MAX: f64 = 2.0;
/// CPU of one event, milliseconds.
const CPU_MS_MAX: f64 = 1.0;
/// Resident memory, MiB.
const RSS_MIB_MAX: f64 = 20.0;
/// The slowest answer in a hundred under a steady load, milliseconds. Event Grid waits 30 s.
const ANSWER_P99_MS_MAX: f64 = 1_000.0;
/// Highest resident memory under load, MiB.
const PEAK_RSS_MIB_MAX: f64 = 64.0;
/// A view of the board, milliseconds.
const BOARD_MS_MAX: f64 = 200.0;
/// Highest resident memory of the board, MiB.
const BOARD_PEAK_RSS_MIB_MAX: f64 = 64.0;

/// From the first answered list request to the first row, milliseconds: a person sees that it works.
const FIRST_ROW_MS_MAX: f64 = 300.0;

/// Everything that was measured in one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    /// Starts of each program.
    pub(crate) starts: usize,
    /// Counted events of each kind and place of the state.
    pub(crate) events: usize,
    /// Starts, and events one by one; none = not measured.
    pub(crate) single: Option<Single>,
    /// Many events; none = not measured.
    pub(crate) floods: Option<Floods>,
    /// The board; none = not measured.
    pub(crate) board: Option<Board>,
    /// Commands over stored cases; none = not measured.
    pub(crate) stored: Option<Stored>,
    /// What is limited.
    pub(crate) figures: Vec<Figure>,
}

/// Starts, and events one by one.
#[derive(Debug, Serialize)]
pub(crate) struct Single {
    pub(crate) cold_start: ColdStart,
    /// With the state in memory.
    pub(crate) memory: Load,
    /// With the state in Azurite; none = there was no Azurite.
    pub(crate) azurite: Option<Load>,
}

/// Many events.
#[derive(Debug, Serialize)]
pub(crate) struct Floods {
    pub(crate) steady_rate: Rate,
    pub(crate) steady: Flooded,
    pub(crate) at_once: Flooded,
    /// Rates at which every event is a new stop. For information.
    pub(crate) all_new: Vec<(Rate, Flooded)>,
}

/// One measured figure and its limit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) measured: f64,
    pub(crate) limit: f64,
    /// Measured ÷ limit.
    pub(crate) of_limit: f64,
    pub(crate) ok: bool,
}

impl Figure {
    /// At most.
    fn within(what: impl Into<String>, unit: &'static str, measured: f64, limit: f64) -> Self {
        // Of a limit of nothing, nothing is all right and anything is too much.
        let of_limit = if limit > 0.0 { measured / limit } else { measured };
        Self { what: what.into(), unit, measured, limit, of_limit, ok: measured <= limit }
    }

    /// Less than.
    fn below(what: impl Into<String>, unit: &'static str, measured: f64, limit: f64) -> Self {
        Self { ok: measured < limit, ..Self::within(what, unit, measured, limit) }
    }
}

/// The limited figures of a run.
pub(crate) fn figures(
    single: Option<&Single>,
    floods: Option<&Floods>,
    board: Option<&Board>,
    stored: Option<&Stored>,
) -> Vec<Figure> {
    let mut figures = single.map(figures_of_single).unwrap_or_default();
    figures.extend(floods.map(figures_of_floods).unwrap_or_default());
    figures.extend(board.map(figures_of_board).unwrap_or_default());
    figures.extend(stored.map(figures_of_stored).unwrap_or_default());
    figures
}

fn figures_of_stored(stored: &Stored) -> Vec<Figure> {
    let of = format!("of {} stored cases", stored.cases);
    let first_row = format!("`cases list` {of}: first row after the first answered list");
    let memory = |command: &str, kib| {
        Figure::below(format!("highest RSS of `{command}` {of}"), "MiB", mib(kib), PEAK_RSS_MIB_MAX)
    };
    vec![
        Figure::below(first_row, "ms", stored.first_row_ms, FIRST_ROW_MS_MAX),
        memory("cases list", stored.list_peak_kib),
        memory("report", stored.report_peak_kib),
    ]
}

fn figures_of_board(board: &Board) -> Vec<Figure> {
    let what = |what: &str| format!("board, {CASES} open cases: {what}");
    vec![
        Figure::below(what("the first view"), "ms", board.first_ms, BOARD_MS_MAX),
        Figure::below(what("p95 of the overview"), "ms", board.overview_ms.p95, BOARD_MS_MAX),
        Figure::below(what("highest RSS"), "MiB", board.peak_rss_mib, BOARD_PEAK_RSS_MIB_MAX),
    ]
}

fn figures_of_floods(floods: &Floods) -> Vec<Figure> {
    let Floods { steady_rate, steady, at_once, .. } = floods;
    let (per_second, seconds) = (steady_rate.per_second, steady_rate.seconds);
    let at = format!("{per_second} events/s for {seconds} s");
    let burst = format!("{} events at once", at_once.events);
    let none = |what: String, count: usize| Figure::within(what, "", as_f64(count), 0.0);
    vec![
        Figure::below(format!("{at}: p99 of the answer"), "ms", steady.answers.p99_ms, ANSWER_P99_MS_MAX),
        none(format!("{at}: not acknowledged"), steady.unacknowledged),
        none(format!("{at}: acknowledged and lost"), steady.lost),
        none(format!("{burst}: acknowledged and lost"), at_once.lost),
        none(
            format!("{burst}: ARM calls beyond one look a stop"),
            at_once.looks.saturating_sub(at_once.new_stops),
        ),
        Figure::below(
            "highest RSS under load",
            "MiB",
            steady.peak_rss_mib.max(at_once.peak_rss_mib),
            PEAK_RSS_MIB_MAX,
        ),
    ]
}

fn figures_of_single(single: &Single) -> Vec<Figure> {
    let Single { cold_start, memory, azurite } = single;
    let azurite = azurite.as_ref();
    let start = "start to first answer ÷ minimal server";
    let mut figures = vec![Figure::within(start, "×", cold_start.ratio(), COLD_START_RATIO_MAX)];
    // The store's own requests show only where it is on the wire, and memory of a lasting size only where the state is
    // not in it.
    let (real, place) = match azurite {
        Some(azurite) => (azurite, "Azurite"),
        None => (memory, "memory"),
    };
    let count = |what: &str, count, limit| Figure::within(what, "", as_f64(count), limit);
    figures.push(count("ARM GETs up to the start POST, worst event", real.worst.looks, LOOKS_MAX));
    figures.push(count("start POSTs, worst event", real.worst.starts, STARTS_MAX));
    if let Some(azurite) = azurite {
        let what = "store writes one after another, median event";
        figures.push(count(what, azurite.writes_in_a_row, WRITES_IN_A_ROW_MAX));
    }
    for (load, place) in [(Some(memory), "memory"), (azurite, "Azurite")] {
        let Some(load) = load else { continue };
        let cpu =
            |what: &str, ms| Figure::below(format!("CPU of {what}, state in {place}"), "ms", ms, CPU_MS_MAX);
        figures.push(cpu("a stop, one at a time", load.stop_cpu_ms));
        figures.push(cpu(&format!("a stop, {BURST} at a time"), load.burst_cpu_ms));
        figures.push(cpu("an event known already", load.known_cpu_ms));
    }
    for (memory, when) in [
        (real.at_rest, "at rest"),
        (real.after_first, "after one event"),
        (real.after_all, "after all events"),
    ] {
        let what = format!("RSS {when}, state in {place}");
        figures.push(Figure::below(what, "MiB", mib(memory.rss_kib), RSS_MIB_MAX));
    }
    figures
}

impl Report {
    /// Whether every figure is within its limit.
    pub(crate) fn ok(&self) -> bool {
        self.figures.iter().all(|figure| figure.ok)
    }

    /// The report for people.
    pub(crate) fn human(&self) -> String {
        let mut text = format!("{}\n", self.machine.line());
        line(
            &mut text,
            &format!("{} starts of each program, {} events of each kind", self.starts, self.events),
        );
        line(&mut text, "");
        text.push_str(&table(&self.figures));
        if let Some(single) = &self.single {
            text.push_str(&single.human());
        }
        if let Some(floods) = &self.floods {
            text.push_str(&floods.human());
        }
        if let Some(board) = &self.board {
            text.push_str(&board.human());
        }
        if let Some(stored) = &self.stored {
            let Stored { list_took_s, report_took_s, .. } = stored;
            line(&mut text, "");
            let took = format!("`cases list` took {list_took_s:.1} s, `report` {report_took_s:.1} s, in all");
            line(&mut text, &took);
        }
        text
    }
}

impl Single {
    fn human(&self) -> String {
        let mut text = String::new();
        let (guard, minimal) = (self.cold_start.guard_ms, self.cold_start.minimal_ms);
        line(&mut text, "");
        line(
            &mut text,
            &format!(
                "start, median (p95): guard {:.2} ms ({:.2}), minimal server {:.2} ms ({:.2})",
                guard.median, guard.p95, minimal.median, minimal.p95
            ),
        );
        line(
            &mut text,
            &format!("minimal server's RSS: {:.1} MiB", mib(self.cold_start.minimal_memory.rss_kib)),
        );
        for (load, place) in [(Some(&self.memory), "memory"), (self.azurite.as_ref(), "Azurite")] {
            let Some(load) = load else { continue };
            text.push_str(&details(load, place));
        }
        if self.azurite.is_none() {
            line(
                &mut text,
                "no Azurite: store requests were not counted, and RSS holds the state (make tools)",
            );
        }
        text
    }
}

impl Floods {
    fn human(&self) -> String {
        let mut text = String::new();
        line(&mut text, "");
        line(
            &mut text,
            "loads, state in a blob service of this workspace (its CPU and the generator's are beside the guard's):",
        );
        line(
            &mut text,
            "                  events  new stops  no 2xx  lost  p50 ms  p99 ms  max ms  looks  starts  peak MiB  CPU s: guard  blobs  bench  took s",
        );
        text.push_str(&row(&format!("{}/s", self.steady_rate.per_second), &self.steady));
        text.push_str(&row("at once", &self.at_once));
        for (rate, flooded) in &self.all_new {
            text.push_str(&row(&format!("{}/s, all new", rate.per_second), flooded));
        }
        text
    }
}

fn row(name: &str, flooded: &Flooded) -> String {
    let Flooded { events, new_stops, answers, unacknowledged, lost, looks, starts, .. } = flooded;
    format!(
        "  {name:<14}  {events:>6}  {new_stops:>9}  {unacknowledged:>6}  {lost:>4}  {:>6.0}  {:>6.0}  {:>6.0}  {looks:>5}  {starts:>6}  {:>8.1}  {:>12.1}  {:>5.1}  {:>5.1}  {:>6.1}\n",
        answers.p50_ms,
        answers.p99_ms,
        answers.max_ms,
        flooded.peak_rss_mib,
        flooded.guard_cpu_s,
        flooded.blobs_cpu_s,
        flooded.bench_cpu_s,
        flooded.took_s
    )
}

fn table(figures: &[Figure]) -> String {
    let width = figures.iter().map(|figure| figure.what.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    line(&mut text, &format!("{:<width$}  {:>12}  {:>8}  {:>8}", "figure", "measured", "limit", "of limit"));
    for Figure { what, unit, measured, limit, of_limit, ok } in figures {
        let word = if *ok { "ok" } else { "MISSED" };
        let (measured, limit) = match *unit {
            "" => (format!("{measured:.0}"), format!("{limit:.0}")),
            unit => (format!("{measured:.2} {unit}"), format!("{limit:.0} {unit}")),
        };
        line(&mut text, &format!("{what:<width$}  {measured:>12}  {limit:>8}  {of_limit:>8.2}  {word}"));
    }
    text
}

fn details(load: &Load, place: &str) -> String {
    let mut text = String::new();
    let Load { until_start_ms, worst, .. } = load;
    line(&mut text, "");
    line(&mut text, &format!("state in {place}:"));
    line(
        &mut text,
        &format!(
            "  invocation to start POST, median (p95): {:.1} ms ({:.1}), simulators and a look of {} ms included",
            until_start_ms.median,
            until_start_ms.p95,
            LOOK_TAKES.as_millis()
        ),
    );
    line(
        &mut text,
        &format!(
            "  CPU of the minimal server's GET /, one after each stop: {:.3} ms; a stop costs {:.0} of them",
            load.minimal_get_cpu_ms,
            load.stop_cpu_ms / load.minimal_get_cpu_ms
        ),
    );
    let anonymous = [load.at_rest, load.after_first, load.after_all].map(|memory| mib(memory.anonymous_kib));
    line(
        &mut text,
        &format!(
            "  heap and stacks at rest, after one event, after all: {:.1}, {:.1}, {:.1} MiB",
            anonymous[0], anonymous[1], anonymous[2]
        ),
    );
    line(
        &mut text,
        &format!(
            "  worst event up to its start POST: {} look, {} other to Azure, {} store writes ({} in a row), {} store reads ({} in a row)",
            worst.looks,
            worst.other_to_azure,
            worst.writes,
            worst.writes_in_a_row,
            worst.reads,
            worst.reads_in_a_row
        ),
    );
    line(&mut text, "  the last event (begin after the invocation, duration):");
    for exchange in &load.last {
        line(&mut text, &format!("  {exchange}"));
    }
    text
}

fn line(text: &mut String, line: &str) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "{line}");
}

#[expect(clippy::cast_precision_loss, reason = "a handful, or memory in KiB")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

#[cfg(test)]
mod tests;
