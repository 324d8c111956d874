//! Reads of what stands around the clusters.

use http::{Method, StatusCode, Uri};
use serde_json::{Value, json};

use super::World;
use super::answer::Draft;
use super::arm::not_found;
use super::caller::{Caller, TENANT};
use super::cluster::Cluster;
use super::fault::RequestKind;
use super::id::ClusterId;
use super::kind::Kind;
use super::target::query_value;

/// A read, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Around {
    Subscriptions,
    Clusters { kind: Kind, subscription: String },
    Plan { subscription: String },
    Roles { subscription: String },
    Assignments { subscription: String },
    Releases { subscription: String },
    Groups { subscription: String, group: String },
    Permissions { subscription: String },
    Locks { subscription: String },
    Denials { subscription: String },
    Topics { subscription: String },
    EventSubscriptions { subscription: String, topic: String },
    Resource { kind: RequestKind, subscription: String, id: String },
    ClusterPlan(ClusterId),
    Upgrades(ClusterId),
    Settings(ClusterId),
}

impl Around {
    /// Reads a path: its segments in lower case, and as they came.
    pub(super) fn of(method: &Method, lower: &[&str], segments: &[&str]) -> Option<Self> {
        if method != Method::GET {
            return None;
        }
        if lower == ["subscriptions"] {
            return Some(Self::Subscriptions);
        }
        let ["subscriptions", subscription, rest @ ..] = lower else { return None };
        let subscription = (*subscription).to_owned();
        match rest {
            ["providers", provider, kind] if Kind::of(provider, kind).is_some() => {
                Kind::of(provider, kind).map(|kind| Self::Clusters { kind, subscription })
            }
            ["providers", "microsoft.containerservice", "locations", _, "kubernetesversions"] => {
                Some(Self::Releases { subscription })
            }
            ["providers", "microsoft.security", "pricings", "containers"] => {
                Some(Self::Plan { subscription })
            }
            ["providers", "microsoft.authorization", "roledefinitions"] => Some(Self::Roles { subscription }),
            ["providers", "microsoft.authorization", "roleassignments"] => {
                Some(Self::Assignments { subscription })
            }
            ["resourcegroups", _, "providers", "microsoft.authorization", "permissions"] => {
                Some(Self::Permissions { subscription })
            }
            ["providers", "microsoft.authorization", "locks"] => Some(Self::Locks { subscription }),
            ["providers", "microsoft.authorization", "denyassignments"] => {
                Some(Self::Denials { subscription })
            }
            ["providers", "microsoft.eventgrid", "systemtopics"] => Some(Self::Topics { subscription }),
            [
                "resourcegroups",
                _,
                "providers",
                "microsoft.eventgrid",
                "systemtopics",
                _,
                "eventsubscriptions",
            ] => {
                let topic = segments.split_last().map(|(_, topic)| format!("/{}", topic.join("/")))?;
                Some(Self::EventSubscriptions { subscription, topic })
            }
            ["resourcegroups", _, "providers", "microsoft.network", "networksecuritygroups"] => {
                let group = segments.get(3).map(|group| (*group).to_owned())?;
                Some(Self::Groups { subscription, group })
            }
            ["resourcegroups", _, "providers", provider, kind, _, tail @ ..] => {
                let kind = match (*provider, *kind, tail) {
                    ("microsoft.network", "networksecuritygroups", []) => RequestKind::GetNetworkGroup,
                    ("microsoft.network", "networksecuritygroups", ["securityrules", _]) => {
                        RequestKind::GetRule
                    }
                    ("microsoft.network", "virtualnetworks", ["subnets", _]) => RequestKind::GetSubnet,
                    ("microsoft.operationalinsights", "workspaces", []) => RequestKind::GetWorkspace,
                    ("microsoft.insights", "datacollectionrules", []) => RequestKind::GetCollectionRule,
                    _ => return None,
                };
                Some(Self::Resource { kind, subscription, id: format!("/{}", segments.join("/")) })
            }
            _ => None,
        }
    }

