//! Looks into one cluster that is down and that nothing stored explains: ARM decides whether it is, the activity log who did it.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

use crate::azure::ArmError;
use crate::case::bulletin::DownReport;
use crate::case::discovery::{Examination, Finding, Seen, UNNAMED_MAX};
use crate::case::{AuthorisedStop, BulletinKey, Episode, Record, Stop};
use crate::domain::{ClusterId, ClusterKey, Found, LogReading, Look, SubscriptionId};
use crate::store::{StatePath, StoreError};

use super::super::Guard;
use super::super::records::{GuardError, Loaded, Saved, load, load_bulletin};
use super::super::work::{CONFLICTS_MAX, LOOK_BUDGET};
use super::{Down, Run};

/// How long a question to the activity log may take, pages and retries included.
pub(super) const LOG_BUDGET: Duration = Duration::from_secs(8);
/// How far before what matters the activity log is read.
pub(super) const LOG_WINDOW_BEFORE: SignedDuration = SignedDuration::from_hours(1);
/// The activity log keeps its records for 90 days (source: Azure Monitor, "Activity log retention"); older windows are refused.
pub(super) const LOG_KEPT_FOR: SignedDuration = SignedDuration::from_hours(89 * 24);
/// Clusters of which one run looks whether they are down still: those that left the index.
pub(super) const LOOKS_MAX: usize = 50;

/// What looking into a cluster came to.
pub(super) enum Outcome {
    /// This, and it was done.
    Done(Box<Finding>, Timestamp),
    /// A stop that was found got its case; false if an event had come meanwhile.
    Opened(bool),
    /// It has a case by now.
    HasCase,
}

impl Outcome {
    /// Whether it would not come to something else a little later.
    pub(super) fn is_settled(&self) -> bool {
        match self {
            Self::Opened(_) | Self::HasCase => true,
            Self::Done(finding, _) => match **finding {
                Finding::Unnamed | Finding::Undecided(_) => false,
                Finding::Up
                | Finding::Explained
                | Finding::Stopped(_)
                | Finding::Allowed(_)
                | Finding::Unexplained { .. } => true,
            },
        }
    }
}

/// Why a cluster could not be looked into.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Guard(#[from] GuardError),
    #[error(transparent)]
    Arm(#[from] ArmError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("looking into cluster `{0}` panicked")]
    Panicked(ClusterKey),
}

