//! `check`: all faults at once, and what is told to whom.

mod sinks;

use std::fmt::Write as _;
use std::path::PathBuf;

use miette::{GraphicalReportHandler, GraphicalTheme};
use serde_json::{Value, json};

use super::{Exit, Format, output};
use crate::config::{Environment, Fault, PoliciesFault, Settings, load_policies};
use crate::policy::Policies;

/// Columns of the pictures of faults: as wide as a terminal usually is.
const COLUMNS: usize = 100;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example, before a deployment:
  aks-stop-guard check && func azure functionapp publish <app>

Exit codes: 0 no fault, 3 faults.")]
pub(super) struct Args {
    /// The folder of policies, instead of STOP_GUARD_POLICIES
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Format,
}

/// What was found.
struct Findings {
    settings: Settings,
    faults: Vec<Fault>,
    folder: PathBuf,
    policies: Result<Policies, Vec<PoliciesFault>>,
}

pub(super) fn run(args: &Args, environment: &Environment) -> anyhow::Result<Exit> {
    let settings = Settings::read(environment);
    let mut faults = settings.faults.clone();
    faults.extend(settings.port.as_ref().err().cloned());
    let folder = args.policies.clone().unwrap_or_else(|| settings.policies.clone());
    let policies = load_policies(&folder, &settings.sink_names());
    let findings = Findings { settings, faults, folder, policies };
    match args.output {
        Format::Human => {
            let colour = output::has_colours(environment);
            output::print(&findings.human(colour));
        }
        Format::Json => output::print(&format!("{:#}\n", findings.json())),
    }
    Ok(if findings.is_ok() { Exit::Ok } else { Exit::Invalid })
}

impl Findings {
    fn is_ok(&self) -> bool {
        self.faults.is_empty() && self.policies.is_ok()
    }

    fn human(&self, colour: bool) -> String {
        let mut told = String::new();
        // Writing to a String can't fail.
        let _ = match self.faults.len() {
            0 => writeln!(told, "settings  ok: {}", self.summary()),
            count => writeln!(told, "settings  {}", faults(count)),
        };
        for fault in &self.faults {
            let _ = writeln!(told, "  {fault}");
        }
        let _ = match &self.policies {
            Ok(policies) => {
                writeln!(told, "policies  ok: {} in {}", policies.len(), self.folder.display())
            }
            Err(found) => writeln!(told, "policies  {}", faults(found.len())),
        };
        for fault in self.policies.as_ref().err().into_iter().flatten() {
            told.push_str(&picture(fault, colour));
        }
        told.push_str(&sinks::human(&sinks::rows(&self.settings)));
        told
    }

    fn summary(&self) -> String {
        let count = self.settings.subscriptions.as_ref().map_or(0, std::collections::BTreeSet::len);
        let state = self.settings.state.as_ref().map(ToString::to_string).unwrap_or_default();
        let subscriptions = if count == 1 { "subscription" } else { "subscriptions" };
        let groups = match self.settings.management_groups.len() {
            0 => String::new(),
            1 => " and 1 management group".to_owned(),
            groups => format!(" and {groups} management groups"),
        };
        format!("mode {}, {count} {subscriptions}{groups}, state in {state}", self.settings.mode)
    }

    fn json(&self) -> Value {
        let settings = self.faults.iter().map(settings_json);
        let policies = self.policies.as_ref().err().into_iter().flatten().map(policies_json);
        json!({
            "ok": self.is_ok(),
            "faults": settings.chain(policies).collect::<Vec<_>>(),
            "mode": self.settings.mode.as_str(),
            "policies": self.policies.as_ref().ok().map(Policies::len),
            "sinks": sinks::rows(&self.settings),
        })
    }
}

fn faults(count: usize) -> String {
    if count == 1 { "1 fault".to_owned() } else { format!("{count} faults") }
}

fn settings_json(fault: &Fault) -> Value {
    match &fault.place {
        None => json!({ "in": "settings", "setting": fault.setting, "message": fault.to_string() }),
        Some((file, line)) => {
            json!({ "in": "sinks", "file": file, "line": line, "message": fault.to_string() })
        }
    }
}

fn policies_json(fault: &PoliciesFault) -> Value {
    match fault {
        PoliciesFault::Policy(fault) => json!({
            "in": "policies",
            "file": fault.file,
            "line": fault.line,
            "column": fault.column,
            "message": fault.message,
            "help": fault.help,
        }),
        PoliciesFault::Unreadable { .. } | PoliciesFault::Empty { .. } | PoliciesFault::NoSuchSink { .. } => {
            json!({ "in": "policies", "message": fault.to_string() })
        }
    }
}

/// A fault in a file with the lines around it; others as a line.
fn picture(fault: &PoliciesFault, colour: bool) -> String {
    match fault {
        PoliciesFault::Policy(found) => {
            let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
            let handler = GraphicalReportHandler::new_themed(theme).with_width(COLUMNS);
            let mut drawn = String::new();
            match handler.render_report(&mut drawn, found) {
                Ok(()) => drawn,
                Err(_) => format!("  {found}\n"),
            }
        }
        PoliciesFault::Unreadable { .. } | PoliciesFault::Empty { .. } | PoliciesFault::NoSuchSink { .. } => {
            format!("  {fault}\n")
        }
    }
}
