//! What was down in each subscription when the guard first looked: listed once, and left alone until it runs.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;

use crate::case::discovery::{Seen, is_unknown};
use crate::case::record::RecordError;
use crate::case::{Baseline, BulletinKey};
use crate::domain::{ClusterId, SubscriptionId};
use crate::store::StatePath;

use super::super::Guard;
use super::super::records::{Document, GuardError, Loaded, Saved, load};
use super::super::work::LOOK_BUDGET;
use super::examine::LOOKS_MAX;
use super::{Down, PARALLEL_READS, Run};

impl Document for Baseline {
    fn encode(&self) -> Result<Vec<u8>, RecordError> {
        Self::encode(self)
    }
    fn set_writer(&mut self, writer: String) {
        self.writer = writer;
    }
}

impl Guard {
    /// The baselines of these subscriptions. A subscription that has none gets one, if all that is down is known; without that
    /// nothing is concluded about it. Clusters that run, or ran and were stopped again, leave theirs.
    pub(super) async fn baselines(
        &self,
        asked: &[SubscriptionId],
        down: &Down,
        is_whole: bool,
        run: &mut Run,
    ) -> BTreeMap<SubscriptionId, Baseline> {
        let found = futures::stream::iter(asked.iter().cloned())
            .map(|subscription| self.baseline(subscription, down, is_whole))
            .buffer_unordered(PARALLEL_READS)
            .collect::<Vec<_>>()
            .await;
        let mut baselines = Vec::new();
        for baseline in found {
            match baseline {
                Ok(baseline) => baselines.extend(baseline),
                Err(error) => run.fail(error),
            }
        }
        if is_whole && let Err(error) = self.leave_baselines(&mut baselines, down, run).await {
            run.fail(error);
        }
        self.ask_log_about(&mut baselines, run).await;
        if let Err(error) = self.tell_baselines(&mut baselines).await {
            run.fail(error);
        }
        baselines.into_iter().map(|loaded| (loaded.document.subscription.clone(), loaded.document)).collect()
    }

    async fn baseline(
        &self,
        subscription: SubscriptionId,
        down: &Down,
        is_whole: bool,
    ) -> Result<Option<Loaded<Baseline>>, GuardError> {
        let path = StatePath::baseline(&subscription);
        if let Some(stored) = self.0.store.read(&path).await? {
            let document = Baseline::decode(&stored.bytes)
                .map_err(|error| GuardError::Record { key: path.to_string(), error })?;
            return Ok(Some(Loaded { document, etag: Some(stored.etag) }));
        }
        if !is_whole {
            return Ok(None);
        }
        let mut clusters = Vec::new();
        // What is being stopped is not down already: it is looked into by the next run.
        let stopped = down.iter().filter(|(_, row)| !row.is_stopping);
        for (key, row) in stopped.filter(|(_, row)| *row.cluster.subscription() == subscription) {
            let loaded = load(&self.0.store, key, Some(&row.cluster), self.0.gate.mode(), self.now()).await?;
            if is_unknown(loaded.as_ref().map(|loaded| &loaded.document)) {
                clusters.push(row.cluster.clone());
            }
        }
        let mut document = Baseline::new(subscription.clone(), clusters, self.now());
        let down = document.clusters().len();
        tracing::info!(%subscription, down, "a subscription is seen for the first time");
        // Another process's word counts, if there is one by now: it is read the next time.
        Ok(match self.save(&path, &mut document, None).await? {
            Saved::Done(etag) => Some(Loaded { document, etag: Some(etag) }),
            Saved::Lost => None,
        })
    }

    /// Clusters that the index does not show as down any more are looked at: those that run count from then on.
    async fn leave_baselines(
        &self,
        baselines: &mut [Loaded<Baseline>],
        down: &Down,
        run: &mut Run,
    ) -> Result<(), GuardError> {
        let mut looks = 0;
        for loaded in baselines {
            let mut up = BTreeSet::new();
            let left = loaded.document.clusters().iter().filter(|cluster| !down.contains_key(&cluster.key()));
            for cluster in left.take(LOOKS_MAX.saturating_sub(looks)) {
                looks += 1;
                match self.0.arm.look(cluster, LOOK_BUDGET).await {
                    Ok(look) if Seen::of(&look) == Seen::Up => {
                        up.insert(cluster.key());
                    }
                    Ok(_) => {}
                    Err(error) => run.fail(error),
                }
            }
            if !up.is_empty() {
                tracing::info!(subscription = %loaded.document.subscription, up = up.len(), "clusters left the baseline");
                loaded.document.forget(&up);
                self.save_baseline(loaded).await?;
            }
        }
        Ok(())
    }

    /// Tells what is in the new ones, as one message. Written down after that, so that a process that dies in between tells it
    /// again rather than never.
    async fn tell_baselines(&self, baselines: &mut [Loaded<Baseline>]) -> Result<(), GuardError> {
        let mut news: Vec<_> = baselines.iter_mut().filter(|loaded| !loaded.document.told).collect();
        if news.is_empty() {
            return Ok(());
        }
        let clusters: Vec<ClusterId> =
            news.iter().flat_map(|loaded| loaded.document.clusters().iter().cloned()).collect();
        self.change_bulletin(&BulletinKey::Baseline, |document, teller| {
            document.tell_baseline(&clusters, teller);
            true
        })
        .await?;
        for loaded in &mut news {
            loaded.document.told = true;
            self.save_baseline(loaded).await?;
        }
        Ok(())
    }

    /// If somebody else wrote it meanwhile, the next run finds what is left to do.
    pub(super) async fn save_baseline(&self, loaded: &mut Loaded<Baseline>) -> Result<(), GuardError> {
        let path = StatePath::baseline(&loaded.document.subscription);
        if let Saved::Done(etag) = self.save(&path, &mut loaded.document, loaded.etag.as_ref()).await? {
            loaded.etag = Some(etag);
        }
        Ok(())
    }
}
