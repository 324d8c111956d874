//! Real guards over the real server, with a simulated Azure beside it: what the protocol says of writes, on the wire.

use std::sync::Arc;

use aks_stop_guard::case::{Episode, Outcome, Record};
use aks_stop_guard::clock::Clock as _;
use aks_stop_guard::domain::{ClusterId, ClusterKey, IncidentState, StopEvent};
use aks_stop_guard::store::{Archived, CasePath, OpenMarker, Prefix, StatePath, Store};
use simulator::world;

use crate::blob_proxy::{Gate, Meddling, Proxy};
use crate::sim::{Process, Setup, Sim, mallory, minutes};
use crate::{Fixture, signed};

const EMULATOR: &str = "UseDevelopmentStorage=true";
/// Tries of one delivery.
const TRIES_MAX: usize = 10;
/// More writes than any process has for one case.
const WRITES_MAX: usize = 60;

/// The longest that a case takes whose process died once: an intent that has to expire, the log's lag, and a start.
const LONGEST_CASE: jiff::SignedDuration = jiff::SignedDuration::from_mins(45);

/// A stopped cluster, its event, and a store of their own.
struct Stage {
    fixture: Fixture,
    sim: Sim,
    aks: world::ClusterId,
    event: StopEvent,
}

impl Stage {
    async fn set(container: &str) -> Self {
        let fixture = Fixture::new(container).await;
        let mut sim = Sim::new(Setup::default());
        sim.delivers = false;
        let aks = sim.cluster("aks-1");
        let event = stop(&sim, &aks);
        Self { fixture, sim, aks, event }
    }

    /// A process with its own client, straight to the server.
    fn process(&self) -> Process {
        self.process_by(EMULATOR)
    }

    fn process_by(&self, state: &str) -> Process {
        self.sim.process_over(self.fixture.another(state), Arc::default())
    }

    fn store(&self) -> &Store {
        &self.fixture.store
    }

    fn key(&self) -> ClusterKey {
        ClusterId::parse(&self.aks.to_string()).unwrap().key()
    }

    async fn record(&self) -> Record {
        let stored = self.store().read(&StatePath::cluster(&self.key())).await.unwrap().unwrap();
        Record::decode(&stored.bytes).unwrap()
    }

    /// Where the newest case is archived, if it is closed today.
    async fn case_path(&self) -> CasePath {
        let marker = OpenMarker { key: self.key(), generation: self.record().await.generation };
        CasePath::new(&marker, self.sim.clock.now())
    }

    async fn markers(&self) -> usize {
        self.store().list(&Prefix::open_markers(), 100).await.unwrap().entries.len()
    }

    /// The event comes to a process, which works until nothing is left to do.
    async fn live(&self, process: &Process) {
        self.sim.deliver(process, self.event.clone()).await.unwrap();
        let until = self.sim.clock.now() + LONGEST_CASE;
        while self.markers().await > 0 && self.sim.clock.now() < until {
            self.sim.pass(&[process], minutes(1)).await;
        }
    }

    /// What has to hold in the end.
    async fn assert_restored_once(&self, how: &str) {
        assert!(self.sim.is_running(&self.aks), "{how}: it runs");
        assert_eq!(self.sim.starts(&self.aks), 1, "{how}: one accepted start");
        assert_eq!(self.markers().await, 0, "{how}: no marker is left");
        assert_eq!(self.record().await.episode, Episode::None, "{how}: the case is over");
        let archived =
            self.store().read_case(&self.case_path().await).await.unwrap().expect("it is archived");
        let case: aks_stop_guard::case::Case = serde_json::from_slice(&archived.bytes).unwrap();
        assert_eq!(case.outcome, Some(Outcome::Restored), "{how}");
        assert!(self.sim.told_times(IncidentState::Opened) >= 1, "{how}: people were told");
        assert!(self.sim.told_times(IncidentState::Resolved) >= 1, "{how}: and told that it is over");
        assert_eq!(self.sim.stories(), 1, "{how}: under one name");
        self.sim.assert_no_violation();
    }
}

