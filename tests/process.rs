//! The process as the Functions host starts and treats it: the real binary, real sockets, real signals.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and so do the functions that tests share"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use aks_stop_guard::domain::verbatim::sha256;
use serde_json::{Value, json};
use simulator::ports::free_port;

const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
const STOP: &str = include_str!("fixtures/events/eventgrid/stop_success_user_cli.json");
/// Who waits longer for an answer waits for ever: the handler itself answers within 20 s.
const PATIENCE: Duration = Duration::from_secs(40);
/// What the process may take at its busiest in these tests, KiB; a debug build, several large bodies at once.
const RESIDENT_KIB_MAX: u64 = 150 * 1024;

/// The running binary; killed when dropped, as the host does.
struct Guard {
    child: Child,
    port: u16,
    lines: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Guard {
    /// Starts it and waits until it says on which port it listens.
    fn start(environment: &[(&str, &str)]) -> Self {
        let mut child = command(environment).stdout(Stdio::piped()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(String::new()));
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let err = child.stderr.take().unwrap();
        let port = loop {
            let mut line = String::new();
            assert!(out.read_line(&mut line).unwrap() > 0, "it ended before it served");
            lines.lock().unwrap().push_str(&line);
            let said: Value = serde_json::from_str(&line).unwrap();
            if said["message"] == "serving on 127.0.0.1" {
                break u16::try_from(said["port"].as_u64().unwrap()).unwrap();
            }
        };
        let readers = vec![keep(out, &lines), keep(BufReader::new(err), &lines)];
        Self { child, port, lines, readers }
    }

    fn post(&self, path: &str, body: &[u8]) -> (u16, String) {
        exchange(self.port, "POST", path, body)
    }

    fn deliver(&self, event: &str) -> (u16, Value) {
        let body = format!(r#"{{"Data":{{"event":{event}}},"Metadata":{{}}}}"#);
        let (status, body) = self.post("/StopActionHandler", body.as_bytes());
        (status, serde_json::from_str(&body).expect("an answer is JSON"))
    }

    fn answers(&self) -> bool {
        exchange(self.port, "GET", "/", b"").0 == 200
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Everything that it logged, once it is dead.
    fn logged(mut self) -> String {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        self.lines.lock().unwrap().clone()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _it_may_be_dead_already = self.child.kill();
        let _it_may_be_dead_already = self.child.wait();
    }
}

fn keep(mut stream: impl Read + Send + 'static, lines: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(length @ 1..) = stream.read(&mut bytes) {
            lines.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
    })
}

/// The binary with these settings and no others; on a free port unless they say which.
fn command(environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aks-stop-guard"));
    command
        .arg("serve")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .env("FUNCTIONS_CUSTOMHANDLER_PORT", "0")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// State in memory, and nobody to ask: there is no Azure CLI on an empty PATH, and ARM's port is closed.
fn alone() -> Vec<(&'static str, &'static str)> {
    vec![
        ("STOP_GUARD_SUBSCRIPTIONS", SUBSCRIPTION),
        ("STOP_GUARD_STATE", "memory"),
        ("STOP_GUARD_ARM_ENDPOINT", "http://127.0.0.1:9"),
        ("STOP_GUARD_CREDENTIAL", "azure-cli"),
        ("PATH", "/nonexistent"),
    ]
}

/// One request on a connection of its own.
fn exchange(port: u16, method: &str, path: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nx-functions-key: canary-key\r\nConnection: close\r\n\
         Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("it answers");
    assert!(method == "GET" || head.contains("application/json"), "{head}");
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn the_hosts_first_question_is_answered_while_the_settings_files_are_still_read_and_events_wait_for_them() {
    let folder = tempfile::tempdir().unwrap();
    // Whoever opens it waits until somebody writes.
    let slow = folder.path().join("slow.toml");
    assert!(Command::new("mkfifo").arg(&slow).status().unwrap().success());
    let port = free_port().unwrap();
    let (port_setting, files) = (port.to_string(), folder.path().display().to_string());
    let mut settings = alone();
    settings.push(("FUNCTIONS_CUSTOMHANDLER_PORT", &port_setting));
    settings.push(("STOP_GUARD_SINK_FILES", &files));
    let child = command(&settings).stdout(Stdio::null()).spawn().unwrap();
    let guard = Guard { child, port, lines: Arc::default(), readers: Vec::new() };
    let until = std::time::Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(std::time::Instant::now() < until, "it does not listen");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(guard.answers());

    std::thread::scope(|scope| {
        let delivered = scope.spawn(|| guard.deliver(STOP));
        assert!(guard.answers());
        assert!(!delivered.is_finished());
        std::fs::write(&slow, "nobody names it, so it may be broken").unwrap();
        assert_eq!(delivered.join().unwrap().0, 200);
    });
}

#[test]
fn a_stop_is_durable_while_nobody_answers_and_its_case_waits() {
    let guard = Guard::start(&alone());
    let (status, answer) = guard.deliver(STOP);
    assert_eq!(status, 200);
    assert_eq!(answer["Logs"], json!(["aks-prod-01: stop by dana@contoso.com: opened a case"]));
    let (status, answer) = guard.post("/Sweep", br#"{"Data":{"timer":{}},"Metadata":{}}"#);
    assert_eq!(status, 200);
    assert!(answer.contains("open cases: 1, due: 0, failed: 1"), "{answer}");
    assert!(answer.contains("discovery: no token for azure resource manager"), "{answer}");
    let logged = guard.logged();
    assert!(logged.contains("\"level\":\"WARN\"") && logged.contains("the state is in memory"), "{logged}");
}

#[test]
fn the_first_sweep_names_the_executable_that_evidence_is_told_of() {
    let guard = Guard::start(&alone());
    guard.post("/Sweep", br#"{"Data":{"timer":{}},"Metadata":{}}"#);
    guard.post("/Sweep", br#"{"Data":{"timer":{}},"Metadata":{}}"#);
    let sha256 = sha256(&std::fs::read(env!("CARGO_BIN_EXE_aks-stop-guard")).unwrap());
    assert_eq!(guard.logged().matches(&sha256).count(), 1);
}

#[test]
fn signals_do_not_end_it() {
    let guard = Guard::start(&alone());
    for signal in ["TERM", "INT", "TERM"] {
        guard.signal(signal);
        assert!(guard.answers());
    }
    assert!(guard.deliver(STOP).0 == 200);
    assert!(guard.logged().contains("still serving"));
}

#[test]
fn a_port_that_is_taken_ends_it_with_one_line_and_not_with_0() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (port, told) in [(port.as_str(), "can't be bound"), ("http", "`http` is no port")] {
        let mut environment = alone();
        environment.push(("FUNCTIONS_CUSTOMHANDLER_PORT", port));
        let output = command(&environment).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(err.lines().count(), 1, "{err}");
        assert!(err.contains(told) && err.contains("FUNCTIONS_CUSTOMHANDLER_PORT"), "{err}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_reader_of_its_logs_that_is_gone_does_not_end_it() {
    let port = free_port().unwrap();
    let text = port.to_string();
    let mut environment = alone();
    environment.push(("FUNCTIONS_CUSTOMHANDLER_PORT", &text));
    let mut child = command(&environment).stdout(Stdio::piped()).spawn().unwrap();
    // Its first line has come: it serves. From now on nobody reads.
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    drop((out, child.stderr.take()));
    let body = format!(r#"{{"Data":{{"event":{STOP}}},"Metadata":{{}}}}"#);
    let answered: Vec<u16> =
        (0..3).map(|_| exchange(port, "POST", "/StopActionHandler", body.as_bytes()).0).collect();
    let junk = exchange(port, "POST", "/StopActionHandler", b"junk").0;
    let alive = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((answered, junk, alive), (vec![200, 200, 200], 200, true));
}

#[test]
fn with_everything_broken_it_still_answers_and_acknowledges_nothing_that_it_could_lose() {
    let guard = Guard::start(&[
        ("STOP_GUARD_MODE", "on"),
        ("STOP_GUARD_SUBSCRIPTIONS", "prod"),
        ("STOP_GUARD_STATE", "nowhere"),
        ("STOP_GUARD_POLICIES", "tests"),
        ("STOP_GUARD_SINKS", "pager"),
        ("STOP_GUARD_CLOUD", "mars"),
        ("STOP_GUARD_TYPO", "x"),
    ]);
    assert!(guard.answers());
    assert_eq!(guard.deliver(STOP).0, 503);
    let (status, answer) = guard.deliver("{\"no\":\"event\"}");
    assert_eq!(status, 200);
    assert!(answer["Logs"].to_string().contains("ignored: not an event"), "{answer}");
    assert_eq!(guard.post("/Sweep", br#"{"Data":{"timer":{}},"Metadata":{}}"#).0, 200);
    let logged = guard.logged();
    for setting in ["MODE", "SUBSCRIPTIONS", "STATE", "SINKS", "CLOUD", "TYPO"] {
        assert!(logged.contains(&format!("STOP_GUARD_{setting}")), "{setting}: {logged}");
    }
    assert!(logged.contains("`tests` holds no `*.cedar` file") && logged.contains("\"level\":\"ERROR\""));
}

#[test]
fn a_store_that_is_away_brings_the_event_again() {
    let mut environment = alone();
    environment.extend([
        ("STOP_GUARD_STATE", "UseDevelopmentStorage=true"),
        ("AZURITE_BLOB_STORAGE_URL", "http://127.0.0.1:9"),
    ]);
    let guard = Guard::start(&environment);
    let (status, answer) = guard.deliver(STOP);
    assert_eq!(status, 503);
    assert!(
        answer["Logs"].to_string().contains("not durable: aks-prod-01: the store can't be used now"),
        "{answer}"
    );
}

#[test]
fn hostile_bodies_are_answered_and_take_no_memory_to_speak_of() {
    let guard = Guard::start(&alone());
    let mut batch: Vec<&str> = vec![STOP; 10_000];
    let many = format!("[{}]", batch.join(","));
    batch.truncate(0);
    let small = format!("[{}]", vec!["{\"id\":\"x\"}"; 10_000].join(","));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let claims = STOP.replace("dana@contoso.com", &"d".repeat(60_000));
    let long = format!("\"{}\"", "x".repeat(8 * 1024 * 1024));
    for (name, event) in
        [("many", &many), ("small", &small), ("deep", &deep), ("claims", &claims), ("long", &long)]
    {
        let (status, answer) = guard.deliver(event);
        assert_eq!(status, 200, "{name}: {answer}");
        assert!(answer["Logs"].as_array().is_some_and(|logs| !logs.is_empty()), "{name}: {answer}");
    }
    for junk in [&b""[..], b"junk", b"\xff\xfe", b"{}", b"[]"] {
        assert_eq!(guard.post("/StopActionHandler", junk).0, 200);
    }
    assert!(guard.answers());
    let resident = guard.resident_kib();
    assert!(resident < RESIDENT_KIB_MAX, "{resident} KiB");
}

#[test]
fn keys_in_headers_and_urls_are_never_logged() {
    let mut environment = alone();
    environment.push(("STOP_GUARD_LOG", "trace"));
    let guard = Guard::start(&environment);
    let request = json!({
        "Data": { "req": {
            "Url": "http://localhost:7071/api/Evaluate?code=canary-code", "Method": "POST",
            "Query": { "code": "canary-code" }, "Headers": { "x-functions-key": ["canary-key"] },
            "Params": {}, "Identities": [], "Body": STOP,
        }},
        "Metadata": { "Query": { "code": "canary-code" }, "Headers": { "x-functions-key": "canary-key" } },
    });
    let (status, answer) = guard.post("/Evaluate?code=canary-code", request.to_string().as_bytes());
    assert_eq!(status, 200);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["Outputs"]["res"]["statusCode"], 200, "{answer}");
    let logged = guard.logged();
    assert!(!logged.contains("canary") && !answer.to_string().contains("canary"), "{logged}");
}

#[test]
fn a_guard_whose_state_is_broken_still_tells_people_what_is_broken() {
    let receiver = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/hook", receiver.local_addr().unwrap());
    let received = std::thread::spawn(move || {
        let (mut stream, _) = receiver.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut text = String::new();
        let mut reader = BufReader::new(&stream);
        while !text.contains("STOP_GUARD_STATE") {
            let mut part = Vec::new();
            // Not `read`: one with a timeout fails (EINTR) where the machine is stopped and goes on.
            let length = reader.read_until(b'"', &mut part).unwrap();
            assert!(length > 0, "the message ended without saying what is broken: {text}");
            text.push_str(&String::from_utf8_lossy(&part));
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        text
    });
    let mut environment = alone();
    environment.extend([
        ("STOP_GUARD_STATE", "nowhere"),
        ("STOP_GUARD_MODE", "notify"),
        ("STOP_GUARD_SINKS", "webhook"),
        ("STOP_GUARD_WEBHOOK_URL", &url),
    ]);
    let guard = Guard::start(&environment);
    assert_eq!(guard.post("/Sweep", br#"{"Data":{"timer":{}},"Metadata":{}}"#).0, 200);
    assert_eq!(guard.deliver(STOP).0, 503);
    assert!(received.join().unwrap().contains("\"severity\":\"critical\""));
    assert!(!guard.logged().contains("/hook"), "the address may hold a token");
}
