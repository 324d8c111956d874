//! Operations on clusters: what Azure accepts, what it refuses, and how it ends.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use super::World;
use super::activity_log::{Entry, Status};
use super::caller::Caller;
use super::cluster::{
    Cluster, LastPower, NewCluster, PowerState, ProvisioningError, ProvisioningState, State,
};
use super::event::{EventMoment, Told};
use super::fault::{Fault, RequestKind, Stage};
use super::id::ClusterId;
use super::journal::Happening;
use super::kind::Kind;
use super::operation::{Deed, Ending, Operation, Origin, Progress};
use super::wording::pending;

/// Why Azure refuses an operation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// There is no such cluster.
    #[error("no cluster `{0}`")]
    NotFound(ClusterId),
    /// The cluster's state does not allow it: 409 `OperationNotAllowed` with this message.
    #[error("{0}")]
    NotAllowed(String),
}

/// From the accepted request to its record `Accepted` (seen in a public portal sample: 0.4 s).
const ACCEPTED_AFTER: SignedDuration = SignedDuration::from_millis(400);

impl World {
    /// Makes a running cluster out of nothing; no events, no log. One with this id must not exist.
    pub fn create_cluster(&mut self, new: NewCluster, now: Timestamp) -> Result<(), Refusal> {
        let now = self.advance(now);
        if self.clusters.contains_key(&new.id) {
            return Err(Refusal::NotAllowed(format!("the cluster `{}` exists", new.id)));
        }
        let state = State {
            provisioning: ProvisioningState::Succeeded,
            power: PowerState::Running,
            nodes: new.nodes,
            error: None,
        };
        self.add_cluster(new, state, now);
        Ok(())
    }

    pub(super) fn add_cluster(&mut self, new: NewCluster, state: State, now: Timestamp) {
        let id = new.id.clone();
        let subscription = id.subscription.to_ascii_lowercase();
        self.groups.insert((subscription.clone(), id.resource_group.to_ascii_lowercase()));
        self.subscriptions.insert(subscription);
        let (uid, etag) = (self.guids.next_uid(), self.guids.next_guid());
        self.clusters.insert(id, Cluster::new(new, uid, etag, state, now));
    }

    /// Somebody stops a cluster. The answer is the operation's id.
    pub fn stop(&mut self, id: &ClusterId, caller: &Caller, now: Timestamp) -> Result<String, Refusal> {
        let now = self.advance(now);
        let origin = self.origin(caller, id, "/stop");
        self.begin_stop(id, origin, now)
    }

    /// Somebody starts a cluster.
    pub fn start(&mut self, id: &ClusterId, caller: &Caller, now: Timestamp) -> Result<String, Refusal> {
        let now = self.advance(now);
        let origin = self.origin(caller, id, "/start");
        self.begin_start(id, origin, now)
    }

    /// Somebody deletes a cluster; what goes on on it is preempted.
    pub fn delete(&mut self, id: &ClusterId, caller: &Caller, now: Timestamp) -> Result<String, Refusal> {
        let now = self.advance(now);
        let origin = self.origin(caller, id, "");
        self.begin_delete(id, origin, now)
    }

    /// Puts a cluster into a state at once, with no operation, event or log record: what Azure does of its own accord,
    /// and states that no operation here leads to. An operation that is under way still ends as it would.
    pub fn force_state(
        &mut self,
        id: &ClusterId,
        provisioning: ProvisioningState,
        power: PowerState,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let now = self.advance(now);
        let etag = self.guids.next_guid();
        let cluster = self.clusters.get_mut(id).ok_or_else(|| Refusal::NotFound(id.clone()))?;
        let nodes = match power {
            PowerState::Running => cluster.full_nodes,
            PowerState::Stopped => 0,
        };
        cluster.become_state(State { provisioning, power, nodes, error: None }, now, etag);
        Ok(())
    }

