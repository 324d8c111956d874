//! The names of what is stored. No path is put together anywhere else, and none can leave its folder.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use object_store::path::Path;
use sha2::{Digest, Sha256};

use crate::domain::text::hex;
use crate::domain::{ClusterKey, SubscriptionId};
use crate::mutant::Mutant;

mod exhibit;

pub use exhibit::ExhibitPath;

/// Longest [`PathName`], in bytes: the longest path stays well under the 1,024 characters that a blob's name may have
/// (source: "Naming and referencing containers, blobs, and metadata", Azure Storage documentation).
const PATH_NAME_BYTES_MAX: usize = 128;

/// The path of something in the state container.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatePath(Path);

/// The path of a closed case in the cases container.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CasePath {
    folder: String,
    case: String,
    conflict: Option<u32>,
}

/// A day in UTC, as the folder of the cases that were closed on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CaseDay(Date);

/// A folder in the state container, to list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Prefix(Path);

/// One segment of a path, made of `a-z 0-9 . _ -` and not starting with a dot: nothing that a store, a URL or a terminal
/// reads as anything else.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathName(String);

/// The marker of an open case. Its name says it all; its content is the cluster's id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpenMarker {
    /// The cluster's key.
    pub key: ClusterKey,
    /// The case's generation, which no other case of the cluster ever has.
    pub generation: u64,
}

/// An hour of UTC, as the folder of the marks of stops that happened in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StopHour(i64);

/// A folder that no key of a cluster can be.
const BULLETIN_MARKERS: &str = "open/0-bulletins/";
/// Another one.
const ENTRIES: &str = "open/0-entries/";
/// Another one: a sweep tells of holds that began and ended.
const HOLDS: &str = "open/0-holds/";
/// Seconds in an hour.
const HOUR_SECONDS: i64 = 3_600;

impl StatePath {
    /// `clusters/<key>.json`: the record of a cluster.
    pub fn cluster(key: &ClusterKey) -> Self {
        Self(Path::from(format!("clusters/{key}.json")))
    }

    /// `open/<key>/<generation>`: the marker of an open case.
    pub fn open_marker(marker: &OpenMarker) -> Self {
        let generation = if Mutant::MarkerWithoutGeneration.is_on() { 0 } else { marker.generation };
        Self(Path::from(format!("open/{}/{generation}", marker.key)))
    }

    /// `stops/<subscription>/<hour>/<name>`: the mark of an unauthorised stop, for counting storms.
    pub fn stop_mark(subscription: &SubscriptionId, hour: StopHour, name: &PathName) -> Self {
        Self(Path::from(format!("stops/{subscription}/{hour}/{name}")))
    }

    /// `bulletins/<name>.json`: an incident that is about more than one cluster.
    pub fn bulletin(name: &PathName) -> Self {
        Self(Path::from(format!("bulletins/{name}.json")))
    }

    /// `dead-letters/<incident>/<name>.json`: a message to a sink that was given up.
    pub fn dead_letter(incident: &PathName, name: &PathName) -> Self {
        Self(Path::from(format!("dead-letters/{incident}/{name}.json")))
    }

    /// `open/0-bulletins/<name>/<generation>`: the marker of such an incident that is not over. The folder comes before those of
    /// all clusters in a list, however many of these there are.
    pub fn bulletin_marker(name: &PathName, generation: u64) -> Self {
        Self(Path::from(format!("{BULLETIN_MARKERS}{name}/{generation}")))
    }

    /// `discovery.json`: when discovery ran, and what it waits for.
    pub fn discovery() -> Self {
        Self(Path::from("discovery.json"))
    }

    /// `baselines/<subscription>.json`: what was down in a subscription when it was seen first.
    pub fn baseline(subscription: &SubscriptionId) -> Self {
        Self(Path::from(format!("baselines/{subscription}.json")))
    }

    /// `management-groups.json`: which subscriptions are in the guarded management groups, as Resource Graph said last.
    pub fn management_groups() -> Self {
        Self(Path::from("management-groups.json"))
    }

    /// `heartbeat.json`: the counts of a sweep of late.
    pub fn heartbeat() -> Self {
        Self(Path::from("heartbeat.json"))
    }

    /// `probes/<name>`: a blob that shows whether conditional writes work, and is deleted at once.
    pub fn probe(name: &PathName) -> Self {
        Self(Path::from(format!("probes/{name}")))
    }

    /// `open/0-entries/<name>.json`: what a sweep is working on, and how often a case ended one.
    pub fn entry(name: &PathName) -> Self {
        Self(Path::from(format!("{ENTRIES}{name}.json")))
    }

    /// `open/0-holds/<name>.json`: what the guard must not start, until when.
    pub fn hold(name: &PathName) -> Self {
        Self(Path::from(format!("{HOLDS}{name}.json")))
    }

