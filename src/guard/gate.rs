//! The one place below every effect: here, and only here, a mode lets a start or a message out.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::azure::{PreparedStart, StartReply};
use crate::case::Mode;
use crate::case::outbox::Delivery;
use crate::domain::Incident;
use crate::incident::{DeliveryError, Sink};

/// How long one delivery may take. A sink's own limits are shorter; this holds for one that has none.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);

/// Holds what can change the world outside the store.
pub(super) struct Gate {
    mode: Mode,
    sinks: Vec<Arc<dyn Sink>>,
}

/// An effect that the mode keeps in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the mode is {0}")]
pub(super) struct Withheld(pub(super) Mode);

impl Gate {
    pub(super) fn new(mode: Mode, sinks: Vec<Arc<dyn Sink>>) -> Self {
        Self { mode, sinks }
    }

    /// What the guard may do now.
    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    /// Sends a start, if both the guard and the case are in mode `act` (rules 14 and 27).
    pub(super) async fn start(
        &self,
        case: Mode,
        start: PreparedStart,
        timeout: Duration,
    ) -> Result<StartReply, Withheld> {
        match self.mode.min(case) {
            Mode::Act => Ok(start.send(timeout).await),
            mode @ (Mode::DryRun | Mode::Notify) => Err(Withheld(mode)),
        }
    }

    /// Delivers a message to one sink, unless the mode is `dry-run`.
    pub(super) async fn deliver(&self, incident: &Incident, sink: &str, now: Timestamp) -> Delivery {
        match self.mode {
            Mode::DryRun => {
                return Delivery::Failed { why: Withheld(self.mode).to_string(), retry_after: None };
            }
            Mode::Notify | Mode::Act => {}
        }
        let Some(sink) = self.sinks.iter().find(|known| known.name() == sink) else {
            return Delivery::Failed {
                why: format!("there is no sink `{sink}` any more"),
                retry_after: None,
            };
        };
        match tokio::time::timeout(DELIVERY_TIMEOUT, sink.deliver(incident, now)).await {
            Ok(Ok(delivered)) => Delivery::Delivered { reference: delivered.reference },
            Ok(Err(DeliveryError::Retry { after, why })) => Delivery::Failed { why, retry_after: after },
            Ok(Err(DeliveryError::GiveUp { why })) => Delivery::GivenUp { why },
            Err(_) => Delivery::Failed {
                why: format!("it did not answer within {} s", DELIVERY_TIMEOUT.as_secs()),
                retry_after: None,
            },
        }
    }
}