    fn origin(&mut self, caller: &Caller, id: &ClusterId, action: &str) -> Origin {
        let version = match id.kind {
            Kind::ManagedCluster => "2025-10-01",
            Kind::ContainerGroup => "2023-05-01",
        };
        Origin {
            caller: caller.clone(),
            correlation_id: self.guids.next_guid(),
            client_request_id: self.guids.next_guid(),
            operation_id: self.guids.next_guid(),
            url: format!("{}{id}{action}?api-version={version}", self.settings.endpoint),
        }
    }

    pub(super) fn begin_stop(
        &mut self,
        id: &ClusterId,
        origin: Origin,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        if id.kind == Kind::ContainerGroup {
            return self.stop_group(id, origin, now);
        }
        let state = self.find(id)?.current.clone();
        if !state.provisioning.is_terminal() || state.power == PowerState::Stopped {
            let message = self.not_stoppable(id, &state, now);
            return Err(self.refuse(id, Deed::Stop, message, &origin, now));
        }
        let stopped =
            LastPower::Stop { at: now, authorised: origin.caller.authorised, by: origin.caller.name.clone() };
        let lasts = self.find(id)?.durations.stop;
        let next = State { provisioning: ProvisioningState::Stopping, power: PowerState::Stopped, ..state };
        self.enter(id, State { error: None, ..next }, now);
        self.remember_power(id, stopped);
        Ok(self.accept(Deed::Stop, id, origin, lasts, Ending::Succeeds, now))
    }

    pub(super) fn begin_start(
        &mut self,
        id: &ClusterId,
        origin: Origin,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        if id.kind == Kind::ContainerGroup {
            return self.start_group(id, origin, now);
        }
        let state = self.find(id)?.current.clone();
        let startable =
            matches!(state.provisioning, ProvisioningState::Succeeded | ProvisioningState::Failed)
                && state.power == PowerState::Stopped;
        if !startable {
            let message = self.not_startable(id, &state, now);
            return Err(self.refuse(id, Deed::Start, message, &origin, now));
        }
        let lasts = self.find(id)?.durations.start;
        let ending = match self.faults.take(Stage::Ending, RequestKind::Start, Some(id)) {
            Some(fault) => failing(&fault),
            None => Ending::Succeeds,
        };
        let next = State {
            provisioning: ProvisioningState::Starting,
            power: PowerState::Running,
            nodes: 0,
            error: None,
        };
        self.enter(id, next, now);
        self.remember_power(id, LastPower::Start);
        Ok(self.accept(Deed::Start, id, origin, lasts, ending, now))
    }

    pub(super) fn begin_delete(
        &mut self,
        id: &ClusterId,
        origin: Origin,
        now: Timestamp,
    ) -> Result<String, Refusal> {
        let state = self.find(id)?.current.clone();
        if state.provisioning == ProvisioningState::Deleting {
            let message = pending(&state);
            return Err(self.refuse(id, Deed::Delete, message, &origin, now));
        }
        let lasts = self.find(id)?.durations.delete;
        self.preempt(id, now);
        self.enter(id, State { provisioning: ProvisioningState::Deleting, ..state }, now);
        Ok(self.accept(Deed::Delete, id, origin, lasts, Ending::Succeeds, now))
    }

    pub(super) fn find(&self, id: &ClusterId) -> Result<&Cluster, Refusal> {
        self.clusters.get(id).ok_or_else(|| Refusal::NotFound(id.clone()))
    }

    pub(super) fn enter(&mut self, id: &ClusterId, state: State, at: Timestamp) {
        let etag = self.guids.next_guid();
        if let Some(cluster) = self.clusters.get_mut(id) {
            cluster.become_state(state, at, etag);
        }
    }

    pub(super) fn remember_power(&mut self, id: &ClusterId, last: LastPower) {
        if let Some(cluster) = self.clusters.get_mut(id) {
            cluster.last_power = Some(last);
        }
    }

