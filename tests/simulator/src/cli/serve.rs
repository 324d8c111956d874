//! `simulator serve`.

use std::io::Write as _;

use anyhow::{Context as _, Result};
use simulator::http::Azure;
use simulator::sink::{Receiver, Secret};
use simulator::world::{AssignedIdentity, Caller, Settings};
use tokio::signal::unix::{SignalKind, signal};

/// Options of `serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Azure's durations and lags are divided by it
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    speed_up: u32,
    /// Check webhooks with this Standard Webhooks secret (`whsec_...`)
    #[arg(long)]
    webhook_secret: Option<String>,
}

/// Serves until SIGINT or SIGTERM. The first line of stdout is a JSON object that says where.
pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    // Before anybody is told where this listens, so that a signal never finds the default handler.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let secret = arguments.webhook_secret.as_deref().map(str::parse::<Secret>).transpose()?;
    let settings = Settings { speed_up: arguments.speed_up, ..Settings::default() };
    let identity_header = settings.identity_secret.clone();
    let azure = Azure::serve(settings, Receiver::new(secret), arguments.port)
        .await
        .with_context(|| format!("cannot listen on port {} of loopback", arguments.port))?;
    let host = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-guard/providers/\
                Microsoft.Web/sites/func-aks-guard";
    let caller = Caller::system_identity("guard", host);
    azure.world().assign_identity(AssignedIdentity { caller, user_assigned: false });
    let url = azure.url();
    let line = serde_json::json!({
        "url": url,
        "identityEndpoint": format!("{url}/msi/token"),
        "identityHeader": identity_header,
        "webhook": format!("{url}/webhook"),
    });
    writeln!(std::io::stdout(), "{line}").context("cannot say where it listens")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
