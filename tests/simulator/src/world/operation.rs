//! A long-running operation of the resource provider.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::caller::Caller;
use super::cluster::{PowerState, ProvisioningError};
use super::event::EventRule;
use super::guid::byte_swapped;
use super::id::ClusterId;

/// What is done to a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Deed {
    Stop,
    Start,
    Delete,
    Put,
}

/// How an operation ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    Succeeds,
    Fails { error: ProvisioningError, leaves: PowerState },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    Running,
    Succeeded { at: Timestamp },
    Failed { at: Timestamp, error: ProvisioningError },
}

#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) cluster: ClusterId,
    pub(super) location: String,
    pub(super) deed: Deed,
    pub(super) accepted_at: Timestamp,
    pub(super) ends_at: Timestamp,
    pub(super) ending: Ending,
    pub(super) progress: Progress,
    pub(super) request: Origin,
    pub(super) event: EventRule,
}

/// The request that an operation, its log records and its event come from.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) caller: Caller,
    pub(super) correlation_id: String,
    pub(super) client_request_id: String,
    pub(super) operation_id: String,
    pub(super) url: String,
}

impl Operation {
    /// The body that `operations/{id}` answers.
    ///
    /// Two recorded traps are kept: the name is byte-swapped, and while a start runs, *and* when it has succeeded, the
    /// body carries an error `NotLatestOperation`. `status` alone decides.
    pub(super) fn body(&self) -> Value {
        // Recorded: the provider's clock was about a second ahead of the front door's.
        let started = self.accepted_at + jiff::SignedDuration::from_millis(970);
        let mut body = json!({ "name": byte_swapped(&self.id), "startTime": format!("{started:.7}") });
        let (status, end, error) = match &self.progress {
            Progress::Running => ("InProgress", None, self.stray_error()),
            Progress::Succeeded { at } => ("Succeeded", Some(at), self.stray_error()),
            Progress::Failed { at, error } => {
                ("Failed", Some(at), Some(json!({ "code": error.code, "message": error.message })))
            }
        };
        if let Some(members) = body.as_object_mut() {
            members.insert("status".to_owned(), json!(status));
            if let Some(at) = end {
                members.insert("endTime".to_owned(), json!(format!("{:.7}", *at)));
            }
            if let Some(error) = error {
                members.insert("error".to_owned(), error);
            }
        }
        body
    }

    fn stray_error(&self) -> Option<Value> {
        match self.deed {
            Deed::Start => Some(json!({
                "code": "NotLatestOperation",
                "message": "Cannot proceed with the operation. Either the operation has been preempted by another \
                            one, or the information needed by the operation failed to be saved (or hasn't been \
                            saved yet).",
            })),
            Deed::Stop | Deed::Delete | Deed::Put => None,
        }
    }
}
