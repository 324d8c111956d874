//! The end of the host.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::host::{Host, Shutdown};

use super::process::{App, deliver, deliver_later};
use super::support::{recording, write_app};

pub(crate) fn replayed() -> Vec<String> {
    let names = [
        "sigterm",
        "sigterm_short",
        "sigterm_long",
        "sigint",
        "sigint_group",
        "sigterm_very_long",
        "sigterm_timeout5",
    ];
    let others = ["sigkill", "timer_in_flight", "timer_in_flight_long"];
    names.into_iter().chain(others).map(|name| format!("shutdown_{name}.json")).collect()
}

/// The recorded status of a call, null for a lost connection.
fn recorded(name: &str, call: &str) -> Value {
    recording(name)["host_answer_to_caller"][call]["status"].clone()
}

fn is_running(pid: u32) -> bool {
    std::path::Path::new("/proc").join(pid.to_string()).exists()
}

async fn shut_down_with_a_call_in_flight(
    limit: Duration,
    data: Value,
) -> (Shutdown, Option<u16>, Option<u16>, bool) {
    let mut app = App::new("");
    app.config.timings.shutdown = Some(limit);
    let host = app.start().await;
    assert!(host.ready().await);
    let (url, pid) = (host.url(), host.handler_pid().unwrap());
    let in_flight = deliver_later(&host, data);
    app.reported("request", 1).await;
    let ending = tokio::spawn(host.shutdown());
    let address = url.strip_prefix("http://").unwrap();
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let late = deliver(url, json!({})).await;
    let status = in_flight.await.unwrap();
    (ending.await.unwrap(), status, late, is_running(pid))
}

#[tokio::test]
async fn a_stopping_host_refuses_new_calls_and_waits_for_those_in_flight() {
    let result = shut_down_with_a_call_in_flight(Duration::from_secs(30), json!({"sleep": 0.3})).await;
    assert_eq!(result, (Shutdown::Drained, Some(202), None, false));
    for name in ["sigterm", "sigterm_short", "sigterm_long", "sigint", "sigint_group"] {
        let name = format!("shutdown_{name}.json");
        assert_eq!(
            json!([result.1, result.2]),
            json!([recorded(&name, "in_flight"), recorded(&name, "sent_after_signal")])
        );
    }
}

#[tokio::test]
async fn a_call_longer_than_the_limit_is_cut_off() {
    let result = shut_down_with_a_call_in_flight(Duration::from_millis(200), json!({"sleep": 60})).await;
    assert_eq!(result, (Shutdown::CutOff, None, None, false));
    for name in ["shutdown_sigterm_very_long.json", "shutdown_sigterm_timeout5.json"] {
        assert_eq!(
            json!([result.1, result.2]),
            json!([recorded(name, "in_flight"), recorded(name, "sent_after_signal")])
        );
    }
}

#[tokio::test]
async fn a_killed_host_leaves_a_handler_that_works_on_with_a_broken_pipe() {
    let app = App::new("");
    let host = app.start().await;
    assert!(host.ready().await);
    let (url, port) = (host.url(), host.handler_port());
    let in_flight = deliver_later(&host, json!({"sleep": 1}));
    app.reported("request", 1).await;
    let pid = host.orphan().await.unwrap();
    assert_eq!(json!(in_flight.await.unwrap()), recorded("shutdown_sigkill.json", "in_flight"));
    assert_eq!(json!(deliver(url, json!({})).await), recorded("shutdown_sigkill.json", "sent_after_signal"));
    app.reported("done", 1).await;
    assert!(is_running(pid));
    // It still listens. Nobody reads what it prints any more: printing breaks it, and with it this call.
    let address = format!("http://127.0.0.1:{port}");
    let body = json!({"Data": {"event": {"data": {"say": true}}}}).to_string();
    let request = json!({"method": "POST", "path": "/StopActionHandler", "headers": {"transfer-encoding": "chunked"},
        "body": format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())});
    assert!(super::support::send(&address, &request).await.is_none());
    assert!(is_running(pid));
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_dropped_host_takes_its_handler_with_it() {
    let app = App::new("");
    let host = app.start().await;
    assert!(host.ready().await);
    let pid = host.handler_pid().unwrap();
    let stuck = deliver_later(&host, json!({"sleep": 60}));
    app.reported("request", 1).await;
    drop(host);
    let gone = async {
        while is_running(pid) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(super::process::DEADLINE, gone).await.unwrap();
    assert_ne!(stuck.await.unwrap(), Some(202));
}

async fn stop_during_a_sweep(sweep: &str, limit: Duration) -> (App, Host, u32) {
    let mut app = App::new("");
    let timer = json!([{"type": "timerTrigger", "name": "timer", "direction": "in", "schedule": "0 0 3 * * *",
        "runOnStartup": true}]);
    let host_json = json!({"customHandler": {"description": {"defaultExecutablePath": "handler"}}});
    write_app(app.folder.path(), &host_json, &[("Sweep", timer)]);
    app.config.settings.push(("SWEEP".to_owned(), sweep.to_owned()));
    app.config.timings.timer_shutdown = Some(limit);
    let host = app.start().await;
    app.reported("request", 1).await;
    let pid = host.handler_pid().unwrap();
    (app, host, pid)
}

#[tokio::test]
async fn a_sweep_in_flight_is_waited_for() {
    let recorded = recording("shutdown_timer_in_flight.json");
    let (app, host, pid) = stop_during_a_sweep("0.3", Duration::from_secs(30)).await;
    assert_eq!(host.shutdown().await, Shutdown::Drained);
    assert!(app.report().contains(&"done".to_owned()));
    assert_eq!(is_running(pid), recorded["handler_gone"].is_null());
}

#[tokio::test]
async fn a_sweep_that_is_too_long_leaves_the_handler_behind() {
    let recorded = recording("shutdown_timer_in_flight_long.json");
    let (app, host, pid) = stop_during_a_sweep("1.0", Duration::from_millis(100)).await;
    assert_eq!(host.shutdown().await, Shutdown::HandlerLeftBehind);
    assert_eq!(is_running(pid), recorded["handler_gone"].is_null());
    app.reported("done", 1).await;
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}
