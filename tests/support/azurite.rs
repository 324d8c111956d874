//! A real Azurite for the tests of one binary: started on a port of its own, killed when the last of them drops it.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::time::Duration;

/// Longest time that Azurite may take to listen. It takes one to two seconds, on a busy machine more.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// What Azurite says before its URL once it listens.
const LISTENS: &str = "successfully listens on ";

static SHARED: Mutex<Weak<Azurite>> = Mutex::new(Weak::new());

/// Azurite's blob service, in memory.
pub(crate) struct Azurite {
    /// `http://127.0.0.1:<port>`, as in `AZURITE_BLOB_STORAGE_URL`.
    pub(crate) url: String,
    process: Child,
}

impl Azurite {
    /// The one that other tests use at this moment, or a new one. Each test keeps to containers of its own.
    pub(crate) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let started = Arc::new(Self::start());
        *shared = Arc::downgrade(&started);
        started
    }

    /// Starts one and waits until it says where it listens.
    pub(crate) fn start() -> Self {
        let mut process = Command::new(program())
            .args(["--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry"])
            .args(["--blobHost", "127.0.0.1", "--blobPort", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("azurite starts");
        let output = process.stdout.take().expect("stdout is piped");
        // Owned from here on, so that it is killed if it doesn't listen.
        let mut azurite = Self { url: String::new(), process };
        azurite.url = listening_url(output).recv_timeout(START_TIMEOUT).expect("azurite listens in time");
        azurite
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
                let _ = said.send(url.trim().to_owned());
            }
        }
    });
    url
}

/// From `GUARD_TEST_AZURITE`, or where `make tools` puts it.
fn program() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "the tests' own setting")]
    let named = std::env::var("GUARD_TEST_AZURITE").map(PathBuf::from);
    let installed =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/azurite/node_modules/.bin/azurite-blob");
    let program = named.unwrap_or(installed);
    assert!(program.exists(), "there is no Azurite at {}: run `make tools`", program.display());
    program
}
