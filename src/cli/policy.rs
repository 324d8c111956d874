//! `policy`: what people do with policies beside checking them.

mod case_file;
mod explain;
mod junit;
mod learn;
mod log;
mod replay;
mod test;
mod words;

use clap::Subcommand;

use super::{Exit, output};
use crate::config::{Environment, FaultKind, Settings};

pub(super) use log::since;

/// Arguments of `policy`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run cases in YAML against policies, like tests
    Test(test::Args),
    /// Explain why policies decide an event or a stored case as they do
    Explain(explain::Args),
    /// Learn who stops clusters from the activity log, and draft policies
    Learn(learn::Args),
    /// Show which stops of the past other policies would have decided otherwise
    Replay(replay::Args),
}

pub(super) fn run(args: &Args, environment: &Environment) -> anyhow::Result<Exit> {
    match &args.command {
        Command::Test(args) => test::run(args, environment),
        Command::Explain(args) => explain::run(args, environment),
        Command::Learn(args) => learn::run(args, environment),
        Command::Replay(args) => replay::run(args, environment),
    }
}

/// Settings that say where ARM is and who asks it.
pub(super) const FOR_ARM: [&str; 8] = [
    "STOP_GUARD_CLOUD",
    "STOP_GUARD_CREDENTIAL",
    "STOP_GUARD_ARM_ENDPOINT",
    "STOP_GUARD_ARM_SCOPE",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
];

/// Settings that say where the cases are.
pub(super) const FOR_STATE: [&str; 3] =
    ["STOP_GUARD_STATE", "STOP_GUARD_STATE_CONTAINER", "AZURITE_BLOB_STORAGE_URL"];

/// Tells the faults in these settings; true if there are any.
pub(super) fn tell_faults(settings: &Settings, needed: &[&str]) -> bool {
    let matters = |name: &str, kind: FaultKind| needed.contains(&name) && kind != FaultKind::Unknown;
    let mut any = false;
    for fault in settings.faults.iter().filter(|fault| matters(&fault.setting, fault.kind)) {
        output::error(&format!("error: {fault}\n"));
        any = true;
    }
    any
}
