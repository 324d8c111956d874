//! How many events of no use are answered in a second, beside a server that reads and writes the same envelopes and does nothing else.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use serde::Serialize;
use simulator::host::wire::Client;
use simulator::ports::free_port;

use crate::azure::{Stage, Stop};
use crate::flood::irrelevant;
use crate::process::Process;
use crate::stats::Spread;

/// Turns of each server.
const TURNS: usize = 21;
/// Events of one turn.
const EVENTS: usize = 2_000;
/// Events that are under way at the same time, each over a connection of its own.
const AT_ONCE: usize = 16;

/// Events a second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Useless {
    pub(crate) guard: Spread,
    pub(crate) echo: Spread,
}

impl Useless {
    /// The guard's rate beside the echo server's.
    pub(crate) fn ratio(&self) -> Spread {
        self.guard.over(self.echo)
    }
}

/// Asks both in turns.
pub(crate) async fn measure(guard: &Path, echo: &Path, policies: &Path) -> Result<Useless> {
    let mut stage = Stage::serve_directly(None).await?;
    let stops: Vec<Stop> = (0..3).map(|_| stage.stop()).collect::<Result<_>>()?;
    let bodies: Vec<String> = (0..EVENTS)
        .map(|number| stage.envelope(std::slice::from_ref(&irrelevant(&stops, number))))
        .collect::<Result<_>>()?;
    let (port, echo_port) = (free_port()?, free_port()?);
    let mut command = stage.guard(guard, policies, stops.len());
    command.env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string());
    let _guard = Process::start(command, port)?;
    let mut command = Command::new(echo);
    command.arg(echo_port.to_string());
    let _echo = Process::start(command, echo_port)?;
    let (guard, echo) = (Client::new(port), Client::new(echo_port));
    let (mut of_guard, mut of_echo) = (Vec::new(), Vec::new());
    for turn in 0..=TURNS {
        // Each goes first in every other turn.
        let (guard_rate, echo_rate) = if turn % 2 == 0 {
            let rate = rate(&guard, &bodies).await?;
            (rate, self::rate(&echo, &bodies).await?)
        } else {
            let rate = rate(&echo, &bodies).await?;
            (self::rate(&guard, &bodies).await?, rate)
        };
        // The first one makes connections and loads policies.
        if turn > 0 {
            of_guard.push(guard_rate);
            of_echo.push(echo_rate);
        }
    }
    let spread = |rates| Spread::of(rates).context("there must be at least one turn");
    Ok(Useless { guard: spread(of_guard)?, echo: spread(of_echo)? })
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand events")]
async fn rate(server: &Client, bodies: &[String]) -> Result<f64> {
    let began = Instant::now();
    let lanes = bodies.chunks(bodies.len().div_ceil(AT_ONCE)).map(|lane| async move {
        for body in lane {
            let answer = server.invoke("StopActionHandler", INVOCATION, &[], body).await?;
            ensure!(answer.status == 200, "an event of no use was answered with {}", answer.status);
        }
        Ok(())
    });
    try_join_all(lanes).await?;
    Ok(bodies.len() as f64 / began.elapsed().as_secs_f64())
}

const INVOCATION: &str = "00000000-0000-4000-8000-00000000bec4";
