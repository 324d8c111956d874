//! What the process says about itself: one line per event, for a machine (`Format::Json`) or for a person.
//!
//! The Functions host takes each line of stdout as Information and each of stderr as Error (Azure/azure-functions-host,
//! `WorkerProcess.ParseErrorMessageAndLog`), so as JSON only errors go to stderr. No line begins with
//! `LanguageWorkerConsoleLog` or `azfuncjsonlog:`, which the host would take for its own: one begins with `{` or a level.
//!
//! * Values are hostile: they are made printable and bounded, and so is each line.
//! * Only this crate's events are written. Libraries log URLs and headers, in which tokens and signatures stand.
//! * A stream that is gone (the host died and left this process behind) is not an error: the line is lost, no more.
//!
//! Limitation: lines are written at once and by the caller. A reader that keeps the pipe open but stops reading stops
//! the writer too when the pipe is full.

mod layer;
mod text;

use std::io::Write;

use jiff::Timestamp;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Subscriber};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

pub use self::layer::{LINE_BYTES_MAX, VALUE_BYTES_MAX};
pub use self::text::printable;

/// Who reads the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line: errors to stderr, the rest to stdout.
    Json,
    /// Text for a terminal, all of it to stderr: stdout is for what a command was asked to print.
    Human,
}

/// Which of the process's streams a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

impl Stream {
    fn of(format: Format, level: Level) -> Self {
        match format {
            Format::Json if level == Level::ERROR => Self::Err,
            Format::Json => Self::Out,
            Format::Human => Self::Err,
        }
    }
}

/// Where lines go.
pub trait Lines: Send + Sync + 'static {
    /// Writes a line, which ends with a line feed. What can't be written is lost: there is nobody left to tell.
    fn write(&self, stream: Stream, line: &str);
}

/// The standard streams of the process.
#[derive(Debug, Clone, Copy)]
pub struct StandardStreams;

impl Lines for StandardStreams {
    fn write(&self, stream: Stream, line: &str) {
        // Not println!, which panics when the reader is gone.
        let _lost_if_closed = match stream {
            Stream::Out => std::io::stdout().lock().write_all(line.as_bytes()),
            Stream::Err => std::io::stderr().lock().write_all(line.as_bytes()),
        };
    }
}

/// How to log.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Events less important than this are not written (`STOP_GUARD_LOG`).
    pub level: LevelFilter,
    /// For a machine or for a person.
    pub format: Format,
    /// The clock that dates the lines.
    pub now: fn() -> Timestamp,
}

/// There is a subscriber already; the process keeps that one.
#[derive(Debug, thiserror::Error)]
#[error("logging is set up already")]
pub struct AlreadyInstalled;

/// A subscriber that writes to `lines`.
pub fn subscriber(settings: Settings, lines: impl Lines) -> impl Subscriber + Send + Sync {
    Registry::default().with(layer::Writing::new(settings, lines))
}

/// Makes the standard streams the place where the whole process logs, and panics log lines like any others: the
/// standard hook writes several lines, each of them an error of its own for the host.
///
/// # Errors
/// Logging is set up already.
pub fn install(settings: Settings) -> Result<(), AlreadyInstalled> {
    tracing::subscriber::set_global_default(subscriber(settings, StandardStreams))
        .map_err(|_| AlreadyInstalled)?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let payload = panic.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let message = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
        tracing::error!(place, panic = message, "a panic was caught");
    }));
    Ok(())
}
