//! What stands around the clusters: networks, plans, workspaces, settings, roles. A test turns its knobs; a few requests write to it (`amend`).
//!
//! Bodies are as recorded (azure-cli `test_network_nsg`, `test_security_pricings`, `test_monitor_log_analytics_workspace_default`;
//! azure-powershell `Get-AzAksUpgradeProfile`) or as in the REST specifications' examples.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::id::ClusterId;
use super::rules::{NetworkRule, RuleWork};

/// Everything around the clusters. Ids are kept in lower case.
#[derive(Debug, Clone)]
pub struct Estate {
    /// Plans by scope: tier and extensions.
    plans: BTreeMap<String, Value>,
    /// Rules by the id of their group.
    pub(super) rules: BTreeMap<String, Vec<NetworkRule>>,
    /// Subnets, workspaces and groups beside those of AKS.
    resources: BTreeMap<String, Value>,
    settings: BTreeMap<String, Vec<Value>>,
    upgrades: BTreeMap<String, Vec<String>>,
    /// Assignments with their scope in lower case.
    assignments: Vec<(String, Value)>,
    definitions: Vec<Value>,
    /// Writes of rules by the id of their operation.
    pub(super) rule_works: BTreeMap<String, RuleWork>,
    /// How long the write or the deletion of a rule takes, in Azure's time.
    pub rule_works_last: SignedDuration,
    /// Whether those that begin from now on fail in the end.
    pub rule_works_fail: bool,
    /// Minor versions that a region offers, with the plans that support them.
    pub releases: Vec<(String, Vec<String>)>,
}

impl Default for Estate {
    /// As a new subscription is: the plan is `Free`, nobody has a role, the roles are a few of the built-in ones.
    fn default() -> Self {
        let mut estate = Self {
            plans: BTreeMap::new(),
            rules: BTreeMap::new(),
            resources: BTreeMap::new(),
            settings: BTreeMap::new(),
            upgrades: BTreeMap::new(),
            assignments: Vec::new(),
            definitions: Vec::new(),
            rule_works: BTreeMap::new(),
            rule_works_last: SignedDuration::ZERO,
            rule_works_fail: false,
            releases: Vec::new(),
        };
        let official = || vec!["KubernetesOfficial".to_owned(), "AKSLongTermSupport".to_owned()];
        estate.releases.extend(["1.33", "1.34", "1.35"].map(|minor| (minor.to_owned(), official())));
        // Source: azure-docs, `role-based-access-control/built-in-roles`.
        for (name, id, actions, not_actions) in [
            ("Owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", &["*"][..], &[][..]),
            (
                "Contributor",
                "b24988ac-6180-42a0-ab88-20f7382dd24c",
                &["*"],
                &["Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write"],
            ),
            ("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7", &["*/read"], &[]),
            (
                "Azure Kubernetes Service Contributor Role",
                "ed7f3fbd-7b88-4dd4-9017-9adb7ce333f8",
                &["Microsoft.ContainerService/managedClusters/*", "Microsoft.Resources/deployments/*"],
                &[],
            ),
        ] {
            estate.define_role(name, id, actions, not_actions);
        }
        estate
    }
}

impl Estate {
    /// Sets the Defender for Containers plan of a subscription or a cluster.
    pub fn set_plan(&mut self, scope: &str, tier: &str, extensions: &[(&str, bool)]) {
        // Truth values are texts there (azure-rest-api-specs, `GetResourcePricingByNameContainers_example.json`).
        let extension = |(name, on): &(&str, bool)| json!({ "name": name, "isEnabled": if *on { "True" } else { "False" } });
        let extensions: Vec<Value> = extensions.iter().map(extension).collect();
        let properties =
            json!({ "pricingTier": tier, "freeTrialRemainingTime": "PT0S", "extensions": extensions });
        self.plans.insert(scope.to_ascii_lowercase(), properties);
    }

    pub(super) fn put_plan(&mut self, scope: &str, properties: Value) {
        self.plans.insert(scope.to_ascii_lowercase(), properties);
    }

    /// Says in which region a resource is.
    pub(super) fn place(&mut self, id: &str, location: &str) {
        let body = self.resources.get_mut(&id.to_ascii_lowercase());
        if let Some(members) = body.and_then(Value::as_object_mut) {
            members.insert("location".to_owned(), json!(location));
        }
    }

    /// Makes a network security group without rules of its own.
    pub fn add_group(&mut self, id: &str) {
        self.add(id, json!({ "location": "westeurope", "type": "Microsoft.Network/networkSecurityGroups" }));
    }

    /// Makes a subnet, with a network security group or without one.
    pub fn add_subnet(&mut self, id: &str, group: Option<&str>) {
        let mut properties = json!({ "provisioningState": "Succeeded", "addressPrefix": "10.240.0.0/16" });
        if let (Some(group), Some(members)) = (group, properties.as_object_mut()) {
            members.insert("networkSecurityGroup".to_owned(), json!({ "id": group }));
        }
        self.add(
            id,
            json!({ "type": "Microsoft.Network/virtualNetworks/subnets", "properties": properties }),
        );
    }

    /// Makes a workspace. Its id is answered in lower case, as recorded.
    pub fn add_workspace(&mut self, id: &str, retention_days: u32) {
        self.add(
            id,
            json!({
                "id": id.to_ascii_lowercase(),
                "location": "westeurope",
                "type": "Microsoft.OperationalInsights/workspaces",
                "properties": {
                    "provisioningState": "Succeeded", "sku": { "name": "pergb2018" }, "retentionInDays": retention_days,
                    "customerId": "6b64456a-d701-45ab-9441-eebf5056b94e",
                },
            }),
        );
    }