    pub(super) fn accept(
        &mut self,
        deed: Deed,
        id: &ClusterId,
        origin: Origin,
        lasts: SignedDuration,
        ending: Ending,
        now: Timestamp,
    ) -> String {
        // The casing of the created cluster goes into events and log, not that of the request.
        let (cluster, location) = match self.clusters.get(id) {
            Some(cluster) => (cluster.id.clone(), cluster.location.clone()),
            None => (id.clone(), String::new()),
        };
        let event = self.next_events.pop_front().unwrap_or(self.settings.events);
        let operation = Operation {
            id: origin.operation_id.clone(),
            cluster,
            location,
            deed,
            accepted_at: now,
            ends_at: now + self.scaled(lasts),
            ending,
            progress: Progress::Running,
            request: origin,
            event,
        };
        let who = operation.request.caller.name.clone();
        self.journal.note(now, &who, Some(id), Happening::Accepted(deed));
        self.log(&operation, Status::Started, "", now);
        // What is over at once is not accepted first.
        if !lasts.is_zero() {
            self.log(&operation, Status::Accepted, "Accepted", now + self.scaled(ACCEPTED_AFTER));
        }
        if operation.event.moment == EventMoment::Acceptance {
            self.emit(&operation, Told::Accepted, now);
        }
        let key = operation.id.clone();
        self.operations.insert(key.clone(), operation);
        key
    }

    pub(super) fn refuse(
        &mut self,
        id: &ClusterId,
        deed: Deed,
        message: String,
        origin: &Origin,
        now: Timestamp,
    ) -> Refusal {
        let code = "OperationNotAllowed".to_owned();
        self.journal.note(now, &origin.caller.name, Some(id), Happening::Refused(deed, code));
        self.log_refusal(id, deed, StatusCode::CONFLICT, origin, now);
        Refusal::NotAllowed(message)
    }

    /// A refused request is in the log too, as `Started` and `Failed`: the newest record of a power operation need not
    /// be of an accepted one.
    pub(super) fn log_refusal(
        &mut self,
        id: &ClusterId,
        deed: Deed,
        status: StatusCode,
        request: &Origin,
        now: Timestamp,
    ) {
        let cluster = self.clusters.get(id).map_or_else(|| id.clone(), |cluster| cluster.id.clone());
        let lag = self.scaled(self.settings.log_lag);
        let later = now + self.scaled(ACCEPTED_AFTER);
        let word: String = status.canonical_reason().unwrap_or_default().replace(' ', "");
        for (status, status_code, at) in [(Status::Started, "", now), (Status::Failed, word.as_str(), later)]
        {
            let event_id = self.guids.next_guid();
            self.log
                .write(Entry { cluster: &cluster, deed, status, status_code, request, event_id, at }, lag);
        }
    }
}

/// How a start ends under a fault of that stage; the others never come here and end it well.
pub(super) fn failing(fault: &Fault) -> Ending {
    let fails = |code: &str, message: &str, leaves: PowerState| Ending::Fails {
        error: ProvisioningError { code: code.to_owned(), message: message.to_owned() },
        leaves,
    };
    match fault {
        Fault::Quota => fails(
            "QuotaExceeded",
            "Operation results in exceeding quota limits of Core. Maximum allowed: 10, Current in use: 8, Additional \
             requested: 12.",
            PowerState::Running,
        ),
        Fault::StartFails { leaves } => fails(
            "AllocationFailed",
            "Allocation failed. We do not have sufficient capacity for the requested VM size in this region.",
            *leaves,
        ),
        Fault::Throttled { .. }
        | Fault::Denied
        | Fault::Locked
        | Fault::PolicyDenied
        | Fault::Conflict
        | Fault::Changed
        | Fault::ServerError
        | Fault::Unavailable
        | Fault::AnswerLost
        | Fault::NeverArrived
        | Fault::SlowAnswer(_)
        | Fault::StaleLook(_)
        | Fault::TokenRefused
        | Fault::IdentityDown => Ending::Succeeds,
    }
}
