//! What the guard needs to be allowed to do in a guarded subscription.

/// The actions of the custom role that `infra/role.bicep` defines: one GET, one POST and one list (source: Azure resource provider
/// operations). Resource Graph takes none: it shows what an identity may read. The simulated Azure of the tests allows these and
/// nothing else.
pub const ACTIONS: [&str; 3] = [
    "Microsoft.ContainerService/managedClusters/read",
    "Microsoft.ContainerService/managedClusters/start/action",
    "Microsoft.Insights/eventtypes/values/read",
];
