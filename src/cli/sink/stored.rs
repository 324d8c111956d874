//! The incident of a case that the store holds, for `sink render --case`.

use anyhow::Context as _;

use super::super::operator::{Operator, block_on};
use super::super::stored::by_id;
use super::super::{Exit, offline};
use crate::case::{Mode, incident_now};
use crate::config::{Environment, Settings};
use crate::domain::Incident;
use crate::store::OpenMarker;

/// The incident of this case as it would be told now; of one that is over: its end. An exit, if the settings don't say where the
/// state is.
pub(super) fn incident(
    id: &OpenMarker,
    environment: &Environment,
    settings: &Settings,
) -> anyhow::Result<Result<Incident, Exit>> {
    let operator = match Operator::open(environment)? {
        Ok(operator) => operator,
        Err(exit) => return Ok(Err(exit)),
    };
    let now = operator.now();
    let shown = format!("{}-{}", id.key, id.generation);
    let (record, case) =
        block_on(by_id::read(&operator.store, id, now)).with_context(|| format!("case `{shown}`"))?;
    let at = case.closed_at.unwrap_or(now);
    // The case tells the mode that it was decided in. The mode of this machine's settings doesn't matter.
    let context = offline::context(settings, None, Mode::Act, at);
    let incident = incident_now(&record, &case, &context);
    Ok(Ok(incident.with_context(|| format!("case `{shown}` has no incident"))?))
}
