//! `simulator demo`.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use simulator::demo::play::{Options, play};
use tokio::signal::unix::{SignalKind, signal};

/// Exit code after SIGINT or SIGTERM: what shells make of the former.
const INTERRUPTED: u8 = 130;
/// The guard's `POST_TIMEOUT` of 20 s must leave a busy machine the time to answer: at 60 it is a third of a second.
const SPEED_UP: u32 = 60;

/// Options of `demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0    all came out right, as seen in the simulated Azure and by the webhook receiver
  1    something did not; the guard's log tells more
  130  interrupted")]
pub(crate) struct Arguments {
    /// The guard's binary
    #[arg(long)]
    guard: PathBuf,
    /// The program azurite-blob
    #[arg(long)]
    azurite: PathBuf,
    /// Folder with host.json, the functions and the policies
    #[arg(long, default_value = ".")]
    app: PathBuf,
    /// Everything goes this many times as fast
    #[arg(long, default_value_t = SPEED_UP, value_parser = clap::value_parser!(u32).range(1..=100))]
    speed_up: u32,
}

/// Plays the demo to its end, or until SIGINT or SIGTERM. Whatever it started is gone when it comes back.
pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let is_terminal = std::io::stdout().is_terminal();
    let options = Options {
        project: arguments.app,
        guard: arguments.guard,
        azurite: arguments.azurite,
        speed_up: arguments.speed_up,
        colour: is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        is_terminal,
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        played = play(&options, std::io::stdout()) => {
            Ok(if played? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        _ = terminate.recv() => Ok(ExitCode::from(INTERRUPTED)),
        _ = interrupt.recv() => Ok(ExitCode::from(INTERRUPTED)),
    }
}
