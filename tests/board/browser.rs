//! The pages in a real browser: scripts, policies, keyboard, contrast, a phone's width. What is done there is in `browser.mjs`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use aks_stop_guard::domain::Scope;
use aks_stop_guard::domain::grant::{Author, Way};
use aks_stop_guard::guard::Holds;
use jiff::SignedDuration;
use simulator::corpus::corpus;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::stored::{Kind, made, put_heartbeat, put_many};
use crate::stored_state::{State, settings, store_at};
use crate::{Board, now};

/// Longest hostile text that a case has, in characters: longer records are none of the guard's.
const HOSTILE_CHARS_MAX: usize = 2_000;

/// A browser that does one of the scenarios.
struct Browser {
    process: Child,
    said: Lines<BufReader<ChildStdout>>,
    told: ChildStdin,
}

impl Browser {
    fn begin(what: &str, board: &Board, below: &[String]) -> Self {
        Self::begin_at(what, &board.url, below)
    }

    fn begin_at(what: &str, address: &str, below: &[String]) -> Self {
        let mut process = Command::new("node")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/board/browser.mjs"))
            .args([what, address])
            .args(below)
            .env("GUARD_TEST_BROWSER", tools())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs");
        let said = BufReader::new(process.stdout.take().unwrap()).lines();
        let told = process.stdin.take().unwrap();
        Self { process, said, told }
    }

    /// Waits until it wants something.
    async fn wants(&mut self, what: &str) {
        match self.said.next_line().await.unwrap() {
            Some(line) => assert_eq!(line, what),
            None => panic!("it ended before it wanted `{what}`: {}", self.complaint().await),
        }
    }

    /// Says that it is done.
    async fn has_it(&mut self) {
        self.told.write_all(b"\n").await.unwrap();
    }

    async fn ends_well(mut self) {
        let complaint = self.complaint().await;
        assert!(self.process.wait().await.unwrap().success(), "{complaint}");
    }

    async fn complaint(&mut self) -> String {
        let mut complaint = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut complaint).await.unwrap();
        complaint
    }
}

/// From `GUARD_TEST_BROWSER`, or where `make tools` puts it.
fn tools() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "the tests' own setting")]
    let named = std::env::var("GUARD_TEST_BROWSER").map(PathBuf::from);
    let tools = named.unwrap_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/browser"));
    assert!(tools.join("chromium").exists(), "there is no browser in {}: run `make tools`", tools.display());
    tools
}

#[tokio::test]
async fn every_view_of_a_thousand_cases_is_without_fault_in_light_and_dark_and_on_a_phone() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // Azurite takes some milliseconds for each of the thousands of blobs.
    tokio::spawn(simulator::blobs::serve_on(listener));
    let (store, at) = (&store_at(&url, "board-views"), now());
    put_many(store, 1_000, at).await;
    put_heartbeat(store, at).await;
    let by = Author { id: None, name: None, via: Way::Cli };
    let until = at + SignedDuration::from_hours(2);
    Holds::new(store.clone())
        .add(None, Scope::Everywhere, until, "network maintenance", (by, at))
        .await
        .unwrap();
    let begun = at - SignedDuration::from_mins(20);
    let mut below = Vec::new();
    for (n, kind) in [Kind::Held, Kind::Restarting, Kind::Restored].into_iter().enumerate() {
        let case = made(kind, 5_000 + n, begun, None);
        case.put(store).await;
        below.push(format!("case/{}", case.id()));
    }
    below.extend(["closed", "closed?cluster=nothing", "closed?state=restored"].map(str::to_owned));
    let board = Board::start_with(&settings(&url, "board-views"));
    board.get_until("", "702 open cases<").await;
    board.get_until("closed", "301 of 301 cases").await;
    Browser::begin("views", &board, &below).ends_well().await;
}

#[tokio::test]
async fn the_reports_page_is_without_fault_in_light_and_dark_and_on_a_phone() {
    let state = State::new("board-report").await;
    put_many(&state.store, 60, now()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("month.html");
    let done = Command::new(env!("CARGO_BIN_EXE_aks-stop-guard"))
        .args(["report", "--since", "30d", "-o", "html", "--file", file.to_str().unwrap()])
        .env_clear()
        .envs(state.settings())
        .output()
        .await
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Browser::begin_at("report", &format!("file://{}", file.display()), &[]).ends_well().await;
}

#[tokio::test]
async fn no_hostile_text_in_any_field_runs_or_asks_anything_elsewhere() {
    let state = State::new("board-hostile").await;
    let begun = now() - SignedDuration::from_mins(20);
    let mut below = Vec::new();
    for (n, hostile) in corpus().iter().enumerate() {
        let text: String = hostile.text.chars().take(HOSTILE_CHARS_MAX).collect();
        let kind = [Kind::Held, Kind::Restarting, Kind::Restored][n % 3];
        let case = made(kind, n, begun, Some(&text));
        case.put(&state.store).await;
        below.push(format!("case/{}", case.id()));
    }
    let board = Board::start(&state);
    board.get_until("closed", "of").await;
    Browser::begin("hostile", &board, &below).ends_well().await;
}

#[tokio::test]
async fn all_can_be_reached_and_done_with_the_keyboard() {
    let state = State::new("board-keyboard").await;
    let cases =
        [(1, 20), (2, 40)].map(|(n, ago)| made(Kind::Held, n, now() - SignedDuration::from_mins(ago), None));
    for case in &cases {
        case.put(&state.store).await;
    }
    let board = Board::start(&state);
    board.get_until("", "2 open cases<").await;
    Browser::begin("keyboard", &board, &[format!("case/{}", cases[0].id())]).ends_well().await;
}

#[tokio::test]
async fn a_new_case_comes_by_itself_is_said_and_moves_nobody() {
    let state = State::new("board-update").await;
    made(Kind::Held, 1, now() - SignedDuration::from_mins(20), None).put(&state.store).await;
    let board = Board::start(&state);
    board.get_until("", "1 open case<").await;
    let mut browser = Browser::begin("update", &board, &[]);
    browser.wants("another case").await;
    made(Kind::Held, 2, now() - SignedDuration::from_mins(1), None).put(&state.store).await;
    browser.has_it().await;
    browser.wants("no board").await;
    drop(board);
    browser.has_it().await;
    browser.ends_well().await;
}

#[tokio::test]
async fn all_is_there_without_scripts() {
    let state = State::new("board-plain").await;
    let case = made(Kind::Held, 1, now() - SignedDuration::from_mins(20), None);
    case.put(&state.store).await;
    let board = Board::start(&state);
    board.get_until("", "1 open case<").await;
    Browser::begin("plain", &board, &[format!("case/{}", case.id())]).ends_well().await;
}
