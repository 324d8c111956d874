//! The `webhook` sink: an incident as a CloudEvent, signed per Standard Webhooks, in one POST.
//!
//! Sources: CloudEvents 1.0 with its HTTP binding (structured mode), and the Standard Webhooks specification (headers,
//! signature, what an answer's status means, at most 20 kB, the same id over all tries).

mod address;
mod message;
mod signature;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode};
use jiff::Timestamp;

use super::http::{HttpSend, SendError};
use super::{Delivered, DeliveryError, Sink};
use crate::domain::Incident;
use address::Address;
pub use address::AddressError;
pub use message::{BODY_BYTES_MAX, body, message_id};
use signature::Secret;
pub use signature::SecretError;

/// How long a receiver may take. Standard Webhooks advises 15 to 30 s; an invocation has 20 s in all.
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest `Retry-After` that is honoured: beyond it an incident would be stale before anybody sees it.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// How long to wait after an answer that only people can change (a wrong address, a wrong secret): often enough to be
/// quick once it is mended, seldom enough not to be taken for an attack.
const REFUSED_RETRY_AFTER: Duration = Duration::from_secs(300);
/// The media type of a CloudEvent in structured mode.
const CLOUD_EVENT: &str = "application/cloudevents+json; charset=utf-8";

/// Why the sink can't be set up. The texts show neither the URL nor the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The URL can't be used.
    #[error("webhook URL {0}")]
    Address(#[from] AddressError),
    /// The secret can't be used.
    #[error("webhook secret {0}")]
    Secret(#[from] SecretError),
}

/// Delivers incidents to one URL.
pub struct Webhook {
    address: Address,
    secret: Option<Secret>,
    http: Arc<dyn HttpSend>,
}

impl Webhook {
    /// Sets up the sink. `url` is https, or http to this machine; `secret` is `whsec_` and 24 to 64 bytes in base64, as
    /// Standard Webhooks has it. Without a secret messages are not signed; a secret that can't be used is an error, so
    /// that a slip doesn't turn signing off.
    pub fn new(url: &str, secret: Option<&str>, http: Arc<dyn HttpSend>) -> Result<Self, WebhookError> {
        let secret = secret.map(Secret::parse).transpose()?;
        Ok(Self { address: Address::parse(url)?, secret, http })
    }

    /// Host of the receiver: all of its URL that may be shown.
    pub fn host(&self) -> &str {
        self.address.host()
    }

    fn request(&self, incident: &Incident, now: Timestamp) -> Result<Request<Bytes>, DeliveryError> {
        let id = message_id(incident);
        let seconds = now.as_second();
        let body = body(incident).map_err(|_| give_up("the incident can't be written as JSON"))?;
        let mut request = Request::post(self.address.uri())
            .header(CONTENT_TYPE, CLOUD_EVENT)
            .header("webhook-id", &id)
            .header("webhook-timestamp", seconds);
        if let Some(secret) = &self.secret {
            request = request.header("webhook-signature", secret.sign(&id, seconds, &body));
        }
        request.body(Bytes::from(body)).map_err(|_| give_up("the incident's id can't be a header"))
    }

    /// What an answer means. Only 410 says that no try will ever succeed (Standard Webhooks: the receiver wants no more).
    /// Every other refusal is tried again, at a slow pace where only people can change it: a repeat costs little, an
    /// incident that nobody gets is what the guard exists against. Redirects are not followed: the message is signed for,
    /// and the secret in the URL meant for, this receiver.
    fn outcome(&self, response: &Response<Bytes>, now: Timestamp) -> Result<Delivered, DeliveryError> {
        let status = response.status();
        if status.is_success() {
            return Ok(Delivered { status: status.as_u16(), reference: None });
        }
        let why = format!("{} answered {}", self.host(), status.as_u16());
        let asked = retry_after(response.headers(), now);
        match status {
            StatusCode::GONE => {
                Err(DeliveryError::GiveUp { why: format!("{why}: it wants no more messages") })
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Err(DeliveryError::Retry { after: asked, why })
            }
            _ if status.is_server_error() => Err(DeliveryError::Retry { after: asked, why }),
            _ if status.is_redirection() => Err(DeliveryError::Retry {
                after: asked.or(Some(REFUSED_RETRY_AFTER)),
                why: format!("{why}: redirects are not followed, set the URL it redirects to"),
            }),
            _ => Err(DeliveryError::Retry {
                after: asked.or(Some(REFUSED_RETRY_AFTER)),
                why: format!("{why}: check the webhook's URL and secret"),
            }),
        }
    }

    fn no_answer(&self, error: SendError) -> DeliveryError {
        DeliveryError::Retry { after: None, why: format!("{}: {error}", self.host()) }
    }
}

#[async_trait]
impl Sink for Webhook {
    fn name(&self) -> &str {
        "webhook"
    }

    async fn deliver(&self, incident: &Incident, now: Timestamp) -> Result<Delivered, DeliveryError> {
        let request = self.request(incident, now)?;
        let response =
            self.http.send(request, WEBHOOK_TIMEOUT).await.map_err(|error| self.no_answer(error))?;
        self.outcome(&response, now)
    }
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook").field("host", &self.host()).field("signed", &self.secret.is_some()).finish()
    }
}

fn give_up(why: &str) -> DeliveryError {
    DeliveryError::GiveUp { why: why.to_owned() }
}

/// `Retry-After` in seconds or as an HTTP date (RFC 9110), capped; `None` if it is missing or can't be read.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)
        }
    };
    Some(asked.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
