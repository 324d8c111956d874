//! Pages of the Azure portal, for links in incidents. Built from parsed ids only.

use serde::{Deserialize, Serialize};

use super::cloud::Cloud;
use super::guid;
use super::incident::Link;
use super::resource_id::{ClusterId, SubscriptionId};
use super::scope::Scope;
use super::text::percent_encoded;

/// The page of a resource that the portal opens first.
const OVERVIEW: &str = "overview";
/// A resource's activity log: the portal's own name for that entry of the menu, the same for subscriptions and groups.
const ACTIVITY_LOG: &str = "eventlogs";

/// A tenant's GUID, lower case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

/// A text is no tenant's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a tenant id")]
pub struct NotATenant;

impl TenantId {
    /// Reads a GUID; `None` if it isn't one.
    pub fn parse(text: &str) -> Option<Self> {
        guid::parse(text).map(Self)
    }
}

impl TryFrom<String> for TenantId {
    type Error = NotATenant;
    fn try_from(text: String) -> Result<Self, NotATenant> {
        Self::parse(&text).ok_or(NotATenant)
    }
}

impl From<TenantId> for String {
    fn from(id: TenantId) -> Self {
        id.0
    }
}

/// The portal of one cloud. With a tenant its links open in that directory, whichever the reader was in last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portal {
    cloud: Cloud,
    tenant: Option<TenantId>,
}

impl Portal {
    /// The portal of a cloud, in the directory that the settings name.
    pub fn new(cloud: Cloud, tenant: Option<TenantId>) -> Self {
        Self { cloud, tenant }
    }

    /// The same portal. If the settings name no directory, it is that of this tenant: the cluster's own.
    pub fn or_in(&self, tenant: Option<&TenantId>) -> Self {
        Self { cloud: self.cloud, tenant: self.tenant.as_ref().or(tenant).cloned() }
    }

    /// A cluster's page.
    pub fn cluster(&self, id: &ClusterId) -> Link {
        self.link(format!("{} in the portal", id.name()), &cluster_path(id), OVERVIEW)
    }

    /// A cluster's activity log: who stopped it, and why a start failed.
    pub fn cluster_log(&self, id: &ClusterId) -> Link {
        self.link(format!("activity log of {}", id.name()), &cluster_path(id), ACTIVITY_LOG)
    }

    /// A subscription's activity log.
    pub fn subscription_log(&self, id: &SubscriptionId) -> Link {
        self.link(format!("activity log of subscription {id}"), &format!("/subscriptions/{id}"), ACTIVITY_LOG)
    }

    /// The page of a part of Azure; none for everywhere.
    pub fn scope(&self, scope: &Scope) -> Option<Link> {
        let link = |label: String, path: &str| Some(self.link(label, path, OVERVIEW));
        match scope {
            Scope::Everywhere => None,
            Scope::Subscription(id) => {
                link(format!("subscription {id} in the portal"), &format!("/subscriptions/{id}"))
            }
            Scope::ResourceGroup(group) => {
                let path = format!(
                    "/subscriptions/{}/resourceGroups/{}",
                    group.subscription(),
                    percent_encoded(group.name())
                );
                link(format!("resource group {} in the portal", group.name()), &path)
            }
            Scope::Cluster(id) => Some(self.cluster(id)),
        }
    }

    fn link(&self, label: String, path: &str, page: &str) -> Link {
        let tenant = self.tenant.as_ref().map_or("", |tenant| tenant.0.as_str());
        Link { label, url: format!("{}/#@{tenant}/resource{path}/{page}", self.cloud.portal_origin()) }
    }
}

fn cluster_path(id: &ClusterId) -> String {
    format!(
        "/subscriptions/{}/resourceGroups/{}/providers/{}/{}",
        id.subscription(),
        percent_encoded(id.resource_group()),
        id.kind().arm_type(),
        percent_encoded(id.name())
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::resource_id::MANAGED_CLUSTER_TYPE;
    use super::*;

    const SUB: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
    const TENANT: &str = "11112222-bb1b-cc2c-dd3d-eeeeee4e4e4e";

    fn cluster(group: &str) -> ClusterId {
        let path = format!("resourceGroups/{group}/providers/{MANAGED_CLUSTER_TYPE}/aks-1");
        ClusterId::parse(&format!("/subscriptions/{SUB}/{path}")).unwrap()
    }

    #[test]
    fn each_cloud_has_its_own_portal() {
        let url = |cloud: Cloud| Portal::new(cloud, None).cluster(&cluster("rg")).url;
        let path = format!(
            "/#@/resource/subscriptions/{SUB}/resourceGroups/rg/providers/{MANAGED_CLUSTER_TYPE}/aks-1/overview"
        );
        assert_eq!(url(Cloud::Public), format!("https://portal.azure.com{path}"));
        assert_eq!(url(Cloud::UsGov), format!("https://portal.azure.us{path}"));
        assert_eq!(url(Cloud::China), format!("https://portal.azure.cn{path}"));
    }

    #[test]
    fn a_link_opens_in_the_directory_of_the_settings_else_in_the_clusters_own() {
        let (own, other) = (TenantId::parse(TENANT).unwrap(), TenantId::parse(SUB).unwrap());
        let at = |tenant: Option<TenantId>| {
            Portal::new(Cloud::Public, tenant).or_in(Some(&own)).cluster_log(&cluster("rg")).url
        };
        let path = format!(
            "/resource/subscriptions/{SUB}/resourceGroups/rg/providers/{MANAGED_CLUSTER_TYPE}/aks-1/eventlogs"
        );
        assert_eq!(at(None), format!("https://portal.azure.com/#@{TENANT}{path}"));
        assert_eq!(at(Some(other)), format!("https://portal.azure.com/#@{SUB}{path}"));
    }

    #[test]
    fn a_name_that_is_a_domain_is_no_tenant_id() {
        assert_eq!(TenantId::parse("contoso.onmicrosoft.com"), None);
        assert!(serde_json::from_str::<TenantId>("\"evil.example/#\"").is_err());
    }

    #[test]
    fn each_part_of_azure_has_its_page_and_everywhere_has_none() {
        let portal = Portal::new(Cloud::Public, None);
        let urls =
            Scope::around(&cluster("grüppe(1)")).map(|scope| portal.scope(&scope).map(|link| link.url));
        let group = format!(
            "https://portal.azure.com/#@/resource/subscriptions/{SUB}/resourceGroups/gr%C3%BCppe%281%29"
        );
        assert_eq!(
            urls,
            [
                Some(format!("{group}/providers/{MANAGED_CLUSTER_TYPE}/aks-1/overview")),
                Some(format!("{group}/overview")),
                Some(format!("https://portal.azure.com/#@/resource/subscriptions/{SUB}/overview")),
                None,
            ]
        );
    }

    proptest! {
        #[test]
        fn no_name_leaves_its_place_in_a_link(group in "[\\p{L}0-9_()-]{1,90}") {
            let url = Portal::new(Cloud::Public, None).cluster(&cluster(&group)).url;
            prop_assert!(url.is_ascii(), "{}", url);
            prop_assert_eq!(url.split('/').count(), 14, "{}", url);
        }
    }
}
