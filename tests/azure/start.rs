//! The start: one POST, whatever comes of it.

use std::sync::Arc;
use std::time::Duration;

use aks_stop_guard::azure::{ArmError, StartReply, TransportError};
use aks_stop_guard::domain::RequestIds;
use serde_json::Value;

use crate::double::{ID, Log, Script, TOKEN, Tokens, answer, arm, arm_with, fixture, id, names, recorded};

const TIMEOUT: Duration = Duration::from_secs(20);

async fn reply_to(answer: Result<http::Response<bytes::Bytes>, TransportError>) -> (StartReply, Arc<Script>) {
    // One answer only: a second request fails the test.
    let script = Script::of([answer]);
    let prepared = arm(&script).prepare_start(&id(), "nonce-1").await.unwrap();
    assert_eq!(script.requests(), 0, "nothing is sent before the last check");
    let reply = prepared.send(TIMEOUT).await;
    assert_eq!(script.requests(), 1);
    (reply, script)
}

#[tokio::test(start_paused = true)]
async fn every_way_of_accepting_a_start_is_understood() {
    for name in names("start") {
        let (reply, _script) = reply_to(Ok(recorded(&fixture(&format!("start/{name}"))))).await;
        let StartReply::Accepted { ids } = reply else { panic!("{name}: {reply:?}") };
        assert_eq!(ids.request_id.as_deref(), Some("81466ee3-cd6c-444d-aa1c-43892d58f09e"), "{name}");
    }
    assert_eq!(names("start").len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_start_is_one_empty_post_to_the_cluster_with_the_nonce() {
    let (_reply, script) = reply_to(Ok(answer(202, &[], &Value::Null))).await;
    let sent = script.sent.lock().unwrap();
    let request = &sent[0];
    assert_eq!(request.method(), "POST");
    assert_eq!(
        request.uri().to_string(),
        format!("https://management.azure.com{ID}/start?api-version=2025-10-01")
    );
    assert!(request.body().is_empty());
    assert_eq!(request.headers()["content-length"], "0");
    assert_eq!(request.headers()["x-ms-client-request-id"], "nonce-1");
    assert_eq!(*script.timeouts.lock().unwrap(), [TIMEOUT]);
}

#[tokio::test(start_paused = true)]
async fn no_error_makes_a_start_be_sent_twice_and_none_is_taken_for_another_kind() {
    for name in names("errors") {
        let error = fixture(&format!("errors/{name}"));
        let status = error["status"].as_u64().unwrap();
        let (reply, _script) = reply_to(Ok(recorded(&error))).await;
        match (&reply, status) {
            (StartReply::Unknown { .. }, 500..) | (StartReply::Refused { .. }, 400..500) => {}
            _ => panic!("{name}: {reply:?}"),
        }
    }
    for status in [301, 302, 307, 308, 404, 502, 504] {
        let headers = [("location", "https://evil.example/")];
        let (reply, _script) = reply_to(Ok(answer(status, &headers, &Value::Null))).await;
        assert!(!matches!(reply, StartReply::Accepted { .. }), "{status}: {reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_failed_connection_proves_that_nothing_was_sent() {
    let refused = TransportError::NotConnected("refused".to_owned());
    assert_eq!(reply_to(Err(refused.clone())).await.0, StartReply::NotSent { error: refused.into() });
    for open in
        [TransportError::TimedOut, TransportError::Broken("reset".to_owned()), TransportError::TooLarge]
    {
        let (reply, _script) = reply_to(Err(open.clone())).await;
        assert_eq!(
            reply,
            StartReply::Unknown { error: ArmError::Unreachable(open), ids: RequestIds::default() }
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_dropped_and_the_cluster_looked_at_again() {
    let tokens = Arc::new(Tokens::default());
    let script = Script::of([Ok(recorded(&fixture("errors/401_expired_token.json")))]);
    let prepared = arm_with(&script, tokens.clone()).prepare_start(&id(), "n").await.unwrap();
    let reply = prepared.send(TIMEOUT).await;
    assert!(matches!(reply, StartReply::Refused { error: ArmError::Wait(_), .. }), "{reply:?}");
    assert_eq!(*tokens.rejected.lock().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_token_or_with_a_hostile_nonce_nothing_is_prepared() {
    let broken = Arc::new(Tokens { broken: true, ..Tokens::default() });
    let script = Script::of([]);
    let error = arm_with(&script, broken).prepare_start(&id(), "n").await.unwrap_err();
    assert!(matches!(error, ArmError::NoToken(_)) && error.needs_people(), "{error}");
    for nonce in ["a\r\nx-evil: 1", &"n".repeat(65)] {
        let error = arm(&script).prepare_start(&id(), nonce).await.unwrap_err();
        assert!(matches!(error, ArmError::Malformed(_)), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_token_is_in_the_request_and_nowhere_else() {
    let log = Log::start();
    let script = Script::of([Ok(recorded(&fixture("errors/401_expired_token.json")))]);
    let arm = arm(&script);
    let prepared = arm.prepare_start(&id(), "n").await.unwrap();
    let mut shown = format!("{arm:?} {prepared:?}");
    let reply = prepared.send(TIMEOUT).await;
    shown += &format!("{reply:?} {:?}", script.sent.lock().unwrap());
    assert_eq!(script.bearers(), [format!("Bearer {TOKEN}")]);
    assert!(log.text().contains("azure resource manager answered"), "{}", log.text());
    shown += &log.text();
    assert!(!shown.contains("canary"), "{shown}");
}
