//! An incident as templates see it: texts that are safe to show, times in two zones, and lists that can be cut to fit.
//!
//! Pure: the same incident gives the same view, at the first try and at the last.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::Value;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::template;
use crate::domain::incident::Affected;
use crate::domain::text::{clean, defang, hex};
use crate::domain::{Caller, Incident, IncidentState};

mod cut;
mod facts;

pub(super) use cut::Cut;
use facts::Fact;

/// Longest title in characters: one line that a pager can show.
const TITLE_CHARS_MAX: usize = 300;
/// Longest sentence in characters.
const SENTENCE_CHARS_MAX: usize = 400;
/// Longest name, id or word in characters.
const WORD_CHARS_MAX: usize = 256;
/// What is shown instead of nothing.
const BLANK: &str = "(blank)";
/// Longest link in bytes: what browsers and tools take.
const LINK_BYTES_MAX: usize = 2_000;
/// Longest key in bytes. The shortest column that shipped sinks know is ServiceNow's `correlation_id`, 100 characters.
const KEY_BYTES_MAX: usize = 100;
/// Hexadecimal digits of the digest that keeps keys apart which had to be changed.
const KEY_DIGEST_CHARS: usize = 32;

/// What templates get. Every text but the links' addresses and the clusters' ids is cleaned and defanged. What lists hold is shared by
/// all views that are cut from one.
#[derive(Debug, Clone, Serialize)]
pub(super) struct View {
    /// The incident's id: the same for all its messages.
    pub(super) id: String,
    /// The id in characters that any header, URL and column takes, for deduplication.
    pub(super) key: String,
    /// The key and the sequence: names this message, the same over all tries.
    pub(super) message_id: String,
    pub(super) sequence: u32,
    pub(super) state: &'static str,
    pub(super) severity: &'static str,
    pub(super) title: String,
    /// The cluster's id; or the subscription that all of them are in; or nothing.
    pub(super) subject: Option<String>,
    pub(super) mode: String,
    pub(super) verdict: Option<String>,
    pub(super) policies: Vec<Arc<str>>,
    pub(super) caller: Option<CallerView>,
    /// The cluster, if it is one.
    pub(super) cluster: Option<Arc<ClusterView>>,
    pub(super) clusters: Vec<Arc<ClusterView>>,
    /// How many clusters, listed or not; 0 if it is the guard itself that needs people.
    pub(super) cluster_count: usize,
    pub(super) correlation_id: Option<String>,
    pub(super) opened_at: Time,
    pub(super) at: Time,
    pub(super) stopped_at: Option<Time>,
    pub(super) done: Vec<Arc<str>>,
    pub(super) next: Vec<Arc<str>>,
    pub(super) warnings: Vec<Arc<str>>,
    pub(super) links: Vec<LinkView>,
    pub(super) timeline: Vec<Arc<Line>>,
    /// How many entries of each list are not in the message.
    pub(super) cut: Cut,
    /// All of this as templates take it, with what is told of it: made once.
    #[serde(skip)]
    value: OnceLock<Value>,
}

/// The view and what is told of it.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    view: &'a View,
    /// What is known, in the order in which people ask for it.
    facts: &'a [Fact],
    /// The whole message in lines of plain text.
    story: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct CallerView {
    pub(super) kind: &'static str,
    /// The best name there is.
    pub(super) label: String,
    pub(super) object_id: Option<String>,
    pub(super) app_id: Option<String>,
    pub(super) upn: Option<String>,
    pub(super) name: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) identity_resource: Option<String>,
    pub(super) mfa: Option<bool>,
    pub(super) ip: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct ClusterView {
    /// Its resource id, as it is: it holds no character that a tool could take for anything else.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) resource_group: String,
    pub(super) subscription: String,
    pub(super) status: String,
}

