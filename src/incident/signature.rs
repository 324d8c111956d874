//! Signatures per Standard Webhooks: HMAC-SHA256 over id, time and body.

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// What a secret starts with (source: Standard Webhooks, "Secret serialization").
const PREFIX: &str = "whsec_";
/// Length of a secret in bytes (source: the same, "between 24 bytes (192 bits) and 64 bytes (512 bits)").
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The alphabet with `+` and `/`; receivers' tools print secrets with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a text can't be the secret. Says nothing of the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SecretError {
    /// A raw text would be ambiguous: some libraries take it as base64, some as bytes.
    #[error("must start with `whsec_`")]
    Prefix,
    /// Not base64.
    #[error("must be base64 after `whsec_`")]
    Base64,
    /// Too short to be safe, or longer than receivers accept.
    #[error("must hold 24 to 64 bytes")]
    Length,
}

/// A key for signatures. Has no `Debug` and no way to get the bytes back.
pub(super) struct Secret(Hmac<Sha256>);

impl Secret {
    pub(super) fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
        let bytes = BASE64.decode(encoded).map_err(|_| SecretError::Base64)?;
        if !SECRET_BYTES.contains(&bytes.len()) {
            return Err(SecretError::Length);
        }
        Hmac::new_from_slice(&bytes).map(Self).map_err(|_| SecretError::Length)
    }

    /// The value of `webhook-signature`. `seconds` is Unix time, as in `webhook-timestamp`.
    pub(super) fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let mut mac = self.0.clone();
        for part in [id, ".", &seconds.to_string(), ".", body] {
            mac.update(part.as_bytes());
        }
        format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn the_published_example_gets_the_published_signature() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_refused_without_being_shown() {
        let long = format!("whsec_{}", BASE64.encode([7; 65]));
        for (text, error) in [
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretError::Prefix),
            ("@Microsoft.KeyVault(SecretUri=x)", SecretError::Prefix),
            ("", SecretError::Prefix),
            ("whsec_not base64!", SecretError::Base64),
            ("whsec_", SecretError::Length),
            ("whsec_c2hvcnQ=", SecretError::Length),
            (long.as_str(), SecretError::Length),
        ] {
            assert_eq!(Secret::parse(text).err(), Some(error), "{text}");
        }
        let longest = format!("whsec_{}", BASE64.encode([7; 64]));
        assert!(Secret::parse(&longest).is_ok());
        assert!(Secret::parse(longest.trim_end_matches('=')).is_ok(), "without padding");
    }
}
