//! What a host is told before it starts.

use std::path::PathBuf;
use std::time::Duration;

use super::app::{App, Command, Handler};
use super::keys::Keys;
use super::queues::Queues;
use super::trace::Telemetry;
use super::worker::Source;

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
    /// How many times as fast timers and queues see time pass.
    pub speed_up: u32,
    /// Trace headers.
    pub telemetry: Telemetry,
    /// Dates in events.
    pub event_dates: EventDates,
    /// The storage account with the queues, whatever the connections' settings say. Outlives the host.
    pub queues: Queues,
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
            queues: Queues::default(),
        }
    }
}

impl HostConfig {
    /// The handler that this configuration and this app name.
    pub(crate) fn source(&self, app: &App) -> Source {
        // The host starts no handler for an app without functions, and none it has no command for.
        if app.functions.is_empty() {
            return Source::Nothing;
        }
        let described = match &app.handler {
            Handler::Command(command) => Some(command.clone()),
            Handler::Faulty(_) => None,
        };
        let command = match &self.handler {
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
        let env = self.settings.clone();
        command.map_or(Source::Nothing, |command| Source::Process { command, env })
    }
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
