//! Looks and the activity log: retries, budgets, tokens, clocks, and what is not believed.

use std::sync::Arc;
use std::time::Duration;

use aks_stop_guard::azure::{ArmError, TransportError};
use aks_stop_guard::domain::{Found, Look};
use bytes::Bytes;
use http::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::double::{ID, Log, Script, Still, Tokens, answer, arm, arm_with, fixture, id, recorded};

const BUDGET: Duration = Duration::from_secs(20);

type Answer = Result<Response<Bytes>, TransportError>;

fn cluster() -> Answer {
    Ok(answer(200, &[], &fixture("managed_cluster/get_stopped.json")))
}

fn error(name: &str) -> Answer {
    Ok(recorded(&fixture(&format!("errors/{name}.json"))))
}

async fn look(script: &Arc<Script>) -> Result<Look, ArmError> {
    arm(script).look(&id(), BUDGET).await
}

#[tokio::test(start_paused = true)]
async fn a_look_is_one_get_of_the_cluster() {
    let script = Script::of([cluster()]);
    let look = look(&script).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&look.body.unwrap()).unwrap();
    assert_eq!(body, fixture("managed_cluster/get_stopped.json"), "its body is kept");
    let sent = script.sent.lock().unwrap();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].method(), "GET");
    assert_eq!(sent[0].uri().to_string(), format!("https://management.azure.com{ID}?api-version=2025-10-01"));
}

#[tokio::test(start_paused = true)]
async fn reads_are_tried_again_after_what_passes() {
    let broken = || Err(TransportError::Broken("reset".to_owned()));
    let script =
        Script::of([broken(), error("500_internal_plain_text"), error("429_no_retry_after"), cluster()]);
    assert!(matches!(look(&script).await.unwrap().found, Found::Cluster(_)));
    assert_eq!(script.requests(), 4);
}

