//! `board`, run as people run it, over a state in Azurite: every page, what each answer tells the browser, who is let in.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, and so do the functions that tests share"
)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

#[path = "support/azurite.rs"]
mod azurite;
#[path = "board/browser.rs"]
mod browser;
#[path = "board/guarded.rs"]
mod guarded;
#[path = "board/pages.rs"]
mod pages;
#[path = "board/stored.rs"]
mod stored;
#[path = "support/stored_state.rs"]
mod stored_state;

use stored_state::State;

/// The running command; killed when dropped.
struct Board {
    child: Child,
    /// As it was printed: `http://127.0.0.1:<port>/<token>/`.
    url: String,
}

/// An answer.
struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: String,
}

impl Board {
    /// Starts it and waits until it says where it is.
    fn start(state: &State) -> Self {
        Self::start_with(&state.settings())
    }

    fn start_with(settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_aks-stop-guard"))
            .arg("board")
            .env_clear()
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let board = Self { child, url: url.trim_end().to_owned() };
        assert!(board.url.starts_with("http://127.0.0.1:"), "{}", board.url);
        board
    }

    /// The part that all addresses begin with, without the token.
    fn origin(&self) -> &str {
        self.url.trim_end_matches('/').rsplit_once('/').unwrap().0
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(client().get(format!("{}{path}", self.url))).await
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.text().await.unwrap() }
    }

    /// A page, asked for until it has a text: what the state holds is read beside.
    async fn get_until(&self, path: &str, text: &str) -> String {
        for _ in 0..100 {
            let answer = self.get(path).await;
            if answer.body.contains(text) {
                return answer.body;
            }
        }
        panic!("`{path}` never says `{text}`: {}", self.get(path).await.body)
    }

    /// Ends it as Ctrl-C does. Its exit code, and what it said on stderr.
    fn interrupt(mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &id]).status().unwrap().success());
        let code = self.child.wait().unwrap().code();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (code, said)
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        let _it_may_be_dead_already = self.child.kill();
        let _it_may_be_dead_already = self.child.wait();
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// The time of this machine: the command has no other.
#[expect(clippy::disallowed_methods, reason = "real processes live in real time")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
