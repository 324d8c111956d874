//! Starts and stops of all clusters in a scope, for reports: nothing is decided by them.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{Operation, Page, PageError, cluster_of, own_id, time, verb};
use crate::domain::{ClusterId, LogScope, PowerVerb, ScopeOperation, ScopeReading, text};

/// Most starts and stops that are kept of one reading: 500 clusters that are stopped and started each night of 90 days. About
/// 60 MB at most.
const OPERATIONS_MAX: usize = 100_000;
/// Longest role name that is kept, in characters. Role definitions have 128 at most (source: Azure RBAC limits); some are GUIDs.
const ROLE_CHARS_MAX: usize = 128;

/// The `$filter` for a scope (source: Azure REST docs, "Activity Logs - List": a time window and one of `resourceGroupName`,
/// `resourceUri`, `resourceProvider`, `correlationId`). A scope's names can't hold a quote.
pub fn scope_filter(scope: &LogScope, since: Timestamp, until: Timestamp) -> String {
    let window = format!("eventTimestamp ge '{since}' and eventTimestamp le '{until}'");
    match scope {
        LogScope::Subscription(_) => format!("{window} and resourceProvider eq 'Microsoft.ContainerService'"),
        LogScope::ResourceGroup(_, group) => format!("{window} and resourceGroupName eq '{group}'"),
        LogScope::Cluster(id) => super::filter(id, since, until),
    }
}

/// A reading of a whole scope that grows page by page.
#[derive(Debug)]
pub struct AllReading<'a> {
    scope: &'a LogScope,
    operations: HashMap<(String, bool, String), Found>,
    unusable: usize,
    is_full: bool,
}

#[derive(Debug)]
struct Found {
    cluster: ClusterId,
    operation: Operation,
    role: Option<String>,
}

impl<'a> AllReading<'a> {
    /// Begins a reading.
    pub fn of(scope: &'a LogScope) -> Self {
        Self { scope, operations: HashMap::new(), unusable: 0, is_full: false }
    }

    /// Takes a page in and gives the link to the next one, unchecked. Records that tell of no start or stop in the scope are
    /// passed over; once too many are kept, what is new is passed over, too.
    ///
    /// # Errors
    /// The page has no list of records.
    pub fn add_page(&mut self, body: &[u8]) -> Result<Option<String>, PageError> {
        let page: Page<Value> = Page::read(body)?;
        for record in &page.value {
            self.add_record(record);
        }
        Ok(page.next_link.filter(|link| !link.is_empty()))
    }

    fn add_record(&mut self, record: &Value) {
        let Some((kind, verb)) = verb(record) else { return };
        let cluster = cluster_of(record).filter(|cluster| cluster.kind() == kind);
        let (Some(cluster), Some(at)) = (cluster, time(record)) else {
            self.unusable += 1;
            return;
        };
        if !self.scope.contains(&cluster) {
            return;
        }
        let key = (cluster.lower().to_owned(), verb == PowerVerb::Start, own_id(record));
        if self.operations.len() >= OPERATIONS_MAX && !self.operations.contains_key(&key) {
            self.is_full = true;
            return;
        }
        let found = self.operations.entry(key).or_insert_with(|| Found {
            cluster,
            operation: Operation::begin(record, verb, at),
            role: None,
        });
        found.operation.add(record, at);
        if found.role.is_none() {
            found.role = role(record);
        }
    }

    /// How many operations were found so far.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether none was found so far.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Whether no more are kept.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// The operations that count, the oldest first. `is_cut`: the log has pages that were not read.
    pub fn finish(self, is_cut: bool) -> ScopeReading {
        let counting = self.operations.into_values().filter(|found| found.operation.counts());
        let mut operations: Vec<ScopeOperation> = counting
            .map(|Found { cluster, operation, role }| ScopeOperation {
                cluster,
                operation: operation.power,
                role,
            })
            .collect();
        operations.sort_by(|a, b| {
            let time = a.operation.began_at.cmp(&b.operation.began_at);
            time.then_with(|| a.cluster.lower().cmp(b.cluster.lower()))
                .then_with(|| a.operation.operation_id.cmp(&b.operation.operation_id))
        });
        ScopeReading { operations, unusable: self.unusable, is_cut: is_cut || self.is_full }
    }
}

