//! Start, readiness, exit, crash and timeout of the handler's process.

use std::time::Duration;

use serde_json::{Value, json};

use super::process::{App, DEADLINE, deliver, deliver_later};
use super::support::{Handler, Reply, host_before, recording, recordings};

/// `initializationTimeout` of tests that run into it.
const SHORT: Duration = Duration::from_millis(300);

pub(crate) fn replayed() -> Vec<String> {
    let names = ["start_", "handler_exit_"].into_iter().flat_map(recordings).map(|(name, _)| name);
    let others = ["crash_in_flight.json", "function_timeout.json", "arguments_and_process_count.json"];
    names.chain(others.map(str::to_owned)).collect()
}

/// How often the recorded host started its handler.
fn recorded_starts(name: &str) -> usize {
    recording(name)["child_starts"].as_array().unwrap().len()
}

fn recorded_status(name: &str) -> Value {
    recording(name)["host_answer_to_caller"]["status"].clone()
}

#[tokio::test]
async fn the_child_gets_its_port_ids_and_root_and_the_hosts_environment() {
    let recorded = recording("start_child_process.json");
    let app = App::new("");
    let host = app.start().await;
    assert!(host.ready().await);
    let report = app.report().remove(0);
    let child: Value = serde_json::from_str(report.strip_prefix("start ").unwrap()).unwrap();
    let added = recorded["child"]["env_added_by_host"].as_object().unwrap();
    assert!(added.keys().all(|name| child["env"][name].is_string()), "{added:?}");
    assert_eq!(child["env"]["FUNCTIONS_CUSTOMHANDLER_PORT"], host.handler_port().to_string());
    assert_eq!(child["env"]["FUNCTIONS_HTTPWORKER_PORT"], host.handler_port().to_string());
    assert_eq!(child["env"]["FUNCTIONS_HTTPWORKER_ID"], child["env"]["FUNCTIONS_CUSTOMHANDLER_WORKER_ID"]);
    assert!(child["env"]["PATH"].is_string());
    let root = app.folder.path().to_str().unwrap();
    assert_eq!(
        (child["cwd"].as_str(), child["env"]["FUNCTIONS_APP_ROOT_PATH"].as_str()),
        (Some(root), Some(root))
    );
    assert_eq!(child["pid"], json!(host.handler_pid().unwrap()));
    host.shutdown().await;
}

#[tokio::test]
async fn arguments_are_joined_unquoted_and_split_again() {
    let recorded = recording("arguments_and_process_count.json");
    let mut app = App::new("");
    app.describe(&recorded["host_json_description"]);
    app.config.settings.push(("FOO".to_owned(), recorded["env_FOO"].as_str().unwrap().to_owned()));
    let host = app.start().await;
    assert!(host.ready().await);
    let report = app.report().remove(0);
    let child: Value = serde_json::from_str(report.strip_prefix("start ").unwrap()).unwrap();
    let argv = recorded["argv"].as_array().unwrap();
    assert_eq!(child["argv"].as_array().unwrap().as_slice(), &argv[1..]);
    assert_eq!(host.handler_starts(), 1);
    host.shutdown().await;
}

#[tokio::test]
async fn a_handler_that_exits_with_an_error_is_started_three_times_and_then_the_host_ends() {
    let app = App::new("exit 1");
    let host = app.start().await;
    tokio::time::timeout(DEADLINE, host.gave_up()).await.unwrap();
    assert_eq!(host.handler_starts(), recorded_starts("start_exit_1.json"));
    assert_eq!(json!(deliver(host.url(), json!({})).await), recorded_status("start_exit_1.json"));
    assert!(host.log().messages("Host.Function.Console").contains(&"fatal: cannot start".to_owned()));
}

