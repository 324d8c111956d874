//! A case as a story for people: what is to be done first, then what happened and why. Texts of others are cleaned.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::age::age;
use super::row::{state, tone, verdict};
use crate::case::evidence::Attempt;
use crate::case::outbox::{Message, Receipt};
use crate::case::{Asked, Case, Evidence, IntentState, Stop, StopSource, Verdict, sentences_now};
use crate::cli::stored::evidence::Found;
use crate::domain::text::{clean, painted, utc};
use crate::domain::{Caller, ClusterId, RequestIds};

/// Longest line, in characters: a remedy with a command has fewer.
const LINE_CHARS_MAX: usize = 2_000;
/// Width of the names of what is told.
const NAME: usize = 10;
/// Width of the names of what is kept as evidence.
const EXHIBIT: usize = 19;

/// What is told.
pub(in crate::cli) struct Story<'a> {
    pub(in crate::cli) case: &'a Case,
    /// Absent if nothing that can be read tells it.
    pub(in crate::cli) cluster: Option<&'a ClusterId>,
    pub(in crate::cli) receipts: Vec<&'a Receipt>,
    pub(in crate::cli) waiting: Vec<&'a Message>,
    pub(in crate::cli) evidence: &'a [Found],
    pub(in crate::cli) now: Timestamp,
    pub(in crate::cli) colour: bool,
}

/// One part of a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Section {
    pub(in crate::cli) head: &'static str,
    pub(in crate::cli) lines: Vec<Line>,
}

/// One line of a part, cleaned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Line {
    /// What it is about, where it is one of several.
    pub(in crate::cli) name: Option<String>,
    pub(in crate::cli) text: String,
}

/// The parts in their order, of which the last one grows.
#[derive(Default)]
struct Page(Vec<Section>);

impl Page {
    fn head(&mut self, head: &'static str) {
        self.0.push(Section { head, lines: Vec::new() });
    }

    fn line(&mut self, line: &str) {
        self.add(None, line);
    }

    fn named(&mut self, name: &str, what: &str) {
        self.add(Some(clean(name, LINE_CHARS_MAX)), what);
    }

    fn add(&mut self, name: Option<String>, text: &str) {
        if let Some(section) = self.0.last_mut() {
            section.lines.push(Line { name, text: clean(text, LINE_CHARS_MAX) });
        }
    }

    fn lines(&mut self, head: &'static str, lines: &[String]) {
        if !lines.is_empty() {
            self.head(head);
            for line in lines {
                self.line(line);
            }
        }
    }
}

/// Tells it, as lines for a terminal.
pub(super) fn story(of: &Story<'_>) -> String {
    let Story { case, colour, .. } = of;
    let mut text = String::new();
    if let Some(title) = title(of) {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{title}");
    }
    let state = state(case);
    let _ = writeln!(
        text,
        "{}, case {}",
        tone(state).paint(state, *colour),
        clean(case.id.as_str(), LINE_CHARS_MAX)
    );
    let mut sections = sections(of);
    let timeline = case.timeline.iter();
    let line = |at: Timestamp, what: &str| Line {
        name: None,
        text: format!("{}  {}", utc(at), clean(what, LINE_CHARS_MAX)),
    };
    sections.push(Section {
        head: "Timeline",
        lines: timeline.map(|entry| line(entry.at, &entry.text)).collect(),
    });
    for Section { head, lines } in &sections {
        let _ = writeln!(text, "\n{}", painted("1", head, *colour));
        for Line { name, text: what } in lines {
            let _ = match name {
                Some(name) => writeln!(text, "  {name:NAME$}  {what}"),
                None => writeln!(text, "  {what}"),
            };
        }
    }
    text
}

/// What it comes to, in a sentence.
pub(in crate::cli) fn title(of: &Story<'_>) -> Option<String> {
    of.cluster.map(|cluster| clean(&sentences_now(cluster, of.case, of.now).title, LINE_CHARS_MAX))
}

/// All of it but the timeline.
pub(in crate::cli) fn sections(of: &Story<'_>) -> Vec<Section> {
    let Story { case, cluster, now, .. } = of;
    let mut page = Page::default();
    if let Some(said) = cluster.map(|cluster| sentences_now(cluster, case, *now)) {
        page.lines("What to do", &said.next);
        page.lines("Before you do it", &said.warnings);
    }
    standing(of, &mut page);
    page.head("Stops");
    for stop in &case.stops {
        tell_stop(stop, &case.evidence, &mut page);
    }
    if let Some(verdict) = &case.verdict {
        tell_verdict(verdict, &mut page);
    }
    restart(case, &mut page);
    incidents(of, &mut page);
    tell_evidence(of, &mut page);
    page.0
}

