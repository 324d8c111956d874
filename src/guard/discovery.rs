//! Discovery in the sweep (rule 24): which clusters are down though no case says so, looked into one by one.
//!
//! One process at a time runs it: whoever moves its next time ahead in the store. That is thrift and no safety: what discovery
//! finds becomes a case as an event would make it, so two runs at once are harmless.

mod baselines;
mod dead_letters;
mod examine;
mod stopped_again;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::PoisonError;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};

use crate::azure::DownCluster;
use crate::case::bulletin::DownReport;
use crate::case::discovery::{DiscoveryState, Failing, RunEnd, Standing, standing};
use crate::case::record::RecordError;
use crate::case::{Baseline, BulletinKey};
use crate::domain::{ClusterId, ClusterKey, SubscriptionId};
use crate::store::StatePath;

use super::Guard;
use super::members::NotAnswered;
use super::records::{Document, GuardError, Loaded, Saved, load};

/// Nothing puts the next run off for longer: a later time was written by a clock that was wrong.
const PUT_OFF_MAX: SignedDuration = SignedDuration::from_hours(24);
/// How long Resource Graph may take, all its pages.
const GRAPH_BUDGET: Duration = Duration::from_secs(15);
/// A run begins nothing new after this.
const RUN_BUDGET: Duration = Duration::from_secs(30);
/// Clusters that one run looks into at most. Those that were not looked into longest come first, so with more of them each has
/// its turn.
const EXAMINED_MAX: usize = 200;
/// Clusters that are looked into at the same time.
const PARALLEL_EXAMINATIONS: usize = 8;
/// Records and baselines that are read at the same time.
const PARALLEL_READS: usize = 32;

/// What Resource Graph shows as down.
type Down = BTreeMap<ClusterKey, DownCluster>;

/// What discovery came to in one sweep.
#[derive(Debug, Default)]
pub(super) struct Discovered {
    /// Stops that got a case.
    pub(super) found: usize,
    /// What went wrong.
    pub(super) failed: Vec<String>,
}

/// What this process remembers between its runs.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// When to look again whether discovery is due; `None` in a new process.
    next_at: Option<Timestamp>,
    failing: Option<Failing>,
    /// When each cluster was looked into.
    examined: HashMap<ClusterKey, Timestamp>,
    /// When the activity log was asked about each baseline.
    asked: BTreeMap<SubscriptionId, Timestamp>,
    tried_letters: dead_letters::Tried,
}

/// One run, as it goes.
#[derive(Debug, Default)]
struct Run {
    found: usize,
    failed: Vec<String>,
    unnamed: BTreeMap<ClusterKey, Timestamp>,
    is_log_behind: bool,
    retry_after: Option<Duration>,
    /// Clusters are left that nobody looked into yet.
    is_cut: bool,
    reports: Vec<DownReport>,
}

impl Run {
    fn fail(&mut self, why: impl std::fmt::Display) {
        let why = format!("discovery: {why}");
        tracing::warn!(why, "discovery did not get all it asked for");
        self.failed.push(why);
    }
}

impl Document for DiscoveryState {
    fn encode(&self) -> Result<Vec<u8>, RecordError> {
        Self::encode(self)
    }
    fn set_writer(&mut self, writer: String) {
        self.writer = writer;
    }
}

impl Guard {
    /// Runs discovery if it is due and no other process runs it. Whatever goes wrong is returned, and breaks nothing else.
    pub(super) async fn discover_if_due(&self) -> Discovered {
        let Some(listed) = self.0.settings.subscriptions.clone() else { return Discovered::default() };
        let now = self.now();
        if self.discovery_memory(|memory| memory.next_at.is_some_and(|next| next > now)) {
            return Discovered::default();
        }
        let claimed = match self.claim(now).await {
            Ok(Some(claimed)) => claimed,
            Ok(None) => return Discovered::default(),
            Err(error) => return Discovered { found: 0, failed: vec![format!("discovery: {error}")] },
        };
        let (guard, unnamed) = (self.clone(), claimed.document.unnamed.clone());
        let run = tokio::spawn(async move { guard.discover(listed, unnamed).await }).await;
        let run =
            run.unwrap_or_else(|_| Run { failed: vec!["discovery panicked".to_owned()], ..Run::default() });
        let mut discovered = Discovered { found: run.found, failed: run.failed.clone() };
        if let Err(error) = self.end(claimed, run).await {
            discovered.failed.push(format!("discovery: {error}"));
        }
        discovered
    }

