//! From the start of the process to its first answer, and until its first event is done, beside a server that does nothing else.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Serialize;
use simulator::host::wire::Client;
use simulator::ports::free_port;

use crate::azure::Stage;
use crate::load::post;
use crate::process::{Memory, Process};
use crate::stats::Spread;

/// Starts that are not counted: the first ones read the programs from the disk.
const UNCOUNTED: usize = 2;

/// How long a process is left alone before its memory is read.
const SETTLE: Duration = Duration::from_millis(300);

/// What the starts came to, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct ColdStart {
    pub(crate) guard_ms: Spread,
    pub(crate) minimal_ms: Spread,
    /// Until the first event, which comes right after the first answer, is done: looked, decided, started and told.
    pub(crate) event_ms: Spread,
    pub(crate) minimal_memory: Memory,
}

impl ColdStart {
    /// How often the minimal server's start fits into the guard's.
    pub(crate) fn ratio(&self) -> Spread {
        self.guard_ms.over(self.minimal_ms)
    }
}

/// Starts both in turns, so that whatever else the machine does falls on both.
pub(crate) async fn measure(
    starts: usize,
    guard: &Path,
    policies: &Path,
    minimal: &Path,
) -> Result<ColdStart> {
    let mut stage = Stage::serve_directly(None).await?;
    let (mut guard_ms, mut minimal_ms, mut event_ms) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..UNCOUNTED + starts {
        let stop = stage.stop()?;
        let port = free_port()?;
        let mut command = stage.guard(guard, policies, round + 1);
        command.env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string());
        // Each goes first in every other round.
        let before = if round % 2 == 0 { None } else { Some(start_ms(minimal)?) };
        let began = Instant::now();
        let process = Process::start(command, port)?;
        post(&Client::new(port), &stop).await?;
        let until_done = began.elapsed();
        stage.check(&stop.cluster)?;
        let of_guard = ms(process.start);
        drop(process);
        let of_minimal = match before {
            Some(of_minimal) => of_minimal,
            None => start_ms(minimal)?,
        };
        if round >= UNCOUNTED {
            guard_ms.push(of_guard);
            minimal_ms.push(of_minimal);
            event_ms.push(ms(until_done));
        }
    }
    let port = free_port()?;
    let settled = Process::start(self::minimal(minimal, port), port)?;
    tokio::time::sleep(SETTLE).await;
    let spread = |values| Spread::of(values).context("there must be at least one start");
    Ok(ColdStart {
        guard_ms: spread(guard_ms)?,
        minimal_ms: spread(minimal_ms)?,
        event_ms: spread(event_ms)?,
        minimal_memory: settled.memory()?,
    })
}

/// The minimal server on this port.
pub(crate) fn minimal(program: &Path, port: u16) -> Command {
    let mut command = Command::new(program);
    command.arg(port.to_string());
    command
}

fn start_ms(minimal: &Path) -> Result<f64> {
    let port = free_port()?;
    let process = Process::start(self::minimal(minimal, port), port)?;
    Ok(ms(process.start))
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