/// Which cluster, since when, and what is waited for.
fn standing(of: &Story<'_>, page: &mut Page) {
    let Story { case, cluster, now, .. } = of;
    page.head("Case");
    page.named("cluster", &cluster.map_or_else(|| "not known".to_owned(), |cluster| cluster.to_string()));
    page.named("opened", &format!("{} ({} ago)", utc(case.opened_at), age(case.opened_at, *now)));
    if let Some(at) = case.closed_at {
        page.named("closed", &utc(at));
    }
    page.named("mode", case.mode.as_str());
    if let (Some(at), Some(situation)) = (case.last_look_at, case.last_situation) {
        page.named("last look", &format!("{}: {}", utc(at), word(&situation)));
    }
    if let Some(fault) = &case.fault {
        page.named("fault", &format!("{fault} (Azure's newest complaint)"));
    }
    if case.outcome.is_none() {
        if let Some(held) = &case.held {
            page.named("waits for", &format!("people: {}", held.reason()));
        }
        page.named("looks next", &utc(case.next_at));
    }
}

fn tell_stop(stop: &Stop, evidence: &Evidence, page: &mut Page) {
    let time =
        if stop.time_known { utc(stop.time) } else { format!("{} (when it was heard of)", utc(stop.time)) };
    let source = match stop.source {
        StopSource::Event => "told by an event",
        StopSource::Log => "told by the activity log",
        StopSource::Discovery => "found by discovery in the activity log",
        StopSource::DamagedRecord => "not known: the record was damaged",
    };
    let confirmed =
        if stop.confirmed { "confirmed by the activity log" } else { "not confirmed by the activity log" };
    page.line(&format!("{time}  {source}, {confirmed}"));
    tell_caller("caller", &stop.caller, page);
    if let Some(claimed) = &stop.claimed {
        tell_caller("claimed", claimed, page);
    }
    if let Some(policies) = &stop.allowed_by {
        page.named("allowed by", &list(policies));
    }
    if let Some(grant) = &stop.granted {
        page.named("grant", grant);
    }
    let correlation = stop.correlation_id.as_deref().unwrap_or("none");
    page.named("ids", &format!("event {}, correlation {correlation}", stop.event_id));
    let event = evidence.events.iter().find(|event| event.event_id == stop.event_id);
    if let Some(id) = event.and_then(|event| event.token_id.as_ref()) {
        page.named(
            "token",
            &format!("{id} (the sign-in logs' unique token identifier, as the event claims)"),
        );
    }
}

fn tell_caller(name: &str, caller: &Caller, page: &mut Page) {
    let mut parts = vec![format!("{} ({})", caller.label(), caller.kind)];
    let mut part =
        |name: &str, value: Option<&str>| parts.extend(value.map(|value| format!("{name} {value}")));
    part("object id", caller.object_id.as_deref());
    part("app id", caller.app_id.as_deref());
    part("tenant", caller.tenant.as_deref());
    part("from", caller.ip.map(|ip| ip.to_string()).as_deref());
    part("by role", caller.role.as_ref().and_then(|role| role.name.as_deref()));
    page.named(name, &parts.join(", "));
}

fn tell_verdict(answer: &Verdict, page: &mut Page) {
    page.head("Verdict");
    let by = match answer.policies.as_slice() {
        [] => "no policy allows it".to_owned(),
        policies => format!("by {}", list(policies)),
    };
    page.line(&format!("{}: {by} (the stop of {})", verdict(Some(answer.authorised)), utc(answer.stop_time)));
    for error in &answer.errors {
        page.named("failed", error);
    }
    page.named("policies", &format!("set {}", answer.policy_hash));
    if let Some(asked) = &answer.asked {
        tell_asked(asked, page);
    }
}

/// The facts that the policies were asked with.
fn tell_asked(asked: &Asked, page: &mut Page) {
    let counts = &asked.counts;
    page.named(
        "counts",
        &format!(
            "{} unauthorised stops by the caller and {} in the subscription within the hour, {} restarts within 24 hours",
            counts.unauthorised_stops_by_caller_last_hour,
            counts.unauthorised_stops_in_subscription_last_hour,
            counts.restarts_last_24h
        ),
    );
    if let Some(zone) = &asked.zone {
        page.named("zone", zone);
    }
    if let Some(facts) = &asked.facts {
        let place = facts.location.as_deref().unwrap_or("an unknown region");
        page.named("cluster", &format!("{}, {} in {place}", word(&facts.provisioning), word(&facts.power)));
        for (name, value) in &facts.tags {
            page.named("tag", &format!("{name}={value}"));
        }
    }
    if let Some(grant) = &asked.grant {
        page.named(
            "grant",
            &format!("{} by {} until {}: {}", grant.id, grant.granted_by, utc(grant.until), grant.reason),
        );
    }
}

