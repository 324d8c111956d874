//! `sink`: what sinks there are, what they would send, and whether they work.

mod stored;

use std::fmt::Write as _;

use anyhow::Context as _;
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::operator::block_on;
use super::stored::by_id;
use super::{Exit, Format, output, wiring};
use crate::azure::HttpTransport;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Environment, Settings, SinkEntry, SinkFolder};
use crate::domain::{Incident, IncidentState};
use crate::incident::samples::{self, Sample};
use crate::incident::{Delivered, DeliveryError, Shown};
use crate::store::OpenMarker;

/// Arguments of `sink`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example, after setting up PagerDuty:
  aks-stop-guard sink test pagerduty

Exit codes: 0 done, 1 it failed, 2 wrong arguments, 3 the sink's file or settings are invalid.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the sinks that there are files for, and the settings that each misses
    List(List),
    /// Print what a sink would send for a sample or a stored case; secrets are hidden, nothing is sent
    Render(Render),
    /// Send a marked test incident over a sink and resolve it, in whatever mode the guard is
    Test(Test),
}

#[derive(Debug, ClapArgs)]
struct List {
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Format,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples, for a sample and for a case of the state, as it is now:
  aks-stop-guard sink render slack --state resolved
  aks-stop-guard sink render slack --case 183dfd2ce3e81077fefbe09205c4ed44-1789408810

Settings of the sink that are missing are made up. For a case the state is read with your own rights: see STOP_GUARD_STATE and
STOP_GUARD_CREDENTIAL.

Exit codes: 0 done, 1 it failed, 2 wrong arguments, 3 the sink's file or the settings are invalid.")]
struct Render {
    /// The sink: its file's name without .toml
    name: String,
    /// The state of the sample
    #[arg(long, value_enum, default_value = "opened", conflicts_with = "case")]
    state: State,
    /// What the sample is about
    #[arg(long, value_enum, default_value = "stop", conflicts_with = "case")]
    sample: About,
    /// A stored case, open or closed, by the id that its incident has
    #[arg(long, value_name = "ID", value_parser = by_id::case_id)]
    case: Option<OpenMarker>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Format,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example:
  aks-stop-guard sink test teams

People may be woken: the incident's title begins with [test]. It is sent in mode dry-run as well.")]
struct Test {
    /// The sink: its file's name without .toml
    name: String,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    /// Told for the first time
    Opened,
    /// Something changed
    Updated,
    /// Over
    Resolved,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum About {
    /// One cluster that somebody stopped
    Stop,
    /// Many clusters at once
    Storm,
    /// The guard itself needs people
    Guard,
}

pub(super) fn run(args: Args, environment: &Environment) -> anyhow::Result<Exit> {
    let settings = Settings::read(environment);
    let folder = SinkFolder::of(environment);
    match args.command {
        Command::List(args) => {
            list(&args, environment, &settings, &folder);
            Ok(Exit::Ok)
        }
        Command::Render(args) => {
            render(&args, entry(&args.name, environment, &settings, &folder)?, environment, &settings)
        }
        Command::Test(args) => test(&args, entry(&args.name, environment, &settings, &folder)?, &settings),
    }
}

fn entry(
    name: &str,
    environment: &Environment,
    settings: &Settings,
    folder: &SinkFolder,
) -> anyhow::Result<SinkEntry> {
    folder.entry(name, environment, &settings.zone, &settings.azure_for_sinks()).with_context(|| {
        let known: Vec<&str> = folder.names().collect();
        format!("`{name}` is no sink: there are {}", known.join(", "))
    })
}

fn list(args: &List, environment: &Environment, settings: &Settings, folder: &SinkFolder) {
    let azure = settings.azure_for_sinks();
    let entries: Vec<(&str, SinkEntry)> = folder
        .names()
        .filter_map(|name| Some((name, folder.entry(name, environment, &settings.zone, &azure)?)))
        .collect();
    let used = settings.sink_names();
    match args.output {
        Format::Human => {
            let width = entries.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
            let mut told = String::new();
            for (name, entry) in &entries {
                // Writing to a String can't fail.
                let _ = writeln!(told, "{name:width$}  {:9}  {}", standing(name, entry, &used), about(entry));
                for setting in entry.settings.iter().filter(|setting| !setting.is_set && !setting.optional) {
                    let _ =
                        writeln!(told, "{:width$}  {:9}  needs {}: {}", "", "", setting.env, setting.about);
                }
                for fault in entry.faults.iter().filter(|fault| !fault.contains(" is missing: ")) {
                    let _ = writeln!(told, "{:width$}  {:9}  {fault}", "", "");
                }
            }
            output::print(&told);
        }
        Format::Json => {
            let entries = entries.iter().map(|(name, entry)| list_json(name, entry, &used));
            output::print(&format!("{:#}\n", Value::Array(entries.collect())));
        }
    }
}

/// In a word: named by the settings and in order; in order; not all settings are there; something else is wrong.
fn standing(name: &str, entry: &SinkEntry, used: &[&str]) -> &'static str {
    let misses = entry.settings.iter().any(|setting| !setting.is_set && !setting.optional);
    match (entry.faults.is_empty(), used.contains(&name)) {
        (true, true) => "used",
        (true, false) => "ready",
        (false, _) if misses && entry.sink.is_some() => "not set",
        (false, _) => "broken",
    }
}

fn about(entry: &SinkEntry) -> &str {
    entry.sink.as_ref().map_or("", |sink| sink.about())
}

fn list_json(name: &str, entry: &SinkEntry, used: &[&str]) -> Value {
    let settings = entry.settings.iter().map(|setting| {
        json!({
            "name": setting.env,
            "about": setting.about,
            "optional": setting.optional,
            "set": setting.is_set,
        })
    });
    json!({
        "name": name,
        "about": about(entry),
        "standing": standing(name, entry, used),
        "settings": settings.collect::<Vec<_>>(),
        "faults": entry.faults,
    })
}

fn render(
    args: &Render,
    entry: SinkEntry,
    environment: &Environment,
    settings: &Settings,
) -> anyhow::Result<Exit> {
    let Some(sink) = entry.sink else { return Ok(invalid(&entry.faults)) };
    let incident = match &args.case {
        Some(id) => match stored::incident(id, environment, settings)? {
            Ok(incident) => incident,
            Err(exit) => return Ok(exit),
        },
        None => sample(args),
    };
    let shown = sink.show(&incident);
    let shown = shown.map_err(|(line, why)| anyhow::anyhow!("sinks/{}.toml:{line}: {why}", args.name))?;
    match args.output {
        Format::Human => output::print(&shown.iter().map(human).collect::<Vec<_>>().join("\n")),
        Format::Json => output::print(&output::document(&shown)?),
    }
    Ok(Exit::Ok)
}

fn sample(args: &Render) -> Incident {
    let sample = match args.sample {
        About::Stop => Sample::Stop,
        About::Storm => Sample::Storm,
        About::Guard => Sample::Guard,
    };
    let state = match args.state {
        State::Opened => IncidentState::Opened,
        State::Updated => IncidentState::Updated,
        State::Resolved => IncidentState::Resolved,
    };
    samples::sample(sample, state)
}

/// A request as it would go over the wire, its body spread out.
fn human(shown: &Shown) -> String {
    let mut told = format!("# {}\n{} {}\n", shown.step, shown.method, shown.url);
    for (name, value) in &shown.headers {
        // Writing to a String can't fail.
        let _ = writeln!(told, "{name}: {value}");
    }
    if let Some(body) = &shown.body {
        let _ = writeln!(told, "\n{body:#}");
    }
    told
}

fn test(args: &Test, entry: SinkEntry, settings: &Settings) -> anyhow::Result<Exit> {
    let Some(sink) = entry.sink.filter(|_| entry.faults.is_empty()) else {
        return Ok(invalid(&entry.faults));
    };
    let http = HttpTransport::new();
    let sink = wiring::sink(sink, settings.arm.as_ref(), &http);
    let started = SystemClock.now();
    let mut outcomes = Vec::new();
    for state in [IncidentState::Opened, IncidentState::Resolved] {
        let now = SystemClock.now();
        let incident = samples::rehearsal(state, started, now);
        let outcome = block_on(async { Ok(sink.deliver(&incident, now).await) })?;
        let failed = outcome.is_err();
        outcomes.push((state, now, outcome));
        if failed {
            break;
        }
    }
    match args.output {
        Format::Human => {
            for (state, _, outcome) in &outcomes {
                output::print(&format!("{:9} {}\n", state.as_str(), told(outcome)));
            }
        }
        Format::Json => {
            let outcomes = outcomes.iter().map(|(state, at, outcome)| outcome_json(*state, *at, outcome));
            output::print(&format!("{:#}\n", Value::Array(outcomes.collect())));
        }
    }
    let is_delivered = outcomes.iter().all(|(_, _, outcome)| outcome.is_ok());
    Ok(if is_delivered { Exit::Ok } else { Exit::Failure })
}

fn told(outcome: &Result<Delivered, DeliveryError>) -> String {
    match outcome {
        Ok(Delivered { status: 0, .. }) => "nothing to send: the sink tells nothing of this state".to_owned(),
        Ok(Delivered { status, reference: None }) => format!("delivered ({status})"),
        Ok(Delivered { status, reference: Some(reference) }) => {
            format!("delivered ({status}) as {reference}")
        }
        Err(error) => format!("failed: {error}"),
    }
}

fn outcome_json(state: IncidentState, at: Timestamp, outcome: &Result<Delivered, DeliveryError>) -> Value {
    let (status, reference, error) = match outcome {
        Ok(delivered) => (Some(delivered.status), delivered.reference.clone(), None),
        Err(error) => (None, None, Some(error.to_string())),
    };
    json!({
        "state": state.as_str(),
        "at": at.to_string(),
        "delivered": outcome.is_ok(),
        "status": status,
        "reference": reference,
        "error": error,
    })
}

fn invalid(faults: &[String]) -> Exit {
    for fault in faults {
        output::error(&format!("error: {fault}\n"));
    }
    Exit::Invalid
}
