//! What stands around the clusters: networks, plans, workspaces, settings, roles. A test turns its knobs; a few requests write to it (`amend`).
//!
//! Bodies are as recorded (azure-cli `test_network_nsg`, `test_security_pricings`, `test_monitor_log_analytics_workspace_default`;
//! azure-powershell `Get-AzAksUpgradeProfile`) or as in the REST specifications' examples.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::id::ClusterId;

/// An inbound rule of a network security group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRule {
    /// Its name.
    pub name: String,
    /// Its place in the order, 100 to 4096.
    pub priority: u32,
    /// Whether it lets in; else it keeps out.
    pub allows: bool,
    /// From where.
    pub sources: Vec<String>,
    /// To which ports.
    pub ports: Vec<String>,
}

impl NetworkRule {
    /// A rule for one source and one range of ports, by TCP.
    pub fn new(name: &str, priority: u32, allows: bool, source: &str, port: &str) -> Self {
        let (sources, ports) = (vec![source.to_owned()], vec![port.to_owned()]);
        Self { name: name.to_owned(), priority, allows, sources, ports }
    }

    /// As Azure writes it: one value in the singular member, several in the plural one, and the other `""` or `[]`.
    fn body(&self, group: &str, state: &str) -> Value {
        let one = |values: &[String]| match values {
            [only] => only.clone(),
            _ => String::new(),
        };
        let many = |values: &[String]| if values.len() == 1 { json!([]) } else { json!(values) };
        json!({
            "name": self.name,
            "id": format!("{group}/securityRules/{}", self.name),
            "type": "Microsoft.Network/networkSecurityGroups/securityRules",
            "properties": {
                "provisioningState": state, "protocol": "Tcp", "direction": "Inbound", "priority": self.priority,
                "access": if self.allows { "Allow" } else { "Deny" },
                "sourcePortRange": "*", "sourcePortRanges": [],
                "sourceAddressPrefix": one(&self.sources), "sourceAddressPrefixes": many(&self.sources),
                "destinationPortRange": one(&self.ports), "destinationPortRanges": many(&self.ports),
                "destinationAddressPrefix": "*", "destinationAddressPrefixes": [],
            },
        })
    }
}

/// A deletion of a rule.
#[derive(Debug, Clone)]
struct Deletion {
    group: String,
    rule: String,
    ends: Timestamp,
    fails: bool,
    is_over: bool,
}

/// Everything around the clusters. Ids are kept in lower case.
#[derive(Debug, Clone)]
pub struct Estate {
    /// Plans by scope: tier and extensions.
    plans: BTreeMap<String, Value>,
    /// Rules by the id of their group.
    rules: BTreeMap<String, Vec<NetworkRule>>,
    /// Subnets, workspaces and groups beside those of AKS.
    resources: BTreeMap<String, Value>,
    settings: BTreeMap<String, Vec<Value>>,
    upgrades: BTreeMap<String, Vec<String>>,
    /// Assignments with their scope in lower case.
    assignments: Vec<(String, Value)>,
    definitions: Vec<Value>,
    /// Deletions of rules by the id of their operation.
    deletions: BTreeMap<String, Deletion>,
    /// How long the deletion of a rule takes, in Azure's time.
    pub deletion_lasts: SignedDuration,
    /// Whether deletions that begin from now on fail in the end.
    pub deletions_fail: bool,
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
            deletions: BTreeMap::new(),
            deletion_lasts: SignedDuration::ZERO,
            deletions_fail: false,
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

    /// Adds an inbound rule to a network security group.
    pub fn add_rule(&mut self, group: &str, rule: NetworkRule) {
        self.rules.entry(group.to_ascii_lowercase()).or_default().push(rule);
    }

    /// Whether a group has a rule, by its name in any case.
    pub fn has_rule(&self, group: &str, rule: &str) -> bool {
        let rules = self.rules.get(&group.to_ascii_lowercase());
        rules.is_some_and(|rules| rules.iter().any(|own| own.name.eq_ignore_ascii_case(rule)))
    }

    pub(super) fn begin_deletion(&mut self, operation: &str, group: &str, rule: &str, ends: Timestamp) {
        let (group, rule) = (group.to_ascii_lowercase(), rule.to_ascii_lowercase());
        let deletion = Deletion { group, rule, ends, fails: self.deletions_fail, is_over: false };
        self.deletions.insert(operation.to_owned(), deletion);
    }

    /// Ends the deletions whose time has come.
    pub(super) fn settle(&mut self, now: Timestamp) {
        let due = self.deletions.values_mut().filter(|one| !one.is_over && one.ends <= now);
        for deletion in due {
            deletion.is_over = true;
            if let Some(rules) = self.rules.get_mut(&deletion.group).filter(|_| !deletion.fails) {
                rules.retain(|rule| !rule.name.eq_ignore_ascii_case(&deletion.rule));
            }
        }
    }

    /// Whether a deletion is over, and then whether it succeeded.
    pub(super) fn deletion(&self, operation: &str) -> Option<Option<bool>> {
        self.deletions.get(operation).map(|one| one.is_over.then_some(!one.fails))
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

    /// A network security group with its rules and the six that all have.
    pub(super) fn group(&self, id: &str) -> Value {
        let rules = self.rules.get(&id.to_ascii_lowercase());
        let shown = |rule: &NetworkRule| {
            let is_it = |one: &&Deletion| {
                one.group.eq_ignore_ascii_case(id) && one.rule.eq_ignore_ascii_case(&rule.name)
            };
            let is_going = self.deletions.values().filter(|one| !one.is_over).any(|one| is_it(&one));
            rule.body(id, if is_going { "Deleting" } else { "Succeeded" })
        };
        let rules: Vec<Value> = rules.into_iter().flatten().map(shown).collect();
        json!({
            "name": id.rsplit('/').next(), "id": id, "type": "Microsoft.Network/networkSecurityGroups",
            "etag": "W/\"dae62ae7-96c6-4d10-839b-df3d27543c7b\"", "location": "westeurope",
            "properties": { "provisioningState": "Succeeded", "securityRules": rules,
                            "defaultSecurityRules": default_rules(id) },
        })
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

/// The three inbound rules that every group has; the outbound ones are left out.
fn default_rules(group: &str) -> Vec<Value> {
    let rule = |(name, priority, access, source, destination): (&str, u32, &str, &str, &str)| {
        json!({
            "name": name, "id": format!("{group}/defaultSecurityRules/{name}"),
            "type": "Microsoft.Network/networkSecurityGroups/defaultSecurityRules",
            "properties": {
                "provisioningState": "Succeeded", "protocol": "*", "direction": "Inbound", "priority": priority,
                "access": access, "sourcePortRange": "*", "destinationPortRange": "*",
                "sourceAddressPrefix": source, "destinationAddressPrefix": destination,
                "sourcePortRanges": [], "destinationPortRanges": [],
                "sourceAddressPrefixes": [], "destinationAddressPrefixes": [],
            },
        })
    };
    [
        ("AllowVnetInBound", 65_000, "Allow", "VirtualNetwork", "VirtualNetwork"),
        ("AllowAzureLoadBalancerInBound", 65_001, "Allow", "AzureLoadBalancer", "*"),
        ("DenyAllInBound", 65_500, "Deny", "*", "*"),
    ]
    .map(rule)
    .to_vec()
}
