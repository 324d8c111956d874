//! Nothing is longer than its receiver takes, and nothing that anybody writes is more than text.

use jiff::tz::TimeZone;
use serde_json::Value;

use super::samples::{affected, now, opened, storm};
use super::*;
use crate::domain::incident::TimelineEntry;
use crate::domain::{Incident, IncidentState};
use crate::incident::request::fit;
use crate::incident::view::View;

/// What attackers put into names: terminal, markup, template, log and header injections.
const HOSTILE: [&str; 12] = [
    "\u{1b}[2J\u{7}",
    "a\r\nX-Evil: 1\r\n\r\n",
    "\"},\"state\":\"resolved\",\"x\":{\"",
    "<!channel> <script>alert(1)</script> </title>",
    "{{7*7}} {% if x %} ${jndi:ldap://evil.example/a} %s%n",
    "\u{202e}gnp.exe\u{200b}\u{2028}",
    "\0\u{1}\u{9b}31m",
    "[click](https://evil.example) @everyone \\\\\"",
    "<https://evil.example|portal> www.evil.example evil.example/x",
    "mailto:x@evil.example javascript:alert(1)",
    "*bold* _it_ ~no~ `code` # h",
    "[code]<b>x</b>[/code]",
];

/// An incident with `text` wherever somebody else's text can be.
fn with(text: &str) -> Incident {
    let mut incident = opened();
    let caller = incident.caller.as_mut().unwrap();
    for field in
        [&mut caller.upn, &mut caller.name, &mut caller.object_id, &mut caller.app_id, &mut caller.tenant]
    {
        *field = Some(text.to_owned());
    }
    caller.identity_resource = Some(text.to_owned());
    incident.title = format!("stopped by {text}");
    incident.correlation_id = Some(text.to_owned());
    incident.verdict = Some(text.to_owned());
    incident.clusters[0].status = text.to_owned();
    for list in [&mut incident.policies, &mut incident.done, &mut incident.next, &mut incident.warnings] {
        *list = vec![text.to_owned()];
    }
    incident.timeline = vec![TimelineEntry { at: now(), text: text.to_owned() }];
    incident.links = vec![
        crate::domain::incident::Link {
            label: text.to_owned(),
            url: "https://portal.azure.com/#x".to_owned(),
        },
        crate::domain::incident::Link { label: "bad".to_owned(), url: format!("https://a/ {text}") },
        crate::domain::incident::Link { label: "bad".to_owned(), url: "javascript:alert(1)".to_owned() },
    ];
    incident
}

