//! One case: a stop episode of one cluster, from the stop to its end.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::asked::Asked;
pub use super::case_id::CaseId;
use super::evidence::Evidence;
use super::mode::Mode;
use super::outbox::Receipt;
use super::routes::Audience;
use crate::domain::incident::TimelineEntry;
use crate::domain::{Caller, Scope, Setup, Severity, Situation};

/// Stops that one case keeps: the first and the newest ones. More are one war, not more facts.
pub const STOPS_MAX: usize = 16;
/// Timeline lines that one case keeps: the first 16 and the newest 48.
pub const TIMELINE_MAX: usize = 64;
const TIMELINE_HEAD: usize = 16;

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The stop was allowed.
    Authorised,
    /// The cluster runs, and we started nothing.
    AlreadyRunning,
    /// We started it, and it was seen running.
    Restored,
    /// The cluster was deleted.
    Gone,
}

impl Outcome {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authorised => "authorised",
            Self::AlreadyRunning => "already-running",
            Self::Restored => "restored",
            Self::Gone => "gone",
        }
    }
}

/// Where we know a stop from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopSource {
    /// An event of Event Grid.
    Event,
    /// The activity log.
    Log,
    /// The activity log, asked by discovery: no event of it had come.
    Discovery,
    /// Nothing is known of it: the record that would tell was damaged.
    DamagedRecord,
}

/// One stop of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// When, on Azure's clock. For an event without a time: when it reached us.
    pub time: Timestamp,
    /// False when the event had no time: such a stop is never fresh.
    #[serde(default = "yes")]
    pub time_known: bool,
    /// Who, as far as we know.
    pub caller: Caller,
    /// Correlation id, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Event id (for one from the log: the operation id).
    pub event_id: String,
    /// Where we know it from.
    pub source: StopSource,
    /// Whether the activity log names this stop and this caller.
    #[serde(default, skip_serializing_if = "is_false")]
    pub confirmed: bool,
    /// The caller that the event claimed, where the log names another (rule 29).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Box<Caller>>,
    /// Ids of the policies that once allowed it. Stays when policies change (rule 10); void when the log contradicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_by: Option<Vec<String>>,
    /// Id of the grant without which they would not have allowed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<String>,
}

fn yes() -> bool {
    true
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The answer to "was it allowed?".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Which stop it is about (rule 9).
    pub stop_time: Timestamp,
    /// The answer.
    pub authorised: bool,
    /// Ids of the policies that determined it; empty for a default deny.
    #[serde(default)]
    pub policies: Vec<String>,
    /// Policies whose evaluation failed: such an answer is never an allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// How bad the determining policies say it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Sinks that they want told as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<String>,
    /// Hash of the policy set that answered.
    pub policy_hash: String,
    /// The facts beside the stop that it was asked with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Box<Asked>>,
}

/// What is known of a start that we meant to send. Nothing relies on it but caution (rule 15).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum IntentState {
    /// Written; perhaps sent.
    Planned,
    /// ARM accepted it.
    Sent {
        /// ARM's request id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
    },
    /// Sent, and no answer came: it may have landed.
    Unanswered,
    /// ARM refused it until people mend something.
    Refused {
        /// ARM's error code.
        code: String,
        /// What people should do, where the code alone doesn't say it.
        advice: String,
        /// The locked scope that ARM named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lock: Option<Scope>,
    },
    /// ARM refused it for now: throttled, or another operation was under way.
    PutOff {
        /// ARM's error code.
        code: String,
        /// Not before this, if ARM said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// It never left this process.
    NotSent {
        /// Why.
        why: String,
    },
}

/// A start that we are about to send, or sent: written before the POST (rule 13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Which attempt of the episode, from 1.
    pub n: u32,
    /// Whose it is.
    pub nonce: String,
    /// The look it relies on.
    pub look_at: Timestamp,
    /// After this it is not sent any more.
    pub expires_at: Timestamp,
    /// What came of it.
    pub state: IntentState,
}

impl IntentState {
    /// Whether the start may have reached ARM and been accepted.
    pub fn may_have_landed(&self) -> bool {
        match self {
            Self::Planned | Self::Sent { .. } | Self::Unanswered => true,
            Self::Refused { .. } | Self::PutOff { .. } | Self::NotSent { .. } => false,
        }
    }
}

/// Why a case waits for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "why")]
pub enum Held {
    /// The mode starts nothing.
    Mode {
        /// Which mode.
        mode: Mode,
    },
    /// No policy permits the restart, or one forbids it.
    NotPermitted {
        /// Ids of those that forbid it; empty when none permits it.
        policies: Vec<String>,
    },
    /// A policy's evaluation failed.
    PolicyError,
    /// A hold forbids starts.
    Hold {
        /// Who set it and why.
        reason: String,
    },
    /// All attempts of the episode are used up.
    AttemptsUsed,
    /// ARM refused the start, and a person must do something.
    Refused {
        /// ARM's error code.
        code: String,
        /// What to do, where the code alone doesn't say it.
        advice: String,
        /// The locked scope that ARM named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lock: Option<Scope>,
    },
    /// The cluster is in a failed state.
    FailedState,
    /// It did not come to run in time.
    TooLong {
        /// What it was doing.
        situation: Option<Situation>,
    },
    /// Nobody could be named, and no policy names unknown callers.
    UnknownCaller,
    /// The stop was authorised by its event's claims, and the log has no record of it.
    Unconfirmed,
    /// The cluster's record was damaged: what the guard had done before is not known.
    DamagedRecord,
}

