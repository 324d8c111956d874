//! The Defender sensor on a cluster's nodes.

use serde_json::Value;

use super::cluster::{Words, change, under_way};
use super::item::ItemError;
use super::judged::Judged;
use super::raw::raw;
use crate::domain::{ClusterId, ResourceId};
use crate::posture::read::{truth, word};

/// The type of a workspace.
const WORKSPACE_TYPE: &str = "Microsoft.OperationalInsights/workspaces";
const WORKSPACE: [&str; 4] = ["properties", "securityProfile", "defender", "logAnalyticsWorkspaceResourceId"];
const ENABLED: [&str; 5] = ["properties", "securityProfile", "defender", "securityMonitoring", "enabled"];
const COST: &str = "The sensor is a part of the plan Containers, which is billed by vCore and hour. It runs on every node and takes a little of its \
                    CPU and memory. It takes minutes.";

/// Turn the sensor on, with the workspace that it reports to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefenderProfile {
    cluster: ClusterId,
    workspace: ResourceId,
}

impl DefenderProfile {
    /// Names the cluster and the workspace.
    ///
    /// # Errors
    /// In words: the second id is not that of a workspace.
    pub fn new(cluster: ClusterId, workspace: ResourceId) -> Result<Self, String> {
        if !workspace.is_a(WORKSPACE_TYPE) {
            return Err(format!("`{workspace}` is not a Log Analytics workspace"));
        }
        Ok(Self { cluster, workspace })
    }

    /// On which cluster.
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    pub(super) fn judge(&self, read: Option<&[u8]>) -> Result<Judged, ItemError> {
        let Some(read) = read else {
            return Ok(Judged::Refused(format!("there is no cluster `{}`", self.cluster.name())));
        };
        let body: Value = serde_json::from_slice(read)?;
        word(&body, &["id"]).ok_or(ItemError::OtherShape)?;
        let is_on = truth(&body, &ENABLED) == Some(true);
        let named = word(&body, &WORKSPACE).unwrap_or_default();
        let then = format!("the Defender sensor is on and reports to `{}`", self.workspace.name());
        if is_on && ResourceId::parse(&named).is_ok_and(|named| named == self.workspace) {
            return Ok(under_way(&body).unwrap_or(Judged::Already(then)));
        }
        let now = if is_on {
            format!("the Defender sensor is on and reports to `{named}`")
        } else {
            "the Defender sensor is off".to_owned()
        };
        let edits = vec![(&WORKSPACE[..], raw(&self.workspace.to_string())?), (&ENABLED[..], raw(&true)?)];
        change(read, Words { now, then, cost: COST }, edits)
    }
}
