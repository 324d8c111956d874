//! Messages on their way to sinks. They live on the record, so that none is lost with a process.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::routes::{Audience, Routes};
use crate::domain::text::clean;
use crate::domain::{Incident, IncidentState};

mod fallback;

pub use fallback::{FALLBACK_AFTER, Keeper, fall_back, falls_back_at, stand_in_for};

/// A message that no sink took for this long becomes a dead letter.
pub const DELIVERY_GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(72);
/// Wait after the first failure; doubled with each further one.
const BACKOFF_FIRST: SignedDuration = SignedDuration::from_secs(30);
/// Longest wait between two tries.
const BACKOFF_MAX: SignedDuration = SignedDuration::from_hours(1);
/// Messages that one record keeps. Past it, first updates are dropped, then openings whose end waits as well, since the end
/// tells it all; and if sinks took nothing for so many ended incidents, the oldest one: its case is in the archive.
pub const OUTBOX_MAX: usize = 32;
/// Receipts that one record keeps, the newest: those of a case for as many sinks as anybody has, and of the cases before it.
pub const RECEIPTS_MAX: usize = 32;
/// Longest name that a receiver gives to an incident, in characters: a link to it, as a rule.
const REFERENCE_CHARS_MAX: usize = 400;

/// One incident message and the sinks that still lack it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// What to say.
    pub incident: Incident,
    /// When it was put here, on Azure's clock.
    pub queued_at: Timestamp,
    /// The sinks that still lack it.
    pub pending: Vec<Pending>,
    /// The fallback sink hears of this incident, as one of its hearers or since a sink did not take this message: it is not told again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fallen_back: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// One sink that lacks a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The sink's name.
    pub sink: String,
    /// Tries so far.
    #[serde(default)]
    pub tries: u32,
    /// Not before this.
    pub next_at: Timestamp,
    /// Why the newest try failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// How one try to deliver ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The sink has it.
    Delivered {
        /// What the receiver calls it, if it said so: an id or a link.
        reference: Option<String>,
    },
    /// Not yet.
    Failed {
        /// Why, safe to show.
        why: String,
        /// What the sink asked for.
        retry_after: Option<Duration>,
    },
    /// Never: no further try can succeed.
    GivenUp {
        /// Why, safe to show.
        why: String,
    },
}

/// A message that nobody took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// What was to be said.
    pub incident: Incident,
    /// To whom.
    pub sink: String,
    /// Tries made.
    pub tries: u32,
    /// Why the last one failed.
    pub failure: String,
    /// The fallback sink was told of the incident.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fallen_back: bool,
}

/// What a sink took of an incident last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The incident's id.
    pub incident: String,
    /// The sink's name.
    pub sink: String,
    /// What it was told.
    pub state: IncidentState,
    /// Number of that message.
    pub sequence: u32,
    /// When it had it, on Azure's clock.
    pub at: Timestamp,
    /// What the receiver calls the incident: an id or a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl Message {
    /// A message for each of `sinks`, due at once.
    pub fn new(incident: Incident, sinks: &[String], now: Timestamp) -> Self {
        let pending = sinks.iter().map(|sink| Pending::new(sink.clone(), now)).collect();
        Self { incident, queued_at: now, pending, fallen_back: false }
    }

    /// Notes whether the fallback sink is among those who hear of the incident. When the case is closed nothing else tells.
    #[must_use]
    pub fn for_audience(self, audience: &Audience, routes: &Routes) -> Self {
        let fallen_back = routes.fallback().is_some_and(|sink| audience.knows(sink));
        Self { fallen_back, ..self }
    }

    fn waits_for(&self, sink: &str) -> bool {
        self.pending.iter().any(|pending| pending.sink == sink)
    }
}

impl Pending {
    fn new(sink: String, now: Timestamp) -> Self {
        Self { sink, tries: 0, next_at: now, failure: None }
    }
}

impl Receipt {
    /// That a sink has this message.
    pub fn new(incident: &Incident, sink: &str, reference: Option<&str>, at: Timestamp) -> Self {
        let reference =
            reference.map(|text| clean(text, REFERENCE_CHARS_MAX)).filter(|text| !text.is_empty());
        Self {
            incident: incident.id.clone(),
            sink: sink.to_owned(),
            state: incident.state,
            sequence: incident.sequence,
            at,
            reference,
        }
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} at {}", self.sink, self.state.as_str(), self.at)?;
        match &self.reference {
            Some(reference) => write!(f, ", {reference}"),
            None => Ok(()),
        }
    }
}

/// Keeps a receipt: the newest of each incident and sink. What the receiver called the incident once stays, also where it says
/// nothing of it any more.
pub fn keep(receipts: &mut Vec<Receipt>, mut receipt: Receipt) {
    let same = |old: &Receipt| old.incident == receipt.incident && old.sink == receipt.sink;
    if let Some(at) = receipts.iter().position(same) {
        let old = receipts.remove(at);
        if old.sequence > receipt.sequence {
            receipts.push(old);
            return;
        }
        receipt.reference = receipt.reference.or(old.reference);
    }
    receipts.push(receipt);
    if receipts.len() > RECEIPTS_MAX {
        receipts.remove(0);
    }
}