#[tokio::test(start_paused = true)]
async fn reads_are_given_up_after_five_tries() {
    let script = Script::of((0..5).map(|_| error("500_internal_plain_text")));
    assert!(matches!(look(&script).await, Err(ArmError::Wait(_))));
    assert_eq!(script.requests(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_within_the_budget_is_slept() {
    let script = Script::of([error("503_server_timeout"), cluster()]);
    let before = Instant::now();
    look(&script).await.unwrap();
    assert!((10..12).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_beyond_the_budget_is_handed_on_at_once() {
    let script = Script::of([error("429_aks_throttled")]);
    let before = Instant::now();
    let Err(ArmError::RetryAfter { after, .. }) = look(&script).await else { panic!("not handed on") };
    assert_eq!(after, Duration::from_secs(53));
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn no_try_is_given_more_time_than_the_budget_has_left() {
    let script = Script::of([cluster()]);
    arm(&script).look(&id(), Duration::from_secs(3)).await.unwrap();
    assert_eq!(*script.timeouts.lock().unwrap(), [Duration::from_secs(3)]);
    let script = Script::of([]);
    let spent = arm(&script).look(&id(), Duration::ZERO).await;
    assert_eq!(spent, Err(ArmError::Unreachable(TransportError::TimedOut)));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_is_not_tried_again() {
    for name in
        ["403_authorization_failed", "400_availability_set", "409_scope_locked", "sync_quota_exceeded"]
    {
        let script = Script::of([error(name)]);
        assert!(look(&script).await.unwrap_err().needs_people(), "{name}");
        assert_eq!(script.requests(), 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_arm_itself_says_that_a_cluster_is_gone() {
    for name in ["404_resource_not_found", "404_resource_group_not_found", "404_subscription_not_found"] {
        let script = Script::of([error(name)]);
        assert_eq!(look(&script).await.unwrap().found, Found::Gone, "{name}");
    }
    for body in [
        json!(null),
        json!("<html>404 Not Found</html>"),
        json!({"message": "no route"}),
        json!({"error": {"code": "InvalidResourceType", "message": "wrong api-version"}}),
    ] {
        let script = Script::of([Ok(answer(404, &[], &body))]);
        assert!(matches!(look(&script).await, Err(ArmError::Refused(_))), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_clusters_body_is_not_believed() {
    let mut body = fixture("managed_cluster/get_stopped.json");
    body["id"] = json!(ID.replace("aks-prod-01", "aks-prod-02"));
    let script = Script::of([Ok(answer(200, &[], &body))]);
    assert!(matches!(look(&script).await, Err(ArmError::Malformed(_))));
    for status in [201, 202, 204] {
        let script = Script::of([Ok(answer(status, &[], &Value::Null))]);
        assert!(matches!(look(&script).await, Err(ArmError::Malformed(_))), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_replaced_once() {
    let tokens = Arc::new(Tokens::default());
    let script = Script::of([error("401_expired_token"), cluster()]);
    arm_with(&script, tokens.clone()).look(&id(), BUDGET).await.unwrap();
    assert_eq!(script.bearers(), ["Bearer canary-token-0", "Bearer canary-token-1"]);

    let script = Script::of([error("401_expired_token"), error("401_expired_token")]);
    let denied = arm_with(&script, tokens).look(&id(), BUDGET).await.unwrap_err();
    assert!(matches!(denied, ArmError::Denied(_)) && denied.advice().contains("credential"), "{denied}");
}

#[tokio::test(start_paused = true)]
async fn without_a_token_nothing_is_sent() {
    let script = Script::of([]);
    let broken = Arc::new(Tokens { broken: true, ..Tokens::default() });
    assert!(matches!(arm_with(&script, broken).look(&id(), BUDGET).await, Err(ArmError::NoToken(_))));
}

#[tokio::test(start_paused = true)]
async fn a_look_carries_the_time_of_sending_on_arms_clock() {
    let local = Still::new().0;
    let dated = |date: &str| {
        let body = fixture("managed_cluster/get_stopped.json");
        Script::of([Ok(answer(200, &[("date", date)], &body))])
    };
    let script = dated("Mon, 14 Sep 2026 18:05:01 GMT");
    let client = arm(&script);
    assert_eq!(client.look(&id(), BUDGET).await.unwrap().sent_at, local, "under the header's resolution");

    let script = dated("Mon, 14 Sep 2026 18:05:42 GMT");
    let client = arm(&script);
    let look = client.look(&id(), BUDGET).await.unwrap();
    let ahead = SignedDuration::from_millis(42_500);
    assert_eq!(look.sent_at, local.checked_add(ahead).unwrap());
    assert_eq!(client.clone().clock_offset(), ahead, "clones share it");
    assert_eq!(client.arm_now(), local.checked_add(ahead).unwrap());
}

async fn operations(script: &Arc<Script>, since: &str, until: &str) -> Result<usize, ArmError> {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let reading = arm(script).power_operations(&id(), at(since), at(until), BUDGET).await;
    reading.map(|reading| reading.operations.len())
}

fn page(link: Option<&str>) -> Answer {
    let mut page = fixture("activity_log/stop_by_correlation_id.json");
    page["nextLink"] = json!(link);
    Ok(answer(200, &[], &page))
}

#[tokio::test(start_paused = true)]
async fn the_log_is_asked_for_the_window_and_the_cluster_and_its_pages_are_followed() {
    let next = "https://management.azure.com/subscriptions/x?$skipToken=a%20b";
    let script = Script::of([page(Some(next)), page(None)]);
    let read = operations(&script, "2026-09-14T17:00:00Z", "2026-09-14T19:00:00Z").await;
    assert_eq!(read, Ok(1), "the same operation on two pages is one");
    let sent = script.sent.lock().unwrap();
    insta::assert_snapshot!(sent[0].uri(), @"https://management.azure.com/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter=eventTimestamp%20ge%20%272026-09-14T17%3A00%3A00Z%27%20and%20eventTimestamp%20le%20%272026-09-14T19%3A00%3A00Z%27%20and%20resourceUri%20eq%20%27%2Fsubscriptions%2Faaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e%2FresourceGroups%2Frg-prod-weu%2Fproviders%2FMicrosoft.ContainerService%2FmanagedClusters%2Faks-prod-01%27");
    assert_eq!(sent[1].uri().to_string(), next);
}

#[tokio::test(start_paused = true)]
async fn a_next_page_on_another_host_is_refused_and_gets_no_token() {
    for foreign in ["https://evil.example/x", "http://management.azure.com/x", "//evil.example/x"] {
        let script = Script::of([page(Some(foreign))]);
        let read = operations(&script, "2026-09-14T17:00:00Z", "2026-09-14T19:00:00Z").await;
        assert!(matches!(read, Err(ArmError::Malformed(_))), "{foreign}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_without_end_is_read_for_ten_pages() {
    let next = "https://management.azure.com/next";
    let script = Script::of((0..10).map(|_| page(Some(next))));
    assert_eq!(operations(&script, "2026-09-14T17:00:00Z", "2026-09-14T19:00:00Z").await, Ok(1));
    assert_eq!(script.requests(), 10);
}

#[tokio::test(start_paused = true)]
async fn the_log_is_never_asked_for_more_than_it_keeps() {
    let script = Script::of([Ok(answer(200, &[], &fixture("activity_log/empty.json")))]);
    operations(&script, "2020-01-01T00:00:00Z", "2026-09-14T19:00:00Z").await.unwrap();
    let url = script.sent.lock().unwrap()[0].uri().to_string();
    assert!(url.contains("ge%20%272026-06-17T18%3A05%3A00Z%27"), "{url}");
    let script = Script::of([]);
    assert_eq!(operations(&script, "2026-09-14T19:00:00Z", "2026-09-14T17:00:00Z").await, Ok(0));
}

#[tokio::test(start_paused = true)]
async fn no_token_is_in_a_log_line_or_an_error() {
    let log = Log::start();
    let hostile = json!({"error": {"code": "X", "message": format!("Bearer {}", "canary".repeat(9))}});
    let script =
        Script::of([error("401_expired_token"), Ok(answer(403, &[("x-ms-request-id", "r-1")], &hostile))]);
    let error = look(&script).await.unwrap_err();
    let shown = format!("{error} {error:?} {}", log.text());
    assert!(shown.contains("r-1"), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
}
