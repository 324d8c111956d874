//! The id of a managed cluster or a container group: keeps the casing it was made with, compares without case.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::kind::Kind;

/// `/subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.ContainerService/managedClusters/{n}`, or the same of a container group.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterId {
    /// Of what.
    pub kind: Kind,
    /// The subscription's GUID.
    pub subscription: String,
    /// The resource group's name.
    pub resource_group: String,
    /// The cluster's name.
    pub name: String,
}

/// The text is not such an id.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("not the id of a managed cluster or a container group: `{0}`")]
pub struct NotAClusterId(String);

impl ClusterId {
    /// The id of a cluster.
    pub fn new(subscription: &str, resource_group: &str, name: &str) -> Self {
        Self::of(Kind::ManagedCluster, subscription, resource_group, name)
    }

    /// The id of a container group.
    pub fn group(subscription: &str, resource_group: &str, name: &str) -> Self {
        Self::of(Kind::ContainerGroup, subscription, resource_group, name)
    }

    /// The id of either.
    pub fn of(kind: Kind, subscription: &str, resource_group: &str, name: &str) -> Self {
        Self {
            kind,
            subscription: subscription.to_owned(),
            resource_group: resource_group.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The id as ARM answers a GET: that of a cluster with lower-case `resourcegroups`, whatever was asked for (azure-cli recording
    /// `test_aks_stop_and_start`).
    pub fn as_answered(&self) -> String {
        match self.kind {
            Kind::ManagedCluster => self.to_string().replacen("/resourceGroups/", "/resourcegroups/", 1),
            Kind::ContainerGroup => self.to_string(),
        }
    }

    fn key(&self) -> (Kind, String, String, String) {
        (
            self.kind,
            self.subscription.to_ascii_lowercase(),
            self.resource_group.to_ascii_lowercase(),
            self.name.to_ascii_lowercase(),
        )
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "/subscriptions/{}/resourceGroups/{}/providers/{}/{}/{}",
            self.subscription,
            self.resource_group,
            self.kind.provider(),
            self.kind.type_name(),
            self.name
        )
    }
}

impl std::str::FromStr for ClusterId {
    type Err = NotAClusterId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let segments: Vec<&str> = text.split('/').collect();
        let is = |given: &str, fixed: &str| given.eq_ignore_ascii_case(fixed);
        match segments.as_slice() {
            ["", s, subscription, g, group, p, provider, t, name]
                if is(s, "subscriptions")
                    && is(g, "resourceGroups")
                    && is(p, "providers")
                    && [subscription, group, name].iter().all(|segment| !segment.is_empty()) =>
            {
                Kind::of(provider, t)
                    .map(|kind| Self::of(kind, subscription, group, name))
                    .ok_or_else(|| NotAClusterId(text.chars().take(200).collect()))
            }
            _ => Err(NotAClusterId(text.chars().take(200).collect())),
        }
    }
}

impl TryFrom<String> for ClusterId {
    type Error = NotAClusterId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ClusterId> for String {
    fn from(id: ClusterId) -> Self {
        id.to_string()
    }
}

impl PartialEq for ClusterId {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ClusterId {}

impl PartialOrd for ClusterId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ClusterId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Hash for ClusterId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}
