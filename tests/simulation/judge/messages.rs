//! Promise 3: people are told.

use aks_stop_guard::case::outbox::{FALLBACK_AFTER, Keeper as _, Message, OUTBOX_MAX};
use aks_stop_guard::case::{Case, Closing, Mode, Outcome, Record, Takes};
use aks_stop_guard::domain::{Incident, IncidentState};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{Judge, Promise};

/// The sink that steps in.
const FALLBACK: &str = "mail";

/// The part of a bulletin that is looked at.
#[derive(Debug, Deserialize)]
pub(super) struct Outbox {
    #[serde(default)]
    pub(super) outbox: Vec<Message>,
}

impl Judge {
    pub(super) fn note_messages(&mut self, outbox: &[Message]) {
        for message in outbox {
            self.messages.insert((message.incident.id.clone(), message.incident.sequence));
        }
    }

    /// Who waits for a message goes on waiting until it has it, or until it is a dead letter.
    pub(super) fn check_messages_kept(&mut self, old: &[Message], new: &[Message], now: Timestamp) {
        if new.len() >= OUTBOX_MAX {
            return;
        }
        for message in old {
            let (id, sequence) = (&message.incident.id, message.incident.sequence);
            for pending in &message.pending {
                let still = new.iter().any(|other| {
                    other.incident.id == *id
                        && other.incident.sequence == sequence
                        && other.pending.iter().any(|waiting| waiting.sink == pending.sink)
                });
                if !still && !self.out.contains(&(pending.sink.clone(), id.clone(), sequence)) {
                    let sink = &pending.sink;
                    self.breaks(Promise::MessageKept, now, || format!("{sink} never got {id} #{sequence}"));
                }
            }
        }
    }

    /// A delivery failed, and its process wrote that down: whoever waited long enough is stood in for by now.
    pub(super) fn check_fallen_back(&mut self, old: &Record, new: &Record, now: Timestamp) {
        if !self.knobs.routes.fallback || self.silent {
            return;
        }
        let tries = |record: &Record| -> u32 {
            let pending = record.outbox.iter().flat_map(|message| &message.pending);
            pending.filter(|pending| pending.sink != FALLBACK).map(|pending| pending.tries).sum()
        };
        if tries(new) <= tries(old) {
            return;
        }
        // The process's clock may be wrong.
        let since = now - FALLBACK_AFTER - self.skew * 2 - SignedDuration::from_secs(30);
        let hears = |id: &str| {
            let mut messages = new.outbox.iter().filter(|message| message.incident.id == id);
            messages.any(|message| message.fallen_back)
                || new.audience(id).is_some_and(|audience| audience.knows(FALLBACK))
        };
        let late = new.outbox.iter().find(|message| {
            message.queued_at < since
                && message.incident.state != IncidentState::Resolved
                && message.pending.iter().any(|pending| pending.sink != FALLBACK && pending.tries > 0)
                && !hears(&message.incident.id)
        });
        if let Some(message) = late {
            let (id, queued) = (message.incident.id.clone(), message.queued_at);
            self.breaks(Promise::FallenBack, now, || {
                format!("{id} waits since {queued}, and nobody steps in")
            });
        }
    }

    /// A case of an unauthorised stop ends: people have been told that it began, and are told that it is over.
    pub(super) fn check_told(&mut self, closing: &Closing, record: &Record, now: Timestamp) {
        let Ok(case) = serde_json::from_str::<Case>(&closing.body) else {
            self.breaks(Promise::ArchiveIsFinal, now, || format!("{} is no case", closing.id));
            return;
        };
        let unauthorised = case.verdict.as_ref().is_some_and(|verdict| !verdict.authorised);
        if self.silent || case.mode == Mode::DryRun || !unauthorised || closing.outcome == Outcome::Authorised
        {
            return;
        }
        let id = closing.id.to_string();
        let in_storm = case.told.as_ref().is_some_and(|told| told.in_storm);
        if let Some(told) = case.told.as_ref().filter(|told| !told.in_storm) {
            let unheard = self.knobs.sink_names().into_iter().find(|sink| {
                let is_for = match self.knobs.routes.takes(sink) {
                    Takes::From(least) => told.severity >= least,
                    Takes::Named => false,
                };
                is_for && !told.audience.knows(sink)
            });
            if let Some(sink) = unheard {
                self.breaks(Promise::Told, now, || format!("{sink} never hears of {id}"));
            }
            let in_group = |sink: &String| {
                closing.groups.iter().any(|row| row.incident == id && row.ended && row.sinks.contains(sink))
            };
            if !told.audience.grouped().iter().all(in_group) {
                self.breaks(Promise::Grouped, now, || format!("{id} ends, and its groups are not told"));
            }
            if told.audience.told().is_some_and(<[String]>::is_empty) {
                return;
            }
        }
        let ends = |message: &Message| {
            message.incident.id == id && message.incident.state == IncidentState::Resolved
        };
        let began = self.messages.contains(&(id.clone(), 0));
        let is_ending = began && record.outbox.iter().any(ends);
        if !in_storm && !is_ending {
            self.breaks(Promise::Told, now, || format!("{id} ends, and nobody is told"));
        }
    }

    /// A sink got a message.
    pub(crate) fn on_delivered(&mut self, sink: &str, incident: &Incident, now: Timestamp) {
        let id = incident.id.clone();
        if !self.messages.contains(&(id.clone(), incident.sequence)) && !is_of_a_bulletin(&id) {
            self.breaks(Promise::OpenedFirst, now, || format!("{id} #{} is on no record", incident.sequence));
        }
        let of_sink = (sink.to_owned(), id.clone());
        match incident.state {
            IncidentState::Opened => {
                self.opened.insert(of_sink);
            }
            IncidentState::Updated | IncidentState::Resolved => {
                if !self.opened.contains(&of_sink) && !is_of_a_bulletin(&id) {
                    self.breaks(Promise::OpenedFirst, now, || format!("{sink} got {id} before its opening"));
                }
            }
        }
        self.out.insert((sink.to_owned(), id, incident.sequence));
    }
}

fn is_of_a_bulletin(id: &str) -> bool {
    id.starts_with("storm")
        || id.starts_with("group")
        || id.starts_with("degraded")
        || id.starts_with("quarantine")
}
