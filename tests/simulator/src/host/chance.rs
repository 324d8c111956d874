//! Identifiers that are different each time. None of them guards a secret.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// 128 bits that do not repeat.
fn bits() -> u128 {
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let [high, low] = [(); 2].map(|()| u128::from(RandomState::new().hash_one(count)));
    (high << 64) | low
}

/// A random (version 4) GUID, in lower case with hyphens.
#[must_use]
pub(crate) fn guid() -> String {
    let bits = (bits() & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let digits = format!("{bits:032x}");
    let parts =
        [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| digits.get(range).unwrap_or_default().to_owned());
    parts.join("-")
}

/// `digits` hexadecimal digits, at most 32.
#[must_use]
pub(crate) fn hex(digits: usize) -> String {
    format!("{:032x}", bits()).chars().take(digits).collect()
}
