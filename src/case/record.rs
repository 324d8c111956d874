//! The record of one cluster: what is stored, and how it is read back.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::mode::Mode;
use super::model::{Case, CaseId, Held, Outcome, Stop, StopSource};
use super::outbox::{Keeper, Message, Receipt};
use super::routes::Audience;
use super::step::{GroupRow, StormRow};
use crate::domain::{Caller, ClusterId};

/// The version of the record that this program writes.
pub const VERSION: u32 = 1;
/// Starts that the history keeps; the sliding budgets need 24 h, and nobody starts more often than this in that time.
pub const STARTS_MAX: usize = 64;
const DAY: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// Everything the guard remembers of one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which cluster.
    pub cluster: ClusterId,
    /// ARM's `resourceUID` of the cluster that the case is about.
    pub resource_uid: Option<String>,
    /// Counts cases; never repeats (rule 4).
    pub generation: u64,
    /// Who wrote it last: a random value for each write (rule 3).
    pub writer: String,
    /// The case at hand.
    pub episode: Episode,
    /// What outlives cases.
    pub history: History,
    /// Messages to sinks that are not delivered yet, in order.
    pub outbox: Vec<Message>,
    /// What sinks took of late, the newest last.
    pub receipts: Vec<Receipt>,
    /// Members that a newer version wrote.
    unknown: Map<String, Value>,
}

/// The case at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Episode {
    /// None.
    None,
    /// Being worked on.
    Open(Box<Case>),
    /// Waiting for people.
    Held(Box<Case>),
    /// Decided; being archived.
    Closing(Closing),
}

impl Episode {
    /// The case, also one that is on its way into the archive.
    ///
    /// # Errors
    /// The bytes that are about to be archived are no case.
    pub fn into_case(self) -> Result<Option<Case>, serde_json::Error> {
        match self {
            Self::None => Ok(None),
            Self::Open(case) | Self::Held(case) => Ok(Some(*case)),
            Self::Closing(closing) => closing.case().map(Some),
        }
    }
}

/// A case on its way into the archive: its final bytes, so that whoever finishes archives the same (rule 18).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Which case.
    pub id: CaseId,
    /// When it was closed: the archive's folder.
    pub closed_at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// The archived bytes.
    pub body: String,
    /// What the storm's incident has to be told before the case is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storm: Option<StormRow>,
    /// What the groups that its incidents are in have to be told before that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupRow>,
}

impl Closing {
    /// The case, from the bytes that are archived.
    ///
    /// # Errors
    /// They are no case.
    pub fn case(&self) -> Result<Case, serde_json::Error> {
        // From bytes, as everything that is stored: reading text has code of its own for each type.
        serde_json::from_slice(self.body.as_bytes())
    }
}

/// What outlives cases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The cluster certainly ran at this time: no earlier stop matters any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_seen_at: Option<Timestamp>,
    /// The cluster was gone at this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_seen_at: Option<Timestamp>,
    /// The authorised stop that explains why the cluster is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorised: Option<AuthorisedStop>,
    /// Starts that were meant, for the budgets.
    #[serde(default)]
    pub starts: Vec<Timestamp>,
    /// When the newest start that was meant expires, whichever case meant it; none if it certainly was not sent. Until QUIET after
    /// it no other is meant (rule 16): not for the next case, nor for another cluster under the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_expires_at: Option<Timestamp>,
    /// Members that a newer version wrote.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// A stop that was allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorisedStop {
    /// When.
    pub stop_time: Timestamp,
    /// By whom.
    pub caller: Caller,
    /// What its other reports share with it: the log dates a stop at its beginning, an event at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
}

impl History {
    /// Starts in the 24 hours before `now`.
    pub fn starts_last_24h(&self, now: Timestamp) -> u32 {
        let count = self.starts.iter().filter(|start| now.duration_since(**start) < DAY).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Forgets what was true of a cluster that is gone; the budgets stay (rule 28), and so does a start that may still land.
    pub fn forget_cluster(&mut self) {
        self.running_seen_at = None;
        self.gone_seen_at = None;
        self.authorised = None;
    }

    /// Remembers a start, and forgets those that no budget asks for any more.
    pub fn add_start(&mut self, at: Timestamp) {
        self.starts.retain(|start| at.duration_since(*start) < DAY);
        self.starts.push(at);
        if self.starts.len() > STARTS_MAX {
            self.starts.remove(0);
        }
    }
}

/// Why stored bytes are not a record that this program may touch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written for a newer program: neither write it nor drop what it holds (rule 25).
    #[error("the record needs version {min_writer} of the program's records, this program writes {VERSION}")]
    Newer {
        /// The version it asks for.
        min_writer: u32,
    },
    /// Not a record.
    #[error("the record is damaged: {0}")]
    Damaged(String),
}

impl Record {
    /// What takes the place of a damaged record (rule 25): budgets spent, waiting for people.
    pub fn replacing_damaged(cluster: ClusterId, mode: Mode, now: Timestamp) -> Self {
        let mut record = Self::new(cluster);
        record.generation = record.next_generation(now);
        record.history.starts = vec![now; STARTS_MAX];
        let stop = Stop {
            time: now,
            time_known: false,
            caller: Caller::unknown(),
            correlation_id: None,
            event_id: format!("damaged-record-{}", record.generation),
            source: StopSource::DamagedRecord,
            confirmed: false,
            claimed: None,
            allowed_by: None,
            granted: None,
        };
        let id = CaseId::new(&record.cluster.key(), record.generation);
        let mut case = Case::new(id, mode, stop, now);
        case.held = Some(Held::DamagedRecord);
        case.note(now, "the cluster's record was damaged: a copy was set aside");
        record.episode = Episode::Held(Box::new(case));
        record
    }

