//! The binary as another process meets it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, wherever it does")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::Value;

fn get(url: &str, header: &str) -> String {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{header}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn serve_says_where_it_is_gives_tokens_and_ends_on_sigterm() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_simulator"))
        .args(["serve", "--port", "0", "--speed-up", "60"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap().to_owned();
    assert!(text("url").starts_with("http://127.0.0.1:"));

    let endpoint = format!("{}?api-version=2019-08-01&resource=r", text("identityEndpoint"));
    let answer = get(&endpoint, &format!("x-identity-header: {}\r\n", text("identityHeader")));
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("access_token"), "{answer}");

    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_secret_that_is_none_is_said_and_ends_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_simulator"))
        .args(["serve", "--webhook-secret", "sesame"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the secret is not `whsec_`"));
}
