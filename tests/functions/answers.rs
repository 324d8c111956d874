//! Every answer of the server, over a real socket, is one that the host can take.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use aks_stop_guard::functions::{BODY_BYTES_MAX, PARALLEL_INVOCATIONS_MAX};
use serde_json::json;

use crate::host::{Answer, Connection, Endless, Noted, Verdict, chunked, serve, sized};
use crate::requests::{Expected, all};

async fn ask(invocations: Arc<Noted>, request: &[u8]) -> Answer {
    let address = serve(invocations).await;
    Connection::open(address).await.exchange(request).await.expect("an answer")
}

#[tokio::test]
async fn every_request_of_the_host_is_answered_so_that_the_host_goes_on() {
    let noted = Arc::new(Noted::default());
    let address = serve(Arc::clone(&noted)).await;
    let mut connection = Connection::open(address).await;
    let (mut events, mut requests, mut sweeps) = (0, 0, 0);
    for sent in all() {
        let (path, verdict) = match sent.expected {
            Expected::Events(counts) => {
                events += counts[sent.nth];
                ("/StopActionHandler", Verdict::Success)
            }
            Expected::Http => {
                requests += 1;
                ("/Evaluate", Verdict::Success)
            }
            Expected::Timer => {
                sweeps += 1;
                // Our double says that its store is away.
                ("/Sweep", Verdict::Failure)
            }
            Expected::Shortened => ("/StopActionHandler", Verdict::Success),
            // One that is refused would only become poison: it is acknowledged, too.
            Expected::Queue(count) => {
                events += count.unwrap_or_default();
                (sent.path.as_str(), Verdict::Success)
            }
            Expected::Probe => (sent.path.as_str(), Verdict::Success),
            Expected::Forwarded => (sent.path.as_str(), Verdict::Failure),
            Expected::Described => continue,
        };
        let as_chunks = sent.headers.iter().any(|(name, _)| name == "Transfer-Encoding");
        let request = if as_chunks {
            chunked(path, sent.body.as_bytes())
        } else {
            sized(&sent.method, path, sent.body.as_bytes())
        };
        let answer = connection.exchange(&request).await.expect("the connection is kept");
        assert_eq!(answer.verdict(), verdict, "{}: {answer:?}", sent.file);
        assert!(answer.json().is_object(), "{}: {answer:?}", sent.file);
    }
    assert_eq!(noted.events.lock().unwrap().len(), events);
    assert_eq!(noted.requests.lock().unwrap().len(), requests);
    assert_eq!(noted.sweeps.load(Ordering::SeqCst), sweeps);
    assert!(events > 70 && requests > 12 && sweeps > 20, "{events} {requests} {sweeps}");
}

#[tokio::test]
async fn odd_requests_get_json_and_never_an_empty_success() {
    let address = serve(Arc::new(Noted::default())).await;
    let envelope = br#"{"Data":{"e":{"id":1}}}"#;
    for (method, path, body, status) in [
        ("GET", "/", &b""[..], 200),
        ("GET", "/?checkHealth=1", b"", 200),
        ("POST", "/", b"", 405),
        ("GET", "/StopActionHandler", b"", 405),
        ("PUT", "/StopActionHandler", envelope, 405),
        ("OPTIONS", "/StopActionHandler", b"", 405),
        ("POST", "/stopactionhandler", envelope, 404),
        ("POST", "/StopActionHandler/", envelope, 404),
        ("POST", "/api/Evaluate", b"{}", 404),
        ("POST", "/../../etc/passwd", b"", 404),
        ("POST", "/StopActionHandler?x=%00", envelope, 200),
        ("POST", "/StopActionHandler", b"", 200),
        ("POST", "/StopActionHandler", b"   ", 200),
        ("POST", "/StopActionHandler", b"null", 200),
        ("POST", "/StopActionHandler", b"{}", 200),
        ("POST", "/StopActionHandler", b"{\"Data\":{\"e\":", 200),
        ("POST", "/StopActionHandler", b"{\"Data\":{\"e\":\"\xff\"}}", 200),
        ("POST", "/StopActionHandler", b"{\"Data\":{\"e\":{\"do\":\"panic\"}}}", 500),
        ("GET", "/StopActionQueue", b"", 405),
        ("POST", "/StopActionQueue", b"", 200),
        ("POST", "/StopActionQueue", b"{\"Data\":{\"message\":\"\\\"hello\\\"\"}}", 200),
        ("POST", "/StopActionQueue", b"{\"Data\":{\"message\":\"\\\"eyJkbyI6InBhbmljIn0=\\\"\"}}", 500),
        ("POST", "/Sweep", b"not json at all", 503),
        ("POST", "/Evaluate", b"not json at all", 200),
    ] {
        let mut connection = Connection::open(address).await;
        let answer = connection.exchange(&sized(method, path, body)).await.expect("an answer");
        let case = format!("{method} {path} {}: {answer:?}", String::from_utf8_lossy(body));
        assert_eq!(answer.status, status, "{case}");
        assert_ne!(answer.verdict(), Verdict::Hang, "{case}");
        assert_eq!(answer.content_type.as_deref(), Some("application/json"), "{case}");
        assert!(answer.json().is_object(), "{case}");
    }
    // The panic took nothing with it.
    let mut connection = Connection::open(address).await;
    let answer = connection.exchange(&chunked("/StopActionHandler", envelope)).await.expect("an answer");
    assert_eq!(answer.logs(), ["took 1"]);
}

