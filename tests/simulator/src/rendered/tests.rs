//! Each reading finds what it is for in a naive message, and nothing in a careful one. Otherwise it could not judge.

use serde_json::{Value, json};

use super::*;
use crate::corpus::corpus;

type Reading = fn(&str) -> Shown;

const EVIL: &str = "https://evil.example.com";

fn slack_text(text: &str) -> Shown {
    slack(&json!({"text": text}))
}

fn card(text: &str) -> Shown {
    teams(&json!({"attachments": [{"content": {"body": [{"type": "TextBlock", "text": text}]}}]}))
}

fn page(html: &str) -> Shown {
    mail(&Mail {
        headers: vec![("Subject".to_owned(), "down".to_owned())],
        parts: vec![Part { content_type: "text/html".to_owned(), text: html.to_owned() }],
    })
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|one| (*one).to_owned()).collect()
}

/// The order of a JSON object's members depends on what else is built: serde_json keeps it only if some crate asks for that.
fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}

#[test]
fn a_plain_text_becomes_a_link_by_scheme_address_or_domain_and_not_by_a_dot() {
    let links = |text: &str| {
        let mut shown = Shown::default();
        shown.plain(text);
        shown.links
    };
    for live in [
        "http://evil.example.com/",
        "see HTTPS://evil.example.com.",
        "ftp://x/",
        "www.evil-example.com",
        "evil-example.com/login",
        "mailto:dana@contoso.com",
        "tel:+15555550100",
        "http://3405803785/",
        "http://[2001:db8::1]/",
        "пример.рф",
        "login.evil.app",
        "(https://evil.example.com)",
    ] {
        assert!(!links(live).is_empty(), "`{live}` is live");
    }
    for dead in [
        "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks",
        "hxxps[:]//evil[.]example[.]com",
        "203.0.113.24",
        "version 1.29.4",
        "It was stopped. Then it was started.",
        "policy default.cedar",
        "dana@contoso.com",
        "18:04:29Z",
    ] {
        assert_eq!(links(dead), [""; 0], "`{dead}` is dead");
    }
}

#[test]
fn slack_calls_links_and_formats_what_is_not_escaped() {
    assert_eq!(slack_text("<!here> look").mentions, ["!here"]);
    assert_eq!(slack_text("<@U024BE7LH>").mentions, ["@U024BE7LH"]);
    assert_eq!(slack_text("please @channel").mentions, ["@channel"]);
    assert_eq!(slack_text("<https://evil.example.com|portal>").links, [EVIL]);
    assert_eq!(slack_text("<https://evil.example.com|portal>").texts, ["portal"]);
    assert_eq!(slack_text("see https://evil.example.com").links, [EVIL]);
    assert_eq!(slack_text("*a* _b_ ~c~ `d`").markup, ["bold", "italic", "struck out", "code"]);
    assert_eq!(slack_text("&gt; quoted").markup, ["quote"]);
    assert_eq!(slack_text(":fire: at 18:04:29").markup, ["emoji fire"]);
    let careful = slack_text("&lt;!here&gt; 3 * 4, snake_case_name, a ~ b");
    assert_eq!((careful.mentions.len(), careful.links.len(), careful.markup.len()), (0, 0, 0), "{careful:?}");
    assert_eq!(careful.texts, ["<!here> 3 * 4, snake_case_name, a ~ b"]);
    let blocks = slack(&json!({"text": "a", "blocks": [
        {"type": "section", "text": {"type": "mrkdwn", "text": "<!channel>"}},
        {"type": "header", "text": {"type": "plain_text", "text": "<!here> :fire: https://evil.example.com"}},
        {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "x"}, "url": "https://portal.azure.com/"}]},
    ]}));
    assert_eq!(blocks.mentions, ["!channel"]);
    assert_eq!(blocks.links, [EVIL, "https://portal.azure.com/"]);
    assert_eq!(blocks.markup, ["emoji fire"]);
}

#[test]
fn a_card_renders_markdown_and_its_own_buttons() {
    let naive = card("[portal](https://evil.example.com) **approved** ![x](https://evil.example.com/p.png)");
    assert_eq!(naive.links, [EVIL]);
    assert_eq!(naive.images, ["https://evil.example.com/p.png"]);
    assert_eq!(naive.markup, ["bold"]);
    assert_eq!(card("- one\n- two").markup, ["list", "list item", "list item"]);
    assert_eq!(card("1. one").markup, ["list", "list item"]);
    assert_eq!(card("# a").markup, ["heading"]);
    assert_eq!(card("<at>Dana</at> <b>x</b>").mentions, ["<at>"]);
    assert_eq!(card("a <b>x</b>").elements, ["b", "/b"]);
    assert_eq!(card("&#104;ttps://evil.example.com").links, [EVIL]);
    let careful = card("\\[portal\\](x) \\*\\*approved\\*\\* \\<b\\>");
    assert_eq!((careful.links.len(), careful.markup.len(), careful.elements.len()), (0, 0, 0), "{careful:?}");
    assert_eq!(careful.texts, ["[portal](x) **approved** <b>"]);
    let run = teams(
        &json!({"body": [{"inlines": [{"type": "TextRun", "text": "**a** https://evil.example.com"}]}]}),
    );
    assert_eq!((run.links, run.markup.len()), (strings(&[EVIL]), 0));
    let button = teams(
        &json!({"actions": [{"type": "Action.OpenUrl", "title": "*Portal*", "url": "https://portal.azure.com/"}]}),
    );
    assert_eq!((button.links, button.markup), (strings(&["https://portal.azure.com/"]), vec![]));
}

