//! What the simulator answers has the shape of what Azure was recorded to answer.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, wherever it does"
)]

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use simulator::world::{Caller, ClusterId, Durations, NewCluster, Settings, World};

const CLI: &str = include_str!("../recordings/aks_stop_start.json");
const POWERSHELL: &str = include_str!("../recordings/aks_stop_powershell_full_headers.json");
const ERRORS: &str = include_str!("../recordings/errors.json");

/// Headers that the recorded front doors set and the simulator does not, and the other way round, each for a reason.
const NOT_COMPARED: [&str; 2] = [
    // hop by hop: the wire's business, not the answer's
    "transfer-encoding",
    "vary",
];

fn exchanges(recording: &str) -> Vec<Value> {
    let recording: Value = serde_json::from_str(recording).unwrap();
    recording["exchanges"].as_array().unwrap().clone()
}

fn path(exchange: &Value) -> &str {
    exchange["path"].as_str().unwrap()
}

fn recorded_headers(exchange: &Value) -> BTreeSet<String> {
    let names = exchange["headers"].as_object().unwrap().keys().map(|name| name.to_ascii_lowercase());
    names.filter(|name| !NOT_COMPARED.contains(&name.as_str())).collect()
}

fn headers(response: &Response<Bytes>) -> BTreeSet<String> {
    response.headers().keys().map(ToString::to_string).collect()
}

fn members(value: &Value) -> BTreeSet<String> {
    value.as_object().map(|members| members.keys().cloned().collect()).unwrap_or_default()
}

fn body(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap_or(Value::Null)
}

fn recorded_date(exchange: &Value) -> Timestamp {
    let headers = exchange["headers"].as_object().unwrap();
    let date = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("date")).unwrap().1;
    jiff::fmt::rfc2822::parse(&date.as_str().unwrap().replace("GMT", "+0000")).unwrap().timestamp()
}

/// Replays a recording: the same requests at the recorded times, with the simulator's own polling URLs.
struct Replay {
    world: World,
    token: String,
    poll: String,
    location: String,
}

impl Replay {
    fn of(first: &Value, durations: Durations) -> Self {
        let id: ClusterId = path(first).split('?').next().unwrap().trim_end_matches("/stop").parse().unwrap();
        let before = recorded_date(first) - SignedDuration::from_mins(10);
        let mut world = World::new(Settings::default());
        let new = NewCluster { durations, location: "westus2".to_owned(), ..NewCluster::new(id) };
        world.create_cluster(new, before).unwrap();
        let token = world.token_for(&Caller::user("recorder"), "https://management.azure.com/", before);
        Self { world, token, poll: String::new(), location: String::new() }
    }

    fn send(&mut self, exchange: &Value) -> Response<Bytes> {
        let uri = match path(exchange) {
            path if path.contains("/operations/") => self.poll.clone(),
            path if path.contains("/operationresults/") => self.location.clone(),
            path => path.to_owned(),
        };
        let request = Request::builder()
            .method(exchange["method"].as_str().unwrap())
            .uri(uri)
            .header("authorization", format!("Bearer {}", self.token))
            .body(Bytes::new())
            .unwrap();
        let response = self.world.handle(&request, recorded_date(exchange)).answer().unwrap();
        let given = |name: &str| response.headers().get(name).map(|url| url.to_str().unwrap().to_owned());
        if let (Some(poll), Some(location)) = (given("azure-asyncoperation"), given("location")) {
            (self.poll, self.location) = (poll, location);
        }
        response
    }
}

fn recorded_durations() -> Durations {
    Durations {
        stop: SignedDuration::from_millis(94_800),
        start: SignedDuration::from_millis(192_400),
        ..Durations::default()
    }
}

