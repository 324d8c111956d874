//! Timers, in time that passes faster.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::host::trace::Telemetry;

use super::support::{self, Handler, Message, Reply, host_before, recording, write_app};

/// A minute passes in 200 ms.
const SPEED_UP: u32 = 300;

pub(crate) fn replayed() -> Vec<String> {
    [
        "timer_run1.json",
        "trace_appinsights_timer.json",
        "trace_opentelemetry_timer.json",
        "settings_in_function_json.json",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Collects requests until each of these functions was called so often.
async fn calls(handler: &Handler, wanted: &[(&str, usize)]) -> Vec<Message> {
    let mut all = Vec::new();
    let enough = |all: &[Message]| {
        wanted.iter().all(|(path, count)| all.iter().filter(|call| call.path() == *path).count() >= *count)
    };
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    tokio::time::timeout(Duration::from_secs(30), async {
        while !enough(&all) {
            tick.tick().await;
            all.extend(handler.take());
        }
    })
    .await
    .expect("the timers fire");
    all
}

/// A timer's body with real times blotted out; the year 1 of a timer that never ran stays.
fn shape(body: &str) -> Value {
    let mut body: Value = serde_json::from_str(body).unwrap();
    for name in ["Last", "Next", "LastUpdated"] {
        if let Some(time) = body.pointer_mut(&format!("/Data/timer/ScheduleStatus/{name}")) {
            let text = time.as_str().unwrap();
            assert!(text.ends_with("+00:00"), "{text}");
            *time = if text.starts_with("0001-") { text.into() } else { "some time".into() };
        }
    }
    for name in ["UtcNow", "RandGuid"] {
        *body.pointer_mut(&format!("/Metadata/sys/{name}")).unwrap() = name.into();
    }
    // The stand-in has no retry policies; the recording's one timer with such a policy is compared without it.
    body["Metadata"].as_object_mut().unwrap().remove("RetryContext");
    body
}

#[tokio::test]
async fn first_and_second_runs_look_as_recorded() {
    let recorded = recording("timer_run1.json");
    let handler = Handler::start(|_| Reply::json("{}")).await;
    let (_host, _folder) = host_before(&handler, |config| {
        config.speed_up = SPEED_UP;
        let functions = recorded["function_json"].as_object().unwrap();
        for (name, file) in functions {
            let folder = config.app.join(name);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("function.json"), file.to_string()).unwrap();
        }
    })
    .await;
    let runs =
        [("/SweepMonitored", 2), ("/SweepUnmonitored", 2), ("/SweepInterval", 2), ("/SweepRunOnStartup", 1)];
    let calls = calls(&handler, &[runs[0], runs[1], runs[2], runs[3], ("/SweepRetry", 1)]).await;
    for (path, count) in runs.into_iter().chain([("/SweepRetry", 1)]) {
        let actual: Vec<Value> = calls
            .iter()
            .filter(|call| call.path() == path)
            .take(count)
            .map(|call| shape(&call.text()))
            .collect();
        let bodies = recorded["requests_by_path"][path].as_array().unwrap().iter().take(count);
        let expected: Vec<Value> = bodies.map(|request| shape(request["body"].as_str().unwrap())).collect();
        assert_eq!(actual, expected, "{path}");
    }
}

#[tokio::test]
async fn a_sweep_every_half_minute_has_no_status_and_carries_a_trace_when_telemetry_is_on() {
    let recordings = [
        ("trace_appinsights_timer.json", Telemetry::ApplicationInsights),
        ("trace_opentelemetry_timer.json", Telemetry::OpenTelemetry),
    ];
    for (name, telemetry) in recordings {
        let recorded = &recording(name)["request"];
        let handler = Handler::start(|_| Reply::json("{}")).await;
        let (_host, _folder) = host_before(&handler, |config| {
            config.speed_up = SPEED_UP;
            config.telemetry = telemetry;
            let timer = json!([{"type": "timerTrigger", "name": "timer", "direction": "in", "schedule": "*/30 * * * * *"}]);
            write_app(&config.app, &json!({"customHandler": {}}), &[("Sweep", timer)]);
        })
        .await;
        let call = calls(&handler, &[("/Sweep", 1)]).await.remove(0);
        assert_eq!(shape(&call.text()), shape(recorded["body"].as_str().unwrap()), "{name}");
        let names: Vec<&str> = call.headers.iter().map(|(name, _)| name.as_str()).collect();
        let pairs = recorded["headers"].as_array().unwrap();
        assert_eq!(names, pairs.iter().map(|pair| pair[0].as_str().unwrap()).collect::<Vec<_>>(), "{name}");
        let flags = |value: &str| value.rsplit('-').next().unwrap().to_owned();
        let recorded_parent =
            pairs.iter().find(|pair| pair[0] == "traceparent").unwrap()[1].as_str().unwrap();
        assert_eq!(flags(call.header("traceparent").unwrap()), flags(recorded_parent), "{name}");
    }
}

#[tokio::test]
async fn a_timer_never_overlaps_itself() {
    let answer = b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}".to_vec();
    let started: std::sync::Arc<std::sync::Mutex<Vec<tokio::time::Instant>>> = std::sync::Arc::default();
    let starts = std::sync::Arc::clone(&started);
    // Each run lasts longer than the 100 ms between two occurrences.
    let long = Duration::from_millis(250);
    let handler = Handler::start(move |request| {
        if request.path() == "/" {
            return Reply::json("{}");
        }
        starts.lock().unwrap().push(tokio::time::Instant::now());
        Reply::After(long, answer.clone())
    })
    .await;
    let (_host, _folder) = host_before(&handler, |config| {
        config.speed_up = SPEED_UP;
        let timer = json!([{"type": "timerTrigger", "name": "timer", "direction": "in", "schedule": "*/30 * * * * *"}]);
        write_app(&config.app, &json!({"customHandler": {}}), &[("Sweep", timer)]);
    })
    .await;
    calls(&handler, &[("/Sweep", 3)]).await;
    let started = started.lock().unwrap();
    assert!(started.windows(2).all(|pair| pair[1].duration_since(pair[0]) >= long));
}

