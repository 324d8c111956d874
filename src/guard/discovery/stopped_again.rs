//! Clusters of a baseline that came up and were stopped again between two runs: the index never showed them up, and the event of
//! that stop may be lost, so that only the activity log can tell.
//!
//! It is asked about a whole subscription, and only while something is in its baseline: one question a run, however many
//! clusters that is.

use std::time::Duration;

use futures::StreamExt as _;
use jiff::SignedDuration;

use crate::azure::ArmError;
use crate::case::Baseline;
use crate::domain::LogScope;

use super::super::Guard;
use super::super::records::{GuardError, Loaded};
use super::Run;
use super::examine::{LOG_BUDGET, LOG_KEPT_FOR, LOG_WINDOW_BEFORE};

/// Subscriptions about whose baselines one run asks at most. Those that were not asked about longest come first.
const ASKED_MAX: usize = 50;
/// Subscriptions that are asked about at the same time.
const PARALLEL_QUESTIONS: usize = 8;
/// No question is begun after this, so that most of a run's time is left for what is down unexplained.
const ASKING_BUDGET: Duration = Duration::from_secs(5);
/// Longest time that one question is about. After an outage of the guard there are more of them, so that what was read of the
/// days before counts, even if a later one does not come to its end.
const SLICE: SignedDuration = SignedDuration::from_hours(24);

/// Why the log could not be asked about a baseline, or not to the end.
#[derive(Debug, thiserror::Error)]
enum NotAsked {
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error(transparent)]
    Arm(#[from] ArmError),
    #[error("the activity log has more starts and stops than are read at once")]
    TooMany,
}

impl Guard {
    /// Clusters that the log says were stopped anew leave their baseline. What can't be asked now is asked by the next run.
    pub(super) async fn ask_log_about(&self, baselines: &mut [Loaded<Baseline>], run: &mut Run) {
        // One that is told is older than this run.
        let mut due: Vec<_> = baselines
            .iter_mut()
            .filter(|loaded| loaded.document.told && !loaded.document.clusters().is_empty())
            .collect();
        self.discovery_memory(|memory| {
            due.sort_by_cached_key(|loaded| {
                let asked = memory.asked.get(&loaded.document.subscription).copied();
                (asked, loaded.document.log_due_since())
            });
        });
        due.truncate(ASKED_MAX);
        let began = self.0.clock.since_boot();
        let questions: Vec<_> = due.into_iter().map(|loaded| self.ask_log_about_one(loaded, began)).collect();
        let answers: Vec<_> =
            futures::stream::iter(questions).buffer_unordered(PARALLEL_QUESTIONS).collect().await;
        for error in answers.into_iter().filter_map(Result::err) {
            run.fail(error);
        }
    }

    /// Whatever was read counts, even if not all was.
    async fn ask_log_about_one(
        &self,
        loaded: &mut Loaded<Baseline>,
        began: Duration,
    ) -> Result<(), NotAsked> {
        if self.0.clock.since_boot().saturating_sub(began) > ASKING_BUDGET {
            return Ok(());
        }
        let before = loaded.document.clone();
        let (subscription, now) = (before.subscription.clone(), self.now());
        self.discovery_memory(|memory| memory.asked.insert(subscription, now));
        let read = self.read_log_about(&mut loaded.document).await;
        if loaded.document != before {
            self.save_baseline(loaded).await?;
        }
        read
    }

    async fn read_log_about(&self, baseline: &mut Baseline) -> Result<(), NotAsked> {
        let scope = LogScope::Subscription(baseline.subscription.clone());
        let (began, now) = (self.0.clock.since_boot(), self.now());
        loop {
            let since = baseline.log_due_since().max(now - LOG_KEPT_FOR);
            let until = now.min(since + SLICE);
            let left = LOG_BUDGET.saturating_sub(self.0.clock.since_boot().saturating_sub(began));
            // From before, so that a stop whose end is in the window does not seem to begin there.
            let from = since - LOG_WINDOW_BEFORE;
            let reading = self.0.arm.power_history(&scope, from, until, left, &mut |_| ()).await?;
            let again = baseline.stopped_again(&reading.operations);
            if !again.is_empty() {
                tracing::warn!(
                    subscription = %baseline.subscription,
                    clusters = again.len(),
                    "clusters of the baseline had come up and were stopped again"
                );
                baseline.forget(&again);
            }
            if reading.is_cut {
                return Err(NotAsked::TooMany);
            }
            // The log may be behind: what is younger is asked for again.
            baseline.log_told(until.min(now - self.times().log_lag));
            if until >= now || baseline.clusters().is_empty() {
                return Ok(());
            }
        }
    }
}
