//! The command line: one file a command.
//!
//! What a command was asked for goes to stdout; an error goes to stderr, in one line. How a command ended is told by
//! [`Exit`].

mod board;
mod cases;
mod check;
mod describe;
mod doctor;
mod drill;
mod evaluate;
mod grant;
mod harden;
mod hold;
mod init_state;
mod offline;
mod operator;
mod output;
mod policy;
mod posture;
mod report;
mod serve;
mod sink;
mod stored;
mod wiring;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::config;
use crate::domain::text;

/// Longest error that is printed, in characters.
const ERROR_CHARS_MAX: usize = 2_000;

/// How a command ended. The numbers are part of the interface: `--help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done. `evaluate`: the stop is authorised, or there is nothing to do.
    Ok,
    /// It failed: a file can't be read, a port can't be bound, the store can't be reached.
    Failure,
    /// The settings or the policies are invalid.
    Invalid,
    /// `evaluate`: the stop is not authorised, and the guard would start the cluster.
    Restart,
    /// `evaluate`: the stop is not authorised, and the guard would start nothing; people would be told, except in dry-run.
    Incident,
    /// `evaluate`: the guard would look again before it decides.
    Undecided,
    /// `policy test`: a case came out otherwise than expected. `policy replay`: some stops would be decided otherwise.
    Different,
    /// `posture`: there is a finding at least as severe as `--fail-on`.
    Exposed,
    /// `doctor`: there is a fault.
    Faulty,
    /// `drill`: a stage was not reached.
    Unproven,
}

impl Exit {
    /// The exit code. 2 is clap's, for arguments that can't be understood.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Invalid => 3,
            Self::Restart => 4,
            Self::Incident => 5,
            Self::Undecided => 6,
            Self::Different => 7,
            Self::Exposed => 8,
            Self::Faulty => 9,
            Self::Unproven => 10,
        }
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done; evaluate: the stop is authorised, or there is nothing to do
  1  it failed
  2  the arguments can't be understood
  3  the settings or the policies are invalid
  4  evaluate: not authorised, the guard would start the cluster
  5  evaluate: not authorised, nothing started; people told, but in dry-run
  6  evaluate: the guard would look again before it decides
  7  policy test: a case came out otherwise; policy replay: some stops would be decided otherwise
  8  posture: there is a finding at least as severe as --fail-on
  9  doctor: there is a fault
  10  drill: a stage was not reached

The settings are read from the environment; docs/SETTINGS.md lists them.";

/// Restarts an AKS cluster that nobody was allowed to stop, or raises an incident.
#[derive(Debug, Parser)]
#[command(name = "aks-stop-guard", version, about, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the invocations of the Azure Functions host (the default)
    Serve(serve::Args),
    /// Find all faults in the settings, the policies and the sinks
    Check(check::Args),
    /// Does it work? Rights, locks, events, state, heartbeat, sinks
    Doctor(doctor::Args),
    /// Stop a canary and see the guard bring it back, stage by stage
    Drill(drill::Args),
    /// Explain what the guard would do about a recorded event, offline
    Evaluate(evaluate::Args),
    /// Learn, test and explain policies, and see what they would have decided
    Policy(policy::Args),
    /// Planned stops: add, list, revoke
    Grant(grant::Args),
    /// The red button: add, list, lift
    Hold(hold::Args),
    /// What the guard is doing and what it did, case by case
    Cases(cases::Args),
    /// The same as pages in a browser, for this machine only
    Board(board::Args),
    /// Sinks: list them, see what they would send, try one out
    Sink(sink::Args),
    /// See how exposed clusters are to being stopped; reads, never writes
    Posture(posture::Args),
    /// Mend what posture finds: plan, then apply
    Harden(harden::Args),
    /// Report what happened in the last month: stops, verdicts, times to restore
    Report(report::Args),
    /// Make the containers of the state, for local development
    InitState(init_state::Args),
}

/// In which form the answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person
    Human,
    /// For a program
    Json,
}

/// Runs the command of the process's arguments.
pub fn run() -> ExitCode {
    let command = if asks_only_to_serve(std::env::args_os().skip(1)) { None } else { Cli::parse().command };
    let environment = config::from_env();
    let done = match command {
        None => serve::run(&serve::Args::default(), environment),
        Some(Command::Serve(args)) => serve::run(&args, environment),
        Some(Command::Check(args)) => check::run(&args, &environment),
        Some(Command::Doctor(args)) => doctor::run(&args, &environment),
        Some(Command::Drill(args)) => drill::run(&args, &environment),
        Some(Command::Evaluate(args)) => evaluate::run(&args, &environment),
        Some(Command::Policy(args)) => policy::run(&args, &environment),
        Some(Command::Grant(args)) => grant::run(args, &environment),
        Some(Command::Hold(args)) => hold::run(args, &environment),
        Some(Command::Cases(args)) => cases::run(args, &environment),
        Some(Command::Board(args)) => board::run(&args, &environment),
        Some(Command::Sink(args)) => sink::run(args, &environment),
        Some(Command::Posture(args)) => posture::run(&args, &environment),
        Some(Command::Harden(args)) => harden::run(args, &environment),
        Some(Command::Report(args)) => report::run(&args, &environment),
        Some(Command::InitState(_)) => init_state::run(&environment),
    };
    let exit = done.unwrap_or_else(|error| {
        let error = text::clean(&format!("{error:#}"), ERROR_CHARS_MAX);
        output::error(&format!("error: {error}\n"));
        Exit::Failure
    });
    ExitCode::from(exit.code())
}

/// Whether the arguments are those of the Functions host (`host.json`), or none. It waits for a start, and for these two words the command
/// line need not be put together with all its commands and options.
fn asks_only_to_serve(mut arguments: impl Iterator<Item = OsString>) -> bool {
    match (arguments.next(), arguments.next()) {
        (None, _) => true,
        (Some(word), None) => word == "serve",
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_defined_without_contradiction() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_asks_only_to_serve_is_understood_the_same_way_by_clap() {
        for arguments in [
            &[][..],
            &["serve"],
            &["serve", "--port=1"],
            &["--help"],
            &["check"],
            &["Serve"],
            &["serve", "x"],
        ] {
            let short = asks_only_to_serve(arguments.iter().map(OsString::from));
            let parsed = Cli::try_parse_from(["aks-stop-guard"].iter().chain(arguments));
            let long = parsed.is_ok_and(|cli| match cli.command {
                None => true,
                Some(Command::Serve(args)) => args == serve::Args::default(),
                Some(_) => false,
            });
            assert_eq!(short, long, "{arguments:?}");
        }
    }

    #[test]
    fn every_exit_code_but_claps_is_listed_once_in_the_help() {
        let all = [
            Exit::Ok,
            Exit::Failure,
            Exit::Invalid,
            Exit::Restart,
            Exit::Incident,
            Exit::Undecided,
            Exit::Different,
            Exit::Exposed,
            Exit::Faulty,
            Exit::Unproven,
        ];
        for code in all.map(Exit::code) {
            assert_eq!(EXIT_CODES.matches(&format!("\n  {code}  ")).count(), 1, "{code}");
            assert_ne!(code, 2);
        }
    }
}
