//! What people are told. An incident is content only: how it looks in a tool is the sink's matter.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::resource_id::ClusterId;

/// How bad it is. Ordered: `Critical` is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// For the record.
    Info,
    /// Look at it in office hours.
    Low,
    /// Somebody should look today.
    Medium,
    /// Somebody should look now.
    High,
    /// Wake somebody.
    Critical,
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word for it in policies and incidents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Reads the word for it; `None` if it isn't one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == text)
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where an incident is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentState {
    /// Told for the first time.
    Opened,
    /// Something changed that people should know.
    Updated,
    /// Over: the cluster runs again, is gone, or what was broken is mended.
    Resolved,
}

impl IncidentState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Resolved => "resolved",
        }
    }
}

/// One message about one incident. Everything a sink can show is in here, so that a message that waits in the outbox
/// still says what was true when it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Which incident: the same for all its messages.
    pub id: String,
    /// Opened, updated or resolved.
    pub state: IncidentState,
    /// Counts the messages of this incident, from 0: together with `id` it names this message.
    pub sequence: u32,
    /// How bad it is.
    pub severity: Severity,
    /// One line: the cluster, who, the verdict, what the guard did.
    pub title: String,
    /// When the incident was opened.
    pub opened_at: Timestamp,
    /// When this message was written.
    pub at: Timestamp,
    /// The clusters it is about: one, or those of a storm (at most [`AFFECTED_MAX`] are listed).
    pub clusters: Vec<Affected>,
    /// How many clusters it is about, listed or not.
    pub cluster_count: usize,
    /// Who stopped it or them, if anybody could be named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Caller>,
    /// When it was stopped, by Azure's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Timestamp>,
    /// Correlation id of the stop, to find it in the activity log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// `authorised` or `unauthorised`, if that could be decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// Ids of the policies that decided (empty for a default deny).
    #[serde(default)]
    pub policies: Vec<String>,
    /// The mode the guard was in: `dry-run`, `notify` or `act`.
    pub mode: String,
    /// What the guard did, in order, one sentence each.
    pub done: Vec<String>,
    /// What is left for people to do, one sentence each; empty when nothing is.
    pub next: Vec<String>,
    /// What to know before acting on it, one sentence each: what a stop of this cluster may have cost, what a start may change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Where to look, most useful first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// What happened when.
    pub timeline: Vec<TimelineEntry>,
}

/// A page that people can open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// What is there, in a few words.
    pub label: String,
    /// Its https address, built by the guard from parsed ids, never taken from an event.
    pub url: String,
}

/// Most clusters that one incident lists.
pub const AFFECTED_MAX: usize = 200;

/// One cluster in an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// Which.
    pub id: ClusterId,
    /// Where it stands, in a few words: `stopped`, `restarting`, `restored`, `held: ...`.
    pub status: String,
}

/// One line of a case's story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When, on Azure's clock.
    pub at: Timestamp,
    /// What, in one sentence without secrets.
    pub text: String,
}
