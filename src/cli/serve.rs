//! `serve`: the custom handler of the Functions host.

use std::fs::File;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Builder;
use tokio::sync::{Notify, OnceCell, SetOnce};
use tokio::time::timeout;

use super::{Exit, wiring};
use crate::azure::HttpTransport;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Environment, FirstSettings, Settings};
use crate::domain::text::hex;
use crate::functions::envelope::{HttpRequest, RawEvent};
use crate::functions::{self, Announced, App, HttpOutput, Invocations, Outcome};
use crate::store::Location;
use crate::telemetry;

/// Stack of the thread that serves: a question to policies of some 100 operators fits onto it, so that none has to be made for each
/// question. Only what is used takes memory.
const STACK_BYTES: usize = 8 * 1024 * 1024;
/// How long putting the guard together waits for the host's first question, whose answer would have to share the cores with it. The host asks
/// as soon as it can connect.
const FIRST_ANSWER_WAIT: Duration = Duration::from_millis(5);

/// Arguments of `serve`.
#[derive(Debug, Default, PartialEq, Eq, clap::Args)]
#[command(after_help = "\
Example, without a Functions host:
  STOP_GUARD_STATE=memory STOP_GUARD_SUBSCRIPTIONS=<id> aks-stop-guard serve --port 8080

Broken settings do not end it: it then records stops, starts nothing and says what is broken. Only a port that can't be
bound ends it. SIGTERM and SIGINT do not: the Functions host ends it with SIGKILL.")]
pub(super) struct Args {
    /// Listen on this port of 127.0.0.1 (0: any free one, told in the log) instead of FUNCTIONS_CUSTOMHANDLER_PORT, which
    /// the host sets, or 8080
    #[arg(long)]
    port: Option<u16>,
}

/// Serves for as long as the process lives: it only comes back with an error.
pub(super) fn run(args: &Args, environment: Environment) -> anyhow::Result<Exit> {
    let first = FirstSettings::read(&environment);
    let log =
        telemetry::Settings { level: first.log, format: telemetry::Format::Json, now: || SystemClock.now() };
    telemetry::install(log)?;
    // One thread runs all tasks: a Consumption plan has one core, and next to nothing here computes. A second one would have an arena of the
    // allocator for itself, and what one frees the other can't use: that takes 15 MiB more in a burst.
    let runtime =
        Builder::new_current_thread().enable_all().build().context("the runtime can't be started")?;
    thread::scope(|threads| {
        let serving = thread::Builder::new()
            .name("serve".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(threads, || runtime.block_on(serve(args, first, environment)))
            .context("the thread that serves can't be started")?;
        serving.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// The host's first question is answered as soon as there is a socket; what comes after it waits until the guard is put together.
async fn serve(args: &Args, first: FirstSettings, environment: Environment) -> anyhow::Result<Exit> {
    let port = match args.port {
        Some(port) => port,
        None => first.port?,
    };
    let listener = functions::bind(port).await?;
    functions::outlive_signals();
    let port = listener.address().map_or(port, |address| address.port());
    let starting = Arc::new(Starting::default());
    let put_together = {
        let starting = Arc::clone(&starting);
        async move {
            // Late is no fault: nobody asks then.
            let _late = timeout(FIRST_ANSWER_WAIT, starting.asked.notified()).await;
            tokio::task::spawn_blocking(move || starting.put_together(&environment, port)).await
        }
    };
    tokio::select! {
        Err(error) = put_together => Err(error).context("the guard can't be put together"),
        never = functions::serve(listener, starting) => match never {},
    }
}

/// The functions of the app from the first moment on. Invocations wait for the app, within their own budgets.
#[derive(Default)]
struct Starting {
    app: SetOnce<App>,
    /// The host has asked whether the process lives.
    asked: Notify,
    /// That it was tried to know the executable's digest.
    knows_itself: OnceCell<()>,
}

impl Starting {
    /// Reads the settings with their files, and tries out the sinks. Then loads the policies, so that the first event need not wait for
    /// it, and says what is broken.
    fn put_together(&self, environment: &Environment, port: u16) {
        let http = HttpTransport::new();
        let settings = Settings::read(environment);
        say_hello(&settings, port);
        let evaluate = settings.evaluate;
        let tokens = wiring::access_tokens(&settings, &http);
        let guard = wiring::guard(settings, &http);
        // Nobody else sets it.
        let _is_first = self.app.set(App::new(guard.clone(), tokens).telling(evaluate));
        for fault in guard.faults() {
            tracing::error!(fault, "degraded: nothing is decided or started until this is mended");
        }
    }

    /// Tells the guard the digest of its executable, for evidence. Not at the start: to read some 20 MB would keep the first event waiting.
    async fn know_itself(&self, app: &App) {
        let know = async {
            match tokio::task::spawn_blocking(own_digest).await {
                Ok(Ok(sha256)) => {
                    tracing::info!(sha256, "the executable");
                    app.guard().is_executable(&sha256);
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the executable can't be read: evidence names its version only")
                }
                Err(_) => tracing::warn!("the executable was not read: evidence names its version only"),
            }
        };
        self.knows_itself.get_or_init(|| know).await;
    }
}

/// SHA-256 of the executable that runs, in lower-case hex, whatever became of its file.
fn own_digest() -> std::io::Result<String> {
    let mut digest = Sha256::new();
    std::io::copy(&mut File::open("/proc/self/exe")?, &mut digest)?;
    Ok(hex(&digest.finalize()))
}

#[async_trait]
impl Invocations for Starting {
    async fn stop_events(&self, events: Vec<RawEvent>) -> Outcome {
        self.app.wait().await.stop_events(events).await
    }

    async fn sweep(&self) -> Outcome {
        let app = self.app.wait().await;
        futures::join!(app.sweep(), self.know_itself(app)).0
    }

    async fn evaluate(&self, request: &HttpRequest) -> HttpOutput {
        self.app.wait().await.evaluate(request).await
    }

    async fn announce(&self, what: Announced, request: &HttpRequest) -> HttpOutput {
        self.app.wait().await.announce(what, request).await
    }

    fn host_asks(&self) {
        self.asked.notify_one();
    }
}

fn say_hello(settings: &Settings, port: u16) {
    tracing::info!(
        port,
        version = env!("CARGO_PKG_VERSION"),
        mode = %settings.mode,
        subscriptions = settings.subscriptions.as_ref().map_or(0, std::collections::BTreeSet::len),
        management_groups = settings.management_groups.len(),
        state = settings.state.as_ref().map(tracing::field::display),
        policies = %settings.policies.display(),
        sinks = settings.sink_names().join(","),
        "serving on 127.0.0.1"
    );
    if settings.state == Some(Location::Memory) {
        tracing::warn!("the state is in memory: open cases are lost with this process");
    }
    if settings.sink_names().is_empty() {
        tracing::warn!("there is no sink: incidents stand in the state only, nobody is told");
    }
}
