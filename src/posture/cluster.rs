//! What of a managed cluster's body says how exposed it is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::question::Question;
use super::read::{at, id_of, rows, truth, word, words};
use crate::domain::{ClusterId, Power, Provisioning, ResourceId};

const SUBNET_TYPE: &str = "Microsoft.Network/virtualNetworks/subnets";
pub(super) const WORKSPACE_TYPE: &str = "Microsoft.OperationalInsights/workspaces";

/// Something that is on and sends to a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Feature {
    /// On, off, or not said.
    pub(super) is_on: Option<bool>,
    /// The workspace it names, as it is written.
    pub(super) workspace: Option<String>,
}

/// A managed cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterFacts {
    pub(super) id: ClusterId,
    /// Its region's name, also where Azure writes the one for people (`West Europe`).
    pub(super) location: Option<String>,
    pub(super) power: Power,
    pub(super) provisioning: Provisioning,
    pub(super) version: Option<String>,
    pub(super) support_plan: Option<String>,
    pub(super) node_group: Option<String>,
    pub(super) subnets: BTreeSet<ResourceId>,
    /// `addonProfiles.omsagent`.
    pub(super) oms_agent: Feature,
    /// `azureMonitorProfile.containerInsights`.
    pub(super) monitor_profile: Feature,
    /// `securityProfile.defender`.
    pub(super) defender: Feature,
    pub(super) is_private: bool,
    pub(super) authorized_ranges: Vec<String>,
    pub(super) public_network_access: Option<String>,
    pub(super) local_accounts_off: Option<bool>,
    pub(super) has_entra: bool,
    pub(super) upgrade_channel: Option<String>,
    pub(super) node_os_channel: Option<String>,
}

impl ClusterFacts {
    /// Reads one; `None` if its id is not that of a cluster.
    pub(super) fn read(body: &Value) -> Option<Self> {
        let id = ClusterId::parse_managed(body.get("id")?.as_str()?).ok()?;
        let none = Value::Null;
        let p = body.get("properties").unwrap_or(&none);
        let mut subnets: BTreeSet<ResourceId> = BTreeSet::new();
        for pool in rows(p, &["agentPoolProfiles"]) {
            let named = ["vnetSubnetID", "podSubnetID"].iter().filter_map(|name| word(pool, &[name]));
            subnets.extend(named.filter_map(|id| id_of(SUBNET_TYPE, &id)));
        }
        subnets
            .extend(word(p, &["apiServerAccessProfile", "subnetId"]).and_then(|id| id_of(SUBNET_TYPE, &id)));
        Some(Self {
            id,
            location: word(body, &["location"]).map(|region| region.to_lowercase().replace(' ', "")),
            power: Power::parse(word(p, &["powerState", "code"]).as_deref()),
            provisioning: Provisioning::parse(word(p, &["provisioningState"]).as_deref()),
            version: word(p, &["currentKubernetesVersion"]).or_else(|| word(p, &["kubernetesVersion"])),
            support_plan: word(p, &["supportPlan"]),
            node_group: word(p, &["nodeResourceGroup"]),
            subnets,
            oms_agent: Feature {
                is_on: truth(p, &["addonProfiles", "omsagent", "enabled"]),
                workspace: word(
                    p,
                    &["addonProfiles", "omsagent", "config", "logAnalyticsWorkspaceResourceID"],
                ),
            },
            monitor_profile: Feature {
                is_on: truth(p, &["azureMonitorProfile", "containerInsights", "enabled"]),
                workspace: word(
                    p,
                    &["azureMonitorProfile", "containerInsights", "logAnalyticsWorkspaceResourceId"],
                ),
            },
            defender: Feature {
                is_on: truth(p, &["securityProfile", "defender", "securityMonitoring", "enabled"]),
                workspace: word(p, &["securityProfile", "defender", "logAnalyticsWorkspaceResourceId"]),
            },
            is_private: truth(p, &["apiServerAccessProfile", "enablePrivateCluster"]) == Some(true),
            authorized_ranges: words(p, &["apiServerAccessProfile", "authorizedIPRanges"]),
            public_network_access: word(p, &["publicNetworkAccess"]),
            local_accounts_off: truth(p, &["disableLocalAccounts"]),
            has_entra: at(p, &["aadProfile"]).is_some_and(Value::is_object),
            upgrade_channel: word(p, &["autoUpgradeProfile", "upgradeChannel"]),
            node_os_channel: word(p, &["autoUpgradeProfile", "nodeOSUpgradeChannel"]),
        })
    }

    /// What has to be asked about it.
    pub(super) fn questions(&self) -> Vec<Question> {
        let id = || self.id.clone();
        let subscription = || self.id.subscription().clone();
        let mut all =
            vec![Question::ClusterPlan(id()), Question::Upgrades(id()), Question::Diagnostics(id())];
        all.extend(self.location.clone().map(|region| Question::Versions(subscription(), region)));
        all.extend(self.node_group.clone().map(|group| Question::Nsgs(subscription(), group)));
        all.extend(self.subnets.iter().cloned().map(Question::Subnet));
        all.extend(self.workspaces().map(Question::Workspace));
        all
    }

    /// The workspaces that it names and sends to.
    fn workspaces(&self) -> impl Iterator<Item = ResourceId> {
        let features = [&self.oms_agent, &self.monitor_profile, &self.defender];
        let named = features.into_iter().filter(|feature| feature.is_on == Some(true));
        named.filter_map(|feature| id_of(WORKSPACE_TYPE, feature.workspace.as_deref()?))
    }

    /// The arguments of `az aks …` that name it.
    pub(super) fn az(&self) -> [&str; 6] {
        let (subscription, group) = (self.id.subscription().as_str(), self.id.resource_group());
        ["--subscription", subscription, "--resource-group", group, "--name", self.id.name()]
    }
}
