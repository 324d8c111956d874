//! What is asked of Azure Resource Manager: where, in which version, and with which right.

use crate::domain::{ClusterId, ResourceId, Severity, SubscriptionId};

/// A read. The order is that in which answers are shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// Which subscriptions there are.
    Subscriptions,
    /// The clusters of a subscription.
    Clusters(SubscriptionId),
    /// One cluster.
    Cluster(ClusterId),
    /// The Defender for Containers plan of a subscription.
    Plan(SubscriptionId),
    /// The role definitions that a subscription knows.
    Roles(SubscriptionId),
    /// The role assignments at, above and below a subscription.
    Assignments(SubscriptionId),
    /// The Kubernetes versions of a region.
    Versions(SubscriptionId, String),
    /// The Defender plan as it holds for one cluster.
    ClusterPlan(ClusterId),
    /// To which versions a cluster can be upgraded.
    Upgrades(ClusterId),
    /// Where a cluster's logs go.
    Diagnostics(ClusterId),
    /// The network security groups of a cluster's node resource group.
    Nsgs(SubscriptionId, String),
    /// A subnet of node pools that somebody else made.
    Subnet(ResourceId),
    /// A network security group of such a subnet.
    Nsg(ResourceId),
    /// A Log Analytics workspace.
    Workspace(ResourceId),
}

/// The api-version of subscriptions (source: Azure REST docs, "Subscriptions - List").
const SUBSCRIPTIONS_API: &str = "2022-12-01";
/// The api-version of AKS: the one that the guard uses throughout.
const AKS_API: &str = "2025-10-01";
/// The api-version of Defender plans: the first that answers for one cluster (source: azure-rest-api-specs,
/// `GetResourcePricingByNameContainers_example.json`).
const PRICINGS_API: &str = "2024-01-01";
/// The api-version of roles (source: Azure REST docs, "Role Assignments - List For Scope").
const ROLES_API: &str = "2022-04-01";
/// The api-version of diagnostic settings (source: Azure REST docs, "Diagnostic Settings - List").
const DIAGNOSTICS_API: &str = "2021-05-01-preview";
/// The api-version of networks (source: Azure REST docs, "Network Security Groups - List").
const NETWORK_API: &str = "2024-05-01";
/// The api-version of workspaces (source: Azure REST docs, "Workspaces - Get").
const WORKSPACE_API: &str = "2023-09-01";

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// The identity may not read it.
    Denied,
    /// It does not exist.
    Gone,
    /// Something else, in words.
    Failed(String),
}

impl Unread {
    /// Says it in words, of this question.
    pub fn about(&self, question: &Question) -> String {
        let subject = question.subject();
        match self {
            Self::Denied => format!("{subject}: the right `{}` is missing", question.action()),
            Self::Gone => format!("{subject}: not there"),
            Self::Failed(why) => format!("{subject}: {why}"),
        }
    }
}

impl Question {
    /// What is asked about, in words.
    pub fn subject(&self) -> String {
        match self {
            Self::Subscriptions => "the subscriptions".to_owned(),
            Self::Clusters(id) => format!("the clusters of {id}"),
            Self::Cluster(id) => format!("cluster {}", id.name()),
            Self::Plan(_) => "the Defender plan".to_owned(),
            Self::Roles(_) => "the role definitions".to_owned(),
            Self::Assignments(_) => "the role assignments".to_owned(),
            Self::Versions(_, region) => format!("the Kubernetes versions of {region}"),
            Self::ClusterPlan(_) => "the Defender plan of the cluster".to_owned(),
            Self::Upgrades(_) => "the versions to upgrade to".to_owned(),
            Self::Diagnostics(_) => "the diagnostic settings".to_owned(),
            Self::Nsgs(_, group) => format!("the network security groups of {group}"),
            Self::Subnet(id) => format!("subnet {}", id.name()),
            Self::Nsg(id) => format!("network security group {}", id.name()),
            Self::Workspace(id) => format!("workspace {}", id.name()),
        }
    }

    /// The path of the URL, part by part.
    pub fn segments(&self) -> Vec<&str> {
        match self {
            Self::Subscriptions => vec!["subscriptions"],
            Self::Clusters(id) => of_subscription(id, &["Microsoft.ContainerService", "managedClusters"]),
            Self::Cluster(id) => of_cluster(id, &[]),
            Self::Plan(id) => of_subscription(id, &["Microsoft.Security", "pricings", "Containers"]),
            Self::Roles(id) => of_subscription(id, &["Microsoft.Authorization", "roleDefinitions"]),
            Self::Assignments(id) => of_subscription(id, &["Microsoft.Authorization", "roleAssignments"]),
            Self::Versions(id, region) => {
                let tail = ["Microsoft.ContainerService", "locations", region, "kubernetesVersions"];
                of_subscription(id, &tail)
            }
            Self::ClusterPlan(id) => {
                of_cluster(id, &["providers", "Microsoft.Security", "pricings", "Containers"])
            }
            Self::Upgrades(id) => of_cluster(id, &["upgradeProfiles", "default"]),
            Self::Diagnostics(id) => {
                of_cluster(id, &["providers", "Microsoft.Insights", "diagnosticSettings"])
            }
            Self::Nsgs(id, group) => {
                let head = ["subscriptions", id.as_str(), "resourceGroups", group];
                [&head[..], &["providers", "Microsoft.Network", "networkSecurityGroups"]].concat()
            }
            Self::Subnet(id) | Self::Nsg(id) | Self::Workspace(id) => id.segments(),
        }
    }

