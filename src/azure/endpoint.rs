//! Where ARM is, and what its tokens are for.

use url::Url;

use super::transport::is_loopback;
use crate::domain::text::{self, percent_encoded as encode};
use crate::domain::{ClusterId, SubscriptionId};

pub use crate::domain::Cloud;

/// Longest link from a response that is followed, bytes. Skip tokens of the activity log have up to 2 KB.
const LINK_BYTES_MAX: usize = 8 * 1024;
/// Longest setting that is quoted in an error, characters.
const QUOTED_CHARS_MAX: usize = 100;

impl Cloud {
    /// Where its login service is (source: Microsoft identity platform, "National clouds").
    pub(super) fn login_origin(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::UsGov => "https://login.microsoftonline.us",
            Self::China => "https://login.partner.microsoftonline.cn",
        }
    }

    /// What tokens of version 1.0 name as their issuer (source: Microsoft identity platform, "Access token claims reference"; that of
    /// China: its tenants' `/.well-known/openid-configuration`).
    pub(super) fn token_service_origin(self) -> &'static str {
        match self {
            Self::Public | Self::UsGov => "https://sts.windows.net",
            Self::China => "https://sts.chinacloudapi.cn",
        }
    }

    fn arm_origin(self) -> &'static str {
        match self {
            Self::Public => "https://management.azure.com",
            Self::UsGov => "https://management.usgovcloudapi.net",
            Self::China => "https://management.chinacloudapi.cn",
        }
    }

    /// The scope of ARM's tokens. In US Government its host is not the endpoint's.
    fn arm_scope(self) -> &'static str {
        match self {
            Self::Public => "https://management.azure.com/.default",
            Self::UsGov => "https://management.core.usgovcloudapi.net/.default",
            Self::China => "https://management.chinacloudapi.cn/.default",
        }
    }
}

/// Why a text can't be the ARM endpoint or its scope; says what to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not a URL.
    #[error("`{0}` is not a URL: give one like `https://management.azure.com`")]
    NotAUrl(String),
    /// Tokens would go over the network in the clear.
    #[error("`{0}` must be https: only an endpoint on this machine may be http")]
    NotTls(String),
    /// More than scheme, host and port.
    #[error("`{0}` must be a scheme, a host and perhaps a port: leave out path, query, fragment, user name")]
    MoreThanOrigin(String),
    /// Not a scope.
    #[error("`{0}` is not a scope: give one like `https://management.azure.com/.default`")]
    Scope(String),
}

/// ARM's address and the scope of its tokens. Bearer tokens go to this origin only, over https or to loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    origin: String,
    scope: String,
    on_loopback: bool,
}

impl Endpoint {
    /// The endpoint of an Azure cloud.
    pub fn of(cloud: Cloud) -> Self {
        Self {
            origin: cloud.arm_origin().to_owned(),
            scope: cloud.arm_scope().to_owned(),
            on_loopback: false,
        }
    }

    /// An endpoint of one's own: an emulator, a gateway, another cloud. Without a scope, that of the public cloud is
    /// asked for an endpoint on loopback, and the endpoint's own elsewhere: a token for the real ARM must not go to a
    /// host that only says it is ARM.
    pub fn parse(url: &str, scope: Option<&str>) -> Result<Self, EndpointError> {
        let quoted = || text::clean(url, QUOTED_CHARS_MAX);
        let parsed = Url::parse(url.trim()).map_err(|_| EndpointError::NotAUrl(quoted()))?;
        if parsed.host().is_none() {
            return Err(EndpointError::NotAUrl(quoted()));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            // Not quoted: it may hold a password.
            return Err(EndpointError::MoreThanOrigin("...@...".to_owned()));
        }
        let on_loopback = is_loopback(&parsed);
        match parsed.scheme() {
            "https" => {}
            "http" if on_loopback => {}
            _ => return Err(EndpointError::NotTls(quoted())),
        }
        if parsed.path() != "/" || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(EndpointError::MoreThanOrigin(quoted()));
        }
        let origin = parsed.origin().ascii_serialization();
        let scope = match scope {
            Some(scope) => parse_scope(scope)?,
            None if on_loopback => Cloud::Public.arm_scope().to_owned(),
            None => format!("{origin}/.default"),
        };
        Ok(Self { origin, scope, on_loopback })
    }

    /// Scheme, host and port, without a slash at the end.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The scope to ask tokens for.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// Whether it is on this machine: an emulator, so that times may be compressed.
    pub fn on_loopback(&self) -> bool {
        self.on_loopback
    }

    /// The URL of a cluster, or of an action on it (`start`).
    pub(super) fn cluster(&self, id: &ClusterId, action: Option<&str>) -> String {
        let action = action.map(|action| format!("/{action}")).unwrap_or_default();
        format!(
            "{}/subscriptions/{}/resourceGroups/{}/providers/{}/{}{action}?api-version={}",
            self.origin,
            id.subscription(),
            encode(id.resource_group()),
            id.kind().arm_type(),
            encode(id.name()),
            id.kind().api_version()
        )
    }

    /// The URL of something that is read, from the parts of its path.
    pub(super) fn read_url(&self, segments: &[&str], api_version: &str) -> String {
        let path: String = segments.iter().map(|segment| format!("/{}", encode(segment))).collect();
        format!("{}{path}?api-version={}", self.origin, encode(api_version))
    }

    /// The URL of the activity log of a subscription.
    pub(super) fn activity_log(&self, subscription: &SubscriptionId, api: &str, filter: &str) -> String {
        format!(
            "{}/subscriptions/{subscription}/providers/Microsoft.Insights/eventtypes/management/values?api-version={api}&$filter={}",
            self.origin,
            encode(filter)
        )
    }

    /// The URL of questions to Resource Graph.
    pub(super) fn resource_graph(&self, api: &str) -> String {
        format!("{}/providers/Microsoft.ResourceGraph/resources?api-version={api}", self.origin)
    }

    /// A link from a response, if it leads to this very endpoint; a token must not follow any other.
    pub(super) fn own_link(&self, link: &str) -> Option<String> {
        if link.len() > LINK_BYTES_MAX {
            return None;
        }
        let url = Url::parse(link).ok()?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        let is_ours = url.origin().ascii_serialization() == self.origin && !has_user;
        is_ours.then(|| url.to_string())
    }
}

