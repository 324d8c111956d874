//! What came of a question, and how the policies that decided it want to be responded to.

use std::time::Duration;

use serde::Serialize;

use crate::domain::Severity;
use crate::domain::text::clean;

/// Longest message of an evaluation error, in characters: it names at most a few values, which may be a caller's.
const MESSAGE_CHARS_MAX: usize = 300;

/// Whether a policy allows or forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// `permit`
    Permit,
    /// `forbid`
    Forbid,
}

/// A policy that determined an answer, with what its annotations ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Determining {
    /// `@id`
    pub id: String,
    /// Permit or forbid.
    pub effect: Effect,
    /// `@severity`: how bad the incident is.
    pub severity: Option<Severity>,
    /// `@after`: how long to wait before a restart.
    pub after: Option<Duration>,
    /// `@notify`: sinks to tell as well.
    pub notify: Vec<String>,
    /// `@incident`: clusters whose answer names the same word share one incident a subscription.
    pub incident: Option<String>,
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Yes or no. Never yes while there are errors.
    pub allowed: bool,
    /// The policies that determined it, in the order of the files: permits of a yes, forbids of a no. None for a no by
    /// default.
    pub policies: Vec<Determining>,
    /// What went wrong while evaluating.
    pub errors: Vec<EvaluationError>,
}

/// Something went wrong while a question was put or evaluated. Safe to log and to show: bounded, cleaned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum EvaluationError {
    /// The facts make no question that fits the schema, so no policy was asked.
    #[error("the question can't be put: {message}")]
    Question {
        /// Why.
        message: String,
    },
    /// A policy's condition failed.
    #[error("policy `{id}` can't be evaluated: {message}")]
    Policy {
        /// The policy's `@id`.
        id: String,
        /// Why.
        message: String,
    },
}

impl EvaluationError {
    pub(super) fn question(cause: &dyn std::error::Error) -> Self {
        Self::Question { message: clean(&cause.to_string(), MESSAGE_CHARS_MAX) }
    }

    pub(super) fn policy(id: &str, cause: &dyn std::error::Error) -> Self {
        Self::Policy { id: id.to_owned(), message: clean(&cause.to_string(), MESSAGE_CHARS_MAX) }
    }

    /// The policy that failed, if one did.
    pub fn policy_id(&self) -> Option<&str> {
        match self {
            Self::Question { .. } => None,
            Self::Policy { id, .. } => Some(id),
        }
    }
}

impl Answer {
    /// A no because of an error.
    pub(super) fn refused(error: EvaluationError) -> Self {
        Self { allowed: false, policies: Vec::new(), errors: vec![error] }
    }

    /// Whether it is a no that no policy determined: the response to it comes from the settings.
    pub fn is_default_deny(&self) -> bool {
        !self.allowed && self.policies.is_empty() && self.errors.is_empty()
    }

    /// The worst `@severity`.
    pub fn severity(&self) -> Option<Severity> {
        self.policies.iter().filter_map(|policy| policy.severity).max()
    }

    /// The longest `@after`.
    pub fn after(&self) -> Option<Duration> {
        self.policies.iter().filter_map(|policy| policy.after).max()
    }

    /// The first `@incident`: which shared incident the cluster belongs to.
    pub fn group(&self) -> Option<&str> {
        self.policies.iter().find_map(|policy| policy.incident.as_deref())
    }

    /// All sinks of `@notify`, each once, in the order of the policies.
    pub fn notify(&self) -> Vec<&str> {
        let mut sinks: Vec<&str> = Vec::new();
        for sink in self.policies.iter().flat_map(|policy| &policy.notify) {
            if !sinks.contains(&sink.as_str()) {
                sinks.push(sink);
            }
        }
        sinks
    }

    /// Ids of the policies that determined it, in the order of the files.
    pub fn ids(&self) -> Vec<String> {
        self.policies.iter().map(|policy| policy.id.clone()).collect()
    }
}
