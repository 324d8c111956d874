//! Promise 6: a stop whose event never came is found.

use std::collections::BTreeSet;

use aks_stop_guard::case::discovery::DiscoveryState;
use aks_stop_guard::case::{Baseline, Episode};
use aks_stop_guard::domain::ClusterKey;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use simulator::world::World;

use super::end::is_down;
use super::{Judge, Promise};
use crate::seed::Knobs;
use crate::stage::{cluster, guarded};

/// How long a run of discovery may take.
const RUN: SignedDuration = SignedDuration::from_secs(60);

/// What discovery has in the store.
#[derive(Debug)]
pub(super) struct Discovering {
    clusters: u32,
    graph_lag: SignedDuration,
    baseline: Option<Baseline>,
    /// Found down, and the log does not name the stop yet.
    unnamed: BTreeSet<ClusterKey>,
}

impl Discovering {
    /// Nothing, where it is not expected to find anything.
    pub(super) fn of(knobs: &Knobs) -> Option<Self> {
        knobs.discovery.then(|| Self {
            clusters: knobs.clusters,
            graph_lag: knobs.graph_lag,
            baseline: None,
            unnamed: BTreeSet::new(),
        })
    }

    /// It was down when the guard first looked, and so is left alone (rule 24). A stop after that counts.
    fn is_left_alone(&self, n: u32, stop: Timestamp, slack: SignedDuration) -> bool {
        let is_older = |baseline: &&Baseline| stop <= baseline.taken_at() + slack;
        self.baseline.as_ref().filter(is_older).is_some_and(|baseline| baseline.has(&guarded(&cluster(n))))
    }

    fn is_in_baseline(&self, n: u32) -> bool {
        self.baseline.as_ref().is_some_and(|baseline| baseline.has(&guarded(&cluster(n))))
    }
}

impl Judge {
    /// Discovery wrote down what it knows.
    pub(super) fn on_discovery(&mut self, path: &str, bytes: &Bytes, now: Timestamp) {
        let Some(discovering) = &mut self.discovering else { return };
        let read = if path == "discovery.json" {
            DiscoveryState::decode(bytes)
                .map(|state| discovering.unnamed = state.unnamed.into_keys().collect())
        } else {
            Baseline::decode(bytes).map(|baseline| discovering.baseline = Some(baseline))
        };
        if let Err(error) = read {
            self.breaks(Promise::Found, now, || format!("{path}: {error}"));
        }
    }

    /// Looks for clusters that are down by a stop that nobody allowed and that nobody knows of. True if there are none.
    pub(super) fn check_found(&mut self, world: &World, now: Timestamp, calm: Timestamp) -> bool {
        let Some(discovering) = &self.discovering else { return true };
        let mut none_left = true;
        let mut late = None;
        for n in (0..discovering.clusters).filter(|n| is_down(world, &cluster(*n))) {
            let key = guarded(&cluster(n)).key();
            let Some(known) = self.clusters.get(&key) else { continue };
            let Some(stop) = known.stops.last() else { continue };
            let has_case =
                known.record.as_ref().is_some_and(|record| !matches!(record.episode, Episode::None));
            let is_explained = known.is_over(stop.at) || known.is_explained(stop.at, self.times.quiet);
            if has_case || is_explained || discovering.is_left_alone(n, stop.at, self.times.skew_max) {
                continue;
            }
            none_left = false;
            let settled = known.disturbed.max(Some(calm)).unwrap_or(calm);
            // The index may never have shown it up: then only the log can tell that it was stopped anew.
            let shown = if discovering.is_in_baseline(n) { self.log_lag } else { SignedDuration::ZERO };
            let (found_by, case_by) = self.found_by(discovering, settled + shown);
            if now > case_by || (now > found_by && !discovering.unnamed.contains(&key)) {
                late = Some(format!("aks-{n} is down since {}, to be found by {found_by}", stop.at));
            }
        }
        if let Some(late) = late {
            self.breaks(Promise::Found, now, || late);
        }
        none_left
    }

    /// By when a cluster that is down without a word must be found, and by when it must have a case.
    fn found_by(&self, discovering: &Discovering, settled: Timestamp) -> (Timestamp, Timestamp) {
        // The run before may have been put down in the store by a clock that was wrong then.
        let run = self.discovery_period();
        let found_by = settled + discovering.graph_lag + run + self.skew * 2;
        // The log is asked each minute by whoever knows that it is waited for; others come a period later.
        let case_by = found_by.max(settled + self.log_lag) + run;
        (found_by, case_by)
    }

    /// In calm times a run of discovery comes at least this often, and is through.
    fn discovery_period(&self) -> SignedDuration {
        self.times.discover_every + self.sweep_every * 2 + RUN
    }
}
