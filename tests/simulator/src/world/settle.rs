//! Letting happen what is due: how operations end, and what the log and Event Grid hear of it.

use jiff::Timestamp;

use super::World;
use super::activity_log::{Entry, Status};
use super::cluster::{PowerState, ProvisioningError, ProvisioningState, State};
use super::event::{EventMoment, Told, event_of};
use super::id::ClusterId;
use super::journal::Happening;
use super::operation::{Deed, Ending, Operation, Progress};

impl World {
    pub(super) fn log(&mut self, operation: &Operation, status: Status, status_code: &str, at: Timestamp) {
        let lag = self.scaled(self.settings.log_lag);
        let entry = Entry {
            cluster: &operation.cluster,
            deed: operation.deed,
            status,
            status_code,
            request: &operation.request,
            event_id: self.guids.next_guid(),
            at,
        };
        self.log.write(entry, lag);
    }

    pub(super) fn emit(&mut self, operation: &Operation, told: Told, at: Timestamp) {
        let event = event_of(operation, told, at, self.guids.next_guid());
        let arrives = at + self.scaled(operation.event.delay);
        for _ in 0..operation.event.copies {
            self.events.push((arrives, event.clone()));
        }
    }

    /// Lets happen what is due by `now`, in order. The answer is the time that counts.
    pub fn advance(&mut self, now: Timestamp) -> Timestamp {
        self.now = self.now.max(now);
        while let Some(operation) = self.take_due() {
            self.settle(operation);
        }
        self.now
    }

    /// Ends all operations now, well or badly as they would have ended. For tests in real time that would otherwise race
    /// with the clock.
    pub fn finish_operations(&mut self, now: Timestamp) {
        let now = self.advance(now);
        for operation in self.operations.values_mut().filter(|operation| operation.is_running()) {
            operation.ends_at = now;
        }
        self.advance(now);
    }

    fn take_due(&mut self) -> Option<Operation> {
        let due = self.operations.values().filter(|o| o.is_running() && o.ends_at <= self.now);
        let id = due.min_by(|a, b| (a.ends_at, &a.id).cmp(&(b.ends_at, &b.id)))?.id.clone();
        self.operations.remove(&id)
    }

    fn settle(&mut self, mut operation: Operation) {
        let at = operation.ends_at;
        let id = operation.cluster.clone();
        match (operation.deed, operation.ending.clone()) {
            (Deed::Delete, Ending::Succeeds) => {
                self.clusters.remove(&id);
                self.end_well(&mut operation, at);
            }
            (Deed::Stop, Ending::Succeeds) => {
                self.enter(&id, ended(PowerState::Stopped, 0), at);
                self.end_well(&mut operation, at);
            }
            (Deed::Start | Deed::Put, Ending::Succeeds) => {
                let nodes = self.clusters.get(&id).map_or(0, |cluster| cluster.full_nodes);
                if let Some(cluster) = self.clusters.get_mut(&id)
                    && let Some(version) = cluster.upgrades_to.take()
                {
                    cluster.properties.insert("currentKubernetesVersion".to_owned(), version.into());
                }
                self.enter(&id, ended(PowerState::Running, nodes), at);
                self.end_well(&mut operation, at);
            }
            (Deed::Stop | Deed::Start | Deed::Delete | Deed::Put, Ending::Fails { error, leaves }) => {
                let failed = State {
                    provisioning: ProvisioningState::Failed,
                    power: leaves,
                    nodes: 0,
                    error: Some(error.clone()),
                };
                self.enter(&id, failed, at);
                self.end_badly(&mut operation, error, at);
            }
        }
        self.operations.insert(operation.id.clone(), operation);
    }

    fn end_well(&mut self, operation: &mut Operation, at: Timestamp) {
        operation.progress = Progress::Succeeded { at };
        self.log(operation, Status::Succeeded, "", at);
        self.conclude(operation, Told::Succeeded, Happening::Succeeded(operation.deed), at);
    }

    fn end_badly(&mut self, operation: &mut Operation, error: ProvisioningError, at: Timestamp) {
        let happening = Happening::Failed(operation.deed, error.code.clone());
        operation.progress = Progress::Failed { at, error };
        self.log(operation, Status::Failed, "", at);
        self.conclude(operation, Told::Failed, happening, at);
    }

    fn conclude(&mut self, operation: &Operation, told: Told, happening: Happening, at: Timestamp) {
        let who = operation.request.caller.name.clone();
        self.journal.note(at, &who, Some(&operation.cluster), happening);
        if operation.event.moment == EventMoment::End {
            self.emit(operation, told, at);
        }
    }

    pub(super) fn preempt(&mut self, id: &ClusterId, now: Timestamp) {
        let running: Vec<String> = self
            .operations
            .values()
            .filter(|operation| operation.is_running() && operation.cluster == *id)
            .map(|operation| operation.id.clone())
            .collect();
        for key in running {
            if let Some(mut operation) = self.operations.remove(&key) {
                let error = ProvisioningError {
                    code: "AKSOperationPreemptedByDelete".to_owned(),
                    message: "The operation was preempted by a delete operation.".to_owned(),
                };
                self.end_badly(&mut operation, error, now);
                self.operations.insert(key, operation);
            }
        }
    }
}

impl Operation {
    pub(super) fn is_running(&self) -> bool {
        self.progress == Progress::Running
    }
}

fn ended(power: PowerState, nodes: u32) -> State {
    State { provisioning: ProvisioningState::Succeeded, power, nodes, error: None }
}
