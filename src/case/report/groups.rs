//! What the groups are told of a case's incidents.

use super::super::model::{Case, Outcome, Told};
use super::super::step::GroupRow;
use super::status;

/// Of each incident of the case that some sinks hear of in their group: its line there.
pub(in crate::case) fn group_rows(case: &Case, outcome: Option<Outcome>) -> Vec<GroupRow> {
    let row = |incident: String, told: &Told, status: String| GroupRow {
        incident,
        sinks: told.audience.grouped().to_vec(),
        status,
        severity: told.severity,
        ended: outcome.is_some(),
    };
    let own = case.told.iter().map(|told| row(case.id.to_string(), told, status(case, outcome)));
    let claims = "an event named somebody else than the activity log";
    let forged = case.forgery_told.iter().map(|told| row(case.forgery_id(), told, claims.to_owned()));
    own.chain(forged).filter(|row| !row.sinks.is_empty()).collect()
}
