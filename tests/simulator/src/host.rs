//! A stand-in for the Azure Functions host.
//!
//! It reads a function app from disk, starts its custom handler, sends it invocations and answers its own callers, as
//! the host 4.1037 with the Event Grid extension 3.3.0 was recorded to do (`tests/simulator/recorded`). Where it
//! differs on purpose, a table in `tests/simulator/tests/host_standin/main.rs` says so. Its handler gets a port of
//! [`ports`](crate::ports), where the host asks the system for any.
//!
//! Queue triggers are built from the host's source, not from a recording. Not here: retry policies, request forwarding
//! and proxying, timers' memory across host restarts,
//! reloading when `host.json` changes, and anything the Azure platform does around the host.

pub mod answer;
pub mod app;
mod chance;
mod child;
mod config;
pub mod cron;
pub mod dates;
pub mod envelope;
mod frontend;
mod http_trigger;
mod in_flight;
mod invocation;
pub mod json;
mod keys;
pub mod log;
pub mod output;
mod queues;
mod server;
mod timers;
pub mod trace;
mod webhook;
pub mod wire;
mod worker;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use config::{EventDates, HandlerSource, HostConfig, TimingOverrides, Timings};
pub use keys::Keys;
pub use queues::Queues;

use crate::ports::free_port;
use app::{App, AppError, Trigger};
use in_flight::InFlight;
use log::Log;
use timers::FastClock;
use trace::Telemetry;
use worker::{Setting, Worker};

/// Why the host cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The app cannot be read.
    #[error(transparent)]
    App(#[from] AppError),
    /// No port to listen on.
    #[error("cannot listen on the loopback interface: {0}")]
    Listen(std::io::Error),
}

/// How a host ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// All calls ended in time; the handler is killed.
    Drained,
    /// Callers were cut off after the limit; the handler is killed.
    CutOff,
    /// A timer ran too long; the handler is left behind and works on.
    HandlerLeftBehind,
}

/// What all parts of a running host share.
pub(crate) struct Shared {
    pub(crate) app: App,
    pub(crate) keys: Keys,
    pub(crate) timings: Timings,
    pub(crate) telemetry: Telemetry,
    pub(crate) event_dates: EventDates,
    pub(crate) worker: Worker,
    /// Why the host answers 503 to everything.
    pub(crate) fault: Option<String>,
    pub(crate) log: Log,
    pub(crate) address: SocketAddr,
    pub(crate) timer_clock: FastClock,
    /// Calls that no HTTP caller waits for: those of timers and queues.
    pub(crate) background_calls: InFlight,
    pub(crate) queues: Queues,
    /// True once the host ends, by order or by itself.
    pub(crate) stopping: watch::Sender<bool>,
}

/// A running host. Dropping it kills the handler.
pub struct Host {
    shared: Arc<Shared>,
    server: server::Server,
    listeners: tokio::task::JoinSet<()>,
}

