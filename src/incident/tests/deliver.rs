//! What is sent, what an answer means, and what is shown of it.

use super::samples::{now, opened, resolved};
use super::*;

const WEBHOOK: [(&str, &str); 2] = [
    ("STOP_GUARD_WEBHOOK_URL", "https://hooks.example/services/T0K3N?sig=S1GN4TURE"),
    ("STOP_GUARD_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
];

fn webhook() -> PreparedSink {
    prepared("webhook", &file("webhook"), &WEBHOOK).unwrap()
}

#[tokio::test]
async fn a_delivery_is_one_signed_post() {
    let receiver = Receiver::of(202);
    let outcome = deliver(webhook(), &receiver, &opened()).await;
    assert_eq!(outcome, Ok(Delivered { status: 202, reference: None }));
    let requests = receiver.requests.lock().unwrap();
    let [(request, timeout)] = requests.as_slice() else { panic!("one request") };
    assert_eq!((request.method().as_str(), request.uri().to_string()), ("POST", WEBHOOK[0].1.to_owned()));
    assert_eq!(*timeout, DELIVERY_TIMEOUT);
    let headers = request.headers();
    assert_eq!(headers["content-type"], "application/cloudevents+json; charset=utf-8");
    assert_eq!(headers["webhook-id"], message_id(&opened()));
    assert_eq!(headers["webhook-timestamp"], now().as_second().to_string());
    assert!(headers["webhook-signature"].to_str().unwrap().starts_with("v1,"));
}

#[tokio::test]
async fn a_repeat_has_the_same_id_and_body_and_a_time_of_its_own() {
    let receiver = Receiver::of(503);
    let webhook = webhook().connect(receiver.clone(), Arc::new(Tokens::default()));
    for time in [now(), now() + jiff::SignedDuration::from_secs(60)] {
        webhook.deliver(&opened(), time).await.unwrap_err();
    }
    let requests = receiver.requests.lock().unwrap();
    let [(first, _), (second, _)] = requests.as_slice() else { panic!("two requests") };
    assert_eq!(first.headers()["webhook-id"], second.headers()["webhook-id"]);
    assert_eq!(first.body(), second.body());
    assert_ne!(first.headers()["webhook-timestamp"], second.headers()["webhook-timestamp"]);
    assert_ne!(first.headers()["webhook-signature"], second.headers()["webhook-signature"]);
}

#[tokio::test]
async fn without_a_secret_messages_are_unsigned() {
    let receiver = Receiver::of(200);
    let sink = prepared("webhook", &file("webhook"), &WEBHOOK[..1]).unwrap();
    deliver(sink, &receiver, &opened()).await.unwrap();
    let requests = receiver.requests.lock().unwrap();
    assert!(!requests[0].0.headers().contains_key("webhook-signature"));
    assert!(requests[0].0.headers().contains_key("webhook-id"));
}

#[tokio::test]
async fn only_gone_ends_the_tries() {
    let secs = Duration::from_secs;
    for (status, expected) in [
        (200, Ok(())),
        (204, Ok(())),
        (302, Err(Some(Some(secs(300))))),
        (400, Err(Some(Some(secs(300))))),
        (401, Err(Some(Some(secs(300))))),
        (404, Err(Some(Some(secs(300))))),
        (408, Err(Some(None))),
        (410, Err(None)),
        (413, Err(Some(Some(secs(300))))),
        (429, Err(Some(None))),
        (500, Err(Some(None))),
        (503, Err(Some(None))),
    ] {
        let outcome = deliver(webhook(), &Receiver::of(status), &opened()).await;
        let outcome = outcome.map(|_| ()).map_err(|error| match error {
            DeliveryError::Retry { after, .. } => Some(after),
            DeliveryError::GiveUp { .. } => None,
        });
        assert_eq!(outcome, expected, "{status}");
    }
}

#[tokio::test]
async fn retry_after_is_honoured_within_an_hour() {
    for (text, seconds) in [
        ("7", Some(7)),
        (" 7 ", Some(7)),
        ("0", Some(0)),
        ("999999999", Some(3_600)),
        ("Mon, 14 Sep 2026 18:12:00 GMT", Some(120)),
        ("Mon, 14 Sep 2020 18:12:00 GMT", Some(0)),
        ("Mon, 14 Sep 2099 18:12:00 GMT", Some(3_600)),
        ("-5", None),
        ("soon", None),
        ("99999999999999999999999999", None),
    ] {
        for status in [429, 503] {
            let receiver = Receiver::answering([Ok((status, vec![("retry-after", text.to_owned())], ""))]);
            let error = deliver(webhook(), &receiver, &opened()).await.unwrap_err();
            let DeliveryError::Retry { after, .. } = error else { panic!("{text}") };
            assert_eq!(after, seconds.map(Duration::from_secs), "{text}");
        }
    }
}

#[tokio::test]
async fn no_answer_is_tried_again() {
    for error in [SendError::NotConnected, SendError::TimedOut, SendError::Broken, SendError::TooLarge] {
        let outcome = deliver(webhook(), &Receiver::answering([Err(error)]), &opened()).await.unwrap_err();
        assert!(matches!(outcome, DeliveryError::Retry { after: None, .. }), "{outcome}");
    }
}

#[tokio::test]
async fn neither_the_url_nor_the_secret_is_ever_shown() {
    let mut shown = vec![format!("{:?}", webhook()), format!("{:?}", webhook().show(&opened()).unwrap())];
    let broken = Receiver::answering([Err(SendError::Broken)]);
    for receiver in
        [Receiver::of(302), Receiver::of(410), Receiver::saying(500, "a body that nobody shows"), broken]
    {
        let error = deliver(webhook(), &receiver, &opened()).await.unwrap_err();
        shown.push(format!("{error}\n{error:?}"));
    }
    for (url, secret) in [
        ("http://hooks.example/T0K3N", WEBHOOK[1].1),
        ("https://u:T0K3N@hooks.example/", WEBHOOK[1].1),
        ("T0K3N", WEBHOOK[1].1),
        (WEBHOOK[0].1, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        (WEBHOOK[0].1, "whsec_MfKQ"),
    ] {
        let settings = [(WEBHOOK[0].0, url), (WEBHOOK[1].0, secret)];
        shown.extend(prepared("webhook", &file("webhook"), &settings).unwrap_err());
    }
    let told = shown.join("\n");
    for secret in ["T0K3N", "S1GN", "MfKQ", "nobody shows"] {
        assert!(!told.contains(secret), "{told}");
    }
    insta::assert_snapshot!(shown[2..].join("\n"), @r#"
    webhook answered 302: redirects are not followed, set the URL it redirects to
    Retry { after: Some(300s), why: "webhook answered 302: redirects are not followed, set the URL it redirects to" }
    webhook answered 410: it wants no more messages
    GiveUp { why: "webhook answered 410: it wants no more messages" }
    webhook answered 500
    Retry { after: None, why: "webhook answered 500" }
    webhook: the connection broke
    Retry { after: None, why: "webhook: the connection broke" }
    STOP_GUARD_WEBHOOK_URL must be https, or http to this machine
    STOP_GUARD_WEBHOOK_URL must not hold a user name or password
    STOP_GUARD_WEBHOOK_URL is not a URL
    STOP_GUARD_WEBHOOK_SECRET must start with `whsec_`
    STOP_GUARD_WEBHOOK_SECRET must hold 24 to 64 bytes
    "#);
}

#[tokio::test]
async fn an_error_within_a_200_is_an_error() {
    let outcome = deliver(shipped("slack"), &Receiver::saying(200, "ok"), &opened()).await;
    assert_eq!(outcome, Ok(Delivered { status: 200, reference: None }));
    let error =
        deliver(shipped("slack"), &Receiver::saying(200, "invalid_blocks"), &opened()).await.unwrap_err();
    assert_eq!(error.to_string(), "slack answered 200: Slack took it and did not say `ok`");
    assert!(matches!(error, DeliveryError::Retry { after: None, .. }));
}

#[tokio::test]
async fn the_receivers_own_name_for_it_comes_back_and_its_errors_are_told_without_secrets() {
    let taken =
        Receiver::saying(202, r#"{"status":"success","message":"Event processed","dedup_key":"a/b"}"#);
    let delivered = deliver(shipped("pagerduty"), &taken, &resolved()).await.unwrap();
    assert_eq!(delivered.reference.as_deref(), Some("a/b"));
    let refused = Receiver::saying(
        400,
        r#"{"status":"invalid event","errors":["no such key R0UT1NGKEYR0UT1NGKEYR0UT1NGKEY12, see https://evil.example"]}"#,
    );
    let error = deliver(shipped("pagerduty"), &refused, &opened()).await.unwrap_err();
    assert_eq!(
        error,
        DeliveryError::GiveUp {
            why: "events.pagerduty.com answered 400 (no such key ***, see hxxps[:]//evil[.]example)"
                .to_owned()
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_never_answers_is_given_up_in_time() {
    struct Silent;
    #[async_trait]
    impl HttpSend for Silent {
        async fn send(&self, _: Request<Bytes>, _: Duration) -> Result<Response<Bytes>, SendError> {
            std::future::pending().await
        }
    }
    let sink = webhook().connect(Arc::new(Silent), Arc::new(Tokens::default()));
    let before = tokio::time::Instant::now();
    let error = sink.deliver(&opened(), now()).await.unwrap_err();
    assert_eq!(error, DeliveryError::Retry { after: None, why: "webhook: no answer in time".to_owned() });
    assert_eq!(before.elapsed().as_secs(), DELIVERY_TIMEOUT.as_secs());
}

#[test]
fn a_secret_is_hidden_in_whatever_form_it_stands() {
    let key = "a\"b c/d\\e-012345678901234567890123";
    let text = file("pagerduty").replace("chars = 32\n", "");
    let text = text.replace("settings.url }}/v2", "settings.url }}/{{ settings.key }}/v2");
    let sink = prepared("pagerduty", &text, &[("STOP_GUARD_PAGERDUTY_KEY", key)]).unwrap();
    let shown = serde_json::to_string(&sink.show(&opened()).unwrap()).unwrap();
    assert!(!shown.contains("0123456789012"), "{shown}");
}