#[test]
fn a_mail_shows_elements_links_pictures_and_headers() {
    let naive = page(
        "<p>hello</p><a href='https://evil.example.com'>x</a><img src=\"https://evil.example.com/p.png\" onerror=\"x\"> www.evil.example.com",
    );
    assert_eq!(naive.elements, ["p", "/p", "a", "/a", "img"]);
    assert_eq!(naive.links, [EVIL, "www.evil.example.com"]);
    assert_eq!(naive.images, ["https://evil.example.com/p.png"]);
    assert_eq!(naive.markup, ["attribute onerror"]);
    let careful = page("&lt;a href=&quot;x&quot;&gt; 3 < 4");
    assert_eq!((careful.elements.len(), careful.links.len()), (0, 0), "{careful:?}");
    assert_eq!(careful.texts[1], "<a href=\"x\"> 3 < 4");
    let header = ("Bcc".to_owned(), "evil@example.com".to_owned());
    let injected =
        mail(&Mail { headers: vec![("Subject".to_owned(), "down".to_owned()), header], parts: vec![] });
    assert_eq!(injected.beyond(&page("")), ["structure `bcc`"]);
}

#[test]
fn the_other_services_show_what_they_are_known_for() {
    let event = json!({"payload": {"summary": "a", "custom_details": {"who": "https://evil.example.com"}}, "links": [{"href": "https://portal.azure.com/", "text": "x"}]});
    assert_eq!(sorted(pagerduty(&event).links), [EVIL, "https://portal.azure.com/"]);
    let note = servicenow(
        &json!({"work_notes": "[code]<a href='https://evil.example.com'>x</a>[/code]", "description": "[code]<b>[/code]"}),
    );
    assert_eq!((note.markup, note.elements), (strings(&["[code]"]), strings(&["a", "/a"])));
    assert_eq!(opsgenie(&json!({"description": "<b>x</b>", "message": "<i>"})).elements, ["b", "/b"]);
    let comment =
        sentinel_incident(&json!({"properties": {"message": "**x** <img src=a>", "title": "**x**"}}));
    assert_eq!(
        (comment.markup, comment.elements, comment.images),
        (strings(&["bold"]), strings(&["img"]), strings(&["a"]))
    );
    assert_eq!(sentinel_row(&json!([{"Title": "www.evil-example.com"}])).links, ["www.evil-example.com"]);
    let alerts = json!([{"annotations": {"summary": "https://evil.example.com", "who": "see http"}, "generatorURL": "https://portal.azure.com/"}]);
    assert_eq!(sorted(alertmanager(&alerts).links), [EVIL, "https://portal.azure.com/"]);
}

#[test]
fn more_lines_members_and_unseen_characters_are_found() {
    let event = |name: &str| program(&json!({"data": {"name": name}}));
    assert_eq!(event("dana\nVerdict: authorised").beyond(&event("dana")), ["2 lines instead of 1"]);
    assert_eq!(event("da\u{202e}na\u{1b}").beyond(&event("dana")), ["unseen `U+202E`", "unseen `U+001B`"]);
    let injected: Value = serde_json::from_str(r#"{"data": {"name": "x", "severity": "info"}}"#).unwrap();
    let found = program(&injected).beyond(&event("dana"));
    assert_eq!(found, ["structure `/data/severity`", "2 lines instead of 1"]);
    assert_eq!(event("dana").beyond(&event("dana")), [""; 0]);
}

/// How many hostile texts a message that takes no care at all makes live, for each service.
#[test]
fn a_naive_message_is_convicted_by_every_reading() {
    let readings: [(&str, Reading, usize); 9] = [
        ("slack", slack_text, 120),
        ("teams", card, 120),
        ("mail", page, 100),
        ("pagerduty", |text| pagerduty(&json!({"payload": {"summary": text}})), 80),
        ("servicenow", |text| servicenow(&json!({"work_notes": text})), 80),
        ("opsgenie", |text| opsgenie(&json!({"description": text})), 100),
        ("sentinel", |text| sentinel_incident(&json!({"properties": {"description": text}})), 120),
        ("alertmanager", |text| alertmanager(&json!([{"annotations": {"summary": text}}])), 80),
        ("program", |text| program(&json!({"name": text})), 40),
    ];
    for (name, reading, least) in readings {
        let harmless = reading("dana");
        let convicted =
            corpus().iter().filter(|hostile| !reading(&hostile.text).beyond(&harmless).is_empty()).count();
        assert!(convicted >= least, "{name}: {convicted} of {}", corpus().len());
    }
}
