//! A decision, explained for a person or for a program.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::case::model::RestartAnswer;
use crate::case::{Action, Explanation, Mode, Verdict};
use crate::domain::{EventSchema, StopEvent, StopTime};

/// What was decided about, and how.
pub(super) struct Situation<'a> {
    pub(super) event: &'a StopEvent,
    /// When it is decided.
    pub(super) now: Timestamp,
    pub(super) mode: Mode,
    /// Whether the cluster's state was given; else it is assumed.
    pub(super) cluster_given: bool,
}

pub(super) fn json(situation: &Situation<'_>, explanation: &Explanation) -> Result<Value, serde_json::Error> {
    let event = situation.event;
    Ok(json!({
        "cluster": event.cluster.to_string(),
        "caller": event.caller.label(),
        "callerId": event.caller.identity(),
        "callerKind": event.caller.kind.as_str(),
        "at": situation.now.to_string(),
        "mode": situation.mode.as_str(),
        "clusterAssumed": !situation.cluster_given,
        "decision": serde_json::to_value(explanation)?,
    }))
}

pub(super) fn human(situation: &Situation<'_>, explanation: &Explanation) -> String {
    let Situation { event, now, mode, cluster_given } = situation;
    let mut told = String::new();
    let mut row = |name: &str, text: &str| {
        // Writing to a String can't fail.
        let _ = writeln!(told, "{}", format!("{name:<10}{text}").trim_end());
    };
    row("event", &format!("{} ({})", event.id, schema(event.schema)));
    row("cluster", &event.cluster.to_string());
    row("stopped", &stopped(event));
    row("caller", &caller(event));
    if !cluster_given {
        row(
            "assumed",
            "the cluster is stopped and could be started; nothing else is known of it (no --cluster)",
        );
    }
    row("decided", &format!("at {now} in mode {mode}"));
    if let Some(found) = &explanation.verdict {
        row("verdict", &verdict(found));
        for error in &found.errors {
            row("error", error);
        }
    }
    if let Some(answer) = &explanation.restart {
        row("restart", &restart(answer));
    }
    row("decision", &decision(explanation));
    if !explanation.timeline.is_empty() {
        row("steps", "");
        for step in &explanation.timeline {
            row("", &format!("{}  {}", step.at, step.text));
        }
    }
    told
}

fn schema(schema: EventSchema) -> &'static str {
    match schema {
        EventSchema::EventGrid => "Event Grid schema",
        EventSchema::CloudEvents => "CloudEvents",
    }
}

fn stopped(event: &StopEvent) -> String {
    match event.time {
        StopTime::At(time) => time.to_string(),
        StopTime::Missing => "at a time that the event doesn't tell".to_owned(),
    }
}

fn caller(event: &StopEvent) -> String {
    let caller = &event.caller;
    let Some(id) = caller.identity() else { return "unknown".to_owned() };
    let from = caller.ip.map(|ip| format!(" from {ip}")).unwrap_or_default();
    match caller.label() {
        label if label == id => format!("{} {id}{from}", caller.kind),
        label => format!("{label} ({} {id}){from}", caller.kind),
    }
}

fn verdict(verdict: &Verdict) -> String {
    let word = if verdict.authorised { "authorised" } else { "not authorised" };
    match verdict.policies.as_slice() {
        [] => format!("{word}: no policy allows it"),
        policies => format!("{word} by policy {}", policies.join(", ")),
    }
}

fn restart(answer: &RestartAnswer) -> String {
    let storm = if answer.in_storm { ", told as part of a storm" } else { "" };
    match (answer.permitted, answer.policies.as_slice()) {
        (true, policies) => format!("permitted by policy {}{storm}", policies.join(", ")),
        (false, []) => "not permitted: no policy permits it".to_owned(),
        (false, policies) => format!("forbidden by policy {}{storm}", policies.join(", ")),
    }
}

/// What the guard would do; the last step says why.
fn decision(explanation: &Explanation) -> String {
    let why = explanation.timeline.last().map_or("", |step| step.text.as_str());
    match &explanation.action {
        Action::LeaveStopped => "leave it stopped".to_owned(),
        Action::Restart => "start the cluster now, and tell people".to_owned(),
        Action::Report { outcome } => format!("start nothing ({outcome}), and report the stop"),
        Action::Wait { why } => format!("look again before deciding: {why}"),
        Action::RaiseIncident { .. } => format!("raise an incident and start nothing: {why}"),
        Action::Ignore { why } => format!("nothing: {why}"),
    }
}