    fn add(&mut self, id: &str, mut body: Value) {
        if let Some(members) = body.as_object_mut() {
            members.entry("id").or_insert_with(|| json!(id));
            members.insert("name".to_owned(), json!(id.rsplit('/').next()));
        }
        self.resources.insert(id.to_ascii_lowercase(), body);
    }

    /// Deletes a subnet, a workspace or a group.
    pub fn remove(&mut self, id: &str) {
        self.resources.remove(&id.to_ascii_lowercase());
    }

    /// Sends categories of a cluster's logs to a workspace.
    pub fn send_logs(&mut self, cluster: &ClusterId, workspace: &str, categories: &[&str]) {
        let log = |category: &&str| {
            json!({ "category": category, "categoryGroup": null, "enabled": true,
                                            "retentionPolicy": { "enabled": false, "days": 0 } })
        };
        let logs: Vec<Value> = categories.iter().map(log).collect();
        let key = cluster.to_string().to_ascii_lowercase();
        let settings = self.settings.entry(key).or_default();
        let name = format!("logs-{}", settings.len() + 1);
        settings.push(json!({
            "id": format!("{cluster}/providers/microsoft.insights/diagnosticSettings/{name}").to_ascii_lowercase(),
            "name": name,
            "type": "Microsoft.Insights/diagnosticSettings",
            "properties": { "workspaceId": workspace, "logs": logs, "metrics": [] },
        }));
    }

    /// Says to which versions a cluster can be upgraded.
    pub fn set_upgrades(&mut self, cluster: &ClusterId, versions: &[&str]) {
        let versions = versions.iter().map(|version| (*version).to_owned()).collect();
        self.upgrades.insert(cluster.to_string().to_ascii_lowercase(), versions);
    }

    /// Makes a role.
    pub fn define_role(&mut self, name: &str, id: &str, actions: &[&str], not_actions: &[&str]) {
        self.definitions.push(json!({
            "id": format!("/providers/Microsoft.Authorization/roleDefinitions/{id}"),
            "name": id,
            "type": "Microsoft.Authorization/roleDefinitions",
            "properties": {
                "roleName": name, "type": "BuiltInRole", "description": name, "assignableScopes": ["/"],
                "permissions": [{ "actions": actions, "notActions": not_actions, "dataActions": [], "notDataActions": [] }],
            },
        }));
    }

    /// Assigns a role, by the id of its definition, at a scope.
    pub fn assign(&mut self, role: &str, principal: &str, kind: &str, scope: &str) {
        let id = format!("{:08x}-0000-4000-8000-000000000000", self.assignments.len() + 1);
        let prefix = scope.trim_end_matches('/');
        let body = json!({
            "id": format!("{prefix}/providers/Microsoft.Authorization/roleAssignments/{id}"),
            "name": id,
            "type": "Microsoft.Authorization/roleAssignments",
            "properties": {
                "roleDefinitionId": format!("{prefix}/providers/Microsoft.Authorization/roleDefinitions/{role}"),
                "principalId": principal, "principalType": kind, "scope": scope, "condition": null,
            },
        });
        self.assignments.push((scope.to_ascii_lowercase(), body));
    }

    /// The plan that holds at a scope: its own, or that of the subscription above.
    pub(super) fn plan(&self, scope: &str, subscription: &str) -> Value {
        let above = format!("/subscriptions/{}", subscription.to_ascii_lowercase());
        let scope = scope.to_ascii_lowercase();
        let (own, inherited) = (self.plans.get(&scope), self.plans.get(&above));
        let free = json!({ "pricingTier": "Free", "freeTrialRemainingTime": "P30D" });
        let mut properties = own.or(inherited).cloned().unwrap_or(free);
        if let Some(members) = properties.as_object_mut().filter(|_| scope != above) {
            members.insert("inherited".to_owned(), json!(if own.is_none() { "True" } else { "False" }));
        }
        json!({ "id": format!("{scope}/providers/Microsoft.Security/pricings/Containers"), "name": "Containers",
                "type": "Microsoft.Security/pricings", "properties": properties })
    }

    pub(super) fn resource(&self, id: &str) -> Option<&Value> {
        self.resources.get(&id.to_ascii_lowercase())
    }

    /// The groups that were made in a resource group, by their ids.
    pub(super) fn groups_in(&self, prefix: &str) -> Vec<&str> {
        let prefix =
            format!("{}/providers/microsoft.network/networksecuritygroups/", prefix.to_ascii_lowercase());
        let inside = self.resources.iter().filter(|(id, _)| id.starts_with(&prefix));
        inside.filter_map(|(_, body)| body.get("id")?.as_str()).collect()
    }

    pub(super) fn settings_of(&self, cluster: &ClusterId) -> &[Value] {
        self.settings.get(&cluster.to_string().to_ascii_lowercase()).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn upgrades_of(&self, cluster: &ClusterId) -> &[String] {
        self.upgrades.get(&cluster.to_string().to_ascii_lowercase()).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn definitions(&self) -> &[Value] {
        &self.definitions
    }

    /// The assignments at, above and below a subscription.
    pub(super) fn assignments(&self, subscription: &str) -> Vec<&Value> {
        let own = format!("/subscriptions/{}", subscription.to_ascii_lowercase());
        let applies = |scope: &str| {
            scope == "/"
                || scope.starts_with("/providers/microsoft.management/")
                || scope == own
                || scope.starts_with(&format!("{own}/"))
        };
        self.assignments.iter().filter(|(scope, _)| applies(scope)).map(|(_, body)| body).collect()
    }
}
