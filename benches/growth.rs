//! How the guard's work grows, and how long a storm of stops takes it, in virtual time over the simulated Azure of the scenarios.
//!
//! `cargo bench --profile simulation --bench growth` prints a line of JSON for each figure, with its limit; `make bench` holds them against
//! it. A sweep's time is real and holds the simulator's part of it; a storm's time is virtual, so that it is the same on every machine.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "it fails by panicking, and uses a part of what the scenarios have"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use aks_stop_guard::azure::{
    Arm, ArmOptions, Cloud, CredentialError, Endpoint, Secret, TokenSource, Transport, TransportError,
};
use aks_stop_guard::case::{Episode, Record};
use aks_stop_guard::clock::Clock;
use aks_stop_guard::domain::{ClusterId, SubscriptionId};
use aks_stop_guard::guard::{Guard, Ports, SystemEntropy};
use aks_stop_guard::store::{OpenMarker, StatePath};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use sim::{Process, Setup, Sim, mallory};
use simulator::world::{self, Deed, Durations, Happening, NewCluster};
use told::{Told, ms};

#[path = "../tests/scenarios/clocks.rs"]
mod clocks;
#[path = "../tests/scenarios/inbox.rs"]
mod inbox;
#[path = "../tests/scenarios/policies.rs"]
mod policies;
#[path = "../tests/scenarios/probe.rs"]
mod probe;
#[path = "../tests/scenarios/sim.rs"]
mod sim;
#[path = "support/told.rs"]
mod told;

/// Cases of the worlds that are swept.
const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
/// Sweeps of each.
const RUNS: usize = 21;
/// Clusters of one subscription: few enough that its quota of reads lets all be looked at in one sweep.
const PER_SUBSCRIPTION: usize = 10;
/// How often more a sweep may take for ten times the due cases: ten times, and room for what the caches no longer hold.
const TEN_TIMES_MAX: f64 = 15.0;
/// How much longer it may take for each closed case, microseconds: a ten-thousandth of what a due one takes. It is what the store in memory
/// takes to pass over a record; the guard asks for none of them.
const CLOSED_US_MAX: f64 = 0.04;
/// Clusters of the storm, all in one subscription.
const STORM: usize = 2_000;
/// Azure lets a subscription have so many starts in a row, and one a second after that (the simulator's buckets).
const STARTS_BURST: usize = 60;
const STORM_RATIO_MIN: f64 = 0.95;

fn main() {
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime().block_on(storm());
    let medians: Vec<f64> = SIZES.iter().map(|size| runtime().block_on(sweeps(*size, State::Due))).collect();
    let most = medians.windows(2).skip(1).map(|pair| pair[1] / pair[0]).fold(0.0, f64::max);
    Told::runs("a sweep for ten times the due cases, from 100 on", "×", vec![most])
        .with("at_most", json!(TEN_TIMES_MAX))
        .print();
    for size in SIZES {
        runtime().block_on(sweeps(size, State::NotDue));
    }
    let closed: Vec<f64> =
        SIZES.iter().map(|size| runtime().block_on(sweeps(*size, State::Closed))).collect();
    let more_us = (closed[SIZES.len() - 1] - closed[0]) * 1e3 / 9_990.0;
    Told::runs("a sweep: more for each of 10,000 closed cases", "µs", vec![more_us])
        .with("at_most", json!(CLOSED_US_MAX))
        .print();
}

/// What the cases of a world are like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Open, and each wants a look.
    Due,
    /// Open, and none wants one yet.
    NotDue,
    /// Over; the records are still there.
    Closed,
}

/// Sweeps a world with so many cases. Returns the median, milliseconds.
async fn sweeps(size: usize, state: State) -> f64 {
    let subscriptions =
        (0..size.div_ceil(PER_SUBSCRIPTION)).map(|n| SubscriptionId::parse(&subscription(n)).unwrap());
    let setup = Setup { subscriptions: subscriptions.collect(), ..Setup::default() };
    let sim = Sim::new(setup);
    let guard = sim.process();
    let template = template(&sim, &guard, state).await;
    for number in 0..size {
        copy(&sim, &template, &id_of(number), state).await;
    }
    let guard = over_canned_answers(&sim, &template);
    // The first ones learn which case is due when.
    let mut took = Vec::new();
    for run in 0..RUNS + 2 {
        if state == State::Due {
            sim.clock.advance(SignedDuration::from_secs(35));
        }
        let began = Instant::now();
        guard.sweep().await.unwrap();
        if run >= 2 {
            took.push(ms(began.elapsed()));
        }
    }
    let (what, over) = match state {
        State::Due => ("due cases", "due cases"),
        State::NotDue => ("open cases, none due", "open cases"),
        State::Closed => ("closed cases", "closed cases"),
    };
    took.sort_by(f64::total_cmp);
    let median = took[took.len() / 2];
    let at = u32::try_from(size).map_or(f64::INFINITY, f64::from);
    Told::runs(&format!("a sweep with {size} {what}"), "ms", took)
        .with("curve", json!({ "curve": format!("a sweep: {what}"), "over": over, "at": at }))
        .print();
    median
}

