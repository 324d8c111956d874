//! What the board knows of a guard's state: of each cluster only what is shown, so that thousands take a few MB.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use jiff::Timestamp;

use crate::case::outbox::{Message, Receipt};
use crate::case::{Episode, Outcome, Record, sentences_now};
use crate::cli::cases::row::Summary;
use crate::cli::stored::walk::StoredCase;
use crate::domain::text::clean;
use crate::domain::{ClusterId, ClusterKey, Grant, Hold};
use crate::store::{Etag, StatePath};

/// Longest text that is kept of what others wrote, in characters.
pub(super) const TEXT_CHARS_MAX: usize = 500;

/// Everything that is shown beside single cases and closed ones.
#[derive(Default)]
pub(super) struct Known {
    /// By their keys, as they were read last.
    pub(super) clusters: HashMap<ClusterKey, Entry<Cluster>>,
    /// What incidents about several cases did with sinks.
    pub(super) bulletins: HashMap<StatePath, Entry<Deliveries>>,
    pub(super) heartbeat: Part<Option<Bytes>>,
    pub(super) holds: Part<Vec<Hold>>,
    /// With whether there are more.
    pub(super) grants: Part<(Vec<Grant>, bool)>,
    /// How reading all clusters' records and bulletins went, and whether there are more than are read.
    pub(super) records: Part<bool>,
    /// Records that were read and those to read, while they are read.
    pub(super) progress: Option<(usize, usize)>,
}

/// Something that is read as a whole.
pub(super) struct Part<T> {
    pub(super) value: T,
    /// When that was read.
    pub(super) at: Option<Timestamp>,
    /// Why it could not be read since then.
    pub(super) problem: Option<String>,
}

impl<T: Default> Default for Part<T> {
    fn default() -> Self {
        Self { value: T::default(), at: None, problem: None }
    }
}

impl<T> Part<T> {
    /// What came of reading it at that time. What was known before stays if nothing better came.
    pub(super) fn take(&mut self, read: Result<T, String>, at: Timestamp) {
        match read {
            Ok(value) => *self = Self { value, at: Some(at), problem: None },
            Err(why) => self.problem = Some(why),
        }
    }
}

/// One blob.
pub(super) struct Entry<T> {
    /// Which version of it was read.
    pub(super) etag: Option<Etag>,
    /// What was understood of it last.
    pub(super) seen: Option<T>,
    /// Why the newest version can't be shown.
    pub(super) problem: Option<String>,
}

impl<T> Default for Entry<T> {
    fn default() -> Self {
        Self { etag: None, seen: None, problem: None }
    }
}

/// How a cluster stands, as the guard saw it last. In the order in which people want to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stands {
    Held,
    Restarting,
    Open,
    Allowed,
    Running,
    Gone,
    Unknown,
}

impl Stands {
    pub(super) const ALL: [Self; 7] =
        [Self::Held, Self::Restarting, Self::Open, Self::Allowed, Self::Running, Self::Gone, Self::Unknown];

    /// In words, and how they are to be seen.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Held => ("wait for people", "bad"),
            Self::Restarting => ("being restarted", "busy"),
            Self::Open => ("being looked at", "busy"),
            Self::Allowed => ("stopped with permission", "quiet"),
            Self::Running => ("running when last seen", "good"),
            Self::Gone => ("deleted", "quiet"),
            Self::Unknown => ("not known", "quiet"),
        }
    }
}

/// A cluster that was stopped at some time.
pub(super) struct Cluster {
    pub(super) stands: Stands,
    pub(super) case: Option<Open>,
    pub(super) deliveries: Deliveries,
}

/// Its open case.
pub(super) struct Open {
    pub(super) summary: Summary,
    /// What it comes to, in a sentence.
    pub(super) title: String,
    /// What happened last.
    pub(super) newest: String,
    pub(super) next_at: Timestamp,
}

impl Cluster {
    /// Of a record.
    ///
    /// # Errors
    /// Its case that is being closed is damaged.
    pub(super) fn of(record: Record, now: Timestamp) -> Result<Self, String> {
        let deliveries = Deliveries::of(&record.outbox, &record.receipts);
        let history = &record.history;
        let at_rest = match (history.gone_seen_at, &history.authorised, history.running_seen_at) {
            (Some(gone), _, running) if running.is_none_or(|running| running < gone) => Stands::Gone,
            (_, Some(_), _) => Stands::Allowed,
            (_, None, Some(_)) => Stands::Running,
            (_, None, None) => Stands::Unknown,
        };
        let (cluster, episode) = (record.cluster, record.episode);
        if let Episode::Closing(closing) = &episode {
            let stands = match closing.outcome {
                Outcome::Authorised => Stands::Allowed,
                Outcome::AlreadyRunning | Outcome::Restored => Stands::Running,
                Outcome::Gone => Stands::Gone,
            };
            return Ok(Self { stands, case: None, deliveries });
        }
        let case = episode
            .into_case()
            .map_err(|error| clean(&error.to_string(), TEXT_CHARS_MAX))?
            .map(|case| Open::of(cluster, case, now));
        let stands = case.as_ref().map_or(at_rest, |open| match open.summary.state {
            "held" => Stands::Held,
            "restarting" => Stands::Restarting,
            _ => Stands::Open,
        });
        Ok(Self { stands, case, deliveries })
    }
}

impl Open {
    fn of(cluster: ClusterId, case: crate::case::Case, now: Timestamp) -> Self {
        let title = clean(&sentences_now(&cluster, &case, now).title, TEXT_CHARS_MAX);
        let newest = case.timeline.last().map(|entry| clean(&entry.text, TEXT_CHARS_MAX)).unwrap_or_default();
        let next_at = case.next_at;
        let mut summary = Summary::of(&StoredCase { cluster: Some(cluster), case });
        summary.waits_for = summary.waits_for.map(|why| clean(&why, TEXT_CHARS_MAX));
        Self { summary, title, newest, next_at }
    }
}

/// What sinks took, and what they lack.
#[derive(Default)]
pub(super) struct Deliveries {
    /// The newest time, by sink.
    pub(super) took: BTreeMap<String, Timestamp>,
    pub(super) lacks: Vec<Lack>,
}

/// One message that a sink has not taken.
pub(super) struct Lack {
    pub(super) sink: String,
    pub(super) since: Timestamp,
    pub(super) tries: u32,
    pub(super) failure: Option<String>,
}

impl Deliveries {
    pub(super) fn of(outbox: &[Message], receipts: &[Receipt]) -> Self {
        let mut took: BTreeMap<String, Timestamp> = BTreeMap::new();
        for receipt in receipts {
            let newest = took.entry(clean(&receipt.sink, TEXT_CHARS_MAX)).or_insert(receipt.at);
            *newest = receipt.at.max(*newest);
        }
        let lacks = outbox.iter().flat_map(|message| {
            message.pending.iter().map(|pending| Lack {
                sink: clean(&pending.sink, TEXT_CHARS_MAX),
                since: message.queued_at,
                tries: pending.tries,
                failure: pending.failure.as_ref().map(|why| clean(why, TEXT_CHARS_MAX)),
            })
        });
        Self { took, lacks: lacks.collect() }
    }
}
