use super::*;

/// The example of the Standard Webhooks documentation.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const SENT: i64 = 1_614_265_330;

fn headers(signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".parse().unwrap());
    headers.insert("webhook-timestamp", SENT.to_string().parse().unwrap());
    headers.insert("webhook-signature", signature.parse().unwrap());
    headers
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn receiver() -> Receiver {
    Receiver::new(Some(SECRET.parse().unwrap()))
}

fn status(receipt: Receipt) -> u16 {
    match receipt {
        Receipt::Answer { status, .. } => status.as_u16(),
        Receipt::Hang(_) => panic!("hangs"),
    }
}

#[test]
fn the_published_example_is_good() {
    let mut receiver = receiver();
    assert_eq!(status(receiver.receive(&headers(SIGNATURE), BODY, at(SENT))), 200);
    assert_eq!(receiver.deliveries()[0].signature, Signature::Good);
    let secret: Secret = SECRET.parse().unwrap();
    assert_eq!(sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", SENT, BODY).unwrap(), SIGNATURE);
}

#[test]
fn one_good_signature_among_several_is_enough() {
    let several = format!("v1a,xxxx v1,AAAA {SIGNATURE}");
    assert_eq!(status(receiver().receive(&headers(&several), BODY, at(SENT))), 200);
}

#[test]
fn a_changed_body_an_old_message_and_an_unsigned_one_are_refused() {
    let mut receiver = receiver();
    assert_eq!(status(receiver.receive(&headers(SIGNATURE), b"{}", at(SENT))), 401);
    assert_eq!(status(receiver.receive(&headers(SIGNATURE), BODY, at(SENT + 301))), 401);
    assert_eq!(status(receiver.receive(&headers("v2,x"), BODY, at(SENT))), 401);
    assert_eq!(status(receiver.receive(&HeaderMap::new(), BODY, at(SENT))), 401);
    assert_eq!(receiver.deliveries().len(), 4);
}

#[test]
fn without_a_secret_nothing_is_checked() {
    let mut receiver = Receiver::new(None);
    assert_eq!(status(receiver.receive(&HeaderMap::new(), b"text", at(SENT))), 200);
    assert_eq!(receiver.deliveries()[0].signature, Signature::Unchecked);
    assert_eq!(receiver.deliveries()[0].body, "text");
}

#[test]
fn a_behaviour_lasts_as_often_as_it_says() {
    let mut receiver = receiver();
    receiver.behave(Behaviour { status: 429, retry_after: Some(7), hang: None, times: Some(2) });
    let mut next = || receiver.receive(&headers(SIGNATURE), BODY, at(SENT));
    let limited = Receipt::Answer { status: StatusCode::TOO_MANY_REQUESTS, retry_after: Some(7) };
    assert_eq!(next(), limited);
    assert_eq!(next(), limited);
    assert_eq!(status(next()), 200);
}

#[test]
fn a_delivery_that_hangs_is_remembered_without_an_answer() {
    let mut receiver = receiver();
    let time = SignedDuration::from_secs(30);
    receiver.behave(Behaviour { hang: Some(time), ..Behaviour::default() });
    assert_eq!(receiver.receive(&headers(SIGNATURE), BODY, at(SENT)), Receipt::Hang(time));
    assert_eq!(receiver.deliveries()[0].answered, None);
}

#[test]
fn a_secret_that_is_none_is_refused() {
    for text in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_short", "whsec_!!"] {
        assert_eq!(text.parse::<Secret>().unwrap_err(), BadSignature::NoSecret, "{text}");
    }
}
