//! What the process holds: before anything, after one event, after ten thousand, and with five thousand open cases. The state is in a
//! blob service: a state in memory would be counted as the process's own.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use simulator::host::wire::Client;
use simulator::ports::free_port;

use crate::azure::{Stage, Stop};
use crate::flood::irrelevant;
use crate::load::{SETTLE, init_state, post};
use crate::process::{Memory, Process};
use crate::stats::Spread;
use crate::store::Blobs;

/// Starts of which each is left alone for a while.
const STARTS: usize = 20;
/// Events in all, and of how many one is a stop.
const EVENTS: usize = 10_000;
const RELEVANT_ONE_IN: usize = 10;
/// Open cases: five in each of the 1,000 subscriptions that the setting takes.
const OPEN: usize = 5_000;
/// Events that are under way at the same time.
const AT_ONCE: usize = 16;
/// Sweeps after all cases are open: the process then knows of each when it wants attention.
const SWEEPS: usize = 2;

/// What it holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Held {
    /// RSS of some starts, MiB: which pages of the executable's file are mapped differs from start to start.
    pub(crate) at_rest: Spread,
    pub(crate) after_one: Memory,
    pub(crate) after_ten_thousand: Memory,
    pub(crate) with_open_cases: Memory,
    /// How many open cases those are.
    pub(crate) open_cases: usize,
}

/// Runs two guards: one gets ten thousand events, the other leaves cases open.
pub(crate) async fn measure(guard: &Path, policies: &Path) -> Result<Held> {
    let blobs = Blobs::start()?;
    let mut stage = Stage::serve_directly(Some(&blobs.url)).await?;
    let mut at_rest = Vec::new();
    for _ in 0..STARTS {
        let (process, _) = start(guard, policies, &stage, EVENTS / RELEVANT_ONE_IN)?;
        tokio::time::sleep(SETTLE).await;
        at_rest.push(process.memory()?.rss_mib());
    }
    let at_rest = Spread::of(at_rest).context("there must be at least one start")?;
    let (process, host) = start(guard, policies, &stage, EVENTS / RELEVANT_ONE_IN)?;
    let first = stage.stop()?;
    post(&host, &first).await?;
    let mut stops = vec![first];
    let after_one = process.memory()?;
    let mut bodies = Vec::new();
    for number in 1..EVENTS {
        if number % RELEVANT_ONE_IN == 0 {
            let stop = stage.stop()?;
            bodies.push(stop.body.clone());
            stops.push(stop);
        } else {
            bodies.push(stage.envelope(std::slice::from_ref(&irrelevant(&stops, number)))?);
        }
    }
    post_all(&host, bodies).await?;
    let after_ten_thousand = process.memory()?;
    drop((process, blobs));

    let blobs = Blobs::start()?;
    let mut stage = Stage::serve_directly(Some(&blobs.url)).await?;
    stage.keep_cases_open();
    let (process, host) = start(guard, policies, &stage, OPEN)?;
    let stops: Vec<Stop> = (0..OPEN).map(|_| stage.stop()).collect::<Result<_>>()?;
    post_all(&host, stops.into_iter().map(|stop| stop.body).collect()).await?;
    for _ in 0..SWEEPS {
        let answer = host.invoke("Sweep", INVOCATION, &[], r#"{"Data":{},"Metadata":{}}"#).await?;
        // One that takes longer than its answer may is told so, and goes on.
        ensure!(matches!(answer.status, 200 | 503), "a sweep was answered with {}", answer.status);
    }
    let open_cases = blobs.read_all("stop-guard", "open/").await?.len();
    ensure!(open_cases >= OPEN, "only {open_cases} cases are open");
    let with_open_cases = process.memory()?;
    Ok(Held { at_rest, after_one, after_ten_thousand, with_open_cases, open_cases })
}

fn start(guard: &Path, policies: &Path, stage: &Stage, stops: usize) -> Result<(Process, Client)> {
    init_state(guard, policies, stage)?;
    let port = free_port()?;
    let mut command = stage.guard(guard, policies, stops);
    command.env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string());
    Ok((Process::start(command, port)?, Client::new(port)))
}

async fn post_all(host: &Client, bodies: Vec<String>) -> Result<()> {
    let posts = stream::iter(bodies.into_iter().map(|body| async move {
        let answer = host.invoke("StopActionHandler", INVOCATION, &[], &body).await?;
        ensure!(answer.status == 200, "the guard answered {}", answer.status);
        Ok(())
    }));
    posts.buffer_unordered(AT_ONCE).try_collect().await
}

const INVOCATION: &str = "00000000-0000-4000-8000-00000000bec4";