    /// `holds-ended/<name>.json`: a hold that is over, kept to show who held what.
    pub fn ended_hold(name: &PathName) -> Self {
        Self(Path::from(format!("holds-ended/{name}.json")))
    }

    /// `grants/<caller>/<name>.json`: a planned stop of that caller.
    pub fn grant(caller: &PathName, name: &PathName) -> Self {
        Self(Path::from(format!("grants/{caller}/{name}.json")))
    }

    /// `aside/<key>/<digest>.json`: the copy of a damaged record. The digest is of the damaged bytes, so that setting
    /// the same record aside twice makes one copy.
    pub fn aside(key: &ClusterKey, damaged: &[u8]) -> Self {
        Self(Path::from(format!("aside/{key}/{}.json", PathName::digest(damaged))))
    }

    /// `dead-events/<digest>.json`: an event that Event Grid could not deliver, once it was looked into. The digest is of its bytes.
    pub fn dead_event(bytes: &[u8]) -> Self {
        Self(Path::from(format!("dead-events/{}.json", PathName::digest(bytes))))
    }

    /// The cluster whose record this is; `None` if it is no record's path.
    pub fn as_cluster(&self) -> Option<ClusterKey> {
        let key = ClusterKey::parse(self.0.as_ref().strip_prefix("clusters/")?.strip_suffix(".json")?)?;
        (Self::cluster(&key) == *self).then_some(key)
    }

    /// The marker whose path this is; `None` for whatever else somebody has put into that folder.
    pub fn as_open_marker(&self) -> Option<OpenMarker> {
        let (key, generation) = self.0.as_ref().strip_prefix("open/")?.split_once('/')?;
        let marker = OpenMarker { key: ClusterKey::parse(key)?, generation: generation.parse().ok()? };
        (Self::open_marker(&marker) == *self).then_some(marker)
    }

    /// The name and the generation of the bulletin whose marker this is.
    pub fn as_bulletin_marker(&self) -> Option<(PathName, u64)> {
        let (name, generation) = self.0.as_ref().strip_prefix(BULLETIN_MARKERS)?.split_once('/')?;
        let (name, generation) = (PathName::parse(name)?, generation.parse().ok()?);
        (Self::bulletin_marker(&name, generation) == *self).then_some((name, generation))
    }

    /// The name of the entry that this is.
    pub fn as_entry(&self) -> Option<PathName> {
        PathName::parse(self.0.as_ref().strip_prefix(ENTRIES)?.strip_suffix(".json")?)
    }

    /// The id of the hold at this path, whatever somebody has put there.
    pub fn as_hold(&self) -> Option<&str> {
        let name = self.0.as_ref().strip_prefix(HOLDS)?;
        Some(name.strip_suffix(".json").unwrap_or(name))
    }

    /// The last segment, if it is a name that the guard could have given.
    pub fn name(&self) -> Option<PathName> {
        PathName::parse(self.0.filename()?)
    }

    pub(super) fn from_listing(path: Path) -> Self {
        Self(path)
    }

    pub(super) fn as_path(&self) -> &Path {
        &self.0
    }
}

impl CasePath {
    /// `<yyyy>/<mm>/<dd>/<key>-<generation>.json`: the folder is the day, in UTC, on which the case was closed.
    pub fn new(case: &OpenMarker, closed_at: Timestamp) -> Self {
        let folder = CaseDay::of(closed_at).to_string();
        Self { folder, case: format!("{}-{}", case.key, case.generation), conflict: None }
    }

    /// The same case's path under `<case id>.conflict-<n>`: where its bytes go when others are there already.
    #[must_use]
    pub fn conflict(&self, n: u32) -> Self {
        Self { conflict: Some(n), ..self.clone() }
    }

    /// The key of the case's cluster.
    pub fn cluster_key(&self) -> Option<ClusterKey> {
        ClusterKey::parse(self.case.rsplit_once('-')?.0)
    }

    /// Which case it is.
    pub fn marker(&self) -> Option<OpenMarker> {
        let (key, generation) = self.case.rsplit_once('-')?;
        Some(OpenMarker { key: ClusterKey::parse(key)?, generation: generation.parse().ok()? })
    }

    /// Whether it holds other bytes for a case that was archived already.
    pub fn is_conflict(&self) -> bool {
        self.conflict.is_some()
    }

    /// The path of a listed blob; `None` for whatever else somebody has put there.
    pub(super) fn from_listing(path: &Path) -> Option<Self> {
        let (folder, name) = path.as_ref().rsplit_once('/')?;
        let name = name.strip_suffix(".json")?;
        let (case, conflict) = match name.split_once(".conflict-") {
            Some((case, n)) => (case, Some(n.parse().ok()?)),
            None => (name, None),
        };
        let (key, generation) = case.rsplit_once('-')?;
        ClusterKey::parse(key)?;
        generation.parse::<u64>().ok()?;
        let found = Self { folder: folder.to_owned(), case: case.to_owned(), conflict };
        (found.as_path() == *path).then_some(found)
    }

