//! Resource Graph, as little of it as finds stopped clusters.
//!
//! No query language here: the query must name the type of managed clusters, and is then taken as "the clusters whose
//! power state reads Stopped" if it says `Stopped`, "or that are being stopped" if it says `Stopping`, else as "all clusters".

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Draft;
use super::caller::TENANT;
use super::cluster::{Cluster, PowerState, ProvisioningState, State};

/// How far the index is behind. That it is behind is common knowledge; by how much is not documented.
pub const DEFAULT_GRAPH_LAG: SignedDuration = SignedDuration::from_secs(60);

/// The most rows of one page (documented).
const PAGE_ROWS_MAX: usize = 1000;

#[derive(Debug, Deserialize)]
struct Query {
    #[serde(default)]
    subscriptions: Vec<String>,
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

/// Answers a query over the clusters as the index knows them: as they were at `indexed`.
pub(super) fn answer<'a>(
    body: &[u8],
    clusters: impl Iterator<Item = &'a Cluster>,
    indexed: Timestamp,
) -> Draft {
    let query = match serde_json::from_slice::<Query>(body) {
        Ok(query) => query,
        Err(_) => return bad("InvalidRequest", "The request body is not a query."),
    };
    if !query.query.to_ascii_lowercase().contains("microsoft.containerservice/managedclusters") {
        return bad("InvalidQuery", "Query validation error");
    }
    if query.options.result_format.as_deref().is_some_and(|format| format != "objectArray") {
        return bad("InvalidRequest", "Only objectArray is answered here.");
    }
    let Ok(offset) = query.options.skip_token.as_deref().map_or(Ok(0), str::parse::<usize>) else {
        return bad("InvalidRequest", "The skip token is not one that was given out.");
    };
    let (only_stopped, stopping_too) = (query.query.contains("Stopped"), query.query.contains("Stopping"));
    let is_down = |state: &State| {
        let is_stopping = stopping_too && state.provisioning == ProvisioningState::Stopping;
        is_stopping || state.power == PowerState::Stopped
    };
    let wanted = |cluster: &Cluster| {
        query.subscriptions.is_empty()
            || query.subscriptions.iter().any(|s| s.eq_ignore_ascii_case(&cluster.id.subscription))
    };
    let rows: Vec<Value> = clusters
        .filter(|cluster| wanted(cluster))
        .filter_map(|cluster| cluster.state_at(indexed).map(|state| (cluster, state)))
        .filter(|(_, state)| !only_stopped || is_down(state))
        .map(|(cluster, state)| row(cluster, state))
        .collect();
    let top = query.options.top.unwrap_or(PAGE_ROWS_MAX).clamp(1, PAGE_ROWS_MAX);
    Draft::gateway(StatusCode::OK, &page(&rows, offset, top)).with("x-ms-user-quota-remaining", "14")
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
