//! A stand-in for the Azure Functions host.
//!
//! It reads a function app from disk, starts its custom handler, sends it invocations and answers its own callers, as
//! the host 4.1037 with the Event Grid extension 3.3.0 was recorded to do (`tests/simulator/recorded`). Where it
//! differs on purpose, a table in `tests/host_standin.rs` says so.
//!
//! Not here: retry policies, request forwarding and proxying, queue triggers, timers' memory across host restarts,
//! reloading when `host.json` changes, and anything the Azure platform does around the host.

pub mod answer;
pub mod app;
mod chance;
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
mod server;
mod timers;
pub mod trace;
mod webhook;
pub mod wire;
mod worker;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use keys::Keys;

use app::{App, AppError, Command, Trigger};
use in_flight::InFlight;
use log::Log;
use timers::FastClock;
use trace::Telemetry;
use worker::{Setting, Source, Worker};

/// How long the host waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// For the handler to answer `GET /` (`initializationTimeout`).
    pub initialization: Duration,
    /// Between two pings.
    pub ping_interval: Duration,
    /// For one invocation (`functionTimeout`).
    pub function: Duration,
    /// For requests in flight when it is told to stop.
    pub shutdown: Duration,
    /// For timer invocations in flight when it is told to stop; past it, the handler is left behind running.
    pub timer_shutdown: Duration,
}

/// Changes to the times of `host.json` and of the host itself; `None` keeps them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimingOverrides {
    /// See [`Timings::initialization`].
    pub initialization: Option<Duration>,
    /// See [`Timings::function`].
    pub function: Option<Duration>,
    /// See [`Timings::shutdown`].
    pub shutdown: Option<Duration>,
    /// See [`Timings::timer_shutdown`].
    pub timer_shutdown: Option<Duration>,
}

/// Which handler an app gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandlerSource {
    /// What `host.json` says.
    HostJson,
    /// This executable with the arguments of `host.json`.
    Executable(PathBuf),
    /// This command line.
    CommandLine(PathBuf, Vec<String>),
    /// Something that listens on this loopback port already.
    Listening(u16),
}

/// How the Event Grid extension treats strings that look like dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventDates {
    /// Spelled anew, in UTC and without trailing zeros: extension 3.3.0, as recorded.
    #[default]
    Respelled,
    /// As they came: extension 3.4.3 and later.
    Verbatim,
}

/// What to run and how.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// The folder with `host.json`.
    pub app: PathBuf,
    /// The handler.
    pub handler: HandlerSource,
    /// App settings: added to the handler's environment, and what `%NAME%` refers to.
    pub settings: Vec<(String, String)>,
    /// The host's own port; 0 picks a free one.
    pub port: u16,
    /// Keys; made up when not given.
    pub keys: Keys,
    /// Times other than those of `host.json`.
    pub timings: TimingOverrides,
    /// How many times as fast timers see time pass.
    pub speed_up: u32,
    /// Trace headers.
    pub telemetry: Telemetry,
    /// Dates in events.
    pub event_dates: EventDates,
}

impl HostConfig {
    /// The app in this folder, with everything as the host has it by default.
    #[must_use]
    pub fn new(app: impl Into<PathBuf>) -> HostConfig {
        HostConfig {
            app: app.into(),
            handler: HandlerSource::HostJson,
            settings: Vec::new(),
            port: 0,
            keys: Keys::default(),
            timings: TimingOverrides::default(),
            speed_up: 1,
            telemetry: Telemetry::default(),
            event_dates: EventDates::default(),
        }
    }
}

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
    pub(crate) timer_calls: InFlight,
    /// True once the host ends, by order or by itself.
    pub(crate) stopping: watch::Sender<bool>,
}

/// A running host. Dropping it kills the handler.
pub struct Host {
    shared: Arc<Shared>,
    server: server::Server,
    timers: tokio::task::JoinSet<()>,
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
        let mut timers = tokio::task::JoinSet::new();
        for (name, function) in &shared.app.functions {
            if let Trigger::Timer(timer) = &function.trigger
                && !function.disabled
            {
                let binding = function.binding.clone();
                timers.spawn(timers::fire(Arc::clone(&shared), name.clone(), binding, timer.clone()));
            }
        }
        Ok(Host { shared, server, timers })
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
        let timers = tokio::time::timeout(self.shared.timings.timer_shutdown, self.shared.timer_calls.none());
        if timers.await.is_err() {
            self.shared.log.warn(log::GENERAL, "Host did not shutdown within its allotted time.");
            self.shared.worker.orphan().await;
            return Shutdown::HandlerLeftBehind;
        }
        self.shared.worker.stop().await;
        self.timers.shutdown().await;
        if drained { Shutdown::Drained } else { Shutdown::CutOff }
    }

    /// Dies as on SIGKILL: callers are cut off, the handler works on with a broken pipe for stdout. Returns its process.
    pub async fn orphan(self) -> Option<u32> {
        let pid = self.shared.worker.pid();
        self.shared.stopping.send_replace(true);
        self.server.drain(Duration::ZERO).await;
        self.shared.worker.orphan().await;
        pid
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
            free_port().await.map_err(HostError::Listen)?
        }
    };
    let setting = Setting {
        source: source(&config, &app),
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
        timer_calls: InFlight::default(),
        stopping,
    })
}

fn source(config: &HostConfig, app: &App) -> Source {
    // The host starts no handler for an app without functions, and none it has no command for.
    if app.functions.is_empty() {
        return Source::Nothing;
    }
    let described = match &app.handler {
        app::Handler::Command(command) => Some(command.clone()),
        app::Handler::Faulty(_) => None,
    };
    let command = match &config.handler {
        HandlerSource::Listening(_) => return Source::Listening,
        HandlerSource::HostJson => described,
        HandlerSource::Executable(program) => {
            Some(Command { program: program.clone(), ..described.unwrap_or_else(|| bare_command(app)) })
        }
        HandlerSource::CommandLine(program, arguments) => Some(Command {
            program: program.clone(),
            arguments: arguments.clone(),
            ..described.unwrap_or_else(|| bare_command(app))
        }),
    };
    let env = config.settings.clone();
    command.map_or(Source::Nothing, |command| Source::Process { command, env })
}

fn bare_command(app: &App) -> Command {
    Command {
        program: PathBuf::new(),
        arguments: Vec::new(),
        app_root: app.root.clone(),
        working_directory: app.root.clone(),
        stderr_is_errors_only: true,
    }
}

/// A free loopback port, bound and let go as the host does it; somebody else may take it in between.
async fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port())
}

/// The wall clock, read here only.
#[expect(clippy::disallowed_methods, reason = "the stand-in is an adapter: it stamps what it sends")]
pub(crate) fn wall_clock() -> Timestamp {
    Timestamp::now()
}