    /// The record of a cluster that was never seen before.
    pub fn new(cluster: ClusterId) -> Self {
        Self {
            cluster,
            resource_uid: None,
            generation: 0,
            writer: String::new(),
            episode: Episode::None,
            history: History::default(),
            outbox: Vec::new(),
            receipts: Vec::new(),
            unknown: Map::new(),
        }
    }

    /// The next generation: never one that was used (rule 4).
    pub fn next_generation(&self, now: Timestamp) -> u64 {
        self.generation.saturating_add(1).max(u64::try_from(now.as_second()).unwrap_or(0))
    }

    /// The case that is open or held.
    pub fn case(&self) -> Option<&Case> {
        match &self.episode {
            Episode::Open(case) | Episode::Held(case) => Some(case),
            Episode::None | Episode::Closing(_) => None,
        }
    }

    /// Which case is open, held or closing.
    pub fn case_id(&self) -> Option<&CaseId> {
        match &self.episode {
            Episode::None => None,
            Episode::Open(case) | Episode::Held(case) => Some(&case.id),
            Episode::Closing(closing) => Some(&closing.id),
        }
    }

    /// What sinks took of a case's incidents.
    pub fn receipts_of<'a>(&'a self, case: &'a CaseId) -> impl Iterator<Item = &'a Receipt> {
        self.receipts.iter().filter(|receipt| case.has_incident(&receipt.incident))
    }

    /// Reads a stored record.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let version: WireVersion = serde_json::from_slice(bytes).map_err(damaged)?;
        if version.min_writer > VERSION {
            return Err(RecordError::Newer { min_writer: version.min_writer });
        }
        serde_json::from_slice::<Wire>(bytes).map_err(damaged)?.try_into()
    }

    /// The bytes to store.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        serde_json::to_vec(&Wire::from(self.clone())).map_err(damaged)
    }
}

impl Keeper for Record {
    fn outbox(&self) -> &[Message] {
        &self.outbox
    }

    fn outbox_mut(&mut self) -> &mut Vec<Message> {
        &mut self.outbox
    }

    fn receipts_mut(&mut self) -> &mut Vec<Receipt> {
        &mut self.receipts
    }

    fn audience(&self, incident: &str) -> Option<&Audience> {
        let case = self.case()?;
        let told = if incident == case.id.as_str() { case.told.as_ref() } else { None };
        let forged = case.forgery_told.as_ref().filter(|_| incident == case.forgery_id());
        told.or(forged).map(|told| &told.audience)
    }

    fn audience_mut(&mut self, incident: &str) -> Option<&mut Audience> {
        let (Episode::Open(case) | Episode::Held(case)) = &mut self.episode else { return None };
        let told = match incident {
            own if own == case.id.as_str() => case.told.as_mut(),
            forged if forged == case.forgery_id() => case.forgery_told.as_mut(),
            _ => None,
        };
        told.map(|told| &mut told.audience)
    }
}

fn damaged(error: serde_json::Error) -> RecordError {
    RecordError::Damaged(error.to_string())
}

#[derive(Deserialize)]
struct WireVersion {
    min_writer: u32,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Phase {
    None,
    Open,
    Held,
    Closing,
}

/// How a record is written down.
#[derive(Serialize, Deserialize)]
struct Wire {
    v: u32,
    min_writer: u32,
    writer: String,
    resource_id: ClusterId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource_uid: Option<String>,
    #[serde(rename = "gen")]
    generation: u64,
    phase: Phase,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    case: Option<Box<Case>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closing: Option<Closing>,
    #[serde(default)]
    history: History,
    #[serde(default)]
    outbox: Vec<Message>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    receipts: Vec<Receipt>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl From<Record> for Wire {
    fn from(record: Record) -> Self {
        let (phase, case, closing) = match record.episode {
            Episode::None => (Phase::None, None, None),
            Episode::Open(case) => (Phase::Open, Some(case), None),
            Episode::Held(case) => (Phase::Held, Some(case), None),
            Episode::Closing(closing) => (Phase::Closing, None, Some(closing)),
        };
        Self {
            v: VERSION,
            min_writer: VERSION,
            writer: record.writer,
            resource_id: record.cluster,
            resource_uid: record.resource_uid,
            generation: record.generation,
            phase,
            case,
            closing,
            history: record.history,
            outbox: record.outbox,
            receipts: record.receipts,
            unknown: record.unknown,
        }
    }
}

impl TryFrom<Wire> for Record {
    type Error = RecordError;

    fn try_from(wire: Wire) -> Result<Self, RecordError> {
        let missing = |what: &str| RecordError::Damaged(format!("its phase needs a `{what}`"));
        let episode = match wire.phase {
            Phase::None => Episode::None,
            Phase::Open => Episode::Open(wire.case.ok_or_else(|| missing("case"))?),
            Phase::Held => Episode::Held(wire.case.ok_or_else(|| missing("case"))?),
            Phase::Closing => Episode::Closing(wire.closing.ok_or_else(|| missing("closing"))?),
        };
        Ok(Self {
            cluster: wire.resource_id,
            resource_uid: wire.resource_uid,
            generation: wire.generation,
            writer: wire.writer,
            episode,
            history: wire.history,
            outbox: wire.outbox,
            receipts: wire.receipts,
            unknown: wire.unknown,
        })
    }
}
