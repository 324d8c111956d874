//! How far a drill has come, from what the guard wrote down. Pure.

use jiff::Timestamp;
use serde::Serialize;

use crate::case::milestones::milestones;
use crate::case::outbox::{Message, Receipt};
use crate::case::{Case, CaseId, IntentState, Outcome, Record, StopSource, sentences_now};
use crate::domain::{ClusterId, IncidentState};

/// What a drill shows, one after the other. The names are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stage {
    /// Azure took the stop.
    Stopped,
    /// The guard opened a case.
    Heard,
    /// The policies said that it was not allowed.
    Judged,
    /// Azure took the guard's start.
    Started,
    /// Every sink that hears of it has the incident.
    Told,
    /// The guard saw it running.
    Verified,
    /// The same sinks know that it is over.
    Resolved,
}

impl Stage {
    pub(super) const ALL: [Self; 7] =
        [Self::Stopped, Self::Heard, Self::Judged, Self::Started, Self::Told, Self::Verified, Self::Resolved];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Heard => "heard",
            Self::Judged => "judged",
            Self::Started => "started",
            Self::Told => "told",
            Self::Verified => "verified",
            Self::Resolved => "resolved",
        }
    }
}

/// A stage that was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Reached {
    pub(super) stage: Stage,
    /// When, on Azure's clock, as the guard wrote it down.
    pub(super) at: Timestamp,
    /// Since the stop.
    pub(super) seconds: i64,
    pub(super) seen: String,
}

/// A drill as it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Drill {
    pub(super) group: ClusterId,
    pub(super) stopped_at: Timestamp,
    pub(super) case: Option<CaseId>,
    pub(super) reached: Vec<Reached>,
    /// Why no further stage will be reached.
    pub(super) failed: Option<String>,
    /// What kept a message from a sink last.
    pub(super) undelivered: Vec<String>,
}

impl Drill {
    pub(super) fn begun(group: ClusterId, stopped_at: Timestamp, request_id: Option<&str>) -> Self {
        let mut drill = Self {
            group,
            stopped_at,
            case: None,
            reached: Vec::new(),
            failed: None,
            undelivered: Vec::new(),
        };
        let request = request_id.map(|id| format!(", request {id}")).unwrap_or_default();
        drill.reaches(Stage::Stopped, stopped_at, format!("Azure took the stop{request}"));
        drill
    }

    pub(super) fn has(&self, stage: Stage) -> bool {
        self.reached.iter().any(|reached| reached.stage == stage)
    }

    /// The first stage that is not reached.
    pub(super) fn missing(&self) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| !self.has(*stage))
    }

    pub(super) fn is_over(&self) -> bool {
        self.failed.is_some() || self.missing().is_none()
    }

    fn reaches(&mut self, stage: Stage, at: Timestamp, seen: String) {
        if !self.has(stage) {
            let seconds = at.duration_since(self.stopped_at).as_secs().max(0);
            self.reached.push(Reached { stage, at, seconds, seen });
        }
    }

    /// Takes in what the store holds now of the case that the stop led to.
    pub(super) fn see(&mut self, case: &Case, record: Option<&Record>, now: Timestamp) {
        self.case = Some(case.id.clone());
        let times = milestones(case);
        let source = match case.stops.first().map(|stop| stop.source) {
            Some(StopSource::Event) => "an event",
            Some(StopSource::Log) => "the activity log",
            Some(StopSource::Discovery) => "a dead letter: its event did not come",
            Some(StopSource::DamagedRecord) | None => "a damaged record",
        };
        self.reaches(Stage::Heard, case.opened_at, format!("case {}, from {source}", case.id));
        if let Some(verdict) = &case.verdict {
            let by = match verdict.policies.as_slice() {
                [] => "no policy allows it".to_owned(),
                policies => format!("by policy {}", policies.join(", ")),
            };
            if verdict.authorised {
                self.failed = Some(format!(
                    "the stop was authorised ({by}), so nothing is started and nobody told: run the drill as somebody who may not stop it"
                ));
                return;
            }
            let at = times.judged_at.unwrap_or(case.opened_at);
            self.reaches(Stage::Judged, at, format!("not authorised: {by}"));
        }
        if let Some(seen) = case.intent.as_ref().and_then(|intent| start_told(&intent.state)) {
            let at = times.accepted_at.or(times.starting_at).unwrap_or(now);
            self.reaches(Stage::Started, at, seen);
        }
        let sinks = Sinks::of(case, record);
        self.undelivered = sinks.failures();
        if let Some((at, seen)) = sinks.told(case) {
            self.reaches(Stage::Told, at, seen);
        }
        if case.outcome == Some(Outcome::Restored) {
            let at = case.closed_at.unwrap_or(now);
            self.reaches(Stage::Verified, at, "the guard saw it running".to_owned());
            if let Some((at, seen)) = sinks.resolved() {
                self.reaches(Stage::Resolved, at, seen);
            }
        }
        self.failed = self.failed.take().or_else(|| self.why_not(case, &sinks, now));
    }

    /// Why it can't go on, if it can't.
    fn why_not(&self, case: &Case, sinks: &Sinks<'_>, now: Timestamp) -> Option<String> {
        match (case.outcome, &case.held) {
            (Some(Outcome::Gone), _) => Some("it was deleted meanwhile".to_owned()),
            (Some(Outcome::AlreadyRunning), _) => {
                Some("it ran before the guard started it: somebody else did".to_owned())
            }
            (Some(Outcome::Authorised), _) => Some("its stop was authorised in the end".to_owned()),
            (Some(Outcome::Restored), _) => sinks.why_nobody_was_told(),
            (None, Some(_)) => {
                let title = sentences_now(&self.group, case, now).title;
                Some(format!("the guard waits for people: {title}"))
            }
            (None, None) => None,
        }
    }
}

