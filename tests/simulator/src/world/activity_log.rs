//! The activity log: records of every operation, visible only after a lag.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::caller::TENANT;
use super::id::ClusterId;
use super::operation::{Deed, Origin};

/// The lag between `eventTimestamp` and a record's appearance: the longest one seen in a public record of 2023
/// (eventTimestamp 04:04:07, submissionTimestamp 04:07:23), rounded up.
pub const DEFAULT_LAG: SignedDuration = SignedDuration::from_secs(198);

/// Records kept; the oldest go first. Far more than a test makes.
const RECORDS_MAX: usize = 20_000;

/// The status of one record of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Started,
    Accepted,
    Succeeded,
    Failed,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::Accepted => "Accepted",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) at: Timestamp,
    pub(super) visible_at: Timestamp,
    pub(super) cluster: ClusterId,
    pub(super) correlation_id: String,
    pub(super) body: Value,
}

/// All records, in the order in which they were written.
#[derive(Debug, Clone, Default)]
pub(super) struct ActivityLog {
    records: Vec<Record>,
}

/// What a record tells.
pub(super) struct Entry<'a> {
    pub(super) cluster: &'a ClusterId,
    pub(super) deed: Deed,
    pub(super) status: Status,
    /// Azure's word for the HTTP status, such as `Conflict`; empty where the log has none.
    pub(super) status_code: &'a str,
    pub(super) request: &'a Origin,
    pub(super) event_id: String,
    pub(super) at: Timestamp,
}

impl ActivityLog {
    pub(super) fn write(&mut self, entry: Entry<'_>, lag: SignedDuration) {
        let visible_at = entry.at + lag;
        self.records.push(Record {
            at: entry.at,
            visible_at,
            cluster: entry.cluster.clone(),
            correlation_id: entry.request.correlation_id.clone(),
            body: body_of(&entry, visible_at),
        });
        if self.records.len() > RECORDS_MAX {
            self.records.remove(0);
        }
    }

    /// What can be seen at `now`, newest first.
    pub(super) fn visible(&self, now: Timestamp) -> Vec<&Record> {
        let mut seen: Vec<&Record> = self.records.iter().filter(|record| record.visible_at <= now).collect();
        // Stable, and the log was written oldest first: of equal times the later record comes first.
        seen.reverse();
        seen.sort_by_key(|record| std::cmp::Reverse(record.at));
        seen
    }
}

/// .NET ticks (100 ns since the year 1), which end the `id` of a record.
pub(super) fn ticks(at: Timestamp) -> i128 {
    const UNIX_EPOCH_TICKS: i128 = 621_355_968_000_000_000;
    at.as_nanosecond() / 100 + UNIX_EPOCH_TICKS
}

fn body_of(entry: &Entry<'_>, submitted: Timestamp) -> Value {
    let (request, cluster, kind) = (entry.request, entry.cluster.to_string(), entry.cluster.kind);
    let operation = kind.operation_name(entry.deed);
    let event_name = match entry.status {
        Status::Started => "BeginRequest",
        Status::Accepted | Status::Succeeded | Status::Failed => "EndRequest",
    };
    let same = |word: &str| json!({ "value": word, "localizedValue": word });
    let mut body = json!({
        "authorization": { "action": operation, "role": "Contributor", "scope": cluster },
        "channels": "Operation",
        "correlationId": request.correlation_id,
        "description": "",
        "eventDataId": entry.event_id,
        "eventName": same(event_name),
        "category": same("Administrative"),
        "httpRequest": {
            "clientRequestId": request.client_request_id,
            "clientIpAddress": request.caller.ip,
            "method": match entry.deed {
                Deed::Stop | Deed::Start => "POST",
                Deed::Delete => "DELETE",
                Deed::Put => "PUT",
            },
        },
        "id": format!("{cluster}/events/{}/ticks/{}", entry.event_id, ticks(entry.at)),
        "level": match entry.status {
            Status::Failed => "Error",
            Status::Started | Status::Accepted | Status::Succeeded => "Informational",
        },
        "resourceGroupName": entry.cluster.resource_group,
        "resourceProviderName": same(kind.provider()),
        "resourceType": same(&format!("{}/{}", kind.provider(), kind.type_name())),
        "resourceId": cluster,
        "operationId": request.operation_id,
        "operationName": { "value": operation, "localizedValue": kind.localized(entry.deed) },
        "properties": {
            "statusCode": entry.status_code,
            "eventCategory": "Administrative",
            "entity": cluster,
            "message": operation,
            "hierarchy": format!("{TENANT}/mg-root/{}", entry.cluster.subscription),
        },
        "status": same(entry.status.word()),
        "subStatus": same(entry.status_code),
        "eventTimestamp": format!("{:.7}", entry.at),
        "submissionTimestamp": format!("{submitted:.7}"),
        "subscriptionId": entry.cluster.subscription,
        "tenantId": TENANT,
    });
    if let Some(members) = body.as_object_mut() {
        if let Some(caller) = request.caller.log_name() {
            members.insert("caller".to_owned(), json!(caller));
        }
        if let Some(claims) = request.caller.claims(entry.at.as_second()) {
            members.insert("claims".to_owned(), claims);
        }
    }
    body
}
