//! Azurite, the storage emulator: blobs only, in memory, on a free loopback port.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Longest time that Azurite may take to listen. It takes one to two seconds, on a busy machine more.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// What Azurite says before its URL once it listens.
const LISTENS: &str = "successfully listens on ";

/// Why there is no Azurite.
#[derive(Debug, thiserror::Error)]
pub enum AzuriteError {
    /// It is not installed.
    #[error("there is no Azurite at `{0}`: run `make tools`")]
    NotInstalled(PathBuf),
    /// It could not be started.
    #[error("Azurite does not start: {0}")]
    NotStarted(#[from] std::io::Error),
    /// It ended or kept silent.
    #[error("Azurite did not say where it listens")]
    Silent,
}

/// A running Azurite, killed when dropped.
#[derive(Debug)]
pub struct Azurite {
    url: String,
    _process: Child,
}

impl Azurite {
    /// Starts the program `azurite-blob` and waits until it listens.
    ///
    /// # Errors
    /// When it is missing, does not start, or does not say where it listens.
    pub async fn start(program: &Path) -> Result<Self, AzuriteError> {
        if !program.exists() {
            return Err(AzuriteError::NotInstalled(program.to_owned()));
        }
        let mut process = Command::new(program)
            .args(["--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry"])
            .args(["--blobHost", "127.0.0.1", "--blobPort", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take().ok_or(AzuriteError::Silent)?;
        let mut lines = BufReader::new(output).lines();
        let url = tokio::time::timeout(START_TIMEOUT, listening_url(&mut lines)).await;
        let url = url.ok().flatten().ok_or(AzuriteError::Silent)?;
        // Read on, so that Azurite never waits for a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { url, _process: process })
    }

    /// `http://127.0.0.1:<port>`, as in `AZURITE_BLOB_STORAGE_URL`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

async fn listening_url(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<String> {
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((_, url)) = line.split_once(LISTENS) {
            return Some(url.trim().to_owned());
        }
    }
    None
}
