//! Who acts: the kinds of caller that Azure's claims tell apart.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The tenant of everybody here (a placeholder from Microsoft's documentation).
pub const TENANT: &str = "aaaabbbb-0000-cccc-1111-dddd2222eeee";

/// The application id of the AKS resource provider, "AzureContainerService".
pub const AKS_PROVIDER_APP: &str = "7319c514-987d-4e9b-ac3d-d38c4f427f4c";

/// The application id of the Azure CLI, the client that users act with here.
const AZURE_CLI_APP: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

/// One who sends requests to Azure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// What the claims show.
    pub kind: CallerKind,
    /// The object id in the tenant.
    pub object_id: String,
    /// The application: the client of a user, the identity itself otherwise.
    pub app_id: String,
    /// A person's display name; for others, what a log of ours calls them.
    pub name: String,
    /// Where the requests come from.
    #[serde(default = "documentation_address")]
    pub ip: String,
    /// Whether the test's author means this caller to be allowed to stop clusters. Azure knows nothing of it; it
    /// makes an undone stop detectable.
    #[serde(default)]
    pub authorised: bool,
}

/// The kinds of caller, by what their claims carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CallerKind {
    /// A member of the tenant, with this user principal name.
    User {
        /// The user principal name.
        upn: String,
    },
    /// A guest, with the name of another provider (`live.com#x@y`) and no user principal name.
    Guest {
        /// The mail address behind the guest.
        mail: String,
    },
    /// A service principal with a secret.
    ServicePrincipal,
    /// A managed identity that belongs to this resource.
    SystemIdentity {
        /// The id of the host resource, which `xms_mirid` shows.
        host: String,
    },
    /// A managed identity that is a resource of its own.
    UserAssignedIdentity {
        /// The id of the identity, which `xms_mirid` shows.
        identity: String,
    },
    /// The AKS resource provider. That it ever causes such events is unproven.
    AzureProvider,
    /// No claims, no evidence, no caller in the log.
    Nameless,
}

fn documentation_address() -> String {
    "203.0.113.24".to_owned()
}

impl Caller {
    /// A user of the tenant; the object id and the address are made from the name.
    pub fn user(name: &str) -> Self {
        Self::of(CallerKind::User { upn: format!("{name}@contoso.com") }, name, AZURE_CLI_APP)
    }

    /// A guest of the tenant.
    pub fn guest(name: &str) -> Self {
        Self::of(CallerKind::Guest { mail: format!("{name}@outlook.example") }, name, AZURE_CLI_APP)
    }

    /// A service principal.
    pub fn service_principal(name: &str) -> Self {
        Self::of(CallerKind::ServicePrincipal, name, &made_guid(&format!("app {name}")))
    }

    /// The system-assigned identity of a resource.
    pub fn system_identity(name: &str, host: &str) -> Self {
        Self::of(
            CallerKind::SystemIdentity { host: host.to_owned() },
            name,
            &made_guid(&format!("app {name}")),
        )
    }

    /// A user-assigned identity.
    pub fn user_assigned_identity(name: &str, identity: &str) -> Self {
        let kind = CallerKind::UserAssignedIdentity { identity: identity.to_owned() };
        Self::of(kind, name, &made_guid(&format!("app {name}")))
    }

    /// The AKS resource provider.
    pub fn azure_provider() -> Self {
        Self::of(CallerKind::AzureProvider, "AzureContainerService", AKS_PROVIDER_APP)
    }

    /// Somebody of whom neither event nor log says anything.
    pub fn nameless() -> Self {
        Self::of(CallerKind::Nameless, "nameless", "")
    }

    /// The same caller, marked as allowed to stop clusters.
    #[must_use]
    pub fn authorised(mut self) -> Self {
        self.authorised = true;
        self
    }

    fn of(kind: CallerKind, name: &str, app_id: &str) -> Self {
        Self {
            kind,
            object_id: made_guid(&format!("object {name}")),
            app_id: app_id.to_owned(),
            name: name.to_owned(),
            ip: documentation_address(),
            authorised: false,
        }
    }

    /// The `caller` of an activity log record: the user's name, else the object id.
    pub(super) fn log_name(&self) -> Option<String> {
        match &self.kind {
            CallerKind::User { upn } => Some(upn.clone()),
            CallerKind::Guest { mail } => Some(format!("live.com#{mail}")),
            CallerKind::ServicePrincipal
            | CallerKind::SystemIdentity { .. }
            | CallerKind::UserAssignedIdentity { .. }
            | CallerKind::AzureProvider => Some(self.object_id.clone()),
            CallerKind::Nameless => None,
        }
    }

