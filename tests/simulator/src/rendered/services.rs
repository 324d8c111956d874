//! The services whose messages are JSON, except Slack.

use serde_json::Value;

use super::json::{for_each_text, structure};
use super::{Shown, html, markdown};

/// Shows a PagerDuty event: texts with addresses made links, and the links and pictures that it names itself.
pub fn pagerduty(event: &Value) -> Shown {
    let mut shown = Shown::default();
    structure(&mut shown, event);
    for_each_text(event, &mut |path, text| match path {
        "/routing_key" | "/event_action" | "/dedup_key" => {}
        "/client_url" | "/links/*/href" | "/images/*/href" => shown.links.push(text.to_owned()),
        "/images/*/src" => shown.images.push(text.to_owned()),
        _ => shown.plain(text),
    });
    shown
}

/// Shows a Teams message: text blocks and facts are Markdown; runs of text and titles of buttons are not.
pub fn teams(message: &Value) -> Shown {
    let mut shown = Shown::default();
    structure(&mut shown, message);
    for_each_text(message, &mut |path, text| {
        let member = path.rsplit('/').next().unwrap_or_default();
        let is_action = path.contains("/actions/*");
        match member {
            "url" if is_action => shown.links.push(text.to_owned()),
            "url" | "backgroundImage" => shown.images.push(text.to_owned()),
            "title" | "tooltip" if is_action => shown.read(text),
            "text" if path.contains("/inlines/*") => shown.plain(text),
            "text" | "title" | "value" | "fallbackText" => {
                called(&mut shown, text);
                markdown::show(&mut shown, text);
            }
            _ => {}
        }
    });
    shown
}

/// Teams' own mention element.
fn called(shown: &mut Shown, text: &str) {
    shown.mentions.extend(text.to_lowercase().matches("<at>").map(str::to_owned));
}

/// Shows what a ServiceNow record would: columns are texts, and in its journals `[code]` switches to HTML.
pub fn servicenow(columns: &Value) -> Shown {
    let mut shown = Shown::default();
    structure(&mut shown, columns);
    for_each_text(columns, &mut |path, text| {
        shown.plain(text);
        if matches!(path, "/work_notes" | "/comments" | "/close_notes") {
            let lower = text.to_ascii_lowercase();
            for (at, marker) in lower.match_indices("[code]") {
                shown.markup.push("[code]".to_owned());
                let inside = text.get(at + marker.len()..).unwrap_or_default();
                html::elements(&mut shown, inside);
            }
        }
    });
    shown
}

/// Shows an Opsgenie alert or note: the description may hold HTML.
pub fn opsgenie(alert: &Value) -> Shown {
    let mut shown = Shown::default();
    structure(&mut shown, alert);
    for_each_text(alert, &mut |path, text| match path {
        "/alias" => {}
        "/description" | "/note" => html::show(&mut shown, text),
        _ => shown.plain(text),
    });
    shown
}

/// Shows rows of Sentinel's table, as an alert takes its title and text out of them.
pub fn sentinel_row(rows: &Value) -> Shown {
    let mut shown = Shown::default();
    structure(&mut shown, rows);
    for_each_text(rows, &mut |path, text| {
        if path.ends_with("/url") || path.ends_with("/Url") {
            shown.links.push(text.to_owned());
        } else {
            shown.plain(text);
        }
    });
    shown
}

/// Shows a Sentinel incident or a comment on one: descriptions and comments are Markdown and HTML.
pub fn sentinel_incident(body: &Value) -> Shown {
    let mut shown = Shown::default();
    structure(&mut shown, body);
    for_each_text(body, &mut |path, text| match path {
        "/properties/description" | "/properties/message" | "/properties/classificationComment" => {
            markdown::show(&mut shown, text);
        }
        _ => shown.plain(text),
    });
    shown
}

/// Shows what Alertmanager's page does: an annotation that begins like an address is a link, and so is the generator.
pub fn alertmanager(alerts: &Value) -> Shown {
    let mut shown = Shown::default();
    structure(&mut shown, alerts);
    for_each_text(alerts, &mut |path, text| {
        let is_annotation = path.starts_with("/*/annotations/");
        if path.ends_with("/generatorURL") || is_annotation && text.starts_with("http") {
            shown.links.push(text.to_owned());
        } else {
            shown.plain(text);
        }
    });
    shown
}
