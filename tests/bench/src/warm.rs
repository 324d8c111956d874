//! One warm event up to its start POST, beside the very same requests sent by a program that does nothing else.
//!
//! The guard runs over one Azure and one blob service, `bare-requests` over others that were made the same way: what the guard sent there
//! is sent here, for the same cluster stopped by the same caller, one request after another.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use simulator::host::wire::Client;
use simulator::ports::free_port;

use crate::azure::Stage;
use crate::load::{init_state, post};
use crate::machine::Slowness;
use crate::process::Process;
use crate::stats::Spread;
use crate::store::Blobs;
use crate::wire::{Ask, Recorded};

/// Events that are not counted: connections, tokens and policies are there after them.
const WARM_UP: usize = 10;

/// Headers of one connection, and the one that the client writes itself.
const NOT_REPEATED: [&str; 3] = ["host", "connection", "transfer-encoding"];

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Warm {
    /// From the invocation until the start POST came, milliseconds.
    pub(crate) wall_ms: Spread,
    /// The same requests alone, until the start POST was about to be sent.
    pub(crate) bare_wall_ms: Spread,
    /// The guard's CPU when the start POST came, milliseconds.
    pub(crate) cpu_ms: Spread,
    /// That of the same requests alone, when their start POST came.
    pub(crate) bare_cpu_ms: Spread,
    /// CPU that is the guard's own, times that of the same requests alone, event by event.
    pub(crate) own_cpu_share: Spread,
    /// Requests up to the start POST, that one included, in the median event.
    pub(crate) requests: Spread,
}

impl Warm {
    /// How often the bare requests' time fits into the event's.
    pub(crate) fn ratio(&self) -> Spread {
        self.wall_ms.over(self.bare_wall_ms)
    }

    /// How slow the machine is.
    pub(crate) fn slowness(&self) -> Slowness {
        Slowness::of(self.bare_cpu_ms)
    }

    /// CPU that is the guard's own, milliseconds: its share, at the speed of the median requests. Both sides of a share are measured within
    /// milliseconds, so that it stays when the machine becomes slower or faster. The medians of two sides may be of different speeds.
    pub(crate) fn own_cpu_ms(&self) -> Spread {
        let own = |share: f64| share * self.bare_cpu_ms.median;
        let Spread { p10, median, p90, runs } = self.own_cpu_share;
        Spread { p10: own(p10), median: own(median), p90: own(p90), runs }
    }
}

/// A request for `bare-requests`.
#[derive(Serialize)]
struct Bare<'a> {
    method: &'a str,
    url: String,
    headers: Vec<(&'a str, &'a str)>,
    body: &'a str,
}

/// What `bare-requests` says of a list.
#[derive(Deserialize)]
struct Took {
    wall_us: f64,
    cpu_began_ns: u64,
    statuses: Vec<u16>,
}

/// Runs both in turns, over so many counted events. The CPU of either is read by the same proxy code when the start POST comes.
#[expect(clippy::cast_precision_loss, reason = "a handful of requests")]
pub(crate) async fn measure(guard: &Path, bare: &Path, policies: &Path, events: usize) -> Result<Warm> {
    let (blobs, bare_blobs) = (Blobs::start()?, Blobs::start()?);
    let mut stage = Stage::recorded(&blobs.url).await?;
    let mut bare_stage = Stage::recorded(&bare_blobs.url).await?;
    init_state(guard, policies, &stage)?;
    let port = free_port()?;
    let mut command = stage.guard(guard, policies, WARM_UP + events);
    command.env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string());
    let process = Process::start(command, port)?;
    stage.wire.watch(process.id());
    let host = Client::new(port);
    let mut bare = Program::start(bare)?;
    bare_stage.wire.watch(bare.child.id());
    let mut token = None;
    let mut runs = Runs::default();
    for number in 0..WARM_UP + events {
        let (stop, same) = (stage.stop()?, bare_stage.stop()?);
        stage.wire.take_recorded();
        let (before, posted) = (process.cpu()?, Instant::now());
        post(&host, &stop).await?;
        let (requests, cpu) = stage.wire.take_recorded();
        stage.check(&stop.cluster)?;
        let start =
            requests.iter().find(|request| request.ask == Ask::Start).context("there was no start POST")?;
        let wall = start.began - posted;
        let cpu = cpu.context("the guard's CPU was not read")?.saturating_sub(before);
        let (tokens, others): (Vec<&Recorded>, Vec<&Recorded>) = requests
            .iter()
            .filter(|request| request.began <= start.began)
            .partition(|request| request.ask == Ask::Token);
        if let Some(first) = tokens.first() {
            token = Some(self::token(first, &bare_stage).await?);
        }
        let took = bare.send(&others, &bare_stage, token.as_deref().unwrap_or_default())?;
        bare_stage.check(&same.cluster).with_context(|| format!("answers: {:?}", took.statuses))?;
        let (_, bare_cpu) = bare_stage.wire.take_recorded();
        let bare_cpu = bare_cpu.context("the CPU of the bare requests was not read")?;
        let bare_cpu = bare_cpu.saturating_sub(Duration::from_nanos(took.cpu_began_ns));
        if number >= WARM_UP {
            ensure!(tokens.is_empty(), "a token was fetched beside a warm event");
            runs.wall.push(wall.as_secs_f64() * 1e3);
            runs.bare_wall.push(took.wall_us / 1e3);
            runs.cpu.push(cpu.as_secs_f64() * 1e3);
            runs.bare_cpu.push(bare_cpu.as_secs_f64() * 1e3);
            runs.requests.push(others.len() as f64);
        }
    }
    runs.finish().context("there must be at least one event")
}

