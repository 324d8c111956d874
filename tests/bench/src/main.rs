//! `bench`: measures the released guard against its limits, as ratios within one run. See docs/PERFORMANCE.md.

mod azure;
mod azurite;
mod cold_start;
mod load;
mod machine;
mod process;
mod report;
mod stats;
mod trip;
mod wire;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;

use azure::Stage;
use azurite::Azurite;
use load::Plan;
use machine::Machine;
use report::{Report, figures};

/// Measures the released guard against its limits. Exit codes: 0 all within, 1 it could not be measured, 3 a limit was
/// missed.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    /// The released guard
    #[arg(long)]
    guard: PathBuf,
    /// The minimal server, built the same way
    #[arg(long)]
    minimal: PathBuf,
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

/// A limit was missed.
const MISSED: u8 = 3;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let report = measure(&arguments).await?;
    let text = match arguments.output {
        Output::Human => report.human(),
        Output::Json => format!("{}\n", serde_json::to_string_pretty(&report)?),
    };
    std::io::stdout().write_all(text.as_bytes()).context("cannot print the result")?;
    Ok(if report.ok() { ExitCode::SUCCESS } else { ExitCode::from(MISSED) })
}

async fn measure(arguments: &Arguments) -> Result<Report> {
    let machine = Machine::now();
    let policies = arguments.policies.clone().unwrap_or_else(azure::default_policies);
    let starts = usize::from(arguments.starts);
    let plan = Plan {
        guard: &arguments.guard,
        minimal: &arguments.minimal,
        policies: &policies,
        events: usize::from(arguments.events),
    };
    // Before Azurite is there, so that nothing runs beside the starts.
    let stage = Stage::serve(None).await?;
    let guard = |port: u16| {
        let mut command = stage.guard(plan.guard, plan.policies, 0);
        command.env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string());
        command
    };
    let cold_start = cold_start::measure(starts, &guard, &arguments.minimal)?;
    let memory = load::measure(plan, None).await?;
    let azurite = match &arguments.azurite {
        Some(program) => {
            let azurite = Azurite::start(program)?;
            Some(load::measure(plan, Some(&azurite)).await?)
        }
        None => None,
    };
    let figures = figures(&cold_start, &memory, azurite.as_ref());
    Ok(Report { machine, starts, events: plan.events, cold_start, memory, azurite, figures })
}