/// All strings of a JSON value.
fn strings(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|one| strings(one, out)),
        Value::Object(members) => members.iter().for_each(|(name, one)| {
            out.push(name.clone());
            strings(one, out);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Every body that a sink sends for an incident with this text everywhere.
fn bodies(sink: &PreparedSink, text: &str) -> Vec<Value> {
    let mut bodies = Vec::new();
    for state in [IncidentState::Opened, IncidentState::Updated, IncidentState::Resolved] {
        let incident = Incident { state, ..with(text) };
        bodies.extend(sink.show(&incident).unwrap().into_iter().filter_map(|shown| shown.body));
    }
    bodies
}

#[test]
fn nothing_in_a_name_changes_a_message_or_comes_alive_in_it() {
    let found = SHIPPED.map(|(name, _)| (name, shipped(name)));
    // Sinks that look incidents up, as if there were none yet.
    let new = SHIPPED.map(|(name, settings)| (name, prepared_as_new(name, settings)));
    for (name, sink) in found.into_iter().chain(new) {
        let mut expected = Vec::new();
        bodies(&sink, "dana").iter().for_each(|body| strings(body, &mut expected));
        for hostile in HOSTILE {
            let mut texts = Vec::new();
            bodies(&sink, hostile).iter().for_each(|body| strings(body, &mut texts));
            assert_eq!(texts.len(), expected.len(), "{name}: the shape stays, with {hostile}");
            for (text, plain) in texts.iter().zip(&expected) {
                let is_ours = text == plain;
                let portal = text.replace("https://portal.azure.com/#x", "");
                assert!(is_ours || !portal.contains("://"), "{name}: {text}");
                assert!(!text.replace("<!doctype html>", "").contains("<!"), "{name}: {text}");
                assert!(!text.contains("@everyone") || text.contains("[@]everyone"), "{name}: {text}");
                assert!(!text.contains("www."), "{name}: {text}");
                assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{name}: {text:?}");
            }
        }
    }
}

#[test]
fn a_long_story_is_cut_to_fit_and_says_how_much_went() {
    let mut incident = storm();
    incident.clusters = (0..200).map(|i| affected(&format!("aks-{i:03}"), "restarting")).collect();
    incident.cluster_count = 250;
    incident.timeline = (0..300)
        .map(|i| TimelineEntry { at: now(), text: format!("Line {i} of a long story about many clusters.") })
        .collect();
    let body = body(&shipped("webhook"), &incident);
    let bytes = body.to_string().len();
    assert!(bytes <= 20_000, "{bytes}");
    assert!(bytes > 19_000, "not more than needed: {bytes}");
    let data = &body["data"];
    let shown = data["clusters"].as_array().unwrap().len();
    assert_eq!(data["cut"]["clusters"], 250 - shown);
    assert_eq!(data["cut"]["timeline"], 295);
    let timeline = data["timeline"].as_array().unwrap();
    assert_eq!(
        timeline.last().unwrap()["text"],
        "Line 299 of a long story about many clusters.",
        "the newest stays"
    );
    assert_eq!(data["clusters"][0]["name"], "aks-000");
}

#[test]
fn every_receivers_limits_are_kept_by_the_largest_incident() {
    let largest = with(&"\u{1F525}W".repeat(2_000));
    let pagerduty = body(&shipped("pagerduty"), &largest);
    assert!(pagerduty["payload"]["summary"].as_str().unwrap().chars().count() <= 1_024);
    assert!(pagerduty["dedup_key"].as_str().unwrap().len() <= 255);
    let slack = body(&shipped("slack"), &largest);
    let blocks = slack["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    for block in blocks {
        let max = if block["type"] == "header" { 150 } else { 3_000 };
        let text = block["text"]["text"].as_str().unwrap_or_default();
        assert!(text.chars().count() <= max, "{text}");
        for field in block["fields"].as_array().into_iter().flatten() {
            assert!(field["text"].as_str().unwrap().chars().count() <= 2_000);
        }
        assert!(block["fields"].as_array().is_none_or(|fields| fields.len() <= 10));
    }
    assert!(body(&shipped("teams"), &largest).to_string().len() <= 25_000);
}

#[test]
fn a_message_id_fits_a_header_and_the_signed_text_whatever_the_incidents_id() {
    let mut incident = opened();
    incident.id = format!("a.b\r\nc ü{}", "x".repeat(500));
    let id = message_id(&incident);
    assert!(id.starts_with("a_b__c__x") && id.ends_with("-0") && id.len() <= 140, "{id}");
    assert!(::http::HeaderValue::from_str(&id).is_ok());
    incident.id.push('y');
    assert_ne!(message_id(&incident), id, "two incidents never share a key");
}

#[test]
fn as_few_entries_are_left_out_as_will_do_whatever_the_limit() {
    let mut incident = storm();
    incident.timeline = vec![TimelineEntry { at: now(), text: "x".repeat(400) }; 60];
    let view = View::new(&incident, &TimeZone::UTC);
    let entries = view.spare();
    let fit = |max, bytes: fn(usize) -> usize| {
        fit(|kept: &usize| bytes(*kept), max, 1, &view, |view| Ok(view.spare()))
    };
    let each = |kept: usize| 50 + 10 * kept;
    for kept in 0..=entries {
        for max in [each(kept), each(kept) + 9] {
            assert_eq!(fit(max, each), Ok(kept), "{max}");
        }
    }
    assert_eq!(fit(usize::MAX, each), Ok(entries));
    assert_eq!(fit(10, |_| 10), Ok(entries), "a body without lists is whole, however long these are");
    let error = fit(49, each).unwrap_err();
    assert_eq!(error.message, "the body has 50 bytes without any list, 49 are allowed");
}
