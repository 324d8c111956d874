//! GUIDs that are the same in every run: a hash of a seed and a counter, in version-4 clothes.

use sha2::{Digest, Sha256};

/// Gives out GUIDs; two of the same seed give the same sequence.
#[derive(Debug, Clone)]
pub(super) struct Guids {
    seed: u64,
    given: u64,
}

impl Guids {
    /// A sequence that starts at its first GUID.
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, given: 0 }
    }

    /// The next GUID, lower-case with dashes.
    pub(super) fn next_guid(&mut self) -> String {
        let hex = self.next_hex();
        let mut guid = String::with_capacity(36);
        for (at, digit) in hex.chars().take(32).enumerate() {
            if matches!(at, 8 | 12 | 16 | 20) {
                guid.push('-');
            }
            guid.push(if at == 12 { '4' } else { digit });
        }
        guid
    }

    /// 24 hex digits, the form of a managed cluster's `resourceUID`.
    pub(super) fn next_uid(&mut self) -> String {
        self.next_hex().chars().take(24).collect()
    }

    fn next_hex(&mut self) -> String {
        self.given += 1;
        let mut hash = Sha256::new();
        hash.update(self.seed.to_be_bytes());
        hash.update(self.given.to_be_bytes());
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The GUID with its first three groups in the other byte order. AKS named operations so in their bodies until June
/// 2023 (azure-powershell's `Stop-AzAksCluster.Recording.json`), so a client that compares the body's name with the
/// URL's id is wrong.
pub(super) fn byte_swapped(guid: &str) -> String {
    let swap = |group: &str| -> String {
        let digits: Vec<char> = group.chars().collect();
        digits.chunks(2).rev().flat_map(<[char]>::iter).collect()
    };
    guid.split('-')
        .enumerate()
        .map(|(at, group)| if at < 3 { swap(group) } else { group.to_owned() })
        .collect::<Vec<_>>()
        .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_swap_is_the_recorded_one() {
        assert_eq!(
            byte_swapped("fc314390-7c36-4811-b2ea-a7cb77724e2f"),
            "904331fc-367c-1148-b2ea-a7cb77724e2f"
        );
    }

    #[test]
    fn guids_differ_among_themselves_and_repeat_with_the_seed() {
        let (mut one, mut same, mut other) = (Guids::new(1), Guids::new(1), Guids::new(2));
        let first = one.next_guid();
        assert_eq!(first, same.next_guid());
        assert_ne!(first, one.next_guid());
        assert_ne!(first, other.next_guid());
        assert_eq!(first.len(), 36);
    }
}