/// One moment, for machines and for people.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Time {
    /// RFC 3339 in UTC.
    pub(super) utc: String,
    /// To the second in the configured zone, with its abbreviation.
    pub(super) local: String,
    /// Seconds since 1970.
    pub(super) unix: i64,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Line {
    pub(super) at: Time,
    pub(super) text: String,
    /// Both in one line.
    pub(super) line: String,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct LinkView {
    pub(super) label: String,
    pub(super) url: String,
}

impl View {
    /// The view of a message, with times for people in `zone`.
    pub(super) fn new(incident: &Incident, zone: &TimeZone) -> Self {
        let clusters: Vec<Arc<ClusterView>> =
            incident.clusters.iter().map(|affected| Arc::new(ClusterView::new(affected))).collect();
        let time = |at: Timestamp| Time::new(at, zone);
        let sentences = |list: &[String]| list.iter().map(|text| sentence(text).into()).collect();
        let mut cut =
            Cut { clusters: incident.cluster_count.saturating_sub(clusters.len()), ..Cut::default() };
        cut.count();
        Self {
            id: word(&incident.id),
            key: key(&incident.id),
            message_id: message_id(incident),
            sequence: incident.sequence,
            state: incident.state.as_str(),
            severity: incident.severity.as_str(),
            title: safe(&incident.title, TITLE_CHARS_MAX),
            subject: subject(incident),
            mode: word(&incident.mode),
            verdict: incident.verdict.as_deref().map(word),
            policies: incident.policies.iter().map(|id| word(id).into()).collect(),
            caller: incident.caller.as_ref().map(CallerView::new),
            cluster: clusters.first().filter(|_| incident.cluster_count <= 1 && clusters.len() == 1).cloned(),
            cut,
            clusters,
            cluster_count: incident.cluster_count,
            correlation_id: incident.correlation_id.as_deref().map(word),
            opened_at: time(incident.opened_at),
            at: time(incident.at),
            stopped_at: incident.stopped_at.map(time),
            done: sentences(&incident.done),
            next: sentences(&incident.next),
            warnings: sentences(&incident.warnings),
            links: incident.links.iter().filter_map(LinkView::new).collect(),
            timeline: incident
                .timeline
                .iter()
                .map(|entry| Arc::new(Line::new(time(entry.at), sentence(&entry.text))))
                .collect(),
            value: OnceLock::new(),
        }
    }

    /// The same message in another state.
    pub(super) fn enter(&mut self, state: IncidentState) {
        self.state = state.as_str();
        self.value.take();
    }

    /// The view for templates.
    pub(super) fn value(&self) -> Value {
        let made = || {
            let facts = self.facts();
            template::value(Told { view: self, facts: &facts, story: self.story(&facts) })
        };
        self.value.get_or_init(made).clone()
    }
}

/// Names a message: the same over all tries, in characters that any header takes.
pub fn message_id(incident: &Incident) -> String {
    format!("{}-{}", key(&incident.id), incident.sequence)
}

/// An id in ASCII letters, digits, `-`, `_` and `:`. One that had to be changed for it ends with a digest of the whole, so that two
/// incidents never share a key.
fn key(id: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "-_:".contains(c);
    if id.len() <= KEY_BYTES_MAX && !id.is_empty() && id.chars().all(is_safe) {
        return id.to_owned();
    }
    let kept = KEY_BYTES_MAX - KEY_DIGEST_CHARS - 1;
    let mut key: String = id.chars().take(kept).map(|c| if is_safe(c) { c } else { '_' }).collect();
    key.push('-');
    key.push_str(&hex(Sha256::digest(id.as_bytes()).iter().take(KEY_DIGEST_CHARS / 2)));
    key
}

fn subject(incident: &Incident) -> Option<String> {
    let (first, others) = incident.clusters.split_first()?;
    if others.is_empty() && incident.cluster_count <= 1 {
        return Some(first.id.to_string());
    }
    let subscription = first.id.subscription();
    let is_one = others.iter().all(|other| other.id.subscription() == subscription);
    is_one.then(|| format!("/subscriptions/{subscription}"))
}

impl CallerView {
    fn new(caller: &Caller) -> Self {
        let word = |text: &Option<String>| text.as_deref().map(word);
        Self {
            kind: caller.kind.as_str(),
            label: self::word(caller.label()),
            object_id: word(&caller.object_id),
            app_id: word(&caller.app_id),
            upn: word(&caller.upn),
            name: word(&caller.name),
            tenant: word(&caller.tenant),
            identity_resource: caller.identity_resource.as_deref().map(sentence),
            mfa: caller.mfa,
            ip: caller.ip.map(|ip| ip.to_string()),
        }
    }
}

impl ClusterView {
    fn new(affected: &Affected) -> Self {
        Self {
            id: affected.id.to_string(),
            name: affected.id.name().to_owned(),
            resource_group: word(affected.id.resource_group()),
            subscription: affected.id.subscription().to_string(),
            status: word(&affected.status),
        }
    }
}

impl LinkView {
    /// Only https addresses of ordinary length and characters are links.
    fn new(link: &crate::domain::incident::Link) -> Option<Self> {
        let is_plain =
            link.url.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"'`|\\^{}".contains(&byte));
        let is_link = link.url.starts_with("https://") && link.url.len() <= LINK_BYTES_MAX && is_plain;
        is_link.then(|| Self { label: word(&link.label), url: link.url.clone() })
    }
}

impl Line {
    fn new(at: Time, text: String) -> Self {
        Self { line: format!("{}  {text}", at.local), at, text }
    }
}

impl Time {
    fn new(at: Timestamp, zone: &TimeZone) -> Self {
        let local = at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
        Self { utc: at.to_string(), local, unix: at.as_second() }
    }

    /// For a line that people read: local, and UTC beside it where that differs.
    fn both(&self) -> String {
        if self.local.ends_with(" UTC") {
            return self.local.clone();
        }
        let utc = self.utc.get(..19).unwrap_or(&self.utc).replace('T', " ");
        format!("{} ({utc} UTC)", self.local)
    }
}

// Claims are cleaned where they are parsed; a message is what leaves the house, so nothing is taken on trust here. Cleaned first, so
// that nothing invisible hides an address, and cut last, since a dead address is longer than a live one.
fn safe(text: &str, chars_max: usize) -> String {
    let cleaned = clean(text, chars_max);
    let dead = defang(&cleaned);
    // Most texts have nothing alive in them, and a second cleaning of the same text changes nothing.
    let safe = if dead == cleaned { dead } else { clean(&dead, chars_max) };
    // Somebody whose name is a space would be missing from the message, and some receivers refuse one without a title.
    if safe.trim().is_empty() { BLANK.to_owned() } else { safe }
}

fn word(text: &str) -> String {
    safe(text, WORD_CHARS_MAX)
}

fn sentence(text: &str) -> String {
    safe(text, SENTENCE_CHARS_MAX)
}

#[cfg(test)]
mod tests;