fn role(record: &Value) -> Option<String> {
    let members = ["/authorization/evidence/role", "/authorization/role"];
    let role = members.iter().find_map(|member| record.pointer(member)?.as_str()).map(str::trim)?;
    Some(text::clean(role, ROLE_CHARS_MAX)).filter(|role| !role.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SUB: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

    fn record(cluster: &str, verb: &str, id: &str, status: &str, at: &str) -> Value {
        json!({
            "operationName": { "value": format!("Microsoft.ContainerService/managedClusters/{verb}/action") },
            "resourceId": format!("/subscriptions/{SUB}/resourcegroups/{cluster}"),
            "operationId": id,
            "status": { "value": status },
            "subStatus": { "value": if status == "Failed" { "Conflict" } else { "" } },
            "eventTimestamp": at,
            "authorization": { "role": "Contributor\n" },
        })
    }

    fn page(records: &[Value]) -> Vec<u8> {
        json!({ "value": records, "nextLink": "" }).to_string().into_bytes()
    }

    fn aks(group: &str, name: &str) -> String {
        format!("{group}/providers/Microsoft.ContainerService/managedClusters/{name}")
    }

    #[test]
    fn the_records_of_an_operation_are_one_and_clusters_are_kept_apart() {
        let scope = LogScope::parse(SUB).unwrap();
        let mut reading = AllReading::of(&scope);
        let (a, b) = (aks("rg", "a"), aks("RG", "b"));
        let records = [
            record(&a, "stop", "1", "Accepted", "2026-11-02T20:00:01Z"),
            record(&a.to_uppercase(), "stop", "1", "Started", "2026-11-02T20:00:00Z"),
            record(&b, "stop", "1", "Started", "2026-11-02T19:00:00Z"),
            record(&b, "start", "2", "Failed", "2026-11-02T21:00:00Z"),
            record(&b, "write", "3", "Started", "2026-11-02T21:00:00Z"),
            record(
                "rg/providers/Microsoft.Compute/virtualMachines/v",
                "stop",
                "4",
                "Started",
                "2026-11-02T21:00:00Z",
            ),
            record(&a, "stop", "5", "Started", "yesterday"),
        ];
        assert_eq!(reading.add_page(&page(&records)), Ok(None));
        let found = reading.finish(false);
        let told: Vec<_> = found
            .operations
            .iter()
            .map(|op| (op.cluster.name(), op.operation.began_at.to_string()))
            .collect();
        assert_eq!(told, [("b", "2026-11-02T19:00:00Z".into()), ("a", "2026-11-02T20:00:00Z".into())]);
        assert_eq!(found.operations[0].role.as_deref(), Some("Contributor"));
        assert_eq!((found.unusable, found.is_cut), (2, false));
    }

    #[test]
    fn what_is_outside_the_scope_is_passed_over() {
        let scope = LogScope::parse(&format!("/subscriptions/{SUB}/resourceGroups/rg-1")).unwrap();
        let mut reading = AllReading::of(&scope);
        let outside = record(&aks("rg-2", "a"), "stop", "1", "Started", "2026-11-02T20:00:00Z");
        reading.add_page(&page(&[outside])).unwrap();
        assert!(reading.is_empty());
        assert_eq!(reading.add_page(b"{}"), Err(PageError::NoRecords));
    }

    #[test]
    fn each_scope_has_the_filter_that_the_log_documents() {
        let [since, until] = ["2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"].map(|at| at.parse().unwrap());
        let of = |text: &str| scope_filter(&LogScope::parse(text).unwrap(), since, until);
        let window =
            "eventTimestamp ge '2026-11-01T00:00:00Z' and eventTimestamp le '2026-11-02T00:00:00Z' and ";
        assert_eq!(of(SUB), format!("{window}resourceProvider eq 'Microsoft.ContainerService'"));
        let group = format!("/subscriptions/{SUB}/resourceGroups/rg");
        assert_eq!(of(&group), format!("{window}resourceGroupName eq 'rg'"));
        let cluster = format!("{group}/providers/Microsoft.ContainerService/managedClusters/a");
        assert_eq!(of(&cluster), format!("{window}resourceUri eq '{cluster}'"));
    }
}