    /// The claims of the caller's token as events and the log show them: names as URIs, values as strings. `None`
    /// for the nameless.
    pub(super) fn claims(&self, issued_unix: i64) -> Option<Value> {
        let mut claims = self.common_claims(issued_unix);
        let (credential, mirid) = match &self.kind {
            CallerKind::Nameless => return None,
            CallerKind::User { upn } => {
                self.add_person(&mut claims, upn);
                claims.insert(format!("{SOAP}upn"), json!(upn));
                claims.insert("puid".to_owned(), json!("100320000000ABCD"));
                return Some(Value::Object(claims));
            }
            CallerKind::Guest { mail } => {
                self.add_person(&mut claims, &format!("live.com#{mail}"));
                claims.insert("altsecid".to_owned(), json!("1:live.com:00037FFE00000000"));
                claims.insert(format!("{IDENTITY}identityprovider"), json!("live.com"));
                return Some(Value::Object(claims));
            }
            CallerKind::ServicePrincipal => (SECRET, None),
            CallerKind::AzureProvider => (CERTIFICATE, None),
            CallerKind::SystemIdentity { host } => (CERTIFICATE, Some(host)),
            CallerKind::UserAssignedIdentity { identity } => (CERTIFICATE, Some(identity)),
        };
        let provider = format!("https://sts.windows.net/{TENANT}/");
        claims.insert("appidacr".to_owned(), json!(credential));
        claims.insert(format!("{IDENTITY}identityprovider"), json!(provider));
        claims.insert("idtyp".to_owned(), json!("app"));
        claims.insert(format!("{SOAP}nameidentifier"), json!(self.object_id));
        if let Some(resource) = mirid {
            // Seen with lower-case `resourcegroups` in a real activity log record of 2023.
            let shown = resource.replacen("/resourceGroups/", "/resourcegroups/", 1);
            claims.insert("xms_mirid".to_owned(), json!(shown));
        }
        Some(Value::Object(claims))
    }

    fn common_claims(&self, issued_unix: i64) -> Map<String, Value> {
        let mut claims = Map::new();
        let mut put = |name: &str, value: String| {
            claims.insert(name.to_owned(), Value::String(value));
        };
        put("aud", "https://management.core.windows.net/".to_owned());
        put("iss", format!("https://sts.windows.net/{TENANT}/"));
        put("iat", issued_unix.to_string());
        put("nbf", issued_unix.to_string());
        put("exp", (issued_unix + 5100).to_string());
        put("aio", "REDACTED".to_owned());
        put("appid", self.app_id.clone());
        put("appidacr", "0".to_owned());
        put(&format!("{IDENTITY}objectidentifier"), self.object_id.clone());
        put(&format!("{IDENTITY}tenantid"), TENANT.to_owned());
        put("rh", "REDACTED".to_owned());
        put("uti", "REDACTED".to_owned());
        put("ver", "1.0".to_owned());
        put("xms_tcdt", "1589910443".to_owned());
        claims
    }

    fn add_person(&self, claims: &mut Map<String, Value>, name_claim: &str) {
        let mut put = |name: String, value: &str| {
            claims.insert(name, json!(value));
        };
        put("http://schemas.microsoft.com/claims/authnclassreference".to_owned(), "1");
        put("http://schemas.microsoft.com/claims/authnmethodsreferences".to_owned(), "pwd,mfa");
        put("ipaddr".to_owned(), &self.ip);
        put("name".to_owned(), &self.name);
        put(format!("{IDENTITY}scope"), "user_impersonation");
        put(format!("{SOAP}nameidentifier"), "REDACTED");
        put(format!("{SOAP}name"), name_claim);
        put("groups".to_owned(), "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb,cccccccc-1111-2222-3333-dddddddddddd");
        put("idtyp".to_owned(), "user");
    }

    /// How the right was held. Ids are printed without dashes here, unlike in the claims (seen in public records).
    pub(super) fn evidence(&self, subscription: &str) -> Option<Value> {
        let principal_type = match &self.kind {
            CallerKind::Nameless => return None,
            CallerKind::Guest { .. } => return Some(json!({ "role": "Subscription Admin" })),
            CallerKind::User { .. } => "User",
            CallerKind::ServicePrincipal
            | CallerKind::SystemIdentity { .. }
            | CallerKind::UserAssignedIdentity { .. }
            | CallerKind::AzureProvider => "ServicePrincipal",
        };
        Some(json!({
            "role": "Contributor",
            "roleAssignmentScope": format!("/subscriptions/{subscription}"),
            "roleAssignmentId": made_guid(&format!("assignment {}", self.object_id)).replace('-', ""),
            "roleDefinitionId": "b24988ac618042a0ab8820f7382dd24c",
            "principalId": self.object_id.replace('-', ""),
            "principalType": principal_type,
        }))
    }
}

/// Values of `appidacr`: how an application proved itself.
const SECRET: &str = "1";
const CERTIFICATE: &str = "2";
const IDENTITY: &str = "http://schemas.microsoft.com/identity/claims/";
const SOAP: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/";

/// A GUID that depends on the text alone.
fn made_guid(text: &str) -> String {
    let seed = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    super::guid::Guids::new(seed).next_guid()
}
