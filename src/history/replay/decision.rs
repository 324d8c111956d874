//! A decision about a stop, as far as it can be compared.

use serde::Serialize;

use crate::case::model::RestartAnswer;
use crate::case::{Case, Verdict};
use crate::domain::Severity;
use crate::policy::Answer;

/// Was the stop allowed, and if not: may the guard restart?
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Whether the stop was allowed.
    pub authorised: bool,
    /// Ids of the policies that say so; empty for a default deny.
    pub policies: Vec<String>,
    /// Policies that could not be evaluated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// How bad they say it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// The answer about a restart, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
}

/// May the guard restart it?
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restart {
    /// Whether it may.
    pub permitted: bool,
    /// Ids of the policies that say so.
    pub policies: Vec<String>,
    /// How bad they say it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// People are told together with other clusters.
    pub in_storm: bool,
}

impl Decision {
    /// What a case holds of it; `None` if nothing was decided.
    pub(super) fn stored(case: &Case) -> Option<Self> {
        let verdict = case.verdict.as_ref()?;
        let restart = case.restart.as_ref().filter(|_| !verdict.authorised).map(Restart::stored);
        Some(Self { restart, ..Self::of(verdict, None) })
    }

    pub(super) fn of(verdict: &Verdict, restart: Option<&Answer>) -> Self {
        Self {
            authorised: verdict.authorised,
            policies: verdict.policies.clone(),
            errors: verdict.errors.clone(),
            severity: verdict.severity,
            restart: restart.map(Restart::of),
        }
    }

    /// Whether anything else would have happened: another answer, or people told otherwise. Other policies that say the same
    /// are no difference, and neither is a restart that was not asked for once.
    pub(super) fn differs(&self, other: &Self) -> bool {
        let restart = match (&self.restart, &other.restart) {
            (Some(one), Some(other)) => one.differs(other),
            (None, _) | (_, None) => false,
        };
        let severity = !self.authorised && self.severity != other.severity;
        self.authorised != other.authorised || restart || severity
    }
}

impl Restart {
    fn stored(answer: &RestartAnswer) -> Self {
        Self {
            permitted: answer.permitted,
            policies: answer.policies.clone(),
            severity: answer.severity,
            in_storm: answer.in_storm,
        }
    }

    fn of(answer: &Answer) -> Self {
        Self {
            permitted: answer.allowed,
            policies: answer.ids(),
            severity: answer.severity(),
            in_storm: answer.group().is_some(),
        }
    }

    fn differs(&self, other: &Self) -> bool {
        self.permitted != other.permitted
            || self.severity != other.severity
            || self.in_storm != other.in_storm
    }
}
