//! Who can stop clusters: role assignments whose role has the action.
//!
//! Actions may have `*` in them, and are compared without case; `notActions` are taken away from one role's own actions only
//! (source: Azure docs, "Understand Azure role definitions").

use serde::Deserialize;
use serde_json::Value;

use super::finding::{Check, Finding, LINES_MAX};
use super::read::word;
use super::shell::command;
use crate::domain::{ClusterId, SubscriptionId};

/// What it takes to stop a cluster.
pub(super) const STOP_ACTION: &str = "Microsoft.ContainerService/managedClusters/stop/action";

/// A role that can stop clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopRole {
    /// The GUID of its definition, lower case.
    id: String,
    name: String,
}

/// A role assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    id: String,
    role: String,
    principal: String,
    principal_kind: String,
    scope: String,
    has_condition: bool,
}

/// A role definition, as little of it as is needed: a tenant has many hundred.
#[derive(Debug, Deserialize)]
struct Definition {
    name: String,
    properties: Properties,
}

#[derive(Debug, Deserialize)]
struct Properties {
    #[serde(rename = "roleName", default)]
    role_name: Option<String>,
    #[serde(default)]
    permissions: Option<Vec<Permission>>,
}

#[derive(Debug, Deserialize)]
struct Permission {
    #[serde(default)]
    actions: Option<Vec<String>>,
    #[serde(rename = "notActions", default)]
    not_actions: Option<Vec<String>>,
}

impl StopRole {
    /// Reads a role definition; `None` if it can't stop clusters, or can't be read.
    pub(super) fn read(row: &str) -> Option<Self> {
        let role: Definition = serde_json::from_str(row).ok()?;
        let has = |patterns: &Option<Vec<String>>| {
            patterns.iter().flatten().any(|pattern| fits(pattern, STOP_ACTION))
        };
        let mut permissions = role.properties.permissions.iter().flatten();
        let can = permissions.any(|one| has(&one.actions) && !has(&one.not_actions));
        let name = role.properties.role_name.as_deref().unwrap_or_default();
        can.then(|| Self { id: role.name.to_ascii_lowercase(), name: crate::domain::text::clean(name, 100) })
    }
}

impl Assignment {
    /// Reads one; `None` if it does not say who may do what where.
    pub(super) fn read(row: &Value) -> Option<Self> {
        let of = |name: &str| word(row, &["properties", name]);
        let role = of("roleDefinitionId")?;
        Some(Self {
            id: word(row, &["id"])?,
            role: role.rsplit('/').next()?.to_ascii_lowercase(),
            principal: of("principalId")?,
            principal_kind: of("principalType").unwrap_or_else(|| "principal of unknown type".to_owned()),
            scope: of("scope")?,
            has_condition: of("condition").is_some(),
        })
    }
}

/// How wide an assignment reaches. The order is from wide to narrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Root,
    ManagementGroup,
    Subscription,
    Group,
    Cluster,
}

impl Reach {
    fn words(self) -> &'static str {
        match self {
            Self::Root => "at the tenant's root",
            Self::ManagementGroup => "on a management group",
            Self::Subscription => "on the subscription",
            Self::Group => "on the resource group",
            Self::Cluster => "on the cluster",
        }
    }

    fn of(scope: &str, subscription: &SubscriptionId) -> Option<Self> {
        let scope = scope.trim_end_matches('/').to_ascii_lowercase();
        let parts: Vec<&str> = scope.split('/').skip(1).collect();
        match parts.as_slice() {
            [] => Some(Self::Root),
            ["providers", "microsoft.management", "managementgroups", _] => Some(Self::ManagementGroup),
            ["subscriptions", id] if *id == subscription.as_str() => Some(Self::Subscription),
            _ => None,
        }
    }

    fn of_cluster(scope: &str, cluster: &ClusterId) -> Option<Self> {
        let group =
            format!("/subscriptions/{}/resourceGroups/{}", cluster.subscription(), cluster.resource_group());
        let is_group = scope.trim_end_matches('/').to_lowercase() == group.to_lowercase();
        let is_cluster = ClusterId::parse(scope).is_ok_and(|scope| scope == *cluster);
        is_cluster.then_some(Self::Cluster).or(is_group.then_some(Self::Group))
    }
}

/// Who can stop all clusters of a subscription.
pub(super) fn of_subscription(
    id: &SubscriptionId,
    roles: &[StopRole],
    assignments: &[Assignment],
) -> Option<Finding> {
    let holders = holders(roles, assignments, |scope| Reach::of(scope, id));
    finding(Check::WideStopRights, &format!("/subscriptions/{id}"), "every cluster here", &holders)
}

/// Who can stop one cluster, beside those.
pub(super) fn of_cluster(id: &ClusterId, roles: &[StopRole], assignments: &[Assignment]) -> Option<Finding> {
    let holders = holders(roles, assignments, |scope| Reach::of_cluster(scope, id));
    finding(Check::StopRights, id, "this cluster", &holders)
}

type Holder<'a> = (Reach, &'a Assignment, &'a StopRole);

/// The assignments that reach there, the widest first.
fn holders<'a>(
    roles: &'a [StopRole],
    assignments: &'a [Assignment],
    reach: impl Fn(&str) -> Option<Reach>,
) -> Vec<Holder<'a>> {
    let holder = |one: &'a Assignment| {
        let role = roles.iter().find(|role| role.id == one.role)?;
        Some((reach(&one.scope)?, one, role))
    };
    let mut holders: Vec<Holder<'a>> = assignments.iter().filter_map(holder).collect();
    holders.sort_by(|a, b| (a.0, &a.2.name, &a.1.principal).cmp(&(b.0, &b.2.name, &b.1.principal)));
    holders
}

fn finding(check: Check, resource: &impl ToString, what: &str, holders: &[Holder<'_>]) -> Option<Finding> {
    let (reach, widest, role) = holders.first()?;
    let mut principals: Vec<&str> = holders.iter().map(|(_, one, _)| one.principal.as_str()).collect();
    principals.sort_unstable();
    principals.dedup();
    let (count, verb) =
        (principals.len(), if principals.len() == 1 { "account can" } else { "accounts can" });
    let seen = format!(
        "{count} {verb} stop {what}; the widest is {} `{}` as {} {}",
        widest.principal_kind,
        widest.principal,
        role.name,
        reach.words()
    );
    let line = |(reach, one, role): &Holder<'_>| {
        let condition = if one.has_condition { ", under a condition" } else { "" };
        let (kind, id, scope) = (&one.principal_kind, &one.principal, &one.scope);
        format!("{kind} `{id}` as {} {} (`{scope}`){condition}", role.name, reach.words())
    };
    let remove = |(_, one, _): &Holder<'_>| command("az role assignment delete", &["--ids", &one.id]);
    let mut found = Finding::new(check, resource, &seen).details(holders.iter().map(line).collect());
    found.commands = holders.iter().take(LINES_MAX).map(remove).collect();
    Some(found)
}

/// Whether an action fits a pattern of a role definition, in which `*` stands for any text.
pub(crate) fn fits(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| action.strip_prefix(head)) else { return false };
    let mut parts = parts.peekable();
    let mut is_open = false;
    while let Some(part) = parts.next() {
        is_open = true;
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(found) = rest.find(part) else { return false };
        rest = rest.get(found + part.len()..).unwrap_or_default();
    }
    is_open || rest.is_empty()
}

#[cfg(test)]
mod tests;
