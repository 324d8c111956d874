//! What is the same for every write to a managed cluster.

use serde_json::Value;
use serde_json::value::RawValue;

use super::item::ItemError;
use super::judged::{Change, Judged, Verb};
use super::raw::RawObject;
use crate::domain::{Power, Provisioning};
use crate::posture::read::{at, word};

/// One member to set, by its path.
pub(super) type Edit<'a> = (&'a [&'a str], Box<RawValue>);

/// What would be written, in words.
pub(super) struct Words {
    pub(super) now: String,
    pub(super) then: String,
    pub(super) cost: &'static str,
}

/// The whole cluster as it was read with some members set, or why it can't be written now.
///
/// A stopped cluster can only be started or deleted (source: AKS docs, "Stop and start a cluster"), and one that is at work takes no
/// other write.
pub(super) fn change(read: &[u8], words: Words, edits: Vec<Edit<'_>>) -> Result<Judged, ItemError> {
    let cluster: Value = serde_json::from_slice(read)?;
    if let Some(hindered) = hindered(&cluster) {
        return Ok(hindered);
    }
    let Some(etag) = at(&cluster, &["eTag"]).and_then(Value::as_str).filter(|etag| !etag.is_empty()) else {
        let why = "Azure gave no etag, so a change by somebody else could be overwritten";
        return Ok(Judged::Refused(why.to_owned()));
    };
    let mut whole = RawObject::parse(read)?;
    for (path, value) in edits {
        whole.set_at(path, value)?;
    }
    let Words { now, then, cost } = words;
    let body = Some(whole.to_raw()?.get().to_owned());
    Ok(Judged::Change(Change { now, then, cost, verb: Verb::Put, body, if_match: Some(etag.to_owned()) }))
}

/// Whether Azure is still at work on it: what was written is shown before it is so.
pub(super) fn under_way(cluster: &Value) -> Option<Judged> {
    let state = word(cluster, &["properties", "provisioningState"]);
    let provisioning = Provisioning::parse(state.as_deref());
    (!is_settled(provisioning))
        .then(|| Judged::Busy(format!("the cluster is in the state `{}`", state.unwrap_or_default())))
}

/// Why a cluster takes no write now.
pub(super) fn hindered(cluster: &Value) -> Option<Judged> {
    let power = word(cluster, &["properties", "powerState", "code"]);
    match Power::parse(power.as_deref()) {
        Power::Running => under_way(cluster),
        Power::Stopped => {
            let why = "the cluster is stopped, and Azure lets a stopped cluster only be started or deleted: start it first";
            Some(Judged::Refused(why.to_owned()))
        }
        Power::Unknown => Some(Judged::Refused("Azure doesn't say whether the cluster runs".to_owned())),
    }
}

fn is_settled(provisioning: Provisioning) -> bool {
    match provisioning {
        Provisioning::Succeeded | Provisioning::Failed => true,
        Provisioning::Starting
        | Provisioning::Stopping
        | Provisioning::Deleting
        | Provisioning::Busy
        | Provisioning::Unknown => false,
    }
}
