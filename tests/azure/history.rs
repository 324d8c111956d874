//! A whole scope's starts and stops: pages, throttling, budgets, and what is not followed.

use std::sync::Arc;
use std::time::Duration;

use aks_stop_guard::azure::power_history::Progress;
use aks_stop_guard::azure::{ArmError, TransportError};
use aks_stop_guard::domain::{LogScope, ScopeReading};
use bytes::Bytes;
use http::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::double::{ID, Script, answer, arm, fixture, recorded};

const BUDGET: Duration = Duration::from_secs(600);
const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

type Answer = Result<Response<Bytes>, TransportError>;

/// A page with one stop.
fn page(number: u8, next: Option<&str>) -> Answer {
    let record = json!({
        "operationName": { "value": "Microsoft.ContainerService/managedClusters/stop/action" },
        "resourceId": ID,
        "operationId": number.to_string(),
        "status": { "value": "Started" },
        "eventTimestamp": format!("2026-09-0{number}T18:00:00Z"),
    });
    let mut page = json!({ "value": [record] });
    if let Some(link) = next {
        page["nextLink"] = Value::String(link.to_owned());
    }
    Ok(answer(200, &[], &page))
}

async fn read(script: &Arc<Script>, budget: Duration) -> Result<(ScopeReading, Vec<Progress>), ArmError> {
    let scope = LogScope::parse(SUBSCRIPTION).unwrap();
    let until: Timestamp = "2026-09-14T18:00:00Z".parse().unwrap();
    let mut heard = Vec::new();
    let since = until - SignedDuration::from_hours(400 * 24);
    let reading =
        arm(script).power_history(&scope, since, until, budget, &mut |progress| heard.push(progress)).await?;
    Ok((reading, heard))
}

#[tokio::test(start_paused = true)]
async fn all_pages_are_read_and_the_oldest_stop_comes_first() {
    let link = "https://management.azure.com/next?x=1";
    let script = Script::of([page(3, Some(link)), page(2, Some(link)), page(1, None)]);
    let (reading, heard) = read(&script, BUDGET).await.unwrap();
    let days: Vec<String> =
        reading.operations.iter().map(|op| op.operation.began_at.strftime("%d").to_string()).collect();
    assert_eq!((days, reading.is_cut), (vec!["01".to_owned(), "02".to_owned(), "03".to_owned()], false));
    assert_eq!(heard.last(), Some(&Progress { pages: 3, operations: 3 }));
    let first = script.sent.lock().unwrap()[0].uri().to_string();
    assert!(first.contains("resourceProvider%20eq%20%27Microsoft.ContainerService%27"), "{first}");
    assert!(first.contains("2026-06-16T19%3A05%3A00Z"), "the window begins where the log does: {first}");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_page_is_read_when_azure_said() {
    let throttled = || Ok(recorded(&fixture("errors/429_aks_throttled.json")));
    let script = Script::of([throttled(), throttled(), page(1, None)]);
    let before = Instant::now();
    assert_eq!(read(&script, BUDGET).await.unwrap().0.operations.len(), 1);
    assert!((106..110).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_throttled_page_that_would_come_too_late_ends_the_reading() {
    let script = Script::of([Ok(recorded(&fixture("errors/429_aks_throttled.json")))]);
    let before = Instant::now();
    let ended = read(&script, Duration::from_secs(30)).await;
    assert!(matches!(ended, Err(ArmError::RetryAfter { .. })), "{ended:?}");
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_log_without_end_is_cut_and_says_so() {
    let link = "https://management.azure.com/next";
    let script = Script::of((0..500).map(|_| page(1, Some(link))));
    let (reading, _) = read(&script, BUDGET).await.unwrap();
    assert!(reading.is_cut);
    assert_eq!(script.requests(), 500);
}

#[tokio::test(start_paused = true)]
async fn a_next_page_on_another_host_is_not_followed() {
    let script = Script::of([page(1, Some("https://evil.example/next"))]);
    assert!(matches!(read(&script, BUDGET).await, Err(ArmError::Malformed(_))));
    assert_eq!(script.requests(), 1);
}
