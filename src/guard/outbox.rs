//! Delivers what waits in an outbox, and writes down what came of it.

use std::time::Duration;

use futures::future::join_all;

use crate::case::Record;
use crate::case::outbox::{
    DeadLetter, Delivery, Keeper, Message, Receipt, due, fall_back, falls_back_at, keep, settle, stand_in_for,
};
use crate::domain::Incident;
use crate::store::{PathName, StatePath};

use super::Guard;
use super::records::{GuardError, Loaded, Saved};
use super::work::CONFLICTS_MAX;

/// Rounds of delivery in one go: a sink gets one message a round, in order.
const ROUNDS_MAX: usize = 4;
/// So long deliveries are waited for: what takes longer goes on beside what comes next.
const DELIVERIES_WAITED_FOR: Duration = Duration::from_secs(10);

/// What came of one try.
pub(super) struct Tried {
    incident: Incident,
    sink: String,
    delivery: Delivery,
}

/// Waits a while for work that may take long, and lets it go on then. `None` if it does, or if it panicked.
pub(super) async fn wait_a_while<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let done = tokio::time::timeout(DELIVERIES_WAITED_FOR, tokio::spawn(work)).await;
    done.ok().and_then(Result::ok)
}

impl Guard {
    /// Delivers the messages on a record that are due, and lets the marker go when nothing is left. Not under the cluster's flight: a
    /// sink may take its time, and a new stop must not wait for that. Where this process delivers them already nothing is done.
    pub(super) async fn deliver_outbox(&self, mut current: Loaded<Record>) -> Result<(), GuardError> {
        let key = current.document.cluster.key();
        let Some(_delivery) = self.0.deliveries.try_take(&key) else { return Ok(()) };
        let began_with = current.document.writer.clone();
        for _ in 0..ROUNDS_MAX {
            let tried = self.try_due(&current.document.outbox).await;
            if tried.is_empty() && !self.falls_back(&current.document) {
                break;
            }
            current = self.settle_record(current, tried).await?;
        }
        self.forget_if_over(&current.document).await?;
        self.remember_delivered(&began_with, &current.document);
        Ok(())
    }

    /// Tries everything that is due, all sinks at the same time.
    pub(super) async fn try_due(&self, outbox: &[Message]) -> Vec<Tried> {
        let now = self.now();
        let due = due(outbox, now);
        let mut shown = Vec::with_capacity(due.len());
        for (incident, _) in &due {
            shown.push(self.with_exposure(incident).await);
        }
        join_all(due.into_iter().zip(shown).map(|((incident, sink), shown)| async move {
            let delivery = self.0.gate.deliver(&shown, sink, now).await;
            let id = &incident.id;
            match &delivery {
                Delivery::Delivered { reference } => {
                    let (state, reference) = (incident.state.as_str(), reference.as_deref());
                    tracing::info!(incident = id, state, sink, reference, "incident delivered");
                }
                Delivery::Failed { why, .. } | Delivery::GivenUp { why } => {
                    tracing::warn!(incident = id, sink, why, "incident not delivered");
                }
            }
            Tried { incident: incident.clone(), sink: sink.to_owned(), delivery }
        }))
        .await
    }

    /// Whether the fallback sink has to be told of something now.
    pub(super) fn falls_back(&self, keeper: &impl Keeper) -> bool {
        let at = self.fallback().and_then(|sink| falls_back_at(keeper, sink));
        at.is_some_and(|at| at <= self.now())
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
            let dead = self.settle_all(&mut record, &tried);
            self.bury(&dead).await?;
            match self.save(&path, &mut record, current.etag.as_ref()).await? {
                Saved::Done(etag) => return Ok(Loaded { document: record, etag: Some(etag) }),
                Saved::Lost => current = self.read(&key).await?,
            }
        }
        Err(GuardError::Contended(key.to_string()))
    }

    /// Writes down what came of tries, and tells the fallback sink where that is due; may be repeated on a newer version.
    pub(super) fn settle_all(&self, keeper: &mut impl Keeper, tried: &[Tried]) -> Vec<DeadLetter> {
        let now = self.now();
        let fallback = self.fallback();
        let mut dead = Vec::new();
        for Tried { incident, sink, delivery } in tried {
            if let Delivery::Delivered { reference } = delivery {
                let receipt = Receipt::new(incident, sink, reference.as_deref(), now);
                keep(keeper.receipts_mut(), receipt);
            }
            let message = (incident.id.as_str(), incident.sequence);
            let delivery = delivery.clone();
            let letter = settle(keeper.outbox_mut(), message, sink, delivery, now, self.jitter());
            if let Some(mut letter) = letter {
                if let Some(fallback) = fallback {
                    stand_in_for(keeper, &mut letter, fallback, now);
                }
                dead.push(letter);
            }
        }
        if let Some(fallback) = fallback
            && fall_back(keeper, fallback, now)
        {
            tracing::warn!(fallback, "a sink is down: the fallback sink is told");
        }
        dead
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
