//! What happened, and what must not have.

use jiff::Timestamp;
use serde::Serialize;

use super::fault::RequestKind;
use super::id::ClusterId;
use super::operation::Deed;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When, by Azure's true clock.
    pub at: Timestamp,
    /// Who: a caller's name, or `?`.
    pub who: String,
    /// On which cluster, if on one.
    pub cluster: Option<ClusterId>,
    /// What.
    pub what: Happening,
}

/// The kinds of things that happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Happening {
    /// A request over HTTP and what came of it.
    Request {
        /// Its kind.
        kind: RequestKind,
        /// What the client got.
        result: RequestResult,
    },
    /// Azure accepted an operation, asked for over HTTP or by the test.
    Accepted(Deed),
    /// Azure refused an operation with this code.
    Refused(Deed, String),
    /// An operation ended well.
    Succeeded(Deed),
    /// An operation failed with this code.
    Failed(Deed, String),
}

/// What the client got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RequestResult {
    /// An answer with this status.
    Status(u16),
    /// The request had its effect with this status, and the answer was lost.
    AnswerLost(u16),
    /// The request never came to Azure.
    NeverArrived,
}

/// What a client must not do. A test ends with the assertion that there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Violation {
    /// A method or path that nobody here knows.
    UnknownRequest {
        /// Method and path, cut at 300 characters.
        request: String,
    },
    /// A POST `start` or `stop` with a body.
    BodyOnAction {
        /// Its length in bytes.
        bytes: usize,
    },
    /// A POST without a `Content-Length`, which the front door of Azure answers with 411.
    NoContentLength,
    /// A request without `api-version`.
    NoApiVersion,
    /// A request to ARM without a bearer token.
    NoToken,
    /// A token for somebody else was sent to ARM, or one that nobody issued.
    ForeignToken,
    /// Something that the caller's custom role doesn't allow.
    BeyondRole {
        /// The missing action.
        action: String,
    },
    /// A polling URL that was not the one given, byte for byte.
    AlteredPollingUrl,
    /// A `$filter` outside the documented grammar, or a page token that was not given out.
    BadLogQuery {
        /// What the answer said.
        message: String,
    },
    /// A start was asked for although the cluster's newest accepted power operation is a stop by an authorised caller.
    Undone {
        /// The cluster.
        cluster: ClusterId,
        /// Whose stop.
        stopped_by: String,
        /// When that stop was accepted.
        stopped_at: Timestamp,
        /// Who asked for the start.
        started_by: String,
        /// Whether Azure accepted the start.
        accepted: bool,
    },
}

/// All that happened, in order. Not bounded: a world lives as long as a test.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Journal {
    /// The entries, oldest first.
    pub entries: Vec<Entry>,
}

impl Journal {
    pub(super) fn note(&mut self, at: Timestamp, who: &str, cluster: Option<&ClusterId>, what: Happening) {
        self.entries.push(Entry { at, who: who.to_owned(), cluster: cluster.cloned(), what });
    }

    /// How many requests of this kind were sent, on this cluster or (none) on any; those that never arrived count.
    pub fn requests(&self, kind: RequestKind, cluster: Option<&ClusterId>) -> usize {
        self.of(cluster)
            .filter(|entry| matches!(&entry.what, Happening::Request { kind: k, .. } if *k == kind))
            .count()
    }

    /// How many operations of this kind Azure accepted on this cluster.
    pub fn accepted(&self, deed: Deed, cluster: &ClusterId) -> usize {
        self.of(Some(cluster)).filter(|entry| entry.what == Happening::Accepted(deed)).count()
    }

    fn of<'a>(&'a self, cluster: Option<&'a ClusterId>) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| cluster.is_none() || entry.cluster.as_ref() == cluster)
    }
}