/// Stops a cluster; the event of it, two minutes later.
fn stop(sim: &Sim, cluster: &world::ClusterId) -> StopEvent {
    sim.stop(cluster, &mallory());
    sim.clock.advance(minutes(2));
    sim.stop_events().pop().unwrap()
}

/// Rule 3, with every third write done and answered with 503: the writer's own nonce tells it that it wrote.
#[tokio::test]
async fn a_guard_whose_writes_are_done_and_answered_with_503_restarts_once_and_closes_the_case() {
    let stage = Stage::set("guard-503").await;
    let proxy = Proxy::start(&stage.fixture.azurite.url, |seen| match seen.writes % 3 {
        1 if seen.is_write() => Meddling::BusyAfter,
        _ => Meddling::Pass,
    })
    .await;
    let guard = stage.process_by(&signed(&proxy.url));
    // Event Grid delivers until the answer is 2xx.
    let mut tries = 0;
    while let Err(error) = stage.sim.deliver(&guard, stage.event.clone()).await {
        tries += 1;
        assert!(tries < 10, "{error}");
        stage.sim.pass(&[&guard], minutes(1)).await;
    }
    stage.sim.pass(&[&guard], minutes(20)).await;
    stage.assert_restored_once("every third write was answered with 503").await;
}

/// Rules 3, 5, 6, 18 and 19: the process dies right after each of its writes, those of the end among them, without an answer.
/// Whoever comes next finds on the server what was written, and finishes.
#[tokio::test]
async fn a_guard_that_dies_at_any_write_leaves_to_the_next_one_what_it_can_finish() {
    for at in 0..WRITES_MAX {
        let stage = Stage::set(&format!("guard-dies-{at}")).await;
        let gate = Arc::new(Gate::default());
        let held = Arc::clone(&gate);
        let proxy = Proxy::start(&stage.fixture.azurite.url, move |seen| {
            if seen.is_write() && seen.writes == at {
                Meddling::HoldAfter(Arc::clone(&held))
            } else {
                Meddling::Pass
            }
        })
        .await;
        let doomed = stage.process_by(&signed(&proxy.url));
        let lived = tokio::select! {
            biased;
            () = gate.reached() => false,
            () = stage.live(&doomed) => true,
        };
        if !lived {
            stage.live(&stage.process()).await;
        }
        stage.assert_restored_once(&format!("killed after write {at}: {}", !lived)).await;
        if lived {
            assert!(at > 10, "{at} writes");
            return;
        }
    }
    panic!("a case has fewer writes than {WRITES_MAX}");
}

/// Rule 18: something else lies where the case belongs.
#[tokio::test]
async fn other_bytes_in_the_archive_stay_and_the_case_goes_beside_them_with_an_incident() {
    let stage = Stage::set("guard-archive").await;
    let guard = stage.process();
    stage.sim.deliver(&guard, stage.event.clone()).await.unwrap();
    let path = stage.case_path().await;
    assert_eq!(stage.store().archive(&path, "{\"somebody\":\"else\"}").await.unwrap(), Archived::New);
    stage.sim.pass(&[&guard], minutes(15)).await;
    assert_eq!(stage.store().read_case(&path).await.unwrap().unwrap().bytes, "{\"somebody\":\"else\"}");
    let beside = stage.store().read_case(&path.conflict(1)).await.unwrap().expect("it went beside");
    let case: aks_stop_guard::case::Case = serde_json::from_slice(&beside.bytes).unwrap();
    assert_eq!(case.outcome, Some(Outcome::Restored));
    assert!(stage.sim.told().iter().any(|line| line.contains("archive")), "{:?}", stage.sim.told());
    assert_eq!((stage.markers().await, stage.sim.starts(&stage.aks)), (0, 1));
}

