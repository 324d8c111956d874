//! Writes to what stands around the clusters: plans, network rules (see `rules`), workspaces.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::World;
use super::answer::Draft;
use super::arm::{Call, not_found};
use super::fault::RequestKind;
use super::id::ClusterId;

/// A write, understood, or the question how one goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Amend {
    PutPlan { subscription: String },
    DeleteRule { subscription: String, group: String, rule: String },
    PutRule { subscription: String, group: String, rule: String },
    PutWorkspace { subscription: String, id: String },
    NetworkOperation { subscription: String, operation: String },
}

impl Amend {
    /// Reads a path: its segments in lower case, and as they came.
    pub(super) fn of(method: &Method, lower: &[&str], segments: &[&str]) -> Option<Self> {
        let ["subscriptions", subscription, rest @ ..] = lower else { return None };
        let subscription = (*subscription).to_owned();
        match (method.as_str(), rest) {
            ("PUT", ["providers", "microsoft.security", "pricings", "containers"]) => {
                Some(Self::PutPlan { subscription })
            }
            ("PUT", ["resourcegroups", _, "providers", "microsoft.operationalinsights", "workspaces", _]) => {
                Some(Self::PutWorkspace { subscription, id: format!("/{}", segments.join("/")) })
            }
            (
                "PUT" | "DELETE",
                [
                    "resourcegroups",
                    _,
                    "providers",
                    "microsoft.network",
                    "networksecuritygroups",
                    _,
                    "securityrules",
                    rule,
                ],
            ) => {
                let group = format!("/{}", segments.get(..8)?.join("/"));
                if method == Method::DELETE {
                    return Some(Self::DeleteRule { subscription, group, rule: (*rule).to_owned() });
                }
                let rule = (*segments.last()?).to_owned();
                Some(Self::PutRule { subscription, group, rule })
            }
            ("GET", ["providers", "microsoft.network", "locations", _, "operations", operation]) => {
                Some(Self::NetworkOperation { subscription, operation: (*operation).to_owned() })
            }
            _ => None,
        }
    }

    pub(super) fn kind(&self) -> RequestKind {
        match self {
            Self::PutPlan { .. } => RequestKind::PutPlan,
            Self::DeleteRule { .. } => RequestKind::DeleteRule,
            Self::PutRule { .. } => RequestKind::PutRule,
            Self::PutWorkspace { .. } => RequestKind::PutWorkspace,
            Self::NetworkOperation { .. } => RequestKind::GetNetworkOperation,
        }
    }

    /// The right that it needs.
    pub(super) fn action(&self) -> &'static str {
        match self {
            Self::PutPlan { .. } => "Microsoft.Security/pricings/write",
            Self::DeleteRule { .. } => "Microsoft.Network/networkSecurityGroups/securityRules/delete",
            Self::PutRule { .. } => "Microsoft.Network/networkSecurityGroups/securityRules/write",
            Self::PutWorkspace { .. } => "Microsoft.OperationalInsights/workspaces/write",
            Self::NetworkOperation { .. } => "Microsoft.Network/locations/operations/read",
        }
    }

    pub(super) fn subscription(&self) -> &str {
        match self {
            Self::PutPlan { subscription }
            | Self::DeleteRule { subscription, .. }
            | Self::PutRule { subscription, .. }
            | Self::PutWorkspace { subscription, .. }
            | Self::NetworkOperation { subscription, .. } => subscription,
        }
    }
}

impl World {
    pub(super) fn amend(&mut self, amend: &Amend, call: &Call<'_>) -> Draft {
        match amend {
            Amend::PutPlan { subscription } => self.put_plan(subscription, call.request.body()),
            Amend::PutWorkspace { id, .. } => self.put_workspace(id, call.request.body()),
            Amend::DeleteRule { subscription, group, rule } => {
                self.delete_rule(subscription, group, rule, call)
            }
            Amend::PutRule { subscription, group, rule } => self.put_rule(subscription, group, rule, call),
            Amend::NetworkOperation { operation, .. } => self.network_operation(operation),
        }
    }

    /// The provider writes a tier as it spells it itself, whatever the request's spelling (recorded).
    fn put_plan(&mut self, subscription: &str, body: &[u8]) -> Draft {
        let read: Option<Value> = serde_json::from_slice(body).ok();
        let properties = read.and_then(|body| body.get("properties").cloned());
        let tier = properties.as_ref().and_then(|plan| plan.get("pricingTier")).and_then(Value::as_str);
        let tier = match tier.map(str::to_ascii_lowercase).as_deref() {
            Some("standard") => "Standard",
            Some("free") => "Free",
            _ => return invalid("pricingTier"),
        };
        let mut properties = properties.unwrap_or_default();
        if let Some(members) = properties.as_object_mut() {
            members.insert("pricingTier".to_owned(), json!(tier));
            members.insert("freeTrialRemainingTime".to_owned(), json!("PT0S"));
        }
        let scope = format!("/subscriptions/{subscription}");
        self.estate.put_plan(&scope, properties);
        Draft::gateway(StatusCode::OK, &self.estate.plan(&scope, subscription))
    }

    fn put_workspace(&mut self, id: &str, body: &[u8]) -> Draft {
        let Ok(body) = serde_json::from_slice::<Value>(body) else { return invalid("body") };
        let retention = body.pointer("/properties/retentionInDays").and_then(Value::as_u64);
        let (Some(location), Some(Ok(days))) =
            (body.get("location").and_then(Value::as_str), retention.map(u32::try_from))
        else {
            return invalid("location");
        };
        let is_new = self.estate.resource(id).is_none();
        self.estate.add_workspace(id, days);
        self.estate.place(id, location);
        let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
        self.estate.resource(id).map_or_else(|| invalid("id"), |made| Draft::gateway(status, made))
    }

    /// Refuses a write to a cluster that has changed since it was read (AKS docs, "Use eTags").
    pub(super) fn precondition(&self, call: &Call<'_>, id: &ClusterId) -> Result<(), Draft> {
        let Some(wanted) = call.request.headers().get("if-match") else { return Ok(()) };
        let Some(cluster) = self.clusters.get(id) else { return Err(not_found(id)) };
        if wanted.as_bytes() == cluster.etag.as_bytes() { Ok(()) } else { Err(changed()) }
    }
}

/// The provider's 412 (AKS docs, "Use eTags").
pub(super) fn changed() -> Draft {
    let message = "The condition specified using HTTP conditional header(s) is not met.";
    Draft::provider_error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message)
}

pub(super) fn invalid(what: &str) -> Draft {
    let message = format!("The request content was invalid: {what}");
    Draft::gateway_error(StatusCode::BAD_REQUEST, "InvalidRequestContent", &message)
}

/// Members of a cluster's properties that a PUT changes here; others are as the world has them.
pub(super) const WRITTEN: [&str; 3] = ["apiServerAccessProfile", "securityProfile", "kubernetesVersion"];
