//! `PUT managedClusters`, as little of it as makes and retags clusters.
//!
//! Location, tags and some properties of the body count, the rest is not looked at. `If-Match` is obeyed. As documented, a stopped cluster takes no PUT.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::World;
use super::amend::WRITTEN;
use super::answer::Draft;
use super::arm::Call;
use super::caller::Caller;
use super::cluster::{NewCluster, PowerState, ProvisioningState, State};
use super::id::ClusterId;
use super::operation::{Deed, Ending};
use super::wording::pending;

#[derive(Debug, Deserialize)]
struct Body {
    location: String,
    tags: Option<BTreeMap<String, String>>,
    #[serde(default)]
    properties: Map<String, Value>,
}

impl World {
    pub(super) fn put(&mut self, call: &Call<'_>, id: &ClusterId, caller: Caller) -> Draft {
        let Ok(body) = serde_json::from_slice::<Body>(call.request.body()) else {
            return Draft::gateway_error(
                StatusCode::BAD_REQUEST,
                "InvalidRequestContent",
                "The request content was invalid and could not be deserialized.",
            );
        };
        let existing = self.clusters.get(id).map(|cluster| cluster.state().clone());
        let (status, lasts) = match existing {
            None => (StatusCode::CREATED, self.make(id, body, call)),
            Some(state) => match self.update(id, body, &state, call) {
                Ok(lasts) => (StatusCode::OK, lasts),
                Err(refused) => return refused,
            },
        };
        let origin = self.origin_of(call, caller);
        let operation = self.accept(Deed::Put, id, origin, lasts, Ending::Succeeds, call.now);
        let shown = self.clusters.get(id).map(|cluster| cluster.body(cluster.state())).unwrap_or_default();
        let draft = Draft::provider(status, &shown);
        match self.operations.get(&operation) {
            Some(operation) => self.with_async_operation(draft, operation, call.now),
            None => draft,
        }
    }

    fn make(&mut self, id: &ClusterId, body: Body, call: &Call<'_>) -> jiff::SignedDuration {
        let new = NewCluster { location: body.location, tags: body.tags, ..NewCluster::new(id.clone()) };
        let lasts = new.durations.put;
        let state = State {
            provisioning: ProvisioningState::Creating,
            power: PowerState::Running,
            nodes: new.nodes,
            error: None,
        };
        self.add_cluster(new, state, call.now);
        lasts
    }

    fn update(
        &mut self,
        id: &ClusterId,
        body: Body,
        state: &State,
        call: &Call<'_>,
    ) -> Result<jiff::SignedDuration, Draft> {
        let conflict =
            |message: &str| Draft::provider_error(StatusCode::CONFLICT, "OperationNotAllowed", message);
        if !state.provisioning.is_terminal() {
            return Err(conflict(&pending(state)));
        }
        if state.power == PowerState::Stopped {
            return Err(conflict("managed cluster is stopped: only start and delete are allowed"));
        }
        self.precondition(call, id)?;
        let upgrade = self.upgrade(id, &body)?;
        let provisioning =
            if upgrade.is_some() { ProvisioningState::Upgrading } else { ProvisioningState::Updating };
        self.enter(id, State { provisioning, error: None, ..state.clone() }, call.now);
        let Some(cluster) = self.clusters.get_mut(id) else { return Ok(jiff::SignedDuration::ZERO) };
        cluster.tags = body.tags;
        let written = body.properties.into_iter().filter(|(name, _)| WRITTEN.contains(&name.as_str()));
        cluster.properties.extend(written);
        cluster.upgrades_to = upgrade;
        Ok(cluster.durations.put)
    }

    /// The version that a PUT leads to, if it is another one. One that is not offered is refused (AKS docs, `K8sVersionNotSupported`).
    fn upgrade(&self, id: &ClusterId, body: &Body) -> Result<Option<String>, Draft> {
        let wanted = body.properties.get("kubernetesVersion").and_then(Value::as_str);
        let shown = self.clusters.get(id).map(super::cluster::Cluster::shown).unwrap_or_default();
        let own = ["/properties/kubernetesVersion", "/properties/currentKubernetesVersion"]
            .map(|path| shown.pointer(path).and_then(Value::as_str));
        let Some(wanted) = wanted.filter(|wanted| !own.contains(&Some(*wanted))) else { return Ok(None) };
        if self.estate.upgrades_of(id).iter().any(|offered| offered == wanted) {
            return Ok(Some(wanted.to_owned()));
        }
        let message = format!("Version {wanted} is not supported in this region.");
        Err(Draft::provider_error(StatusCode::BAD_REQUEST, "K8sVersionNotSupported", &message))
    }
}
