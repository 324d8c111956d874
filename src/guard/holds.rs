//! Holds: until when the guard starts nothing on a cluster, a group, a subscription or anywhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::domain::ClusterId;
use crate::store::{StatePath, Store, StoreError};

use super::Guard;
use super::shared::Shared;

/// How long what was read of the holds is good enough to decide with. A start relies on nothing that was read before it was
/// about to be sent (rule 14).
const KNOWN_FOR: Duration = Duration::from_secs(5);

/// The stored holds.
#[derive(Debug, Default, Deserialize)]
struct Holds {
    holds: Vec<Hold>,
}

/// One hold.
#[derive(Debug, Deserialize)]
struct Hold {
    /// `/` for everywhere, else the resource id of a subscription, a resource group or a cluster.
    scope: String,
    until: Timestamp,
    by: String,
    why: String,
}

/// The holds as they were read; `None` if they can't be understood.
type Read = Arc<Option<Holds>>;

/// What this process knows of the holds.
#[derive(Debug, Default)]
pub(super) struct Board {
    reading: Shared<Result<Read, StoreError>>,
    /// What was read last, and when reading it began, since boot.
    known: Mutex<Option<(Duration, Read)>>,
}

impl Guard {
    /// Who holds this cluster and why, if anybody does, as the store says from now on. Many who ask at once share a read.
    pub(super) async fn hold_on(&self, cluster: &ClusterId) -> Result<Option<String>, StoreError> {
        let read = self.0.holds.reading.ask(self.read_holds()).await?;
        Ok(told(&read, cluster, self.now()))
    }

    /// The same to decide with: as it was some seconds ago at most.
    pub(super) async fn known_hold_on(&self, cluster: &ClusterId) -> Result<Option<String>, StoreError> {
        let known = self.0.holds.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = self.0.clock.since_boot();
        match known.filter(|(at, _)| now.saturating_sub(*at) < KNOWN_FOR) {
            Some((_, read)) => Ok(told(&read, cluster, self.now())),
            None => self.hold_on(cluster).await,
        }
    }

    async fn read_holds(&self) -> Result<Read, StoreError> {
        let began = self.0.clock.since_boot();
        let read = Arc::new(read(&self.0.store).await?);
        *self.0.holds.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((began, Arc::clone(&read)));
        Ok(read)
    }
}

async fn read(store: &Store) -> Result<Option<Holds>, StoreError> {
    let Some(stored) = store.read(&StatePath::holds()).await? else { return Ok(Some(Holds::default())) };
    let holds = serde_json::from_slice::<Holds>(&stored.bytes).ok();
    if holds.is_none() {
        tracing::error!("`holds.json` can't be read: nothing is started");
    }
    Ok(holds)
}

/// Holds that can't be read hold everything: a red button that fails must not start anything.
fn told(read: &Read, cluster: &ClusterId, now: Timestamp) -> Option<String> {
    let Some(holds) = &**read else { return Some("`holds.json` can't be read".to_owned()) };
    let hold = holds.holds.iter().find(|hold| hold.until > now && covers(&hold.scope, cluster))?;
    let until = hold.until;
    Some(crate::domain::text::clean(&format!("{} until {until}, by {}", hold.why, hold.by), 300))
}

/// Whether a scope is the cluster or above it.
fn covers(scope: &str, cluster: &ClusterId) -> bool {
    let scope = scope.trim_end_matches('/').to_lowercase();
    let id = cluster.lower();
    scope.is_empty() || id == scope || id.starts_with(&format!("{scope}/"))
}

#[cfg(test)]
mod tests {
    use super::covers;
    use crate::domain::ClusterId;

    #[test]
    fn a_hold_covers_what_is_below_its_scope_and_nothing_else() {
        let sub = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
        let id =
            format!("{sub}/resourceGroups/rg-1/providers/Microsoft.ContainerService/managedClusters/aks");
        let cluster = ClusterId::parse(&id).unwrap();
        for scope in ["/", sub, &format!("{sub}/resourceGroups/RG-1"), &id, &id.to_uppercase()] {
            assert!(covers(scope, &cluster), "{scope}");
        }
        for scope in [format!("{sub}/resourceGroups/rg"), format!("{id}2"), "/subscriptions/other".to_owned()]
        {
            assert!(!covers(&scope, &cluster), "{scope}");
        }
    }
}