    pub(super) fn as_path(&self) -> Path {
        Path::from(self.to_string())
    }
}

impl CaseDay {
    /// The day on which a time lies.
    pub fn of(closed_at: Timestamp) -> Self {
        Self(Offset::UTC.to_datetime(closed_at).date())
    }

    /// The day before it; the calendar's first day has none.
    pub fn previous(self) -> Option<Self> {
        self.0.yesterday().ok().map(Self)
    }

    /// The day after it; the calendar's last day has none.
    pub fn next(self) -> Option<Self> {
        self.0.tomorrow().ok().map(Self)
    }

    pub(super) fn as_path(self) -> Path {
        Path::from(self.to_string())
    }
}

impl fmt::Display for CaseDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}/{:02}/{:02}", self.0.year(), self.0.month(), self.0.day())
    }
}

impl Prefix {
    /// The records of all clusters.
    pub fn clusters() -> Self {
        Self(Path::from("clusters"))
    }

    /// All that a sweep has to look at: the markers of open cases and of bulletins, holds, and what sweeps are working on.
    pub fn open_markers() -> Self {
        Self(Path::from("open"))
    }

    /// The markers of one cluster: one, unless a process died between two writes.
    pub fn open_markers_of(key: &ClusterKey) -> Self {
        Self(Path::from(format!("open/{key}")))
    }

    /// The marks of unauthorised stops in a subscription within an hour.
    pub fn stop_marks(subscription: &SubscriptionId, hour: StopHour) -> Self {
        Self(Path::from(format!("stops/{subscription}/{hour}")))
    }

    /// Incidents that are about more than one cluster.
    pub fn bulletins() -> Self {
        Self(Path::from("bulletins"))
    }

    /// What the guard must not start.
    pub fn holds() -> Self {
        Self(Path::from(HOLDS))
    }

    /// The planned stops of one caller.
    pub fn grants_of(caller: &PathName) -> Self {
        Self(Path::from(format!("grants/{caller}")))
    }

    /// All planned stops.
    pub fn grants() -> Self {
        Self(Path::from("grants"))
    }

    /// Messages that were given up.
    pub fn dead_letters() -> Self {
        Self(Path::from("dead-letters"))
    }

    /// Blobs that show whether conditional writes work.
    pub fn probes() -> Self {
        Self(Path::from("probes"))
    }

    /// Copies of damaged records.
    pub fn aside() -> Self {
        Self(Path::from("aside"))
    }

    pub(super) fn as_path(&self) -> &Path {
        &self.0
    }
}

impl PathName {
    /// Reads a name; `None` if it is empty, longer than 128 bytes, starts with a dot or has other characters than
    /// `a-z 0-9 . _ -`.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=PATH_NAME_BYTES_MAX).contains(&text.len());
        let is_plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        (fits && !text.starts_with('.') && text.bytes().all(is_plain)).then(|| Self(text.to_owned()))
    }

    /// A name for anything at all: half a SHA-256, in hex. Equal input gives equal names.
    pub fn digest(anything: impl AsRef<[u8]>) -> Self {
        let digest = Sha256::digest(anything.as_ref());
        Self(hex(digest.iter().take(16)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl StopHour {
    /// The hour in which a stop happened.
    pub fn of(stopped_at: Timestamp) -> Self {
        Self(stopped_at.as_second().div_euclid(HOUR_SECONDS))
    }

    /// The hour before this one: the last sixty minutes lie in two folders.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0 - 1)
    }
}

impl fmt::Display for StopHour {
    /// `2026-11-24T22`; an hour before the year 0, which only a hostile event can name, as a number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_second(self.0.saturating_mul(HOUR_SECONDS)) {
            Ok(start) if start.as_second() >= YEAR_ZERO_SECONDS => {
                let at = Offset::UTC.to_datetime(start);
                write!(f, "{:04}-{:02}-{:02}T{:02}", at.year(), at.month(), at.day(), at.hour())
            }
            Ok(_) | Err(_) => write!(f, "{}", self.0),
        }
    }
}

/// 0000-01-01T00:00:00Z in seconds since 1970.
const YEAR_ZERO_SECONDS: i64 = -62_167_219_200;

impl fmt::Display for StatePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_ref())
    }
}

impl fmt::Display for CasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.folder, self.case)?;
        if let Some(n) = self.conflict {
            write!(f, ".conflict-{n}")?;
        }
        f.write_str(".json")
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_ref())
    }
}

impl fmt::Display for PathName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
