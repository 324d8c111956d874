//! `report`: what the guard saw and did in some time, for a manager and an auditor. Reads only.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::ValueEnum;
use jiff::SignedDuration;

use super::operator::block_on;
use super::policy::{FOR_ARM, FOR_STATE, since, tell_faults};
use super::stored::window;
use super::{Exit, output, wiring};
use crate::azure::HttpTransport;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Environment, Settings, TIMEZONE_SETTING};
use crate::domain::ClusterId;
use crate::history::month::Stopped;
use crate::history::{Month, Window};

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example, a page to send on:
  aks-stop-guard report --since 30d -o html --file month.html

Reads the guard's closed and open cases and tells the stops, verdicts, callers, times to restore, storms, what was left to people, and stops
that only discovery found. Clusters and callers that stand out come first. The HTML file has all in it, and runs nothing. docs/REPORT.md
says what each number means.

Exit codes: 0 the report was made, also where some cases could not be read (it says so), 1 it could not be, 3 settings are invalid.")]
pub(super) struct Args {
    /// How far back, in days or hours
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = since)]
    since: SignedDuration,
    /// The form of the report
    #[arg(short, long, value_enum, default_value = "human")]
    output: Form,
    /// Write it to this file instead of to standard output
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Tables for a person
    Human,
    /// For a program: every case is in it
    Json,
    /// One self-contained page with charts
    Html,
}

pub(super) fn run(args: &Args, environment: &Environment) -> anyhow::Result<Exit> {
    let http = HttpTransport::new();
    let settings = Settings::read(environment);
    let mut needed = vec![TIMEZONE_SETTING];
    needed.extend(FOR_ARM);
    needed.extend(FOR_STATE);
    let is_invalid = tell_faults(&settings, &needed);
    let (Some(store), false) = (wiring::store(&settings, &http), is_invalid) else {
        return Ok(Exit::Invalid);
    };
    let until = SystemClock.now();
    let span = Window { since: until - args.since, until };
    let kept = |cluster: &ClusterId, case| Stopped::of(cluster, &case);
    let found = block_on(async { Ok(window::read(&store?, span, kept).await?) })?;
    let mut month = Month::of(span, &settings.zone, found.cases);
    month.unreadable = found.unreadable;
    month.is_cut = found.is_cut;
    let text = match args.output {
        Form::Human => month.human(),
        Form::Json => output::document(&month)?,
        Form::Html => month.html()?,
    };
    match &args.file {
        None => output::print(&text),
        Some(file) => {
            std::fs::write(file, text).with_context(|| format!("`{}` can't be written", file.display()))?;
        }
    }
    Ok(Exit::Ok)
}
