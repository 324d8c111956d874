//! Stop events for one guard, one after the other, and what they cost it.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use simulator::demo::azurite::Azurite;
use simulator::host::wire::Client;
use simulator::ports::free_port;

use crate::azure::{Stage, Stop};
use crate::process::{Memory, Process};
use crate::stats::Spread;
use crate::trip::{Trip, picture};

/// Events before the counted ones: connections, token and policies are there after the first.
const WARM_UP_EVENTS: usize = 20;

/// How long a guard that was not asked anything yet is left alone before its memory is read.
pub(crate) const SETTLE: Duration = Duration::from_millis(300);

/// Events at once in a burst.
pub(crate) const BURST: usize = 16;

/// What to run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) guard: &'a Path,
    pub(crate) minimal: &'a Path,
    pub(crate) policies: &'a Path,
    /// Counted events of each kind.
    pub(crate) events: usize,
}

/// What the events cost with the state in one place.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Load {
    /// Resident memory before the first event.
    pub(crate) at_rest: Memory,
    /// After the first one.
    pub(crate) after_first: Memory,
    /// After all.
    pub(crate) after_all: Memory,
    /// CPU of one stop that nobody allowed, milliseconds: intake, look, verdict, start and the incident's delivery.
    pub(crate) stop_cpu_ms: Spread,
    /// The same with [`BURST`] at once, so that one finds the caches of the processor as another left them.
    pub(crate) burst_cpu_ms: Spread,
    /// CPU of one `GET /` of the minimal server, asked once after each stop: how slow this machine was, with caches as cold.
    pub(crate) minimal_get_cpu_ms: Spread,
    /// CPU of one event that is known already, milliseconds.
    pub(crate) known_cpu_ms: Spread,
    /// From the invocation to the start POST, milliseconds. Includes what the look is made to take, and proxies
    /// and simulators on the same cores.
    pub(crate) until_start_ms: Spread,
    /// Store writes one after another up to the start POST, in the median event.
    pub(crate) writes_in_a_row: usize,
    /// The worst way of an event, in each respect.
    pub(crate) worst: Trip,
    /// The way of the last event, as lines for people.
    pub(crate) last: Vec<String>,
}

/// Runs a guard with its state in memory, or in Azurite.
pub(crate) async fn measure(plan: Plan<'_>, azurite: Option<&Azurite>) -> Result<Load> {
    let mut stage = Stage::serve(azurite.map(Azurite::url)).await?;
    if azurite.is_some() {
        init_state(plan.guard, plan.policies, &stage)?;
    }
    let port = free_port()?;
    let mut command = stage.guard(plan.guard, plan.policies, WARM_UP_EVENTS + 2 * plan.events);
    command.env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string());
    let guard = Process::start(command, port)?;
    tokio::time::sleep(SETTLE).await;
    let at_rest = guard.memory()?;
    let host = Client::new(port);

    post(&host, &stage.stop()?).await?;
    let after_first = guard.memory()?;
    for _ in 1..WARM_UP_EVENTS {
        post(&host, &stage.stop()?).await?;
    }
    let one_by_one = one_by_one(plan, &mut stage, &guard, &host).await?;
    let after_all = guard.memory()?;
    let burst_cpu_ms = bursts(plan, &mut stage, &guard, &host).await?;
    // What is too much at once is told together, so there are fewer than stops.
    ensure!(stage.incidents() > 0, "nobody was told of anything");
    let OneByOne { trips, last, last_stop, stop_cpu_ms, minimal_get_cpu_ms } = one_by_one;
    let mut known_cpu = Vec::new();
    for _ in 0..plan.events {
        let before = guard.cpu()?;
        post(&host, &last_stop).await?;
        known_cpu.push(per_event(before, guard.cpu()?, 1));
    }
    let known_cpu_ms = spread(known_cpu)?;
    stage.check(&last_stop.cluster)?;

    let until_start = trips.iter().map(|trip| Duration::from_micros(trip.until_start_us).as_secs_f64() * 1e3);
    Ok(Load {
        at_rest,
        after_first,
        after_all,
        stop_cpu_ms,
        burst_cpu_ms,
        minimal_get_cpu_ms,
        known_cpu_ms,
        until_start_ms: spread(until_start.collect())?,
        writes_in_a_row: Trip::usual_writes_in_a_row(&trips).context("there must be at least one event")?,
        worst: Trip::worst(&trips).context("there must be at least one event")?,
        last,
    })
}

