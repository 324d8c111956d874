//! Reads who called ARM out of the claims of the ARM token, which Event Grid events and activity log records carry.
//!
//! Claims are asserted by ARM, but names in them are chosen by people: everything is bounded and cleaned here, and only
//! GUIDs identify. Sources: the samples in azure-docs `event-schema-subscriptions.md`, Microsoft's access token claims
//! reference (`idtyp`, `appidacr`, `xms_mirid`, `_claim_names`, `hasgroups`), and public activity log records.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Map, Value};

use super::caller::{Caller, CallerKind};
use super::guid;
use super::text::clean;

/// Groups of one caller that are kept. A token names 200 at most, and an overage claim beyond it (source: Microsoft identity
/// platform, "Group overage claim"); 16 stops with that many still fit into a record.
pub const GROUPS_MAX: usize = 200;
/// Longest name or UPN in characters. Entra allows 113 for a UPN and 256 for a display name.
const NAME_CHARS_MAX: usize = 256;
/// Longest resource id of a managed identity, in characters. ARM's parts add up to less than half of it.
const IDENTITY_RESOURCE_CHARS_MAX: usize = 1_024;

/// The application id of the AKS resource provider, "AzureContainerService", the same in every tenant (source: public
/// lists of Microsoft's first-party applications).
pub const AKS_RESOURCE_PROVIDER: &str = "7319c514-987d-4e9b-ac3d-d38c4f427f4c";

const OBJECT_ID: &str = "http://schemas.microsoft.com/identity/claims/objectidentifier";
const TENANT_ID: &str = "http://schemas.microsoft.com/identity/claims/tenantid";
const SCOPE: &str = "http://schemas.microsoft.com/identity/claims/scope";
const AUTHENTICATION_METHODS: &str = "http://schemas.microsoft.com/claims/authnmethodsreferences";
const UPN: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn";
const UNIQUE_NAME: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name";

/// Every claim that is read. Whoever holds claims as JSON text can leave out all others before it builds a tree.
pub const CLAIMS_READ: [&str; 16] = [
    OBJECT_ID,
    TENANT_ID,
    SCOPE,
    AUTHENTICATION_METHODS,
    UPN,
    UNIQUE_NAME,
    "appid",
    "appidacr",
    "idtyp",
    "xms_mirid",
    "name",
    "altsecid",
    "groups",
    "_claim_names",
    "hasgroups",
    "ipaddr",
];

impl Caller {
    /// Reads the caller from the claims of an ARM token.
    ///
    /// `caller_hint` is the `caller` member of an activity log record: a UPN, or the id of an application. It is used
    /// only for what the claims don't tell. `ip` is where the request came from, with or without a port; the claim
    /// `ipaddr` (where the token was fetched) stands in for it.
    ///
    /// Claim names are matched without case. Whatever is missing, malformed or of another type counts as absent. A
    /// person without an object id keeps no app id: that would be the client's (the CLI's, the portal's), which many
    /// people share, and it must not become their identity.
    pub fn from_claims(claims: &Map<String, Value>, caller_hint: Option<&str>, ip: Option<&str>) -> Caller {
        let claims = Claims(claims);
        let hint = Hint::read(caller_hint);
        let app_id = claims.guid("appid");
        let object_id = claims.guid(OBJECT_ID).or_else(|| hint.object_id(app_id.as_deref()));
        let upn = claims.name(UPN).or_else(|| claims.name(UNIQUE_NAME)).or_else(|| hint.upn());
        let kind = claims.kind(app_id.as_deref(), object_id.as_deref(), upn.as_deref());
        let (groups, groups_known) = claims.groups(kind);
        let is_person = matches!(kind, CallerKind::User | CallerKind::Guest);
        Caller {
            kind,
            app_id: app_id.filter(|_| !is_person || object_id.is_some()),
            object_id,
            upn,
            name: claims.name("name"),
            tenant: claims.guid(TENANT_ID),
            identity_resource: claims.identity_resource(),
            groups,
            groups_known,
            mfa: claims.mfa(),
            ip: ip.and_then(parse_ip).or_else(|| claims.text("ipaddr").and_then(parse_ip)),
            role: None,
        }
    }
}

/// What Entra's own tokens call the claims that ARM shows under longer names (source: Microsoft identity platform, "Access token
/// claims reference"); where two are listed, the first is that of version 1.0.
const TOKEN_NAMES: [(&str, &str); 10] = [
    ("oid", OBJECT_ID),
    ("tid", TENANT_ID),
    ("scp", SCOPE),
    ("amr", AUTHENTICATION_METHODS),
    ("upn", UPN),
    ("preferred_username", UNIQUE_NAME),
    ("appid", "appid"),
    ("azp", "appid"),
    ("appidacr", "appidacr"),
    ("azpacr", "appidacr"),
];

/// Claims that have the same name in both.
const SAME_NAMES: [&str; 7] =
    ["name", "idtyp", "xms_mirid", "groups", "_claim_names", "hasgroups", "altsecid"];

impl Caller {
    /// Reads the caller from the claims of an Entra token, of version 1.0 or 2.0. That the token is good is for others to check.
    pub fn from_token_claims(token: &Map<String, Value>) -> Caller {
        let mut claims = Map::new();
        let same = SAME_NAMES.iter().map(|name| (*name, *name));
        for (name, long) in TOKEN_NAMES.into_iter().chain(same) {
            if let Some(value) = token.get(name).filter(|value| !value.is_null()) {
                claims.entry(long).or_insert_with(|| value.clone());
            }
        }
        Self::from_claims(&claims, None, None)
    }
}

/// What the `caller` member of an activity log record can stand in for.
enum Hint {
    Nothing,
    Id(String),
    Upn(String),
}