#[tokio::test]
async fn a_handler_that_never_listens_is_started_three_times_and_callers_get_a_500() {
    for (name, start) in [("start_never_listens_5s.json", "deaf"), ("start_exit_0.json", "exit 0")] {
        let mut app = App::new(start);
        app.config.timings.initialization = Some(SHORT);
        let host = app.start().await;
        let early = deliver_later(&host, json!({}));
        tokio::time::timeout(DEADLINE, host.gave_up()).await.unwrap();
        assert_eq!(host.handler_starts(), recorded_starts(name), "{name}");
        assert_eq!(json!(early.await.unwrap()), recorded_status(name), "{name}");
    }
}

#[tokio::test]
async fn a_handler_that_cannot_be_started_is_not_tried_again_and_the_host_ends_when_a_call_has_waited() {
    for name in ["start_missing_file.json", "start_not_executable.json", "start_wrong_arch.json"] {
        let mut app = App::new("");
        app.config.timings.initialization = Some(SHORT);
        match name {
            "start_missing_file.json" => std::fs::remove_file(app.handler()).unwrap(),
            "start_not_executable.json" => app.permit(0o644),
            _ => std::fs::write(app.handler(), b"\x7fELF but not really").unwrap(),
        }
        let host = app.start().await;
        assert_eq!(json!(deliver(host.url(), json!({})).await), recorded_status(name), "{name}");
        tokio::time::timeout(DEADLINE, host.gave_up()).await.unwrap();
        assert_eq!(host.handler_starts(), recorded_starts(name), "{name}");
        let clue = host.log().messages("Host.General");
        assert!(clue.iter().any(|line| line.starts_with("Failed to start Worker Channel.")), "{name}");
    }
}

#[tokio::test]
async fn a_call_waits_for_a_slow_start_and_any_answer_to_the_ping_is_good() {
    let starts = [
        ("start_ping_500.json", "ping_500"),
        ("start_ping_close.json", "ping_close"),
        ("start_slow_listen.json", "late 0.5"),
        ("start_dot_slash_path.json", ""),
    ];
    for (name, start) in starts {
        let app = App::new(start);
        if name == "start_dot_slash_path.json" {
            app.describe(&json!({"defaultExecutablePath": "./handler"}));
        }
        let host = app.start().await;
        assert_eq!(json!(deliver(host.url(), json!({})).await), recorded_status(name), "{name}");
        assert_eq!(host.handler_starts(), recorded_starts(name), "{name}");
        host.shutdown().await;
    }
}

#[tokio::test]
async fn one_slow_ping_does_not_exceed_the_limit() {
    // The limit is looked at between pings only.
    let slow = b"HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n".to_vec();
    let handler = Handler::start(move |request| match request.path() {
        "/" => Reply::After(2 * SHORT, slow.clone()),
        _ => Reply::json("{}"),
    })
    .await;
    let (host, _folder) = host_before(&handler, |config| config.timings.initialization = Some(SHORT)).await;
    assert_eq!(json!(deliver(host.url(), json!({})).await), recorded_status("start_ping_slow.json"));
    let complaints = host.log().entries().into_iter().filter(|entry| entry.message.contains("timed out"));
    assert_eq!(complaints.count() + 1, recorded_starts("start_ping_slow.json"));
}

#[tokio::test]
async fn without_functions_or_a_described_handler_nothing_is_started() {
    for name in ["start_no_functions.json", "start_no_description.json", "start_empty_path.json"] {
        let app = App::new("");
        match name {
            "start_no_functions.json" => {
                std::fs::remove_dir_all(app.folder.path().join("StopActionHandler")).unwrap()
            }
            "start_no_description.json" => {
                super::support::write_app(app.folder.path(), &json!({"customHandler": {}}), &[])
            }
            _ => app.describe(&json!({"defaultExecutablePath": ""})),
        }
        let host = app.start().await;
        let recorded = recorded_status(name);
        if recorded != Value::Null {
            assert_eq!(json!(deliver(host.url(), json!({})).await), recorded, "{name}");
        }
        assert_eq!(host.handler_starts(), recorded_starts(name), "{name}");
    }
}

