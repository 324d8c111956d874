//! H1: what an earlier program left behind at any moment of a case is finished by today's program as that one would have.
//!
//! `tests/records/histories` holds cases from their stop to their end, each with every version of its record and every start that
//! was sent. For each version the world is played to that moment, the record is put there as it was, and today's guard goes on.

use std::path::PathBuf;

use aks_stop_guard::case::{Mode, Outcome, Record};
use aks_stop_guard::clock::Clock as _;
use aks_stop_guard::domain::ClusterKey;
use aks_stop_guard::store::{OpenMarker, StatePath};
use bytes::Bytes;
use jiff::SignedDuration;
use object_store::ObjectStoreExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use simulator::world::{self, Fault, FaultRule, RequestKind};

use crate::probe::Noted;
use crate::sim::{Setup, Sim, mallory, ops};

/// The environment variable with which histories that are missing are written: for a new version of the record.
const WRITE: &str = "GUARD_TEST_WRITE_HISTORIES";
/// Version of the records in the histories.
const VERSION: u32 = 1;
/// How long each case is played, and how much longer one may take whose process died in between.
const PLAYED: SignedDuration = SignedDuration::from_mins(60);
const LONGER: SignedDuration = SignedDuration::from_mins(60);

/// A kind of case: a stop at the beginning, and what people do later.
struct Kind {
    name: &'static str,
    mode: Mode,
    stopped_by: fn() -> world::Caller,
    fault: Option<Fault>,
    later: Option<(SignedDuration, Deed)>,
}

#[derive(Clone, Copy)]
enum Deed {
    Start,
    Delete,
}

const KINDS: [Kind; 7] = [
    Kind { name: "restored", mode: Mode::Act, stopped_by: mallory, fault: None, later: None },
    Kind { name: "authorised", mode: Mode::Act, stopped_by: ops, fault: None, later: None },
    Kind {
        name: "refused",
        mode: Mode::Act,
        stopped_by: mallory,
        fault: Some(Fault::Locked),
        later: Some((SignedDuration::from_mins(30), Deed::Start)),
    },
    Kind {
        name: "failed-start",
        mode: Mode::Act,
        stopped_by: mallory,
        fault: Some(Fault::StartFails { leaves: world::PowerState::Stopped }),
        later: Some((SignedDuration::from_mins(30), Deed::Start)),
    },
    Kind {
        name: "notify",
        mode: Mode::Notify,
        stopped_by: mallory,
        fault: None,
        later: Some((SignedDuration::from_mins(30), Deed::Start)),
    },
    Kind {
        name: "dry-run",
        mode: Mode::DryRun,
        stopped_by: mallory,
        fault: None,
        later: Some((SignedDuration::from_mins(30), Deed::Start)),
    },
    Kind {
        name: "gone",
        mode: Mode::Notify,
        stopped_by: mallory,
        fault: None,
        later: Some((SignedDuration::from_mins(20), Deed::Delete)),
    },
];

/// One case from its stop to its end.
#[derive(Serialize, Deserialize)]
struct History {
    end: End,
    steps: Vec<Step>,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    outcome: Option<Outcome>,
    is_running: bool,
    guards_starts: usize,
}

/// What happened in the store or to the cluster, in this order.
#[derive(Serialize, Deserialize)]
struct Step {
    after_seconds: i64,
    #[serde(flatten)]
    what: What,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    Record(Value),
    Start,
}

impl What {
    /// What tells one version of a record from the one before, looks and times apart.
    fn moment(&self) -> Option<Vec<Value>> {
        let Self::Record(record) = self else { return None };
        let case = &record["case"];
        let members =
            ["verdict", "held", "last_situation", "episode_attempts"].map(|name| case[name].clone());
        let intent = case["intent"]["state"]["is"].clone();
        let waiting = record["outbox"].as_array().map_or(0, Vec::len);
        Some([record["phase"].clone(), intent, waiting.into()].into_iter().chain(members).collect())
    }
}

impl Kind {
    fn file(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join(format!("tests/records/histories/v{VERSION}_{}.json", self.name))
    }

    /// A world in which the cluster was stopped at this moment.
    fn stage(&self) -> (Sim, world::ClusterId) {
        let sim = Sim::new(Setup { mode: self.mode, extra: Sim::allow(&ops()), ..Setup::default() });
        let aks = sim.cluster("aks-1");
        if let Some(fault) = self.fault.clone() {
            let rule = FaultRule { fault, on: Some(RequestKind::Start), cluster: None, times: Some(1) };
            sim.world.lock().unwrap().add_fault(rule);
        }
        sim.stop(&aks, &(self.stopped_by)());
        (sim, aks)
    }

    /// People do what they do, if it is time.
    fn people(&self, sim: &Sim, aks: &world::ClusterId, from: SignedDuration, to: SignedDuration) {
        let Some((at, deed)) = self.later.filter(|(at, _)| (from..to).contains(at)) else { return };
        let now = sim.clock.now();
        let mut world = sim.world.lock().unwrap();
        let done = match deed {
            Deed::Start => world.start(aks, &ops(), now),
            Deed::Delete => world.delete(aks, &ops(), now),
        };
        done.unwrap_or_else(|refused| panic!("{} after {at}: {refused:?}", self.name));
    }

