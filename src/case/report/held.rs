//! What the timeline says of a case that waits for people: it alone still knows of it when the case is over.

use crate::case::model::{Case, Held, StopSource};

const WAITING: &str = "waiting for people: ";
/// How the line of a mode begins.
const WOULD_HAVE: &str = "would have started it, but ";

/// The timeline's line for it.
pub(in crate::case) fn held_sentence(held: &Held) -> String {
    match held {
        Held::Mode { mode } => format!("{WOULD_HAVE}the mode is {mode}"),
        Held::NotPermitted { .. }
        | Held::PolicyError
        | Held::Hold { .. }
        | Held::AttemptsUsed
        | Held::Refused { .. }
        | Held::FailedState
        | Held::TooLong { .. }
        | Held::UnknownCaller
        | Held::Unconfirmed
        | Held::DamagedRecord => format!("{WAITING}{}", held.reason()),
    }
}

/// Why an open or closed case waited for people, in a few words each; empty if it never did. A case with a very long timeline may
/// have lost some in its middle.
pub fn reasons_it_waited(case: &Case) -> Vec<String> {
    let line_of =
        |text: &str| text.strip_prefix(WAITING).or_else(|| text.strip_prefix(WOULD_HAVE)).map(str::to_owned);
    let mut reasons: Vec<String> = Vec::new();
    for reason in case.timeline.iter().filter_map(|entry| line_of(&entry.text)) {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    if reasons.is_empty() {
        // A record that was damaged is held from its first moment, and has a line of its own.
        let was_damaged = case.stops.iter().any(|stop| stop.source == StopSource::DamagedRecord);
        let known = case.held.as_ref().or(was_damaged.then_some(&Held::DamagedRecord));
        reasons.extend(known.map(Held::reason));
    }
    reasons
}
