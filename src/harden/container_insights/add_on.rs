//! The monitoring add-on of a cluster, `omsagent`.

use serde_json::Value;

use super::COST;
use crate::domain::{ClusterId, ResourceId};
use crate::harden::cluster::{Words, change, under_way};
use crate::harden::item::ItemError;
use crate::harden::judged::Judged;
use crate::harden::raw::raw;
use crate::posture::command;
use crate::posture::read::{truth, word};

const ENABLED: [&str; 4] = ["properties", "addonProfiles", "omsagent", "enabled"];
/// Tools spell this key differently; it is found in any casing and written as it stands.
const WORKSPACE: [&str; 5] =
    ["properties", "addonProfiles", "omsagent", "config", "logAnalyticsWorkspaceResourceID"];
/// A text, since all values of an add-on's settings are.
const MANAGED_IDENTITY: [&str; 5] = ["properties", "addonProfiles", "omsagent", "config", "useAADAuth"];

/// What is on, if it is on.
struct State {
    workspace: String,
    by_identity: bool,
}

fn state(cluster: &Value) -> Option<State> {
    (truth(cluster, &ENABLED) == Some(true)).then(|| State {
        workspace: word(cluster, &WORKSPACE).unwrap_or_default(),
        by_identity: truth(cluster, &MANAGED_IDENTITY) == Some(true),
    })
}

impl State {
    fn sends_to(&self, workspace: &ResourceId) -> bool {
        ResourceId::parse(&self.workspace).is_ok_and(|own| own == *workspace)
    }
}

/// Why an add-on that is on is not changed. The Azure CLI refuses that too: it has to be turned off first (source: azure-cli,
/// `addonconfiguration.py`; Azure Monitor docs, "Legacy authentication for Container insights").
pub(super) fn refusal(id: &ClusterId, workspace: &ResourceId, cluster: &Value) -> Option<String> {
    let on = state(cluster)?;
    let how = match (on.sends_to(workspace), on.by_identity) {
        (true, true) => return None,
        (true, false) => "with the older authentication by the workspace's key".to_owned(),
        (false, _) => format!("and sends to `{}`", on.workspace),
    };
    let (subscription, group) = (id.subscription().as_str(), id.resource_group());
    let arguments = ["--subscription", subscription, "--resource-group", group, "--name", id.name()];
    let off = command("az aks disable-addons --addons monitoring", &arguments);
    Some(format!("the add-on is on {how}, and can only be changed by turning it off first: `{off}`"))
}

pub(super) fn judge(workspace: &ResourceId, read: &[u8]) -> Result<Judged, ItemError> {
    let cluster: Value = serde_json::from_slice(read)?;
    let name = workspace.name();
    let then =
        format!("the add-on `omsagent` is on and sends to `{name}`, with the cluster's managed identity");
    match state(&cluster) {
        Some(on) if on.sends_to(workspace) && on.by_identity => {
            return Ok(under_way(&cluster).unwrap_or(Judged::Already(then)));
        }
        // Turned on between two reads.
        Some(on) => return Ok(Judged::Refused(format!("the add-on is on and sends to `{}`", on.workspace))),
        None => {}
    }
    let words = Words { now: "the add-on `omsagent` is off".to_owned(), then, cost: COST };
    let edits = vec![
        (&ENABLED[..], raw(&true)?),
        (&WORKSPACE[..], raw(&workspace.to_string())?),
        (&MANAGED_IDENTITY[..], raw("true")?),
    ];
    change(read, words, edits)
}
