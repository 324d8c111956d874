//! Where a cluster's logs go: diagnostic settings and Container Insights.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cluster::{ClusterFacts, WORKSPACE_TYPE};
use super::finding::{Check, Finding};
use super::read::{id_of, rows, truth, word};
use super::shell::command;
use crate::domain::ResourceId;

/// Categories of which one is enough: the second leaves out reads (source: AKS docs, "Monitoring data reference").
const AUDIT: [&str; 2] = ["kube-audit", "kube-audit-admin"];
const GUARD: &str = "guard";
/// Groups that hold all of these.
const GROUPS: [&str; 2] = ["alllogs", "audit"];

/// A diagnostic setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    workspace: Option<String>,
    /// What it sends, lower case: categories and groups of them.
    categories: BTreeSet<String>,
}

impl Sending {
    /// Reads one.
    pub(super) fn read(row: &Value) -> Option<Self> {
        let logs = rows(row, &["properties", "logs"]).iter();
        let on = logs.filter(|log| truth(log, &["enabled"]) == Some(true));
        let named = on.filter_map(|log| word(log, &["category"]).or_else(|| word(log, &["categoryGroup"])));
        row.is_object().then(|| Self {
            workspace: word(row, &["properties", "workspaceId"]),
            categories: named.map(|name| name.to_ascii_lowercase()).collect(),
        })
    }

    /// The workspace that it sends to, if it sends anything to one.
    pub(super) fn workspace(&self) -> Option<ResourceId> {
        let id = self.workspace.as_deref().filter(|_| !self.categories.is_empty())?;
        id_of(WORKSPACE_TYPE, id)
    }

    fn sends(&self, category: &str) -> bool {
        self.categories.contains(category) || GROUPS.iter().any(|group| self.categories.contains(*group))
    }
}

/// What is found of a cluster's diagnostic settings.
pub(super) fn of_settings(cluster: &ClusterFacts, sendings: &[Sending]) -> Vec<Finding> {
    let sends = |category: &str| sendings.iter().any(|one| one.sends(category));
    let settings = match sendings.len() {
        0 => "no diagnostic setting".to_owned(),
        1 => "the one diagnostic setting does not".to_owned(),
        count => format!("none of {count} diagnostic settings"),
    };
    let setting = |check, name, categories: &[&str]| {
        let seen = match sendings.len() {
            1 => format!("{settings} send {}", categories.join(" or ")),
            _ => format!("{settings} sends {}", categories.join(" or ")),
        };
        let category = categories.last().copied().unwrap_or_default();
        let logs = format!("[{{\"category\":\"{category}\",\"enabled\":true}}]");
        let id = cluster.id.to_string();
        let arguments =
            ["--name", name, "--resource", &id, "--workspace", "YOUR_WORKSPACE_ID", "--logs", &logs];
        let create = command("az monitor diagnostic-settings create", &arguments);
        Finding::new(check, &cluster.id, &seen).command(create)
    };
    let mut found = Vec::new();
    if !AUDIT.iter().any(|category| sends(category)) {
        found.push(setting(Check::AuditLogsOff, "audit-to-workspace", &AUDIT));
    }
    if !sends(GUARD) {
        found.push(setting(Check::GuardLogsOff, "guard-to-workspace", &[GUARD]));
    }
    found
}

/// Whether Container Insights is on, by the add-on or by the newer profile.
pub(super) fn of_insights(cluster: &ClusterFacts) -> Option<Finding> {
    if [&cluster.oms_agent, &cluster.monitor_profile].iter().any(|feature| feature.is_on == Some(true)) {
        return None;
    }
    let seen = "neither the add-on `omsagent` nor `azureMonitorProfile.containerInsights` is enabled";
    let arguments = [&cluster.az()[..], &["--workspace-resource-id", "YOUR_WORKSPACE_ID"]].concat();
    let on = command("az aks enable-addons --addons monitoring", &arguments);
    let id = cluster.id.to_string();
    let own = command(
        "aks-stop-guard harden container-insights",
        &["--cluster", &id, "--workspace", "YOUR_WORKSPACE_ID"],
    );
    Some(Finding::new(Check::ContainerInsightsOff, &cluster.id, seen).command(own).command(on))
}