/// Counterexample 4: the marker is there, the record is on its way, and a sweep of another process comes by.
#[tokio::test]
async fn a_marker_under_a_case_that_is_being_written_is_burnt_and_the_case_opened_under_the_next() {
    let stage = Stage::set("guard-marker").await;
    let (gate, first) = (Arc::new(Gate::default()), Arc::new(std::sync::atomic::AtomicBool::new(true)));
    let held = Arc::clone(&gate);
    let proxy = Proxy::start(&stage.fixture.azurite.url, move |seen| {
        let is_record = seen.is_write() && seen.path.contains("/clusters/");
        if is_record && first.swap(false, std::sync::atomic::Ordering::SeqCst) {
            Meddling::HoldBefore(Arc::clone(&held))
        } else {
            Meddling::Pass
        }
    })
    .await;
    let (writer, sweeper) = (stage.process_by(&signed(&proxy.url)), stage.process());
    let sweep = async {
        gate.reached().await;
        let burnt = stage.store().list(&Prefix::open_markers(), 9).await.unwrap().entries;
        sweeper.guard.sweep().await.unwrap();
        assert_eq!(stage.markers().await, 0, "it stood for nothing");
        gate.open();
        burnt[0].path.as_open_marker().unwrap().generation
    };
    let (taken, burnt) = tokio::join!(stage.sim.deliver(&writer, stage.event.clone()), sweep);
    if taken.is_err() {
        // The gate was longer closed than a write may take: nothing was acknowledged, and Event Grid comes again.
        stage.sim.deliver(&writer, stage.event.clone()).await.unwrap();
    }
    let record = stage.record().await;
    assert!(record.generation > burnt, "{} after {burnt}", record.generation);
    assert!(record.case().is_some(), "the event was acknowledged: its case is there");
    assert_eq!(stage.markers().await, 1, "and so is its marker");
    // The process that took it in is gone: the other one has nothing but the marker to go by.
    stage.sim.pass(&[&sweeper], minutes(20)).await;
    stage.assert_restored_once("after the marker was burnt").await;
}

/// Rule 22: a policy that forbids restarts from the fifth stop on lets at most four precede it, however many processes count at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_processes_that_count_at_the_same_time_start_no_more_than_the_breaker_lets_pass() {
    const LIMIT: usize = 5;
    let extra = format!(
        "@id(\"breaker\")\nforbid (principal == Guard::\"self\", action == Action::\"restart\", resource)\n\
         when {{ context.unauthorisedStopsInSubscriptionLastHour >= {LIMIT} }};\n"
    );
    let fixture = Fixture::new("guard-breaker").await;
    let sim = Sim::new(Setup { extra, ..Setup::default() });
    let clusters: Vec<world::ClusterId> = (0..12).map(|n| sim.cluster(&format!("aks-{n}"))).collect();
    for cluster in &clusters {
        sim.stop(cluster, &mallory());
    }
    sim.clock.advance(minutes(2));
    let processes: Vec<Process> =
        clusters.iter().map(|_| sim.process_over(fixture.another(EMULATOR), Arc::default())).collect();
    let sim_of_all = &sim;
    let deliveries = sim.stop_events().into_iter().zip(&processes).map(|(event, process)| async move {
        // A server that is busy with twelve of them may say 503 to one: Event Grid comes again.
        for _ in 0..TRIES_MAX {
            if sim_of_all.deliver(process, event.clone()).await.is_ok() {
                return true;
            }
        }
        false
    });
    assert!(futures::future::join_all(deliveries).await.into_iter().all(|taken| taken));
    let starts: usize = clusters.iter().map(|cluster| sim.starts(cluster)).sum();
    assert!(starts < LIMIT, "{starts} starts precede the trip");
    let told = sim.told();
    let stopped = clusters.len() - starts;
    assert!(told.len() >= stopped, "people hear of each of the other {stopped}: {told:#?}");
}
