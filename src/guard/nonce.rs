//! Random values that tell our own writes and starts from others'.

use super::Guard;
use crate::domain::text::hex;

/// Where random bytes come from, as a port: a simulation hands in bytes that it can repeat.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` at random. False if there is no randomness to be had.
    fn fill(&self, bytes: &mut [u8]) -> bool;
}

/// The operating system's random bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> bool {
        getrandom::fill(bytes).is_ok()
    }
}

/// 128 random bits in hex. Falls back to nothing: a machine without randomness can't tell its writes from others', so the
/// caller's write then counts as somebody else's and is decided again.
pub(super) fn of(entropy: &dyn Entropy) -> String {
    let mut bytes = [0_u8; 16];
    if entropy.fill(&mut bytes) { hex(&bytes) } else { String::new() }
}

impl Guard {
    /// A random value of its own.
    pub(super) fn nonce(&self) -> String {
        of(self.0.entropy.as_ref())
    }

    /// One random byte, for jitter.
    pub(super) fn jitter(&self) -> u8 {
        let mut byte = [0_u8; 1];
        if self.0.entropy.fill(&mut byte) { byte.first().copied().unwrap_or_default() } else { 0 }
    }
}
