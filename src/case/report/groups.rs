//! What the groups are told of a case's incidents.

use super::super::model::{Case, Outcome, Told};
use super::super::record::{Episode, Record};
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

/// The incidents that a step begins in groups, each with the sinks whose group hears of it for the first time: by the lines that it
/// tells the groups, and those of a case that it ends.
pub fn begun_in_groups<'a>(
    before: &Record,
    after: &'a Record,
    rows: &'a [GroupRow],
) -> Vec<(&'a str, Vec<&'a str>)> {
    let ended = match &after.episode {
        Episode::Closing(closing) => closing.groups.as_slice(),
        Episode::None | Episode::Open(_) | Episode::Held(_) => &[],
    };
    if rows.is_empty() && ended.is_empty() {
        return Vec::new();
    }
    let known = before.case().map(|case| group_rows(case, None)).unwrap_or_default();
    let is_new = |row: &GroupRow, sink: &str| {
        !known.iter().any(|old| old.incident == row.incident && old.sinks.iter().any(|known| known == sink))
    };
    let of_row = |row: &'a GroupRow| {
        let new = row.sinks.iter().filter(|sink| is_new(row, sink)).map(String::as_str);
        (row.incident.as_str(), new.collect::<Vec<_>>())
    };
    rows.iter().chain(ended).map(of_row).filter(|(_, sinks)| !sinks.is_empty()).collect()
}