/// A record of a case that is as `state` says, and the cluster it is about.
async fn template(sim: &Sim, guard: &Process, state: State) -> Record {
    let id = world::ClusterId::new(&subscription(0), "rg-growth", "template");
    let durations = match state {
        State::Closed => Durations::default(),
        // It never ends by itself.
        State::Due | State::NotDue => {
            Durations { start: SignedDuration::from_hours(10_000), ..Durations::default() }
        }
    };
    let new = NewCluster { durations, ..NewCluster::new(id.clone()) };
    sim.world.lock().unwrap().create_cluster(new, sim.clock.now()).unwrap();
    sim.stop(&id, &mallory());
    sim.pass(&[guard], SignedDuration::from_mins(15)).await;
    let record = sim.record(&id).await.unwrap();
    assert_eq!(matches!(record.episode, Episode::None), state == State::Closed, "{:?}", record.episode);
    record
}

fn id_of(number: usize) -> world::ClusterId {
    world::ClusterId::new(&subscription(number / PER_SUBSCRIPTION), "rg-growth", &format!("aks-{number}"))
}

/// The same case of another cluster.
async fn copy(sim: &Sim, template: &Record, id: &world::ClusterId, state: State) {
    let cluster = ClusterId::parse(&id.to_string()).unwrap();
    let mut record = template.clone();
    record.cluster = cluster.clone();
    if let Episode::Open(case) | Episode::Held(case) = &mut record.episode
        && state == State::NotDue
    {
        case.next_at = sim.clock.now() + SignedDuration::from_hours(24);
    }
    let store = sim.store();
    store.put(&StatePath::cluster(&cluster.key()), record.encode().unwrap()).await.unwrap();
    if state != State::Closed {
        let marker = OpenMarker { key: cluster.key(), generation: record.generation };
        store.put(&StatePath::open_marker(&marker), cluster.to_string().into_bytes()).await.unwrap();
    }
}

/// A guard over the same store, to whom ARM says of every cluster that it starts: the simulated world's own time would grow with the
/// number of its operations.
fn over_canned_answers(sim: &Sim, template: &Record) -> Guard {
    let clock: Arc<dyn Clock> = clocks::LocalClock::of(&sim.clock);
    let canned = Canned { resource_uid: template.resource_uid.clone() };
    let options = ArmOptions::new(Endpoint::of(Cloud::Public));
    let sink = inbox::InboxSink::new("webhook", &sim.inbox, &Arc::new(probe::Probe::default()));
    let ports = Ports {
        arm: Arm::new(options, Arc::new(canned), Arc::new(NoToken), Arc::clone(&clock)),
        store: sim.store(),
        dead_letters: None,
        sinks: vec![Arc::new(sink)],
        clock,
        entropy: Arc::new(SystemEntropy),
    };
    Guard::new(sim.settings(), Box::new(|| policies::load("")), ports)
}

/// Answers every GET with a cluster that starts, and every question to Resource Graph with nothing.
struct Canned {
    resource_uid: Option<String>,
}

#[async_trait]
impl Transport for Canned {
    async fn send(&self, request: Request<Bytes>, _: Duration) -> Result<Response<Bytes>, TransportError> {
        let id = request.uri().path();
        let body = match request.method() {
            &Method::GET => json!({
                "id": id,
                "name": id.rsplit('/').next(),
                "location": "westeurope",
                "properties": {
                    "provisioningState": "Starting",
                    "powerState": { "code": "Running" },
                    "resourceUID": self.resource_uid,
                },
            }),
            _ => json!({ "totalRecords": 0, "count": 0, "data": [], "resultTruncated": "false" }),
        };
        Ok(Response::new(Bytes::from(body.to_string())))
    }
}

struct NoToken;

#[async_trait]
impl TokenSource for NoToken {
    async fn token(&self, _: &str) -> Result<Secret, CredentialError> {
        Ok(Secret::new("t"))
    }

    fn reject(&self, _: &str, _: &Secret) {}
}

fn subscription(number: usize) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

/// Stops all clusters of a subscription at once, and waits until the last one was started.
async fn storm() {
    let sim = Sim::new(Setup::default());
    let guard = sim.process();
    let clusters: Vec<world::ClusterId> = (0..STORM).map(|n| sim.cluster(&format!("aks-{n}"))).collect();
    let stopped_at = sim.clock.now();
    for aks in &clusters {
        sim.stop(aks, &mallory());
    }
    let starts = |sim: &Sim| -> Vec<Timestamp> {
        let world = sim.world.lock().unwrap();
        let entries = world.journal().entries.iter();
        entries
            .filter(|entry| matches!(&entry.what, Happening::Accepted(Deed::Start)))
            .map(|entry| entry.at)
            .collect()
    };
    while starts(&sim).len() < STORM {
        assert!(
            sim.clock.now().duration_since(stopped_at) < SignedDuration::from_hours(12),
            "{}",
            starts(&sim).len()
        );
        sim.pass(&[&guard], SignedDuration::from_mins(5)).await;
    }
    let starts = starts(&sim);
    let last = starts.iter().max().unwrap();
    let first = starts.iter().min().unwrap();
    let allowed = (STORM - STARTS_BURST) as f64;
    let took = last.duration_since(*first).as_secs_f64();
    Told::runs("storm of 2,000: first to last start", "s", vec![took]).print();
    Told::runs("storm of 2,000: what the buckets allow ÷ that", "×", vec![allowed / took])
        .with("at_least", json!(STORM_RATIO_MIN))
        .print();
    sim.assert_no_violation();
}