#[tokio::test]
async fn a_call_gives_up_on_a_handler_that_never_listens() {
    // The default limit of 30 s, recorded as such, is only shortened here.
    let recorded = recording("start_never_listens_default.json");
    let mut app = App::new("deaf");
    app.config.timings.initialization = Some(SHORT);
    let host = app.start().await;
    tokio::time::timeout(DEADLINE, host.gave_up()).await.unwrap();
    assert_eq!(host.handler_starts(), recorded["child_starts"].as_array().unwrap().len());
}

#[tokio::test]
async fn exit_codes_during_a_call_have_the_recorded_consequences() {
    for (name, code) in
        [("handler_exit_0.json", 0), ("handler_exit_1.json", 1), ("handler_exit_200.json", 200)]
    {
        let recorded = recording(name);
        let expected = &recorded["host_answer_to_caller"];
        let app = App::new("");
        let host = app.start().await;
        let in_flight = deliver(host.url(), json!({ "exit": code })).await;
        assert_eq!(json!(in_flight), expected["in_flight"]["status"], "{name}");
        let restarts = recorded["starts"].as_array().unwrap().len();
        if restarts > 0 {
            wait_for_starts(&host, 1 + restarts).await;
        }
        for later in ["after_2s", "after_more"] {
            let status = deliver(host.url(), json!({})).await;
            assert_eq!(json!(status), expected[later]["status"], "{name}");
        }
        assert_eq!(host.handler_starts(), 1 + restarts, "{name}");
        host.shutdown().await;
    }
}

async fn wait_for_starts(host: &simulator::host::Host, starts: usize) {
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    let all = async {
        while host.handler_starts() < starts {
            tick.tick().await;
        }
    };
    tokio::time::timeout(DEADLINE, all).await.expect("the handler is started again");
}

#[tokio::test]
async fn the_third_crash_within_half_an_hour_ends_the_host() {
    let recorded = recording("crash_in_flight.json");
    let app = App::new("");
    let host = app.start().await;
    let port = host.handler_port();
    for (index, round) in recorded["rounds"].as_array().unwrap().iter().enumerate() {
        let expected = &round["host_answer_to_caller"];
        assert!(host.ready().await);
        let in_flight = deliver_later(&host, json!({"sleep": 60}));
        app.reported("request", 2 * index + 1).await;
        host.kill_child().await;
        assert_eq!(json!(in_flight.await.unwrap()), expected["in_flight"]["status"]);
        if round["host_exit"].is_null() {
            wait_for_starts(&host, index + 2).await;
            let status = deliver(host.url(), json!({})).await;
            assert_eq!(json!(status), expected["sent_during_restart"]["status"]);
            assert_eq!(host.handler_port(), port);
        } else {
            tokio::time::timeout(DEADLINE, host.gave_up()).await.unwrap();
        }
    }
    assert_eq!(host.handler_starts(), 3);
}

#[tokio::test]
async fn a_stuck_call_takes_the_others_with_it() {
    let recorded = recording("function_timeout.json");
    let expected = &recorded["host_answer_to_caller"];
    let mut app = App::new("");
    let limit = Duration::from_secs(2);
    app.config.timings.function = Some(limit);
    let host = app.start().await;
    assert!(host.ready().await);
    let (_, mut live) = host.log().follow();
    let slow = deliver_later(&host, json!({"sleep": 60}));
    // Sent while the first one's grace runs, so that it is well within its own limit when the handler is killed.
    while !live.recv().await.unwrap().message.starts_with("Timeout value of 00:00:02 exceeded by function") {}
    let other = deliver_later(&host, json!({"sleep": 50}));
    assert_eq!(json!(slow.await.unwrap()), expected["slow"]["status"]);
    assert_eq!(json!(other.await.unwrap()), expected["other"]["status"]);
    wait_for_starts(&host, 2).await;
    // A slow machine may need longer for the start than a call may take.
    assert!(host.ready().await);
    let status = deliver(host.url(), json!({})).await;
    assert_eq!(json!(status), expected["during_restart"]["status"]);
    host.shutdown().await;
}
