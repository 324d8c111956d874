//! When a case came how far, as its timeline tells: for people who follow it. Nothing is decided by it.

use jiff::Timestamp;

use super::model::Case;

/// How the line of a verdict begins.
pub(super) const JUDGED: &str = "the stop was ";
/// How the line of a start begins, written before it is sent.
pub(super) const STARTING: &str = "starting it (attempt ";
/// The line of a start that Azure took.
pub(super) const ACCEPTED: &str = "Azure accepted the start";

/// Times of a case, on Azure's clock. One that the middle of a very long timeline held is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Milestones {
    /// When its stop was first judged.
    pub judged_at: Option<Timestamp>,
    /// When the guard first set out to start the cluster.
    pub starting_at: Option<Timestamp>,
    /// When Azure first took a start.
    pub accepted_at: Option<Timestamp>,
}

/// Reads a case's timeline.
pub fn milestones(case: &Case) -> Milestones {
    let first =
        |line: &str| case.timeline.iter().find(|entry| entry.text.starts_with(line)).map(|entry| entry.at);
    Milestones { judged_at: first(JUDGED), starting_at: first(STARTING), accepted_at: first(ACCEPTED) }
}
