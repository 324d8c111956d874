//! A process may die at every instruction: whoever comes next finishes its work.

use std::collections::BTreeSet;

use aks_stop_guard::case::Outcome;
use aks_stop_guard::clock::Clock as _;
use aks_stop_guard::domain::{IncidentState, StopEvent};
use jiff::SignedDuration;
use simulator::world;

use crate::probe::Twice;
use crate::sim::{Process, Setup, Sim, mallory, minutes};

/// Every how many pairs of deaths one is tried, unless [`ALL_PAIRS`] is set: unoptimised, all of them take minutes.
const PAIRS_STRIDE: usize = 9;
/// The environment variable with which every pair is tried (`make soak`).
const ALL_PAIRS: &str = "GUARD_TEST_ALL_PAIRS";
/// The longest that a case takes whose processes die twice: two intents that have to expire, the log's lag, and a start.
const LONGEST_CASE: SignedDuration = SignedDuration::from_mins(60);

/// One cluster that was stopped, and the event of it.
struct Stage {
    sim: Sim,
    aks: world::ClusterId,
    event: StopEvent,
}

impl Stage {
    fn set() -> Self {
        let sim = Sim::new(Setup::default());
        let aks = sim.cluster("aks-1");
        sim.stop(&aks, &mallory());
        sim.clock.advance(minutes(2));
        let event = sim.stop_events().remove(0);
        Self { sim, aks, event }
    }

    /// The event comes to a process, which works until it dies or nothing is left to do. True if it lived.
    async fn live(&self, process: &Process) -> bool {
        // A redelivery: Event Grid has no answer to the one before.
        let taken = process.probe.run(self.sim.deliver(process, self.event.clone())).await;
        assert!(taken.is_none_or(|taken| taken.is_ok()), "the event could not be taken in");
        let until = self.sim.clock.now() + LONGEST_CASE;
        while !process.probe.is_dead() && !self.is_over().await && self.sim.clock.now() < until {
            self.sim.pass(&[process], SignedDuration::from_secs(30)).await;
        }
        !process.probe.is_dead()
    }

    async fn is_over(&self) -> bool {
        self.sim.is_running(&self.aks)
            && self.sim.paths("open").await.is_empty()
            && !self.sim.outcomes().await.is_empty()
    }

    /// What has to hold in the end, however it came to that.
    async fn assert_restored_once(&self, how: &str) {
        assert!(self.sim.is_running(&self.aks), "{how}: it runs");
        assert_eq!(self.sim.outcomes().await.len(), 1, "{how}: one case");
        assert_eq!(self.sim.starts(&self.aks), 1, "{how}: one accepted start");
        assert!(self.sim.told_times(IncidentState::Opened) >= 1, "{how}: people were told");
        assert!(self.sim.told_times(IncidentState::Resolved) >= 1, "{how}: and told that it is over");
        assert_eq!(self.sim.stories(), 1, "{how}: under one name");
        assert!(self.sim.paths("open").await.is_empty(), "{how}: no marker is left");
        self.sim.assert_no_violation();
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_killed_before_or_after_any_call_leaves_a_case_that_the_next_one_finishes() {
    let mut deaths = 0;
    for point in 0.. {
        let stage = Stage::set();
        let doomed = stage.sim.process();
        doomed.probe.kill_at(point);
        if stage.live(&doomed).await {
            break;
        }
        deaths += 1;
        assert!(stage.live(&stage.sim.process()).await, "killed at {point}: the next one finishes");
        stage.assert_restored_once(&format!("killed at {point}")).await;
    }
    assert!(deaths > 40, "the probe sees the calls: {deaths}");
}

/// Between two effects nothing outside changes, so a death right after each stands for all until the next. The second process
/// dies after each of its own effects on what the first left behind.
#[tokio::test(start_paused = true)]
async fn two_processes_killed_one_after_the_other_leave_a_case_that_the_third_one_finishes() {
    let stride = if std::env::var_os(ALL_PAIRS).is_some() { 1 } else { PAIRS_STRIDE };
    let mut pairs = 0;
    for first in 0.. {
        for second in (first % stride..).step_by(stride) {
            let stage = Stage::set();
            let (doomed, doomed_too) = (stage.sim.process(), stage.sim.process());
            doomed.probe.kill_after_effect(first);
            doomed_too.probe.kill_after_effect(second);
            if stage.live(&doomed).await {
                assert!(first > 10 && pairs * stride > 100, "{first} effects, {pairs} pairs");
                return;
            }
            let how = format!("killed after effects {first} and {second}");
            if stage.live(&doomed_too).await {
                stage.assert_restored_once(&how).await;
                break;
            }
            pairs += 1;
            assert!(stage.live(&stage.sim.process()).await, "{how}: the next one finishes");
            stage.assert_restored_once(&how).await;
        }
    }
}

/// As a proxy may that sends again, or a client that does not know whether its call arrived: the second answer is the one seen.
#[tokio::test(start_paused = true)]
async fn every_call_done_twice_comes_to_the_same_end() {
    let mut ends = Vec::new();
    for which in [Twice::None, Twice::AllButPosts] {
        let stage = Stage::set();
        let process = stage.sim.process();
        process.probe.do_twice(which);
        assert!(stage.live(&process).await);
        stage.assert_restored_once(&format!("{which:?}")).await;
        let record = stage.sim.record(&stage.aks).await.unwrap();
        let archived = stage.sim.closed().await;
        let (outcome, stops) = (archived[0].outcome, archived[0].stops.clone());
        ends.push((record.episode, record.history.starts.len(), record.outbox, outcome, stops));
    }
    assert_eq!(ends[0], ends[1]);
}

/// Azure refuses the second of two starts, and the guard takes its own for somebody else's: it starts nothing more.
#[tokio::test(start_paused = true)]
async fn a_start_that_the_network_sends_twice_is_still_one_start_and_one_story() {
    let stage = Stage::set();
    let process = stage.sim.process();
    process.probe.do_twice(Twice::All);
    assert!(stage.live(&process).await);
    stage.assert_restored_once("the start was sent twice").await;
}

#[tokio::test(start_paused = true)]
async fn several_processes_at_once_start_a_cluster_once_and_tell_it_under_one_name() {
    let sim = Sim::new(Setup::default());
    let (a, b, c) = (sim.process(), sim.process(), sim.process());
    let aks = sim.cluster("aks-1");
    sim.stop(&aks, &mallory());
    sim.clock.advance(minutes(2));
    let event = sim.stop_events().remove(0);
    let deliveries = [&a, &b, &c].map(|process| sim.deliver(process, event.clone()));
    for delivered in futures::future::join_all(deliveries).await {
        delivered.unwrap();
    }
    sim.pass(&[&a, &b, &c], minutes(20)).await;

    assert_eq!(sim.starts(&aks), 1);
    assert_eq!(sim.outcomes().await, [Outcome::Restored]);
    let ids: BTreeSet<_> = sim
        .inbox
        .messages
        .lock()
        .unwrap()
        .iter()
        .map(|message| (message.id.clone(), message.sequence))
        .collect();
    assert_eq!(ids.len(), 2, "one opened, one resolved, however often they were sent");
    sim.assert_no_violation();
}
