//! A managed cluster or a container group as the resource provider knows it, and what a GET shows of it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::caller::TENANT;
use super::id::ClusterId;
use super::kind::Kind;

/// `properties.provisioningState`: what is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are Azure's own words")]
pub enum ProvisioningState {
    Succeeded,
    Creating,
    Starting,
    Stopping,
    Updating,
    Upgrading,
    Deleting,
    Failed,
    Canceled,
}

impl ProvisioningState {
    /// Azure's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Creating => "Creating",
            Self::Starting => "Starting",
            Self::Stopping => "Stopping",
            Self::Updating => "Updating",
            Self::Upgrading => "Upgrading",
            Self::Deleting => "Deleting",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
        }
    }

    /// Whether nothing goes on any more.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::Canceled => true,
            Self::Creating
            | Self::Starting
            | Self::Stopping
            | Self::Updating
            | Self::Upgrading
            | Self::Deleting => false,
        }
    }
}

/// `properties.powerState.code`: the goal, not the fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are Azure's own words")]
pub enum PowerState {
    Running,
    Stopped,
}

impl PowerState {
    /// Azure's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Stopped => "Stopped",
        }
    }
}

/// The power state that a GET shows while a stop is under way. No GET of a cluster in `Stopping` was ever recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StoppingShows {
    /// The goal, as node pools do (recorded 2022 and 2023).
    #[default]
    Stopped,
    /// The opposite guess.
    Running,
}

/// What a GET shows as power state, apart from the truth.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PowerShown {
    /// The state as it is.
    #[default]
    AsIs,
    /// No `powerState` at all.
    Missing,
    /// A null `powerState`.
    Null,
    /// Some other code.
    Code(String),
}

/// How long things take, in Azure's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Durations {
    /// From the accepted stop to `Succeeded`.
    pub stop: SignedDuration,
    /// From the accepted start to `Succeeded`.
    pub start: SignedDuration,
    /// From the accepted delete until a GET answers 404.
    pub delete: SignedDuration,
    /// Of an update or a creation by PUT.
    pub put: SignedDuration,
}

impl Default for Durations {
    /// Stop and start as recorded in December 2023, creation as in June 2023; delete and update are guesses.
    fn default() -> Self {
        Self {
            stop: SignedDuration::from_secs(95),
            start: SignedDuration::from_secs(192),
            delete: SignedDuration::from_secs(240),
            put: SignedDuration::from_secs(302),
        }
    }
}

/// What a new cluster is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewCluster {
    /// Its id.
    pub id: ClusterId,
    /// Its region.
    #[serde(default = "westeurope")]
    pub location: String,
    /// Its tags; none means that the member is absent.
    #[serde(default)]
    pub tags: Option<BTreeMap<String, String>>,
    /// How long things take on it.
    #[serde(default)]
    pub durations: Durations,
    /// What a GET shows during a stop.
    #[serde(default)]
    pub stopping_shows: StoppingShows,
    /// Nodes of its pool when running.
    #[serde(default = "three")]
    pub nodes: u32,
}

fn westeurope() -> String {
    "westeurope".to_owned()
}

fn three() -> u32 {
    3
}

impl NewCluster {
    /// One that runs, with Azure's recorded durations.
    pub fn new(id: ClusterId) -> Self {
        let (durations, nodes) = match id.kind {
            Kind::ManagedCluster => (Durations::default(), three()),
            Kind::ContainerGroup => (Durations::of_container_groups(), 1),
        };
        Self {
            id,
            location: westeurope(),
            tags: None,
            durations,
            stopping_shows: StoppingShows::default(),
            nodes,
        }
    }
}

/// What of a cluster changes with time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// What goes on.
    pub provisioning: ProvisioningState,
    /// The goal.
    pub power: PowerState,
    /// Nodes that exist.
    pub nodes: u32,
    /// Why it is `Failed`.
    pub error: Option<ProvisioningError>,
}

/// `properties.status.provisioningError`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisioningError {
    /// Azure's code.
    pub code: String,
    /// Azure's text.
    pub message: String,
}

