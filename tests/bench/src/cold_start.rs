//! From the start of the process to its first answer, beside a server that does nothing else.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::process::{Memory, Process, free_port};
use crate::stats::Spread;

/// Starts that are not counted: the first ones read the programs from the disk.
const UNCOUNTED: usize = 2;

/// How long a process is left alone before its memory is read: the guard then has loaded its policies.
const SETTLE: Duration = Duration::from_millis(300);

/// What the starts came to, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct ColdStart {
    pub(crate) guard_ms: Spread,
    pub(crate) minimal_ms: Spread,
    pub(crate) minimal_memory: Memory,
}

impl ColdStart {
    /// How often the minimal server's start fits into the guard's.
    pub(crate) fn ratio(&self) -> f64 {
        self.guard_ms.median / self.minimal_ms.median
    }
}

/// Starts both in turns, so that whatever else the machine does falls on both.
pub(crate) fn measure(starts: usize, guard: &dyn Fn(u16) -> Command, minimal: &Path) -> Result<ColdStart> {
    let minimal = |port: u16| self::minimal(minimal, port);
    let (mut guard_ms, mut minimal_ms) = (Vec::new(), Vec::new());
    for round in 0..UNCOUNTED + starts {
        // Each goes first in every other round.
        let (of_guard, of_minimal) = if round % 2 == 0 {
            let of_guard = start_ms(guard)?;
            (of_guard, start_ms(&minimal)?)
        } else {
            let of_minimal = start_ms(&minimal)?;
            (start_ms(guard)?, of_minimal)
        };
        if round >= UNCOUNTED {
            guard_ms.push(of_guard);
            minimal_ms.push(of_minimal);
        }
    }
    let port = free_port()?;
    let settled = Process::start(minimal(port), port)?;
    std::thread::sleep(SETTLE);
    Ok(ColdStart {
        guard_ms: Spread::of(guard_ms).context("there must be at least one start")?,
        minimal_ms: Spread::of(minimal_ms).context("there must be at least one start")?,
        minimal_memory: settled.memory()?,
    })
}

/// The minimal server on this port.
pub(crate) fn minimal(program: &Path, port: u16) -> Command {
    let mut command = Command::new(program);
    command.arg(port.to_string());
    command
}

fn start_ms(command: &dyn Fn(u16) -> Command) -> Result<f64> {
    let port = free_port()?;
    let process = Process::start(command(port), port)?;
    Ok(process.start.as_secs_f64() * 1_000.0)
}
