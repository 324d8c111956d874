//! One item: what was planned, and what came of it, for people and for programs.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::domain::text;
use crate::harden::{Change, Item};

/// Longest line that is printed, in characters: the body of a cluster has some ten thousand.
const LINE_CHARS_MAX: usize = 1_000_000;

/// What came of an item. The words are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// It is so already; nothing was sent.
    Already,
    /// It would be changed; nothing was sent.
    Planned,
    /// It was changed, and reads so.
    Done,
    /// The person who was asked said no.
    Declined,
    /// Azure is at work on it; nothing was sent.
    Busy,
    /// It must not be touched; nothing was sent.
    Refused,
    /// It is not so, or not known to be so.
    Failed,
    /// It needs the one before it, which is not done; nothing was sent.
    Skipped,
}

impl State {
    /// Whether it is what was asked for. Of what was not tried, the one before it says so.
    pub(super) fn is_well(self) -> bool {
        match self {
            Self::Already | Self::Planned | Self::Done | Self::Declined | Self::Skipped => true,
            Self::Busy | Self::Refused | Self::Failed => false,
        }
    }

    /// Whether what comes after it and needs it can be tried.
    pub(super) fn lets_the_next_be_tried(self) -> bool {
        match self {
            Self::Already | Self::Planned | Self::Done => true,
            Self::Declined | Self::Busy | Self::Refused | Self::Failed | Self::Skipped => false,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Already => "already so",
            Self::Planned => "would be changed",
            Self::Done => "done",
            Self::Declined => "declined",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Skipped => "not tried",
        }
    }
}

/// An item and what came of it.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    item: &'static str,
    subject: String,
    pub(super) state: State,
    /// What it is like now, or why not.
    #[serde(skip_serializing_if = "String::is_empty")]
    told: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Plan>,
    /// Whether the person who was asked has seen the plan.
    #[serde(skip)]
    pub(super) was_shown: bool,
}

/// What is sent, and what that means.
#[derive(Debug, Serialize)]
struct Plan {
    now: String,
    then: String,
    cost: &'static str,
    method: &'static str,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    if_match: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Box<RawValue>>,
}

impl Step {
    pub(super) fn of(item: &Item) -> Self {
        let (word, subject) = (item.word(), item.subject());
        Self { item: word, subject, state: State::Planned, told: String::new(), plan: None, was_shown: false }
    }

    pub(super) fn ends(&mut self, state: State, told: &str) {
        (self.state, self.told) = (state, told.to_owned());
    }

    pub(super) fn plans(&mut self, change: &Change, url: &str) -> anyhow::Result<()> {
        let Change { now, then, cost, verb, body, if_match } = change.clone();
        let body = body.map(RawValue::from_string).transpose()?;
        let (method, url) = (verb.as_str(), url.to_owned());
        self.plan = Some(Plan { now, then, cost, method, url, if_match, body });
        Ok(())
    }

    /// In lines, with the plan or without it.
    pub(super) fn told(&self, with_plan: bool) -> String {
        let colon = if self.told.is_empty() { String::new() } else { format!(": {}", self.told) };
        let mut lines = vec![format!("{}, {}: {}{colon}", self.item, self.subject, self.state.word())];
        if let Some(plan) = self.plan.as_ref().filter(|_| with_plan) {
            lines.push(format!("  now   {}", plan.now));
            lines.push(format!("  then  {}", plan.then));
            lines.push(format!("  cost  {}", plan.cost));
            lines.push(format!("  send  {} {}", plan.method, plan.url));
            lines.extend(plan.if_match.iter().map(|etag| format!("        If-Match: {etag}")));
            lines.extend(plan.body.iter().map(|body| format!("        {body}")));
        }
        lines.iter().map(|line| format!("{}\n", text::clean(line, LINE_CHARS_MAX))).collect()
    }
}
