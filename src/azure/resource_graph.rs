//! Which managed clusters are down, from Resource Graph. Pure: the client in [`super::arm`] asks.
//!
//! The index is minutes behind (Azure doesn't say by how much), and it shows what the guard's identity may read and nothing
//! else, without an error for the rest. So a row is a hint: a look decides.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ArmError;
use crate::domain::{ClusterId, Power, Provisioning, SubscriptionId};

/// The api-version of `Microsoft.ResourceGraph/resources` (source: azure-rest-api-specs, `ResourcesBasicQuery.json`).
pub const RESOURCE_GRAPH_API_VERSION: &str = "2021-03-01";
/// Subscriptions of one query at most (source: Resource Graph docs, "Run first query with Azure PowerShell": "supports up to
/// 1000 subscription IDs at a time").
pub(super) const SUBSCRIPTIONS_PER_QUERY: usize = 1_000;
/// Rows of one page: the most that are allowed (source: Resource Graph docs, "Paging results").
const ROWS_PER_PAGE: u32 = 1_000;
/// Pages that are read of one question at most: 20,000 clusters that are down.
pub(super) const PAGES_MAX: usize = 20;
/// Longest skip token that is sent back, bytes. Real ones have some hundred.
const SKIP_TOKEN_BYTES_MAX: usize = 16 * 1_024;
/// Rows that are no use, of which one page's log lines tell.
const ODD_ROWS_LOGGED_MAX: usize = 5;

/// Clusters that are stopped, or being stopped. Ordered by id, as paging demands (source: Resource Graph docs, "Paging
/// results": a query without `id` in its output has no skip token).
const QUERY: &str = "resources | where type =~ 'microsoft.containerservice/managedclusters' \
    | extend powerState = tostring(properties.powerState.code), provisioningState = tostring(properties.provisioningState) \
    | where powerState =~ 'Stopped' or provisioningState =~ 'Stopping' \
    | project id, powerState, provisioningState | order by id asc";

/// A guarded cluster that was down when the index saw it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownCluster {
    /// Which.
    pub cluster: ClusterId,
    /// It was being stopped; else it was stopped.
    pub is_stopping: bool,
}

/// What Resource Graph said.
#[derive(Debug, Default)]
pub struct GraphReading {
    /// The clusters that are down.
    pub down: Vec<DownCluster>,
    /// Why there may be more. Without this, what is not in `down` was not down.
    pub unfinished: Option<Unfinished>,
}

/// Why a reading ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    /// A page could not be had.
    #[error(transparent)]
    Failed(ArmError),
    /// The identity's quota is used up.
    #[error("the quota of resource graph is used up for {} s", resets_after.as_secs())]
    QuotaUsedUp {
        /// When there is a new one.
        resets_after: Duration,
    },
    /// There are more pages than are read.
    #[error("resource graph has more than {PAGES_MAX} pages of stopped clusters")]
    TooManyPages,
}

impl Unfinished {
    /// How long Resource Graph wants to be left alone, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Failed(error) => error.retry_after(),
            Self::QuotaUsedUp { resets_after } => Some(*resets_after),
            Self::TooManyPages => None,
        }
    }
}

/// One page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) down: Vec<DownCluster>,
    /// Where the next page begins.
    pub(super) skip_token: Option<String>,
}

/// Why a page can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PageError {
    #[error("the page of resource graph has no list of rows")]
    NoRows,
    #[error("resource graph says that there is more, and not where")]
    NoToken,
    #[error("the skip token of resource graph has more than {SKIP_TOKEN_BYTES_MAX} bytes")]
    LongToken,
}

