//! The mail server is `aiosmtpd`; messages are read by Python's e-mail library.

use aks_stop_guard::incident::smtp::{Letter, MailServer};
use aks_stop_guard::incident::{Delivered, DeliveryError};
use simulator::corpus::corpus;
use simulator::rendered;

use crate::mailbox::Mailbox;

const FROM: &str = "Stop guard <guard@contoso.com>";
const TO: &str = "soc@contoso.com, Dana <dana@contoso.com>";

fn letter<'a>(subject: &'a str, text: &'a str) -> Letter<'a> {
    let at = "2026-09-14T18:05:00Z".parse().unwrap();
    Letter { subject, text, html: "<p>down</p>", id: "case:1-0", first: None, is_urgent: true, at }
}

fn server(mailbox: &Mailbox) -> MailServer {
    MailServer::new(&mailbox.url(), FROM, TO).unwrap()
}

#[tokio::test]
async fn a_message_arrives_whole_with_both_its_parts_and_what_keeps_threads_together() {
    let mut mailbox = Mailbox::open().await;
    let text = "Zoë stopped aks-prod-01 — it was restarted.\n.\nFrom here on: 한국어.\n";
    let sent = server(&mailbox).send(&letter("AKS cluster aks-prod-01 — Zoë", text)).await;
    let id = "<case_1-0@contoso.com>".to_owned();
    assert_eq!(sent, Ok(Delivered { status: 250, reference: Some(id.clone()) }));

    let first = mailbox.letter().await;
    assert_eq!(
        (first.from.as_str(), first.to.as_slice()),
        ("guard@contoso.com", &["soc@contoso.com".to_owned(), "dana@contoso.com".to_owned()][..])
    );
    assert_eq!(first.mail.header("subject"), "AKS cluster aks-prod-01 — Zoë");
    assert_eq!(first.mail.header("message-id"), id);
    assert_eq!(first.mail.header("date"), "Mon, 14 Sep 2026 18:05:00 +0000");
    assert_eq!(
        (first.mail.header("auto-submitted"), first.mail.header("importance")),
        ("auto-generated", "high")
    );
    assert_eq!(first.mail.header("references"), "");
    let parts: Vec<_> = first
        .mail
        .parts
        .iter()
        .map(|part| (part.content_type.as_str(), part.text.replace("\r\n", "\n")))
        .collect();
    assert_eq!(parts, [("text/plain", text.to_owned()), ("text/html", "<p>down</p>".to_owned())]);
    assert_eq!(first.defects, [""; 0]);

    let later = Letter { id: "case:1-1", first: Some("case:1-0"), is_urgent: false, ..letter("x", "y") };
    server(&mailbox).send(&later).await.unwrap();
    let second = mailbox.letter().await.mail;
    assert_eq!((second.header("references"), second.header("in-reply-to")), (id.as_str(), id.as_str()));
    assert_eq!((second.header("message-id"), second.header("importance")), ("<case_1-1@contoso.com>", ""));
}

#[tokio::test]
async fn later_is_tried_again_and_never_is_given_up() {
    let answers = [
        "451 4.3.0 try later",
        "452 4.2.2 full",
        "550 5.1.1 no such person",
        "554 5.7.1 spam",
        "421 4.3.2 going down",
    ];
    let mailbox = Mailbox::start("", "", &answers).await;
    let mut said = Vec::new();
    for _ in answers {
        said.push(match server(&mailbox).send(&letter("down", "down")).await.unwrap_err() {
            DeliveryError::Retry { after: None, why } => format!("retry: {why}"),
            DeliveryError::GiveUp { why } => format!("give up: {why}"),
            other @ DeliveryError::Retry { .. } => panic!("{other:?}"),
        });
    }
    assert_eq!(
        said,
        [
            "retry: the mail server answered 451 4.3.0 try later",
            "retry: the mail server answered 452 4.2.2 full",
            "give up: the mail server answered 550 5.1.1 no such person",
            "give up: the mail server answered 554 5.7.1 spam",
            "retry: the mail server answered 421 4.3.2 going down",
        ]
    );
}

#[tokio::test]
async fn a_check_logs_in_and_sends_nothing() {
    let mut mailbox = Mailbox::start("guard", "p@ss/w", &[]).await;
    let with = |login: &str| {
        MailServer::new(&format!("smtp://{login}127.0.0.1:{}", mailbox.port()), FROM, TO).unwrap()
    };
    let (right, wrong) = (with("guard:p%40ss%2Fw@"), with("guard:hunter2@"));
    let why = wrong.check().await.unwrap_err();
    assert!(why.contains("535") && !why.contains("hunter2") && !why.contains("127.0.0.1"), "{why}");
    assert_eq!(right.check().await, Ok(()));
    right.send(&letter("the first", "down")).await.unwrap();
    assert_eq!(mailbox.letter().await.mail.header("subject"), "the first");
}

#[tokio::test]
async fn a_password_is_asked_for_and_a_wrong_one_can_be_mended_and_is_not_shown() {
    let mut mailbox = Mailbox::start("guard", "p@ss/w", &[]).await;
    let with = |login: &str| {
        MailServer::new(&format!("smtp://{login}127.0.0.1:{}", mailbox.port()), FROM, TO).unwrap()
    };
    let (right, wrong, none) = (with("guard:p%40ss%2Fw@"), with("guard:hunter2@"), with(""));
    for server in [wrong, none] {
        let error = server.send(&letter("down", "down")).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Retry { .. }), "{error}");
        let shown = error.to_string();
        assert!(
            shown.contains("53") && !shown.contains("hunter2") && !shown.contains("127.0.0.1"),
            "{shown}"
        );
    }
    right.send(&letter("down", "down")).await.unwrap();
    mailbox.letter().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_or_has_no_tls_is_tried_again() {
    let mailbox = Mailbox::open().await;
    let tls = MailServer::new(&format!("smtps://127.0.0.1:{}", mailbox.port()), FROM, TO).unwrap();
    let gone = server(&mailbox);
    drop(mailbox);
    for server in [tls, gone] {
        let error = server.send(&letter("down", "down")).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Retry { after: None, .. }), "{error}");
    }
}

#[tokio::test]
async fn no_text_becomes_a_header_a_part_or_a_second_message() {
    let mut mailbox = Mailbox::open().await;
    let server = server(&mailbox);
    server.send(&letter("down", "down")).await.unwrap();
    let harmless = rendered::mail(&mailbox.letter().await.mail).structure;
    for hostile in corpus() {
        let text: String = hostile.text.chars().take(4_000).collect();
        server.send(&letter(&text, &text)).await.unwrap_or_else(|error| panic!("{}: {error}", hostile.name));
        let read = mailbox.letter().await;
        let shown = rendered::mail(&read.mail);
        assert_eq!(shown.structure, harmless, "{}", hostile.name);
        assert!(!read.mail.header("subject").contains(['\r', '\n']), "{}", hostile.name);
        assert!(read.defects.is_empty() && read.longest_line <= 998, "{}: {read:?}", hostile.name);
        assert_eq!(read.to.len(), 2, "{}", hostile.name);
    }
}
