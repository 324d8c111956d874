//! Delivers what waits in an outbox, and writes down what came of it.

use futures::future::join_all;

use crate::case::Record;
use crate::case::outbox::{DeadLetter, Delivery, Message, due, settle};
use crate::store::{PathName, StatePath};

use super::Guard;
use super::records::{GuardError, Loaded, Saved};
use super::work::CONFLICTS_MAX;

/// Rounds of delivery in one go: a sink gets one message a round, in order.
const ROUNDS_MAX: usize = 4;

/// What came of one try.
pub(super) struct Tried {
    incident: (String, u32),
    sink: String,
    delivery: Delivery,
}

impl Guard {
    /// Delivers the messages on a record that are due, and lets the marker go when nothing is left.
    pub(super) async fn deliver_outbox(
        &self,
        mut current: Loaded<Record>,
    ) -> Result<Loaded<Record>, GuardError> {
        for _ in 0..ROUNDS_MAX {
            let tried = self.try_due(&current.document.outbox).await;
            if tried.is_empty() {
                break;
            }
            current = self.settle_record(current, tried).await?;
        }
        self.forget_if_over(&current.document).await?;
        Ok(current)
    }

    /// Tries everything that is due, all sinks at the same time.
    pub(super) async fn try_due(&self, outbox: &[Message]) -> Vec<Tried> {
        let now = self.now();
        join_all(due(outbox, now).into_iter().map(|(incident, sink)| async move {
            let delivery = self.0.gate.deliver(incident, sink, now).await;
            let id = incident.id.clone();
            match &delivery {
                Delivery::Delivered => {
                    tracing::info!(
                        incident = id,
                        state = incident.state.as_str(),
                        sink,
                        "incident delivered"
                    );
                }
                Delivery::Failed { why, .. } | Delivery::GivenUp { why } => {
                    tracing::warn!(incident = id, sink, why, "incident not delivered");
                }
            }
            Tried { incident: (id, incident.sequence), sink: sink.to_owned(), delivery }
        }))
        .await
    }

    async fn settle_record(
        &self,
        mut current: Loaded<Record>,
        tried: Vec<Tried>,
    ) -> Result<Loaded<Record>, GuardError> {
        let key = current.document.cluster.key();
        let path = StatePath::cluster(&key);
        for _ in 0..=CONFLICTS_MAX {
            let mut record = current.document.clone();
            let dead = self.settle_all(&mut record.outbox, &tried);
            self.bury(&dead).await?;
            match self.save(&path, &mut record, current.etag.as_ref()).await? {
                Saved::Done(etag) => return Ok(Loaded { document: record, etag: Some(etag) }),
                Saved::Lost => current = self.read(&key).await?,
            }
        }
        Err(GuardError::Contended(key.to_string()))
    }

    /// Applies tries to an outbox; may be repeated on a newer version of it.
    pub(super) fn settle_all(&self, outbox: &mut Vec<Message>, tried: &[Tried]) -> Vec<DeadLetter> {
        let now = self.now();
        tried
            .iter()
            .filter_map(|tried| {
                let incident = (tried.incident.0.as_str(), tried.incident.1);
                settle(outbox, incident, &tried.sink, tried.delivery.clone(), now, self.jitter())
            })
            .collect()
    }

    /// Keeps what no sink took.
    pub(super) async fn bury(&self, dead: &[DeadLetter]) -> Result<(), GuardError> {
        for letter in dead {
            let name = format!("{}-{}-{}", letter.incident.id, letter.incident.sequence, letter.sink);
            let folder = PathName::parse(&letter.incident.id).unwrap_or_else(|| PathName::digest(&name));
            let path = StatePath::dead_letter(&folder, &PathName::digest(&name));
            tracing::error!(
                incident = letter.incident.id,
                sink = letter.sink,
                tries = letter.tries,
                why = letter.failure,
                copy = %path,
                "an incident could not be delivered: it is a dead letter now"
            );
            let body = serde_json::to_vec(letter).unwrap_or_default();
            self.0.store.put(&path, body).await?;
        }
        Ok(())
    }
}