    /// The whole case, as today's program plays it.
    async fn play(&self) -> History {
        let (sim, aks) = self.stage();
        let process = sim.process();
        let mut steps = Vec::new();
        let tick = SignedDuration::from_secs(5);
        let mut passed = SignedDuration::ZERO;
        while passed < PLAYED {
            self.people(&sim, &aks, passed, passed + tick);
            sim.pass(&[&process], tick).await;
            passed += tick;
            steps.extend(process.probe.take_noted().into_iter().map(|noted| Step {
                after_seconds: passed.as_secs(),
                what: match noted {
                    Noted::Record(bytes) => What::Record(serde_json::from_slice(&bytes).unwrap()),
                    Noted::Start => What::Start,
                },
            }));
        }
        History { end: end(&sim, &aks).await, steps }
    }

    /// The case up to this step by that history, and from there by today's program. `None` if nothing was left to do.
    async fn go_on_after(&self, history: &History, step: usize) -> Option<End> {
        let What::Record(stored) = &history.steps[step].what else { return None };
        let bytes = Bytes::from(serde_json::to_vec(stored).unwrap());
        let record = Record::decode(&bytes).unwrap_or_else(|error| panic!("{} {step}: {error}", self.name));
        if stored["phase"] == "none" && record.outbox.is_empty() {
            return None;
        }
        let (mut sim, aks) = self.stage();
        let mut passed = SignedDuration::ZERO;
        for before in &history.steps[..=step] {
            let at = SignedDuration::from_secs(before.after_seconds);
            self.pass_without_guard(&sim, &aks, &mut passed, at).await;
            if let What::Start = before.what {
                // What came of it is the world's, faults included.
                sim.start_as_guard(&aks);
            }
        }
        sim.events.lock().unwrap().clear();
        sim.delivers = true;
        let marker = OpenMarker { key: key(&record), generation: record.generation };
        let put = async |path: StatePath, bytes: Bytes| {
            sim.state.put(&path.to_string().as_str().into(), bytes.into()).await.unwrap();
        };
        put(StatePath::open_marker(&marker), Bytes::from(aks.to_string())).await;
        put(StatePath::cluster(&marker.key), bytes).await;
        let process = sim.process();
        let tick = SignedDuration::from_secs(30);
        while passed < PLAYED + LONGER && !sim.paths("open").await.is_empty() {
            self.people(&sim, &aks, passed, passed + tick);
            sim.pass(&[&process], tick).await;
            passed += tick;
        }
        sim.assert_no_violation();
        assert!(sim.paths("open").await.is_empty(), "{} {step}: a marker is left", self.name);
        let mut end = end(&sim, &aks).await;
        let is_archived = stored["phase"] == "none";
        // Nobody can know whether a start went out that was only planned: who started the cluster is not told apart then.
        let runs = |outcome| matches!(outcome, Some(Outcome::Restored | Outcome::AlreadyRunning));
        let is_planned = stored["case"]["intent"]["state"]["is"] == "planned";
        if is_archived || (is_planned && runs(end.outcome) && runs(history.end.outcome)) {
            end.outcome = history.end.outcome;
        }
        Some(end)
    }

    async fn pass_without_guard(
        &self,
        sim: &Sim,
        aks: &world::ClusterId,
        passed: &mut SignedDuration,
        until: SignedDuration,
    ) {
        let tick = SignedDuration::from_secs(5);
        while *passed < until {
            self.people(sim, aks, *passed, *passed + tick);
            sim.pass(&[], tick).await;
            *passed += tick;
        }
    }
}

fn key(record: &Record) -> ClusterKey {
    record.cluster.key()
}

async fn end(sim: &Sim, aks: &world::ClusterId) -> End {
    let world_starts = {
        let world = sim.world.lock().unwrap();
        world
            .journal()
            .entries
            .iter()
            .filter(|entry| entry.who == "aks-stop-guard")
            .filter(|entry| entry.what == world::Happening::Accepted(world::Deed::Start))
            .count()
    };
    End { outcome: sim.outcomes().await.pop(), is_running: sim.is_running(aks), guards_starts: world_starts }
}

#[tokio::test(start_paused = true)]
async fn whatever_version_1_left_behind_ends_as_it_would_have() {
    for kind in KINDS {
        write_if_asked(&kind).await;
        let text = std::fs::read(kind.file()).unwrap_or_else(|error| panic!("{}: {error}", kind.name));
        let history: History = serde_json::from_slice(&text).unwrap();
        let (mut tried, mut before) = (0, None);
        for step in 0..history.steps.len() {
            let moment = history.steps[step].what.moment();
            if moment.is_none() || moment == before {
                continue;
            }
            before.clone_from(&moment);
            if let Some(end) = kind.go_on_after(&history, step).await {
                tried += 1;
                assert_eq!(end, history.end, "{} after step {step}", kind.name);
            }
        }
        assert!(tried >= 2, "{}: {tried} moments", kind.name);
    }
}

async fn write_if_asked(kind: &Kind) {
    let asked = std::env::var_os(WRITE).is_some();
    if asked && !kind.file().exists() {
        let history = kind.play().await;
        std::fs::create_dir_all(kind.file().parent().unwrap()).unwrap();
        std::fs::write(kind.file(), serde_json::to_vec_pretty(&history).unwrap()).unwrap();
    }
}