impl Host {
    /// Reads the app, starts the handler and listens. Does not wait until the handler is ready: the real host does not
    /// either, and makes early calls wait.
    pub async fn start(config: HostConfig) -> Result<Host, HostError> {
        let settings: BTreeMap<String, String> = config.settings.iter().cloned().collect();
        let app = App::read(&config.app, &settings)?;
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, config.port)).await.map_err(HostError::Listen)?;
        let address = listener.local_addr().map_err(HostError::Listen)?;
        let shared = Arc::new(share(config, app, address).await?);
        if let Some(fault) = &shared.fault {
            shared
                .log
                .fail(log::GENERAL, format!("A host error has occurred during startup operation. {fault}"));
        }
        for (name, reason) in &shared.app.refused {
            let message =
                format!("Function 'Functions.{name}' failed indexing and will be disabled. {reason}");
            shared.log.warn(log::GENERAL, message);
        }
        let server = server::Server::start(listener, frontend::router(Arc::clone(&shared)), &shared.stopping);
        let mut listeners = tokio::task::JoinSet::new();
        for (name, function) in &shared.app.functions {
            let (shared, name, binding) = (Arc::clone(&shared), name.clone(), function.binding.clone());
            match &function.trigger {
                _ if function.disabled => {}
                Trigger::Timer(timer) => {
                    drop(listeners.spawn(timers::fire(shared, name, binding, timer.clone())));
                }
                Trigger::Queue(queue) => {
                    drop(listeners.spawn(queues::listen(shared, name, binding, queue.clone())));
                }
                Trigger::EventGrid(_) | Trigger::Http(_) => {}
            }
        }
        Ok(Host { shared, server, listeners })
    }

    /// `http://127.0.0.1:<port>` of the host.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    /// The webhook for Event Grid, with its key.
    #[must_use]
    pub fn webhook_url(&self, function: &str) -> String {
        let key = &self.shared.keys.system;
        format!("{}/runtime/webhooks/eventgrid?functionName={function}&code={key}", self.url())
    }

    /// The keys callers need.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    /// The port of the handler, the same for all its processes.
    #[must_use]
    pub fn handler_port(&self) -> u16 {
        self.shared.worker.port
    }

    /// The handler's process.
    #[must_use]
    pub fn handler_pid(&self) -> Option<u32> {
        self.shared.worker.pid()
    }

    /// How many times the handler was started.
    #[must_use]
    pub fn handler_starts(&self) -> usize {
        self.shared.worker.starts()
    }

    /// The host's log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    /// Waits until the handler is ready; false when it never will be.
    pub async fn ready(&self) -> bool {
        self.shared.worker.settled().await == worker::Phase::Ready
    }

    /// Waits until the host gives up by itself (three errors, or a handler that never became ready).
    pub async fn gave_up(&self) {
        // The sender lives as long as `self`.
        let _ = self.shared.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }

    /// Kills the handler now, as a crash would.
    pub async fn kill_child(&self) {
        self.shared.worker.kill().await;
    }

    /// Ends as on SIGTERM: refuses new calls, waits for those in flight, then kills the handler.
    pub async fn shutdown(mut self) -> Shutdown {
        self.shared.log.info(log::GENERAL, "Stopping host...");
        self.shared.stopping.send_replace(true);
        let drained = self.server.drain(self.shared.timings.shutdown).await;
        let timers =
            tokio::time::timeout(self.shared.timings.timer_shutdown, self.shared.background_calls.none());
        if timers.await.is_err() {
            self.shared.log.warn(log::GENERAL, "Host did not shutdown within its allotted time.");
            self.shared.worker.orphan().await;
            return Shutdown::HandlerLeftBehind;
        }
        self.shared.worker.stop().await;
        self.listeners.shutdown().await;
        if drained { Shutdown::Drained } else { Shutdown::CutOff }
    }

    /// Dies as on SIGKILL: callers are cut off, the handler works on with a broken pipe for stdout. Returns its process.
    pub async fn orphan(mut self) -> Option<u32> {
        let pid = self.shared.worker.pid();
        self.shared.stopping.send_replace(true);
        self.server.drain(Duration::ZERO).await;
        self.shared.worker.orphan().await;
        pid
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.shared.stopping.send_replace(true);
        self.shared.worker.abandon();
    }
}

async fn share(config: HostConfig, app: App, address: SocketAddr) -> Result<Shared, HostError> {
    let overrides = config.timings;
    let timings = Timings {
        initialization: overrides.initialization.unwrap_or(app.initialization_timeout),
        ping_interval: Duration::from_millis(25),
        function: overrides.function.unwrap_or(app.function_timeout),
        // ASP.NET's limit on .NET 10, and what the host gives its listeners.
        shutdown: overrides.shutdown.unwrap_or(Duration::from_secs(30)),
        timer_shutdown: overrides.timer_shutdown.unwrap_or(Duration::from_secs(10)),
    };
    let (log, stopping) = (Log::default(), watch::Sender::new(false));
    let port = match &config.handler {
        HandlerSource::Listening(port) => *port,
        HandlerSource::HostJson | HandlerSource::Executable(_) | HandlerSource::CommandLine(..) => {
            free_port().map_err(HostError::Listen)?
        }
    };
    let setting = Setting {
        source: config.source(&app),
        port,
        timings,
        log: log.clone(),
        telemetry: config.telemetry,
        stopping: stopping.clone(),
    };
    let fault = match (&config.handler, &app.handler) {
        (HandlerSource::HostJson, app::Handler::Faulty(fault)) => Some(fault.clone()),
        (_, app::Handler::Faulty(_) | app::Handler::Command(_)) => None,
    };
    Ok(Shared {
        fault,
        app,
        keys: config.keys,
        timings,
        telemetry: config.telemetry,
        event_dates: config.event_dates,
        worker: Worker::supervise(setting),
        log,
        address,
        timer_clock: FastClock::new(wall_clock(), config.speed_up),
        background_calls: InFlight::default(),
        queues: config.queues,
        stopping,
    })
}

/// The wall clock, read here only.
#[expect(clippy::disallowed_methods, reason = "the stand-in is an adapter: it stamps what it sends")]
pub(crate) fn wall_clock() -> Timestamp {
    Timestamp::now()
}
