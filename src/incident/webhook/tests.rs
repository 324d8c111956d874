use std::sync::Mutex;

use super::samples::{now, opened};
use super::*;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const URL: &str = "https://hooks.example/services/T0K3N?sig=S1GN4TURE";

/// Gives the same answer to every request and keeps the requests.
struct Answers {
    answer: Result<(u16, Vec<(String, String)>), SendError>,
    requests: Mutex<Vec<(Request<Bytes>, Duration)>>,
}

impl Answers {
    fn of(status: u16, headers: &[(&str, &str)]) -> Arc<Self> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Arc::new(Self { answer: Ok((status, headers)), requests: Mutex::default() })
    }

    fn failing(error: SendError) -> Arc<Self> {
        Arc::new(Self { answer: Err(error), requests: Mutex::default() })
    }
}

#[async_trait]
impl HttpSend for Answers {
    async fn send(&self, request: Request<Bytes>, timeout: Duration) -> Result<Response<Bytes>, SendError> {
        self.requests.lock().unwrap().push((request, timeout));
        let (status, headers) = self.answer.clone()?;
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(name, value);
        }
        Ok(response.body(Bytes::from_static(b"a body that nobody shows")).unwrap())
    }
}

async fn deliver(http: Arc<Answers>) -> Result<Delivered, DeliveryError> {
    Webhook::new(URL, Some(SECRET), http).unwrap().deliver(&opened(), now()).await
}

#[tokio::test]
async fn a_delivery_is_one_signed_post() {
    let http = Answers::of(202, &[]);
    assert_eq!(deliver(http.clone()).await, Ok(Delivered { status: 202, reference: None }));
    let requests = http.requests.lock().unwrap();
    let [(request, timeout)] = requests.as_slice() else { panic!("one request") };
    assert_eq!((request.method().as_str(), request.uri().to_string()), ("POST", URL.to_owned()));
    assert_eq!(*timeout, WEBHOOK_TIMEOUT);
    let headers = request.headers();
    assert_eq!(headers["content-type"], "application/cloudevents+json; charset=utf-8");
    assert_eq!(headers["webhook-id"], message_id(&opened()));
    assert_eq!(headers["webhook-timestamp"], now().as_second().to_string());
    assert!(headers["webhook-signature"].to_str().unwrap().starts_with("v1,"));
}

#[tokio::test]
async fn a_repeat_has_the_same_id_and_body_and_a_time_of_its_own() {
    let http = Answers::of(503, &[]);
    let webhook = Webhook::new(URL, Some(SECRET), http.clone()).unwrap();
    for time in [now(), now() + jiff::SignedDuration::from_secs(60)] {
        webhook.deliver(&opened(), time).await.unwrap_err();
    }
    let requests = http.requests.lock().unwrap();
    let [(first, _), (second, _)] = requests.as_slice() else { panic!("two requests") };
    assert_eq!(first.headers()["webhook-id"], second.headers()["webhook-id"]);
    assert_eq!(first.body(), second.body());
    assert_ne!(first.headers()["webhook-timestamp"], second.headers()["webhook-timestamp"]);
    assert_ne!(first.headers()["webhook-signature"], second.headers()["webhook-signature"]);
}

#[tokio::test]
async fn without_a_secret_messages_are_unsigned() {
    let http = Answers::of(200, &[]);
    Webhook::new(URL, None, http.clone()).unwrap().deliver(&opened(), now()).await.unwrap();
    let requests = http.requests.lock().unwrap();
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
        let outcome = deliver(Answers::of(status, &[])).await.map(|_| ()).map_err(|error| match error {
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
            let error = deliver(Answers::of(status, &[("retry-after", text)])).await.unwrap_err();
            let DeliveryError::Retry { after, .. } = error else { panic!("{text}") };
            assert_eq!(after, seconds.map(Duration::from_secs), "{text}");
        }
    }
}

#[tokio::test]
async fn no_answer_is_tried_again() {
    for error in [SendError::NotConnected, SendError::TimedOut, SendError::Broken, SendError::TooLarge] {
        let outcome = deliver(Answers::failing(error)).await.unwrap_err();
        assert!(matches!(outcome, DeliveryError::Retry { after: None, .. }), "{outcome}");
    }
}

#[tokio::test]
async fn neither_the_url_nor_the_secret_is_ever_shown() {
    let mut shown = vec![format!("{:?}", Webhook::new(URL, Some(SECRET), Answers::of(200, &[])).unwrap())];
    for http in [
        Answers::of(302, &[]),
        Answers::of(410, &[]),
        Answers::of(500, &[]),
        Answers::failing(SendError::Broken),
    ] {
        let error = deliver(http).await.unwrap_err();
        shown.push(format!("{error} {error:?}"));
    }
    for (url, secret) in [
        ("http://hooks.example/T0K3N", SECRET),
        ("https://u:T0K3N@hooks.example/", SECRET),
        ("T0K3N", SECRET),
        (URL, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        (URL, "whsec_MfKQ"),
    ] {
        let error = Webhook::new(url, Some(secret), Answers::of(200, &[])).unwrap_err();
        shown.push(format!("{error} {error:?}"));
    }
    let shown = shown.join("\n");
    for secret in ["T0K3N", "S1GN", "MfKQ", "nobody shows"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    insta::assert_snapshot!(shown, @r#"
    Webhook { host: "hooks.example", signed: true }
    hooks.example answered 302: redirects are not followed, set the URL it redirects to Retry { after: Some(300s), why: "hooks.example answered 302: redirects are not followed, set the URL it redirects to" }
    hooks.example answered 410: it wants no more messages GiveUp { why: "hooks.example answered 410: it wants no more messages" }
    hooks.example answered 500 Retry { after: None, why: "hooks.example answered 500" }
    hooks.example: the connection broke Retry { after: None, why: "hooks.example: the connection broke" }
    webhook URL must be https, or http to this machine Address(Insecure)
    webhook URL must not hold a user name or password Address(Credentials)
    webhook URL is not a URL Address(Malformed)
    webhook secret must start with `whsec_` Secret(Prefix)
    webhook secret must hold 24 to 64 bytes Secret(Length)
    "#);
}

#[test]
fn only_https_and_this_machine_get_messages() {
    for (url, expected) in [
        ("https://hooks.example/x", Ok("hooks.example")),
        ("HTTPS://HOOKS.example:8443", Ok("hooks.example")),
        ("https://bücher.example/?a=|{}^", Ok("xn--bcher-kva.example")),
        ("http://127.0.0.1:8080/hook", Ok("127.0.0.1")),
        ("http://[::1]:8080/hook#fragment", Ok("[::1]")),
        ("http://localhost/hook", Ok("localhost")),
        ("http://hooks.example/x", Err(AddressError::Insecure)),
        ("http://127.0.0.1.evil.example/x", Err(AddressError::Insecure)),
        ("http://169.254.169.254/latest", Err(AddressError::Insecure)),
        ("http://user@127.0.0.1/x", Err(AddressError::Credentials)),
        ("ftp://127.0.0.1/x", Err(AddressError::Insecure)),
        ("file:///etc/passwd", Err(AddressError::Malformed)),
        ("hooks.example/x", Err(AddressError::Malformed)),
        ("https://", Err(AddressError::Malformed)),
        ("", Err(AddressError::Malformed)),
    ] {
        assert_eq!(
            Address::parse(url).as_ref().map(Address::host).map_err(|error| *error),
            expected,
            "{url}"
        );
    }
    assert!(Address::parse(&format!("https://a.example/{}", "x".repeat(3_000))).is_err());
}
