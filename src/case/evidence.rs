//! What a case rests on, word for word: the record has digests, blobs of their own have the words.
//!
//! A blob is named by its digest and written after the record that names it: it may be missing, and is never another.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::model::Case;
use super::record::{Episode, Record};
use super::step::{Context, Facts};
use super::verdict::is_this_stop;
use crate::domain::verbatim::Whole;
use crate::domain::{RequestIds, StopEvent, Verbatim};

/// Events and starts that one case keeps: the first and the newest ones, as of its stops.
pub const PIECES_MAX: usize = 16;
/// Versions of the guard and sets of policies that one case keeps. They change rarely while a case is open.
const VERSIONS_MAX: usize = 4;
/// This program, as long as the digest of its executable is not known.
pub const PROGRAM: &str = concat!("aks-stop-guard ", env!("CARGO_PKG_VERSION"));

/// A text that is kept in a blob of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exhibit {
    /// SHA-256 of the blob's content, in lower-case hex. It is the blob's name, too.
    pub sha256: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// The text, where it was too long and the blob has its beginning only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Whole>,
    /// How many credentials were replaced by `***`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub struck: u32,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// An exhibit and its text, to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What the record says of it.
    pub exhibit: Exhibit,
    /// The words.
    pub text: Verbatim,
}

impl Piece {
    /// A text as a piece of evidence.
    pub fn of(text: Verbatim) -> Self {
        let exhibit = Exhibit {
            sha256: text.sha256(),
            bytes: u64::try_from(text.bytes().len()).unwrap_or(u64::MAX),
            whole: text.whole().cloned(),
            struck: text.struck(),
        };
        Self { exhibit, text }
    }
}

/// The event that told of a stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventKept {
    /// Its id, as the stop has it.
    pub event_id: String,
    /// Its words.
    pub exhibit: Exhibit,
    /// `uti` of the token that it says the stop was done with: the sign-in logs' "Unique Token Identifier".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
}

/// A start that was meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Which attempt of the episode, from 1.
    pub n: u32,
    /// When it was decided.
    pub at: Timestamp,
    /// `x-ms-client-request-id`: what the guard called it.
    pub nonce: String,
    /// The look that it relied on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look: Option<Exhibit>,
    /// What ARM called it; empty if no answer came.
    #[serde(flatten)]
    pub ids: RequestIds,
}

/// What a case rests on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The events, in the order in which they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventKept>,
    /// The activity log's records of the newest stop and of what came after it, as a JSON array, from the newest decision that the log
    /// was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Exhibit>,
    /// The starts, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// The look that the case was closed with; none of a cluster that is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_look: Option<Exhibit>,
    /// SHA-256 of the policies that decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// The programs that decided, with the SHA-256 of their executables where that was known by then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
    /// Members that a newer version wrote.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl Evidence {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// All exhibits, each with a name that says what it is, in the order of the story.
    pub fn exhibits(&self) -> Vec<(String, &Exhibit)> {
        let mut all = Vec::new();
        for (event, n) in self.events.iter().zip(1..) {
            all.push((format!("event-{n}"), &event.exhibit));
        }
        all.extend(self.log.iter().map(|log| ("activity-log".to_owned(), log)));
        for (attempt, n) in self.attempts.iter().zip(1..) {
            all.extend(attempt.look.iter().map(|look| (format!("look-before-start-{n}"), look)));
        }
        all.extend(self.last_look.iter().map(|look| ("look-at-the-end".to_owned(), look)));
        all
    }

    fn note_versions(&mut self, context: &Context<'_>) {
        note(&mut self.programs, context.program);
        if let Some(policies) = context.policies {
            note(&mut self.policies, policies.digest());
        }
    }
}

/// Keeps the event of a stop that its case took in.
pub fn keep_event(record: &mut Record, event: &StopEvent) -> Option<Piece> {
    let (Episode::Open(case) | Episode::Held(case)) = &mut record.episode else { return None };
    let events = &mut case.evidence.events;
    let is_of_case = case.stops.iter().any(|stop| stop.event_id == event.id);
    if !is_of_case || events.iter().any(|kept| kept.event_id == event.id) {
        return None;
    }
    let piece = Piece::of(event.verbatim.clone());
    let exhibit = piece.exhibit.clone();
    push(events, EventKept { event_id: event.id.clone(), exhibit, token_id: event.token_id.clone() });
    Some(piece)
}

/// Keeps what a start relies on.
pub(super) fn of_start(case: &mut Case, nonce: &str, facts: &Facts, context: &Context<'_>) -> Vec<Piece> {
    let look = look(facts);
    let attempt = Attempt {
        n: case.episode_attempts,
        at: context.now,
        nonce: nonce.to_owned(),
        look: look.as_ref().map(|piece| piece.exhibit.clone()),
        ids: RequestIds::default(),
    };
    push(&mut case.evidence.attempts, attempt);
    case.evidence.note_versions(context);
    of_log(case, facts, context).into_iter().chain(look).collect()
}

/// Keeps what the end of a case relies on.
pub(super) fn of_end(case: &mut Case, facts: &Facts, context: &Context<'_>) -> Vec<Piece> {
    let look = look(facts);
    case.evidence.last_look = look.as_ref().map(|piece| piece.exhibit.clone());
    case.evidence.note_versions(context);
    of_log(case, facts, context).into_iter().chain(look).collect()
}

/// Writes down what ARM called the start with this nonce.
pub fn note_request(record: &mut Record, nonce: &str, ids: &RequestIds) {
    let (Episode::Open(case) | Episode::Held(case)) = &mut record.episode else { return };
    if let Some(attempt) = case.evidence.attempts.iter_mut().rfind(|attempt| attempt.nonce == nonce) {
        attempt.ids = ids.clone();
    }
}

fn look(facts: &Facts) -> Option<Piece> {
    let body = facts.look.as_ref().ok()?.body.as_ref()?;
    Some(Piece::of(Verbatim::of(body)))
}

/// The records that the proof rests on, if the log was asked for this decision: those of the newest stop, and of what came after it.
fn of_log(case: &mut Case, facts: &Facts, context: &Context<'_>) -> Option<Piece> {
    let reading = facts.log.as_ref()?.as_ref().ok()?;
    let stop = case.newest_stop()?;
    let of_stop =
        reading.operations.iter().position(|operation| is_this_stop(stop, operation, context.times))?;
    let records: Vec<&str> = reading
        .operations
        .iter()
        .take(of_stop + 1)
        .flat_map(|operation| &operation.records)
        .map(|r| &**r)
        .collect();
    if records.is_empty() {
        return None;
    }
    let piece = Piece::of(Verbatim::of(format!("[{}]", records.join(",\n")).as_bytes()));
    case.evidence.log = Some(piece.exhibit.clone());
    Some(piece)
}

/// Adds to a list that keeps the first and the newest.
fn push<T>(list: &mut Vec<T>, new: T) {
    list.push(new);
    if list.len() > PIECES_MAX {
        list.remove(1);
    }
}

/// Adds a version that is not there yet.
fn note(list: &mut Vec<String>, version: &str) {
    if list.len() < VERSIONS_MAX && !list.iter().any(|known| known == version) {
        list.push(version.to_owned());
    }
}
