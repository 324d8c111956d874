//! Storms, the guard's own faults and what discovery found: incidents that are about more than one case.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use futures::stream;
use futures::{StreamExt as _, TryStreamExt as _};

use crate::case::bulletin::{GroupReport, StormReport, Teller};
use crate::case::outbox::begun;
use crate::case::{Bulletin, BulletinKey, Case, GroupRow, Record, StormRow, Transition, begun_in_groups};
use crate::domain::Hold;
use crate::store::{Etag, PathName, StatePath};

use super::Guard;
use super::crowd::Cap;
use super::outbox::wait_a_while;
use super::records::{GuardError, Loaded, Saved, bulletin_path, load_bulletin};
use super::work::CONFLICTS_MAX;

/// Clusters whose stops led up to a storm and that it lists from the start.
const EARLIER_MAX: usize = 50;

/// Records read at the same time, to see whether a group's cases are still there.
const PARALLEL_READS: usize = 16;
/// Bulletins looked after at the same time: a sink that is slow must not keep the others' news.
const PARALLEL_BULLETINS: usize = 16;

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
        Teller { now, mode: self.0.gate.mode(), routes: &self.0.routes, portal, times: self.times() }
    }

    /// A cluster of a storm says where it stands. Told again by each step of its case, so that a lost process loses nothing.
    pub(super) async fn tell_storm(&self, record: &Record, row: &StormRow) -> Result<(), GuardError> {
        let subscription = record.cluster.subscription();
        let key = BulletinKey::Storm { subscription: subscription.clone() };
        let case = record.case();
        let caller = case.and_then(|case| case.newest_stop()).map(|stop| &stop.caller);
        let restart = case.and_then(|case| case.restart.as_ref());
        let notify = case.map(Case::named_sinks).unwrap_or_default();
        let _one_at_a_time = self.0.shared_incidents.lock().await;
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
                policies: restart.map(|restart| restart.policies.as_slice()).unwrap_or_default(),
                notify: &notify,
            };
            document.take_row(report, self.teller());
            if document == before || self.save_bulletin(&mut document, etag.as_ref(), marked).await? {
                return Ok(());
            }
        }
        Err(GuardError::Contended(key.name()))
    }

    /// What the groups that its incidents are in should know of them. Told again by each step, as a storm.
    pub(super) async fn tell_groups(&self, record: &Record, rows: &[GroupRow]) -> Result<(), GuardError> {
        let caller = record.case().and_then(Case::newest_stop).map(|stop| &stop.caller);
        for row in rows {
            let report = GroupReport { cluster: &record.cluster, row, caller };
            for sink in &row.sinks {
                let key = BulletinKey::Group { sink: sink.clone() };
                let _one_at_a_time = self.0.shared_incidents.lock().await;
                self.change_bulletin(&key, |document, teller| document.take_group_row(report, teller))
                    .await?;
            }
        }
        Ok(())
    }

    /// The sinks that have no room for another incident now, unless that changes until one begins.
    pub(super) fn crowded(&self) -> Vec<String> {
        self.0.crowd.full(self.cap(), self.0.clock.since_boot())
    }

    /// The incidents that a step begins. If its sinks have room for some that it tells in a group, or none for some that it tells
    /// one by one: those that have none.
    pub(super) fn begin(&self, before: &Record, step: &Transition) -> Option<Vec<String>> {
        let (cap, now) = (self.cap(), self.0.clock.since_boot());
        let enter =
            |incident: &str, sinks: &[&str]| self.0.crowd.enter(incident, sinks.iter().copied(), cap, now);
        let mut full = Vec::new();
        let mut is_told_so = true;
        for (incident, sinks) in begun(&before.outbox, &step.record.outbox) {
            let without_room = enter(incident, &sinks);
            is_told_so &= without_room.is_empty();
            full.extend(without_room);
        }
        for (incident, sinks) in begun_in_groups(before, &step.record, &step.groups) {
            let without_room = enter(incident, &sinks);
            is_told_so &= without_room.len() == sinks.len();
            full.extend(without_room);
        }
        (!is_told_so).then_some(full)
    }

    fn cap(&self) -> Cap {
        let within = Duration::try_from(self.times().bulletin_every).unwrap_or_default();
        Cap { incidents: self.0.routes.incidents_a_minute(), within }
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
            // Its bulletin goes with it: without one it is new, or another process got through with it since it was listed.
            if etag.is_none() && self.holds().is_moved_away(hold).await? {
                return Ok(self.holds().move_away(hold).await?);
            }
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
        let guard = self.clone();
        let look_after = move |(key, markers): (BulletinKey, Vec<u64>)| {
            let guard = guard.clone();
            async move { guard.look_after(&key, &markers).await.err().map(|error| error.to_string()) }
        };
        let all = stream::iter(open).map(look_after).buffer_unordered(PARALLEL_BULLETINS);
        let failed = wait_a_while(async move { all.collect::<Vec<Option<String>>>().await }).await;
        failed.into_iter().flatten().flatten().collect()
    }

    async fn look_after(&self, key: &BulletinKey, markers: &[u64]) -> Result<(), GuardError> {
        // A sink may keep the one before waiting: what it was sent is not sent once more beside that.
        let Some(_delivery) = self.0.bulletin_deliveries.try_take(key) else { return Ok(()) };
        let Loaded { mut document, etag } = load_bulletin(&self.0.store, key).await?;
        if !document.is_over() {
            let marked = Marked::of(&document);
            let checked = document.is_check_due(self.teller());
            if checked {
                let lost = self.lost_cases(&document).await?;
                document.settle_lost(&lost, self.teller());
            }
            let is_news = document.look_after(self.teller()) || checked;
            if is_news && !self.save_bulletin(&mut document, etag.as_ref(), marked).await? {
                return Ok(());
            }
            self.deliver_bulletin(key).await?;
        }
        self.forget_markers(key, markers).await
    }

    /// Of the incidents of a group those whose cases are not on their clusters' records any more. A case ends in its groups before it
    /// leaves its record (rule 33), so these were lost: the record was damaged, or deleted by people.
    async fn lost_cases(&self, group: &Bulletin) -> Result<Vec<String>, GuardError> {
        let lost = stream::iter(group.unsettled()).map(|(incident, cluster)| async move {
            let stored = self.0.store.read(&StatePath::cluster(&cluster.key())).await?;
            let record = stored.map(|stored| Record::decode(&stored.bytes));
            // One that can't be read may still hold it.
            let is_there = match &record {
                None => false,
                Some(Err(_)) => true,
                Some(Ok(record)) => record.case_id().is_some_and(|id| incident.starts_with(id.as_str())),
            };
            Ok::<_, GuardError>((!is_there).then_some(incident))
        });
        let lost: Vec<Option<String>> = lost.buffer_unordered(PARALLEL_READS).try_collect().await?;
        Ok(lost.into_iter().flatten().collect())
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
        if tried.is_empty() && !self.falls_back(&document) {
            return Ok(());
        }
        for _ in 0..=CONFLICTS_MAX {
            let Loaded { mut document, etag } = load_bulletin(&self.0.store, key).await?;
            let marked = Marked::of(&document);
            let dead = self.settle_all(&mut document, &tried);
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