    /// The api-version.
    pub fn api_version(&self) -> &'static str {
        match self {
            Self::Subscriptions => SUBSCRIPTIONS_API,
            Self::Clusters(_) | Self::Cluster(_) | Self::Upgrades(_) | Self::Versions(..) => AKS_API,
            Self::Plan(_) | Self::ClusterPlan(_) => PRICINGS_API,
            Self::Roles(_) | Self::Assignments(_) => ROLES_API,
            Self::Diagnostics(_) => DIAGNOSTICS_API,
            Self::Nsgs(..) | Self::Subnet(_) | Self::Nsg(_) => NETWORK_API,
            Self::Workspace(_) => WORKSPACE_API,
        }
    }

    /// The right that it takes, as in a role definition.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Subscriptions => "Microsoft.Resources/subscriptions/read",
            Self::Clusters(_) | Self::Cluster(_) => "Microsoft.ContainerService/managedClusters/read",
            Self::Plan(_) | Self::ClusterPlan(_) => "Microsoft.Security/pricings/read",
            Self::Roles(_) => "Microsoft.Authorization/roleDefinitions/read",
            Self::Assignments(_) => "Microsoft.Authorization/roleAssignments/read",
            Self::Versions(..) => "Microsoft.ContainerService/locations/kubernetesVersions/read",
            Self::Upgrades(_) => "Microsoft.ContainerService/managedClusters/upgradeProfiles/read",
            Self::Diagnostics(_) => "Microsoft.Insights/diagnosticSettings/read",
            Self::Nsgs(..) | Self::Nsg(_) => "Microsoft.Network/networkSecurityGroups/read",
            Self::Subnet(_) => "Microsoft.Network/virtualNetworks/subnets/read",
            Self::Workspace(_) => "Microsoft.OperationalInsights/workspaces/read",
        }
    }

    /// The subscription whose quota it takes from.
    pub fn subscription(&self) -> Option<&SubscriptionId> {
        match self {
            Self::Subscriptions => None,
            Self::Clusters(id)
            | Self::Plan(id)
            | Self::Roles(id)
            | Self::Assignments(id)
            | Self::Versions(id, _)
            | Self::Nsgs(id, _) => Some(id),
            Self::Cluster(id) | Self::ClusterPlan(id) | Self::Upgrades(id) | Self::Diagnostics(id) => {
                Some(id.subscription())
            }
            Self::Subnet(id) | Self::Nsg(id) | Self::Workspace(id) => Some(id.subscription()),
        }
    }

    /// The resource that it asks for by its id, if that is no cluster.
    pub(super) fn resource(&self) -> Option<&ResourceId> {
        match self {
            Self::Subnet(id) | Self::Nsg(id) | Self::Workspace(id) => Some(id),
            Self::Subscriptions
            | Self::Clusters(_)
            | Self::Cluster(_)
            | Self::Plan(_)
            | Self::Roles(_)
            | Self::Assignments(_)
            | Self::Versions(..)
            | Self::ClusterPlan(_)
            | Self::Upgrades(_)
            | Self::Diagnostics(_)
            | Self::Nsgs(..) => None,
        }
    }

    /// The worst that could be behind it: how severe it is that it can't be read.
    pub(super) fn hides(&self) -> Severity {
        match self {
            Self::Subscriptions
            | Self::Clusters(_)
            | Self::Cluster(_)
            | Self::Versions(..)
            | Self::Nsgs(..)
            | Self::Subnet(_)
            | Self::Nsg(_)
            | Self::Workspace(_) => Severity::High,
            Self::Plan(_)
            | Self::ClusterPlan(_)
            | Self::Roles(_)
            | Self::Assignments(_)
            | Self::Diagnostics(_) => Severity::Medium,
            Self::Upgrades(_) => Severity::Info,
        }
    }
}

fn of_subscription<'a>(id: &'a SubscriptionId, tail: &[&'a str]) -> Vec<&'a str> {
    [&["subscriptions", id.as_str(), "providers"][..], tail].concat()
}

fn of_cluster<'a>(id: &'a ClusterId, tail: &[&'a str]) -> Vec<&'a str> {
    let head = ["subscriptions", id.subscription().as_str(), "resourceGroups", id.resource_group()];
    let kind = ["providers", "Microsoft.ContainerService", "managedClusters", id.name()];
    [&head[..], &kind, tail].concat()
}
