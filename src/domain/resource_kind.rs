//! What kinds of resources are guarded, and what differs between them: the one table that says it.

/// A kind of resource that can be stopped, looked at and started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// A cluster of Azure Kubernetes Service.
    ManagedCluster,
    /// A group of containers of Azure Container Instances.
    ContainerGroup,
}

/// One row of the table.
struct Row {
    /// Provider and type, in the casing of the documentation.
    arm_type: &'static str,
    /// What the guard's identity needs for a look.
    read_action: &'static str,
    /// The operation that stops it: of the event, and of the activity log.
    stop_action: &'static str,
    /// The operation that starts it.
    start_action: &'static str,
    /// The api-version that its provider is asked for.
    api_version: &'static str,
    /// Where the body of a GET says whether it runs, as a JSON pointer.
    power_at: &'static str,
    /// Its name in policies.
    entity: &'static str,
    /// What people call it.
    noun: &'static str,
    /// Its commands in the Azure CLI: `az <group> start`.
    cli_group: &'static str,
}

/// Actions: Azure resource provider operations. The version of `Microsoft.ContainerService` is that of the AKS documentation's samples and
/// there in all clouds; nothing that is read here differs in later ones. That of `Microsoft.ContainerInstance`: azure-rest-api-specs,
/// `ContainerGroupsStart.json`. Where the state is: recorded GETs of AKS; azure-docs `container-state.md`.
const MANAGED_CLUSTER: Row = Row {
    arm_type: "Microsoft.ContainerService/managedClusters",
    read_action: "Microsoft.ContainerService/managedClusters/read",
    stop_action: "Microsoft.ContainerService/managedClusters/stop/action",
    start_action: "Microsoft.ContainerService/managedClusters/start/action",
    api_version: "2025-10-01",
    power_at: "/properties/powerState/code",
    entity: "ManagedCluster",
    noun: "cluster",
    cli_group: "aks",
};
const CONTAINER_GROUP: Row = Row {
    arm_type: "Microsoft.ContainerInstance/containerGroups",
    read_action: "Microsoft.ContainerInstance/containerGroups/read",
    stop_action: "Microsoft.ContainerInstance/containerGroups/stop/action",
    start_action: "Microsoft.ContainerInstance/containerGroups/start/action",
    api_version: "2023-05-01",
    power_at: "/properties/instanceView/state",
    entity: "ContainerGroup",
    noun: "container group",
    cli_group: "container",
};

impl ResourceKind {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::ManagedCluster, Self::ContainerGroup];

    const fn row(self) -> &'static Row {
        match self {
            Self::ManagedCluster => &MANAGED_CLUSTER,
            Self::ContainerGroup => &CONTAINER_GROUP,
        }
    }

    /// The kind of an ARM type (`Microsoft.ContainerService`, `managedClusters`), in any casing.
    pub fn of_type(provider: &str, name: &str) -> Option<Self> {
        let is_it = |kind: &Self| {
            let parts = kind.arm_type().split_once('/');
            parts.is_some_and(|(own, its)| {
                own.eq_ignore_ascii_case(provider) && its.eq_ignore_ascii_case(name)
            })
        };
        Self::ALL.into_iter().find(is_it)
    }

    /// The kind that an operation stops, if it is a stop. In any casing.
    pub fn stopped_by(operation: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.stop_action().eq_ignore_ascii_case(operation))
    }

    /// Provider and type, in the casing of the documentation.
    pub const fn arm_type(self) -> &'static str {
        self.row().arm_type
    }

    /// What the guard's identity needs for a look.
    pub const fn read_action(self) -> &'static str {
        self.row().read_action
    }

    /// What whoever stops it needs; the operation of the event that tells of it.
    pub const fn stop_action(self) -> &'static str {
        self.row().stop_action
    }

    /// What the guard's identity needs for a start.
    pub const fn start_action(self) -> &'static str {
        self.row().start_action
    }

    /// The api-version that its provider is asked for.
    pub const fn api_version(self) -> &'static str {
        self.row().api_version
    }

    /// Where the body of a GET says whether it runs, as a JSON pointer.
    pub const fn power_at(self) -> &'static str {
        self.row().power_at
    }

    /// Its name in policies: `ManagedCluster`, `ContainerGroup`.
    pub const fn entity(self) -> &'static str {
        self.row().entity
    }

    /// What people call it: `cluster`, `container group`.
    pub const fn noun(self) -> &'static str {
        self.row().noun
    }

    /// Its commands in the Azure CLI: `aks` of `az aks start`.
    pub const fn cli_group(self) -> &'static str {
        self.row().cli_group
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_type_leads_to_its_own_kind_only() {
        for kind in ResourceKind::ALL {
            let upper = kind.arm_type().to_uppercase();
            let (provider, name) = upper.split_once('/').unwrap();
            assert_eq!(ResourceKind::of_type(provider, name), Some(kind));
            assert_eq!(ResourceKind::stopped_by(&kind.stop_action().to_lowercase()), Some(kind));
            assert_eq!(ResourceKind::stopped_by(kind.start_action()), None);
            for action in [kind.read_action(), kind.stop_action(), kind.start_action()] {
                assert!(action.starts_with(&format!("{}/", kind.arm_type())), "{action}");
            }
        }
    }
}