#[derive(Debug, Deserialize)]
struct Wire {
    data: Vec<Value>,
    /// `"true"` or `"false"`: a string (source: azure-rest-api-specs, `ResourcesBasicQuery.json`).
    #[serde(rename = "resultTruncated", default)]
    result_truncated: Value,
    #[serde(rename = "$skipToken", default)]
    skip_token: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Row {
    id: String,
    #[serde(rename = "powerState", default)]
    power: Option<String>,
    #[serde(rename = "provisioningState", default)]
    provisioning: Option<String>,
}

/// The body of a query.
pub(super) fn body(subscriptions: &[SubscriptionId], skip_token: Option<&str>) -> Bytes {
    let mut options = json!({ "resultFormat": "objectArray", "$top": ROWS_PER_PAGE });
    if let (Some(token), Some(members)) = (skip_token, options.as_object_mut()) {
        members.insert("$skipToken".to_owned(), json!(token));
    }
    let body = json!({ "subscriptions": subscriptions, "query": QUERY, "options": options });
    Bytes::from(body.to_string())
}

/// Reads a page. Rows that are no cluster of the asked subscriptions, or not down, are dropped with a line in the log: one odd
/// row must not hide the others.
pub(super) fn page(body: &[u8], asked: &[SubscriptionId]) -> Result<Page, PageError> {
    let wire: Wire = serde_json::from_slice(body).map_err(|_| PageError::NoRows)?;
    let mut down = Vec::with_capacity(wire.data.len());
    let mut odd = 0;
    for row in wire.data {
        match cluster(row, asked) {
            Ok(cluster) => down.push(cluster),
            Err(why) => {
                odd += 1;
                if odd <= ODD_ROWS_LOGGED_MAX {
                    tracing::warn!(why, "a row of resource graph is dropped");
                }
            }
        }
    }
    if odd > ODD_ROWS_LOGGED_MAX {
        tracing::warn!(rows = odd, "rows of resource graph are dropped");
    }
    let is_cut = match &wire.result_truncated {
        Value::Bool(truncated) => *truncated,
        Value::String(truncated) => truncated.eq_ignore_ascii_case("true"),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    };
    match wire.skip_token {
        Some(token) if token.len() > SKIP_TOKEN_BYTES_MAX => Err(PageError::LongToken),
        Some(token) if !token.is_empty() => Ok(Page { down, skip_token: Some(token) }),
        Some(_) | None if is_cut => Err(PageError::NoToken),
        Some(_) | None => Ok(Page { down, skip_token: None }),
    }
}

fn cluster(row: Value, asked: &[SubscriptionId]) -> Result<DownCluster, String> {
    let row: Row = serde_json::from_value(row).map_err(|_| "it has no id".to_owned())?;
    let id = ClusterId::parse(&row.id).map_err(|error| error.to_string())?;
    if !asked.contains(id.subscription()) {
        return Err(format!("`{id}` is in a subscription that was not asked for"));
    }
    let is_stopping = Provisioning::parse(row.provisioning.as_deref()) == Provisioning::Stopping;
    if is_stopping || Power::parse(row.power.as_deref()) == Power::Stopped {
        Ok(DownCluster { cluster: id, is_stopping })
    } else {
        Err(format!("`{id}` is not down"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

    fn asked() -> Vec<SubscriptionId> {
        vec![SubscriptionId::parse(SUBSCRIPTION).unwrap()]
    }

    fn id(name: &str) -> String {
        format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/{name}"
        )
    }

    fn read(value: &Value) -> Result<Page, PageError> {
        page(value.to_string().as_bytes(), &asked())
    }

    #[test]
    fn a_query_asks_for_the_clusters_that_are_stopped_or_being_stopped() {
        let body: Value = serde_json::from_slice(&body(&asked(), Some("next"))).unwrap();
        assert_eq!(body["subscriptions"], json!([SUBSCRIPTION]));
        let options = json!({ "resultFormat": "objectArray", "$top": 1_000, "$skipToken": "next" });
        assert_eq!(body["options"], options);
        insta::assert_snapshot!(body["query"].as_str().unwrap(), @"resources | where type =~ 'microsoft.containerservice/managedclusters' | extend powerState = tostring(properties.powerState.code), provisioningState = tostring(properties.provisioningState) | where powerState =~ 'Stopped' or provisioningState =~ 'Stopping' | project id, powerState, provisioningState | order by id asc");
    }

    #[test]
    fn hostile_and_foreign_rows_are_dropped_and_hide_no_other() {
        let foreign = id("aks").replace(SUBSCRIPTION, "00000000-0000-0000-0000-000000000000");
        let rows = json!([
            { "id": foreign, "powerState": "Stopped" },
            { "id": format!("{}/../../x", id("aks")), "powerState": "Stopped" },
            { "id": "/subscriptions/x", "powerState": "Stopped" },
            { "id": 7, "powerState": "Stopped" },
            { "powerState": "Stopped" },
            "row",
            null,
            { "id": id("aks-running"), "powerState": "Running", "provisioningState": "Succeeded" },
            { "id": id("aks-stopped"), "powerState": "stopped", "provisioningState": "Succeeded" },
            { "id": id("aks-stopping"), "powerState": null, "provisioningState": "Stopping" },
        ]);
        let page = read(&json!({ "data": rows, "resultTruncated": "false" })).unwrap();
        let rows: Vec<_> = page.down.iter().map(|row| (row.cluster.name(), row.is_stopping)).collect();
        assert_eq!(rows, [("aks-stopped", false), ("aks-stopping", true)]);
    }

    #[test]
    fn a_page_that_is_cut_and_does_not_say_where_it_goes_on_is_no_answer() {
        assert_eq!(read(&json!({ "data": [], "resultTruncated": "true" })), Err(PageError::NoToken));
        assert_eq!(read(&json!({ "data": [], "resultTruncated": true })), Err(PageError::NoToken));
        assert_eq!(read(&json!({ "data": {} })), Err(PageError::NoRows));
        let long = "x".repeat(SKIP_TOKEN_BYTES_MAX + 1);
        assert_eq!(read(&json!({ "data": [], "$skipToken": long })), Err(PageError::LongToken));
        let more = read(&json!({ "data": [], "resultTruncated": "true", "$skipToken": "next" })).unwrap();
        assert_eq!(more.skip_token.as_deref(), Some("next"));
    }

    proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..300), deep in 0usize..5_000) {
            let _ = page(&body, &asked());
            let _ = page("[".repeat(deep).as_bytes(), &asked());
        }
    }
}