/// The incidents that this step opens, each with the sinks that hear of it for the first time.
pub fn begun<'a>(
    before: &'a [Message],
    after: &'a [Message],
) -> impl Iterator<Item = (&'a str, Vec<&'a str>)> {
    let name = |message: &Message| (message.incident.id.clone(), message.incident.sequence);
    let is_new = move |message: &&Message| before.iter().all(|old| name(old) != name(message));
    let opened = after.iter().filter(|message| message.incident.state == IncidentState::Opened);
    opened.filter(is_new).map(|message| {
        let sinks = message.pending.iter().map(|pending| pending.sink.as_str()).collect();
        (message.incident.id.as_str(), sinks)
    })
}

/// Puts a message in, and keeps the outbox bounded.
pub fn push(outbox: &mut Vec<Message>, message: Message) {
    if message.pending.is_empty() {
        return;
    }
    outbox.push(message);
    bound(outbox);
}

fn bound(outbox: &mut Vec<Message>) {
    if outbox.len() > OUTBOX_MAX {
        outbox.remove(least_needed(outbox));
    }
}

fn least_needed(outbox: &[Message]) -> usize {
    let state = |state: IncidentState| move |message: &Message| message.incident.state == state;
    let update = outbox.iter().position(state(IncidentState::Updated));
    let has_ended = |message: &Message| {
        let mut ends = outbox.iter().filter(|other| state(IncidentState::Resolved)(other));
        ends.any(|end| end.incident.id == message.incident.id)
    };
    let told_by_its_end =
        || outbox.iter().position(|message| state(IncidentState::Opened)(message) && has_ended(message));
    update.or_else(told_by_its_end).unwrap_or(0)
}

/// The deliveries that may be tried now: of each sink only its first waiting message, so that order is kept.
pub fn due(outbox: &[Message], now: Timestamp) -> Vec<(&Incident, &str)> {
    let firsts = firsts(outbox).into_iter().filter(|(_, pending)| pending.next_at <= now);
    firsts.map(|(message, pending)| (&message.incident, pending.sink.as_str())).collect()
}

/// When the outbox next wants attention; `None` if it is empty.
pub fn next_at(outbox: &[Message]) -> Option<Timestamp> {
    firsts(outbox).into_iter().map(|(_, pending)| pending.next_at).min()
}

/// Of each sink its first waiting message.
fn firsts(outbox: &[Message]) -> Vec<(&Message, &Pending)> {
    let mut firsts: Vec<(&Message, &Pending)> = Vec::new();
    for message in outbox {
        for pending in &message.pending {
            if firsts.iter().all(|(_, first)| first.sink != pending.sink) {
                firsts.push((message, pending));
            }
        }
    }
    firsts
}

/// Writes down how a try ended. Returns the dead letter if that was the last one.
///
/// `jitter` is a random byte: tries of many records should not come at the same moment.
pub fn settle(
    outbox: &mut Vec<Message>,
    incident: (&str, u32),
    sink: &str,
    delivery: Delivery,
    now: Timestamp,
    jitter: u8,
) -> Option<DeadLetter> {
    let is_it =
        |m: &&mut Message| (m.incident.id.as_str(), m.incident.sequence) == incident && m.waits_for(sink);
    let message = outbox.iter_mut().find(is_it)?;
    let at = message.pending.iter().position(|pending| pending.sink == sink)?;
    let pending = message.pending.get_mut(at)?;
    let (why, retry_after) = match delivery {
        Delivery::Delivered { .. } => {
            message.pending.remove(at);
            outbox.retain(|message| !message.pending.is_empty());
            return None;
        }
        Delivery::Failed { why, retry_after } => (why, Some(retry_after)),
        Delivery::GivenUp { why } => (why, None),
    };
    pending.tries = pending.tries.saturating_add(1);
    let tries = pending.tries;
    let out_of_time = now.duration_since(message.queued_at) >= DELIVERY_GIVE_UP_AFTER;
    match retry_after {
        Some(retry_after) if !out_of_time => {
            pending.next_at = now + backoff(tries, retry_after, jitter);
            pending.failure = Some(why);
            None
        }
        Some(_) | None => {
            message.pending.remove(at);
            let (incident, fallen_back) = (message.incident.clone(), message.fallen_back);
            outbox.retain(|message| !message.pending.is_empty());
            Some(DeadLetter { incident, sink: sink.to_owned(), tries, failure: why, fallen_back })
        }
    }
}

/// Exponential, with up to a quarter more by chance; a sink's own Retry-After counts if it is longer.
fn backoff(tries: u32, retry_after: Option<Duration>, jitter: u8) -> SignedDuration {
    let doubled =
        BACKOFF_FIRST.saturating_mul(1_i32.checked_shl(tries.saturating_sub(1).min(12)).unwrap_or(1));
    let base = doubled.min(BACKOFF_MAX);
    let with_jitter = base + base * i32::from(jitter) / (4 * 255);
    let asked = retry_after.unwrap_or_default();
    with_jitter.max(SignedDuration::try_from(asked).unwrap_or(BACKOFF_MAX).min(BACKOFF_MAX))
}