impl Guard {
    /// Looks into a cluster, and does what follows for it. Its panic ends nothing else (rule 26).
    pub(super) async fn examine(
        &self,
        cluster: &ClusterId,
        unnamed_since: Option<Timestamp>,
    ) -> Result<Outcome, Trouble> {
        let (guard, of) = (self.clone(), cluster.clone());
        match tokio::spawn(async move { guard.examine_here(&of, unnamed_since).await }).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Trouble::Panicked(cluster.key())),
        }
    }

    async fn examine_here(
        &self,
        cluster: &ClusterId,
        unnamed_since: Option<Timestamp>,
    ) -> Result<Outcome, Trouble> {
        let loaded =
            load(&self.0.store, &cluster.key(), Some(cluster), self.0.gate.mode(), self.now()).await?;
        let record = loaded.map(|loaded| loaded.document);
        if record.as_ref().is_some_and(|record| !matches!(record.episode, Episode::None)) {
            return Ok(Outcome::HasCase);
        }
        let look = self.0.arm.look(cluster, LOOK_BUDGET).await?;
        let log = match Seen::of(&look) {
            Seen::Down => self.log_of(cluster, record.as_ref()).await?,
            Seen::Up | Seen::Unclear => LogReading::default(),
        };
        let unnamed_since = unnamed_since.unwrap_or(look.sent_at);
        let finding = Examination {
            cluster,
            record: record.as_ref(),
            look: &look,
            log: &log,
            unnamed_since,
            policies: self.policies(),
            zone: &self.0.settings.zone,
            now: self.now(),
            times: self.times(),
        }
        .find();
        match finding {
            Finding::Stopped(stop) => Ok(Outcome::Opened(self.open_found(cluster, *stop).await?)),
            Finding::Allowed(stop) => {
                self.remember_allowed(cluster, &stop).await?;
                Ok(Outcome::Done(Box::new(Finding::Allowed(stop)), unnamed_since))
            }
            finding @ (Finding::Up
            | Finding::Explained
            | Finding::Unexplained { .. }
            | Finding::Unnamed
            | Finding::Undecided(_)) => Ok(Outcome::Done(Box::new(finding), unnamed_since)),
        }
    }

    /// The power operations since the authorised stop that may explain it, or of the time in which a stop is answered with a
    /// restart; if there are none, of all that the log keeps.
    async fn log_of(&self, cluster: &ClusterId, record: Option<&Record>) -> Result<LogReading, ArmError> {
        let now = self.now();
        let authorised = record.and_then(|record| record.history.authorised.as_ref());
        let from = authorised.map_or(now - self.times().restart_found_within, |stop| stop.stop_time);
        let kept_from = now - LOG_KEPT_FOR;
        let since = from.max(kept_from) - LOG_WINDOW_BEFORE;
        let log = self.0.arm.power_operations(cluster, since, now, LOG_BUDGET).await?;
        if !log.operations.is_empty() || authorised.is_some() {
            return Ok(log);
        }
        self.0.arm.power_operations(cluster, kept_from, now, LOG_BUDGET).await
    }

    /// A stop of which no event came gets a case, as if one had.
    async fn open_found(&self, cluster: &ClusterId, stop: Stop) -> Result<bool, GuardError> {
        tracing::warn!(cluster = %cluster, stopped_at = %stop.time, "discovery found a stop of which no event had come");
        let (durable, _) = oneshot::channel();
        self.take_in_stops(cluster.clone(), &|| vec![stop.clone()], durable).await
    }

    /// An allowed stop that is too old for a case explains the cluster from then on.
    async fn remember_allowed(&self, cluster: &ClusterId, stop: &AuthorisedStop) -> Result<(), GuardError> {
        let key = cluster.key();
        let _flight = self.0.flights.take(&key).await;
        for _ in 0..=CONFLICTS_MAX {
            let loaded = load(&self.0.store, &key, Some(cluster), self.0.gate.mode(), self.now()).await?;
            let Loaded { mut document, etag } =
                loaded.unwrap_or_else(|| Loaded { document: Record::new(cluster.clone()), etag: None });
            let known = document.history.authorised.as_ref().map(|known| known.stop_time);
            if !matches!(document.episode, Episode::None) || known >= Some(stop.stop_time) {
                return Ok(());
            }
            document.history.authorised = Some(stop.clone());
            let path = StatePath::cluster(&key);
            if let Saved::Done(_) = self.save(&path, &mut document, etag.as_ref()).await? {
                return Ok(());
            }
        }
        Err(GuardError::Contended(key.to_string()))
    }

    /// Clusters of the grouped incident that left the index: do they run, or are they gone?
    /// One of a subscription that is not guarded any more is nobody's to look at.
    pub(super) async fn look_at_listed(
        &self,
        down: &Down,
        guarded: &BTreeSet<SubscriptionId>,
        run: &mut Run,
    ) {
        let listed = match load_bulletin(&self.0.store, &BulletinKey::Unexplained).await {
            Ok(loaded) => loaded.document.still_down(),
            Err(error) => return run.fail(error),
        };
        let left = listed.into_iter().filter(|cluster| !down.contains_key(&cluster.key()));
        let (left, foreign): (Vec<_>, Vec<_>) =
            left.partition(|cluster| guarded.contains(cluster.subscription()));
        for cluster in foreign {
            run.report_ended(&cluster, "is not guarded any more");
        }
        for cluster in left.into_iter().take(LOOKS_MAX) {
            match self.0.arm.look(&cluster, LOOK_BUDGET).await {
                Ok(look) if Seen::of(&look) == Seen::Up => run.report_ended(&cluster, up(&look)),
                Ok(_) => {}
                Err(error) => run.fail(error),
            }
        }
    }
}

fn up(look: &Look) -> &'static str {
    match look.found {
        Found::Cluster(_) => "runs or starts",
        Found::Gone => "is gone",
    }
}

impl Run {
    /// Takes in what looking into a cluster came to.
    pub(super) fn take(&mut self, cluster: &ClusterId, outcome: Result<Outcome, Trouble>) {
        let key = cluster.key();
        let (finding, unnamed_since) = match outcome {
            Err(trouble) => return self.fail(trouble),
            Ok(Outcome::Opened(is_new)) => {
                self.found += usize::from(is_new);
                self.unnamed.remove(&key);
                return self.report_ended(cluster, "has a case of its own");
            }
            Ok(Outcome::HasCase) => {
                self.unnamed.remove(&key);
                return self.report_ended(cluster, "has a case of its own");
            }
            Ok(Outcome::Done(finding, unnamed_since)) => (*finding, unnamed_since),
        };
        tracing::debug!(%cluster, ?finding, "a cluster that is down was looked into");
        match finding {
            Finding::Unnamed => {
                self.is_log_behind = true;
                self.remember_unnamed(key, unnamed_since);
            }
            Finding::Undecided(why) => {
                tracing::info!(%cluster, why, "a cluster is down, and nothing can be said of it")
            }
            Finding::Up => {
                self.unnamed.remove(&key);
                self.report_ended(cluster, "runs, starts or is gone");
            }
            Finding::Explained | Finding::Allowed(_) | Finding::Stopped(_) => {
                self.unnamed.remove(&key);
                self.report_ended(cluster, "was stopped with permission");
            }
            Finding::Unexplained { status, caller } => {
                // Its time is kept, so that the log is not waited for again.
                self.remember_unnamed(key, unnamed_since);
                self.reports.push(DownReport { cluster: cluster.clone(), status, ended: false, caller });
            }
        }
    }

    fn remember_unnamed(&mut self, key: ClusterKey, since: Timestamp) {
        if self.unnamed.len() < UNNAMED_MAX {
            self.unnamed.entry(key).or_insert(since);
        }
    }
}
