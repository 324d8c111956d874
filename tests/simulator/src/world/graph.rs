//! Resource Graph, as little of it as finds stopped clusters, and the subscriptions of management groups.
//!
//! No query language here: the query must name the type of managed clusters or that of subscriptions, and is then taken as all
//! subscriptions of its scope, or as "the clusters whose
//! power state reads Stopped" if it says `Stopped`, "or that are being stopped" if it says `Stopping`, else as "all clusters".

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Draft;
use super::caller::TENANT;
use super::cluster::{Cluster, PowerState, ProvisioningState, State};
use super::groups::Groups;
use super::kind::Kind;

/// How far the index is behind. That it is behind is common knowledge; by how much is not documented.
pub const DEFAULT_GRAPH_LAG: SignedDuration = SignedDuration::from_secs(60);

/// The most rows of one page (documented).
const PAGE_ROWS_MAX: usize = 1000;

/// A question. Its scope is subscriptions, or management groups, or all that there is.
#[derive(Debug, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    subscriptions: Vec<String>,
    #[serde(rename = "managementGroups", default)]
    groups: Vec<String>,
    query: String,
    #[serde(default)]
    options: Options,
}

#[derive(Debug, Default, Deserialize)]
struct Options {
    #[serde(rename = "$top")]
    top: Option<usize>,
    #[serde(rename = "$skipToken")]
    skip_token: Option<String>,
    #[serde(rename = "resultFormat")]
    result_format: Option<String>,
}

impl Query {
    /// Reads a question, or answers that it is none.
    pub(super) fn read(body: &[u8]) -> Result<Self, Draft> {
        let query = serde_json::from_slice::<Self>(body)
            .map_err(|_| bad("InvalidRequest", "The request body is not a query."))?;
        if !query.names("microsoft.containerservice/managedclusters") && !query.is_of_subscriptions() {
            return Err(bad("InvalidQuery", "Query validation error"));
        }
        if query.options.result_format.as_deref().is_some_and(|format| format != "objectArray") {
            return Err(bad("InvalidRequest", "Only objectArray is answered here."));
        }
        if !query.subscriptions.is_empty() && !query.groups.is_empty() {
            return Err(bad(
                "InvalidRequest",
                "Subscriptions and management groups are not asked for together.",
            ));
        }
        Ok(query)
    }

    /// It asks for subscriptions; else for clusters.
    pub(super) fn is_of_subscriptions(&self) -> bool {
        self.names("resourcecontainers") && self.names("microsoft.resources/subscriptions'")
    }

    fn names(&self, word: &str) -> bool {
        self.query.to_ascii_lowercase().contains(word)
    }

    /// Answers with the clusters as the index knows them: as they were at `indexed`.
    pub(super) fn clusters<'a>(
        &self,
        clusters: impl Iterator<Item = &'a Cluster>,
        groups: &Groups,
        indexed: Timestamp,
    ) -> Draft {
        let (only_stopped, stopping_too) = (self.query.contains("Stopped"), self.query.contains("Stopping"));
        let is_down = |state: &State| {
            let is_stopping = stopping_too && state.provisioning == ProvisioningState::Stopping;
            is_stopping || state.power == PowerState::Stopped
        };
        let rows: Vec<Value> = clusters
            .filter(|cluster| cluster.id.kind == Kind::ManagedCluster)
            .filter(|cluster| self.covers(&cluster.id.subscription, groups))
            .filter_map(|cluster| cluster.state_at(indexed).map(|state| (cluster, state)))
            .filter(|(_, state)| !only_stopped || is_down(state))
            .map(|(cluster, state)| row(cluster, state))
            .collect();
        self.page_of(&rows)
    }

    /// Answers with the subscriptions in its scope. Whoever may not read them is shown none, without an error.
    pub(super) fn subscriptions_in(&self, groups: &Groups, sees_them: bool) -> Draft {
        let rows: Vec<Value> = groups
            .subscriptions()
            .filter(|subscription| sees_them && self.covers(subscription, groups))
            .map(|subscription| json!({ "id": format!("/subscriptions/{subscription}") }))
            .collect();
        self.page_of(&rows)
    }

    fn covers(&self, subscription: &str, groups: &Groups) -> bool {
        let is_whole_tenant = self.subscriptions.is_empty() && self.groups.is_empty();
        is_whole_tenant
            || self.subscriptions.iter().any(|one| one.eq_ignore_ascii_case(subscription))
            || self.groups.iter().any(|group| groups.has(group, subscription))
    }

    fn page_of(&self, rows: &[Value]) -> Draft {
        let Ok(offset) = self.options.skip_token.as_deref().map_or(Ok(0), str::parse::<usize>) else {
            return bad("InvalidRequest", "The skip token is not one that was given out.");
        };
        let top = self.options.top.unwrap_or(PAGE_ROWS_MAX).clamp(1, PAGE_ROWS_MAX);
        Draft::gateway(StatusCode::OK, &page(rows, offset, top)).with("x-ms-user-quota-remaining", "14")
    }
}

fn page(rows: &[Value], offset: usize, top: usize) -> Value {
    let data: Vec<&Value> = rows.iter().skip(offset).take(top).collect();
    let end = offset + data.len();
    let more = end < rows.len();
    let mut page = json!({
        "totalRecords": rows.len(),
        "count": data.len(),
        // A string, not a boolean (published examples).
        "resultTruncated": if more { "true" } else { "false" },
        "facets": [],
        "data": data,
    });
    if let (true, Some(members)) = (more, page.as_object_mut()) {
        members.insert("$skipToken".to_owned(), json!(end.to_string()));
    }
    page
}

/// Resource Graph's casing: type and resource group in lower case; unset tags are null.
fn row(cluster: &Cluster, state: &State) -> Value {
    json!({
        "id": cluster.id.to_string(),
        "name": cluster.id.name,
        "type": "microsoft.containerservice/managedclusters",
        "tenantId": TENANT,
        "location": cluster.location,
        "resourceGroup": cluster.id.resource_group.to_ascii_lowercase(),
        "subscriptionId": cluster.id.subscription,
        "tags": cluster.tags,
        "powerState": state.power.word(),
        "provisioningState": state.provisioning.word(),
        "kubernetesVersion": "1.34.4",
    })
}

fn bad(code: &str, message: &str) -> Draft {
    Draft::gateway(
        StatusCode::BAD_REQUEST,
        &json!({ "error": { "code": code, "message": message, "details": [] } }),
    )
}
