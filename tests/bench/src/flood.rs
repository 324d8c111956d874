//! Many events: at a steady rate, whatever the answers take (an open loop), and ten thousand at once.
//!
//! The state is in a blob service of this workspace, a process of its own. Azure, the webhook receiver and the generator are
//! this process. All of them share the machine with the guard.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use simulator::host::wire::Client;
use simulator::ports::free_port;
use simulator::world::RequestKind;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::azure::{Stage, Stop};
use crate::process::{Process, own_cpu};
use crate::store::Blobs;

/// Events before the counted ones.
const WARM_UP_EVENTS: usize = 20;
/// How often the timer's function is called, as in production.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// Longest time that the guard may take to finish what was answered.
const FINISH_WITHIN: Duration = Duration::from_secs(30);
/// Events of one delivery in a burst, as Event Grid batches them at most where that is switched on for a few hundred kilobytes.
const BATCH_EVENTS: usize = 500;
/// Of this many events of a burst one is a stop in a guarded subscription.
const RELEVANT_ONE_IN: usize = 10;
/// Where the guard keeps its records, and closed cases (in folders of years; evidence is in another one).
const CONTAINERS: [(&str, &str); 2] = [("stop-guard", "clusters/"), ("stop-guard-cases", "2")];

/// A steady load.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Rate {
    /// Events a second.
    pub(crate) per_second: u32,
    pub(crate) seconds: u32,
    /// One in so many events is the first of its stop; the others repeat earlier ones, as Event Grid does.
    pub(crate) new_one_in: u32,
}

/// What came of a load.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Flooded {
    pub(crate) events: usize,
    /// Stops that were told for the first time.
    pub(crate) new_stops: usize,
    /// From the time at which an event was due to be sent to its answer.
    pub(crate) answers: Answers,
    /// Events that got no 2xx: they would come again.
    pub(crate) unacknowledged: usize,
    /// Events that got a 2xx and are neither on the record of their cluster nor in a closed case of it.
    pub(crate) lost: usize,
    /// Looks at clusters.
    pub(crate) looks: usize,
    /// Starts that Azure accepted.
    pub(crate) starts: usize,
    /// Highest resident memory of the guard so far, MiB.
    pub(crate) peak_rss_mib: f64,
    /// CPU seconds.
    pub(crate) guard_cpu_s: f64,
    pub(crate) blobs_cpu_s: f64,
    /// Of the generator and the simulated Azure.
    pub(crate) bench_cpu_s: f64,
    /// How long it took until the last answer, seconds.
    pub(crate) took_s: f64,
}

/// How long answers took, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Answers {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

/// A guard under load, and all that it talks to.
pub(crate) struct Flood {
    stage: Stage,
    blobs: Blobs,
    guard: Process,
    host: Client,
}

/// One invocation to send, and the stops that it tells of.
struct Invocation {
    body: Arc<str>,
    tells: Vec<usize>,
}

/// What came of one invocation.
struct Answered {
    invocation: usize,
    acknowledged: bool,
    took: Duration,
}

/// CPU so far.
#[derive(Clone, Copy)]
struct Cpu {
    guard: Duration,
    blobs: Duration,
    bench: Duration,
}

