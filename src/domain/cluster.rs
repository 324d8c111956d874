//! A managed cluster as ARM shows it, and what that means for the guard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::portal::TenantId;
use super::resource_id::ClusterId;

/// `properties.powerState.code`: the **goal**, not the fact. A cluster that is still starting reads `Running` already
/// (source: recorded GETs of AKS; azure-aks-docs `list-aks-clusters.md`: missing or null means unknown).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// It runs or is meant to.
    Running,
    /// It is stopped or is meant to be.
    Stopped,
    /// Missing, null or a word we don't know.
    Unknown,
}

/// `properties.provisioningState`: the truth of the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provisioning {
    /// Nothing is under way and the last operation succeeded.
    Succeeded,
    /// A start is under way.
    Starting,
    /// A stop is under way.
    Stopping,
    /// The last operation failed or was aborted (`Failed`, `Canceled`).
    Failed,
    /// It is being deleted.
    Deleting,
    /// Any other operation is under way (`Creating`, `Updating`, `Upgrading`, ... or a word we don't know).
    Busy,
    /// Missing or null.
    Unknown,
}

impl Power {
    /// Reads ARM's word for it, in any case.
    pub fn parse(code: Option<&str>) -> Self {
        match code {
            Some(code) if code.eq_ignore_ascii_case("Running") => Self::Running,
            Some(code) if code.eq_ignore_ascii_case("Stopped") => Self::Stopped,
            Some(_) | None => Self::Unknown,
        }
    }
}

impl Provisioning {
    /// Reads ARM's word for it, in any case. Unknown words are operations under way: only `Succeeded`, `Failed` and
    /// `Canceled` are terminal (source: ARM RPC `async-api-reference.md`).
    pub fn parse(state: Option<&str>) -> Self {
        let Some(state) = state else { return Self::Unknown };
        let known = [
            ("Succeeded", Self::Succeeded),
            ("Starting", Self::Starting),
            ("Stopping", Self::Stopping),
            ("Failed", Self::Failed),
            ("Canceled", Self::Failed),
            ("Deleting", Self::Deleting),
        ];
        known
            .iter()
            .find(|(word, _)| state.eq_ignore_ascii_case(word))
            .map_or(Self::Busy, |(_, known)| *known)
    }
}

/// A managed cluster at the moment of a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its resource id.
    pub id: ClusterId,
    /// `properties.resourceUID`: differs when a cluster was deleted and another made under the same id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_uid: Option<String>,
    /// What is going on.
    pub provisioning: Provisioning,
    /// What it is meant to be.
    pub power: Power,
    /// Azure region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Tags, cleaned and bounded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// `sku.tier`: `Free`, `Standard` or `Premium`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku_tier: Option<String>,
    /// Whether its API server has a private address only; `None` when ARM doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<bool>,
    /// `properties.currentKubernetesVersion`, else `kubernetesVersion`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_version: Option<String>,
    /// How it is set up, as far as that changes what a stop costs.
    #[serde(default, skip_serializing_if = "Setup::is_plain")]
    pub setup: Setup,
    /// `properties.status.provisioningError`: the code of why its last operation failed, cleaned and bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// What of a cluster's configuration changes what a stop costs or what a start needs. Small: each case keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Setup {
    /// What it has.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub features: BTreeSet<Feature>,
    /// Its region, if ARM names it by a word of letters and digits: it may stand in a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// `identity.tenantId`: the tenant of its subscription. Clusters with a service principal don't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
}

impl Setup {
    /// Whether nothing is known of it, or nothing that matters.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it has this.
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }
}

/// Something that a cluster has and that makes its stop or its start special (source: azure-aks-docs
/// `start-stop-cluster.md`, `private-cluster-connect.md`; kaito issue 2075).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// Its API server has a private address only: `apiServerAccessProfile.enablePrivateCluster`.
    PrivateApiServer,
    /// Azure chooses and adds nodes: `nodeProvisioningProfile.mode` is `Auto`.
    NodeProvisioning,
    /// A node pool has an autoscaler: `agentPoolProfiles[].enableAutoScaling`.
    Autoscaler,
    /// A node pool has GPUs: its `vmSize` is of the N series.
    Gpu,
    /// The AI toolchain operator runs on it: `aiToolchainOperatorProfile.enabled`.
    AiToolchain,
    /// A node pool is an availability set: `agentPoolProfiles[].type`.
    AvailabilitySet,
    /// A container group that is tagged as what a drill stops.
    Canary,
    /// One that a newer version knows.
    #[serde(other)]
    Other,
}

/// What provisioning and power state mean together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Situation {
    /// It runs.
    Running,
    /// Stopped, and a start would be accepted.
    Startable,
    /// The stop is still under way: a start would be refused.
    Stopping,
    /// Somebody's start is under way: adopt and watch.
    Starting,
    /// Stopped, but its last operation failed: a start may be tried once.
    FailedStopped,
    /// A start failed half-way, or something else did: no start of ours helps.
    FailedRunning,
    /// Another operation is under way: wait.
    Busy,
    /// It is being deleted: wait until it is gone.
    Deleting,
    /// ARM doesn't say: wait, then ask people.
    Unknown,
}

impl Cluster {
    /// Reads the two states together.
    pub fn situation(&self) -> Situation {
        match (self.provisioning, self.power) {
            (Provisioning::Succeeded, Power::Running) => Situation::Running,
            (Provisioning::Succeeded, Power::Stopped) => Situation::Startable,
            (Provisioning::Failed, Power::Stopped) => Situation::FailedStopped,
            (Provisioning::Failed, Power::Running) => Situation::FailedRunning,
            (Provisioning::Stopping, Power::Running | Power::Stopped | Power::Unknown) => Situation::Stopping,
            (Provisioning::Starting, Power::Running | Power::Stopped | Power::Unknown) => Situation::Starting,
            (Provisioning::Deleting, Power::Running | Power::Stopped | Power::Unknown) => Situation::Deleting,
            (Provisioning::Busy, Power::Running | Power::Stopped | Power::Unknown) => Situation::Busy,
            (Provisioning::Succeeded | Provisioning::Failed, Power::Unknown)
            | (Provisioning::Unknown, Power::Running | Power::Stopped | Power::Unknown) => Situation::Unknown,
        }
    }
}

/// One GET of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// When its request was sent, on ARM's clock (protocol rule 2).
    pub sent_at: Timestamp,
    /// What it showed.
    pub found: Found,
    /// ARM's body, word for word; none where the cluster is gone.
    pub body: Option<Arc<[u8]>>,
}

/// What a look showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The cluster.
    Cluster(Box<Cluster>),
    /// ARM says that there is no such cluster, resource group or subscription.
    Gone,
}
