//! Questions to Resource Graph: pages, the quota, throttling, and what is not believed.

use std::sync::Arc;
use std::time::Duration;

use aks_stop_guard::azure::{GraphReading, TransportError, Unfinished};
use aks_stop_guard::domain::{ManagementGroup, SubscriptionId};
use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::double::{Script, answer, arm, fixture, names, recorded};

const BUDGET: Duration = Duration::from_secs(15);
const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

type Answer = Result<Response<Bytes>, TransportError>;

fn page(name: &str, headers: &[(&str, &str)]) -> Answer {
    Ok(answer(200, headers, &fixture(&format!("resource_graph/{name}.json"))))
}

fn error(name: &str) -> Answer {
    Ok(recorded(&fixture(&format!("errors/{name}.json"))))
}

async fn ask(script: &Arc<Script>) -> GraphReading {
    arm(script).clusters_down(&[SubscriptionId::parse(SUBSCRIPTION).unwrap()], BUDGET).await
}

fn clusters(reading: &GraphReading) -> Vec<&str> {
    reading.down.iter().map(|row| row.cluster.name()).collect()
}

fn bodies(script: &Script) -> Vec<Value> {
    let sent = script.sent.lock().unwrap();
    sent.iter().map(|request| serde_json::from_slice(request.body()).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn every_page_of_the_fixtures_is_read() {
    let table =
        [("response_empty", Vec::new()), ("response_stopped_clusters", vec!["aks-prod-01", "aks-dev-07"])];
    assert_eq!(names("resource_graph").len(), table.len() + 1, "the table, and the page with a skip token");
    for (name, expected) in table {
        let script = Script::of([page(name, &[])]);
        let reading = ask(&script).await;
        assert!(reading.unfinished.is_none(), "{name}");
        assert_eq!(clusters(&reading), expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_is_a_post_and_goes_on_to_the_last_page() {
    let script =
        Script::of([page("response_page_with_skiptoken", &[]), page("response_stopped_clusters", &[])]);
    let reading = ask(&script).await;
    assert!(reading.unfinished.is_none());
    assert_eq!(clusters(&reading), ["aks-prod-01", "aks-prod-01", "aks-dev-07"]);
    let bodies = bodies(&script);
    assert_eq!(bodies[0]["options"].get("$skipToken"), None);
    assert_eq!(bodies[1]["options"]["$skipToken"], "ew0KICAiJGlkIjogIjEiDQp9");
    assert_eq!(bodies[1]["subscriptions"], json!([SUBSCRIPTION]));
    let sent = script.sent.lock().unwrap();
    assert_eq!(sent[0].method(), "POST");
    assert_eq!(sent[0].headers()["content-type"], "application/json");
    assert_eq!(
        sent[0].uri().to_string(),
        "https://management.azure.com/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01"
    );
}

#[tokio::test(start_paused = true)]
async fn many_subscriptions_are_asked_about_in_several_questions() {
    let script = Script::of([page("response_empty", &[]), page("response_empty", &[])]);
    let many: Vec<SubscriptionId> = (0..1_001)
        .map(|n| SubscriptionId::parse(&format!("{n:08}-0000-0000-0000-000000000000")).unwrap())
        .collect();
    assert!(arm(&script).clusters_down(&many, BUDGET).await.unfinished.is_none());
    let sizes: Vec<usize> =
        bodies(&script).iter().map(|body| body["subscriptions"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [1_000, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_management_group_is_asked_for_to_the_last_page_and_half_an_answer_says_so() {
    let page = |number: u32, next: Option<&str>| {
        let row = json!({ "id": format!("/subscriptions/{number:08}-0000-0000-0000-000000000000") });
        let mut body =
            json!({ "data": [row], "resultTruncated": if next.is_some() { "true" } else { "false" } });
        if let Some(next) = next {
            body["$skipToken"] = next.into();
        }
        Ok(answer(200, &[], &body))
    };
    let group = ManagementGroup::parse("mg-prod").unwrap();
    let script = Script::of([page(1, Some("next")), page(2, None)]);
    let reading = arm(&script).subscriptions_in(&group, BUDGET).await;
    assert!(reading.unfinished.is_none());
    assert_eq!(reading.subscriptions.len(), 2);
    let bodies = bodies(&script);
    assert_eq!((&bodies[0]["managementGroups"], bodies[0].get("subscriptions")), (&json!(["mg-prod"]), None));
    assert_eq!(bodies[1]["options"]["$skipToken"], "next");

    let script = Script::of([page(1, Some("next")), error("403_authorization_failed")]);
    let reading = arm(&script).subscriptions_in(&group, BUDGET).await;
    assert!(matches!(reading.unfinished, Some(Unfinished::Failed(_))), "{reading:?}");
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again_like_any_read() {
    let script = Script::of([
        Err(TransportError::Broken("reset".to_owned())),
        error("500_internal_plain_text"),
        page("response_empty", &[]),
    ]);
    assert!(ask(&script).await.unfinished.is_none());
    assert_eq!(script.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_question_is_left_alone_and_keeps_what_was_read() {
    let script = Script::of([page("response_page_with_skiptoken", &[]), error("429_aks_throttled")]);
    let began = Instant::now();
    let reading = ask(&script).await;
    assert_eq!(clusters(&reading), ["aks-prod-01"]);
    assert_eq!(reading.unfinished.unwrap().retry_after(), Some(Duration::from_secs(53)));
    assert_eq!(began.elapsed(), Duration::ZERO, "nothing is slept beyond the budget");
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_used_up_is_waited_for_within_the_budget_and_not_beyond() {
    let used_up = |resets_after| {
        let headers = [("x-ms-user-quota-remaining", "0"), ("x-ms-user-quota-resets-after", resets_after)];
        page("response_page_with_skiptoken", &headers)
    };
    let script = Script::of([used_up("00:00:05"), page("response_empty", &[])]);
    let began = Instant::now();
    assert!(ask(&script).await.unfinished.is_none());
    assert_eq!(began.elapsed(), Duration::from_secs(5));

    let script = Script::of([used_up("00:01:00")]);
    let unfinished = ask(&script).await.unfinished.unwrap();
    assert!(matches!(unfinished, Unfinished::QuotaUsedUp { .. }));
    assert_eq!(unfinished.retry_after(), Some(Duration::from_secs(60)));
}

#[tokio::test(start_paused = true)]
async fn pages_without_end_are_bounded() {
    let script = Script::of((0..20).map(|_| page("response_page_with_skiptoken", &[])));
    assert!(matches!(ask(&script).await.unfinished, Some(Unfinished::TooManyPages)));
    assert_eq!(script.requests(), 20);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_cut_off_is_no_answer() {
    let script = Script::of([Ok(answer(200, &[], &json!(r#"{"totalRecords":2,"data":[{"id":"#)))]);
    let reading = ask(&script).await;
    assert!(reading.down.is_empty());
    insta::assert_snapshot!(reading.unfinished.unwrap(), @"the answer of azure resource manager can't be used: the page of resource graph has no list of rows");
}