    /// Reads what comes after a cluster's id.
    pub(super) fn of_cluster(
        method: &Method,
        rest: &[&str],
        cluster: &ClusterId,
        segments: &[&str],
    ) -> Option<Self> {
        let id = || cluster.clone();
        match rest {
            _ if method != Method::GET => None,
            ["upgradeprofiles", "default"] => Some(Self::Upgrades(id())),
            ["providers", "microsoft.insights", "diagnosticsettings"] => Some(Self::Settings(id())),
            ["providers", "microsoft.security", "pricings", "containers"] => Some(Self::ClusterPlan(id())),
            ["providers", "microsoft.insights", "datacollectionruleassociations", _] => {
                let (kind, subscription) = (RequestKind::GetAssociation, cluster.subscription.clone());
                Some(Self::Resource { kind, subscription, id: format!("/{}", segments.join("/")) })
            }
            _ => None,
        }
    }

    pub(super) fn kind(&self) -> RequestKind {
        match self {
            Self::Subscriptions => RequestKind::ListSubscriptions,
            Self::Clusters { .. } => RequestKind::ListClusters,
            Self::Plan { .. } | Self::ClusterPlan(_) => RequestKind::GetPlan,
            Self::Roles { .. } => RequestKind::ListRoles,
            Self::Assignments { .. } => RequestKind::ListAssignments,
            Self::Releases { .. } => RequestKind::ListReleases,
            Self::Groups { .. } => RequestKind::ListNetworkGroups,
            Self::Resource { kind, .. } => *kind,
            Self::Upgrades(_) => RequestKind::GetUpgrades,
            Self::Settings(_) => RequestKind::ListSettings,
            Self::Permissions { .. } => RequestKind::ListPermissions,
            Self::Locks { .. } => RequestKind::ListLocks,
            Self::Denials { .. } => RequestKind::ListDenyAssignments,
            Self::Topics { .. } => RequestKind::ListTopics,
            Self::EventSubscriptions { .. } => RequestKind::ListEventSubscriptions,
        }
    }

    /// The right that it needs.
    pub(super) fn action(&self) -> &'static str {
        match self {
            Self::Subscriptions => "Microsoft.Resources/subscriptions/read",
            Self::Clusters { kind, .. } => kind.read_action(),
            Self::Plan { .. } | Self::ClusterPlan(_) => "Microsoft.Security/pricings/read",
            Self::Roles { .. } => "Microsoft.Authorization/roleDefinitions/read",
            Self::Assignments { .. } => "Microsoft.Authorization/roleAssignments/read",
            Self::Releases { .. } => "Microsoft.ContainerService/locations/kubernetesVersions/read",
            Self::Groups { .. } => "Microsoft.Network/networkSecurityGroups/read",
            Self::Upgrades(_) => "Microsoft.ContainerService/managedClusters/upgradeProfiles/read",
            Self::Settings(_) => "Microsoft.Insights/diagnosticSettings/read",
            Self::Permissions { .. } => "Microsoft.Authorization/permissions/read",
            Self::Locks { .. } => "Microsoft.Authorization/locks/read",
            Self::Denials { .. } => "Microsoft.Authorization/denyAssignments/read",
            Self::Topics { .. } => "Microsoft.EventGrid/systemTopics/read",
            Self::EventSubscriptions { .. } => "Microsoft.EventGrid/systemTopics/eventSubscriptions/read",
            Self::Resource { kind: RequestKind::GetSubnet, .. } => {
                "Microsoft.Network/virtualNetworks/subnets/read"
            }
            Self::Resource { kind: RequestKind::GetRule, .. } => {
                "Microsoft.Network/networkSecurityGroups/securityRules/read"
            }
            Self::Resource { kind: RequestKind::GetWorkspace, .. } => {
                "Microsoft.OperationalInsights/workspaces/read"
            }
            Self::Resource { kind: RequestKind::GetCollectionRule, .. } => {
                "Microsoft.Insights/dataCollectionRules/read"
            }
            Self::Resource { kind: RequestKind::GetAssociation, .. } => {
                "Microsoft.Insights/dataCollectionRuleAssociations/read"
            }
            Self::Resource { .. } => "Microsoft.Network/networkSecurityGroups/read",
        }
    }

    pub(super) fn cluster(&self) -> Option<&ClusterId> {
        match self {
            Self::ClusterPlan(id) | Self::Upgrades(id) | Self::Settings(id) => Some(id),
            Self::Subscriptions
            | Self::Clusters { .. }
            | Self::Plan { .. }
            | Self::Roles { .. }
            | Self::Assignments { .. }
            | Self::Releases { .. }
            | Self::Groups { .. }
            | Self::Permissions { .. }
            | Self::Locks { .. }
            | Self::Denials { .. }
            | Self::Topics { .. }
            | Self::EventSubscriptions { .. }
            | Self::Resource { .. } => None,
        }
    }

    pub(super) fn subscription(&self) -> Option<&str> {
        match self {
            Self::Subscriptions => None,
            Self::Clusters { subscription, .. }
            | Self::Plan { subscription }
            | Self::Roles { subscription }
            | Self::Assignments { subscription }
            | Self::Releases { subscription }
            | Self::Groups { subscription, .. }
            | Self::Permissions { subscription }
            | Self::Locks { subscription }
            | Self::Denials { subscription }
            | Self::Topics { subscription }
            | Self::EventSubscriptions { subscription, .. }
            | Self::Resource { subscription, .. } => Some(subscription),
            Self::ClusterPlan(id) | Self::Upgrades(id) | Self::Settings(id) => Some(&id.subscription),
        }
    }
}