impl Flood {
    /// Starts everything. `stops` bounds how many stops there will be.
    pub(crate) async fn start(program: &Path, policies: &Path, stops: usize) -> Result<Self> {
        let blobs = Blobs::start()?;
        let mut stage = Stage::serve_directly(Some(&blobs.url)).await?;
        let port = free_port()?;
        let mut command = stage.guard(program, policies, stops + WARM_UP_EVENTS);
        command.env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string());
        let guard = Process::start(command, port)?;
        let host = Client::new(port);
        for _ in 0..WARM_UP_EVENTS {
            let stop = stage.stop()?;
            let answer = host.invoke("StopActionHandler", INVOCATION, &[], &stop.body).await?;
            ensure!(answer.status == 200, "the guard answered {}", answer.status);
        }
        Ok(Self { stage, blobs, guard, host })
    }

    /// Sends events at a steady rate.
    pub(crate) async fn steadily(&mut self, rate: Rate) -> Result<Flooded> {
        let events = (rate.per_second * rate.seconds) as usize;
        let every = rate.new_one_in as usize;
        let stops = self.stops(events.div_ceil(every))?;
        let bodies: Vec<Arc<str>> = stops.iter().map(|stop| stop.body.as_str().into()).collect();
        let invocations: Vec<Invocation> = (0..events)
            .map(|n| {
                let newest = n / every;
                // Any of those that were told before, the same in each run.
                let stop = if n % every == 0 { newest } else { (n * 7_919) % (newest + 1) };
                Invocation { body: bodies.get(stop).cloned().unwrap_or_default(), tells: vec![stop] }
            })
            .collect();
        let pause = Duration::from_secs(1) / rate.per_second;
        self.send(&stops, invocations, pause).await
    }

    /// Sends so many events at the same moment, half of them one by one and half in batches. Nine of ten are of no use.
    pub(crate) async fn at_once(&mut self, events: usize) -> Result<Flooded> {
        let stops = self.stops(events / RELEVANT_ONE_IN)?;
        let all: Vec<(String, Option<usize>)> = (0..events)
            .map(|n| match stops.get(n / RELEVANT_ONE_IN) {
                Some(stop) if n % RELEVANT_ONE_IN == 0 => (stop.event.clone(), Some(n / RELEVANT_ONE_IN)),
                _ => (irrelevant(&stops, n), None),
            })
            .collect();
        let (single, batched) = all.split_at(events / 2);
        let mut invocations = Vec::new();
        for (event, tells) in single {
            let body = self.stage.envelope(std::slice::from_ref(event))?.into();
            invocations.push(Invocation { body, tells: tells.iter().copied().collect() });
        }
        for batch in batched.chunks(BATCH_EVENTS) {
            let (events, tells): (Vec<String>, Vec<Option<usize>>) = batch.iter().cloned().unzip();
            let body = self.stage.envelope(&events)?.into();
            invocations.push(Invocation { body, tells: tells.into_iter().flatten().collect() });
        }
        let mut flooded = self.send(&stops, invocations, Duration::ZERO).await?;
        flooded.events = events;
        Ok(flooded)
    }

    fn stops(&mut self, count: usize) -> Result<Vec<Stop>> {
        (0..count).map(|_| self.stage.stop()).collect()
    }

    async fn send(
        &mut self,
        stops: &[Stop],
        invocations: Vec<Invocation>,
        pause: Duration,
    ) -> Result<Flooded> {
        let (looks, starts) = self.asked();
        let before = self.cpu()?;
        let began = Instant::now();
        let sweeps = tokio::spawn(sweep_again_and_again(self.host.clone()));
        let mut flying = JoinSet::new();
        let mut due = began;
        for (number, invocation) in invocations.iter().enumerate() {
            sleep_until(due).await;
            flying.spawn(post(self.host.clone(), number, invocation.body.clone(), due));
            due += pause;
        }
        let answered = flying.join_all().await;
        let took = began.elapsed();
        sweeps.abort();
        self.finish(starts + stops.len()).await;
        let after = self.cpu()?;
        let acknowledged: Vec<usize> = answered
            .iter()
            .filter(|answered| answered.acknowledged)
            .filter_map(|answered| invocations.get(answered.invocation))
            .flat_map(|invocation| invocation.tells.iter().copied())
            .collect();
        let seconds = |after: Duration, before: Duration| after.saturating_sub(before).as_secs_f64();
        let (looks_now, starts_now) = self.asked();
        Ok(Flooded {
            events: invocations.len(),
            new_stops: stops.len(),
            answers: Answers::of(answered.iter().map(|answered| answered.took).collect())
                .context("there must be an event")?,
            unacknowledged: answered.iter().filter(|answered| !answered.acknowledged).count(),
            lost: self.lost(stops, &acknowledged).await?,
            looks: looks_now - looks,
            starts: starts_now - starts,
            peak_rss_mib: self.guard.peak_rss_mib()?,
            guard_cpu_s: seconds(after.guard, before.guard),
            blobs_cpu_s: seconds(after.blobs, before.blobs),
            bench_cpu_s: seconds(after.bench, before.bench),
            took_s: took.as_secs_f64(),
        })
    }

    fn cpu(&self) -> Result<Cpu> {
        Ok(Cpu { guard: self.guard.cpu()?, blobs: self.blobs.process.cpu()?, bench: own_cpu()? })
    }

    /// Looks and starts that came to Azure so far.
    fn asked(&self) -> (usize, usize) {
        (self.stage.requests(RequestKind::GetCluster), self.stage.requests(RequestKind::Start))
    }

    /// Waits for the starts of what was answered before its work was over.
    async fn finish(&self, starts: usize) {
        let until = Instant::now() + FINISH_WITHIN;
        while self.asked().1 < starts && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// How many of these stops are on no record and in no closed case.
    async fn lost(&self, stops: &[Stop], acknowledged: &[usize]) -> Result<usize> {
        let mut stored = HashSet::new();
        for (container, folder) in CONTAINERS {
            for document in self.blobs.read_all(container, folder).await? {
                stored.extend(event_ids(&document));
            }
        }
        let told = acknowledged.iter().filter_map(|stop| stops.get(*stop));
        Ok(told.filter(|stop| !stored.contains(&stop.event_id)).count())
    }
}