/// A start that went out, in words.
fn start_told(state: &IntentState) -> Option<String> {
    match state {
        IntentState::Sent { request_id: Some(id) } => {
            Some(format!("Azure took the guard's start, request {id}"))
        }
        IntentState::Sent { request_id: None } => Some("Azure took the guard's start".to_owned()),
        IntentState::Planned
        | IntentState::Unanswered
        | IntentState::Refused { .. }
        | IntentState::PutOff { .. }
        | IntentState::NotSent { .. } => None,
    }
}

/// What sinks have of a case, and lack.
struct Sinks<'a> {
    receipts: Vec<&'a Receipt>,
    waiting: Vec<&'a Message>,
    /// Those that hear of it by itself; `None` if that is not kept.
    hearers: Option<&'a [String]>,
    is_record_known: bool,
    /// It is told within another incident.
    is_grouped: bool,
}

impl<'a> Sinks<'a> {
    fn of(case: &'a Case, record: Option<&'a Record>) -> Self {
        let incident = format!("{}", case.id);
        let own = |id: &str| *id == *incident;
        let mut receipts: Vec<&Receipt> =
            record.into_iter().flat_map(|record| record.receipts_of(&case.id)).collect();
        for kept in &case.receipts {
            if !receipts.iter().any(|newer| newer.sink == kept.sink && newer.incident == kept.incident) {
                receipts.push(kept);
            }
        }
        receipts.retain(|receipt| own(&receipt.incident));
        let messages = record.into_iter().flat_map(|record| &record.outbox);
        Self {
            receipts,
            waiting: messages
                .filter(|message| own(&message.incident.id) && !message.pending.is_empty())
                .collect(),
            hearers: case.told.as_ref().and_then(|told| told.audience.told()),
            is_record_known: record.is_some(),
            is_grouped: case
                .told
                .as_ref()
                .is_some_and(|told| told.in_storm || !told.audience.grouped().is_empty()),
        }
    }

    /// That each of them has the incident: when the last one got it, and what they call it.
    fn told(&self, case: &Case) -> Option<(Timestamp, String)> {
        let lacks = |state| self.waiting.iter().any(|message| message.incident.state == state);
        if self.receipts.is_empty() || lacks(IncidentState::Opened) || lacks(IncidentState::Updated) {
            return None;
        }
        let is_opening = |receipt: &&&Receipt| receipt.state != IncidentState::Resolved;
        let newest = self.receipts.iter().filter(is_opening).map(|receipt| receipt.at).max();
        // Where the end was told already, the time of the first message is not kept.
        let at = newest.or(case.told.as_ref().map(|told| told.opened_at))?;
        Some((at, self.names()))
    }

    /// That each of them knows of its end.
    fn resolved(&self) -> Option<(Timestamp, String)> {
        let is_end = |receipt: &&Receipt| receipt.state == IncidentState::Resolved;
        if self.receipts.is_empty()
            || !self.waiting.is_empty()
            || !self.receipts.iter().all(is_end)
            || !self.without().is_empty()
        {
            return None;
        }
        let at = self.receipts.iter().map(|receipt| receipt.at).max()?;
        Some((at, self.names()))
    }

    fn names(&self) -> String {
        let name = |receipt: &&Receipt| match &receipt.reference {
            Some(reference) => format!("{} ({reference})", receipt.sink),
            None => receipt.sink.clone(),
        };
        self.receipts.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    /// Sinks that should have it, have it not, and won't get it.
    fn without(&self) -> Vec<&str> {
        let hearers = self.hearers.unwrap_or_default().iter().map(String::as_str);
        let has = |sink: &str| self.receipts.iter().any(|receipt| receipt.sink == sink);
        let waits = |sink: &str| {
            self.waiting.iter().any(|message| message.pending.iter().any(|pending| pending.sink == sink))
        };
        hearers.filter(|sink| !has(sink) && !waits(sink)).collect()
    }

    fn why_nobody_was_told(&self) -> Option<String> {
        if !self.is_record_known || !self.waiting.is_empty() {
            return None;
        }
        if let [first, ..] = self.without().as_slice() {
            return Some(format!(
                "sink `{first}` refused the incident for good: `aks-stop-guard sink test {first}`"
            ));
        }
        if !self.receipts.is_empty() {
            return None;
        }
        Some(match self.is_grouped {
            true => "it was told within an incident about several clusters: run the drill when it is quiet"
                .to_owned(),
            false => "nobody was told: the guard has no sink that hears of it".to_owned(),
        })
    }

    /// What keeps messages from sinks.
    fn failures(&self) -> Vec<String> {
        let pending = self.waiting.iter().flat_map(|message| &message.pending);
        let mut failures: Vec<String> = pending
            .filter_map(|pending| Some(format!("sink `{}`: {}", pending.sink, pending.failure.as_ref()?)))
            .collect();
        failures.dedup();
        failures
    }
}

#[cfg(test)]
mod tests;