#[test]
fn a_stop_and_a_start_answer_as_recorded_at_every_step() {
    let exchanges = exchanges(CLI);
    let mut replay = Replay::of(&exchanges[0], recorded_durations());
    for (step, exchange) in exchanges.iter().enumerate() {
        let response = replay.send(exchange);
        assert_eq!(response.status().as_u16(), exchange["status"], "step {step}");
        let missing: Vec<String> =
            recorded_headers(exchange).difference(&headers(&response)).cloned().collect();
        assert!(
            missing.is_empty() || (missing == ["content-length"] && response.status() == 204),
            "step {step} lacks {missing:?}"
        );
        let (answered, recorded) = (body(&response), &exchange["body"]);
        if path(exchange).contains("/operations/") {
            assert_eq!(members(&answered), members(recorded), "step {step}");
            assert_eq!(answered["status"], recorded["status"], "step {step}");
            assert_eq!(answered["error"], recorded["error"], "step {step}");
        } else {
            assert_eq!(response.body().is_empty(), recorded == "", "step {step}");
        }
    }
    assert_eq!(replay.world.violations(), []);
}

#[test]
fn a_clusters_body_has_the_recorded_members_and_casing() {
    let exchanges = exchanges(CLI);
    let mut replay = Replay::of(&exchanges[0], recorded_durations());
    let answered = body(&replay.send(&exchanges[0]));
    let recorded = &exchanges[0]["body"];
    assert_eq!(answered["id"], recorded["id"]);
    assert_eq!(answered["type"], recorded["type"]);
    assert_eq!(members(recorded).difference(&members(&answered)).count(), 0);
    let lacking: Vec<String> =
        members(&recorded["properties"]).difference(&members(&answered["properties"])).cloned().collect();
    // The kubelet's identity is of no concern here.
    assert_eq!(lacking, ["identityProfile"]);
    let pool = |body: &Value| body["properties"]["agentPoolProfiles"][0].clone();
    assert_eq!(members(&pool(recorded)).difference(&members(&pool(&answered))).count(), 0);
    assert!(answered.get("tags").is_none() && recorded.get("tags").is_none(), "absent, not null");
}

#[test]
fn header_names_are_exactly_those_of_the_unfiltered_recording() {
    let exchanges = exchanges(POWERSHELL);
    let durations = Durations { stop: SignedDuration::from_millis(79_900), ..Durations::default() };
    let mut replay = Replay::of(&exchanges[0], durations);
    for (step, exchange) in exchanges.iter().enumerate() {
        let response = replay.send(exchange);
        assert_eq!(response.status().as_u16(), exchange["status"], "step {step}");
        assert_eq!(headers(&response), recorded_headers(exchange), "step {step}");
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert!(header("x-ms-routing-request-id").ends_with(header("x-ms-correlation-request-id")));
        if exchange["method"] == "POST" {
            assert!(
                header("azure-asyncoperation")
                    .contains(&format!("/operations/{}?", header("x-ms-request-id")))
            );
        }
    }
}

#[test]
fn a_missing_cluster_is_the_gateways_404_to_the_letter() {
    let exchange = &exchanges(ERRORS)[0];
    let mut replay = Replay::of(&exchanges(CLI)[0], recorded_durations());
    let mut gone = exchange.clone();
    gone["path"] = path(exchange).replace("cliakstest000002", "cliakstest000009").into();
    let response = replay.send(&gone);
    assert_eq!(response.status().as_u16(), exchange["status"]);
    let expected = exchange["body"].to_string().replace("cliakstest000002", "cliakstest000009");
    assert_eq!(body(&response), serde_json::from_str::<Value>(&expected).unwrap());
    for name in ["content-type", "x-ms-failure-cause", "cache-control"] {
        assert_eq!(response.headers()[name].to_str().unwrap(), exchange["headers"][name], "{name}");
    }
    assert!(!response.headers().contains_key("server"));
}

#[test]
fn the_activity_logs_400_is_the_recorded_one() {
    let exchange = &exchanges(ERRORS)[2];
    let mut replay = Replay::of(&exchanges(CLI)[0], recorded_durations());
    let mut narrowed = exchange.clone();
    narrowed["path"] = format!("{}%20and%20correlationId%20eq%20%27c%27", path(exchange)).into();
    // The token of the replay is of 2023; the recorded request is of 2021.
    narrowed["headers"]["date"] = "Fri, 08 Dec 2023 06:29:35 GMT".into();
    let response = replay.send(&narrowed);
    assert_eq!(response.status().as_u16(), exchange["status"]);
    assert_eq!(body(&response), exchange["body"]);
    assert_eq!(response.headers()["content-type"].to_str().unwrap(), exchange["headers"]["content-type"]);
}
