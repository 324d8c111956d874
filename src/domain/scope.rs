//! A part of Azure that a grant or a hold is about: a cluster, or all that lie below something.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::resource_id::{ClusterId, SubscriptionId, split_group};
use super::text;

/// Longest scope that is quoted in an error, in characters.
const QUOTED_CHARS_MAX: usize = 200;

/// A cluster, a resource group, a subscription, or everywhere. Written as a resource id; everywhere is `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scope {
    /// Whatever the guard watches.
    Everywhere,
    /// All clusters of a subscription.
    Subscription(SubscriptionId),
    /// All clusters of a resource group.
    ResourceGroup(ResourceGroupId),
    /// One cluster.
    Cluster(ClusterId),
}

/// A resource group's id; compares without case, keeps the casing it came in for people.
#[derive(Debug, Clone)]
pub struct ResourceGroupId {
    subscription: SubscriptionId,
    name: String,
}

/// Why a text is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Nothing that clusters lie in.
    #[error(
        "`{0}` is no scope: write the resource id of a subscription, a resource group or a cluster, or `/`"
    )]
    Malformed(String),
    /// Not a resource group.
    #[error("`{0}` is no resource group: write `/subscriptions/<id>/resourceGroups/<name>`")]
    ResourceGroup(String),
}

impl Scope {
    /// Reads a resource id, or `/` for everywhere.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        if text == "/" {
            return Ok(Self::Everywhere);
        }
        if let Ok(cluster) = ClusterId::parse(text) {
            return Ok(Self::Cluster(cluster));
        }
        if let Ok(group) = ResourceGroupId::parse(text) {
            return Ok(Self::ResourceGroup(group));
        }
        let subscription = strip_prefix_ignoring_case(text, "/subscriptions/")
            .and_then(|id| SubscriptionId::parse(id).ok())
            .map(Self::Subscription);
        subscription.ok_or_else(|| ScopeError::Malformed(text::clean(text, QUOTED_CHARS_MAX)))
    }

    /// Whether the cluster is it or lies below it.
    pub fn covers(&self, cluster: &ClusterId) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Subscription(subscription) => cluster.subscription() == subscription,
            Self::ResourceGroup(group) => group.holds(cluster),
            Self::Cluster(id) => id == cluster,
        }
    }

    /// The subscription it lies in; `None` for everywhere.
    pub fn subscription(&self) -> Option<&SubscriptionId> {
        match self {
            Self::Everywhere => None,
            Self::Subscription(subscription) => Some(subscription),
            Self::ResourceGroup(group) => Some(&group.subscription),
            Self::Cluster(cluster) => Some(cluster.subscription()),
        }
    }

    /// The scopes that lie around a cluster, the cluster's own first.
    pub fn around(cluster: &ClusterId) -> [Self; 4] {
        [
            Self::Cluster(cluster.clone()),
            Self::ResourceGroup(ResourceGroupId::of(cluster)),
            Self::Subscription(cluster.subscription().clone()),
            Self::Everywhere,
        ]
    }
}

impl ResourceGroupId {
    /// Parses `/subscriptions/<guid>/resourceGroups/<name>`, the fixed segments in any case, nothing after the name.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        let group = split_group(text).filter(|(_, _, tail)| tail.is_empty());
        let group = group.map(|(subscription, name, _)| Self { subscription, name: name.to_owned() });
        group.ok_or_else(|| ScopeError::ResourceGroup(text::clean(text, QUOTED_CHARS_MAX)))
    }

    /// The group of a cluster.
    pub fn of(cluster: &ClusterId) -> Self {
        Self { subscription: cluster.subscription().clone(), name: cluster.resource_group().to_owned() }
    }

    /// The subscription it is in.
    pub fn subscription(&self) -> &SubscriptionId {
        &self.subscription
    }

    /// Its name, in the casing it came in.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn holds(&self, cluster: &ClusterId) -> bool {
        *self == Self::of(cluster)
    }
}

impl PartialEq for ResourceGroupId {
    fn eq(&self, other: &Self) -> bool {
        self.subscription == other.subscription && self.name.to_lowercase() == other.name.to_lowercase()
    }
}

impl Eq for ResourceGroupId {}

impl std::hash::Hash for ResourceGroupId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.subscription.hash(state);
        self.name.to_lowercase().hash(state);
    }
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| text.get(prefix.len()..)).flatten()
}

impl fmt::Display for ResourceGroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/subscriptions/{}/resourceGroups/{}", self.subscription, self.name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everywhere => f.write_str("/"),
            Self::Subscription(subscription) => write!(f, "/subscriptions/{subscription}"),
            Self::ResourceGroup(group) => write!(f, "{group}"),
            Self::Cluster(cluster) => write!(f, "{cluster}"),
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = ScopeError;
    fn try_from(text: String) -> Result<Self, ScopeError> {
        Self::parse(&text)
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUB: &str = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

    fn cluster(group: &str, name: &str) -> ClusterId {
        let path =
            format!("resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{name}");
        ClusterId::parse(&format!("{SUB}/{path}")).unwrap()
    }

    #[test]
    fn a_scope_covers_what_is_below_it_and_nothing_else() {
        let aks = cluster("rg-1", "aks");
        for scope in [
            "/",
            SUB,
            &SUB.to_uppercase(),
            &format!("{SUB}/resourceGroups/RG-1"),
            &aks.to_string(),
            aks.lower(),
        ] {
            assert!(Scope::parse(scope).unwrap().covers(&aks), "{scope}");
        }
        let other = "/subscriptions/11111111-bb1b-cc2c-dd3d-eeeeee4e4e4e";
        for scope in [
            other,
            &format!("{SUB}/resourceGroups/rg"),
            &format!("{aks}2"),
            &cluster("rg-2", "aks").to_string(),
        ] {
            assert!(!Scope::parse(scope).unwrap().covers(&aks), "{scope}");
        }
    }

    #[test]
    fn what_no_cluster_can_lie_in_is_no_scope() {
        for bad in [
            "",
            "*",
            "//",
            "subscriptions/x",
            "/subscriptions/x",
            &format!("{SUB}/"),
            &format!("{SUB}/resourceGroups/"),
            &format!("{SUB}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm"),
            "/subscriptions/é",
        ] {
            assert!(Scope::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_scope_is_written_as_it_is_read() {
        for scope in Scope::around(&cluster("rg-1", "aks")) {
            assert_eq!(Scope::parse(&scope.to_string()).unwrap(), scope);
        }
    }
}