#[tokio::test]
async fn a_bad_schedule_disables_that_function_only() {
    let recorded = recording("settings_in_function_json.json");
    let handler = Handler::start(|_| Reply::json("{}")).await;
    let timer = |schedule: &str| json!([{"type": "timerTrigger", "name": "timer", "direction": "in", "schedule": schedule}]);
    let (host, _folder) = host_before(&handler, |config| {
        config.speed_up = SPEED_UP;
        config.settings = vec![
            ("SweepSchedule".to_owned(), "*/30 * * * * *".to_owned()),
            ("AzureWebJobs.Evaluate.Disabled".to_owned(), "true".to_owned()),
        ];
        let functions = [
            ("Sweep", timer("%SweepSchedule%")),
            ("SweepMissing", timer("%Nope%")),
            ("SweepBad", timer("often")),
        ];
        write_app(&config.app, &json!({"customHandler": {}}), &functions);
    })
    .await;
    let calls = calls(&handler, &[("/Sweep", 1)]).await;
    assert!(calls.iter().all(|call| call.path() == "/Sweep"));
    let expected = &recorded["host_answer_to_caller"];
    let answer = support::send(&host.url(), &support::delivery(json!({}))).await.unwrap();
    assert_eq!(answer.status(), expected["eventgrid"]["status"]);
    let request = json!({"method": "POST", "path": "/api/Evaluate", "body": "{}",
        "headers": {"x-functions-key": "function"}});
    let answer = support::send(&host.url(), &request).await.unwrap();
    assert_eq!(answer.status(), expected["disabled_http_function"]["status"]);
    let refused = host.log().entries().into_iter().filter(|entry| entry.message.contains("failed indexing"));
    assert_eq!(refused.count(), 2);
}
