//! Commands of the Azure CLI for the person at night. Built from parsed ids only: a resource group's name has no quotes, and
//! what an event claims gets into a command only if it is a GUID.

use jiff::{SignedDuration, Timestamp};

use super::super::model::Stop;
use crate::domain::{ClusterId, ResourceKind, Scope, SubscriptionId, guid};

/// How long before a stop its records are looked for. Its operation began some minutes before its event.
const LOG_BEFORE: SignedDuration = SignedDuration::from_hours(1);

/// Starts it.
pub(in crate::case) fn start(cluster: &ClusterId) -> String {
    format!("`az {} start {}`", cluster.kind().cli_group(), place(cluster))
}

/// Shows what it is doing, and why its last operation failed. Of a container group: its events, which say that (source: azure-docs
/// `container-state.md`).
pub(super) fn last_operation(cluster: &ClusterId) -> String {
    match cluster.kind() {
        ResourceKind::ManagedCluster => format!("`az aks operation show-latest {}`", place(cluster)),
        ResourceKind::ContainerGroup => {
            format!("`az container show {} --query instanceView.events`", place(cluster))
        }
    }
}

/// Shows what state it is in.
pub(super) fn state(cluster: &ClusterId) -> String {
    let power = match cluster.kind() {
        ResourceKind::ManagedCluster => "powerState.code",
        ResourceKind::ContainerGroup => "instanceView.state",
    };
    let query = format!("{{power:{power}, provisioning:provisioningState}}");
    format!("`az {} show {} --query '{query}'`", cluster.kind().cli_group(), place(cluster))
}

/// Brings into line what an operation left half-way. For a cluster an update that changes nothing (source: AKS changelog 2022-03-20);
/// a container group is stopped and started in place.
pub(super) fn reconcile(cluster: &ClusterId) -> String {
    match cluster.kind() {
        ResourceKind::ManagedCluster => format!("`az resource update --ids '{cluster}'`"),
        ResourceKind::ContainerGroup => format!("`az container restart {}`", place(cluster)),
    }
}

/// Shows the records of a stop in the activity log. The CLI shows the 6 hours after the start time.
pub(super) fn activity_log(cluster: &ClusterId, stop: &Stop) -> String {
    let correlation = stop.correlation_id.as_deref().and_then(guid::parse);
    let which = correlation.map_or_else(
        || format!("--resource-id '{cluster}'"),
        |id| format!("--subscription {} --correlation-id {id}", cluster.subscription()),
    );
    format!("`az monitor activity-log list {which} --start-time {}`", log_time(stop.time))
}

fn log_time(stopped_at: Timestamp) -> String {
    let since = stopped_at.checked_sub(LOG_BEFORE).unwrap_or(stopped_at);
    since.strftime("%FT%TZ").to_string()
}

/// Shows the read-only locks of a part of Azure.
pub(super) fn locks(cluster: &ClusterId, locked: Option<&Scope>) -> String {
    let place = match locked {
        Some(Scope::Cluster(id)) => format!("--resource '{id}'"),
        Some(Scope::ResourceGroup(group)) => {
            format!("--subscription {} --resource-group '{}'", group.subscription(), group.name())
        }
        Some(Scope::Subscription(_) | Scope::Everywhere) | None => {
            format!("--subscription {}", cluster.subscription())
        }
    };
    format!("`az lock list {place} --query \"[?level=='ReadOnly'].id\"`")
}

/// Shows whether a subscription is enabled.
pub(super) fn subscription_state(subscription: &SubscriptionId) -> String {
    format!("`az account show --subscription {subscription} --query state`")
}

/// Shows the roles of a caller; `None` if its id is no GUID.
pub(in crate::case) fn roles_of(id: &str, subscription: &SubscriptionId) -> Option<String> {
    let id = guid::parse(id)?;
    Some(format!("`az role assignment list --all --subscription {subscription} --assignee {id}`"))
}

fn place(cluster: &ClusterId) -> String {
    format!(
        "--subscription {} --resource-group '{}' --name {}",
        cluster.subscription(),
        cluster.resource_group(),
        cluster.name()
    )
}
