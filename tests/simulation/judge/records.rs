//! Promise 1: what was acknowledged is in the store, and stays there.

use aks_stop_guard::case::outbox::DeadLetter;
use aks_stop_guard::case::{Case, Episode, IntentState, Outcome, Record, Stop};
use aks_stop_guard::domain::{ClusterKey, StopEvent, StopTime};
use bytes::Bytes;
use jiff::Timestamp;

use super::messages::Outbox;
use super::starts::Intended;
use super::{Judge, Promise};
use crate::blobs::Container;

/// How often a case ended a sweep, as the guard keeps it.
#[derive(serde::Deserialize)]
struct Suspicion {
    kills: u32,
}

impl Judge {
    /// Something was written to the state container.
    pub(crate) fn on_put(
        &mut self,
        path: &str,
        bytes: &Bytes,
        records: &Container,
        cases: &Container,
        now: Timestamp,
    ) {
        if let Some(key) = record_key(path) {
            match Record::decode(bytes) {
                Ok(record) => self.on_record(&key, record, records, cases, now),
                Err(error) => self.breaks(Promise::AckedIsKept, now, || format!("{path}: {error}")),
            }
        } else if let Some(key) = suspect_key(path) {
            let kills = serde_json::from_slice::<Suspicion>(bytes).map_or(0, |suspicion| suspicion.kills);
            self.known(&key).quarantined = kills >= 3;
        } else if path.starts_with("bulletins/") {
            if let Ok(outbox) = serde_json::from_slice::<Outbox>(bytes) {
                self.note_messages(&outbox.outbox);
                let old = self.bulletins.insert(path.to_owned(), outbox.outbox.clone()).unwrap_or_default();
                self.check_messages_kept(&old, &outbox.outbox, now);
            }
            self.on_group(path, bytes);
        } else if path == "discovery.json" || path.starts_with("baselines/") {
            self.on_discovery(path, bytes, now);
        } else if path.starts_with("dead-letters/")
            && let Ok(letter) = serde_json::from_slice::<DeadLetter>(bytes)
        {
            self.opened.insert((letter.sink.clone(), letter.incident.id.clone()));
            self.out.insert((letter.sink, letter.incident.id, letter.incident.sequence));
        }
    }

    /// Something was deleted from the state container.
    pub(crate) fn on_delete(&mut self, path: &str, records: &Container, now: Timestamp) {
        if record_key(path).is_some() {
            self.breaks(Promise::AckedIsKept, now, || format!("{path} was deleted"));
        }
        if let Some(key) = suspect_key(path) {
            self.known(&key).quarantined = false;
        }
        if let Some(rest) = path.strip_prefix("open/")
            && let Some(key) = rest.split('/').next().and_then(ClusterKey::parse)
        {
            self.check_marker(&key, records, now);
        }
    }

    fn on_record(
        &mut self,
        key: &ClusterKey,
        record: Record,
        records: &Container,
        cases: &Container,
        now: Timestamp,
    ) {
        let old = self.known(key).record.take();
        if let Some(old) = &old {
            if record.generation < old.generation {
                self.breaks(Promise::GenerationGrows, now, || format!("{}", record.generation));
            }
            self.check_kept(old, &record, cases, now);
            self.check_messages_kept(&old.outbox, &record.outbox, now);
            self.check_fallen_back(old, &record, now);
            if waiting(&record) < waiting(old) {
                self.known(key).told_at = Some(now);
            }
        }
        self.note_messages(&record.outbox);
        if let Some(case) = record.case() {
            self.note_case(key, case, now);
        }
        if let Episode::Closing(closing) = &record.episode
            && !matches!(old.as_ref().map(|old| &old.episode), Some(Episode::Closing(_)))
        {
            self.check_told(closing, &record, now);
        }
        let known = self.known(key);
        if let Some(authorised) = &record.history.authorised
            && let Some(stop) = known.stop_at(authorised.stop_time)
        {
            stop.recorded_as_authorised = true;
        }
        known.busy = !matches!(record.episode, Episode::None) || !record.outbox.is_empty();
        known.record = Some(record);
        self.check_marker(key, records, now);
    }

