//! The id of a managed cluster: keeps the casing it was made with, compares without case.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// `/subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.ContainerService/managedClusters/{n}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterId {
    /// The subscription's GUID.
    pub subscription: String,
    /// The resource group's name.
    pub resource_group: String,
    /// The cluster's name.
    pub name: String,
}

/// The text is not the id of a managed cluster.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("not the id of a managed cluster: `{0}`")]
pub struct NotAClusterId(String);

impl ClusterId {
    /// An id of these three names.
    pub fn new(subscription: &str, resource_group: &str, name: &str) -> Self {
        Self {
            subscription: subscription.to_owned(),
            resource_group: resource_group.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The id as ARM answers a GET: lower-case `resourcegroups`, whatever was asked for (azure-cli recording
    /// `test_aks_stop_and_start`).
    pub fn as_answered(&self) -> String {
        self.to_string().replacen("/resourceGroups/", "/resourcegroups/", 1)
    }

    fn key(&self) -> (String, String, String) {
        (
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
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.ContainerService/managedClusters/{}",
            self.subscription, self.resource_group, self.name
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
                    && is(provider, "Microsoft.ContainerService")
                    && is(t, "managedClusters")
                    && [subscription, group, name].iter().all(|segment| !segment.is_empty()) =>
            {
                Ok(Self::new(subscription, group, name))
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
