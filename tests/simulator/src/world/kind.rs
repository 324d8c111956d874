//! The kinds of resources that are stopped and started here, and what Azure calls them.

use serde::{Deserialize, Serialize};

use super::operation::Deed;

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A cluster of AKS.
    ManagedCluster,
    /// A group of Azure Container Instances.
    ContainerGroup,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ManagedCluster, Self::ContainerGroup];

    /// The resource provider.
    pub fn provider(self) -> &'static str {
        match self {
            Self::ManagedCluster => "Microsoft.ContainerService",
            Self::ContainerGroup => "Microsoft.ContainerInstance",
        }
    }

    /// The type below the provider.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::ManagedCluster => "managedClusters",
            Self::ContainerGroup => "containerGroups",
        }
    }

    /// The kind of a provider and a type, in any casing.
    pub fn of(provider: &str, type_name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| {
            kind.provider().eq_ignore_ascii_case(provider) && kind.type_name().eq_ignore_ascii_case(type_name)
        })
    }

    /// The right that reads one, by its name in role definitions.
    pub fn read_action(self) -> &'static str {
        match self {
            Self::ManagedCluster => "Microsoft.ContainerService/managedClusters/read",
            Self::ContainerGroup => "Microsoft.ContainerInstance/containerGroups/read",
        }
    }

    /// The name of an operation in events, in the activity log and in role definitions.
    pub fn operation_name(self, deed: Deed) -> &'static str {
        match (self, deed) {
            (Self::ManagedCluster, Deed::Stop) => "Microsoft.ContainerService/managedClusters/stop/action",
            (Self::ManagedCluster, Deed::Start) => "Microsoft.ContainerService/managedClusters/start/action",
            (Self::ManagedCluster, Deed::Delete) => "Microsoft.ContainerService/managedClusters/delete",
            (Self::ManagedCluster, Deed::Put) => "Microsoft.ContainerService/managedClusters/write",
            (Self::ContainerGroup, Deed::Stop) => "Microsoft.ContainerInstance/containerGroups/stop/action",
            (Self::ContainerGroup, Deed::Start) => "Microsoft.ContainerInstance/containerGroups/start/action",
            (Self::ContainerGroup, Deed::Delete) => "Microsoft.ContainerInstance/containerGroups/delete",
            (Self::ContainerGroup, Deed::Put) => "Microsoft.ContainerInstance/containerGroups/write",
        }
    }

    /// What people read in the portal.
    pub fn localized(self, deed: Deed) -> &'static str {
        match (self, deed) {
            (Self::ManagedCluster, Deed::Stop) => "Stop Managed Cluster",
            (Self::ManagedCluster, Deed::Start) => "Start Managed Cluster",
            (Self::ManagedCluster, Deed::Delete) => "Delete Managed Cluster",
            (Self::ManagedCluster, Deed::Put) => "Create or Update Managed Cluster",
            (Self::ContainerGroup, Deed::Stop) => "Stop Container Group",
            (Self::ContainerGroup, Deed::Start) => "Start Container Group",
            (Self::ContainerGroup, Deed::Delete) => "Delete Container Group",
            (Self::ContainerGroup, Deed::Put) => "Create or update Container Group",
        }
    }
}