    /// Notes what a stored case says: what it allowed, and which start it means to send.
    fn note_case(&mut self, key: &ClusterKey, case: &Case, now: Timestamp) {
        let known = self.known(key);
        for stop in case.stops.iter().filter(|stop| stop.allowed_by.is_some()) {
            if let Some(stop) = known.stop_at(stop.time) {
                stop.recorded_as_authorised = true;
            }
        }
        let Some(intent) = &case.intent else { return };
        if matches!(intent.state, IntentState::PutOff { .. })
            && known.put_off.as_ref().is_some_and(|(nonce, _)| *nonce == intent.nonce)
        {
            known.put_off_noted = true;
        }
        if !self.intents.contains_key(&intent.nonce) {
            let intended = Intended {
                key: key.clone(),
                case: case.id.to_string(),
                stop: case.newest_stop_time(),
                expires_at: intent.expires_at,
            };
            self.intents.insert(intent.nonce.clone(), intended);
            self.disturb(key, now);
        }
    }

    /// Acknowledged stops leave a record only by way of the archive.
    fn check_kept(&mut self, old: &Record, new: &Record, cases: &Container, now: Timestamp) {
        match (&old.episode, &new.episode) {
            (Episode::None, _) => {}
            (Episode::Closing(_), Episode::Closing(_)) => {}
            (Episode::Closing(closing), Episode::None) => {
                let id = closing.id.to_string();
                let archived = cases.list("").any(|(path, _)| {
                    path.contains(&id)
                        && cases.get(path).is_some_and(|(bytes, _)| bytes == closing.body.as_bytes())
                });
                self.check_groups_know(closing, now);
                if !archived {
                    self.breaks(Promise::ArchiveIsFinal, now, || format!("{id} was forgotten, not archived"));
                }
            }
            (Episode::Closing(closing), Episode::Open(_) | Episode::Held(_)) => {
                let id = closing.id.to_string();
                self.breaks(Promise::ArchiveIsFinal, now, || format!("{id} was overwritten while closing"));
            }
            (Episode::Open(case) | Episode::Held(case), Episode::None) => {
                let id = case.id.to_string();
                self.breaks(Promise::AckedIsKept, now, || format!("the case {id} is gone"));
            }
            (Episode::Open(case) | Episode::Held(case), Episode::Closing(closing)) => {
                let has = |id: &String| closing.body.contains(id);
                let is_kept =
                    |stop: &Stop| has(&stop.event_id) || stop.correlation_id.as_ref().is_some_and(has);
                // A case that goes on with the cluster made anew leaves the stops of the old one behind (rule 28).
                let made_anew = self.clusters.get(&new.cluster.key()).and_then(|known| known.made_anew);
                let is_of_another = |stop: &Stop| made_anew.is_some_and(|at| stop.time <= at);
                let lost = case.stops.iter().find(|stop| !is_kept(stop) && !is_of_another(stop));
                if let Some(stop) = lost
                    && closing.outcome != Outcome::Gone
                {
                    let event = stop.event_id.clone();
                    self.breaks(Promise::AckedIsKept, now, || format!("the stop {event} is not archived"));
                }
            }
            (Episode::Open(before) | Episode::Held(before), Episode::Open(after) | Episode::Held(after)) => {
                if before.resource_uid.is_some() && before.resource_uid != after.resource_uid {
                    return;
                }
                let is_kept = |event: &str| after.stops.iter().any(|stop| stop.event_id == event);
                let by_log = |correlation: &Option<String>| {
                    correlation.is_some()
                        && after.stops.iter().any(|stop| stop.correlation_id == *correlation)
                };
                let lost = before
                    .stops
                    .iter()
                    .find(|stop| !is_kept(&stop.event_id) && !by_log(&stop.correlation_id));
                if let Some(stop) = lost {
                    let event = stop.event_id.clone();
                    self.breaks(Promise::AckedIsKept, now, || format!("the stop {event} left its open case"));
                }
            }
        }
    }

