//! What the guard needs to be allowed to do in a guarded subscription.

use crate::domain::ResourceKind;

/// The actions of the custom role that `infra/role.bicep` defines: for each kind of resource one GET and one POST, and one list (source:
/// Azure resource provider operations). Resource Graph takes none of its own: it shows what an identity may read. The simulated Azure of the tests allows these and
/// nothing else.
pub const ACTIONS: [&str; 5] = [
    ResourceKind::ManagedCluster.read_action(),
    ResourceKind::ManagedCluster.start_action(),
    ResourceKind::ContainerGroup.read_action(),
    ResourceKind::ContainerGroup.start_action(),
    "Microsoft.Insights/eventtypes/values/read",
];

/// What the role has beside these where it is given on a management group: Resource Graph shows a subscription to whoever may read
/// it, and who is in the group is learnt from that.
pub const GROUP_ACTION: &str = "Microsoft.Resources/subscriptions/read";

/// What the guard needs beside these to say in an incident how exposed its cluster is, where `STOP_GUARD_POSTURE` is on: a role of its
/// own, which only reads. Without it incidents say what is missing.
pub const POSTURE_ACTIONS: [&str; 9] = [
    "Microsoft.ContainerService/managedClusters/upgradeProfiles/read",
    "Microsoft.ContainerService/locations/kubernetesVersions/read",
    "Microsoft.Security/pricings/read",
    "Microsoft.Authorization/roleDefinitions/read",
    "Microsoft.Authorization/roleAssignments/read",
    "Microsoft.Insights/diagnosticSettings/read",
    "Microsoft.Network/networkSecurityGroups/read",
    "Microsoft.Network/virtualNetworks/subnets/read",
    "Microsoft.OperationalInsights/workspaces/read",
];
