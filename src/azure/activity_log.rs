//! Starts and stops of a cluster, from the records of the activity log. Pure: the client in [`super::arm`] fetches.
//!
//! # Which operations count
//!
//! ARM writes several records an operation: `Started` when it passed authorisation, `Accepted` when the resource
//! provider took it, `Succeeded` or `Failed` at its end; not each is always there, and all come minutes late. An
//! operation is left out only if it certainly never began: it has a `Failed` record whose sub-status is a client error
//! (`Conflict`, `Forbidden`, `BadRequest`, ...: the answer to the request itself) and no record of acceptance. In doubt
//! it counts: a stop too many makes the guard wait, one too few could undo an authorised stop. An accepted operation
//! that failed later counts too (its `Failed` has no such sub-status, or comes beside `Accepted`).

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::domain::calendar::{EARLIEST, LATEST};
use crate::domain::{
    Caller, ClusterId, LogReading, PowerOperation, PowerVerb, ResourceKind, Role, VERBATIM_BYTES_MAX, text,
};

mod scope;

pub use scope::{AllReading, scope_filter};

/// Most records of power operations that are kept of one reading; a cluster has a handful a day.
const RECORDS_MAX: usize = 2_000;
/// Most that is kept of the records word for word, all together: as much as one piece of evidence has at most. A record has some 5 KiB.
const VERBATIM_LEFT: usize = VERBATIM_BYTES_MAX;
/// Longest id that is kept, characters. Most are GUIDs; old correlation ids are resource ids.
const ID_CHARS_MAX: usize = 100;

/// HTTP statuses that mean "not accepted", as the log's `subStatus.value` spells them (source: Azure Monitor docs,
/// "Activity log event schema": "usually the HTTP status code of the corresponding REST call", as .NET names it).
const REFUSALS: [&str; 10] = [
    "BadRequest",
    "Unauthorized",
    "PaymentRequired",
    "Forbidden",
    "NotFound",
    "MethodNotAllowed",
    "Conflict",
    "Gone",
    "PreconditionFailed",
    "TooManyRequests",
];

/// Why a page of the log can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// Not JSON, or without a list of records.
    #[error("the activity log's page has no list of records")]
    NoRecords,
    /// A record of a start or stop of this cluster that doesn't say when, or says a time that can't be: passing it over could hide the newest.
    #[error("a start or stop in the activity log has no time")]
    NoTime,
    /// More than are kept.
    #[error("the activity log has more than {RECORDS_MAX} starts and stops of the cluster")]
    TooMany,
}

/// The `$filter` for the records of one cluster (source: Azure REST docs, "Activity Logs - List").
pub fn filter(id: &ClusterId, since: Timestamp, until: Timestamp) -> String {
    format!("eventTimestamp ge '{since}' and eventTimestamp le '{until}' and resourceUri eq '{id}'")
}

/// A reading that grows page by page.
#[derive(Debug)]
pub struct Reading<'a> {
    cluster: &'a ClusterId,
    records: usize,
    /// How much of the records may still be kept word for word, in bytes.
    verbatim_left: usize,
    operations: HashMap<(bool, String), Operation>,
}

/// One operation, from the records seen so far.
#[derive(Debug)]
struct Operation {
    power: PowerOperation,
    is_accepted: bool,
    is_refused: bool,
}

#[derive(Debug, Deserialize)]
struct Page<R> {
    value: Vec<R>,
    #[serde(rename = "nextLink", default)]
    next_link: Option<String>,
}

impl<'b, R: Deserialize<'b>> Page<R> {
    fn read(body: &'b [u8]) -> Result<Self, PageError> {
        serde_json::from_slice(body).map_err(|_| PageError::NoRecords)
    }
}

impl<'a> Reading<'a> {
    /// Begins a reading of one cluster's operations.
    pub fn of(cluster: &'a ClusterId) -> Self {
        Self { cluster, records: 0, verbatim_left: VERBATIM_LEFT, operations: HashMap::new() }
    }

    /// Takes a page in and gives the link to the next one, unchecked. Records of other resources and other operations
    /// are passed over.
    pub fn add_page(&mut self, body: &[u8]) -> Result<Option<String>, PageError> {
        let page: Page<&RawValue> = Page::read(body)?;
        for record in page.value {
            self.add_record(record.get())?;
        }
        Ok(page.next_link.filter(|link| !link.is_empty()))
    }