/// What came of events one at a time.
struct OneByOne {
    trips: Vec<Trip>,
    last: Vec<String>,
    last_stop: Stop,
    stop_cpu_ms: Spread,
    minimal_get_cpu_ms: Spread,
}

async fn one_by_one(plan: Plan<'_>, stage: &mut Stage, guard: &Process, host: &Client) -> Result<OneByOne> {
    let port = free_port()?;
    let minimal = Process::start(crate::cold_start::minimal(plan.minimal, port), port)?;
    let gets = Client::new(port);
    let mut trips = Vec::new();
    let mut latest = None;
    let (mut stop_cpu, mut get_cpu) = (Vec::new(), Vec::new());
    for _ in 0..plan.events {
        let stop = stage.stop()?;
        stage.wire.take();
        let (before, minimal_before) = (guard.cpu()?, minimal.cpu()?);
        let posted = Instant::now();
        post(host, &stop).await?;
        let exchanges = stage.wire.take();
        stage.check(&stop.cluster)?;
        stop_cpu.push(per_event(before, guard.cpu()?, 1));
        trips.push(Trip::of(&exchanges, posted).context("an event led to no start POST")?);
        latest = Some((stop, picture(&exchanges, posted)));
        gets.ping(&[]).await?;
        get_cpu.push(per_event(minimal_before, minimal.cpu()?, 1));
    }
    let (last_stop, last) = latest.context("there must be at least one event")?;
    let (stop_cpu_ms, minimal_get_cpu_ms) = (spread(stop_cpu)?, spread(get_cpu)?);
    Ok(OneByOne { trips, last, last_stop, stop_cpu_ms, minimal_get_cpu_ms })
}

async fn bursts(plan: Plan<'_>, stage: &mut Stage, guard: &Process, host: &Client) -> Result<Spread> {
    let mut cpu = Vec::new();
    let mut left = plan.events;
    while left > 0 {
        let stops: Vec<Stop> = (0..left.min(BURST)).map(|_| stage.stop()).collect::<Result<_>>()?;
        left -= stops.len();
        let before = guard.cpu()?;
        futures::future::try_join_all(stops.iter().map(|stop| post(host, stop))).await?;
        cpu.push(per_event(before, guard.cpu()?, stops.len()));
        for stop in &stops {
            stage.check(&stop.cluster)?;
        }
    }
    spread(cpu)
}

fn spread(values: Vec<f64>) -> Result<Spread> {
    Spread::of(values).context("there must be at least one event")
}

/// Makes the containers, as `make demo` and a deployment do.
pub(crate) fn init_state(guard: &Path, policies: &Path, stage: &Stage) -> Result<()> {
    let done = stage.guard(guard, policies, 0).arg("init-state").output()?;
    ensure!(done.status.success(), "init-state: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

/// Posts an event as the host does. The answer comes when the work on it has ended.
pub(crate) async fn post(host: &Client, stop: &Stop) -> Result<()> {
    let invocation = "00000000-0000-4000-8000-00000000bec4";
    let answer = host.invoke("StopActionHandler", invocation, &[], &stop.body).await?;
    let body = String::from_utf8_lossy(&answer.body);
    ensure!(answer.status == 200, "the guard answered {}: {body}", answer.status);
    ensure!(!body.contains("degraded"), "the guard runs degraded: {body}");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand events")]
fn per_event(before: Duration, after: Duration, events: usize) -> f64 {
    (after.saturating_sub(before)).as_secs_f64() * 1e3 / events as f64
}
