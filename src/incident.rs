//! How people are told: incidents are rendered for a sink and delivered to it.
//!
//! A sink is a file (docs/SINKS.md): its settings, and the requests that tell an incident, as templates. `prepare` makes a sink of it
//! or says all that is wrong; a sink delivers one message once. When to try again, in which order and for how long is the outbox's
//! matter, which is in the case's record: here nothing waits and nothing is remembered.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::Incident;

mod address;
mod answer;
mod fault;
mod file;
pub mod http;
mod mail;
mod prepare;
mod request;
pub mod samples;
mod signature;
mod sink;
pub mod smtp;
mod template;
mod tokens;
mod view;

pub use fault::SinkFault;
pub use file::{FILE_BYTES_MAX, Setting, SinkFile};
pub use http::{HttpSend, SendError};
pub use prepare::{Parts, PrepareFault, prepare, sample_ready};
pub use sink::{DELIVERY_TIMEOUT, HttpSink, PreparedSink, Reached, Receiver, Shown};
pub use tokens::{Azure, Home, Scope, SinkTokens};
pub use view::message_id;

/// Somewhere people get incidents.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Its name in settings, logs and the outbox.
    fn name(&self) -> &str;

    /// Delivers one message. May be called again with the same one after any outcome, a success included: the receiver
    /// can tell a repeat by the message's id. `now` is the time of this attempt.
    async fn deliver(&self, incident: &Incident, now: Timestamp) -> Result<Delivered, DeliveryError>;
}

/// The receiver has the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Status of its last answer; 0 if the sink tells nothing of incidents in this state.
    pub status: u16,
    /// What the receiver calls what it made of the incident, if it said so: a number, an id or a link, for people to find it.
    pub reference: Option<String>,
}

/// The receiver may not have the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// Another try may succeed, at once or after somebody has mended something.
    #[error("{why}")]
    Retry {
        /// How long the next try should wait at least; `None` leaves it to the outbox.
        after: Option<Duration>,
        /// What went wrong, safe to log.
        why: String,
    },
    /// No try can succeed.
    #[error("{why}")]
    GiveUp {
        /// What went wrong, safe to log.
        why: String,
    },
}

#[cfg(test)]
mod tests;
