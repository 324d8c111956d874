//! Who did it.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::role::Role;

/// What sort of identity called ARM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallerKind {
    /// A person of this tenant.
    User,
    /// A person from another directory.
    Guest,
    /// An application with a secret, a certificate or a federated credential.
    ServicePrincipal,
    /// A system- or user-assigned managed identity.
    ManagedIdentity,
    /// Azure itself: the AKS resource provider.
    Azure,
    /// The event names nobody.
    Unknown,
}

impl CallerKind {
    /// The word for it in policies, logs and incidents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Guest => "guest",
            Self::ServicePrincipal => "service-principal",
            Self::ManagedIdentity => "managed-identity",
            Self::Azure => "azure",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for CallerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The identity behind a stop, as the claims of the ARM token tell it. All texts are cleaned and bounded where they are
/// parsed. Only the object id and the app id identify; names and UPNs are for people to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// What sort of identity it is.
    pub kind: CallerKind,
    /// Entra object id, lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<String>,
    /// Client application id, lower case: the application itself, or the one a person used (the CLI, the portal).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// User principal name, as shown to people. Never identifies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upn: Option<String>,
    /// Display name. Never identifies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Tenant id, lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Resource id of the managed identity (`xms_mirid`): the host for a system-assigned one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_resource: Option<String>,
    /// Object ids of groups named in the claims, lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Whether `groups` is known to be the whole list: false for an application and when the claim overflowed.
    #[serde(default)]
    pub groups_known: bool,
    /// Whether the sign-in used several factors (`authnmethodsreferences`); `None` when the claims don't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa: Option<bool>,
    /// Where the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// The role assignment by which ARM let them do it (`authorization.evidence`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

impl Caller {
    /// Nobody could be named.
    pub fn unknown() -> Self {
        Self {
            kind: CallerKind::Unknown,
            object_id: None,
            app_id: None,
            upn: None,
            name: None,
            tenant: None,
            identity_resource: None,
            groups: Vec::new(),
            groups_known: false,
            mfa: None,
            ip: None,
            role: None,
        }
    }

    /// The id that stands for this caller everywhere: the object id, else the app id; `None` for nobody.
    pub fn identity(&self) -> Option<&str> {
        match self.kind {
            CallerKind::Unknown => None,
            CallerKind::User
            | CallerKind::Guest
            | CallerKind::ServicePrincipal
            | CallerKind::ManagedIdentity
            | CallerKind::Azure => self.object_id.as_deref().or(self.app_id.as_deref()),
        }
    }

    /// Whether anybody could be named.
    pub fn is_known(&self) -> bool {
        self.identity().is_some()
    }

    /// The shortest name a person recognises: UPN, else display name, else the managed identity's name, else the id.
    pub fn label(&self) -> &str {
        let identity_name = self.identity_resource.as_deref().and_then(|id| id.rsplit('/').next());
        self.upn
            .as_deref()
            .or(self.name.as_deref())
            .or(identity_name)
            .or_else(|| self.identity())
            .unwrap_or("an unknown caller")
    }
}
