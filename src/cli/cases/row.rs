//! One line of `cases list`. Its columns have fixed widths, so that a row can be printed before the next case is read.

use jiff::Timestamp;
use serde::Serialize;

use super::age::age;
use crate::case::{Case, CaseId, Mode};
use crate::cli::stored::walk::StoredCase;
use crate::domain::text::{clean, painted, utc};
use crate::domain::{Caller, ClusterId};

/// Width of the ids: a key, `-`, and seconds since 1970.
const ID: usize = 43;
/// Width of clusters' names. Longer ones are not cut: somebody may want to copy them.
const CLUSTER: usize = 24;
/// Width of the longest state, `already-running`.
const STATE: usize = 15;
/// Width of callers; longer ones are cut.
const CALLER: usize = 32;
/// Width of resource groups; longer ones are not cut.
const GROUP: usize = 24;
/// Width of a subscription's id.
const SUBSCRIPTION: usize = 36;
/// Width of the longest verdict, `unauthorised`.
const VERDICT: usize = 12;
/// Width of the head of the numbers of starts.
const STARTS: usize = 6;
/// Width of a time.
const STOPPED: usize = 23;
/// Width of reasons; longer ones are cut.
const WAITS: usize = 48;
/// Longest name that is printed, in characters: Azure's are shorter.
const NAME_CHARS_MAX: usize = 100;

/// A case in a few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in crate::cli) struct Summary {
    pub(in crate::cli) id: CaseId,
    pub(in crate::cli) cluster: Option<ClusterId>,
    /// `open`, `restarting` or `held`; of one that is over: how it ended.
    pub(in crate::cli) state: &'static str,
    pub(in crate::cli) authorised: Option<bool>,
    /// Who stopped it last.
    pub(in crate::cli) caller: Option<Caller>,
    pub(in crate::cli) stopped_at: Timestamp,
    pub(in crate::cli) opened_at: Timestamp,
    pub(in crate::cli) closed_at: Option<Timestamp>,
    /// Starts since the newest stop.
    pub(in crate::cli) starts: u32,
    pub(in crate::cli) mode: Mode,
    /// Why it waits for people, if it does.
    pub(in crate::cli) waits_for: Option<String>,
}

/// How a state is to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Tone {
    /// People are needed.
    Bad,
    /// It is being worked on.
    Busy,
    /// It runs again.
    Good,
    /// Nothing to see here.
    Quiet,
}

impl Summary {
    /// Of a case and its cluster.
    pub(in crate::cli) fn of(found: &StoredCase) -> Self {
        let StoredCase { cluster, case } = found;
        // Hundreds of groups say nothing in a list.
        let caller = case.newest_stop().map(|stop| Caller { groups: Vec::new(), ..stop.caller.clone() });
        Self {
            id: case.id.clone(),
            cluster: cluster.clone(),
            state: state(case),
            authorised: case.verdict.as_ref().map(|verdict| verdict.authorised),
            caller,
            stopped_at: case.newest_stop_time(),
            opened_at: case.opened_at,
            closed_at: case.closed_at,
            starts: case.episode_attempts,
            mode: case.mode,
            waits_for: case.held.as_ref().filter(|_| case.outcome.is_none()).map(|held| held.reason()),
        }
    }

    pub(in crate::cli) fn caller(&self) -> &str {
        self.caller.as_ref().map_or("-", |caller| if caller.is_known() { caller.label() } else { "unknown" })
    }
}

/// The word for where a case is.
pub(in crate::cli) fn state(case: &Case) -> &'static str {
    let may_be_starting = case.intent.as_ref().is_some_and(|intent| intent.state.may_have_landed());
    match (case.outcome, &case.held) {
        (Some(outcome), _) => outcome.as_str(),
        (None, Some(_)) => "held",
        (None, None) if may_be_starting => "restarting",
        (None, None) => "open",
    }
}

/// The word for an answer of the policies.
pub(in crate::cli) fn verdict(authorised: Option<bool>) -> &'static str {
    match authorised {
        Some(true) => "authorised",
        Some(false) => "unauthorised",
        None => "-",
    }
}

/// How a state is to be seen.
pub(in crate::cli) fn tone(state: &str) -> Tone {
    match state {
        "held" => Tone::Bad,
        "open" | "restarting" => Tone::Busy,
        "restored" | "already-running" => Tone::Good,
        _ => Tone::Quiet,
    }
}

impl Tone {
    /// The text in its colour, if there are colours.
    pub(super) fn paint(self, text: &str, colour: bool) -> String {
        let code = match self {
            Self::Bad => "1;31",
            Self::Busy => "33",
            Self::Good => "32",
            Self::Quiet => "2",
        };
        painted(code, text, colour)
    }
}

/// The head of the list.
pub(super) fn head(wide: bool) -> String {
    let [id, cluster, state, caller] = ["CASE", "CLUSTER", "STATE", "CALLER"];
    if !wide {
        return format!("{id:ID$}  {cluster:CLUSTER$}  {state:STATE$}  {caller:CALLER$}  AGE\n");
    }
    let [group, subscription, verdict] = ["GROUP", "SUBSCRIPTION", "VERDICT"];
    let [starts, stopped, waits] = ["STARTS", "STOPPED", "WAITS FOR"];
    format!(
        "{id:ID$}  {cluster:CLUSTER$}  {group:GROUP$}  {subscription:SUBSCRIPTION$}  {state:STATE$}  {verdict:VERDICT$}  \
         {starts:STARTS$}  {caller:CALLER$}  {stopped:STOPPED$}  {waits:WAITS$}  AGE\n"
    )
}

/// A line of the list. Texts are others': they are cleaned.
pub(super) fn row(case: &Summary, wide: bool, now: Timestamp, colour: bool) -> String {
    let id = clean(case.id.as_str(), NAME_CHARS_MAX);
    let cluster = case.cluster.as_ref();
    let name = clean(cluster.map_or("-", |cluster| cluster.name()), NAME_CHARS_MAX);
    let state = tone(case.state).paint(&format!("{:STATE$}", case.state), colour);
    let caller = clean(case.caller(), CALLER - 1);
    let age = age(case.opened_at, now);
    if !wide {
        return format!("{id:ID$}  {name:CLUSTER$}  {state}  {caller:CALLER$}  {age}\n");
    }
    let group = clean(cluster.map_or("-", |cluster| cluster.resource_group()), NAME_CHARS_MAX);
    let subscription = cluster.map_or("-", |cluster| cluster.subscription().as_str());
    let (verdict, starts, stopped) = (verdict(case.authorised), case.starts, utc(case.stopped_at));
    let waits = clean(case.waits_for.as_deref().unwrap_or("-"), WAITS - 1);
    format!(
        "{id:ID$}  {name:CLUSTER$}  {group:GROUP$}  {subscription:SUBSCRIPTION$}  {state}  {verdict:VERDICT$}  \
         {starts:<STARTS$}  {caller:CALLER$}  {stopped:STOPPED$}  {waits:WAITS$}  {age}\n"
    )
}

#[cfg(test)]
mod tests;
