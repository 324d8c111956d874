//! Standard Webhooks' symmetric signature: `v1,` and the base64 of HMAC-SHA256 over `{id}.{timestamp}.{body}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;
use thiserror::Error;

/// A message whose timestamp is further from now is refused: the specification's advice against replay.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// The bytes that sign, from a text `whsec_<base64>`.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// Why a signature is not good. Also says why a text is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadSignature {
    /// The secret's text is not `whsec_` and the base64 of 24 to 64 bytes.
    #[error("the secret is not `whsec_` and the base64 of 24 to 64 bytes")]
    NoSecret,
    /// One of the three headers is missing or not text.
    #[error("the header `{0}` is missing")]
    Missing(&'static str),
    /// The timestamp is not a number, or too far from now.
    #[error("the timestamp is not within 5 minutes of now")]
    Timestamp,
    /// No signature of the header is that of this message.
    #[error("no signature fits the message")]
    NoneFits,
}

impl std::str::FromStr for Secret {
    type Err = BadSignature;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let encoded = text.strip_prefix("whsec_").ok_or(BadSignature::NoSecret)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| BadSignature::NoSecret)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(BadSignature::NoSecret) }
    }
}

impl Secret {
    /// Whether one of the message's signatures was made with this secret.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), BadSignature> {
        let header = |name: &'static str| {
            headers.get(name).and_then(|value| value.to_str().ok()).ok_or(BadSignature::Missing(name))
        };
        let id = header("webhook-id")?;
        let timestamp = header("webhook-timestamp")?;
        let signatures = header("webhook-signature")?;
        let seconds: i64 = timestamp.parse().map_err(|_| BadSignature::Timestamp)?;
        let sent = Timestamp::from_second(seconds).map_err(|_| BadSignature::Timestamp)?;
        if now.duration_since(sent).abs() > TOLERANCE {
            return Err(BadSignature::Timestamp);
        }
        let fits = |signature: &str| {
            let decoded = signature.strip_prefix("v1,").and_then(|encoded| STANDARD.decode(encoded).ok());
            decoded.is_some_and(|bytes| {
                self.mac(id, timestamp, body).is_some_and(|mac| mac.verify_slice(&bytes).is_ok())
            })
        };
        if signatures.split(' ').any(fits) { Ok(()) } else { Err(BadSignature::NoneFits) }
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        Some(mac)
    }
}

/// The value of `webhook-signature` for a message.
pub fn sign(secret: &Secret, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
    let mac = secret.mac(id, &timestamp.to_string(), body)?;
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}
