//! What lies in the container and is not the guard's: left alone, and named in the log once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::store::StatePath;

/// Foreign blobs that one process names in its log: whoever put more there knows by then. Bounds what is remembered of them.
const NAMED_MAX: usize = 1_000;

/// The foreign blobs that this process has named.
#[derive(Debug, Default)]
pub(super) struct Foreign(Mutex<BTreeSet<StatePath>>);

impl Foreign {
    /// Names a blob in the log, unless that has happened already.
    pub(super) fn name_once(&self, path: &StatePath, why: &'static str) {
        if self.is_first(path) {
            tracing::warn!(%path, why, "a blob in the container is not the guard's: it is left alone");
        }
    }

    fn is_first(&self, path: &StatePath) -> bool {
        let mut named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        named.len() < NAMED_MAX && named.insert(path.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{Foreign, NAMED_MAX};
    use crate::domain::ClusterKey;
    use crate::store::{OpenMarker, StatePath};

    fn path(n: usize) -> StatePath {
        let key = ClusterKey::parse(&format!("{n:032x}")).unwrap();
        StatePath::open_marker(&OpenMarker { key, generation: 1 })
    }

    #[test]
    fn each_is_named_once_and_their_number_is_bounded() {
        let foreign = Foreign::default();
        assert!(foreign.is_first(&path(0)));
        assert!(!foreign.is_first(&path(0)));
        let named = (1..2 * NAMED_MAX).filter(|n| foreign.is_first(&path(*n))).count();
        assert_eq!(named, NAMED_MAX - 1);
        assert!(!foreign.is_first(&path(0)));
    }
}
