//! Which managed clusters are down, and which subscriptions are in a management group, from Resource Graph. Pure: the client in
//! [`super::arm`] asks.
//!
//! The index is minutes behind (Azure doesn't say by how much), and it shows what the guard's identity may read and nothing
//! else, without an error for the rest. So a row is a hint: a look decides.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ArmError;
use crate::domain::{ClusterId, ManagementGroup, Power, Provisioning, SubscriptionId};

/// The api-version of `Microsoft.ResourceGraph/resources` (source: azure-rest-api-specs, `ResourcesBasicQuery.json`).
pub const RESOURCE_GRAPH_API_VERSION: &str = "2021-03-01";
/// Subscriptions of one query at most (source: Resource Graph docs, "Run first query with Azure PowerShell": "supports up to
/// 1000 subscription IDs at a time").
pub(super) const SUBSCRIPTIONS_PER_QUERY: usize = 1_000;
/// Rows of one page: the most that are allowed (source: Resource Graph docs, "Paging results").
const ROWS_PER_PAGE: u32 = 1_000;
/// Pages that are read of one question at most: 20,000 clusters that are down, or subscriptions.
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

/// The subscriptions in the scope of the question, those of groups below it too (source: Resource Graph docs, "Starter queries" and
/// "Sample queries by table", `resourcecontainers`).
const SUBSCRIPTIONS_QUERY: &str =
    "resourcecontainers | where type =~ 'microsoft.resources/subscriptions' | project id | order by id asc";
/// What stands before the GUID in a subscription's resource id.
const SUBSCRIPTION_PREFIX: &str = "/subscriptions/";

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

