//! What is asked of the store: whether it works, and what the guard left in it.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use crate::case::discovery::Members;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Settings;
use crate::doctor::{self, Finding, Standing};
use crate::domain::{Hold, ManagementGroup, SubscriptionId};
use crate::guard::{Entropy as _, Holds, SystemEntropy};
use crate::store::{CaseDay, Location, PathName, StatePath, Store, StoreError, Stored, Written};

/// The right to read blobs (source: Azure resource provider operations, `Microsoft.Storage`).
const READ: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read";
/// The right to write them.
const WRITE: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write";

/// What was read of the guard.
pub(super) struct Read {
    heartbeat: Result<Option<Stored>, StoreError>,
    holds: Result<Vec<Hold>, StoreError>,
}

/// Whether the two containers work.
pub(super) async fn containers(settings: &Settings, store: Option<&Store>, limit: Duration) -> Vec<Finding> {
    let Some(store) = store else {
        return vec![match settings.state {
            Some(Location::Memory) => {
                let seen = "`memory` ends with each process: cases are lost, and nothing can be read here";
                Finding::new("state", Standing::Fault, seen).mend(
                    "az functionapp config appsettings set --name YOUR_APP --resource-group YOUR_GROUP --settings STOP_GUARD_STATE=azure://YOUR_ACCOUNT/YOUR_CONTAINER",
                )
            }
            Some(Location::Blobs(_)) | None => {
                let seen = "the settings don't say where the state is";
                Finding::new("state", Standing::Unknown, seen).mend("aks-stop-guard check")
            }
        }];
    };
    // The store's own limits hold for the probe, so that it is always deleted.
    let (state, cases) = futures::join!(probe(store), within(limit, cases(store)));
    vec![state, judged("cases", READ, cases, |()| "the container of closed cases can be read".to_owned())]
}

/// Makes a blob that nobody else has, tries to make it again, which must be refused, and deletes it.
async fn probe(store: &Store) -> Finding {
    let mut random = [0_u8; 16];
    if !SystemEntropy.fill(&mut random) {
        return Finding::new("state", Standing::Unknown, "not tried: this machine gives no random name");
    }
    let path = StatePath::probe(&PathName::digest(random));
    let (first, second) = match store.create(&path, "doctor").await {
        Ok(first) => (Ok(first), store.create(&path, "doctor").await),
        // It may have been written all the same.
        Err(error @ StoreError::Unavailable(_)) => (Err(error.clone()), Err(error)),
        Err(error) => return failed("state", WRITE, &error),
    };
    let deleted = store.delete(&path).await;
    let fault = |seen: &str| Finding::new("state", Standing::Fault, seen);
    match (first, second) {
        (Err(error), _) | (_, Err(error)) => failed("state", WRITE, &error),
        (Ok(Written::Lost), _) => {
            fault("a blob that was never there counts as there: conditional writes don't work")
        }
        (_, Ok(Written::Done(_))) => fault("a blob could be made twice: conditional writes don't work"),
        (Ok(Written::Done(_)), Ok(Written::Lost)) => match deleted {
            Ok(()) => Finding::new("state", Standing::Ok, "conditional writes work"),
            Err(error) => {
                let seen = format!("conditional writes work, but the probe `{path}` is left: {error}");
                Finding::new("state", Standing::Warning, seen)
            }
        },
    }
}

async fn cases(store: &Store) -> Result<(), StoreError> {
    store.list_cases(CaseDay::of(SystemClock.now()), 1).await.map(|_| ())
}

/// Reads what the guard left.
pub(super) async fn read(store: &Store, limit: Duration) -> Read {
    let holds = Holds::new(store.clone());
    let heartbeat = StatePath::heartbeat();
    let (heartbeat, holds) =
        futures::join!(within(limit, store.read(&heartbeat)), within(limit, holds.list()));
    Read { heartbeat, holds }
}

impl Read {
    /// What it means at that time on Azure's clock.
    pub(super) fn judged(self, now: Timestamp) -> Vec<Finding> {
        let mut found = match self.heartbeat {
            Ok(read) => {
                let bytes = read.as_ref().map(|stored| &stored.bytes[..]);
                doctor::heartbeat(bytes, now, env!("CARGO_PKG_VERSION"))
            }
            Err(error) => vec![failed("heartbeat", READ, &error)],
        };
        match self.holds {
            Ok(holds) => {
                let before = found.len();
                found.extend(holds.iter().filter(|hold| hold.is_active(now)).map(doctor::hold));
                if found.len() == before {
                    found.push(Finding::new("holds", Standing::Ok, "none in force"));
                }
            }
            Err(error) => found.push(failed("holds", READ, &error)),
        }
        found
    }
}

/// The subscriptions in these groups, as the guard wrote them down.
pub(super) async fn members(
    store: &Store,
    groups: &BTreeSet<ManagementGroup>,
) -> Result<BTreeSet<SubscriptionId>, Finding> {
    let unknown = |seen: String| Finding::new("management-groups", Standing::Unknown, seen);
    let read = store.read(&StatePath::management_groups()).await;
    let stored = read
        .map_err(|error| failed("management-groups", READ, &error))?
        .ok_or_else(|| unknown("the guard has not seen who is in them yet".to_owned()))?;
    let members = Members::decode(&stored.bytes).map_err(|error| unknown(error.to_string()))?;
    Ok(members.within(groups).cloned().collect())
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let too_late = || StoreError::Unavailable(format!("no answer in {} s", limit.as_secs()));
    timeout(limit, work).await.unwrap_or_else(|_| Err(too_late()))
}

fn judged<T>(
    check: &'static str,
    right: &str,
    read: Result<T, StoreError>,
    seen: impl Fn(T) -> String,
) -> Finding {
    match read {
        Ok(read) => Finding::new(check, Standing::Ok, seen(read)),
        Err(error) => failed(check, right, &error),
    }
}

/// A failure of the store. `right` is what was needed.
fn failed(check: &'static str, right: &str, error: &StoreError) -> Finding {
    match error {
        StoreError::Denied(_) => {
            let seen = format!("{error}: the right `{right}` may be missing");
            Finding::new(check, Standing::Unknown, seen).mend(
                "az role assignment create --role 'Storage Blob Data Contributor' --assignee YOUR_OBJECT_ID --scope YOUR_STORAGE_ACCOUNT_ID",
            )
        }
        StoreError::NoContainer(_) => {
            Finding::new(check, Standing::Fault, error.to_string()).mend("aks-stop-guard init-state")
        }
        StoreError::Unavailable(_) | StoreError::Refused(_) => {
            Finding::new(check, Standing::Fault, error.to_string()).mend("aks-stop-guard check")
        }
    }
}