/// The newest accepted power operation on a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LastPower {
    /// A stop.
    Stop {
        /// When it was accepted.
        at: Timestamp,
        /// Whether its caller is marked as authorised.
        authorised: bool,
        /// Who.
        by: String,
    },
    /// A start.
    Start,
}

/// A managed cluster or a container group.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The id in the casing it was created with.
    pub id: ClusterId,
    /// `properties.resourceUID`: another one after a re-creation.
    pub uid: String,
    /// The region.
    pub location: String,
    /// The tags.
    pub tags: Option<BTreeMap<String, String>>,
    /// How long things take, in Azure's time.
    pub durations: Durations,
    /// A lie about the power state that a GET tells.
    pub power_shown: PowerShown,
    /// Which guess about `Stopping` holds.
    pub stopping_shows: StoppingShows,
    /// Members of `properties` that a GET shows beside the others or in their place; null takes one away.
    pub properties: serde_json::Map<String, Value>,
    /// The version that the PUT under way leads to.
    pub(super) upgrades_to: Option<String>,
    pub(super) full_nodes: u32,
    pub(super) etag: String,
    pub(super) last_power: Option<LastPower>,
    /// Every state with the instant from which it holds, oldest first; never empty.
    pub(super) past: Vec<(Timestamp, State)>,
    pub(super) current: State,
}

/// Older states are dropped: nobody looks back further than a few operations.
const PAST_STATES_MAX: usize = 64;

impl Cluster {
    pub(super) fn new(new: NewCluster, uid: String, etag: String, state: State, now: Timestamp) -> Self {
        Self {
            id: new.id,
            uid,
            location: new.location,
            tags: new.tags,
            durations: new.durations,
            power_shown: PowerShown::default(),
            stopping_shows: new.stopping_shows,
            properties: serde_json::Map::new(),
            upgrades_to: None,
            full_nodes: new.nodes,
            etag,
            last_power: None,
            past: vec![(now, state.clone())],
            current: state,
        }
    }

    /// The state now.
    pub fn state(&self) -> &State {
        &self.current
    }

    /// The body that a GET answers now, faults apart.
    pub fn shown(&self) -> Value {
        self.body(&self.current)
    }

    /// The same as a row of a list.
    pub(super) fn listed(&self) -> Value {
        match self.id.kind {
            Kind::ManagedCluster => self.shown(),
            Kind::ContainerGroup => self.group_body(&self.current, true),
        }
    }

    /// Whether it runs: `Succeeded` and `Running`.
    pub fn is_running(&self) -> bool {
        self.current.provisioning == ProvisioningState::Succeeded && self.current.power == PowerState::Running
    }

    pub(super) fn become_state(&mut self, state: State, at: Timestamp, etag: String) {
        self.past.push((at, state.clone()));
        if self.past.len() > PAST_STATES_MAX {
            self.past.remove(0);
        }
        self.current = state;
        self.etag = etag;
    }

    /// The state at an earlier instant; before the creation, none.
    pub(super) fn state_at(&self, at: Timestamp) -> Option<&State> {
        self.past.iter().rev().find(|(from, _)| *from <= at).map(|(_, state)| state)
    }

    /// The state that a GET shows before the newest accepted stop is seen, if the stop is younger than `lag`.
    pub(super) fn before_recent_stop(&self, now: Timestamp, lag: SignedDuration) -> Option<&State> {
        let Some(LastPower::Stop { at, .. }) = &self.last_power else { return None };
        if now.duration_since(*at) >= lag {
            return None;
        }
        self.past.iter().rev().find(|(from, _)| from < at).map(|(_, state)| state)
    }