fn parse_scope(scope: &str) -> Result<String, EndpointError> {
    let error = || EndpointError::Scope(text::clean(scope, QUOTED_CHARS_MAX));
    let url = Url::parse(scope.trim()).map_err(|_| error())?;
    let is_scope = matches!(url.scheme(), "https" | "api") && scope.trim().ends_with("/.default");
    is_scope.then(|| scope.trim().to_owned()).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cloud_has_its_endpoint_and_its_scope() {
        let of = |word: &str| Endpoint::of(Cloud::parse(word).unwrap());
        assert_eq!(of("public").scope(), "https://management.azure.com/.default");
        assert_eq!(of("usgov").origin(), "https://management.usgovcloudapi.net");
        assert_eq!(of("usgov").scope(), "https://management.core.usgovcloudapi.net/.default");
        assert_eq!(of("china").origin(), "https://management.chinacloudapi.cn");
        assert_eq!(Cloud::parse("germany"), None);
    }

    #[test]
    fn tokens_leave_this_machine_over_https_only() {
        for plain in ["http://management.azure.com", "http://10.0.0.1:80", "ftp://127.0.0.1", "http://[::2]"]
        {
            assert!(matches!(Endpoint::parse(plain, None), Err(EndpointError::NotTls(_))), "{plain}");
        }
        for local in ["http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:9", "http://127.8.8.8"] {
            assert!(Endpoint::parse(local, None).unwrap().on_loopback(), "{local}");
        }
    }

    #[test]
    fn an_endpoint_is_an_origin_and_errors_say_what_to_mend() {
        let said = |url: &str| Endpoint::parse(url, None).unwrap_err().to_string();
        insta::assert_snapshot!(said("management.azure.com"), @"`management.azure.com` is not a URL: give one like `https://management.azure.com`");
        insta::assert_snapshot!(said("https://arm.example/base?x"), @"`https://arm.example/base?x` must be a scheme, a host and perhaps a port: leave out path, query, fragment, user name");
        assert!(!said("https://user:canary@arm.example").contains("canary"));
        assert!(matches!(
            Endpoint::parse("https://arm.example", Some("management")),
            Err(EndpointError::Scope(_))
        ));
    }

    #[test]
    fn a_foreign_endpoint_never_gets_a_token_of_the_public_arm() {
        let own = Endpoint::parse("https://arm.example/", None).unwrap();
        assert_eq!(own.scope(), "https://arm.example/.default");
    }

    #[test]
    fn only_links_to_the_same_origin_are_followed() {
        let endpoint = Endpoint::of(Cloud::Public);
        assert_eq!(
            endpoint.own_link("https://management.azure.com/x?$skipToken=a%20b").as_deref(),
            Some("https://management.azure.com/x?$skipToken=a%20b")
        );
        assert!(endpoint.own_link("https://management.azure.com:443/x").is_some(), "443 is https's own port");
        for foreign in [
            "https://management.azure.com.evil.example/x",
            "http://management.azure.com/x",
            "https://management.azure.com:8443/x",
            "https://user@management.azure.com/x",
            "https://management.azure.com@evil.example/x",
            "/relative",
            "not a url",
        ] {
            assert_eq!(endpoint.own_link(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn every_part_of_an_id_is_percent_encoded_in_a_url() {
        let id = ClusterId::parse("/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/grüppe(1)/providers/Microsoft.ContainerService/managedClusters/aks-1").unwrap();
        let url = Endpoint::of(Cloud::Public).cluster(&id, Some("start"));
        assert_eq!(
            url,
            "https://management.azure.com/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/gr%C3%BCppe%281%29/providers/Microsoft.ContainerService/managedClusters/aks-1/start?api-version=2025-10-01"
        );
    }
}
