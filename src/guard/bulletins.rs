//! Storms and the guard's own faults: incidents that are about more than one case.

use crate::case::bulletin::{StormReport, Teller};
use crate::case::{Bulletin, BulletinKey, Record, StormRow};
use crate::domain::Hold;
use crate::store::{Etag, Prefix};

use super::Guard;
use super::outbox::settle_all;
use super::records::{GuardError, Loaded, Saved, bulletin_path, load_bulletin, save};
use super::work::CONFLICTS_MAX;

/// Clusters whose stops led up to a storm and that it lists from the start.
const EARLIER_MAX: usize = 50;
/// Bulletins that one sweep looks after: one a guarded subscription, and one for the guard's faults.
const BULLETINS_MAX: usize = 2_000;

impl Guard {
    fn teller(&self) -> Teller<'_> {
        let now = self.now();
        Teller { now, mode: self.0.gate.mode(), sinks: &self.0.sink_names, times: self.times() }
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
            let before = document.clone();
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
            if document == before || self.save_bulletin(&mut document, etag.as_ref()).await? {
                return Ok(());
            }
        }
        Err(GuardError::Contended(key.name()))
    }

    /// Says what is broken, or that it is mended.
    pub(super) async fn tell_faults(&self, key: BulletinKey, faults: &[String]) -> Result<(), GuardError> {
        for _ in 0..=CONFLICTS_MAX {
            let Loaded { mut document, etag } = load_bulletin(&self.0.store, &key).await?;
            if !document.take_faults(faults, self.teller())
                || self.save_bulletin(&mut document, etag.as_ref()).await?
            {
                return Ok(());
            }
        }
        Err(GuardError::Contended(key.name()))
    }

    /// Tells of the holds that began and of those that are over. One whose end has been told is moved away with its bulletin.
    /// Returns what went wrong.
    pub(super) async fn tell_holds(&self) -> Vec<String> {
        let holds = match self.holds().list().await {
            Ok(holds) => holds,
            Err(error) => return vec![error.to_string()],
        };
        let mut failed = Vec::new();
        for hold in holds {
            if let Err(error) = self.tell_hold(&hold).await {
                failed.push(format!("hold `{}`: {error}", hold.id));
            }
        }
        failed
    }

    async fn tell_hold(&self, hold: &Hold) -> Result<(), GuardError> {
        let key = BulletinKey::Hold { id: hold.id.clone() };
        for _ in 0..=CONFLICTS_MAX {
            let Loaded { mut document, etag } = load_bulletin(&self.0.store, &key).await?;
            if document.take_hold(hold, self.teller()) {
                if self.save_bulletin(&mut document, etag.as_ref()).await? {
                    return Ok(());
                }
                continue;
            }
            if document.is_over() {
                self.holds().move_away(hold).await?;
                if let Some(path) = bulletin_path(&key) {
                    self.0.store.delete(&path).await?;
                }
            }
            return Ok(());
        }
        Err(GuardError::Contended(key.name()))
    }

    async fn save_bulletin(&self, document: &mut Bulletin, etag: Option<&Etag>) -> Result<bool, GuardError> {
        let Some(path) = bulletin_path(&document.key) else { return Ok(true) };
        Ok(matches!(save(&self.0.store, &path, document, etag).await?, Saved::Done(_)))
    }

    /// Tells what changed in all bulletins, and delivers what waits. Returns what went wrong: one that can't be read or written
    /// doesn't keep the others back.
    pub(super) async fn look_after_bulletins(&self) -> Result<Vec<String>, GuardError> {
        let mut failed = Vec::new();
        let listing = self.0.store.list(&Prefix::bulletins(), BULLETINS_MAX).await?;
        for entry in listing.entries {
            let key = entry
                .path
                .name()
                .and_then(|name| BulletinKey::parse(name.as_str().trim_end_matches(".json")));
            if let Some(key) = key
                && let Err(error) = self.look_after(&key).await
            {
                failed.push(error.to_string());
            }
        }
        Ok(failed)
    }

    async fn look_after(&self, key: &BulletinKey) -> Result<(), GuardError> {
        let Loaded { mut document, etag } = load_bulletin(&self.0.store, key).await?;
        if document.is_over() {
            return Ok(());
        }
        if document.look_after(self.teller()) && !self.save_bulletin(&mut document, etag.as_ref()).await? {
            return Ok(());
        }
        self.deliver_bulletin(key).await
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
            let dead = settle_all(&mut document.outbox, &tried, self.now());
            self.bury(&dead).await?;
            if self.save_bulletin(&mut document, etag.as_ref()).await? {
                return Ok(());
            }
        }
        Err(GuardError::Contended(key.name()))
    }
}
