//! What the handler receives for what a caller sends.

use serde_json::Value;
use simulator::host::json;
use simulator::host::trace::Telemetry;
use simulator::host::{EventDates, Host, HostConfig};

use super::support::{self, Handler, Message, Reply, fill, host_before, recordings, send};

/// Recordings of one request of a caller and what it leads to.
const PREFIXES: [&str; 7] = [
    "invoke_",
    "edge_",
    "http_default_",
    "admin_invoke_",
    "trace_",
    "webhook_",
    "probe_dates_as_strings_one",
];
/// Their bodies are shortened in the recording.
const SHORTENED: &str = "invoke_eventgrid_500kb.json";
/// Nobody sends anything to make a timer fire; see the tests of timers.
const TIMERS: [&str; 2] = ["trace_appinsights_timer.json", "trace_opentelemetry_timer.json"];

pub(crate) fn replayed() -> Vec<String> {
    let names = PREFIXES.iter().flat_map(|prefix| recordings(prefix)).map(|(name, _)| name);
    names.filter(|name| !TIMERS.contains(&name.as_str())).collect()
}

/// A handler that answers each function as the recorded one did.
async fn scripted_handler(recorded: &Value) -> Handler {
    let script = recorded["handler_answer"].clone();
    let answers = move |request: &Message| match &script[request.path().trim_start_matches('/')] {
        // The answer of an HTTP function was not always written down.
        Value::Null if request.path() == "/Evaluate" => {
            Reply::json(r#"{"Outputs":{"res":{"statusCode":200,"body":"x"}}}"#)
        }
        Value::Null => Reply::json("{}"),
        answer => Reply::scripted(answer),
    };
    Handler::start(answers).await
}

fn settings_of(name: &str, config: &mut HostConfig) {
    if name.starts_with("probe_dates_as_strings") {
        config.event_dates = EventDates::Verbatim;
    }
    config.telemetry = match name {
        name if name.starts_with("trace_appinsights") => Telemetry::ApplicationInsights,
        name if name.starts_with("trace_opentelemetry") => Telemetry::OpenTelemetry,
        _ => Telemetry::Off,
    };
}

#[tokio::test]
async fn every_recorded_request_reaches_the_handler_and_its_caller_as_recorded() {
    for name in replayed().into_iter().filter(|name| name != SHORTENED) {
        let recorded = support::recording(&name);
        let handler = scripted_handler(&recorded).await;
        let (host, _folder) = host_before(&handler, |config| settings_of(&name, config)).await;
        let answer = send(&host.url(), &fill(&recorded["caller_request"])).await.unwrap();
        compare_answer(&name, &answer, &recorded["host_answer_to_caller"]);
        if name.starts_with("admin_invoke") && answer.status() == 202 {
            wait_for_end(&host).await;
        }
        compare_requests(&name, &handler.take(), &recorded, host.url().rsplit(':').next().unwrap());
    }
}

/// A manual run answers before it runs; its end is in the log.
async fn wait_for_end(host: &Host) {
    let (so_far, mut live) = host.log().follow();
    let mut ended = so_far.iter().any(|entry| entry.message.starts_with("Executed "));
    while !ended {
        ended = live.recv().await.unwrap().message.starts_with("Executed ");
    }
}

fn compare_answer(name: &str, answer: &Message, recorded: &Value) {
    assert_eq!(answer.status(), recorded["status"], "{name}");
    assert_eq!(answer.text(), recorded["body"].as_str().unwrap(), "{name}");
    let mut actual: Vec<String> =
        answer.headers.iter().map(|(key, value)| format!("{}: {value}", key.to_lowercase())).collect();
    let pairs = recorded["headers"].as_array().unwrap();
    let mut expected: Vec<String> = pairs
        .iter()
        .map(|pair| format!("{}: {}", pair[0].as_str().unwrap().to_lowercase(), pair[1].as_str().unwrap()))
        .collect();
    for headers in [&mut actual, &mut expected] {
        headers.retain(|header| !header.starts_with("date:"));
        headers.sort();
    }
    assert_eq!(actual, expected, "{name}");
}

fn compare_requests(name: &str, received: &[Message], recorded: &Value, host_port: &str) {
    let expected: Vec<&Value> = match (&recorded["requests"], &recorded["request"]) {
        (Value::Array(requests), _) => requests.iter().collect(),
        (_, request @ Value::Object(_)) => vec![request],
        _ => Vec::new(),
    };
    for request in received {
        assert_eq!(request.chunk_sizes, cut(&request.text()), "{name}");
    }
    for request in &expected {
        let body = request["body"].as_str().unwrap();
        // Keys and ports are replaced in the recorded text, which changes its length.
        if !body.contains("<host-port>") {
            assert_eq!(request["chunk_sizes"], serde_json::json!(cut(body)), "{name}");
        }
    }
    let mut actual: Vec<String> = received.iter().map(shape).collect();
    let mut expected: Vec<String> =
        expected.iter().map(|request| recorded_shape(request, host_port)).collect();
    actual.sort();
    expected.sort();
    assert_eq!(actual, expected, "{name}");
}

/// A request with what differs from run to run blotted out.
fn shape(request: &Message) -> String {
    let headers = request.headers.iter().map(|(name, value)| masked_header(name, value));
    format!("{:?} {:?} {}", request.start, headers.collect::<Vec<_>>(), masked_body(&request.text()))
}

/// The sizes of the chunks a body is cut into: after every 1,024 units of UTF-16.
fn cut(body: &str) -> Vec<usize> {
    let units: Vec<u16> = body.encode_utf16().collect();
    units.chunks(1_024).map(|chunk| String::from_utf16(chunk).unwrap().len()).collect()
}

fn recorded_shape(request: &Value, host_port: &str) -> String {
    let request = fill(request);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let pairs = request["headers"].as_array().unwrap();
    let body = text(&request["body"]).replace("<host-port>", host_port);
    let message = Message {
        start: vec![text(&request["method"]), text(&request["path"]), text(&request["version"])],
        headers: pairs.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect(),
        chunk_sizes: Vec::new(),
        body: body.into_bytes(),
    };
    shape(&message)
}

fn masked_header(name: &str, value: &str) -> String {
    let value = match name {
        "Host" => "127.0.0.1:<port>".to_owned(),
        "X-Azure-Functions-InvocationId" => value.replace(|c: char| c.is_ascii_hexdigit(), "h"),
        "traceparent" => {
            let parts: Vec<&str> = value.split('-').collect();
            assert_eq!([2, 32, 16, 2].to_vec(), parts.iter().map(|part| part.len()).collect::<Vec<_>>());
            // The caller's trace, when it has one, goes on.
            let known = parts[1] == "4bf92f3577b34da6a3ce929d0e0e4736";
            format!("{} {} {}", parts[0], if known { parts[1] } else { "own" }, parts[3])
        }
        _ => value.to_owned(),
    };
    format!("{name}: {value}")
}

/// The exact text of a body, but for the two members of `sys` that are new each time.
fn masked_body(body: &str) -> String {
    let mut masked = body.to_owned();
    let value = json::Value::parse(body).unwrap();
    let sys = value.get("Metadata").and_then(|metadata| metadata.get("sys")).unwrap();
    for name in ["UtcNow", "RandGuid"] {
        masked = masked.replace(sys.get(name).unwrap().as_str().unwrap(), name);
    }
    masked
}

#[tokio::test]
async fn half_a_megabyte_arrives_doubled_and_in_chunks_of_1024() {
    let handler = Handler::start(|_| Reply::json("{}")).await;
    let (host, _folder) = host_before(&handler, |_| {}).await;
    let big = "x".repeat(500_000);
    let answer = send(&host.url(), &support::delivery(serde_json::json!({ "big": big }))).await.unwrap();
    assert_eq!(answer.status(), support::recording(SHORTENED)["host_answer_to_caller"]["status"]);
    let received = handler.take();
    assert!(received[0].body.len() > 1_000_000);
    let (last, whole) = received[0].chunk_sizes.split_last().unwrap();
    assert!(whole.iter().all(|size| *size == 1_024) && *last <= 1_024);
}

#[tokio::test]
async fn a_delivery_nested_a_hundred_thousand_deep_is_a_500_and_no_call() {
    let handler = Handler::start(|_| Reply::json("{}")).await;
    let (host, _folder) = host_before(&handler, |_| {}).await;
    let mut request = support::delivery(Value::Null);
    request["body"] = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).into();
    assert_eq!(send(&host.url(), &request).await.unwrap().status(), 500);
    assert!(handler.take().is_empty());
}