#[derive(Default)]
struct Runs {
    wall: Vec<f64>,
    bare_wall: Vec<f64>,
    cpu: Vec<f64>,
    bare_cpu: Vec<f64>,
    requests: Vec<f64>,
}

impl Runs {
    fn finish(self) -> Option<Warm> {
        let own_shares = self.cpu.iter().zip(&self.bare_cpu).map(|(cpu, bare)| (cpu - bare) / bare);
        Some(Warm {
            own_cpu_share: Spread::of(own_shares.collect())?,
            wall_ms: Spread::of(self.wall)?,
            bare_wall_ms: Spread::of(self.bare_wall)?,
            cpu_ms: Spread::of(self.cpu)?,
            bare_cpu_ms: Spread::of(self.bare_cpu)?,
            requests: Spread::of(self.requests)?,
        })
    }
}

/// A token of the other Azure, asked for as the guard did.
async fn token(asked: &Recorded, stage: &Stage) -> Result<String> {
    let body = stage.get(&asked.path, &asked.headers).await?;
    let body: serde_json::Value = serde_json::from_str(&body)?;
    Ok(body.get("access_token").and_then(serde_json::Value::as_str).context("there is no token")?.to_owned())
}

/// `bare-requests`. Killed when dropped.
struct Program {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Program {
    fn start(program: &Path) -> Result<Self> {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let input = child.stdin.take().context("it has no input")?;
        let output = BufReader::new(child.stdout.take().context("it has no output")?);
        Ok(Self { child, input, output })
    }

    /// Sends what the guard sent to the other Azure and the other blob service.
    fn send(&mut self, requests: &[&Recorded], stage: &Stage, token: &str) -> Result<Took> {
        let (azure, blobs) = stage.urls();
        let bearer = format!("Bearer {token}");
        let bare: Vec<Bare<'_>> = requests
            .iter()
            .map(|request| {
                let of_azure = !request.to_blobs;
                let headers =
                    request.headers.iter().filter(|(name, _)| !NOT_REPEATED.contains(&name.as_str()));
                let with_token = headers.map(|(name, value)| match name.as_str() {
                    "authorization" if of_azure => (name.as_str(), bearer.as_str()),
                    _ => (name.as_str(), value.as_str()),
                });
                Bare {
                    method: &request.method,
                    url: format!("{}{}", if request.to_blobs { blobs } else { azure }, request.path),
                    headers: with_token.collect(),
                    body: &request.body,
                }
            })
            .collect();
        let mut line = serde_json::to_vec(&bare)?;
        line.push(b'\n');
        self.input.write_all(&line)?;
        self.input.flush()?;
        // The answer is there as soon as the proxies, which other threads run, have answered.
        let mut answer = String::new();
        tokio::task::block_in_place(|| self.output.read_line(&mut answer))?;
        serde_json::from_str(&answer).context("bare-requests failed")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_cpu_is_told_by_pairs_that_the_same_speed_of_the_machine_fell_on() {
        // Half as fast from the guard's sixth event on, whose requests alone were still sent before that.
        let bare_cpu = [vec![1.0; 6], vec![2.0; 5]].concat();
        let cpu = [vec![1.5; 5], vec![3.0; 6]].concat();
        let others = vec![1.0; 11];
        let runs = Runs { wall: others.clone(), bare_wall: others.clone(), cpu, bare_cpu, requests: others };
        let warm = runs.finish().unwrap();
        assert_eq!(warm.cpu_ms.median - warm.bare_cpu_ms.median, 2.0, "of two speeds");
        assert_eq!(warm.own_cpu_ms().median, 0.5);
    }
}
