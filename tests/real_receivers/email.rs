//! The e-mail sink, from its file to a mailbox.

use aks_stop_guard::incident::samples::Sample;
use aks_stop_guard::incident::{DeliveryError, HttpSink, Sink as _};
use simulator::rendered;

use crate::mailbox::Mailbox;
use crate::over_http::OverHttp;
use crate::sinks::{messages, now, sink};

fn email(url: &str) -> HttpSink {
    let settings = [
        ("STOP_GUARD_SMTP_URL", url),
        ("STOP_GUARD_EMAIL_FROM", "Stop guard <guard@contoso.com>"),
        ("STOP_GUARD_EMAIL_TO", "soc@contoso.com, Dana <dana@contoso.com>"),
    ];
    sink("email", &settings, "", OverHttp::new())
}

#[tokio::test]
async fn a_mail_client_keeps_an_incident_in_one_thread_from_its_opening_to_its_end() {
    let mut mailbox = Mailbox::open().await;
    let email = email(&mailbox.url());
    for of in [Sample::Stop, Sample::Storm, Sample::Guard] {
        let mut letters = Vec::new();
        for message in messages(of) {
            let told = email.deliver(&message, now()).await.unwrap();
            let letter = mailbox.letter().await;
            assert_eq!(told.reference.as_deref(), Some(letter.mail.header("message-id")));
            assert_eq!(letter.defects, [""; 0]);
            letters.push(letter.mail);
        }
        let [opened, updated, resolved] = letters.try_into().unwrap();
        assert_eq!((opened.header("references"), opened.header("in-reply-to")), ("", ""));
        for later in [&updated, &resolved] {
            assert_eq!(later.header("references"), opened.header("message-id"));
            assert_eq!(later.header("subject"), format!("Re: {}", opened.header("subject")));
            assert_ne!(later.header("message-id"), opened.header("message-id"));
        }
        assert!(
            opened.parts[0].text.starts_with("NEW: ") && resolved.parts[0].text.starts_with("RESOLVED: ")
        );
    }
}

#[tokio::test]
async fn a_repeat_has_the_same_id_so_that_mail_clients_and_servers_can_drop_it() {
    let mut mailbox = Mailbox::open().await;
    let email = email(&mailbox.url());
    let [opened, ..] = messages(Sample::Stop);
    let mut ids = Vec::new();
    for _ in 0..2 {
        email.deliver(&opened, now()).await.unwrap();
        ids.push(mailbox.letter().await.mail.header("message-id").to_owned());
    }
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn what_people_read_at_night_is_the_same_in_both_parts() {
    let mut mailbox = Mailbox::open().await;
    let [opened, ..] = messages(Sample::Stop);
    email(&mailbox.url()).deliver(&opened, now()).await.unwrap();
    let letter = mailbox.letter().await.mail;
    assert_eq!(letter.header("subject"), "AKS cluster aks-prod-01 in rg-prod was stopped [sample-stop]");
    let shown = rendered::mail(&letter);
    let (text, html) = (&shown.texts[1], &shown.texts[2]);
    for said in [opened.title.as_str(), "dana@contoso.com", "203.0.113.24"] {
        assert!(text.contains(said) && html.contains(said), "{said}\n{text}\n{html}");
    }
    for link in &opened.links {
        assert!(text.contains(&link.url) && shown.links.contains(&link.url), "{}\n{shown:?}", link.url);
    }
    assert_eq!(shown.images, [""; 0]);
}

#[tokio::test]
async fn a_server_that_is_busy_is_tried_again_and_one_that_knows_nobody_is_given_up() {
    let mailbox = Mailbox::start("", "", &["451 4.3.0 try later", "550 5.1.1 no such person"]).await;
    let email = email(&mailbox.url());
    let [opened, ..] = messages(Sample::Stop);
    let busy = email.deliver(&opened, now()).await.unwrap_err();
    assert_eq!(
        busy,
        DeliveryError::Retry {
            after: None,
            why: "email: the mail server answered 451 4.3.0 try later".to_owned()
        }
    );
    let gone = email.deliver(&opened, now()).await.unwrap_err();
    assert_eq!(
        gone,
        DeliveryError::GiveUp { why: "email: the mail server answered 550 5.1.1 no such person".to_owned() }
    );
}
