//! Holds: until when the guard starts nothing on a cluster, a group, a subscription or anywhere.

use jiff::Timestamp;
use serde::Deserialize;

use crate::domain::ClusterId;
use crate::store::{StatePath, Store, StoreError};

/// The stored holds.
#[derive(Debug, Deserialize)]
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

/// Who holds this cluster now and why, if anybody does. Holds that can't be read hold everything: a red button that fails
/// must not start anything.
pub(super) async fn hold_on(
    store: &Store,
    cluster: &ClusterId,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    let Some(stored) = store.read(&StatePath::holds()).await? else { return Ok(None) };
    let Ok(holds) = serde_json::from_slice::<Holds>(&stored.bytes) else {
        tracing::error!("`holds.json` can't be read: nothing is started");
        return Ok(Some("`holds.json` can't be read".to_owned()));
    };
    let hold = holds.holds.iter().find(|hold| hold.until > now && covers(&hold.scope, cluster));
    Ok(hold.map(|hold| {
        let until = hold.until;
        crate::domain::text::clean(&format!("{} until {until}, by {}", hold.why, hold.by), 300)
    }))
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
