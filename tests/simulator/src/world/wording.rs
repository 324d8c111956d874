//! What a 409 of the resource provider says. The wordings are attested (SupportArticles `operationnotallowed`); no client
//! may depend on them.

use jiff::{SignedDuration, Timestamp};

use super::World;
use super::cluster::{LastPower, ProvisioningState, State};
use super::id::ClusterId;

impl World {
    /// Why a cluster in this state is not stopped.
    pub(super) fn not_stoppable(&self, id: &ClusterId, state: &State, now: Timestamp) -> String {
        match state.provisioning {
            ProvisioningState::Creating
            | ProvisioningState::Starting
            | ProvisioningState::Updating
            | ProvisioningState::Upgrading
            | ProvisioningState::Deleting => pending(state),
            ProvisioningState::Succeeded
            | ProvisioningState::Failed
            | ProvisioningState::Canceled
            | ProvisioningState::Stopping => {
                let mut message =
                    "managed cluster is not currently running, stopping cannot be performed".to_owned();
                let last = self.clusters.get(id).and_then(|cluster| cluster.last_power.as_ref());
                if let Some(LastPower::Stop { at, .. }) = last {
                    let elapsed = clock(now.duration_since(*at));
                    message.push_str(&format!(
                        "; The stop operation started at '{at:.0}' and elapsed time is: '{elapsed}'"
                    ));
                }
                message
            }
        }
    }

    /// The attested wording; the previous operation is named while one is under way (SupportArticles
    /// `operationnotallowed`).
    pub(super) fn not_startable(&self, id: &ClusterId, state: &State, now: Timestamp) -> String {
        let mut message = format!(
            "managed cluster is in Provisioning State({}) and Power State({}), starting cannot be performed",
            state.provisioning.word(),
            state.power.word()
        );
        let running = self.operations.values().find(|o| o.is_running() && o.cluster == *id);
        if let Some(operation) = running {
            message.push_str(&format!(
                " The previous operation started at '{:.0}' and elapsed time is: '{}' (RFC3339 format)",
                operation.accepted_at,
                clock(now.duration_since(operation.accepted_at))
            ));
        }
        message
    }
}

/// `00:01:35`.
fn clock(elapsed: SignedDuration) -> String {
    let seconds = elapsed.as_secs();
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

pub(super) fn pending(state: &State) -> String {
    format!(
        "Operation is not allowed: Another operation ({}) is in progress, please wait for it to finish before starting a \
         new operation. See https://aka.ms/aks-pending-operation for more details",
        state.provisioning.word()
    )
}
