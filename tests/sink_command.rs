//! `sink list`, `sink render` and `sink test`, run as people run them, against a receiver on this machine.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, and so do the functions that tests share"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use aks_stop_guard::case::{Episode, Record};
use aks_stop_guard::store::{Archived, CasePath, OpenMarker, StatePath, Written};
use serde_json::Value;
use stored_state::State;

use done::Done;

#[path = "support/done.rs"]
mod done;

#[path = "support/azurite.rs"]
mod azurite;

#[path = "support/stored_state.rs"]
mod stored_state;

/// Runs the binary in the project's folder, with no environment but this.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Done {
    let output = Command::new(env!("CARGO_BIN_EXE_aks-stop-guard"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    Done::of(output)
}

/// Takes as many requests as there are answers, and gives back their bodies.
fn receiver(answers: &'static [(u16, &'static str)]) -> (String, JoinHandle<Vec<Value>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook/T0K3N", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let mut bodies = Vec::new();
        for (status, text) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let header = line.trim().to_ascii_lowercase();
                if header.is_empty() {
                    break;
                }
                if let Some(bytes) = header.strip_prefix("content-length:") {
                    length = bytes.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            bodies.push(serde_json::from_slice(&body).unwrap());
            let bytes = text.len();
            let answer =
                format!("HTTP/1.1 {status} x\r\ncontent-length: {bytes}\r\nconnection: close\r\n\r\n{text}");
            stream.write_all(answer.as_bytes()).unwrap();
        }
        bodies
    });
    (url, thread)
}

#[test]
fn the_list_says_which_sinks_are_used_ready_or_not_set() {
    let settings = [
        ("STOP_GUARD_SINKS", "slack"),
        ("STOP_GUARD_SLACK_URL", "https://hooks.example/T0K3N"),
        ("STOP_GUARD_ALERTMANAGER_URL", "http://alertmanager.example"),
    ];
    let done = run(&["sink", "list"], &settings);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    let line = |name: &str| done.out.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
    assert!(line("slack").contains(" used "), "{}", done.out);
    assert!(line("alertmanager").contains(" broken "), "{}", done.out);
    assert!(
        done.out.contains("STOP_GUARD_ALERTMANAGER_URL must be https, or http to this machine"),
        "{}",
        done.out
    );
    assert!(line("pagerduty").contains(" not set "), "{}", done.out);
    assert!(done.out.contains("needs STOP_GUARD_PAGERDUTY_KEY: the integration key"), "{}", done.out);
    let done = run(&["sink", "list", "-o", "json"], &settings);
    let list: Value = serde_json::from_str(&done.out).unwrap();
    let slack = list.as_array().unwrap().iter().find(|sink| sink["name"] == "slack").unwrap();
    assert_eq!(slack["standing"], "used");
    assert_eq!(slack["settings"][0]["name"], "STOP_GUARD_SLACK_URL");
    assert!(!done.out.contains("T0K3N"));
}

