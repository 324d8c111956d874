//! Incidents that are about more than one case: a storm of stops in a subscription, a guard that is broken, a hold.

mod down;
mod group;
mod key;
mod message;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::mode::Mode;
use super::outbox::{Message, Receipt};
use super::record::{RecordError, VERSION};
use super::report;
use super::routes::{Audience, Routes};
use super::step::StormRow;
use super::times::Times;
use crate::domain::incident::TimelineEntry;
use crate::domain::{Caller, ClusterId, ClusterKey, Hold, IncidentState, Portal, Severity};

pub use down::DownReport;
pub use group::GroupReport;
pub use key::BulletinKey;

/// Callers that a storm names.
const CALLERS_MAX: usize = 16;
/// Clusters that a storm keeps count of one by one.
const ROWS_MAX: usize = 1_000;
const TIMELINE_MAX: usize = 32;
/// Sinks that the policies of a storm name, all together: a guard has a few.
const NOTIFY_MAX: usize = 64;
/// Status of a cluster whose stop led up to the storm: its own incident tells how it goes on.
const OWN_INCIDENT: &str = "has an incident of its own";

/// The stored state of one bulletin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bulletin {
    v: u32,
    min_writer: u32,
    /// Who wrote it last (rule 3).
    pub writer: String,
    /// What it is about.
    pub key: BulletinKey,
    /// Counts its incidents; never repeats.
    #[serde(rename = "gen")]
    generation: u64,
    /// The incident at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenBulletin>,
    /// Of a hold: that it is over has been told. A number that was used up says nothing about that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
    /// Messages that are not delivered yet.
    #[serde(default)]
    pub outbox: Vec<Message>,
    /// What sinks took of late, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<Receipt>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// The incident of a bulletin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenBulletin {
    id: String,
    opened_at: Timestamp,
    next_sequence: u32,
    told_at: Timestamp,
    /// When the newest cluster joined.
    joined_at: Timestamp,
    /// Something changed since people were told.
    changed: bool,
    rows: BTreeMap<String, Row>,
    #[serde(default)]
    callers: Vec<Caller>,
    #[serde(default)]
    policies: Vec<String>,
    /// What is broken.
    #[serde(default)]
    faults: Vec<String>,
    timeline: Vec<TimelineEntry>,
    /// Sinks that the policies want told as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notify: Vec<String>,
    /// Which sinks hear of it.
    #[serde(default, skip_serializing_if = "Audience::is_unknown")]
    audience: Audience,
    /// How bad the worst of a group's incidents is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    severity: Option<Severity>,
    /// Incidents of a group that are over and not listed any more.
    #[serde(default, skip_serializing_if = "is_zero")]
    dropped: usize,
    /// When it was last looked whether a group's cases are still on record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checked_at: Option<Timestamp>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl OpenBulletin {
    /// Nobody has been told of it: it began in `dry-run`, or just so.
    fn is_untold(&self) -> bool {
        self.next_sequence == 0
    }

    /// It began while nobody was told of anything, and now people are.
    fn is_to_be_told(&self, teller: Teller<'_>) -> bool {
        self.is_untold() && teller.mode != Mode::DryRun
    }
}

/// One cluster of a storm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    id: ClusterId,
    status: String,
    ended: bool,
}

/// What a case tells its storm.
#[derive(Debug, Clone, Copy)]
pub struct StormReport<'a> {
    /// Which cluster.
    pub cluster: &'a ClusterId,
    /// Where it stands.
    pub row: &'a StormRow,
    /// Who stopped it.
    pub caller: Option<&'a Caller>,
    /// The policies that decided.
    pub policies: &'a [String],
    /// Sinks that they want told as well.
    pub notify: &'a [String],
}

/// What bulletins are told with.
#[derive(Debug, Clone, Copy)]
pub struct Teller<'a> {
    /// Now, on Azure's clock.
    pub now: Timestamp,
    /// The mode: in `dry-run` nothing reaches a sink.
    pub mode: Mode,
    /// Which sinks get which incidents.
    pub routes: &'a Routes,
    /// The portal that links lead to; without it messages have none.
    pub portal: Option<&'a Portal>,
    /// The times.
    pub times: &'a Times,
}

impl Bulletin {
    /// One that has nothing to say yet.
    pub fn new(key: BulletinKey) -> Self {
        Self {
            v: VERSION,
            min_writer: VERSION,
            writer: String::new(),
            key,
            generation: 0,
            open: None,
            ended: false,
            outbox: Vec::new(),
            receipts: Vec::new(),
            unknown: Map::new(),
        }
    }

