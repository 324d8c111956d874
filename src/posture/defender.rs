//! Defender for Containers: the plan of the subscription, what of it holds for a cluster, and the sensor on its nodes.

use serde_json::Value;

use super::cluster::ClusterFacts;
use super::finding::{Check, Finding};
use super::question::Question;
use super::read::{rows, truth, word};
use super::shell::command;
use crate::domain::SubscriptionId;

/// The word of a plan that is on.
const ON: &str = "Standard";
/// The word of a plan that is off.
const OFF: &str = "Free";

/// The command of this tool that turns the plan on.
const HARDEN: &str = "aks-stop-guard harden defender-plan";

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    tier: String,
    /// Names of extensions that are off.
    extensions_off: Vec<String>,
}

impl Plan {
    /// Reads one; `None` if it says no tier.
    pub(super) fn read(body: &Value) -> Option<Self> {
        let tier = word(body, &["properties", "pricingTier"])?;
        let extensions = rows(body, &["properties", "extensions"]).iter();
        let off = extensions.filter(|one| truth(one, &["isEnabled"]) == Some(false));
        Some(Self { tier, extensions_off: off.filter_map(|one| word(one, &["name"])).collect() })
    }

    fn is(&self, tier: &str) -> bool {
        self.tier.eq_ignore_ascii_case(tier)
    }
}

/// What is found of a subscription's plan.
pub(super) fn of_subscription(id: &SubscriptionId, plan: &Plan) -> Option<Finding> {
    let resource = format!("/subscriptions/{id}/providers/Microsoft.Security/pricings/Containers");
    let turn_on = ["--name", "Containers", "--tier", "Standard", "--subscription", id.as_str()];
    if plan.is(OFF) {
        let seen = "the plan Containers is `Free`";
        let on = command("az security pricing create", &turn_on);
        let own = command(HARDEN, &["--subscription", id.as_str()]);
        return Some(Finding::new(Check::DefenderPlanOff, &resource, seen).command(own).command(on));
    }
    if !plan.is(ON) {
        let seen = format!("the plan Containers has the tier `{}`", plan.tier);
        return Some(Finding::new(Check::UnknownValue, &resource, &seen));
    }
    if plan.extensions_off.is_empty() {
        return None;
    }
    let seen = format!("off in the plan Containers: {}", plan.extensions_off.join(", "));
    // One command for all: each PUT tells the whole plan.
    let names: Vec<String> = plan.extensions_off.iter().map(|name| format!("name={name}")).collect();
    let on = names.iter().flat_map(|name| ["--extensions", name, "isEnabled=True"]);
    let arguments: Vec<&str> = turn_on.into_iter().chain(on).collect();
    let on = command("az security pricing create", &arguments);
    let off = plan.extensions_off.iter().map(String::as_str);
    let arguments: Vec<&str> =
        ["--subscription", id.as_str(), "--extension"].into_iter().chain(off).collect();
    let own = command(HARDEN, &arguments);
    Some(Finding::new(Check::DefenderExtensionOff, &resource, &seen).command(own).command(on))
}

/// What is found of a cluster.
pub(super) fn of_cluster(
    cluster: &ClusterFacts,
    subscriptions: Option<&Plan>,
    own: Option<&Plan>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    if let (Some(all), Some(own)) = (subscriptions, own)
        && all.is(ON)
        && own.is(OFF)
    {
        let seen = "the subscription's plan is `Standard`, and that of this cluster is `Free`";
        let version = Question::ClusterPlan(cluster.id.clone()).api_version();
        // Without a host the Azure CLI asks the Azure Resource Manager of its own cloud.
        let url =
            format!("{}/providers/Microsoft.Security/pricings/Containers?api-version={version}", cluster.id);
        let body = r#"{"properties":{"pricingTier":"Standard"}}"#;
        let take_back = command("az rest --method put", &["--url", &url, "--body", body]);
        found.push(Finding::new(Check::DefenderClusterPlanOff, &cluster.id, seen).command(take_back));
    }
    if let Some(own) = own.filter(|own| !own.is(ON) && !own.is(OFF)) {
        let seen = format!("the cluster's plan has the tier `{}`", own.tier);
        found.push(Finding::new(Check::UnknownValue, &cluster.id, &seen));
    }
    if cluster.defender.is_on != Some(true) {
        let seen = "`securityProfile.defender.securityMonitoring` is not enabled";
        let on = command("az aks update --enable-defender", &cluster.az());
        let id = cluster.id.to_string();
        let arguments = ["--cluster", &id, "--workspace", "YOUR_WORKSPACE_ID"];
        let own = command("aks-stop-guard harden defender-profile", &arguments);
        found.push(Finding::new(Check::DefenderProfileOff, &cluster.id, seen).command(own).command(on));
    }
    found
}
