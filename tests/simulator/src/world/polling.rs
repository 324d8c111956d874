//! The two polling URLs of an operation on a cluster: long, signed, and to be used byte for byte. That of a container group is short.
//!
//! Since late 2023 they carry `t`, `c`, `s` and `h`, about 3 KB in all (azure-cli recording `test_aks_stop_and_start`).
//! The lengths are the recorded ones, the bytes are made up.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{StatusCode, Uri};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::World;
use super::activity_log::ticks;
use super::answer::Draft;
use super::container_group::POLLING_API_VERSION;
use super::journal::Violation;
use super::kind::Kind;
use super::operation::{Operation, Progress};
use super::target::query_value;

const CERTIFICATE_CHARS: usize = 2400;
const SIGNATURE_CHARS: usize = 342;
const HASH_CHARS: usize = 43;

/// Which of the two URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Poll {
    /// `Azure-AsyncOperation`.
    Operations,
    /// `Location`.
    OperationResults,
}

impl Poll {
    fn segment(self) -> &'static str {
        match self {
            Self::Operations => "operations",
            Self::OperationResults => "operationresults",
        }
    }
}

impl World {
    /// A freshly signed URL for an operation.
    pub(super) fn polling_url(&self, operation: &Operation, poll: Poll, now: Timestamp) -> String {
        let query = match operation.cluster.kind {
            Kind::ManagedCluster => signed_query(&operation.id, poll, ticks(now)),
            Kind::ContainerGroup => format!("api-version={POLLING_API_VERSION}"),
        };
        format!(
            "{}/subscriptions/{}/providers/{}/locations/{}/{}/{}?{query}",
            self.settings.endpoint,
            operation.cluster.subscription,
            operation.cluster.kind.provider(),
            operation.location,
            poll.segment(),
            operation.id,
        )
    }

    /// Answers a GET of one of the two URLs.
    pub(super) fn poll(&mut self, poll: Poll, id: &str, uri: &Uri, now: Timestamp) -> Draft {
        let Some(operation) = self.operations.get(id).cloned() else {
            return Draft::gateway_error(
                StatusCode::NOT_FOUND,
                "OperationNotFound",
                "The operation was not found.",
            );
        };
        let is_signed = operation.cluster.kind == Kind::ManagedCluster;
        if is_signed && !is_verbatim(uri, &operation.id, poll) {
            self.violations.push(Violation::AlteredPollingUrl);
            return Draft::gateway_error(
                StatusCode::FORBIDDEN,
                "InvalidSignature",
                "The polling URL is not the one that was given out.",
            );
        }
        match (poll, &operation.progress) {
            (Poll::Operations, _) => Draft::provider(StatusCode::OK, &operation.body()),
            (Poll::OperationResults, Progress::Running) if !is_signed => self.group_accepted(&operation, now),
            (Poll::OperationResults, Progress::Running) => {
                let location = self.polling_url(&operation, Poll::OperationResults, now);
                Draft::empty(StatusCode::ACCEPTED).with("location", &location)
            }
            (Poll::OperationResults, Progress::Succeeded { .. }) => {
                // Recorded: the final 204 has a fresh `Location` again.
                let location = self.polling_url(&operation, Poll::OperationResults, now);
                Draft::finished().with("location", &location)
            }
            (Poll::OperationResults, Progress::Failed { error, .. }) => Draft::gateway(
                StatusCode::CONFLICT,
                &serde_json::json!({ "status": "Failed", "error": {
                    "code": "ResourceOperationFailure",
                    "message": "The resource operation completed with terminal provisioning state 'Failed'.",
                    "details": [{ "code": error.code, "message": error.message }],
                }}),
            ),
        }
    }
}

/// The query was made from the same operation, for the same of the two URLs, and nothing in it was moved or re-encoded.
fn is_verbatim(uri: &Uri, id: &str, poll: Poll) -> bool {
    let signed_at = query_value(uri, "t").and_then(|t| t.parse::<i128>().ok());
    signed_at.is_some_and(|t| uri.query() == Some(signed_query(id, poll, t).as_str()))
}

fn signed_query(id: &str, poll: Poll, signed_at: i128) -> String {
    let subject = format!("{} {id} {signed_at}", poll.segment());
    format!(
        "api-version=2016-03-30&t={signed_at}&c={}&s={}&h={}",
        made_up("certificate", CERTIFICATE_CHARS),
        made_up(&subject, SIGNATURE_CHARS),
        made_up(&format!("hash of {subject}"), HASH_CHARS)
    )
}

fn made_up(subject: &str, chars: usize) -> String {
    let mut text = String::with_capacity(chars + HASH_CHARS);
    let mut block = 0_u32;
    while text.len() < chars {
        let digest = Sha256::digest(format!("{block} {subject}"));
        text.push_str(&URL_SAFE_NO_PAD.encode(digest));
        block += 1;
    }
    text.truncate(chars);
    text
}
