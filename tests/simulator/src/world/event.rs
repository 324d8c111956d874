//! The events that Azure Resource Manager gives to Event Grid about an operation.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::caller::TENANT;
use super::id::ClusterId;
use super::operation::{Deed, Operation};

/// How the next events come about. Nothing but the default is documented or seen; clients must stand all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EventRule {
    /// At which moment of the operation the event arises; its `eventTime` is that moment.
    pub moment: EventMoment,
    /// How much later it comes to Event Grid, in Azure's time.
    pub delay: SignedDuration,
    /// How often it comes: 0 = lost, 2 = a duplicate with the same id.
    pub copies: u32,
}

impl Default for EventRule {
    fn default() -> Self {
        Self { moment: EventMoment::End, delay: SignedDuration::ZERO, copies: 1 }
    }
}

/// The moment at which an event arises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EventMoment {
    /// When the operation has ended: what a user who watched real events reports (azure-rest-api-specs issue 7023).
    End,
    /// When it was accepted, with status `Accepted`.
    Acceptance,
}

/// One event, before it is put in an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceEvent {
    /// The event's id; copies of an event have the same.
    pub id: String,
    /// The event's time: when it arose.
    pub time: Timestamp,
    /// The cluster it tells of.
    pub cluster: ClusterId,
    /// What was done.
    pub deed: Deed,
    /// `Microsoft.Resources.ResourceActionSuccess` and the like.
    pub event_type: String,
    /// The `data` member, the same in both schemas.
    pub data: Value,
}

impl ResourceEvent {
    /// The event in the Event Grid schema: one object, not the array of a delivery.
    pub fn event_grid(&self) -> Value {
        json!({
            "subject": self.cluster.to_string(),
            "eventType": self.event_type,
            "eventTime": format!("{:.7}", self.time),
            "id": self.id,
            "data": self.data,
            "dataVersion": "2",
            "metadataVersion": "1",
            "topic": format!("/subscriptions/{}", self.cluster.subscription),
        })
    }

    /// The event as a CloudEvent 1.0.
    pub fn cloud_event(&self) -> Value {
        json!({
            "specversion": "1.0",
            "id": self.id,
            "source": format!("/subscriptions/{}", self.cluster.subscription),
            "subject": self.cluster.to_string(),
            "type": self.event_type,
            "time": format!("{:.7}", self.time),
            "data": self.data,
        })
    }
}

/// How an operation stood when its event arose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Accepted,
    Succeeded,
    Failed,
}

pub(super) fn event_of(operation: &Operation, told: Told, at: Timestamp, id: String) -> ResourceEvent {
    let verb = match operation.deed {
        Deed::Stop | Deed::Start => "Action",
        Deed::Delete => "Delete",
        Deed::Put => "Write",
    };
    let (result, status) = match told {
        Told::Accepted => ("Success", "Accepted"),
        Told::Succeeded => ("Success", "Succeeded"),
        Told::Failed => ("Failure", "Failed"),
    };
    ResourceEvent {
        id,
        time: at,
        cluster: operation.cluster.clone(),
        deed: operation.deed,
        event_type: format!("Microsoft.Resources.Resource{verb}{result}"),
        data: data_of(operation, status),
    }
}

fn data_of(operation: &Operation, status: &str) -> Value {
    let (request, cluster) = (&operation.request, &operation.cluster);
    let caller = &request.caller;
    let method = match operation.deed {
        Deed::Stop | Deed::Start => "POST",
        Deed::Delete => "DELETE",
        Deed::Put => "PUT",
    };
    let mut authorization =
        json!({ "scope": cluster.to_string(), "action": cluster.kind.operation_name(operation.deed) });
    if let (Some(members), Some(evidence)) =
        (authorization.as_object_mut(), caller.evidence(&cluster.subscription))
    {
        members.insert("evidence".to_owned(), evidence);
    }
    let mut data = json!({
        "authorization": authorization,
        "correlationId": request.correlation_id,
        "httpRequest": {
            "clientRequestId": request.client_request_id,
            "clientIpAddress": caller.ip,
            "method": method,
            "url": request.url,
        },
        "resourceProvider": cluster.kind.provider(),
        "resourceUri": cluster.to_string(),
        "operationName": cluster.kind.operation_name(operation.deed),
        "status": status,
        "subscriptionId": cluster.subscription,
        "tenantId": TENANT,
    });
    if let (Some(members), Some(claims)) =
        (data.as_object_mut(), caller.claims(operation.accepted_at.as_second()))
    {
        members.insert("claims".to_owned(), claims);
    }
    data
}
