//! Container groups: what differs from clusters. Azure's answers as recorded (azure-powershell `Start-AzContainerGroup`,
//! `Stop-AzContainerGroup`); a start of a stopped group is in no recording: its 202 and `Location` are those of the REST specification
//! (`ContainerGroupsStart.json`), how long it takes is a guess, and so is what a GET shows meanwhile.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::World;
use super::answer::Draft;
use super::cluster::{Cluster, Durations, LastPower, PowerShown, PowerState, ProvisioningState, State};
use super::fault::{RequestKind, Stage};
use super::id::ClusterId;
use super::operation::{Deed, Ending, Operation, Origin};
use super::power::{Refusal, failing};

/// The api-version of polling URLs.
pub(super) const POLLING_API_VERSION: &str = "2018-06-01";

impl Durations {
    /// Of a container group. A stop is over when it is answered (recorded); the others are guesses.
    pub fn of_container_groups() -> Self {
        Self {
            stop: SignedDuration::ZERO,
            start: SignedDuration::from_secs(25),
            delete: SignedDuration::from_secs(10),
            put: SignedDuration::from_secs(30),
        }
    }
}

impl World {
    /// A stop takes effect at once, also of a group that is stopped (recorded).
    pub(super) fn stop_group(
        &mut self,
        id: &ClusterId,
        origin: Origin,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        if !self.find(id)?.current.provisioning.is_terminal() {
            return Err(self.refuse(id, Deed::Stop, transitioning(id), &origin, now));
        }
        let stopped =
            LastPower::Stop { at: now, authorised: origin.caller.authorised, by: origin.caller.name.clone() };
        self.remember_power(id, stopped);
        let operation = self.accept(Deed::Stop, id, origin, SignedDuration::ZERO, Ending::Succeeds, now);
        self.advance(now);
        Ok(operation)
    }

    /// A start of a group that runs is answered well, and does nothing (recorded).
    pub(super) fn start_group(
        &mut self,
        id: &ClusterId,
        origin: Origin,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        let state = self.find(id)?.current.clone();
        if !state.provisioning.is_terminal() {
            return Err(self.refuse(id, Deed::Start, transitioning(id), &origin, now));
        }
        let is_up = state.power == PowerState::Running && state.provisioning == ProvisioningState::Succeeded;
        let lasts = if is_up { SignedDuration::ZERO } else { self.find(id)?.durations.start };
        let ending = match self.faults.take(Stage::Ending, RequestKind::Start, Some(id)) {
            Some(fault) => failing(&fault),
            None => Ending::Succeeds,
        };
        if !lasts.is_zero() {
            let provisioning = ProvisioningState::Starting;
            self.enter(id, State { provisioning, power: PowerState::Running, nodes: 0, error: None }, now);
        }
        self.remember_power(id, LastPower::Start);
        let operation = self.accept(Deed::Start, id, origin, lasts, ending, now);
        self.advance(now);
        Ok(operation)
    }

    /// The answer to an action: 204 if it is done, else 202 and where to ask.
    pub(super) fn group_answer(
        &self,
        id: &ClusterId,
        begun: Result<String, Refusal>,
        now: Timestamp,
    ) -> Draft {
        match begun {
            Ok(operation) => match self.operations.get(&operation).filter(|operation| operation.is_running())
            {
                Some(operation) => self.group_accepted(operation, now),
                None => Draft::empty(StatusCode::NO_CONTENT),
            },
            Err(Refusal::NotFound(_)) => super::arm::not_found(id),
            Err(Refusal::NotAllowed(message)) => {
                Draft::gateway_error(StatusCode::CONFLICT, "ContainerGroupTransitioning", &message)
            }
        }
    }

    /// 202 without a body, as long as an operation runs.
    pub(super) fn group_accepted(&self, operation: &Operation, now: Timestamp) -> Draft {
        Draft::empty(StatusCode::ACCEPTED)
            .with("location", &self.polling_url(operation, super::polling::Poll::OperationResults, now))
            .with("retry-after", "5")
            .for_operation(&operation.id)
    }
}

impl Cluster {
    /// The body of a GET of a container group, or of a row of a list: only the GET of one has its state.
    pub(super) fn group_body(&self, state: &State, is_listed: bool) -> Value {
        let (provisioning, view, container) = words(state);
        let view = match &self.power_shown {
            PowerShown::AsIs => json!({ "events": [], "state": view }),
            PowerShown::Missing => json!({ "events": [] }),
            PowerShown::Null => Value::Null,
            PowerShown::Code(code) => json!({ "events": [], "state": code }),
        };
        let of_container = json!({
            "restartCount": 0, "currentState": { "state": container, "detailStatus": "" }, "events": [],
        });
        let mut own: Map<String, Value> = [
            ("image", json!("mcr.microsoft.com/azuredocs/aci-helloworld:latest")),
            ("ports", json!([])),
            ("resources", json!({ "requests": { "memoryInGB": 1.5, "cpu": 1.0 } })),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect();
        let mut properties = json!({
            "sku": "Standard", "provisioningState": provisioning, "osType": "Linux", "restartPolicy": "Always",
            "initContainers": [],
        });
        if !is_listed {
            own.insert("instanceView".to_owned(), of_container);
        }
        if let Some(members) = properties.as_object_mut() {
            members.insert("containers".to_owned(), json!([{ "name": "worker", "properties": own }]));
            if !is_listed {
                members.insert("instanceView".to_owned(), view);
            }
        }
        let mut body = json!({
            "id": self.id.as_answered(),
            "name": self.id.name,
            "type": "Microsoft.ContainerInstance/containerGroups",
            "location": self.location,
            "properties": properties,
        });
        if let (Some(members), Some(tags)) = (body.as_object_mut(), &self.tags) {
            members.insert("tags".to_owned(), json!(tags));
        }
        body
    }
}

/// `provisioningState`, and the state of the group and of its container (source: azure-docs `container-state.md`).
fn words(state: &State) -> (&'static str, &'static str, &'static str) {
    let (view, container) = match (state.provisioning, state.power) {
        (ProvisioningState::Creating | ProvisioningState::Starting, _) => ("Pending", "Waiting"),
        (_, PowerState::Running) => ("Running", "Running"),
        (_, PowerState::Stopped) => ("Stopped", "Terminated"),
    };
    let provisioning = match state.provisioning {
        ProvisioningState::Starting => "Pending",
        other => other.word(),
    };
    (provisioning, view, container)
}

fn transitioning(id: &ClusterId) -> String {
    format!("The container group '{}' is still transitioning, please retry later.", id.name)
}