impl Hint {
    fn read(caller: Option<&str>) -> Self {
        let Some(caller) = caller else { return Self::Nothing };
        match parse_guid(caller) {
            Some(id) => Self::Id(id),
            None if caller.contains('@') => shown(caller, NAME_CHARS_MAX).map_or(Self::Nothing, Self::Upn),
            None => Self::Nothing,
        }
    }

    /// An id without a name is the object id of an application, unless the claims name the application already.
    fn object_id(&self, app_id: Option<&str>) -> Option<String> {
        match self {
            Self::Id(id) if app_id.is_none() => Some(id.clone()),
            Self::Id(_) | Self::Upn(_) | Self::Nothing => None,
        }
    }

    fn upn(&self) -> Option<String> {
        match self {
            Self::Upn(upn) => Some(upn.clone()),
            Self::Id(_) | Self::Nothing => None,
        }
    }
}

struct Claims<'a>(&'a Map<String, Value>);

impl<'a> Claims<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        let exact = self.0.get(name);
        let found =
            exact.or_else(|| self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v));
        found.filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
    }

    fn guid(&self, name: &str) -> Option<String> {
        self.text(name).and_then(parse_guid)
    }

    fn name(&self, name: &str) -> Option<String> {
        self.text(name).and_then(|text| shown(text, NAME_CHARS_MAX))
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.text(name).is_some_and(|text| text.eq_ignore_ascii_case(value))
    }

    /// `idtyp` decides where it is present; older tokens are told apart by what only a person's token has (`scp`, names,
    /// a public client), since an application's has none of it.
    fn kind(&self, app_id: Option<&str>, object_id: Option<&str>, upn: Option<&str>) -> CallerKind {
        let has_name = upn.is_some() || self.text("name").is_some();
        let marks_of_person = has_name || self.text(SCOPE).is_some() || self.is("appidacr", "0");
        let is_person = self.is("idtyp", "user") || (!self.is("idtyp", "app") && marks_of_person);
        if is_person {
            return if self.is_guest() { CallerKind::Guest } else { CallerKind::User };
        }
        if self.text("xms_mirid").is_some() {
            return CallerKind::ManagedIdentity;
        }
        if app_id == Some(AKS_RESOURCE_PROVIDER) {
            return CallerKind::Azure;
        }
        if app_id.is_some() || object_id.is_some() {
            return CallerKind::ServicePrincipal;
        }
        CallerKind::Unknown
    }

    /// A guest's name starts with the identity provider (`live.com#x@y`) or their UPN is the invited form
    /// (`x_y#EXT#@tenant`); the shape of guests' events is inferred from tokens, no published event shows one.
    fn is_guest(&self) -> bool {
        let names = [UPN, UNIQUE_NAME, "name"].into_iter().filter_map(|claim| self.text(claim));
        let invited = names.into_iter().any(|name| {
            let name = name.to_ascii_lowercase();
            name.contains("#ext#") || name.starts_with("live.com#") || name.starts_with("mail#")
        });
        invited || self.text("altsecid").is_some()
    }

    fn identity_resource(&self) -> Option<String> {
        let resource = self.text("xms_mirid").filter(|text| text.starts_with('/'))?;
        shown(resource, IDENTITY_RESOURCE_CHARS_MAX)
    }

    /// The groups, and whether they are all: not when Entra referred to Graph instead of listing them, not when there is
    /// no list (a person in no group and a claim that was left out look the same), not when something in it isn't an id.
    fn groups(&self, kind: CallerKind) -> (Vec<String>, bool) {
        let listed: Vec<Option<String>> = match self.get("groups") {
            Some(Value::String(list)) => list.split(',').take(GROUPS_MAX + 1).map(parse_guid).collect(),
            Some(Value::Array(list)) => {
                list.iter().take(GROUPS_MAX + 1).map(|id| id.as_str().and_then(parse_guid)).collect()
            }
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => vec![None],
        };
        let is_person = matches!(kind, CallerKind::User | CallerKind::Guest);
        let overflowed = self.get("_claim_names").is_some() || self.is("hasgroups", "true");
        let complete = listed.len() <= GROUPS_MAX && listed.iter().all(Option::is_some);
        let groups = listed.into_iter().take(GROUPS_MAX).flatten().collect();
        (groups, is_person && complete && !overflowed)
    }

    fn mfa(&self) -> Option<bool> {
        let is_mfa = |method: &str| method.trim().eq_ignore_ascii_case("mfa");
        match self.get(AUTHENTICATION_METHODS)? {
            Value::String(methods) => Some(methods.split([',', ' ']).any(is_mfa)),
            Value::Array(methods) => Some(methods.iter().filter_map(Value::as_str).any(is_mfa)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
        }
    }
}

/// A name made safe to show; `None` if nothing is left of it.
fn shown(text: &str, max_chars: usize) -> Option<String> {
    Some(clean(text.trim(), max_chars)).filter(|text| !text.is_empty())
}

/// Reads a GUID, with dashes (as claims spell it) or without (as role evidence does), and spells it in lower case with
/// dashes. The nil GUID names nobody.
pub fn parse_guid(text: &str) -> Option<String> {
    const BARE_BYTES: usize = 32;
    let text = text.trim();
    let guid = if text.len() == BARE_BYTES {
        let parts = [0..8, 8..12, 12..16, 16..20, 20..BARE_BYTES];
        guid::parse(&parts.map(|range| text.get(range).unwrap_or_default()).join("-"))
    } else {
        guid::parse(text)
    };
    guid.filter(|guid| guid.bytes().any(|byte| !matches!(byte, b'0' | b'-')))
}

/// Reads an IPv4 or IPv6 address, also with a port or in brackets. An IPv4 address in IPv6 form is the IPv4 address.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let ip =
        bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    ip.map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests;