#[test]
fn a_sink_shows_what_it_would_send_without_secrets_and_without_settings() {
    let done = run(
        &["sink", "render", "pagerduty", "--state", "resolved"],
        &[("STOP_GUARD_PAGERDUTY_KEY", "R0UT1NGKEYR0UT1NGKEYR0UT1NGKEY12")],
    );
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    insta::assert_snapshot!(done.out, @r#"
    # resolve
    POST https://events.pagerduty.com/v2/enqueue

    {
      "routing_key": "***",
      "event_action": "resolve",
      "dedup_key": "sample-stop"
    }
    "#);
    for (state, sample) in [("opened", "stop"), ("updated", "storm"), ("resolved", "guard")] {
        for sink in [
            "alertmanager",
            "opsgenie",
            "sentinel",
            "sentinel-incident",
            "servicenow",
            "slack",
            "teams",
            "webhook",
        ] {
            let done =
                run(&["sink", "render", sink, "--state", state, "--sample", sample, "-o", "json"], &[]);
            assert_eq!(done.code, 0, "{sink}: {}", done.err);
            let shown: Value = serde_json::from_str(&done.out).unwrap();
            assert!(shown[0]["url"].is_string(), "{sink}");
        }
    }
}

#[test]
fn a_test_goes_over_the_production_path_and_resolves_itself() {
    let (url, thread) = receiver(&[(204, ""), (200, "")]);
    let done = run(
        &["sink", "test", "webhook"],
        &[("STOP_GUARD_WEBHOOK_URL", &url), ("STOP_GUARD_MODE", "dry-run")],
    );
    assert_eq!(
        (done.code, done.out.as_str(), done.err.as_str()),
        (0, "opened    delivered (204)\nresolved  delivered (200)\n", "")
    );
    let bodies = thread.join().unwrap();
    let data = |at: usize| &bodies[at]["data"];
    assert_eq!((&data(0)["state"], &data(1)["state"]), (&"opened".into(), &"resolved".into()));
    assert_eq!(data(0)["incident"], data(1)["incident"]);
    assert_ne!(bodies[0]["id"], bodies[1]["id"]);
    assert!(data(0)["title"].as_str().unwrap().starts_with("[test] "), "{}", data(0));
}

#[test]
fn a_test_that_is_refused_says_why_and_ends_with_1() {
    let (url, thread) = receiver(&[(404, "no_service")]);
    let done = run(&["sink", "test", "slack", "-o", "json"], &[("STOP_GUARD_SLACK_URL", &url)]);
    assert_eq!(done.code, 1, "{}", done.err);
    let told: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(told[0]["error"], "slack answered 404: the webhook or its channel is gone, make another");
    assert!(!done.out.contains("T0K3N"));
    assert_eq!(thread.join().unwrap().len(), 1, "what was not opened is not resolved");
}

#[test]
fn a_sink_that_is_not_set_up_is_not_tested() {
    let done = run(&["sink", "test", "slack"], &[]);
    assert_eq!((done.code, done.out.as_str()), (3, ""));
    assert!(done.err.contains("STOP_GUARD_SLACK_URL is missing"), "{}", done.err);
    let done = run(&["sink", "test", "slak"], &[]);
    assert_eq!(done.code, 1);
    assert!(done.err.starts_with("error: `slak` is no sink: there are alertmanager, "), "{}", done.err);
}

impl State {
    /// A state with this record in it.
    async fn with(container: &'static str, record: &Record) -> Self {
        let state = Self::new(container).await;
        let path = StatePath::cluster(&record.cluster.key());
        let written = state.store.create(&path, record.encode().unwrap()).await.unwrap();
        assert!(matches!(written, Written::Done(_)));
        state
    }

    /// `sink render slack --case`, as an operator runs it.
    fn render(&self, case: &str, more: &[&str]) -> Done {
        let berlin = [("STOP_GUARD_TIMEZONE", "Europe/Berlin")];
        run(
            &[&["sink", "render", "slack", "--case", case], more].concat(),
            &[self.settings().as_slice(), &berlin].concat(),
        )
    }
}

fn fixture(text: &str) -> Record {
    Record::decode(text.as_bytes()).unwrap()
}

#[tokio::test]
async fn a_stored_case_is_shown_as_it_would_be_told_now() {
    let record = fixture(include_str!("records/v1_told.json"));
    let state = State::with("sink-render-open", &record).await;
    let id = record.case_id().unwrap().to_string();
    let done = state.render(&id, &[]);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{}", done.out);
    let title =
        "aks-prod-01 was stopped by mallory@contoso.com without permission: the guard is restarting it";
    assert!(done.out.contains(title), "{}", done.out);
    assert!(done.out.contains("2026-09-14 20:00:00 CEST"), "{}", done.out);
    assert!(done.out.starts_with("# "), "{}", done.out);
    let json = state.render(&id, &["-o", "json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert!(json[0]["body"].to_string().contains(title), "{json:#}");
    assert_eq!(state.render(&id, &["--state", "resolved"]).code, 2, "a case tells its own state");
}

#[tokio::test]
async fn a_closed_case_is_found_in_the_archive_and_shown_with_its_end() {
    let closing = fixture(include_str!("records/v1_closing.json"));
    let Episode::Closing(closing) = closing.episode else { panic!("it is closing") };
    let none = fixture(include_str!("records/v1_none.json"));
    let state = State::with("sink-render-closed", &none).await;
    let (key, generation) = closing.id.as_str().rsplit_once('-').unwrap();
    let marker = OpenMarker { key: none.cluster.key(), generation: generation.parse().unwrap() };
    assert_eq!(key, marker.key.as_str());
    let missing = state.render(closing.id.as_str(), &[]);
    assert_eq!((missing.code, missing.out.as_str()), (1, ""));
    let path = CasePath::new(&marker, closing.closed_at);
    assert_eq!(state.store.archive(&path, closing.body).await.unwrap(), Archived::New);
    let done = state.render(&closing.id.to_string(), &[]);
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{}", done.out);
    assert!(done.out.contains("aks-prod-01 runs again"), "{}", done.out);
}

#[tokio::test]
async fn a_case_that_cannot_be_shown_says_why() {
    let record = fixture(include_str!("records/v1_open.json"));
    let state = State::with("sink-render-no", &record).await;
    let told = |case: &str| {
        let done = state.render(case, &[]);
        assert_eq!((done.code, done.out.as_str()), (1, ""), "{}", done.err);
        done.err
    };
    let other = format!("{}-17", "0".repeat(32));
    insta::assert_snapshot!(told(&other), @"error: case `00000000000000000000000000000000-17`: the state has no record of its cluster");
    insta::assert_snapshot!(told(&format!("{}-17", record.cluster.key())), @"error: case `183dfd2ce3e81077fefbe09205c4ed44-17`: it is neither open nor among those that ended within 100 days after it began");
    let mut undecided = record;
    if let Episode::Open(case) = &mut undecided.episode {
        case.verdict = None;
        case.told = None;
    }
    let id = undecided.case_id().unwrap().to_string();
    state
        .store
        .put(&StatePath::cluster(&undecided.cluster.key()), undecided.encode().unwrap())
        .await
        .unwrap();
    insta::assert_snapshot!(told(&id), @"error: case `183dfd2ce3e81077fefbe09205c4ed44-1789408810` has no incident: its stop is not decided yet");
    let unread = state.render("storm-17", &[]);
    assert_eq!(unread.code, 2);
    assert!(unread.err.contains("write a case's id as its incident has it"), "{}", unread.err);
    let nowhere = run(&["sink", "render", "slack", "--case", &other], &[]);
    assert_eq!((nowhere.code, nowhere.out.as_str()), (3, ""));
    assert!(nowhere.err.contains("STOP_GUARD_STATE"), "{}", nowhere.err);
}
