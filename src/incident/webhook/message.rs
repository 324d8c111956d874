//! An incident as a CloudEvent. Pure: the same incident gives the same bytes, at the first try and at the last.

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::text::clean;
use crate::domain::{Caller, ClusterId, Incident, IncidentState};

/// Longest body in bytes (source: Standard Webhooks, "payload size ... 20kb").
pub const BODY_BYTES_MAX: usize = 20_000;
/// Bytes kept free for saying how much was cut.
const CUT_BYTES: usize = 120;
/// Lines of the timeline that stay as long as anything else can go: the end of the story.
const TIMELINE_KEPT: usize = 5;
/// Longest title in characters: one line that a pager can show.
const TITLE_CHARS_MAX: usize = 300;
/// Longest sentence in characters.
const SENTENCE_CHARS_MAX: usize = 400;
/// Longest name, id or word in characters.
const WORD_CHARS_MAX: usize = 256;
/// Longest message id in bytes, to fit any receiver's column and any header.
const MESSAGE_ID_BYTES_MAX: usize = 128;

/// Who says so, as a URI reference.
const SOURCE: &str = "/aks-stop-guard";

/// Names a message: `<incident id>-<sequence>`, the same over all tries. Characters that can't be in a header or would
/// make the signed text ambiguous become `_`.
pub fn message_id(incident: &Incident) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_:".contains(c) { c } else { '_' };
    let id: String = incident.id.chars().take(MESSAGE_ID_BYTES_MAX).map(safe).collect();
    format!("{id}-{}", incident.sequence)
}

/// Writes the incident as a CloudEvent 1.0 in JSON, at most [`BODY_BYTES_MAX`] bytes. If it doesn't fit, the oldest lines of
/// the timeline go first, then the last clusters, then other lists; `data.cut` says how many of each.
pub fn body(incident: &Incident) -> Result<String, serde_json::Error> {
    let mut event = CloudEvent::new(incident);
    let whole = serde_json::to_string(&event)?;
    if whole.len() <= BODY_BYTES_MAX {
        return Ok(whole);
    }
    event.data.shorten(whole.len().saturating_add(CUT_BYTES).saturating_sub(BODY_BYTES_MAX));
    serde_json::to_string(&event)
}

#[derive(Serialize)]
struct CloudEvent {
    specversion: &'static str,
    id: String,
    source: &'static str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    time: Timestamp,
    datacontenttype: &'static str,
    data: Data,
}

#[derive(Serialize)]
struct Data {
    /// Groups all messages of one incident.
    incident: String,
    sequence: u32,
    state: &'static str,
    severity: &'static str,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<Who>,
    what: What,
    when: When,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Origin>,
    verdict: Verdict,
    done: Vec<String>,
    next: Vec<String>,
    clusters: Vec<Cluster>,
    timeline: Vec<Line>,
    #[serde(skip_serializing_if = "Cut::is_nothing")]
    cut: Cut,
}

#[derive(Serialize)]
struct Who {
    kind: &'static str,
    label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    object_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mfa: Option<bool>,
}

#[derive(Serialize)]
struct What {
    /// The cluster, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<String>,
    /// How many clusters, listed or not; 0 if it is the guard itself that needs people.
    cluster_count: usize,
    /// To find the operation in the activity log.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
}

#[derive(Serialize)]
struct When {
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_at: Option<Timestamp>,
    opened_at: Timestamp,
    at: Timestamp,
}

#[derive(Serialize)]
struct Origin {
    ip: std::net::IpAddr,
}

#[derive(Serialize)]
struct Verdict {
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    policies: Vec<String>,
    mode: String,
}

#[derive(Serialize)]
struct Cluster {
    id: String,
    name: String,
    status: String,
}

#[derive(Serialize)]
struct Line {
    at: Timestamp,
    text: String,
}

/// How many entries of each list are not in the message.
#[derive(Serialize, Default)]
struct Cut {
    #[serde(skip_serializing_if = "is_zero")]
    timeline: usize,
    #[serde(skip_serializing_if = "is_zero")]
    clusters: usize,
    #[serde(skip_serializing_if = "is_zero")]
    done: usize,
    #[serde(skip_serializing_if = "is_zero")]
    next: usize,
    #[serde(skip_serializing_if = "is_zero")]
    policies: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's `skip_serializing_if` passes a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Cut {
    fn is_nothing(&self) -> bool {
        [self.timeline, self.clusters, self.done, self.next, self.policies].iter().all(is_zero)
    }
}

