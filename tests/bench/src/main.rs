//! `bench`: measures the released guard against its limits, as ratios within one run. See docs/PERFORMANCE.md.

mod azure;
mod board;
mod cases;
mod cold_start;
mod extra;
mod flood;
mod load;
mod machine;
mod memory;
mod process;
mod report;
mod stats;
mod store;
mod trip;
mod useless;
mod warm;
mod wire;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;

use flood::{Flood, Rate};
use load::Plan;
use machine::{Machine, Slowness};
use report::{
    Beside, Figure, Floods, Report, Single, Sizes, figures, figures_of_board, figures_of_held,
    figures_of_start, figures_of_useless, figures_of_warm,
};
use simulator::demo::azurite::Azurite;

/// Measures the released guard against its limits. Exit codes: 0 all within, 1 it could not be measured, 3 a limit was
/// missed.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    /// The released guard
    #[arg(long, required_unless_present = "serve_blobs")]
    guard: Option<PathBuf>,
    /// The folder of what the guard is measured beside, built the same way (minimal-server, echo-server, bare-requests); without it only
    /// the loads are measured
    #[arg(long)]
    beside: Option<PathBuf>,
    /// The zip file that is published
    #[arg(long, requires = "beside")]
    package: Option<PathBuf>,
    /// Files with the lines that the benches of the library wrote
    #[arg(long)]
    extra: Vec<PathBuf>,
    /// Where to write the result as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where to write the result as a picture
    #[arg(long)]
    svg: Option<PathBuf>,
    /// Azurite's blob service; without it only a state in memory is measured
    #[arg(long)]
    azurite: Option<PathBuf>,
    /// The guard's policies [default: those it is published with]
    #[arg(long)]
    policies: Option<PathBuf>,
    /// Starts of each program
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    starts: u16,
    /// Counted events of each kind
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=2_000))]
    events: u16,
    /// Counted warm events
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=2_000))]
    warm_events: u16,
    /// Measure this alone, to see what a change brings
    #[arg(long, requires = "beside")]
    only: Option<Only>,
    /// Seconds of the steady load; 0 leaves the loads out
    #[arg(long, default_value_t = 60)]
    seconds: u16,
    /// Events a second of the steady load
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..))]
    rate: u16,
    /// One event in so many of the steady load is new, the others are repeats
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..))]
    new_one_in: u16,
    /// Stored cases that `cases list` and `report` are run over; 0 leaves them out
    #[arg(long, default_value_t = 10_000)]
    cases: usize,
    /// Be a blob service on this port, and nothing else
    #[arg(long, hide = true)]
    serve_blobs: Option<u16>,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t = Output::Human)]
    output: Output,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Output {
    /// A table
    Human,
    /// One JSON object
    Json,
}

/// A measure that can be taken alone.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Only {
    /// Starts
    Start,
    /// Warm events up to their start POST
    Warm,
    /// Events of no use
    Useless,
    /// What the process holds
    Memory,
    /// The views of the board
    Board,
}

/// Events of the burst.
const BURST_EVENTS: usize = 10_000;
/// Rates at which every event is a new stop, events a second, and how long each lasts: where does it end?
const ALL_NEW_RATES: [u32; 5] = [50, 100, 150, 200, 300];
const ALL_NEW_SECONDS: u32 = 10;
/// Stops of one guard's load: five in each of the 1,000 subscriptions that its setting takes, less those for warming up.
const FLOOD_STOPS_MAX: usize = 4_900;

