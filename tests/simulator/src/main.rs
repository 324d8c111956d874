//! `simulator`: a small Azure on a loopback port, for people and for tests of other processes.

mod cli;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

#[derive(Debug, Parser)]
#[command(name = "simulator", about = "A small Azure with state, on loopback")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Serve Azure Resource Manager, the identity endpoint, a webhook receiver and a control API
    Serve(cli::serve::Arguments),
    /// Stand in for the Azure Functions host: start a function app and its custom handler
    Host(cli::host::Arguments),
    /// Play the guard's binary against all of it, and say whether it did right
    Demo(cli::demo::Arguments),
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::Serve(arguments) => cli::serve::run(arguments).await.map(|()| ExitCode::SUCCESS),
        Command::Host(arguments) => cli::host::run(arguments).await.map(|()| ExitCode::SUCCESS),
        Command::Demo(arguments) => cli::demo::run(arguments).await,
    }
}
