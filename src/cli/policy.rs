//! `policy`: what people do with policies beside checking them.

mod case_file;
mod explain;
mod junit;
mod test;
mod words;

use clap::Subcommand;

use super::Exit;
use crate::config::Environment;

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
}

pub(super) fn run(args: &Args, environment: &Environment) -> anyhow::Result<Exit> {
    match &args.command {
        Command::Test(args) => test::run(args, environment),
        Command::Explain(args) => explain::run(args, environment),
    }
}
