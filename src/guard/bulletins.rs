//! Storms, the guard's own faults and what discovery found: incidents that are about more than one case.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use crate::case::bulletin::{StormReport, Teller};
use crate::case::{Bulletin, BulletinKey, Record, StormRow};
use crate::domain::Hold;
use crate::store::{Etag, PathName, StatePath};

use super::Guard;
use super::records::{GuardError, Loaded, Saved, bulletin_path, load_bulletin};
use super::work::CONFLICTS_MAX;

/// Clusters whose stops led up to a storm and that it lists from the start.
const EARLIER_MAX: usize = 50;

/// The incident of a bulletin that its marker stands for, as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Marked {
    generation: u64,
    is_over: bool,
}

impl Marked {
    fn of(document: &Bulletin) -> Self {
        Self { generation: document.generation(), is_over: document.is_over() }
    }
}

impl Guard {
    pub(super) fn teller(&self) -> Teller<'_> {
        let now = self.now();
        let portal = self.0.settings.portal.as_ref();
        Teller { now, mode: self.0.gate.mode(), sinks: &self.0.sink_names, portal, times: self.times() }
    }

    /// A cluster of a storm says where it stands. Told again by each step of its case, so that a lost process loses nothing.
    pub(super) async fn tell_storm(&self, record: &Record, row: &StormRow) -> Result<(), GuardError> {
        let subscription = record.cluster.subscription();
        let key = BulletinKey::Storm { subscription: subscription.clone() };
        let case = record.case();
        let caller = case.and_then(|case| case.newest_stop()).map(|stop| &stop.caller);
        let policies = case.and_then(|case| case.restart.as_ref()).map(|restart| restart.policies.clone());
        for _ in 0..=CONFLICTS_MAX {
            let Loaded { mut document, etag } = load_bulletin(&self.0.store, &key).await?;
            let (before, marked) = (document.clone(), Marked::of(&document));
            if document.open.is_none()
                && !row.ended
                && let Some(at) = case.map(|case| case.newest_stop_time())
            {
                let earlier = self.clusters_around(subscription, at, EARLIER_MAX).await?;
                document.list_earlier(&earlier, self.now());
            }
            let report = StormReport {
                cluster: &record.cluster,
                row,
                caller,
                policies: policies.as_deref().unwrap_or_default(),
            };
            document.take_row(report, self.teller());
            if document == before || self.save_bulletin(&mut document, etag.as_ref(), marked).await? {
                return Ok(());
            }
        }
        Err(GuardError::Contended(key.name()))
    }

    /// Says what is broken, or that it is mended.
    pub(super) async fn tell_faults(&self, key: BulletinKey, faults: &[String]) -> Result<(), GuardError> {
        self.change_bulletin(&key, |document, teller| document.take_faults(faults, teller)).await
    }

    /// Changes a bulletin, unless `change` says that there is nothing to write. It is called again when somebody else wrote first.
    pub(super) async fn change_bulletin(
        &self,
        key: &BulletinKey,
        change: impl Fn(&mut Bulletin, Teller<'_>) -> bool + Send + Sync,
    ) -> Result<(), GuardError> {
        for _ in 0..=CONFLICTS_MAX {
            let Loaded { mut document, etag } = load_bulletin(&self.0.store, key).await?;
            let marked = Marked::of(&document);
            if !change(&mut document, self.teller())
                || self.save_bulletin(&mut document, etag.as_ref(), marked).await?
            {
                return Ok(());
            }
        }
        Err(GuardError::Contended(key.name()))
    }

    /// Tells of the holds that began and of those that are over. One whose end has been told is moved away with its bulletin, as soon
    /// as no marker of that is left: a marker without a bulletin would bring it back. Returns what went wrong.
    pub(super) async fn tell_holds(&self, marked: &BTreeMap<BulletinKey, Vec<u64>>) -> Vec<String> {
        let holds = match self.holds().list().await {
            Ok(holds) => holds,
            Err(error) => return vec![error.to_string()],
        };
        let mut failed = Vec::new();
        for hold in holds {
            if let Err(error) = self.tell_hold(&hold, marked).await {
                failed.push(format!("hold `{}`: {error}", hold.id));
            }
        }
        failed
    }

    async fn tell_hold(
        &self,
        hold: &Hold,
        marked: &BTreeMap<BulletinKey, Vec<u64>>,
    ) -> Result<(), GuardError> {
        let key = BulletinKey::Hold { id: hold.id.clone() };
        for _ in 0..=CONFLICTS_MAX {
            let Loaded { mut document, etag } = load_bulletin(&self.0.store, &key).await?;
            let before = Marked::of(&document);
            if document.take_hold(hold, self.teller()) {
                if self.save_bulletin(&mut document, etag.as_ref(), before).await? {
                    return Ok(());
                }
                continue;
            }
            if document.is_over() && !marked.contains_key(&key) {
                self.holds().move_away(hold).await?;
                if let Some(path) = bulletin_path(&key) {
                    self.0.store.delete(&path).await?;
                }
            }
            return Ok(());
        }
        Err(GuardError::Contended(key.name()))
    }

    /// Writes a bulletin. Before one that was over gets something to tell, it gets its marker, so that every sweep finds it.
    async fn save_bulletin(
        &self,
        document: &mut Bulletin,
        etag: Option<&Etag>,
        marked: Marked,
    ) -> Result<bool, GuardError> {
        let Some(path) = bulletin_path(&document.key) else { return Ok(true) };
        let generation = document.generation();
        let needs_marker = marked.is_over || marked.generation != generation;
        if !document.is_over() {
            if needs_marker && let Some(marker) = marker(&document.key, generation) {
                self.0.store.put(&marker, Vec::new()).await?;
            }
            self.0.bulletins.lock().unwrap_or_else(PoisonError::into_inner).insert(document.key.clone());
        }
        Ok(matches!(self.save(&path, document, etag).await?, Saved::Done(_)))
    }

    /// Tells what changed in all bulletins that are not over, and delivers what waits. Beside those whose markers were listed these
    /// are the ones that this process opened since. Returns what went wrong: one that can't be read or written doesn't keep the
    /// others back.
    pub(super) async fn look_after_bulletins(
        &self,
        mut open: BTreeMap<BulletinKey, Vec<u64>>,
    ) -> Vec<String> {
        let own = self.0.bulletins.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for key in own {
            open.entry(key).or_default();
        }
        let mut failed = Vec::new();
        for (key, markers) in open {
            if let Err(error) = self.look_after(&key, &markers).await {
                failed.push(error.to_string());
            }
        }
        failed
    }

    async fn look_after(&self, key: &BulletinKey, markers: &[u64]) -> Result<(), GuardError> {
        let Loaded { mut document, etag } = load_bulletin(&self.0.store, key).await?;
        if !document.is_over() {
            let marked = Marked::of(&document);
            let is_news = document.look_after(self.teller());
            if is_news && !self.save_bulletin(&mut document, etag.as_ref(), marked).await? {
                return Ok(());
            }
            self.deliver_bulletin(key).await?;
        }
        self.forget_markers(key, markers).await
    }

    /// Markers of incidents that are over go; one above the bulletin's generation is burnt first, so that whoever is about to open
    /// an incident under it can't (as with cases, rule 6).
    async fn forget_markers(&self, key: &BulletinKey, markers: &[u64]) -> Result<(), GuardError> {
        let Loaded { mut document, etag } = load_bulletin(&self.0.store, key).await?;
        let newest = markers.iter().copied().max().unwrap_or(0);
        if newest > document.generation() {
            if !document.is_over() {
                return Ok(());
            }
            let marked = Marked::of(&document);
            document.burn(newest);
            if !self.save_bulletin(&mut document, etag.as_ref(), marked).await? {
                return Ok(());
            }
        }
        let (generation, is_over) = (document.generation(), document.is_over());
        if is_over {
            self.0.bulletins.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        }
        for old in markers.iter().copied().filter(|old| *old < generation || (*old == generation && is_over))
        {
            if let Some(marker) = marker(key, old) {
                self.0.store.delete(&marker).await?;
            }
        }
        Ok(())
    }

    /// Delivers what waits in a bulletin.
    async fn deliver_bulletin(&self, key: &BulletinKey) -> Result<(), GuardError> {
        let Loaded { document, .. } = load_bulletin(&self.0.store, key).await?;
        let tried = self.try_due(&document.outbox).await;
        if tried.is_empty() {
            return Ok(());
        }
        for _ in 0..=CONFLICTS_MAX {
            let Loaded { mut document, etag } = load_bulletin(&self.0.store, key).await?;
            let marked = Marked::of(&document);
            let dead = self.settle_all(&mut document.outbox, &tried);
            self.bury(&dead).await?;
            if self.save_bulletin(&mut document, etag.as_ref(), marked).await? {
                return Ok(());
            }
        }
        Err(GuardError::Contended(key.name()))
    }
}

fn marker(key: &BulletinKey, generation: u64) -> Option<StatePath> {
    PathName::parse(&key.name()).map(|name| StatePath::bulletin_marker(&name, generation))
}
