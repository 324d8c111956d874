//! A sink that is down must not mean that nobody hears: another one steps in (rule 32).

use jiff::{SignedDuration, Timestamp};

use super::{DeadLetter, Message, Pending, Receipt, bound, firsts};
use crate::case::routes::Audience;
use crate::domain::{Incident, IncidentState};

/// A message that its sink has not taken for this long goes to the fallback sink as well. Five tries fit into it (after 30 s,
/// 60 s, 2, 4 and 8 minutes): a receiver that restarts calls nobody else, and whoever should be called waits no longer than this.
pub const FALLBACK_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// What keeps messages: a cluster's record, or a bulletin.
pub trait Keeper {
    /// Its messages.
    fn outbox(&self) -> &[Message];
    /// The same, to change.
    fn outbox_mut(&mut self) -> &mut Vec<Message>;
    /// What sinks took.
    fn receipts_mut(&mut self) -> &mut Vec<Receipt>;
    /// Who hears of an incident of this id, as long as it is open.
    fn audience(&self, incident: &str) -> Option<&Audience>;
    /// The same, to change.
    fn audience_mut(&mut self, incident: &str) -> Option<&mut Audience>;
}

/// When the fallback sink next has to be told of something; `None` if no sink is failing.
pub fn falls_back_at(keeper: &impl Keeper, fallback: &str) -> Option<Timestamp> {
    candidates(keeper, fallback).into_iter().map(|candidate| candidate.at).min()
}

/// Tells the fallback sink of each incident that a failing sink has not taken for [`FALLBACK_AFTER`]: once an incident, saying which
/// sink is down; its end too, if that waits already. What comes of the incident later is for it as well. Returns whether there was any.
pub fn fall_back(keeper: &mut impl Keeper, fallback: &str, now: Timestamp) -> bool {
    let mut is_told = false;
    while let Some(Candidate { incident, failing, failure, .. }) =
        candidates(keeper, fallback).into_iter().find(|candidate| candidate.at <= now)
    {
        let minutes = FALLBACK_AFTER.as_mins();
        let why = format!("has not taken it for {minutes} minutes ({failure})");
        step_in(keeper, &incident, &failing, &why, fallback, now);
        is_told = true;
    }
    is_told
}

/// The same for a message that a sink will never take.
pub fn stand_in_for(keeper: &mut impl Keeper, letter: &mut DeadLetter, fallback: &str, now: Timestamp) {
    let is_over = letter.incident.state == IncidentState::Resolved || letter.sink == fallback;
    if is_over || letter.fallen_back || hears_anyway(keeper, &letter.incident.id, fallback) {
        return;
    }
    let why = format!("did not take it ({})", letter.failure);
    step_in(keeper, &letter.incident, &letter.sink, &why, fallback, now);
    letter.fallen_back = true;
}

/// An incident that a failing sink lacks.
struct Candidate {
    /// The newest message that waits for it: it says most.
    incident: Incident,
    failing: String,
    failure: String,
    /// When it has waited long enough.
    at: Timestamp,
}

fn candidates(keeper: &impl Keeper, fallback: &str) -> Vec<Candidate> {
    let outbox = keeper.outbox();
    let failing = firsts(outbox).into_iter().map(|(_, first)| first);
    let failing = failing.filter(|first| first.tries > 0 && first.sink != fallback);
    failing
        .flat_map(|first| {
            // An end alone calls nobody: whoever was told looks after it.
            let open = |message: &&Message| {
                message.incident.state != IncidentState::Resolved && message.waits_for(&first.sink)
            };
            outbox.iter().filter(open).map(move |message| (first, message))
        })
        .filter(|(_, message)| !hears_anyway(keeper, &message.incident.id, fallback))
        .filter_map(|(first, oldest)| {
            let newest = outbox.iter().rfind(|message| {
                message.incident.id == oldest.incident.id
                    && message.incident.state != IncidentState::Resolved
                    && message.waits_for(&first.sink)
            })?;
            Some(Candidate {
                incident: newest.incident.clone(),
                failing: first.sink.clone(),
                failure: first.failure.clone().unwrap_or_default(),
                at: oldest.queued_at + FALLBACK_AFTER,
            })
        })
        .collect()
}

/// The fallback sink hears of it as others do, or was told already.
fn hears_anyway(keeper: &impl Keeper, incident: &str, fallback: &str) -> bool {
    let mut messages = keeper.outbox().iter().filter(|message| message.incident.id == incident);
    messages.any(|message| message.fallen_back || message.waits_for(fallback))
        || keeper.audience(incident).is_some_and(|audience| audience.knows(fallback))
}

/// Opens the incident for the fallback sink, and ends it if its end waits already.
fn step_in(
    keeper: &mut impl Keeper,
    incident: &Incident,
    failing: &str,
    why: &str,
    fallback: &str,
    now: Timestamp,
) {
    let mut done = incident.done.clone();
    done.push(format!("Told here because sink {failing} {why}."));
    let opening = Incident { state: IncidentState::Opened, done, ..incident.clone() };
    let mut opening = Message::new(opening, &[fallback.to_owned()], now);
    opening.fallen_back = true;
    let outbox = keeper.outbox_mut();
    let first = outbox.iter().position(|message| message.incident.id == incident.id);
    for message in outbox.iter_mut().filter(|message| message.incident.id == incident.id) {
        message.fallen_back = true;
        if message.incident.state == IncidentState::Resolved {
            message.pending.push(Pending::new(fallback.to_owned(), now));
        }
    }
    outbox.insert(first.unwrap_or(outbox.len()), opening);
    bound(outbox);
    if let Some(audience) = keeper.audience_mut(&incident.id) {
        audience.add(fallback);
    }
}