impl CloudEvent {
    fn new(incident: &Incident) -> Self {
        Self {
            specversion: "1.0",
            id: message_id(incident),
            source: SOURCE,
            r#type: match incident.state {
                IncidentState::Opened => "io.aks-stop-guard.incident.opened",
                IncidentState::Updated => "io.aks-stop-guard.incident.updated",
                IncidentState::Resolved => "io.aks-stop-guard.incident.resolved",
            },
            subject: subject(incident),
            time: incident.at,
            datacontenttype: "application/json",
            data: Data::new(incident),
        }
    }
}

/// The cluster; or the subscription that all of them are in; or nothing.
fn subject(incident: &Incident) -> Option<String> {
    let (first, others) = incident.clusters.split_first()?;
    if others.is_empty() && incident.cluster_count <= 1 {
        return Some(first.id.to_string());
    }
    let subscription = first.id.subscription();
    let is_one = others.iter().all(|other| other.id.subscription() == subscription);
    is_one.then(|| format!("/subscriptions/{subscription}"))
}

impl Data {
    fn new(incident: &Incident) -> Self {
        let clusters: Vec<Cluster> = incident
            .clusters
            .iter()
            .map(|affected| Cluster {
                id: affected.id.to_string(),
                name: affected.id.name().to_owned(),
                status: word(&affected.status),
            })
            .collect();
        let timeline = incident
            .timeline
            .iter()
            .map(|entry| Line { at: entry.at, text: sentence(&entry.text) })
            .collect();
        Self {
            incident: word(&incident.id),
            sequence: incident.sequence,
            state: incident.state.as_str(),
            severity: incident.severity.as_str(),
            title: clean(&incident.title, TITLE_CHARS_MAX),
            who: incident.caller.as_ref().map(Who::new),
            what: What::new(incident),
            when: When { stopped_at: incident.stopped_at, opened_at: incident.opened_at, at: incident.at },
            from: incident.caller.as_ref().and_then(|caller| caller.ip).map(|ip| Origin { ip }),
            verdict: Verdict {
                answer: incident.verdict.as_deref().map(word),
                policies: incident.policies.iter().map(|id| word(id)).collect(),
                mode: word(&incident.mode),
            },
            done: incident.done.iter().map(|text| sentence(text)).collect(),
            next: incident.next.iter().map(|text| sentence(text)).collect(),
            cut: Cut { clusters: incident.cluster_count.saturating_sub(clusters.len()), ..Cut::default() },
            clusters,
            timeline,
        }
    }

    /// Takes at least `excess` bytes out of the lists, if they hold as much, and counts what went. Of what was done and
    /// when, the newest stays; of everything else the first.
    fn shorten(&mut self, mut excess: usize) {
        let Self { timeline, clusters, done, next, verdict, cut, .. } = self;
        cut.timeline += drop_from(timeline, End::First, TIMELINE_KEPT, &mut excess);
        cut.clusters += drop_from(clusters, End::Last, 0, &mut excess);
        cut.done += drop_from(done, End::First, 0, &mut excess);
        cut.next += drop_from(next, End::Last, 0, &mut excess);
        cut.policies += drop_from(&mut verdict.policies, End::Last, 0, &mut excess);
        cut.timeline += drop_from(timeline, End::First, 0, &mut excess);
    }
}

/// Which end of a list goes first.
enum End {
    First,
    Last,
}

/// Drops entries, but the last `keep`, until their JSON adds up to `excess` bytes; takes that off `excess`, and says how
/// many went.
fn drop_from<T: Serialize>(list: &mut Vec<T>, end: End, keep: usize, excess: &mut usize) -> usize {
    if let End::First = end {
        list.reverse();
    }
    let before = list.len();
    while *excess > 0
        && list.len() > keep
        && let Some(entry) = list.pop()
    {
        // The comma between entries is not counted, so that the last one's absence can't matter.
        let bytes = serde_json::to_string(&entry).map_or(0, |json| json.len());
        *excess = excess.saturating_sub(bytes);
    }
    let dropped = before - list.len();
    if let End::First = end {
        list.reverse();
    }
    dropped
}

impl Who {
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
        }
    }
}

impl What {
    fn new(incident: &Incident) -> Self {
        let one = match incident.clusters.as_slice() {
            [one] if incident.cluster_count <= 1 => Some(one),
            _ => None,
        };
        Self {
            cluster: one.map(|one| ClusterId::to_string(&one.id)),
            cluster_count: incident.cluster_count,
            correlation_id: incident.correlation_id.as_deref().map(word),
        }
    }
}

// Claims are cleaned where they are parsed; a message is what leaves the house, so nothing is taken on trust here.
fn word(text: &str) -> String {
    clean(text, WORD_CHARS_MAX)
}

fn sentence(text: &str) -> String {
    clean(text, SENTENCE_CHARS_MAX)
}

#[cfg(test)]
mod tests;
