use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::*;
use crate::azure::{
    Arm, ArmOptions, Cloud, CredentialError, Endpoint, Secret, TokenSource, Transport, TransportError,
};
use crate::case::{Confirm, Mode, Routes, Times};
use crate::clock::{Clock, SystemClock};
use crate::domain::{Incident, Portal};
use crate::functions::{Status, envelope};
use crate::guard::{Ports, Settings, SystemEntropy};
use crate::incident::{Delivered, DeliveryError, Sink};
use crate::policy::Policies;
use crate::store::Store;

const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

/// An ARM that shows every cluster stopped, has an empty Resource Graph, and knows no `aks-broken`: asking for it panics.
struct AllStopped;

#[async_trait]
impl Transport for AllStopped {
    async fn send(&self, request: Request<Bytes>, _: Duration) -> Result<Response<Bytes>, TransportError> {
        if request.uri().path().ends_with("/Microsoft.ResourceGraph/resources") {
            return Ok(Response::new(Bytes::from_static(br#"{"data":[],"resultTruncated":"false"}"#)));
        }
        assert_eq!(request.method(), Method::GET, "nothing is started in mode notify");
        let id = request.uri().path().to_owned();
        assert!(!id.ends_with("aks-broken"), "asked to panic");
        let body = json!({
            "id": id,
            "properties": { "provisioningState": "Succeeded", "powerState": { "code": "Stopped" } },
        });
        Ok(Response::new(Bytes::from(body.to_string())))
    }
}

struct AnyToken;

#[async_trait]
impl TokenSource for AnyToken {
    async fn token(&self, _: &str) -> Result<Secret, CredentialError> {
        Ok(Secret::new("token"))
    }

    fn reject(&self, _: &str, _: &Secret) {}
}

/// A sink that never answers.
struct Hangs;

#[async_trait]
impl Sink for Hangs {
    fn name(&self) -> &str {
        "hangs"
    }

    async fn deliver(&self, _: &Incident, _: Timestamp) -> Result<Delivered, DeliveryError> {
        std::future::pending().await
    }
}

fn app(subscriptions: Option<&[&str]>, sinks: Vec<Arc<dyn Sink>>, faults: &[&str]) -> App {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let arm = Arm::new(
        ArmOptions::new(Endpoint::of(Cloud::Public)),
        Arc::new(AllStopped),
        Arc::new(AnyToken),
        Arc::clone(&clock),
    );
    let ids = |ids: &[&str]| ids.iter().map(|id| SubscriptionId::parse(id).unwrap()).collect::<BTreeSet<_>>();
    let settings = Settings {
        mode: Mode::Notify,
        subscriptions: subscriptions.map(ids),
        management_groups: BTreeSet::new(),
        zone: TimeZone::UTC,
        confirm: Confirm::Prefer,
        times: Times::default(),
        portal: Some(Portal::new(Cloud::Public, None)),
        routes: Routes::default(),
        posture: false,
        faults: faults.iter().map(|fault| (*fault).to_owned()).collect(),
    };
    let policies = || Policies::default_set().map_err(|faults| vec![format!("{faults:?}")]);
    App::new(
        Guard::new(
            settings,
            Box::new(policies),
            Ports {
                arm,
                store: Store::memory(),
                dead_letters: None,
                sinks,
                clock,
                entropy: Arc::new(SystemEntropy),
            },
        ),
        None,
    )
}

fn guarding() -> App {
    app(Some(&[SUBSCRIPTION]), Vec::new(), &[])
}

fn stop(cluster: &str) -> Value {
    json!({
        "id": format!("stop-of-{cluster}"),
        "eventType": "Microsoft.Resources.ResourceActionSuccess",
        "data": {
            "operationName": "Microsoft.ContainerService/managedClusters/stop/action",
            "resourceUri": format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/{cluster}"),
        },
    })
}

fn delivery(events: &[Value]) -> Vec<RawEvent> {
    envelope::events(json!({ "Data": { "event": events }, "Metadata": {} }).to_string().as_bytes()).unwrap()
}

#[tokio::test]
async fn stops_are_durable_and_what_is_none_is_ignored_with_its_reason() {
    let app = guarding();
    let other =
        json!({ "id": "x", "data": { "operationName": "Microsoft.Compute/x/action", "resourceUri": "/" } });
    let outcome = app.stop_events(delivery(&[stop("aks-1"), other.clone(), other, json!(7)])).await;
    assert_eq!(outcome.status, Status::Done);
    insta::assert_snapshot!(outcome.logs.join("\n"), @r#"
    ignored: not an event: not a JSON object
    ignored 2 times: operation `Microsoft.Compute/x/action` is no stop of a cluster or a container group
    aks-1: stop by an unknown caller: opened a case
    "#);
    let again = app.stop_events(delivery(&[stop("aks-1")])).await;
    insta::assert_snapshot!(again.logs.join("\n"), @r#"aks-1: stop by an unknown caller: known already"#);
    insta::assert_snapshot!(app.sweep().await.logs.join("\n"), @r#"open cases: 1, due: 0, failed: 0"#);
}

#[tokio::test]
async fn the_largest_batch_of_event_grid_is_taken_in_by_cluster() {
    let app = guarding();
    let events: Vec<Value> = (0..envelope::EVENTS_MAX).map(|n| stop(&format!("aks-{}", n % 100))).collect();
    let outcome = app.stop_events(delivery(&events)).await;
    assert_eq!(outcome.status, Status::Done, "{:?}", outcome.logs.first());
    let swept = app.sweep().await;
    assert!(swept.logs[0].starts_with("open cases: 100,"), "{:?}", swept.logs[0]);
}

#[tokio::test]
async fn a_panic_over_one_cluster_brings_the_delivery_again_and_the_others_are_durable() {
    let app = guarding();
    let outcome = app.stop_events(delivery(&[stop("aks-1"), stop("aks-broken"), stop("aks-2")])).await;
    assert_eq!(outcome.status, Status::Redeliver);
    assert_eq!(outcome.logs[0], "not durable: aks-broken: the work on it panicked");
    assert!(app.sweep().await.logs[0].starts_with("open cases: 2,"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_does_not_wait_for_a_sink_that_hangs() {
    let app = app(Some(&[SUBSCRIPTION]), vec![Arc::new(Hangs)], &[]);
    let began = Instant::now();
    let outcome = app.stop_events(delivery(&[stop("aks-1")])).await;
    assert_eq!(outcome.status, Status::Done);
    assert_eq!(began.elapsed(), WORK_GRACE);
}

#[tokio::test]
async fn while_nobody_knows_what_is_guarded_stops_come_again_and_junk_does_not() {
    let app = app(None, Vec::new(), &["STOP_GUARD_SUBSCRIPTIONS is missing"]);
    let outcome = app.stop_events(delivery(&[json!(7), stop("aks-1")])).await;
    assert_eq!(outcome.status, Status::Redeliver);
    insta::assert_snapshot!(outcome.logs.join("\n"), @r#"
    the settings are broken: STOP_GUARD_SUBSCRIPTIONS is missing
    degraded: STOP_GUARD_SUBSCRIPTIONS is missing
    ignored: not an event: not a JSON object
    "#);
    let junk = app.stop_events(delivery(&[json!(7)])).await;
    assert_eq!(junk.status, Status::Done);
    insta::assert_snapshot!(junk.logs.join("\n"), @r#"
    degraded: STOP_GUARD_SUBSCRIPTIONS is missing
    ignored: not an event: not a JSON object
    "#);
}

#[tokio::test]
async fn a_stop_in_another_subscription_is_refused_and_the_others_of_its_delivery_are_durable() {
    let foreign = "00000000-0000-0000-0000-000000000000";
    let mut other = stop("aks-9");
    let moved = other["data"]["resourceUri"].as_str().unwrap().replace(SUBSCRIPTION, foreign);
    other["data"]["resourceUri"] = moved.into();
    let outcome = guarding().stop_events(delivery(&[other.clone(), stop("aks-1"), other])).await;
    assert_eq!(outcome.status, Status::Done);
    insta::assert_snapshot!(outcome.logs.join("\n"), @r#"
    ignored 2 times: subscription `00000000-0000-0000-0000-000000000000` is not guarded
    aks-1: stop by an unknown caller: opened a case
    "#);
}

#[tokio::test]
async fn a_degraded_guard_takes_stops_in_and_says_so_with_each() {
    let app = app(Some(&[SUBSCRIPTION]), Vec::new(), &["STOP_GUARD_MODE: `on` is none of them"]);
    let outcome = app.stop_events(delivery(&[stop("aks-1")])).await;
    assert_eq!(outcome.status, Status::Done);
    insta::assert_snapshot!(outcome.logs.join("\n"), @r#"
    degraded: STOP_GUARD_MODE: `on` is none of them
    aks-1: stop by an unknown caller: opened a case
    "#);
}

#[tokio::test]
async fn hostile_reasons_are_bounded_in_number() {
    let odd = |n: usize| json!({ "data": { "operationName": format!("op-{n}"), "resourceUri": "/" } });
    let outcome = guarding().stop_events(delivery(&(0..1_000).map(odd).collect::<Vec<_>>())).await;
    assert_eq!(outcome.logs.len(), REASONS_MAX + 1);
    assert!(
        outcome.logs.contains(&"ignored 950 times: other reasons".to_owned()),
        "{:?}",
        outcome.logs.last()
    );
}

#[tokio::test]
async fn an_operator_gets_a_decision_or_is_told_why_not() {
    let ask = async |app: &App, body: Option<String>| {
        let request = HttpRequest { method: "POST".to_owned(), query: Vec::new(), body, bearer: None };
        let output = app.evaluate(&request).await;
        (output.status.as_u16(), output.body)
    };
    let cluster = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks-1"
    );
    let (status, body) = ask(&guarding(), Some(stop("aks-1").to_string())).await;
    let verdict = json!({ "cluster": cluster, "authorised": false, "policies": [] });
    assert_eq!((status, body), (200, verdict), "the verdict and the ids, nothing else");

    let (status, body) = ask(&guarding().telling(Evaluate::Off), Some(stop("aks-1").to_string())).await;
    assert_eq!((status, body), (403, json!({ "error": "it is off: see STOP_GUARD_EVALUATE" })));

    let app = guarding().telling(Evaluate::Explain);
    let (status, body) = ask(&app, Some(stop("aks-1").to_string())).await;
    assert_eq!(status, 200);
    assert_eq!(body["decision"]["action"], "raise-incident");
    assert_eq!(body["questions"][1]["policies"][0]["id"], "unknown-caller", "{body:#}");
    assert_eq!(body["callerId"], Value::Null);
    assert_eq!(ask(&app, Some(json!([stop("aks-1")]).to_string())).await.0, 200);
    assert!(app.sweep().await.logs[0].starts_with("open cases: 0,"), "asking changes nothing");

    assert_eq!(ask(&app, None).await.0, 400);
    assert_eq!(ask(&app, Some("[".repeat(100_000))).await.0, 400);
    let foreign = stop("aks-1").to_string().replace(SUBSCRIPTION, "00000000-0000-0000-0000-000000000000");
    assert_eq!(ask(&app, Some(foreign)).await.0, 403);
    let broken = self::app(Some(&[SUBSCRIPTION]), Vec::new(), &["broken"]);
    let (status, body) = ask(&broken, Some(stop("aks-1").to_string())).await;
    assert_eq!((status, body), (503, json!({ "error": "the settings are broken: broken" })));
}
