//! Who and what appears in the demo: scenes, their clusters, and who stops them.

use super::stage::Guarded;
use crate::delivery::{Duplicates, Schema};
use crate::world::{Caller, ClusterId};

/// Placeholder ids from Microsoft's documentation.
const RETAIL: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
/// A storm counts the stops of a subscription, so it has one of its own.
const EDGE: &str = "bbbb1b1b-cc2c-dd3d-ee4e-ffffff5f5f5f";
/// Clusters that are stopped in the storm.
const STORM_CLUSTERS: usize = 10;

/// The scenes, in the order of the closing table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Scene {
    Permitted,
    Unpermitted,
    Repeated,
    StillStopping,
    Refused,
    Storm,
    PermittedLater,
    Killed,
}

impl Scene {
    pub(super) const ALL: [Self; 8] = [
        Self::Permitted,
        Self::Unpermitted,
        Self::Repeated,
        Self::StillStopping,
        Self::Refused,
        Self::Storm,
        Self::PermittedLater,
        Self::Killed,
    ];

    pub(super) fn number(self) -> usize {
        Self::ALL.iter().position(|scene| *scene == self).map_or(0, |index| index + 1)
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Permitted => "the night pipeline may stop clusters, and does",
            Self::Unpermitted => "a user stops a cluster without permission",
            Self::Repeated => "Event Grid brings the same event again",
            Self::StillStopping => "the event comes while the cluster is still stopping",
            Self::Refused => "Azure refuses the start: the cluster is locked",
            Self::Storm => "one caller stops ten clusters within a minute",
            Self::PermittedLater => "restarted, then stopped again with permission",
            Self::Killed => "the guard is killed in the middle of a restart",
        }
    }

    /// The clusters it is about. The repeated event is the one of the scene before.
    pub(super) fn clusters(self) -> Vec<ClusterId> {
        let retail = |name: &str| vec![ClusterId::new(RETAIL, "rg-retail", name)];
        match self {
            Self::Permitted => retail("aks-batch"),
            Self::Unpermitted | Self::Repeated => retail("aks-shop"),
            Self::StillStopping => retail("aks-pay"),
            Self::Refused => retail("aks-search"),
            Self::Storm => (1..=STORM_CLUSTERS)
                .map(|n| ClusterId::new(EDGE, "rg-edge", &format!("aks-edge-{n:02}")))
                .collect(),
            Self::PermittedLater => retail("aks-dev"),
            Self::Killed => retail("aks-data"),
        }
    }

    /// Who stops them without permission. Each scene has a caller of its own: five stops by one are a storm.
    pub(super) fn intruder(self) -> Caller {
        Caller::user(match self {
            Self::Permitted | Self::Unpermitted | Self::Repeated => "bob",
            Self::StillStopping => "carol",
            Self::Refused => "dave",
            Self::Storm => "mallory",
            Self::PermittedLater => "erin",
            Self::Killed => "frank",
        })
    }

    /// The scene that a cluster appears in first.
    pub(super) fn of(cluster: &ClusterId) -> Option<Self> {
        Self::ALL.into_iter().find(|scene| scene.clusters().contains(cluster))
    }
}

/// The one caller whom a policy allows to stop clusters.
pub(super) fn pipeline() -> Caller {
    Caller::service_principal("night-pipeline").authorised()
}

/// The policy that allows it.
pub(super) fn pipeline_policy() -> String {
    format!(
        "@id(\"night-pipeline\")\npermit (principal == Caller::\"{}\", action == Action::\"stop\", resource);\n",
        pipeline().object_id
    )
}

/// The guarded subscriptions: one in each schema.
pub(super) fn subscriptions() -> Vec<Guarded> {
    let guarded = |id: &str, schema| Guarded { id: id.to_owned(), schema, duplicates: Duplicates::None };
    vec![guarded(RETAIL, Schema::EventGrid), guarded(EDGE, Schema::CloudEvents)]
}