/// The answer about a restart, and the newest start.
fn restart(case: &Case, page: &mut Page) {
    if case.restart.is_none() && case.intent.is_none() {
        return;
    }
    page.head("Restart");
    if let Some(answer) = &case.restart {
        let by = if answer.policies.is_empty() { "no policy".to_owned() } else { list(&answer.policies) };
        page.line(&format!("{} by {by}", if answer.permitted { "permitted" } else { "not permitted" }));
    }
    tell_intent(case, page);
    for attempt in &case.evidence.attempts {
        tell_attempt(attempt, page);
    }
}

/// The newest start.
fn tell_intent(case: &Case, page: &mut Page) {
    let Some(intent) = &case.intent else { return };
    let came_of_it = match &intent.state {
        IntentState::Planned => "written down; whether it was sent is not known".to_owned(),
        IntentState::Sent { request_id: Some(id) } => format!("accepted by Azure, request {id}"),
        IntentState::Sent { request_id: None } => "accepted by Azure".to_owned(),
        IntentState::Unanswered => "sent, and no answer came".to_owned(),
        IntentState::Refused { code, advice, .. } => format!("refused by Azure: {code}. {advice}"),
        IntentState::PutOff { code, until: None } => format!("put off by Azure: {code}"),
        IntentState::PutOff { code, until: Some(until) } => {
            format!("put off by Azure until {}: {code}", utc(*until))
        }
        IntentState::NotSent { why } => format!("not sent: {why}"),
    };
    page.named(
        &format!("start {}", intent.n),
        &format!("{came_of_it} (after the look of {})", utc(intent.look_at)),
    );
    if intent.n > 1 {
        page.line("Earlier starts are in the timeline.");
    }
}

/// What a start is called here and by Azure.
fn tell_attempt(attempt: &Attempt, page: &mut Page) {
    let RequestIds { request_id, correlation_id } = &attempt.ids;
    let mut ids = vec![format!("client request {}", attempt.nonce)];
    ids.extend(request_id.iter().map(|id| format!("request {id}")));
    ids.extend(correlation_id.iter().map(|id| format!("correlation {id}")));
    page.named("ids", &format!("{} attempt {}: {}", utc(attempt.at), attempt.n, ids.join(", ")));
}

/// Who was told, and who was not yet.
fn incidents(of: &Story<'_>, page: &mut Page) {
    let told = [&of.case.told, &of.case.forgery_told];
    if told.iter().all(|told| told.is_none()) && of.receipts.is_empty() && of.waiting.is_empty() {
        return;
    }
    page.head("Incidents");
    for (about, told) in ["the stop", "an event that the activity log contradicts"].into_iter().zip(told) {
        let Some(told) = told else { continue };
        let part = if told.in_storm { ", told as part of a storm" } else { "" };
        page.line(&format!("{} since {}: {about}{part}", told.severity, utc(told.opened_at)));
    }
    for receipt in &of.receipts {
        let reference =
            receipt.reference.as_ref().map(|reference| format!(" as {reference}")).unwrap_or_default();
        let (state, at) = (receipt.state.as_str(), utc(receipt.at));
        page.named(&receipt.sink, &format!("has `{state}` of {} since {at}{reference}", receipt.incident));
    }
    for message in &of.waiting {
        for pending in &message.pending {
            let why = pending.failure.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let (state, tries, next) = (message.incident.state.as_str(), pending.tries, utc(pending.next_at));
            page.named(
                &pending.sink,
                &format!("lacks `{state}`; tries so far {tries}, the next at {next}{why}"),
            );
        }
    }
}

/// What is kept word for word, and what decided.
fn tell_evidence(of: &Story<'_>, page: &mut Page) {
    let Evidence { policies, programs, .. } = &of.case.evidence;
    if of.case.evidence.is_none() {
        return;
    }
    page.head("Evidence");
    for found in of.evidence {
        page.line(&format!("{:EXHIBIT$}  {}", found.name, found.told()));
    }
    for digest in policies {
        page.named("policies", &format!("sha256 {digest}"));
    }
    for program in programs {
        page.named("program", program);
    }
}

fn list(policies: &[String]) -> String {
    policies.join(", ")
}

/// The stored word for a value that is one.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