#[tokio::test]
async fn a_bad_delivery_is_acknowledged_with_its_reason_and_never_taken() {
    let many = format!(r#"{{"Data":{{"e":[{}]}}}}"#, vec!["{}"; 10_000].join(","));
    let deep = format!(r#"{{"Data":{{"e":{}{}}}}}"#, "[".repeat(100_000), "]".repeat(99_999));
    for (body, reason) in [
        (
            many,
            "refused: the body holds 10000 events, more than the 5000 of the largest batch that Event Grid sends",
        ),
        (
            deep,
            "refused: the body is not an envelope of the Functions host (a syntax error at line 1, column 200013)",
        ),
    ] {
        let noted = Arc::new(Noted::default());
        let answer = ask(Arc::clone(&noted), &chunked("/StopActionHandler", body.as_bytes())).await;
        assert_eq!((answer.verdict(), answer.logs()), (Verdict::Success, vec![reason.to_owned()]));
        assert!(noted.events.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_hundred_thousand_levels_of_nesting_arrive_as_one_event() {
    let event = format!(r#"{{"x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let noted = Arc::new(Noted::default());
    let body = json!({"Data": {"e": event}, "Metadata": {"data": event}}).to_string();
    let answer = ask(Arc::clone(&noted), &chunked("/StopActionHandler", body.as_bytes())).await;
    assert_eq!(answer.logs(), ["took 1"]);
    assert_eq!(*noted.events.lock().unwrap(), [event]);
}

#[tokio::test]
async fn a_body_may_have_eight_mebibytes_and_not_one_byte_more() {
    let of_length = |length: usize| {
        let (before, after) = (br#"{"Data":{"e":{"x":""#, br#""}}}"#);
        let mut body = before.to_vec();
        body.resize(length - after.len(), b'x');
        body.extend_from_slice(after);
        body
    };
    let noted = Arc::new(Noted::default());
    for request in [
        chunked("/StopActionHandler", &of_length(BODY_BYTES_MAX)),
        sized("POST", "/StopActionHandler", &of_length(BODY_BYTES_MAX)),
    ] {
        assert_eq!(ask(Arc::clone(&noted), &request).await.logs(), ["took 1"]);
    }
    assert_eq!(noted.events.lock().unwrap().len(), 2);
    let too_long = of_length(BODY_BYTES_MAX + 1);
    for request in [chunked("/StopActionHandler", &too_long), sized("POST", "/StopActionHandler", &too_long)]
    {
        let answer = ask(Arc::clone(&noted), &request).await;
        assert_eq!(answer.verdict(), Verdict::Success, "it would be as long if it came again: {answer:?}");
        assert_eq!(answer.logs(), ["the body is longer than 8388608 bytes"]);
    }
    let answer = ask(Arc::clone(&noted), &chunked("/Evaluate", &too_long)).await;
    assert_eq!(answer.json()["Outputs"]["res"]["statusCode"], 413);
    assert_eq!(noted.events.lock().unwrap().len(), 2, "nothing of the long ones was taken");
}

#[tokio::test]
async fn a_body_that_is_too_long_is_read_to_its_end_so_that_its_sender_gets_the_answer() {
    let address = serve(Arc::new(Noted::default())).await;
    let mut connection = Connection::open(address).await;
    let too_long = vec![b'x'; 2 * BODY_BYTES_MAX];
    let answer = connection.exchange(&chunked("/StopActionHandler", &too_long)).await.expect("an answer");
    assert_eq!(answer.verdict(), Verdict::Success);
    let probe = connection.exchange(&sized("GET", "/", b"")).await.expect("the connection is kept");
    assert_eq!(probe.status, 200);
}

#[tokio::test]
async fn what_is_not_http_is_never_a_success() {
    let address = serve(Arc::new(Noted::default())).await;
    for request in [
        &b"\x16\x03\x01 a TLS client\r\n\r\n"[..],
        b"POST /StopActionHandler HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"POST /StopActionHandler HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        b"POST /StopActionHandler HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    ] {
        let answer = Connection::open(address).await.exchange(request).await;
        assert!(
            answer.as_ref().is_none_or(|answer| answer.verdict() == Verdict::Failure),
            "{answer:?} to {}",
            String::from_utf8_lossy(request)
        );
    }
}

#[tokio::test]
async fn the_probe_is_answered_while_every_place_is_taken() {
    let endless = Endless::new();
    let address = serve(Arc::clone(&endless)).await;
    let request = chunked("/StopActionHandler", br#"{"Data":{"e":{"id":1}}}"#);
    for _ in 0..2 * PARALLEL_INVOCATIONS_MAX {
        let request = request.clone();
        tokio::spawn(async move { Connection::open(address).await.exchange(&request).await });
    }
    let all = u32::try_from(PARALLEL_INVOCATIONS_MAX).unwrap();
    endless.begun.acquire_many(all).await.unwrap().forget();
    let answer = Connection::open(address).await.exchange(&sized("GET", "/", b"")).await.expect("an answer");
    assert_eq!((answer.status, answer.verdict()), (200, Verdict::Success));
}