impl World {
    /// Answers a read.
    pub(super) fn around(&self, around: &Around, uri: &Uri, caller: &Caller) -> Draft {
        let estate = &self.estate;
        match around {
            Around::Subscriptions => {
                ok(&json!({ "value": self.subscriptions.iter().map(subscription).collect::<Vec<_>>() }))
            }
            Around::Clusters { kind, subscription } => self.list_clusters(*kind, subscription, uri),
            Around::Plan { subscription } => {
                ok(&estate.plan(&format!("/subscriptions/{subscription}"), subscription))
            }
            Around::Roles { .. } => ok(&json!({ "value": estate.definitions() })),
            Around::Assignments { subscription } => ok(&json!({ "value": estate.assignments(subscription) })),
            Around::Releases { .. } => {
                let release = |(minor, plans): &(String, Vec<String>)| {
                    json!({ "version": minor, "capabilities": { "supportPlan": plans },
                            "patchVersions": { format!("{minor}.4"): { "upgrades": [] } } })
                };
                ok(&json!({ "values": estate.releases.iter().map(release).collect::<Vec<_>>() }))
            }
            Around::Groups { subscription, group } => self.list_groups(subscription, group),
            Around::Permissions { .. } => ok(&self.permissions(caller)),
            Around::Locks { subscription } => ok(&self.gates.locks(subscription)),
            Around::Denials { subscription } => ok(&self.gates.denials(subscription)),
            Around::Topics { subscription } => ok(&self.gates.topics(subscription)),
            Around::EventSubscriptions { topic, .. } => match self.gates.event_subscriptions(topic) {
                Some(body) => ok(&body),
                None => self.resource(RequestKind::ListEventSubscriptions, topic),
            },
            Around::Resource { kind, id, .. } => self.resource(*kind, id),
            Around::ClusterPlan(id) => {
                self.of_cluster(id, |_| estate.plan(&id.to_string(), &id.subscription))
            }
            Around::Settings(id) => self.of_cluster(id, |_| json!({ "value": estate.settings_of(id) })),
            Around::Upgrades(id) => self.of_cluster(id, |cluster| upgrades(cluster, estate.upgrades_of(id))),
        }
    }

    fn of_cluster(&self, id: &ClusterId, body: impl Fn(&Cluster) -> Value) -> Draft {
        self.clusters.get(id).map_or_else(|| not_found(id), |cluster| ok(&body(cluster)))
    }