/// Which subscriptions Resource Graph shows in a management group.
#[derive(Debug, Default)]
pub struct GroupReading {
    /// The subscriptions, those of groups below it too.
    pub subscriptions: Vec<SubscriptionId>,
    /// Why there may be more. Without this, what is not in `subscriptions` is not in the group, or not the guard's to see.
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
    #[error("resource graph has more than {PAGES_MAX} pages of them")]
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

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Question<'a> {
    /// The clusters of these subscriptions that are down.
    Down(&'a [SubscriptionId]),
    /// The subscriptions in a group.
    In(&'a ManagementGroup),
}

/// One page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<T> {
    pub(super) rows: Vec<T>,
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
    #[error("resource graph shows something as a subscription that is none")]
    OddRow,
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

impl Question<'_> {
    /// The body of the request.
    pub(super) fn body(self, skip_token: Option<&str>) -> Bytes {
        let mut options = json!({ "resultFormat": "objectArray", "$top": ROWS_PER_PAGE });
        if let (Some(token), Some(members)) = (skip_token, options.as_object_mut()) {
            members.insert("$skipToken".to_owned(), json!(token));
        }
        let body = match self {
            Self::Down(asked) => json!({ "subscriptions": asked, "query": QUERY, "options": options }),
            Self::In(group) => {
                json!({ "managementGroups": [group], "query": SUBSCRIPTIONS_QUERY, "options": options })
            }
        };
        Bytes::from(body.to_string())
    }
}

/// Reads a page of clusters. Rows that are no cluster of the asked subscriptions, or not down, are dropped with a line in the log: one
/// odd row must not hide the others.
pub(super) fn down_page(body: &[u8], asked: &[SubscriptionId]) -> Result<Page<DownCluster>, PageError> {
    let Page { rows, skip_token } = page(body)?;
    let mut down = Vec::with_capacity(rows.len());
    let mut odd = 0;
    for row in rows {
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
    Ok(Page { rows: down, skip_token })
}

/// Reads a page of subscriptions. A row that is none spoils the answer: to drop it could mean to stop guarding one.
pub(super) fn subscriptions_page(body: &[u8]) -> Result<Page<SubscriptionId>, PageError> {
    let Page { rows, skip_token } = page(body)?;
    let rows = rows.iter().map(|row| subscription(row).ok_or(PageError::OddRow)).collect::<Result<_, _>>()?;
    Ok(Page { rows, skip_token })
}

fn page(body: &[u8]) -> Result<Page<Value>, PageError> {
    let wire: Wire = serde_json::from_slice(body).map_err(|_| PageError::NoRows)?;
    let is_cut = match &wire.result_truncated {
        Value::Bool(truncated) => *truncated,
        Value::String(truncated) => truncated.eq_ignore_ascii_case("true"),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    };
    match wire.skip_token {
        Some(token) if token.len() > SKIP_TOKEN_BYTES_MAX => Err(PageError::LongToken),
        Some(token) if !token.is_empty() => Ok(Page { rows: wire.data, skip_token: Some(token) }),
        Some(_) | None if is_cut => Err(PageError::NoToken),
        Some(_) | None => Ok(Page { rows: wire.data, skip_token: None }),
    }
}

fn subscription(row: &Value) -> Option<SubscriptionId> {
    let id = row.get("id")?.as_str()?;
    let prefix = id.get(..SUBSCRIPTION_PREFIX.len())?;
    let guid = id.get(SUBSCRIPTION_PREFIX.len()..)?;
    prefix.eq_ignore_ascii_case(SUBSCRIPTION_PREFIX).then(|| SubscriptionId::parse(guid).ok()).flatten()
}

fn cluster(row: Value, asked: &[SubscriptionId]) -> Result<DownCluster, String> {
    let row: Row = serde_json::from_value(row).map_err(|_| "it has no id".to_owned())?;
    let id = ClusterId::parse_managed(&row.id).map_err(|error| error.to_string())?;
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

    fn read(value: &Value) -> Result<Page<DownCluster>, PageError> {
        down_page(value.to_string().as_bytes(), &asked())
    }

    #[test]
    fn a_query_asks_for_the_clusters_that_are_stopped_or_being_stopped() {
        let body: Value = serde_json::from_slice(&Question::Down(&asked()).body(Some("next"))).unwrap();
        assert_eq!(body["subscriptions"], json!([SUBSCRIPTION]));
        let options = json!({ "resultFormat": "objectArray", "$top": 1_000, "$skipToken": "next" });
        assert_eq!(body["options"], options);
        insta::assert_snapshot!(body["query"].as_str().unwrap(), @"resources | where type =~ 'microsoft.containerservice/managedclusters' | extend powerState = tostring(properties.powerState.code), provisioningState = tostring(properties.provisioningState) | where powerState =~ 'Stopped' or provisioningState =~ 'Stopping' | project id, powerState, provisioningState | order by id asc");
    }

    #[test]
    fn a_group_is_asked_for_its_subscriptions_and_one_odd_row_spoils_the_answer() {
        let group = ManagementGroup::parse("mg-prod").unwrap();
        let body: Value = serde_json::from_slice(&Question::In(&group).body(None)).unwrap();
        assert_eq!(body["managementGroups"], json!(["mg-prod"]));
        assert_eq!(body.get("subscriptions"), None, "both at once is no question");
        insta::assert_snapshot!(body["query"].as_str().unwrap(), @"resourcecontainers | where type =~ 'microsoft.resources/subscriptions' | project id | order by id asc");

        let read = |rows: Value| {
            let page = json!({ "data": rows, "resultTruncated": "false" });
            subscriptions_page(page.to_string().as_bytes()).map(|page| page.rows)
        };
        let row = json!({ "id": format!("/Subscriptions/{}", SUBSCRIPTION.to_uppercase()) });
        assert_eq!(read(json!([row])), Ok(asked()));
        for odd in [json!({}), json!(null), json!({ "id": id("aks") }), json!({ "id": SUBSCRIPTION })] {
            assert_eq!(read(json!([row, odd])), Err(PageError::OddRow), "{odd}");
        }
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
        let rows: Vec<_> = page.rows.iter().map(|row| (row.cluster.name(), row.is_stopping)).collect();
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
            let _ = (down_page(&body, &asked()), subscriptions_page(&body));
            let _ = page("[".repeat(deep).as_bytes());
        }
    }
}
