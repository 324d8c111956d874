//! `init-state`: makes the containers.

use std::fmt::Write as _;

use super::operator::block_on;
use super::{Exit, output, wiring};
use crate::azure::HttpTransport;
use crate::config::{Environment, FaultKind, Settings};
use crate::store::{Created, InitContainer};

/// Arguments of `init-state`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example, with Azurite running:
  STOP_GUARD_STATE=UseDevelopmentStorage=true aks-stop-guard init-state

May be repeated: containers that are there are left alone. In Azure the deployment makes them.")]
pub(super) struct Args {}

/// Settings without which the containers can't be made.
const NEEDED: [&str; 9] = [
    "STOP_GUARD_STATE",
    "STOP_GUARD_STATE_CONTAINER",
    "AZURITE_BLOB_STORAGE_URL",
    "STOP_GUARD_CLOUD",
    "STOP_GUARD_CREDENTIAL",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
];

pub(super) fn run(environment: &Environment) -> anyhow::Result<Exit> {
    let http = HttpTransport::new();
    let settings = Settings::read(environment);
    let is_needed = |name: &str, kind: FaultKind| NEEDED.contains(&name) && kind != FaultKind::Unknown;
    let mut faults = settings.faults.iter().filter(|fault| is_needed(&fault.setting, fault.kind)).peekable();
    if faults.peek().is_some() {
        for fault in faults {
            output::error(&format!("error: {fault}\n"));
        }
        return Ok(Exit::Invalid);
    }
    let Some(store) = wiring::store(&settings, &http) else { return Ok(Exit::Invalid) };
    let store = store?;
    output::print(&told(&block_on(async { Ok(store.init().await?) })?));
    Ok(Exit::Ok)
}

fn told(containers: &[InitContainer]) -> String {
    let mut told = String::new();
    if containers.is_empty() {
        told.push_str("memory needs no containers\n");
    }
    for InitContainer { name, created } in containers {
        let word = match created {
            Created::Now => "made",
            Created::Before => "was there already",
        };
        // Writing to a String can't fail.
        let _ = writeln!(told, "container `{name}`: {word}");
    }
    told
}
