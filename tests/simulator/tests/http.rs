//! The world on the wire.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, wherever it does"
)]

use std::time::Duration;

use serde_json::{Value, json};
use simulator::http::Azure;
use simulator::sink::{Receiver, Signature, sign};
use simulator::world::{
    Caller, ClusterId, Deed, Fault, FaultRule, NewCluster, RequestKind, Settings, Violation,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn cluster() -> ClusterId {
    ClusterId::new("aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e", "rg-prod-weu", "aks-prod-01")
}

async fn azure() -> Azure {
    let settings = Settings { speed_up: 1000, ..Settings::default() };
    Azure::serve(settings, Receiver::new(Some(SECRET.parse().unwrap())), 0).await.unwrap()
}

/// Sends bytes on a connection of their own and reads until the other side closes it.
async fn raw(azure: &Azure, request: String) -> String {
    let address = azure.url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut answer));
    read.await.expect("the connection stays open").unwrap();
    answer
}

async fn send(azure: &Azure, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    let answer = raw(azure, request).await;
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

async fn control(azure: &Azure, path: &str, body: Value) -> (u16, String) {
    send(azure, "POST", &format!("/_sim/{path}"), "", &body.to_string()).await
}

async fn read(azure: &Azure, path: &str) -> Value {
    serde_json::from_str(&send(azure, "GET", &format!("/_sim/{path}"), "", "").await.1).unwrap()
}

async fn with_cluster() -> (Azure, String) {
    let azure = azure().await;
    let (status, _) = control(&azure, "clusters", json!(NewCluster::new(cluster()))).await;
    assert_eq!(status, 201);
    let order = json!({ "caller": Caller::user("dana"), "audience": "https://management.azure.com/" });
    let (_, body) = control(&azure, "tokens", order).await;
    let token = serde_json::from_str::<Value>(&body).unwrap()["token"].as_str().unwrap().to_owned();
    (azure, format!("authorization: Bearer {token}\r\n"))
}

fn start_uri() -> String {
    format!("{}/start?api-version=2025-10-01", cluster())
}

#[tokio::test]
async fn the_control_api_stops_a_cluster_and_tells_what_happened() {
    let (azure, _) = with_cluster().await;
    let order = json!({ "cluster": cluster(), "caller": Caller::user("dana") });
    assert_eq!(control(&azure, "stop", order.clone()).await.0, 200);
    let (status, why) = control(&azure, "stop", order).await;
    assert_eq!(status, 409);
    assert!(why.contains("stopping cannot be performed"), "{why}");
    let journal = read(&azure, "journal").await;
    assert_eq!(journal["entries"][0]["what"], json!({ "accepted": "stop" }));
    assert_eq!(read(&azure, "clusters").await[0]["name"], "aks-prod-01");
    assert_eq!(read(&azure, "violations").await, json!([]));
}

#[tokio::test]
async fn a_lost_answer_is_a_closed_connection_after_the_effect() {
    let (azure, token) = with_cluster().await;
    azure.world().add_fault(FaultRule {
        fault: Fault::AnswerLost,
        on: Some(RequestKind::Stop),
        cluster: None,
        times: Some(1),
    });
    let stop = start_uri().replace("/start", "/stop");
    let request = format!("POST {stop} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n{token}\r\n");
    assert_eq!(raw(&azure, request).await, "");
    assert_eq!(azure.world().journal().accepted(Deed::Stop, &cluster()), 1);
}

#[tokio::test]
async fn a_post_that_says_nothing_of_its_length_is_a_411() {
    let (azure, token) = with_cluster().await;
    let request = format!("POST {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{token}\r\n", start_uri());
    assert!(raw(&azure, request).await.starts_with("HTTP/1.1 411 "));
    assert_eq!(azure.world().violations(), [Violation::NoContentLength]);
}

#[tokio::test]
async fn a_fault_can_be_ordered_and_taken_back_from_outside() {
    let (azure, token) = with_cluster().await;
    let rule = json!({ "fault": { "throttled": { "retryAfter": 9 } }, "on": "start", "times": 5 });
    assert_eq!(control(&azure, "faults", rule).await.0, 204);
    assert_eq!(send(&azure, "POST", &start_uri(), &token, "").await.0, 429);
    assert_eq!(send(&azure, "DELETE", "/_sim/faults", "", "").await.0, 204);
    assert_eq!(send(&azure, "POST", &start_uri(), &token, "").await.0, 409);
}

#[tokio::test]
async fn a_webhook_is_checked_answered_and_remembered() {
    let azure = azure().await;
    let (id, body) = ("msg_1", r#"{"a":1}"#);
    let sent = simulator::http::now().as_second();
    let signature = sign(&SECRET.parse().unwrap(), id, sent, body.as_bytes()).unwrap();
    let headers =
        format!("webhook-id: {id}\r\nwebhook-timestamp: {sent}\r\nwebhook-signature: {signature}\r\n");
    assert_eq!(send(&azure, "POST", "/webhook", &headers, body).await.0, 200);
    assert_eq!(send(&azure, "POST", "/webhook", &headers, "{}").await.0, 401);
    control(&azure, "webhooks/behaviour", json!({ "status": 503, "times": 1 })).await;
    assert_eq!(send(&azure, "POST", "/webhook", &headers, body).await.0, 503);
    let deliveries = read(&azure, "webhooks").await;
    let answered: Vec<&Value> = deliveries.as_array().unwrap().iter().map(|d| &d["answered"]).collect();
    assert_eq!(answered, [200, 401, 503]);
    assert_eq!(deliveries[0]["signature"], json!(Signature::Good));
    assert_eq!(deliveries[0]["body"], json!({ "a": 1 }));
}

#[tokio::test]
async fn bad_json_on_the_control_api_is_a_400_that_says_why() {
    let azure = azure().await;
    let (status, why) = control(&azure, "clusters", json!({ "id": "/subscriptions/x" })).await;
    assert_eq!(status, 400);
    assert!(why.contains("not the id of a managed cluster"), "{why}");
}