    fn add_record(&mut self, verbatim: &str) -> Result<(), PageError> {
        let record: &Value = &serde_json::from_str(verbatim).map_err(|_| PageError::NoRecords)?;
        let Some((kind, verb)) = verb(record) else { return Ok(()) };
        if kind != self.cluster.kind() || !is_about(record, self.cluster) {
            return Ok(());
        }
        self.records += 1;
        if self.records > RECORDS_MAX {
            return Err(PageError::TooMany);
        }
        let at = time(record).ok_or(PageError::NoTime)?;
        let key = (verb == PowerVerb::Start, own_id(record));
        let operation = self.operations.entry(key).or_insert_with(|| Operation::begin(record, verb, at));
        operation.add(record, at);
        // The newest come first, and those are what a decision rests on.
        if let Some(left) = self.verbatim_left.checked_sub(verbatim.len()) {
            self.verbatim_left = left;
            operation.power.records.push(verbatim.into());
        }
        Ok(())
    }

    /// The operations that count, the newest first.
    pub fn finish(self) -> LogReading {
        let mut operations: Vec<PowerOperation> = self
            .operations
            .into_values()
            .filter(Operation::counts)
            .map(|operation| operation.power)
            .collect();
        operations
            .sort_by(|a, b| b.began_at.cmp(&a.began_at).then_with(|| b.operation_id.cmp(&a.operation_id)));
        LogReading { operations }
    }
}

impl Operation {
    fn begin(record: &Value, verb: PowerVerb, at: Timestamp) -> Self {
        let kept = |id: &str| text::clean(&id.to_ascii_lowercase(), ID_CHARS_MAX);
        Self {
            power: PowerOperation {
                verb,
                began_at: at,
                last_seen_at: at,
                caller: Caller::unknown(),
                correlation_id: word(record, "correlationId").map(kept),
                operation_id: word(record, "operationId").map(kept),
                records: Vec::new(),
            },
            is_accepted: false,
            is_refused: false,
        }
    }

    /// Whether it may have begun.
    fn counts(&self) -> bool {
        self.is_accepted || !self.is_refused
    }

    fn add(&mut self, record: &Value, at: Timestamp) {
        self.power.began_at = self.power.began_at.min(at);
        self.power.last_seen_at = self.power.last_seen_at.max(at);
        if !self.power.caller.is_known() {
            self.power.caller = caller(record);
        }
        let status = localizable(record, "status").unwrap_or_default();
        let sub_status = localizable(record, "subStatus").unwrap_or_default();
        let is = |word: &str| status.eq_ignore_ascii_case(word);
        self.is_accepted |= is("Accepted") || is("Succeeded");
        self.is_refused |=
            is("Failed") && REFUSALS.iter().any(|refusal| sub_status.eq_ignore_ascii_case(refusal));
    }
}

/// Whether a record is about a start or a stop, and of which kind of resource.
fn verb(record: &Value) -> Option<(ResourceKind, PowerVerb)> {
    let name = localizable(record, "operationName")?;
    ResourceKind::ALL.into_iter().find_map(|kind| Some((kind, PowerVerb::of(kind, name)?)))
}

/// Whether a record is about this very cluster.
fn is_about(record: &Value, cluster: &ClusterId) -> bool {
    cluster_of(record).is_some_and(|id| id == *cluster)
}

/// The cluster that a record is about. `resourceUri` is the older name of the member.
fn cluster_of(record: &Value) -> Option<ClusterId> {
    let id = word(record, "resourceId")
        .or_else(|| word(record, "resourceUri"))
        .or_else(|| record.pointer("/authorization/scope").and_then(Value::as_str));
    id.and_then(|id| ClusterId::parse(id).ok())
}

/// When it was, if that can be.
fn time(record: &Value) -> Option<Timestamp> {
    let at = word(record, "eventTimestamp").and_then(|time| time.parse::<Timestamp>().ok());
    at.filter(|at| *at >= EARLIEST && *at <= LATEST)
}

/// The id that the records of one operation share, in lower case.
fn own_id(record: &Value) -> String {
    let shared = word(record, "operationId").or_else(|| word(record, "correlationId"));
    shared.or_else(|| word(record, "eventDataId")).unwrap_or_default().to_ascii_lowercase()
}

fn word<'r>(record: &'r Value, member: &str) -> Option<&'r str> {
    record.get(member)?.as_str().filter(|word| !word.is_empty())
}

/// A member that is `{value, localizedValue}`, or plain text as in other renderings of the same log.
fn localizable<'r>(record: &'r Value, member: &str) -> Option<&'r str> {
    let member = record.get(member)?;
    member.get("value").unwrap_or(member).as_str()
}

fn caller(record: &Value) -> Caller {
    let none = Map::new();
    let claims = record.get("claims").and_then(Value::as_object).unwrap_or(&none);
    let ip = record.pointer("/httpRequest/clientIpAddress").and_then(Value::as_str);
    let role = Role::from_evidence(|name| {
        let member = record.pointer("/authorization/evidence")?.get(name)?;
        member.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    });
    Caller { role, ..Caller::from_claims(claims, word(record, "caller"), ip) }
}

#[cfg(test)]
mod tests;
