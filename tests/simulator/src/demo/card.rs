//! An incident's message, as people get it.

use super::facts::Message;
use super::paint::{Ink, Paint, wrapped};
use crate::sink::{Delivery, Signature};

/// Characters of text in a line of a card.
const WIDTH: usize = 88;
/// Before each line of a card.
const MARGIN: &str = "              ";

/// The lines of a card; none if the delivery is not an incident's message. What is over takes less room.
pub(super) fn lines(delivery: &Delivery, paint: Paint) -> Vec<String> {
    let Some(message) = Message::of(delivery) else { return Vec::new() };
    let state = message.text("/state");
    let ink = if state == "resolved" { Ink::Green } else { ink_of(message.text("/severity")) };
    let bar = |text: &str| format!("{MARGIN}{}", paint.text(ink, text));
    let head = format!("{} · {state}", message.text("/severity").to_uppercase());
    let mut card = vec![bar(&format!("┏━ INCIDENT · {head}"))];
    for line in wrapped(message.text("/title"), WIDTH) {
        card.push(format!("{} {}", bar("┃"), paint.text(Ink::Bold, &line)));
    }
    for (label, text) in rows(&message, state) {
        let mut label = label;
        for line in wrapped(&text, WIDTH) {
            card.push(format!("{} {} {line}", bar("┃"), paint.text(Ink::Dim, &format!("{label:<5}"))));
            label = "";
        }
    }
    let signed = match &delivery.signature {
        Signature::Good => "signature valid".to_owned(),
        Signature::Unchecked => "signature not checked".to_owned(),
        Signature::Bad(why) => format!("SIGNATURE BAD: {why}"),
    };
    card.push(format!("{} {}", bar("┗━"), paint.text(Ink::Dim, &signed)));
    card
}

fn rows(message: &Message<'_>, state: &str) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if state != "resolved" {
        rows.push(("who", who(message)));
        rows.push(("why", why(message)));
    }
    rows.push(("which", which(message)));
    if state != "resolved" {
        rows.extend(message.list("/done").into_iter().map(|text| ("done", text.to_owned())));
    }
    rows.extend(message.list("/next").into_iter().map(|text| ("next", text.to_owned())));
    rows.extend(message.list("/warnings").into_iter().map(|text| ("know", text.to_owned())));
    if state != "resolved" {
        rows.push(("see", message.text("/links/0/url").to_owned()));
    }
    rows.retain(|(_, text)| !text.is_empty());
    rows
}

fn who(message: &Message<'_>) -> String {
    let (label, kind) = (message.text("/who/label"), message.text("/who/kind"));
    match (label, message.text("/from/ip")) {
        ("", _) => String::new(),
        (label, "") => format!("{label} ({kind})"),
        (label, ip) => format!("{label} ({kind}), from {ip}"),
    }
}

fn why(message: &Message<'_>) -> String {
    let policies = message.list("/verdict/policies");
    match (message.text("/verdict/answer"), policies.as_slice()) {
        ("", _) => String::new(),
        (answer, []) => answer.to_owned(),
        (answer, policies) => format!("{answer}; restart by policy {}", policies.join(", ")),
    }
}

/// Of many clusters, how many are in which state.
fn which(message: &Message<'_>) -> String {
    let clusters = message.clusters();
    if clusters.len() < 2 {
        return String::new();
    }
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for (_, status) in &clusters {
        match counts.iter_mut().find(|(known, _)| known == status) {
            Some((_, count)) => *count += 1,
            None => counts.push((status, 1)),
        }
    }
    let counts: Vec<String> = counts.iter().map(|(status, count)| format!("{count} × {status}")).collect();
    let mut names: Vec<&str> = clusters.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    format!("{} ({})", names.join(", "), counts.join(", "))
}

fn ink_of(severity: &str) -> Ink {
    match severity {
        "critical" => Ink::Red,
        "high" => Ink::Magenta,
        _ => Ink::Yellow,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn delivery(state: &str) -> Delivery {
        let data = json!({
            "incident": "case-1",
            "severity": "high",
            "state": state,
            "title": "aks-1 does not run",
            "next": ["Start it: `az aks start --name aks-1`."],
            "warnings": ["It is a private cluster."],
            "links": [{"label": "aks-1 in the portal", "url": "https://portal.azure.com/#@/resource/x/overview"}, {"label": "log", "url": "https://portal.azure.com/#@/resource/x/eventlogs"}],
        });
        Delivery {
            at: jiff::Timestamp::UNIX_EPOCH,
            id: String::new(),
            content_type: String::new(),
            signature: Signature::Unchecked,
            body: json!({ "data": data }),
            answered: Some(200),
        }
    }

    #[test]
    fn a_card_says_what_to_do_what_to_know_and_where_to_look_first() {
        let plain = Paint { on: false };
        let card = lines(&delivery("opened"), plain).join("\n");
        let at = |text: &str| card.find(text).unwrap_or_else(|| panic!("{text} is not in\n{card}"));
        assert!(at("next  Start it") < at("know  It is a private cluster."));
        assert!(at("know ") < at("see   https://portal.azure.com/#@/resource/x/overview"));
        assert!(!card.contains("eventlogs"), "one link is enough on a card");
        assert!(
            !lines(&delivery("resolved"), plain).join("\n").contains("https://"),
            "what is over takes less room"
        );
    }
}
