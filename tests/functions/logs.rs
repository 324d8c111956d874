//! What the process logs while it serves: never a key, and nothing that a closed pipe could turn into its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use aks_stop_guard::telemetry::{self, Format, LINE_BYTES_MAX, Lines, Settings, Stream};
use jiff::Timestamp;
use serde_json::Value;
use tracing::level_filters::LevelFilter;

use crate::host::{Connection, INVOCATION_ID, Noted, TRACEPARENT, chunked, serve};
use crate::requests::all;

const SETTINGS: Settings =
    Settings { level: LevelFilter::TRACE, format: Format::Json, now: || Timestamp::UNIX_EPOCH };

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<(Stream, String)>>>);

impl Lines for Captured {
    fn write(&self, stream: Stream, line: &str) {
        self.0.lock().unwrap().push((stream, line.to_owned()));
    }
}

#[tokio::test]
async fn function_keys_are_never_logged() {
    let lines = Captured::default();
    let _logging = tracing::subscriber::set_default(telemetry::subscriber(SETTINGS, lines.clone()));
    let address = serve(Arc::new(Noted::default())).await;
    let mut answers = Vec::new();
    let mut keys = 0;
    for sent in all().into_iter().filter(|sent| sent.file.starts_with("http_")) {
        let whole = sent.body.replace("<function-key>", "S3CRETKEY").replace("<master-key>", "S3CRETKEY");
        keys += whole.matches("S3CRETKEY").count();
        // The same in faulty envelopes, whose errors must not quote them, and in places where only a caller of ours
        // that is not the host would put one.
        let cut = whole[..whole.len().saturating_sub(1)].to_owned();
        for body in [whole.clone(), cut, whole.replace("\"Method\"", "\"M\"")] {
            for path in
                ["/Evaluate", "/Evaluate?code=S3CRETKEY", "/StopActionHandler?code=S3CRETKEY", "/S3CRETKEY"]
            {
                let mut request = chunked(path, body.as_bytes());
                let header = b"x-functions-key: S3CRETKEY\r\n";
                let at = request.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
                request.splice(at..at, header.iter().copied());
                let mut connection = Connection::open(address).await;
                answers.push(connection.exchange(&request).await.expect("an answer").body);
            }
        }
    }
    assert!(keys > 15, "{keys} keys were sent");
    assert!(answers.iter().all(|answer| !answer.contains("S3CRETKEY")));
    let lines = lines.0.lock().unwrap();
    assert!(lines.len() > 50, "{} lines", lines.len());
    for (_, line) in lines.iter() {
        assert!(!line.contains("S3CRETKEY"), "{line}");
    }
}

#[tokio::test]
async fn a_line_of_an_invocation_names_it_and_its_trace() {
    let lines = Captured::default();
    let _logging = tracing::subscriber::set_default(telemetry::subscriber(SETTINGS, lines.clone()));
    let address = serve(Arc::new(Noted::default())).await;
    let mut connection = Connection::open(address).await;
    connection.exchange(&chunked("/StopActionHandler", b"{}")).await.expect("an answer");
    let lines = lines.0.lock().unwrap();
    let (stream, line) =
        lines.iter().find(|(_, line)| line.contains("refused")).expect("a line that says so");
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((line["level"].as_str(), *stream), (Some("WARN"), Stream::Out));
    assert_eq!(line["function"], "StopActionHandler");
    assert_eq!(line["invocation_id"], INVOCATION_ID);
    assert_eq!(line["traceparent"], TRACEPARENT);
}

/// The variable that makes this test binary play the process whose reader goes away.
const ROLE: &str = "GUARD_TEST_LOGS_INTO_A_CLOSED_PIPE";

/// An exit code that neither a panic (101) nor a signal nor the test harness makes.
const SURVIVED: i32 = 42;

#[test]
fn a_process_whose_reader_is_gone_goes_on_working() {
    if std::env::var_os(ROLE).is_some() {
        log_into_a_closed_pipe();
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "logs::a_process_whose_reader_is_gone_goes_on_working", "--nocapture"])
        .env(ROLE, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("while somebody reads") {
        line.clear();
        assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "the child ended before it logged");
    }
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    line.clear();
    stderr.read_line(&mut line).unwrap();
    let panic: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
    assert_eq!((&panic["level"], &panic["panic"]), (&"ERROR".into(), &"two\\nlines".into()));
    drop(stdout);
    drop(stderr);
    child.stdin.take().unwrap().write_all(b"both pipes are closed\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(SURVIVED));
}

fn log_into_a_closed_pipe() -> ! {
    telemetry::install(SETTINGS).unwrap();
    assert!(telemetry::install(SETTINGS).is_err(), "once is enough");
    tracing::info!(target: "aks_stop_guard", "while somebody reads");
    std::panic::catch_unwind(|| panic!("two\nlines")).unwrap_err();
    let mut go = [0; 1];
    std::io::stdin().read_exact(&mut go).unwrap();
    let long = "x".repeat(LINE_BYTES_MAX);
    for n in 0..1_000 {
        tracing::info!(target: "aks_stop_guard", n, long, "nobody reads this");
        tracing::error!(target: "aks_stop_guard", n, long, "nor this");
    }
    std::panic::catch_unwind(|| panic!("nor this")).unwrap_err();
    std::process::exit(SURVIVED);
}
