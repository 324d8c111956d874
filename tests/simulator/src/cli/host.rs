//! `simulator host`.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use simulator::host::log::{Entry, Level};
use simulator::host::{HandlerSource, Host, HostConfig, Shutdown};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// How long the last lines of the log may take to be printed.
const LAST_LINES: Duration = Duration::from_millis(200);

/// Options of `host`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folder with host.json and the functions
    #[arg(long)]
    app: PathBuf,
    /// Handler to start instead of the one host.json names, with the same arguments
    #[arg(long)]
    executable: Option<PathBuf>,
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Timers see time pass this many times as fast
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    speed_up: u32,
    /// An app setting, NAME=VALUE; may be given several times
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Runs until SIGINT, SIGTERM or the host's own giving up. The first line of stdout is a JSON object that says where
/// the host listens and with which keys (made up for this run); the host's log follows on stderr.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let app = arguments.app.canonicalize();
    let app = app.with_context(|| format!("cannot find the app `{}`", arguments.app.display()))?;
    let mut config = HostConfig::new(app);
    config.port = arguments.port;
    config.speed_up = arguments.speed_up;
    config.settings = arguments.settings;
    if let Some(executable) = arguments.executable {
        let found = executable.canonicalize();
        let found =
            found.with_context(|| format!("cannot find the executable `{}`", executable.display()))?;
        config.handler = HandlerSource::Executable(found);
    }
    let host = Host::start(config).await?;
    let (so_far, live) = host.log().follow();
    let lines = tokio::spawn(print(so_far, live));
    announce(&host)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = host.gave_up() => {}
    }
    let end = match host.shutdown().await {
        Shutdown::Drained => "all calls ended",
        Shutdown::CutOff => "calls in flight were cut off",
        Shutdown::HandlerLeftBehind => "a timer ran too long; the handler works on by itself",
    };
    // The log's last lines are printed before the end is told, unless a call that never ends still holds the log.
    let _ = tokio::time::timeout(LAST_LINES, lines).await;
    // As the log, the end is told to whoever still reads.
    let _ = writeln!(std::io::stderr(), "host ended: {end}");
    Ok(())
}

fn announce(host: &Host) -> Result<()> {
    let keys = host.keys();
    let line = serde_json::json!({
        "url": host.url(),
        "webhook": host.webhook_url(""),
        "masterKey": keys.master,
        "systemKey": keys.system,
        "functionKey": keys.function,
    });
    writeln!(std::io::stdout(), "{line}").context("cannot say where it listens")
}

/// Prints entries until the log is gone. A reader of stderr that goes away does not stop the host.
async fn print(so_far: Vec<Entry>, mut live: Receiver<Entry>) {
    for entry in so_far {
        print_entry(&entry);
    }
    loop {
        match live.recv().await {
            Ok(entry) => print_entry(&entry),
            Err(RecvError::Lagged(missed)) => {
                let _ = writeln!(std::io::stderr(), "warn: {missed} lines of the log were too fast to print");
            }
            Err(RecvError::Closed) => return,
        }
    }
}

fn print_entry(entry: &Entry) {
    let level = match entry.level {
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Fail => "fail",
    };
    let _ = writeln!(std::io::stderr(), "{level}: {}: {}", entry.category, entry.message);
}
