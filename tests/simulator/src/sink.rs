//! A webhook receiver that checks signatures as Standard Webhooks says and remembers what came.

mod signature;

use http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use signature::{BadSignature, Secret, sign};

/// Deliveries remembered; the oldest go first.
const DELIVERIES_MAX: usize = 10_000;

/// How the receiver answers. The default is 200 at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Behaviour {
    /// The status.
    pub status: u16,
    /// Whole seconds of `Retry-After`.
    pub retry_after: Option<u32>,
    /// Answer nothing for that long, then close the connection.
    pub hang: Option<SignedDuration>,
    /// For how many deliveries; then the default again. None = until changed.
    pub times: Option<u32>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { status: 200, retry_after: None, hang: None, times: None }
    }
}

/// One request that came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// When.
    pub at: Timestamp,
    /// `webhook-id`; empty if absent.
    pub id: String,
    /// `content-type`; empty if absent.
    pub content_type: String,
    /// What the check of the signature said.
    pub signature: Signature,
    /// The body as JSON, or as a string if it is none.
    pub body: Value,
    /// The status answered; none if the receiver hung.
    pub answered: Option<u16>,
}

/// What the check of a signature said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Signature {
    /// It is right.
    Good,
    /// The receiver has no secret, so nothing was checked.
    Unchecked,
    /// It is wrong, so the answer was 401.
    Bad(String),
}

/// What to do with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// Answer it.
    Answer {
        /// With this status.
        status: StatusCode,
        /// And this `Retry-After`.
        retry_after: Option<u32>,
    },
    /// Let it wait that long, then close the connection.
    Hang(SignedDuration),
}

/// The receiver.
#[derive(Debug, Default)]
pub struct Receiver {
    secret: Option<Secret>,
    behaviour: Behaviour,
    deliveries: Vec<Delivery>,
}

impl Receiver {
    /// A receiver that checks signatures made with this secret; none = it checks nothing.
    pub fn new(secret: Option<Secret>) -> Self {
        Self { secret, ..Self::default() }
    }

    /// Changes how the next deliveries are answered.
    pub fn behave(&mut self, behaviour: Behaviour) {
        self.behaviour = behaviour;
    }

    /// What came, oldest first.
    pub fn deliveries(&self) -> &[Delivery] {
        &self.deliveries
    }

    /// Forgets what came.
    pub fn forget(&mut self) {
        self.deliveries.clear();
    }

    /// Takes a request in. A delivery with a bad signature is answered with 401 and remembered as such.
    pub fn receive(&mut self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Receipt {
        let signature = match &self.secret {
            None => Signature::Unchecked,
            Some(secret) => match secret.verify(headers, body, now) {
                Ok(()) => Signature::Good,
                Err(bad) => Signature::Bad(bad.to_string()),
            },
        };
        let receipt = self.receipt(&signature);
        let text = |name: &str| {
            headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        self.deliveries.push(Delivery {
            at: now,
            id: text("webhook-id"),
            content_type: text("content-type"),
            signature,
            body: serde_json::from_slice(body)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(body).into_owned())),
            answered: match &receipt {
                Receipt::Answer { status, .. } => Some(status.as_u16()),
                Receipt::Hang(_) => None,
            },
        });
        if self.deliveries.len() > DELIVERIES_MAX {
            self.deliveries.remove(0);
        }
        receipt
    }

    fn receipt(&mut self, signature: &Signature) -> Receipt {
        match signature {
            Signature::Bad(_) => Receipt::Answer { status: StatusCode::UNAUTHORIZED, retry_after: None },
            Signature::Good | Signature::Unchecked => {
                let behaviour = self.next_behaviour();
                let status = StatusCode::from_u16(behaviour.status).unwrap_or(StatusCode::OK);
                match behaviour.hang {
                    Some(time) => Receipt::Hang(time),
                    None => Receipt::Answer { status, retry_after: behaviour.retry_after },
                }
            }
        }
    }

    fn next_behaviour(&mut self) -> Behaviour {
        match &mut self.behaviour.times {
            None => {}
            Some(0) => self.behaviour = Behaviour::default(),
            Some(times) => *times -= 1,
        }
        self.behaviour.clone()
    }
}

#[cfg(test)]
mod tests;