    /// That discovery fails, once it has for long.
    pub(super) fn discovery_faults(&self) -> Vec<String> {
        let failing = self.discovery_memory(|memory| memory.failing.clone());
        let now = self.now();
        let failing =
            failing.filter(|failing| now.duration_since(failing.since) >= self.times().discovery_fault_after);
        failing.map(|failing| failing.why).into_iter().collect()
    }

    fn discovery_memory<T>(&self, with: impl FnOnce(&mut Memory) -> T) -> T {
        with(&mut self.0.discovery.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Moves the next run ahead; whoever does runs this one.
    async fn claim(&self, now: Timestamp) -> Result<Option<Loaded<DiscoveryState>>, GuardError> {
        let path = StatePath::discovery();
        let (mut state, etag) = match self.0.store.read(&path).await? {
            None => (DiscoveryState::new(now), None),
            Some(stored) => match DiscoveryState::decode(&stored.bytes) {
                Ok(state) => (state, Some(stored.etag)),
                Err(error @ RecordError::Damaged(_)) => {
                    tracing::error!(%error, %path, "what discovery remembers is damaged: it starts anew");
                    (DiscoveryState::new(now), Some(stored.etag))
                }
                Err(error @ RecordError::Newer { .. }) => {
                    return Err(GuardError::Record { key: path.to_string(), error });
                }
            },
        };
        let every = self.times().discover_every;
        let (failing, stored_next) = (state.failing.clone(), state.next_at.min(now + every));
        if stored_next > now && state.next_at <= now + PUT_OFF_MAX {
            self.discovery_memory(|memory| (memory.next_at, memory.failing) = (Some(stored_next), failing));
            return Ok(None);
        }
        state.next_at = now + every;
        let saved = self.save(&path, &mut state, etag.as_ref()).await?;
        self.discovery_memory(|memory| (memory.next_at, memory.failing) = (Some(state.next_at), failing));
        Ok(match saved {
            Saved::Done(etag) => Some(Loaded { document: state, etag: Some(etag) }),
            Saved::Lost => None,
        })
    }

    /// Writes down how a run ended. If another process has begun the next one meanwhile, that one's word counts.
    async fn end(&self, claimed: Loaded<DiscoveryState>, run: Run) -> Result<(), GuardError> {
        let Loaded { document: mut state, etag } = claimed;
        let before = state.clone();
        let not_before = run.retry_after.and_then(|after| SignedDuration::try_from(after).ok());
        state.end(
            RunEnd {
                failure: run.failed.first().map(String::as_str),
                not_before: not_before.map(|after| self.now() + after),
                unnamed: run.unnamed,
                is_log_behind: run.is_log_behind,
                found: run.found,
                is_cut: run.is_cut,
            },
            before.next_at - self.times().discover_every,
            self.times(),
        );
        let (next_at, failing) = (state.next_at, state.failing.clone());
        self.discovery_memory(|memory| (memory.next_at, memory.failing) = (Some(next_at), failing));
        if state != before {
            self.save(&StatePath::discovery(), &mut state, etag.as_ref()).await?;
        }
        Ok(())
    }

    /// One run. `unnamed`: clusters whose stop the log had not named, since when.
    async fn discover(
        &self,
        listed: BTreeSet<SubscriptionId>,
        unnamed: BTreeMap<ClusterKey, Timestamp>,
    ) -> Run {
        let began = self.0.clock.since_boot();
        let mut run = Run::default();
        let (guarded, not_answered) = self.all_guarded(&listed).await;
        if let Some(NotAnswered { why, retry_after }) = not_answered {
            run.retry_after = retry_after;
            run.fail(why);
        }
        let asked: Vec<SubscriptionId> = guarded.iter().cloned().collect();
        let reading = self.0.arm.clusters_down(&asked, GRAPH_BUDGET).await;
        let is_whole = reading.unfinished.is_none();
        if let Some(why) = reading.unfinished {
            run.retry_after = run.retry_after.max(why.retry_after());
            run.fail(why);
        }
        let down: Down = reading.down.into_iter().map(|row| (row.cluster.key(), row)).collect();
        let baselines = self.baselines(&asked, &down, is_whole, &mut run).await;
        let mut open = self.not_explained(&down, &baselines, &mut run).await;
        self.discovery_memory(|memory| {
            memory.examined.retain(|key, _| down.contains_key(key));
            open.sort_by_cached_key(|cluster| memory.examined.get(&cluster.key()).copied());
        });
        if is_whole {
            self.look_at_listed(&down, &guarded, &mut run).await;
        }
        // What is not reached this time is not forgotten.
        run.unnamed = unnamed.into_iter().filter(|(key, _)| !is_whole || down.contains_key(key)).collect();
        self.look_into(open, began, &mut run).await;
        self.follow_dead_letters(&guarded, &baselines, began, &mut run).await;
        self.tell_unexplained(&mut run).await;
        run
    }

    /// The clusters that nothing stored explains.
    async fn not_explained(
        &self,
        down: &Down,
        baselines: &BTreeMap<SubscriptionId, Baseline>,
        run: &mut Run,
    ) -> Vec<ClusterId> {
        let clusters: Vec<ClusterId> = down.values().map(|row| row.cluster.clone()).collect();
        let standings = futures::stream::iter(clusters)
            .map(|cluster| self.standing_of(cluster, baselines))
            .buffer_unordered(PARALLEL_READS)
            .collect::<Vec<_>>()
            .await;
        let mut open = Vec::new();
        for standing in standings {
            match standing {
                Ok(None) => {}
                Ok(Some((cluster, Standing::Open))) => open.push(cluster),
                Ok(Some((cluster, Standing::HasCase))) => run.report_ended(&cluster, "has a case of its own"),
                Ok(Some((cluster, Standing::InBaseline))) => run.report_ended(&cluster, "was stopped before"),
                Err(error) => run.fail(error),
            }
        }
        open
    }

    /// `None` without a baseline: the subscription has not been seen as a whole yet.
    async fn standing_of(
        &self,
        cluster: ClusterId,
        baselines: &BTreeMap<SubscriptionId, Baseline>,
    ) -> Result<Option<(ClusterId, Standing)>, GuardError> {
        let Some(baseline) = baselines.get(cluster.subscription()) else { return Ok(None) };
        let loaded =
            load(&self.0.store, &cluster.key(), Some(&cluster), self.0.gate.mode(), self.now()).await?;
        let standing = standing(loaded.as_ref().map(|loaded| &loaded.document), &cluster, baseline);
        Ok(Some((cluster, standing)))
    }

    /// Looks into these clusters, as far as this run goes.
    async fn look_into(&self, mut open: Vec<ClusterId>, began: Duration, run: &mut Run) {
        let rest = open.split_off(open.len().min(EXAMINED_MAX));
        let found = futures::stream::iter(open)
            .map(|cluster| {
                let unnamed_since = run.unnamed.get(&cluster.key()).copied();
                async move {
                    let is_late = self.0.clock.since_boot().saturating_sub(began) > RUN_BUDGET;
                    let outcome =
                        if is_late { None } else { Some(self.examine(&cluster, unnamed_since).await) };
                    (cluster, outcome)
                }
            })
            .buffer_unordered(PARALLEL_EXAMINATIONS)
            .collect::<Vec<_>>()
            .await;
        let mut left = rest;
        let now = self.now();
        for (cluster, outcome) in found {
            match outcome {
                None => left.push(cluster),
                Some(outcome) => {
                    self.discovery_memory(|memory| memory.examined.insert(cluster.key(), now));
                    run.take(&cluster, outcome);
                }
            }
        }
        run.is_cut = self.discovery_memory(|memory| {
            left.iter().any(|cluster| !memory.examined.contains_key(&cluster.key()))
        });
    }

    /// Tells of what nobody can explain, and of what left that incident.
    async fn tell_unexplained(&self, run: &mut Run) {
        let reports = std::mem::take(&mut run.reports);
        for report in reports.iter().filter(|report| !report.ended) {
            tracing::warn!(cluster = %report.cluster, status = report.status, "a cluster is down unexplained");
        }
        if reports.is_empty() {
            return;
        }
        let told = self.change_bulletin(&BulletinKey::Unexplained, |document, teller| {
            document.take_down(&reports, teller)
        });
        if let Err(error) = told.await {
            run.fail(error);
        }
    }
}

impl Run {
    fn report_ended(&mut self, cluster: &ClusterId, status: &str) {
        self.reports.push(DownReport {
            cluster: cluster.clone(),
            status: status.to_owned(),
            ended: true,
            caller: None,
        });
    }
}