    fn shown_power(&self, state: &State) -> PowerState {
        match (state.provisioning, self.stopping_shows) {
            (ProvisioningState::Stopping, StoppingShows::Running) => PowerState::Running,
            (ProvisioningState::Stopping, StoppingShows::Stopped) => PowerState::Stopped,
            (
                ProvisioningState::Succeeded
                | ProvisioningState::Creating
                | ProvisioningState::Starting
                | ProvisioningState::Updating
                | ProvisioningState::Upgrading
                | ProvisioningState::Deleting
                | ProvisioningState::Failed
                | ProvisioningState::Canceled,
                StoppingShows::Running | StoppingShows::Stopped,
            ) => state.power,
        }
    }

    /// The resource group of its nodes.
    pub fn node_group(&self) -> String {
        format!("MC_{}_{}_{}", self.id.resource_group, self.id.name, self.location)
    }

    /// The id of the network security group that AKS makes in there.
    pub fn network_group(&self) -> String {
        let (subscription, group) = (&self.id.subscription, self.node_group());
        format!(
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/networkSecurityGroups/aks-agentpool-12345678-nsg"
        )
    }

    /// The body of a GET that shows this state. Members and casing as recorded; unset members are absent, not null.
    pub(super) fn body(&self, state: &State) -> Value {
        match self.id.kind {
            Kind::ManagedCluster => self.cluster_body(state),
            Kind::ContainerGroup => self.group_body(state, false),
        }
    }

    fn cluster_body(&self, state: &State) -> Value {
        let id = &self.id;
        let power = json!({ "code": self.shown_power(state).word() });
        let mut properties = json!({
            "provisioningState": state.provisioning.word(),
            "kubernetesVersion": "1.34",
            "currentKubernetesVersion": "1.34.4",
            "dnsPrefix": id.name,
            "fqdn": format!("{}-abcd1234.hcp.{}.azmk8s.io", id.name, self.location),
            "agentPoolProfiles": [{
                "name": "nodepool1",
                "count": state.nodes,
                "vmSize": "Standard_D4s_v5",
                "type": "VirtualMachineScaleSets",
                "provisioningState": state.provisioning.word(),
                "powerState": power.clone(),
                "mode": "System",
                "osType": "Linux",
                "orchestratorVersion": "1.34",
                "currentOrchestratorVersion": "1.34.4",
                "nodeImageVersion": "AKSUbuntu-2204gen2containerd-202608.10.0",
            }],
            "nodeResourceGroup": self.node_group(),
            "enableRBAC": true,
            "supportPlan": "KubernetesOfficial",
            "networkProfile": { "networkPlugin": "azure", "loadBalancerSku": "Standard" },
            "autoUpgradeProfile": { "nodeOSUpgradeChannel": "NodeImage" },
            "disableLocalAccounts": false,
            "securityProfile": {},
            "resourceUID": self.uid,
        });
        let mut body = json!({
            "id": id.as_answered(),
            "location": self.location,
            "name": id.name,
            "type": "Microsoft.ContainerService/ManagedClusters",
            "eTag": self.etag,
            "identity": { "type": "SystemAssigned", "principalId": "bbbbcccc-1111-dddd-2222-eeee3333ffff",
                          "tenantId": TENANT },
            "sku": { "name": "Base", "tier": "Standard" },
        });
        if let Some(members) = properties.as_object_mut() {
            match &self.power_shown {
                PowerShown::AsIs => drop(members.insert("powerState".to_owned(), power)),
                PowerShown::Missing => {}
                PowerShown::Null => drop(members.insert("powerState".to_owned(), Value::Null)),
                PowerShown::Code(code) => {
                    drop(members.insert("powerState".to_owned(), json!({ "code": code })));
                }
            }
            if let Some(error) = &state.error {
                let status = json!({ "provisioningError": { "code": error.code, "message": error.message } });
                members.insert("status".to_owned(), status);
            }
            for (name, value) in &self.properties {
                if value.is_null() {
                    members.remove(name);
                } else {
                    members.insert(name.clone(), value.clone());
                }
            }
        }
        if let Some(members) = body.as_object_mut() {
            members.insert("properties".to_owned(), properties);
            if let Some(tags) = &self.tags {
                members.insert("tags".to_owned(), json!(tags));
            }
        }
        body
    }
}