/// A limit was missed.
const MISSED: u8 = 3;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(port) = arguments.serve_blobs {
        simulator::blobs::serve(port).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let guard = arguments.guard.as_deref().context("--guard is missing")?;
    let report = measure(&arguments, guard).await?;
    let json = format!("{}\n", serde_json::to_string_pretty(&report)?);
    for (file, text) in [(&arguments.json, &json), (&arguments.svg, &report.picture())] {
        if let Some(file) = file {
            std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    let text = match arguments.output {
        Output::Human => report.human(),
        Output::Json => json,
    };
    std::io::stdout().write_all(text.as_bytes()).context("cannot print the result")?;
    Ok(if report.ok() { ExitCode::SUCCESS } else { ExitCode::from(MISSED) })
}

async fn measure(arguments: &Arguments, guard: &Path) -> Result<Report> {
    let machine = Machine::now();
    let policies = arguments.policies.clone().unwrap_or_else(azure::default_policies);
    let (starts, events) = (usize::from(arguments.starts), usize::from(arguments.events));
    if let (Some(only), Some(beside)) = (arguments.only, &arguments.beside) {
        let (figures, slowness) = alone(only, guard, beside, &policies, arguments).await?;
        return Ok(Report {
            machine,
            slowness,
            figures,
            starts,
            events,
            single: None,
            floods: None,
            board: None,
            stored: None,
        });
    }
    // First, so that what is wrong with a file is said before anything takes long.
    let extra = extra::read(&arguments.extra)?;
    let single = match &arguments.beside {
        None => None,
        Some(beside) => {
            let minimal = beside.join("minimal-server");
            let plan = Plan { guard, minimal: &minimal, policies: &policies, events };
            Some(singly(plan, beside, arguments).await?)
        }
    };
    let floods = match arguments.seconds {
        0 => None,
        _ => Some(flood(arguments, guard, &policies).await?),
    };
    let board = Some(board::measure(guard).await?);
    let stored = match arguments.cases {
        0 => None,
        count => Some(cases::measure(guard, count).await?),
    };
    let slowness = single.as_ref().map(|single| single.beside.warm.slowness());
    let mut figures = figures(single.as_ref(), floods.as_ref(), board.as_ref(), stored.as_ref());
    figures.extend(extra.into_iter().map(|measured| measured.figure(slowness)));
    Ok(Report { machine, slowness, figures, starts, events, single, floods, board, stored })
}

/// One measure; and how slow the machine is, if that tells it.
async fn alone(
    only: Only,
    guard: &Path,
    beside: &Path,
    policies: &Path,
    arguments: &Arguments,
) -> Result<(Vec<Figure>, Option<Slowness>)> {
    let figures = match only {
        Only::Start => {
            let minimal = beside.join("minimal-server");
            let starts = cold_start::measure(arguments.starts.into(), guard, policies, &minimal).await?;
            figures_of_start(&starts)
        }
        Only::Warm => {
            let bare = beside.join("bare-requests");
            let warm = warm::measure(guard, &bare, policies, arguments.warm_events.into()).await?;
            return Ok((figures_of_warm(&warm), Some(warm.slowness())));
        }
        Only::Board => figures_of_board(&board::measure(guard).await?),
        Only::Memory => figures_of_held(&memory::measure(guard, policies).await?),
        Only::Useless => {
            figures_of_useless(&useless::measure(guard, &beside.join("echo-server"), policies).await?)
        }
    };
    Ok((figures, None))
}

/// Starts, and events one by one.
async fn singly(plan: Plan<'_>, folder: &Path, arguments: &Arguments) -> Result<Single> {
    let Plan { guard, minimal, policies, .. } = plan;
    // Before Azurite is there, so that nothing runs beside the starts.
    let cold_start = cold_start::measure(arguments.starts.into(), guard, policies, minimal).await?;
    let bare = folder.join("bare-requests");
    let warm = warm::measure(guard, &bare, policies, arguments.warm_events.into()).await?;
    let useless = useless::measure(guard, &folder.join("echo-server"), policies).await?;
    let held = memory::measure(guard, policies).await?;
    let bytes = |file: &Path| -> Result<u64> {
        Ok(std::fs::metadata(file).with_context(|| format!("cannot look at {}", file.display()))?.len())
    };
    let package = arguments.package.as_deref().map(bytes).transpose()?;
    let beside = Beside { cold_start, warm, useless, held, sizes: Sizes { binary: bytes(guard)?, package } };
    let memory = load::measure(plan, None).await?;
    let azurite = match &arguments.azurite {
        Some(program) => {
            let azurite = Azurite::start(program).await?;
            Some(load::measure(plan, Some(&azurite)).await?)
        }
        None => None,
    };
    Ok(Single { beside, memory, azurite })
}

/// Many events.
async fn flood(arguments: &Arguments, guard: &Path, policies: &Path) -> Result<Floods> {
    let rate = |per_second, seconds, new_one_in| Rate { per_second, seconds, new_one_in };
    let steady_rate = rate(arguments.rate.into(), arguments.seconds.into(), arguments.new_one_in.into());
    let mut flood = Flood::start(guard, policies, FLOOD_STOPS_MAX).await?;
    let steady = flood.steadily(steady_rate).await?;
    let at_once = flood.at_once(BURST_EVENTS).await?;
    drop(flood);
    let mut all_new = Vec::new();
    for per_second in ALL_NEW_RATES {
        let mut flood = Flood::start(guard, policies, FLOOD_STOPS_MAX).await?;
        let rate = rate(per_second, ALL_NEW_SECONDS, 1);
        all_new.push((rate, flood.steadily(rate).await?));
    }
    Ok(Floods { steady_rate, steady, at_once, all_new })
}