/// The answer to "may the guard restart it?", as far as people are told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartAnswer {
    /// Whether it may.
    pub permitted: bool,
    /// Ids of the policies that determined it.
    #[serde(default)]
    pub policies: Vec<String>,
    /// How bad they say it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Sinks that they want told as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<String>,
    /// They tell it together with other clusters (`@incident("storm")`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub in_storm: bool,
}

/// The incident of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When it was opened.
    pub opened_at: Timestamp,
    /// How bad it is now.
    pub severity: Severity,
    /// Number of the next message.
    pub next_sequence: u32,
    /// Told as part of a storm: there are no messages of its own.
    #[serde(default, skip_serializing_if = "is_false")]
    pub in_storm: bool,
    /// Which sinks hear of it.
    #[serde(default, skip_serializing_if = "Audience::is_unknown")]
    pub audience: Audience,
}

/// One stop episode of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Its id.
    pub id: CaseId,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The mode it was decided in: a change of mode never arms it (rule 27).
    pub mode: Mode,
    /// The stops, in order of time.
    pub stops: Vec<Stop>,
    /// The answer about the newest stop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// The answer about a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartAnswer>,
    /// ARM's `resourceUID` of the cluster that the case is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_uid: Option<String>,
    /// Starts meant since the newest stop.
    #[serde(default)]
    pub episode_attempts: u32,
    /// The newest start that was meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// Whether a start before `intent` may have landed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub earlier_start: bool,
    /// First look of the unbroken watch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched_since: Option<Timestamp>,
    /// First of the looks that show it running, without another between them and with no stop since. Only where the time of a stop is
    /// not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_since: Option<Timestamp>,
    /// Newest look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_look_at: Option<Timestamp>,
    /// What it showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_situation: Option<Situation>,
    /// The code of Azure's newest complaint: of a look that failed, or of the operation that left the cluster failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// How the cluster is set up, as the newest look showed it.
    #[serde(default, skip_serializing_if = "Setup::is_plain")]
    pub setup: Setup,
    /// When the log was last asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_asked_at: Option<Timestamp>,
    /// When it last went on by itself after it had waited for people: waiting anew counts from then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_at: Option<Timestamp>,
    /// When to look again.
    pub next_at: Timestamp,
    /// Why it waits for people, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// Its incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
    /// When a stop was that a start of the guard followed before the guard knew of it. If it was allowed, the guard undid it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overtaken: Option<Timestamp>,
    /// The incident about claims that the log contradicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgery_told: Option<Told>,
    /// What sinks had taken of its incidents when it ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<Receipt>,
    /// What happened when.
    pub timeline: Vec<TimelineEntry>,
    /// What it rests on, by digest.
    #[serde(default, skip_serializing_if = "Evidence::is_none")]
    pub evidence: Evidence,
    /// Members that a newer version wrote.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl Case {
    /// A new case for its first stop. Looked at at once.
    pub fn new(id: CaseId, mode: Mode, stop: Stop, now: Timestamp) -> Self {
        Self {
            id,
            opened_at: now,
            closed_at: None,
            outcome: None,
            mode,
            stops: vec![stop],
            verdict: None,
            restart: None,
            resource_uid: None,
            episode_attempts: 0,
            intent: None,
            earlier_start: false,
            watched_since: None,
            up_since: None,
            last_look_at: None,
            last_situation: None,
            fault: None,
            setup: Setup::default(),
            log_asked_at: None,
            resumed_at: None,
            next_at: now,
            held: None,
            told: None,
            overtaken: None,
            forgery_told: None,
            receipts: Vec::new(),
            timeline: Vec::new(),
            evidence: Evidence::default(),
            unknown: Map::new(),
        }
    }

    /// The newest stop, if the record holds any (it always does).
    pub fn newest_stop(&self) -> Option<&Stop> {
        self.stops.iter().max_by_key(|stop| stop.time)
    }

    /// When the newest stop was; the case's opening stands in where there is none.
    pub fn newest_stop_time(&self) -> Timestamp {
        self.newest_stop().map_or(self.opened_at, |stop| stop.time)
    }

    /// From when on people are asked when nothing comes of it.
    pub fn waits_since(&self) -> Timestamp {
        let begun = self.newest_stop_time().max(self.opened_at);
        self.resumed_at.map_or(begun, |resumed| begun.max(resumed))
    }

    /// The cluster was deleted and another made under its id, and that one was stopped: what was known of the old one is void.
    pub fn go_on_with_another_cluster(&mut self, old_last_seen: Timestamp, now: Timestamp) {
        self.stops.retain(|stop| stop.time > old_last_seen);
        self.verdict = None;
        self.restart = None;
        self.episode_attempts = 0;
        self.intent = None;
        self.earlier_start = false;
        self.watched_since = None;
        self.up_since = None;
        self.log_asked_at = None;
        self.held = None;
        self.note(now, "the cluster was deleted and another made under the same id: going on with that one");
    }

    /// Whether a start of ours may have brought the cluster up.
    pub fn may_have_started(&self) -> bool {
        self.earlier_start || self.intent.as_ref().is_some_and(|intent| intent.state.may_have_landed())
    }

    /// Adds a line to the story, unless the newest line says the same.
    pub fn note(&mut self, at: Timestamp, text: impl Into<String>) {
        let text = text.into();
        if self.timeline.last().is_some_and(|last| last.text == text) {
            return;
        }
        self.timeline.push(TimelineEntry { at, text });
        if self.timeline.len() > TIMELINE_MAX {
            self.timeline.remove(TIMELINE_HEAD);
        }
    }
}
