//! All that a sweep has to look at, by one list: a sweep with nothing to do costs nothing more.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::case::BulletinKey;
use crate::domain::ClusterKey;
use crate::store::{OpenMarker, PathName, Prefix};

use super::Guard;
use super::records::GuardError;

/// Markers and entries that one sweep looks at. Those of bulletins and sweeps come first; of cases with more than this, those
/// at the end of the order of their clusters' keys wait until others are closed.
const OPEN_MAX: usize = 50_000;

/// What is open.
#[derive(Debug, Default)]
pub(super) struct OpenWork {
    /// The generations of each cluster's markers: one, unless a process died between two writes.
    pub(super) cases: BTreeMap<ClusterKey, Vec<u64>>,
    /// The generations of each bulletin's markers.
    pub(super) bulletins: BTreeMap<BulletinKey, Vec<u64>>,
    /// What sweeps are working on, and which cases ended one.
    pub(super) entries: Vec<PathName>,
    /// Whether there is any hold.
    pub(super) are_holds: bool,
}

impl OpenWork {
    /// When the oldest open case was opened: a generation is the second of its case's opening, or a little more where several
    /// were opened in one (rule 4).
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        let oldest = self.cases.values().flatten().min()?;
        Timestamp::from_second(i64::try_from(*oldest).ok()?).ok()
    }
}

impl Guard {
    /// Lists it.
    pub(super) async fn open_work(&self) -> Result<OpenWork, GuardError> {
        let mut open = OpenWork::default();
        let listing = self.0.store.list(&Prefix::open_markers(), OPEN_MAX).await?;
        for listed in listing.entries {
            let path = listed.path;
            if let Some(OpenMarker { key, generation }) = path.as_open_marker() {
                open.cases.entry(key).or_default().push(generation);
            } else if let Some(entry) = path.as_entry() {
                open.entries.push(entry);
            } else if path.as_hold().is_some() {
                open.are_holds = true;
            } else if let Some((key, generation)) = path
                .as_bulletin_marker()
                .and_then(|(name, generation)| Some((BulletinKey::parse(name.as_str())?, generation)))
            {
                open.bulletins.entry(key).or_default().push(generation);
            } else {
                self.0.foreign.name_once(&path, "it is no marker");
            }
        }
        Ok(open)
    }
}
