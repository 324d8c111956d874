//! Real deliveries of the webhook sink, judged by clients that nobody here wrote: `standardwebhooks` verifies the
//! signature and `cloudevents` parses the event, both from PyPI.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on has failed")]

use std::process::Stdio;
use std::sync::Arc;

use aks_stop_guard::clock::{Clock, SystemClock};
use aks_stop_guard::domain::incident::{Affected, Incident, IncidentState, Severity, TimelineEntry};
use aks_stop_guard::domain::{Caller, CallerKind, ClusterId};
use aks_stop_guard::incident::{
    Azure, Delivered, DeliveryError, HttpSink, Parts, Sink, SinkFile, SinkTokens, prepare,
};
use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use over_http::OverHttp;
use python::python;

#[path = "support/over_http.rs"]
mod over_http;
#[path = "support/python.rs"]
mod python;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const CLUSTER: &str = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks";

struct Receiver {
    process: Child,
    reports: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl Receiver {
    /// Starts a receiver that knows `secret` (none if empty) and answers with `status`.
    async fn start(secret: &str, status: u16) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/webhook/receiver.py");
        let mut process = Command::new(python())
            .args([script, secret, &status.to_string()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut reports = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = reports.next_line().await.unwrap().expect("the receiver ended: run `make tools`");
        let port = port.parse().unwrap();
        Self { process, reports, port }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook/T0K3N", self.port)
    }

    async fn report(&mut self) -> Value {
        serde_json::from_str(&self.reports.next_line().await.unwrap().unwrap()).unwrap()
    }

    /// Ends the process, so that nothing listens on its port any more.
    async fn stop(mut self) {
        self.process.kill().await.unwrap();
    }
}

/// No sink here asks for tokens.
struct NoTokens;

#[async_trait]
impl SinkTokens for NoTokens {
    async fn token(&self, _: &str) -> Result<String, String> {
        Err("there are none".to_owned())
    }

    fn reject(&self, _: &str, _: &str) {}
}

/// The shipped sink `webhook` with these settings.
fn webhook(url: &str, secret: Option<&str>) -> HttpSink {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/sinks/webhook.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let env = |name: &str| match name {
        "STOP_GUARD_WEBHOOK_URL" => Some(url.to_owned()),
        "STOP_GUARD_WEBHOOK_SECRET" => secret.map(str::to_owned),
        _ => None,
    };
    let file = SinkFile::parse(path, &text, &[]).unwrap();
    let (zone, azure) = (jiff::tz::TimeZone::UTC, Azure::default());
    let parts = Parts { name: "webhook", path, text: &text, file: &file, env: &env, zone, azure };
    prepare(parts).unwrap().connect(OverHttp::new(), Arc::new(NoTokens))
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn incident(state: IncidentState, sequence: u32) -> Incident {
    Incident {
        id: "0123456789abcdef-1789409100".to_owned(),
        state,
        sequence,
        severity: Severity::High,
        title: "aks was stopped by Zoë \"Z\" <script> without permission".to_owned(),
        opened_at: time("2026-09-14T18:05:00Z"),
        at: time("2026-09-14T18:05:00.1234567Z"),
        clusters: vec![Affected { id: ClusterId::parse(CLUSTER).unwrap(), status: "restarting".to_owned() }],
        cluster_count: 1,
        caller: Some(Caller {
            kind: CallerKind::User,
            object_id: Some("11112222-bbbb-3333-cccc-4444dddd5555".to_owned()),
            name: Some("Zoë \"Z\" <script>".to_owned()),
            ..Caller::unknown()
        }),
        stopped_at: Some(time("2026-09-14T18:04:29Z")),
        correlation_id: None,
        verdict: Some("unauthorised".to_owned()),
        policies: vec!["restart".to_owned()],
        mode: "act".to_owned(),
        done: vec!["Asked ARM to start the cluster.".to_owned()],
        next: vec![],
        warnings: Vec::new(),
        links: Vec::new(),
        timeline: vec![TimelineEntry { at: time("2026-09-14T18:04:29Z"), text: "Stopped.".to_owned() }],
    }
}

fn now() -> Timestamp {
    SystemClock.now()
}

#[tokio::test]
async fn each_state_of_an_incident_is_verified_and_parsed_by_others() {
    let mut receiver = Receiver::start(SECRET, 204).await;
    let webhook = webhook(&receiver.url(), Some(SECRET));
    for (sequence, state, word) in [
        (0, IncidentState::Opened, "opened"),
        (1, IncidentState::Updated, "updated"),
        (2, IncidentState::Resolved, "resolved"),
    ] {
        let outcome = webhook.deliver(&incident(state, sequence), now()).await;
        assert_eq!(outcome, Ok(Delivered { status: 204, reference: None }));
        let report = receiver.report().await;
        assert_eq!(report["verified"], true, "{report}");
        let id = format!("0123456789abcdef-1789409100-{sequence}");
        assert_eq!(report["id"], json!(id));
        let expected = json!({
            "id": id, "source": "/aks-stop-guard", "type": format!("io.aks-stop-guard.incident.{word}"),
            "subject": CLUSTER, "time": "2026-09-14T18:05:00.123456+00:00", "datacontenttype": "application/json",
        });
        assert_eq!(report["event"], expected);
        assert_eq!(report["data"]["state"], word);
        assert_eq!(report["data"]["who"]["name"], "Zoë \"Z\" <script>");
    }
}

#[tokio::test]
async fn a_receiver_with_another_secret_refuses_the_signature() {
    let mut receiver = Receiver::start(OTHER_SECRET, 401).await;
    let webhook = webhook(&receiver.url(), Some(SECRET));
    let error = webhook.deliver(&incident(IncidentState::Opened, 0), now()).await.unwrap_err();
    let report = receiver.report().await;
    assert_eq!(report["verified"], false, "{report}");
    assert!(matches!(error, DeliveryError::Retry { after: Some(_), .. }), "{error}");
}

#[tokio::test]
async fn a_signature_of_an_hour_ago_is_refused_as_replayed() {
    let mut receiver = Receiver::start(SECRET, 204).await;
    let webhook = webhook(&receiver.url(), Some(SECRET));
    let hour_ago = now() - jiff::SignedDuration::from_hours(1);
    webhook.deliver(&incident(IncidentState::Opened, 0), hour_ago).await.unwrap();
    let report = receiver.report().await;
    assert_eq!(report["error"], "Message timestamp too old", "{report}");
}

#[tokio::test]
async fn an_unsigned_message_is_still_a_cloud_event() {
    let mut receiver = Receiver::start("", 200).await;
    let webhook = webhook(&receiver.url(), None);
    webhook.deliver(&incident(IncidentState::Opened, 0), now()).await.unwrap();
    let report = receiver.report().await;
    assert_eq!(report["signed"], false, "{report}");
    assert_eq!(report["event"]["type"], "io.aks-stop-guard.incident.opened");
}

#[tokio::test]
async fn the_longest_story_is_verified_too() {
    let mut receiver = Receiver::start(SECRET, 204).await;
    let webhook = webhook(&receiver.url(), Some(SECRET));
    let mut long = incident(IncidentState::Updated, 7);
    long.timeline = (0..2_000)
        .map(|i| TimelineEntry { at: now(), text: format!("Line {i} – ünïcode “quotes”.") })
        .collect();
    webhook.deliver(&long, now()).await.unwrap();
    let report = receiver.report().await;
    assert_eq!(report["verified"], true, "{report}");
    assert!(report["bytes"].as_u64().unwrap() <= 20_000);
    assert_eq!(
        report["data"]["cut"]["timeline"].as_u64().unwrap(),
        2_000 - u64::try_from(report["data"]["timeline"].as_array().unwrap().len()).unwrap()
    );
}

#[tokio::test]
async fn a_receiver_that_is_down_is_tried_again_and_its_url_not_shown() {
    let receiver = Receiver::start("", 200).await;
    let webhook = webhook(&receiver.url(), None);
    receiver.stop().await;
    let error = webhook.deliver(&incident(IncidentState::Opened, 0), now()).await.unwrap_err();
    assert_eq!(error, DeliveryError::Retry { after: None, why: "webhook: could not connect".to_owned() });
}
