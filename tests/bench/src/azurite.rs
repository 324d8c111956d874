//! Azurite's blob service: where the guard's state is when it isn't in memory.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Longest time that Azurite may take to listen. It takes one to two seconds, on a busy machine more.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// What Azurite says before its URL once it listens.
const LISTENS: &str = "successfully listens on ";

/// One in memory, on a port of its own. Killed when dropped.
pub(crate) struct Azurite {
    /// `http://127.0.0.1:<port>`.
    pub(crate) url: String,
    process: Child,
}

impl Azurite {
    /// Starts `azurite-blob` and waits until it says where it listens.
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let mut process = Command::new(program)
            .args(["--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry"])
            .args(["--blobHost", "127.0.0.1", "--blobPort", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start Azurite at {}: run `make tools`", program.display()))?;
        let output = process.stdout.take();
        // Owned from here on, so that it is killed if it doesn't listen.
        let mut azurite = Self { url: String::new(), process };
        let output = output.context("Azurite's stdout is piped")?;
        azurite.url = listening_url(output).recv_timeout(START_TIMEOUT).context("Azurite does not listen")?;
        Ok(azurite)
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads the output to its end, so that Azurite never waits for a full pipe.
fn listening_url(output: ChildStdout) -> mpsc::Receiver<String> {
    let (said, url) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some((_, url)) = line.split_once(LISTENS) {
                // Nobody waits any more once it took too long.
                let _ = said.send(url.trim().to_owned());
            }
        }
    });
    url
}
