//! The figures beside their limits, as a table for people and as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::board::{Board, CASES};
use crate::cases::Stored;
use crate::cold_start::ColdStart;
use crate::flood::{Flooded, Rate};
use crate::load::{BURST, Load};
use crate::machine::{Machine, Slowness};
use crate::memory::Held;
use crate::process::{Memory, mib};
use crate::stats::Spread;
use crate::useless::Useless;
use crate::warm::Warm;
use crate::wire::LOOK_TAKES;

mod figure;
mod picture;

pub(crate) use figure::{Figure, Limit};

/// From the start of the process to the first answer: times that of the minimal server.
const COLD_START_RATIO_MAX: f64 = 2.0;
/// A warm event up to its start POST: times the same requests sent one after another by nobody else.
const WARM_RATIO_MAX: f64 = 1.5;
/// CPU of a warm event up to its start POST beyond that of the same requests alone, milliseconds of CPU where limits are told for.
const OWN_CPU_MS_MAX: f64 = 0.5;
/// Events of no use a second, beside a server that only reads and writes them.
const USELESS_RATIO_MIN: f64 = 0.6;
/// Resident memory at the start, and with five thousand open cases, MiB.
const RSS_START_MIB_MAX: f64 = 14.0;
const RSS_OPEN_MIB_MAX: f64 = 48.0;
/// The zip file that is downloaded and unpacked whenever the platform starts an instance, MB.
const PACKAGE_MB_MAX: f64 = 8.0;
/// GETs of the cluster up to a warm event's start POST.
const LOOKS_MAX: f64 = 1.0;
/// Start POSTs of an event.
const STARTS_MAX: f64 = 1.0;
/// Store writes one after another, beside the look and the POST.
const WRITES_IN_A_ROW_MAX: f64 = 2.0;
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
    /// How slow it is; none = not measured, and limits of CPU time are as they are told.
    pub(crate) slowness: Option<Slowness>,
    /// What is limited, and what is told beside it.
    pub(crate) figures: Vec<Figure>,
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
}

/// Beside programs that do nothing else.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Beside {
    pub(crate) cold_start: ColdStart,
    pub(crate) warm: Warm,
    pub(crate) useless: Useless,
    pub(crate) held: Held,
    pub(crate) sizes: Sizes,
}

/// What is published.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sizes {
    /// The executable's bytes.
    pub(crate) binary: u64,
    /// The zip file's bytes; none = not measured.
    pub(crate) package: Option<u64>,
}

/// Starts, and events one by one.
#[derive(Debug, Serialize)]
pub(crate) struct Single {
    pub(crate) beside: Beside,
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

/// The figures of a run.
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
        let what = format!("highest RSS of `{command}` {of}");
        Figure::of(what, "MiB", Spread::once(mib(kib)), Limit::Below(PEAK_RSS_MIB_MAX))
    };
    vec![
        Figure::of(first_row, "ms", Spread::once(stored.first_row_ms), Limit::Below(FIRST_ROW_MS_MAX)),
        memory("cases list", stored.list_peak_kib),
        memory("report", stored.report_peak_kib),
    ]
}

/// The board's views.
pub(crate) fn figures_of_board(board: &Board) -> Vec<Figure> {
    let what = |what: &str| format!("board, {CASES} open cases: {what}");
    let ms = Limit::Below(BOARD_MS_MAX);
    let peak = Spread::once(board.peak_rss_mib);
    vec![
        Figure::of(what("the first view"), "ms", board.first_ms, ms),
        Figure::of(what("the overview"), "ms", board.overview_ms, ms),
        Figure::of(what("highest RSS"), "MiB", peak, Limit::Below(BOARD_PEAK_RSS_MIB_MAX)),
    ]
}

fn figures_beside(beside: &Beside) -> Vec<Figure> {
    let Beside { cold_start, warm, useless, held, sizes } = beside;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let mb = |bytes: u64| Spread::once(bytes as f64 / 1e6);
    let mut figures = figures_of_start(cold_start);
    figures.extend(figures_of_warm(warm));
    figures.extend(figures_of_useless(useless));
    figures.extend(figures_of_held(held));
    figures.push(Figure::told("executable", "MB", mb(sizes.binary)));
    figures.extend(
        sizes
            .package
            .map(|bytes| Figure::of("package, zipped", "MB", mb(bytes), Limit::AtMost(PACKAGE_MB_MAX))),
    );
    figures
}

/// What the process holds.
pub(crate) fn figures_of_held(held: &Held) -> Vec<Figure> {
    let rss = |memory: Memory| Spread::once(memory.rss_mib());
    vec![
        Figure::of("RSS at start", "MiB", held.at_rest, Limit::AtMost(RSS_START_MIB_MAX)),
        Figure::told("RSS after one event", "MiB", rss(held.after_one)),
        Figure::told("RSS after 10,000 events", "MiB", rss(held.after_ten_thousand)),
        Figure::of(
            "RSS with 5,000 open cases",
            "MiB",
            rss(held.with_open_cases),
            Limit::AtMost(RSS_OPEN_MIB_MAX),
        ),
    ]
}

/// Starts, beside the minimal server's.
pub(crate) fn figures_of_start(start: &ColdStart) -> Vec<Figure> {
    vec![
        Figure::told("start to first answer", "ms", start.guard_ms),
        Figure::told("  the minimal server's", "ms", start.minimal_ms),
        Figure::of("start ÷ the minimal server's", "×", start.ratio(), Limit::AtMost(COLD_START_RATIO_MAX)),
        Figure::told("start to first event done", "ms", start.event_ms),
    ]
}

