//! A mailbox behind a real SMTP server, `aiosmtpd` from PyPI: one for each test, killed when it is dropped.

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use simulator::rendered::Mail;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::python::python;

/// Longest time that it may take to start or to read a message; usually well under a second.
const TIMEOUT: Duration = Duration::from_secs(60);

/// One message, as Python's e-mail library reads it.
#[derive(Debug, Deserialize)]
pub(crate) struct Letter {
    /// The envelope's sender.
    pub(crate) from: String,
    /// The envelope's recipients.
    pub(crate) to: Vec<String>,
    /// Its headers and parts.
    #[serde(flatten)]
    pub(crate) mail: Mail,
    /// What is wrong with it as MIME.
    pub(crate) defects: Vec<String>,
    /// Bytes of its longest line: 998 are allowed (RFC 5322).
    pub(crate) longest_line: usize,
}

/// The server and what it prints.
pub(crate) struct Mailbox {
    port: u16,
    letters: mpsc::UnboundedReceiver<String>,
    _process: Child,
}

impl Mailbox {
    /// One that takes everything.
    pub(crate) async fn open() -> Self {
        Self::start("", "", &[]).await
    }

    /// One that asks for this user, and gives these answers to the first messages.
    pub(crate) async fn start(user: &str, password: &str, answers: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/mailbox.py");
        let mut process = Command::new(python())
            .args([script, user, password])
            .args(answers)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("python starts");
        let mut lines = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
        let (said, mut letters) = mpsc::unbounded_channel();
        // Reads as it comes, since the server answers nobody while it waits for a full pipe.
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = said.send(line);
            }
        });
        let port = tokio::time::timeout(TIMEOUT, letters.recv()).await.expect("it listens in time");
        let port = port.expect("the mailbox ended: run `make tools`");
        Self { port: port.parse().expect("a port"), letters, _process: process }
    }

    /// `smtp://127.0.0.1:<port>`.
    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// The port alone.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The next message.
    pub(crate) async fn letter(&mut self) -> Letter {
        let line = tokio::time::timeout(TIMEOUT, self.letters.recv()).await.expect("a message in time");
        serde_json::from_str(&line.expect("the mailbox has ended")).expect("a report")
    }
}
