//! `simulator host`, as a process.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

use super::process::{App, DEADLINE};
use super::support::{delivery, send};

#[tokio::test]
async fn the_command_says_where_it_listens_serves_and_ends_on_sigterm_with_its_handler() {
    let app = App::new("");
    let report = app.folder.path().join("report");
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_simulator"))
        .args(["host", "--app", app.folder.path().to_str().unwrap()])
        .args(["--executable", app.handler().to_str().unwrap()])
        .args(["--setting", &format!("REPORT={}", report.display())])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).await.unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    let mut request = delivery(json!({}));
    let key = said["systemKey"].as_str().unwrap();
    request["path"] = request["path"].as_str().unwrap().replace("code=system", &format!("code={key}")).into();
    let answer = send(said["url"].as_str().unwrap(), &request).await.unwrap();
    assert_eq!(answer.status(), 202);

    let started: Value = serde_json::from_str(app.report()[0].strip_prefix("start ").unwrap()).unwrap();
    kill_process(Pid::from_raw(child.id().unwrap().cast_signed()).unwrap(), Signal::TERM).unwrap();
    let status = tokio::time::timeout(DEADLINE, child.wait()).await.unwrap().unwrap();
    assert!(status.success());
    assert!(!std::path::Path::new("/proc").join(started["pid"].to_string()).exists());
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).await.unwrap();
    assert!(log.contains("info: Function.StopActionHandler: Executed"), "{log}");
    assert!(log.ends_with("host ended: all calls ended\n"), "{log}");
    assert!(!log.contains(key), "keys stay out of the log");
}
