//! Where a case's evidence is kept.

use std::fmt;

use object_store::path::Path;

use super::OpenMarker;

/// Digits of a SHA-256 in hex.
const DIGEST_DIGITS: usize = 64;

/// The path of a piece of evidence in the cases container.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExhibitPath(Path);

impl ExhibitPath {
    /// `evidence/<key>-<generation>/<sha256>`: a folder for each case, outside those of days, and a name that tells what the bytes must
    /// be. `None` if that is no SHA-256 in lower-case hex.
    pub fn new(case: &OpenMarker, sha256: &str) -> Option<Self> {
        let is_digest = sha256.len() == DIGEST_DIGITS
            && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_digest.then(|| Self(Path::from(format!("evidence/{}-{}/{sha256}", case.key, case.generation))))
    }

    pub(in crate::store) fn as_path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for ExhibitPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_ref())
    }
}
