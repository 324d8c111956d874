//! `cases`: what the guard is doing, and what it did. Reads only.

pub(super) mod age;
mod archive;
mod export;
mod follow;
mod list;
pub(super) mod row;
pub(super) mod show;
pub(super) mod story;

use clap::{Args as ClapArgs, Subcommand};

use super::{Exit, output};
use crate::config::Environment;
use crate::domain::text;

/// Longest warning, in characters.
const WARNING_CHARS_MAX: usize = 1_000;

/// Arguments of `cases`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples, as whoever `az login` logged in:
  export STOP_GUARD_STATE=azure://<account>/<container> STOP_GUARD_CREDENTIAL=azure-cli
  aks-stop-guard cases list --open
  aks-stop-guard cases show 183dfd2ce3e81077fefbe09205c4ed44-1789408810
  aks-stop-guard cases follow
  aks-stop-guard cases export 183dfd2ce3e81077fefbe09205c4ed44-1789408810 --to case.tar

What can't be read is named on stderr, and the rest shown. docs/CASES.md has the rights that are needed.

Exit codes: 0 done, 1 something could not be read, 2 wrong arguments, 3 invalid settings.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List cases: the open ones, then the closed ones, the newest days first
    List(list::Args),
    /// Tell the whole story of a case, what it waits for and what to do
    Show(show::Args),
    /// Tell what happens as it happens
    Follow(follow::Args),
    /// Write a case with its evidence into one archive, with checksums
    Export(export::Args),
}

pub(super) fn run(args: Args, environment: &Environment) -> anyhow::Result<Exit> {
    match args.command {
        Command::List(args) => list::run(args, environment),
        Command::Show(args) => show::run(&args, environment),
        Command::Follow(args) => follow::run(&args, environment),
        Command::Export(args) => export::run(&args, environment),
    }
}

/// Tells of something that could not be read.
fn warn(what: &str) {
    output::error(&format!("warning: {}\n", text::clean(what, WARNING_CHARS_MAX)));
}