    fn check_marker(&mut self, key: &ClusterKey, records: &Container, now: Timestamp) {
        if self.known(key).busy && !records.has_any(&format!("open/{key}")) {
            self.breaks(Promise::MarkerGuardsCase, now, || format!("{key} has a case and no marker"));
        }
    }

    /// Something was put into the cases container.
    pub(crate) fn on_archive(&mut self, path: &str, bytes: &Bytes, records: &Container, now: Timestamp) {
        let name = path.rsplit('/').next().unwrap_or_default();
        let Some(key) = name.split('-').next().and_then(ClusterKey::parse) else { return };
        let stored = records.get(&format!("clusters/{key}.json"));
        let record = stored.and_then(|(stored, _)| Record::decode(&stored).ok());
        let is_closing = record.is_some_and(|record| match record.episode {
            Episode::Closing(closing) => closing.body.as_bytes() == bytes.as_ref(),
            Episode::None | Episode::Open(_) | Episode::Held(_) => false,
        });
        // A process that was slow may archive again what another one finished: the same bytes.
        let is_new_file = !path.contains(".conflict-");
        if !is_closing && is_new_file {
            self.breaks(Promise::ArchiveIsFinal, now, || {
                format!("{path}: the record does not say that it closed")
            });
        }
    }

    /// The host got a 2xx for an event.
    pub(crate) fn on_ack(
        &mut self,
        event: &StopEvent,
        records: &Container,
        cases: &Container,
        now: Timestamp,
    ) {
        let key = event.cluster.key();
        let StopTime::At(time) = event.time else { return };
        self.disturb(&key, now);
        let quiet = self.times.quiet;
        let known = self.known(&key);
        let Some(stop) = known.stop_at(time) else { return };
        stop.acked = true;
        let at = stop.at;
        let stored = records.get(&format!("clusters/{key}.json"));
        let Some(record) = stored.and_then(|(bytes, _)| Record::decode(&bytes).ok()) else {
            self.breaks(Promise::AckedIsDurable, now, || format!("{}: there is no record", event.id));
            return;
        };
        let knows = |text: &str| {
            text.contains(&event.id)
                || event.correlation_id.as_ref().is_some_and(|id| text.contains(id.as_str()))
        };
        let is_in_case = match &record.episode {
            Episode::Open(case) | Episode::Held(case) => case.stops.iter().any(|stop| {
                stop.event_id == event.id
                    || (stop.correlation_id.is_some() && stop.correlation_id == event.correlation_id)
            }),
            Episode::Closing(closing) => knows(&closing.body),
            Episode::None => false,
        };
        let is_archived = || {
            cases.list("").any(|(path, _)| {
                path.contains(key.as_str())
                    && cases.get(path).is_some_and(|(bytes, _)| knows(&String::from_utf8_lossy(&bytes)))
            })
        };
        let known = self.known(&key);
        let is_history = known.is_over(at) || known.is_explained(at, quiet);
        if !is_in_case && !is_history && !is_archived() {
            let history = format!("{:?}", record.history);
            self.breaks(Promise::AckedIsDurable, now, || {
                format!("{}: neither on record nor history: {history}", event.id)
            });
        }
    }
}

/// How many deliveries a record waits for.
fn waiting(record: &Record) -> usize {
    record.outbox.iter().map(|message| message.pending.len()).sum()
}

/// The case that is suspected of ending sweeps.
fn suspect_key(path: &str) -> Option<ClusterKey> {
    ClusterKey::parse(path.strip_prefix("open/0-entries/case-")?.strip_suffix(".json")?)
}

fn record_key(path: &str) -> Option<ClusterKey> {
    ClusterKey::parse(path.strip_prefix("clusters/")?.strip_suffix(".json")?)
}
