//! `simulator`: a small Azure on a loopback port, for people and for tests of other processes.

mod cli;

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
}

#[tokio::main]
async fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Serve(arguments) => cli::serve::run(arguments).await,
        Command::Host(arguments) => cli::host::run(arguments).await,
    }
}