/// Warm events, beside their requests alone.
pub(crate) fn figures_of_warm(warm: &Warm) -> Vec<Figure> {
    vec![
        Figure::told("warm event to start POST", "ms", warm.wall_ms),
        Figure::told("  its requests alone", "ms", warm.bare_wall_ms),
        Figure::of("warm event ÷ its requests alone", "×", warm.ratio(), Limit::AtMost(WARM_RATIO_MAX)),
        Figure::told("CPU of a warm event to start POST", "ms", warm.cpu_ms),
        Figure::told("  its requests alone", "ms", warm.bare_cpu_ms),
        Figure::of(
            "own CPU of a warm event to start POST",
            "ms",
            warm.own_cpu_ms(),
            Limit::AtMost(warm.slowness().limit(OWN_CPU_MS_MAX)),
        ),
        Figure::told("requests of a warm event to start POST", "", warm.requests),
    ]
}

/// Events of no use, beside the echo server's.
pub(crate) fn figures_of_useless(useless: &Useless) -> Vec<Figure> {
    vec![
        Figure::told("events of no use", "/s", useless.guard),
        Figure::told("  the echo server's", "/s", useless.echo),
        Figure::of(
            "events of no use ÷ the echo server's",
            "×",
            useless.ratio(),
            Limit::AtLeast(USELESS_RATIO_MIN),
        ),
    ]
}

fn figures_of_floods(floods: &Floods) -> Vec<Figure> {
    let Floods { steady_rate, steady, at_once, .. } = floods;
    let (per_second, seconds) = (steady_rate.per_second, steady_rate.seconds);
    let at = format!("{per_second} events/s for {seconds} s");
    let burst = format!("{} events at once", at_once.events);
    let none = |what: String, count: usize| Figure::of(what, "", counted(count), Limit::AtMost(0.0));
    let below = |what: String, unit: &str, value, limit| {
        Figure::of(what, unit, Spread::once(value), Limit::Below(limit))
    };
    vec![
        below(format!("{at}: p99 of the answer"), "ms", steady.answers.p99_ms, ANSWER_P99_MS_MAX),
        none(format!("{at}: not acknowledged"), steady.unacknowledged),
        none(format!("{at}: acknowledged and lost"), steady.lost),
        none(format!("{burst}: acknowledged and lost"), at_once.lost),
        none(
            format!("{burst}: ARM calls beyond one look a stop"),
            at_once.looks.saturating_sub(at_once.new_stops),
        ),
        below(
            "highest RSS under load".to_owned(),
            "MiB",
            steady.peak_rss_mib.max(at_once.peak_rss_mib),
            PEAK_RSS_MIB_MAX,
        ),
    ]
}

fn figures_of_single(single: &Single) -> Vec<Figure> {
    let Single { beside, memory, azurite } = single;
    let azurite = azurite.as_ref();
    let mut figures = figures_beside(beside);
    // The store's own requests show only where it is on the wire.
    let real = azurite.unwrap_or(memory);
    let count = |what: &str, count, limit| Figure::of(what, "", counted(count), Limit::AtMost(limit));
    figures.push(count("ARM GETs up to the start POST, worst event", real.worst.looks, LOOKS_MAX));
    figures.push(count("start POSTs, worst event", real.worst.starts, STARTS_MAX));
    if let Some(azurite) = azurite {
        let what = "store writes one after another, median event";
        figures.push(count(what, azurite.writes_in_a_row, WRITES_IN_A_ROW_MAX));
    }
    for (load, place) in [(Some(memory), "memory"), (azurite, "Azurite")] {
        let Some(load) = load else { continue };
        let cpu = |what: &str, ms| Figure::told(format!("CPU of {what}, state in {place}"), "ms", ms);
        figures.push(cpu("a stop to its end", load.stop_cpu_ms));
        figures.push(cpu(&format!("one of {BURST} stops at a time"), load.burst_cpu_ms));
        figures.push(cpu("an event known already", load.known_cpu_ms));
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
        if let Some(slowness) = self.slowness {
            line(&mut text, &slowness.line());
        }
        line(
            &mut text,
            &format!("{} starts of each program, {} events of each kind", self.starts, self.events),
        );
        line(&mut text, "");
        text.push_str(&figure::table(&self.figures));
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

impl Report {
    /// The report as a picture.
    pub(crate) fn picture(&self) -> String {
        picture::draw(&self.machine, &self.figures)
    }
}

impl Single {
    fn human(&self) -> String {
        let mut text = String::new();
        line(&mut text, "");
        line(
            &mut text,
            &format!("minimal server's RSS: {:.1} MiB", self.beside.cold_start.minimal_memory.rss_mib()),
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

fn details(load: &Load, place: &str) -> String {
    let mut text = String::new();
    let Load { until_start_ms, worst, .. } = load;
    line(&mut text, "");
    line(&mut text, &format!("state in {place}:"));
    line(
        &mut text,
        &format!(
            "  invocation to start POST, median (p90): {:.1} ms ({:.1}), simulators and a look of {} ms included",
            until_start_ms.median,
            until_start_ms.p90,
            LOOK_TAKES.as_millis()
        ),
    );
    line(
        &mut text,
        &format!(
            "  CPU of the minimal server's GET /, one after each stop: {:.3} ms; a stop costs {:.0} of them",
            load.minimal_get_cpu_ms.median,
            load.stop_cpu_ms.median / load.minimal_get_cpu_ms.median
        ),
    );
    let anonymous = [load.at_rest, load.after_first, load.after_all].map(Memory::anonymous_mib);
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
fn counted(count: usize) -> Spread {
    Spread::once(count as f64)
}

#[cfg(test)]
mod tests;