    /// Reads a stored bulletin.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let bulletin: Self =
            serde_json::from_slice(bytes).map_err(|error| RecordError::Damaged(error.to_string()))?;
        if bulletin.min_writer > VERSION {
            return Err(RecordError::Newer { min_writer: bulletin.min_writer });
        }
        Ok(bulletin)
    }

    /// The bytes to store.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        serde_json::to_vec(self).map_err(|error| RecordError::Damaged(error.to_string()))
    }

    /// Counts its incidents: what its marker is named by.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Makes `generation` one that was used: whoever is about to open an incident under that number can't any more.
    pub fn burn(&mut self, generation: u64) {
        self.generation = self.generation.max(generation);
    }

    /// Whether nothing is left to tell.
    pub fn is_over(&self) -> bool {
        self.open.is_none() && self.outbox.is_empty()
    }

    /// A cluster of the storm says where it stands. Returns false if that was known.
    pub fn take_row(&mut self, news: StormReport<'_>, teller: Teller<'_>) -> bool {
        let key = news.cluster.key();
        let known = self.open.as_ref().and_then(|open| open.rows.get(key.as_str()));
        let is_news = match known {
            Some(row) => row.status != news.row.status || row.ended != news.row.ended,
            // A case that ends after its storm was told over has nothing to add.
            None => self.open.is_some() || !news.row.ended,
        };
        if !is_news {
            return false;
        }
        self.add_row(&key, news, teller.now);
        // Clusters that led up to the storm may be listed already: it is open, and nobody was told.
        if self.open.as_ref().is_some_and(OpenBulletin::is_untold) {
            self.tell(IncidentState::Opened, teller);
        }
        true
    }

    /// Clusters whose stops led up to the storm, and that were told on their own: listed from the start.
    pub fn list_earlier(&mut self, earlier: &[ClusterId], now: Timestamp) {
        self.ensure_open(now);
        let Some(open) = &mut self.open else { return };
        for cluster in earlier.iter().take(ROWS_MAX) {
            open.rows.entry(cluster.key().as_str().to_owned()).or_insert_with(|| Row {
                id: cluster.clone(),
                status: OWN_INCIDENT.to_owned(),
                ended: true,
            });
        }
    }

    fn add_row(&mut self, key: &ClusterKey, news: StormReport<'_>, now: Timestamp) {
        self.ensure_open(now);
        let Some(open) = &mut self.open else { return };
        let is_new = !open.rows.contains_key(key.as_str());
        if is_new {
            open.joined_at = now;
        }
        if is_new && open.rows.len() >= ROWS_MAX {
            return;
        }
        let text = format!("{}: {}", news.cluster.name(), news.row.status);
        note(&mut open.timeline, now, text);
        open.rows.insert(
            key.as_str().to_owned(),
            Row { id: news.cluster.clone(), status: news.row.status.clone(), ended: news.row.ended },
        );
        open.changed = true;
        if let Some(caller) = news.caller {
            let is_known = open.callers.iter().any(|known| known.identity() == caller.identity());
            if !is_known && open.callers.len() < CALLERS_MAX {
                open.callers.push(report::shown(caller));
            }
        }
        for policy in news.policies {
            if !open.policies.contains(policy) {
                open.policies.push(policy.clone());
            }
        }
        for sink in news.notify {
            if !open.notify.contains(sink) && open.notify.len() < NOTIFY_MAX {
                open.notify.push(sink.clone());
            }
        }
    }

    fn ensure_open(&mut self, now: Timestamp) {
        if self.open.is_some() {
            return;
        }
        self.generation =
            self.generation.saturating_add(1).max(u64::try_from(now.as_second()).unwrap_or_default());
        self.open = Some(OpenBulletin {
            id: format!("{}-{}", self.key.name(), self.generation),
            opened_at: now,
            next_sequence: 0,
            told_at: now,
            joined_at: now,
            changed: false,
            rows: BTreeMap::new(),
            callers: Vec::new(),
            policies: Vec::new(),
            faults: Vec::new(),
            timeline: Vec::new(),
            notify: Vec::new(),
            audience: Audience::nobody(),
            severity: None,
            dropped: 0,
            checked_at: None,
        });
    }

    /// Time has passed: tell what changed, or that the storm or the group is over. Returns false if there was nothing to do.
    pub fn look_after(&mut self, teller: Teller<'_>) -> bool {
        let Some(open) = &self.open else { return false };
        let over_after = match self.key {
            BulletinKey::Degraded
            | BulletinKey::Quarantine
            | BulletinKey::Unexplained
            | BulletinKey::Baseline
            | BulletinKey::Discovery
            | BulletinKey::Hold { .. } => return false,
            BulletinKey::Group { .. } => teller.times.bulletin_every,
            BulletinKey::Storm { .. } => teller.times.storm_over_after,
        };
        let quiet = teller.now.duration_since(open.joined_at) >= over_after;
        if quiet && open.rows.values().all(|row| row.ended) {
            self.tell(IncidentState::Resolved, teller);
            self.open = None;
            return true;
        }
        let is_due = teller.now.duration_since(open.told_at) >= teller.times.bulletin_every;
        if (open.changed || open.is_to_be_told(teller)) && is_due {
            self.tell(IncidentState::Updated, teller);
            return true;
        }
        false
    }

    /// The guard is broken in these ways, or in none. Told once, again every hour, and when it is mended.
    /// Returns false if there was nothing to do.
    pub fn take_faults(&mut self, faults: &[String], teller: Teller<'_>) -> bool {
        if faults.is_empty() {
            if self.open.is_none() {
                return false;
            }
            self.tell(IncidentState::Resolved, teller);
            self.open = None;
            return true;
        }
        let is_first = self.open.is_none();
        self.ensure_open(teller.now);
        let Some(open) = &mut self.open else { return false };
        let is_due = teller.now.duration_since(open.told_at) >= teller.times.degraded_every;
        let is_news = open.faults != faults;
        open.faults = faults.to_vec();
        if is_first {
            self.tell(IncidentState::Opened, teller);
        } else if is_due || is_news {
            self.tell(IncidentState::Updated, teller);
        }
        is_first || is_due || is_news
    }

    /// Tells that a hold began, and that it is over. Each is told once: the id of a hold never comes back. Returns false if there
    /// was nothing to do.
    pub fn take_hold(&mut self, hold: &Hold, teller: Teller<'_>) -> bool {
        if self.ended {
            return false;
        }
        let is_over = !hold.is_active(teller.now);
        let is_new = match &self.open {
            None => true,
            Some(open) => open.is_to_be_told(teller) && !is_over,
        };
        if is_new {
            self.ensure_open(teller.now);
            self.tell_of(IncidentState::Opened, Some(hold), teller);
        }
        if is_over {
            self.tell_of(IncidentState::Resolved, Some(hold), teller);
            self.open = None;
            self.ended = true;
        }
        is_new || is_over
    }

    fn tell(&mut self, state: IncidentState, teller: Teller<'_>) {
        self.tell_of(state, None, teller);
    }

    fn tell_of(&mut self, state: IncidentState, hold: Option<&Hold>, teller: Teller<'_>) {
        let Some(open) = &mut self.open else { return };
        open.told_at = teller.now;
        open.changed = false;
        if teller.mode == Mode::DryRun {
            return;
        }
        // What nobody heard of is opened by its first news, and needs no end.
        let state = match (state, open.is_untold()) {
            (IncidentState::Resolved, true) => return,
            (IncidentState::Opened | IncidentState::Updated, true) => IncidentState::Opened,
            (state, false) => state,
        };
        let sequence = open.next_sequence;
        let incident = match &self.key {
            BulletinKey::Storm { subscription } => {
                message::storm(open, subscription, state, sequence, teller)
            }
            BulletinKey::Degraded => message::degraded(open, state, sequence, teller),
            BulletinKey::Quarantine => message::quarantine(open, state, sequence, teller),
            BulletinKey::Unexplained => message::unexplained(open, state, sequence, teller),
            BulletinKey::Baseline => message::baseline(open, state, sequence, teller),
            BulletinKey::Discovery => message::discovery(open, state, sequence, teller),
            BulletinKey::Group { .. } => message::group(open, state, sequence, teller),
            BulletinKey::Hold { .. } => match hold {
                Some(hold) => message::hold(open, hold, state, sequence, teller),
                None => return,
            },
        };
        open.send(&self.key, &mut self.outbox, &incident, teller);
    }
}

fn note(timeline: &mut Vec<TimelineEntry>, at: Timestamp, text: String) {
    timeline.push(TimelineEntry { at, text });
    if timeline.len() > TIMELINE_MAX {
        timeline.remove(0);
    }
}