    /// A page of the clusters. The next page's URL begins with the endpoint, as all that Azure answers.
    fn list_clusters(&self, kind: Kind, subscription: &str, uri: &Uri) -> Draft {
        let offset =
            query_value(uri, "$skipToken").and_then(|token| token.parse::<usize>().ok()).unwrap_or(0);
        let size = self.settings.cluster_page_size.max(1);
        let mut own = self
            .clusters
            .values()
            .filter(|one| one.id.kind == kind && one.id.subscription.eq_ignore_ascii_case(subscription))
            .skip(offset);
        let page: Vec<Value> = own.by_ref().take(size).map(Cluster::listed).collect();
        let mut body = json!({ "value": page });
        if let (true, Some(members)) = (own.next().is_some(), body.as_object_mut()) {
            let version = query_value(uri, "api-version").unwrap_or_default();
            let link = format!(
                "{}{}?api-version={version}&$skipToken={}",
                self.settings.endpoint,
                uri.path(),
                offset + size
            );
            members.insert("nextLink".to_owned(), json!(link));
        }
        ok(&body)
    }

    /// The groups of a resource group: AKS has one in each node resource group.
    fn list_groups(&self, subscription: &str, group: &str) -> Draft {
        let prefix = format!("/subscriptions/{subscription}/resourceGroups/{group}");
        let is_node_group = |cluster: &&Cluster| {
            cluster.id.kind == Kind::ManagedCluster
                && cluster.id.subscription.eq_ignore_ascii_case(subscription)
                && cluster.node_group().eq_ignore_ascii_case(group)
        };
        let of_aks = self.clusters.values().find(is_node_group).map(Cluster::network_group);
        let made = self.estate.groups_in(&prefix);
        if of_aks.is_none() && made.is_empty() {
            let message = format!("Resource group '{group}' could not be found.");
            return Draft::gateway_error(StatusCode::NOT_FOUND, "ResourceGroupNotFound", &message);
        }
        let ids = of_aks.iter().map(String::as_str).chain(made);
        ok(&json!({ "value": ids.map(|id| self.estate.group(id)).collect::<Vec<_>>() }))
    }

    fn resource(&self, kind: RequestKind, id: &str) -> Draft {
        let is_of_aks =
            || self.clusters.values().any(|cluster| cluster.network_group().eq_ignore_ascii_case(id));
        if kind == RequestKind::GetRule
            && let Some(rule) = self.estate.shown_rule(id)
        {
            return ok(&rule);
        }
        match (self.estate.resource(id), kind) {
            (Some(_), RequestKind::GetNetworkGroup) => ok(&self.estate.group(id)),
            (Some(body), _) => ok(body),
            (None, RequestKind::GetNetworkGroup) if is_of_aks() => ok(&self.estate.group(id)),
            (None, _) => {
                let message = format!(
                    "The Resource '{id}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
                );
                Draft::gateway_error(StatusCode::NOT_FOUND, "ResourceNotFound", &message)
            }
        }
    }
}

fn ok(body: &Value) -> Draft {
    Draft::gateway(StatusCode::OK, body)
}

fn subscription(id: &String) -> Value {
    json!({ "id": format!("/subscriptions/{id}"), "subscriptionId": id, "displayName": id, "state": "Enabled", "tenantId": TENANT })
}

/// No `upgrades` where there are none; another casing than was asked for (both recorded).
fn upgrades(cluster: &Cluster, versions: &[String]) -> Value {
    let mut profile = json!({ "kubernetesVersion": "1.34.4", "osType": "Linux" });
    if let (false, Some(members)) = (versions.is_empty(), profile.as_object_mut()) {
        let upgrade = |version: &String| json!({ "kubernetesVersion": version });
        members.insert("upgrades".to_owned(), versions.iter().map(upgrade).collect());
    }
    json!({
        "id": format!("{}/upgradeprofiles/default", cluster.id.as_answered()), "name": "default",
        "type": "Microsoft.ContainerService/managedClusters/upgradeprofiles",
        "properties": { "controlPlaneProfile": profile, "agentPoolProfiles": null },
    })
}