/// The ids of the events in a record or a closed case. The bytes of a case that is being closed are a text in its record.
fn event_ids(document: &str) -> Vec<String> {
    let document = document.replace('\\', "");
    let ids = document.split("\"event_id\":\"").skip(1);
    ids.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

impl Answers {
    /// By the nearest rank. `None` of nothing.
    fn of(mut took: Vec<Duration>) -> Option<Self> {
        took.sort();
        let ms = |duration: &Duration| duration.as_secs_f64() * 1e3;
        let at = |percent: usize| took.get((took.len() * percent).div_ceil(100).checked_sub(1)?).map(ms);
        Some(Self { p50_ms: at(50)?, p99_ms: at(99)?, max_ms: at(100)? })
    }
}

const INVOCATION: &str = "00000000-0000-4000-8000-00000000bec4";

async fn post(host: Client, invocation: usize, body: Arc<str>, due: Instant) -> Answered {
    let answer = host.invoke("StopActionHandler", INVOCATION, &[], &body).await;
    let acknowledged = answer.is_ok_and(|answer| (200..300).contains(&answer.status));
    Answered { invocation, acknowledged, took: due.elapsed() }
}

async fn sweep_again_and_again(host: Client) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        // One that fails says so in the guard's log; the next may not.
        let _ = host.invoke("Sweep", INVOCATION, &[], r#"{"Data":{},"Metadata":{}}"#).await;
    }
}

/// An event that Event Grid may bring as well and that is no stop: of a start, of another resource type, or a write.
pub(crate) fn irrelevant(stops: &[Stop], number: usize) -> String {
    let Some(stop) = stops.get(number % stops.len().max(1)) else { return "{}".to_owned() };
    let other = match number % 3 {
        0 => ("managedClusters/stop/action", "managedClusters/start/action"),
        1 => ("managedClusters/stop/action", "managedClusters/write"),
        _ => ("Microsoft.ContainerService/managedClusters", "Microsoft.Compute/virtualMachines"),
    };
    stop.event.replace(other.0, other.1).replace(&stop.event_id, &format!("irrelevant-{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_in_records_and_in_the_bytes_of_cases() {
        let record = r#"{"case":{"stops":[{"event_id":"a"},{"event_id":"b"}]},"closing":{"body":"{\"stops\":[{\"event_id\":\"c\"}]}"}}"#;
        assert_eq!(event_ids(record), ["a", "b", "c"]);
    }

    #[test]
    fn the_slowest_one_in_a_hundred_is_the_99th_percentile() {
        let took = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(Answers::of(took), Some(Answers { p50_ms: 100.0, p99_ms: 198.0, max_ms: 200.0 }));
        assert_eq!(Answers::of(Vec::new()), None);
    }
}
