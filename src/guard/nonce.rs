//! Random values that tell our own writes and starts from others'.

/// 128 random bits in hex. Falls back to nothing: a machine without randomness can't tell its writes from others', so the
/// caller's write then counts as somebody else's and is decided again.
pub(super) fn nonce() -> String {
    let mut bytes = [0_u8; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Err(_) => String::new(),
    }
}

/// One random byte, for jitter.
pub(super) fn jitter() -> u8 {
    let mut byte = [0_u8; 1];
    match getrandom::fill(&mut byte) {
        Ok(()) => byte.first().copied().unwrap_or_default(),
        Err(_) => 0,
    }
}
