//! The Log Analytics workspaces that logs go to.

use serde_json::Value;

use super::finding::{Check, Finding};
use super::read::{at, word};
use super::shell::command;
use crate::domain::ResourceId;

/// How long the activity log is kept, days (source: Azure Monitor docs, "Activity log: retention period"): no log of a cluster
/// should be gone sooner.
const RETENTION_DAYS_MIN: i64 = 90;

/// A workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    retention_days: Option<i64>,
    provisioning: Option<String>,
}

impl Workspace {
    /// Reads one.
    pub(super) fn read(body: &Value) -> Option<Self> {
        body.get("id")?;
        Some(Self {
            retention_days: at(body, &["properties", "retentionInDays"]).and_then(Value::as_i64),
            provisioning: word(body, &["properties", "provisioningState"]),
        })
    }

    /// What is found of it.
    pub(super) fn findings(&self, id: &ResourceId) -> Vec<Finding> {
        let mut found = Vec::new();
        if let Some(days) = self.retention_days.filter(|days| *days < RETENTION_DAYS_MIN) {
            let seen = format!("workspace `{}` keeps logs for {days} days", id.name());
            let keep = command("az monitor log-analytics workspace update --retention-time 90", &az(id));
            found.push(Finding::new(Check::WorkspaceRetention, id, &seen).command(keep));
        }
        let is_ready = |state: &&String| state.eq_ignore_ascii_case("Succeeded");
        if let Some(state) = self.provisioning.as_ref().filter(|state| !is_ready(state)) {
            let seen = format!("workspace `{}` is in the state `{state}`", id.name());
            found.push(Finding::new(Check::UnknownValue, id, &seen));
        }
        found
    }
}

/// What is found of one that does not exist.
pub(super) fn missing(id: &ResourceId) -> Finding {
    let seen = format!("workspace `{}` does not exist", id.name());
    let recover = command("az monitor log-analytics workspace recover", &az(id));
    let made = id.to_string();
    let own = command("aks-stop-guard harden workspace", &[&made, "--location", "YOUR_REGION"]);
    // What can be recovered keeps its logs, so that comes first.
    Finding::new(Check::WorkspaceMissing, id, &seen).command(recover).command(own)
}

fn az(id: &ResourceId) -> [&str; 6] {
    let (subscription, group) = (id.subscription().as_str(), id.resource_group());
    ["--subscription", subscription, "--resource-group", group, "--workspace-name", id.name()]
}
