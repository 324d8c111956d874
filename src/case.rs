//! The case protocol, pure: what is recorded, what follows from a look, and what people are told. No I/O, no clock.
//!
//! `docs/PROTOCOL.md` has the rules that comments here cite by number.

pub mod asked;
pub mod bulletin;
mod case_id;
pub mod close;
pub mod discovery;
pub mod evidence;
pub mod explain;
pub mod intake;
mod learnt;
pub mod milestones;
pub mod mode;
pub mod model;
pub mod outbox;
mod plan;
pub mod proof;
pub mod record;
mod report;
pub mod routes;
pub mod step;
pub mod times;
pub mod verdict;

#[cfg(test)]
mod tests;

pub use asked::Asked;
pub use bulletin::{Bulletin, BulletinKey};
pub use discovery::Baseline;
pub use evidence::{Evidence, Exhibit, Piece};
pub use explain::{Action, Explanation, explain, explain_questions};
pub use intake::{Taken, take_in};
pub use mode::Mode;
pub use model::{Case, CaseId, Held, Intent, IntentState, Outcome, Stop, StopSource, Told, Verdict};
pub use proof::Confirm;
pub use record::{AuthorisedStop, Closing, Episode, History, Record, RecordError};
pub use report::{NoIncident, Sentences, begun_in_groups, incident_now, reasons_it_waited, sentences_now};
pub use routes::{Audience, Route, Routes, Takes};
pub use step::{
    Advance, Context, Facts, GrantsRead, GroupRow, LookProblem, RecentStops, StormRow, Transition, advance,
    callers_to_grant, note_start,
};
pub use times::Times;
