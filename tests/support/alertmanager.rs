//! A real Alertmanager, Debian's, for one test: on a port of its own, killed when it is dropped.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

/// Longest time that it may take to listen. It takes less than a second, on a busy machine more.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// What it logs before its address once it listens.
const LISTENS: &str = r#"msg="Listening on" address="#;

/// The program with its own folder.
pub(crate) struct Alertmanager {
    /// `http://127.0.0.1:<port>`.
    pub(crate) url: String,
    process: Child,
    _data: tempfile::TempDir,
}

impl Alertmanager {
    /// Starts one that notifies this webhook of each group at once, of changes every second, and of nothing twice.
    pub(crate) fn start(notify: &str) -> Self {
        let data = tempfile::tempdir().expect("a folder");
        let config = data.path().join("alertmanager.yml");
        let text = format!(
            "route: {{receiver: people, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}\n\
             receivers: [{{name: people, webhook_configs: [{{url: '{notify}', send_resolved: true}}]}}]\n"
        );
        std::fs::write(&config, text).expect("a configuration");
        let folder = installed();
        let program = folder.join("usr/bin/prometheus-alertmanager");
        assert!(program.exists(), "there is no Alertmanager at {}: run `make tools`", program.display());
        let mut process = Command::new(&program)
            // tools/alertmanager says why here.
            .current_dir(folder.join("usr/share/prometheus/alertmanager"))
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", data.path().join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Alertmanager starts");
        let log = process.stderr.take().expect("stderr is piped");
        // Owned from here on, so that it is killed if it doesn't listen.
        let mut alertmanager = Self { url: String::new(), process, _data: data };
        let address = listening(log).recv_timeout(START_TIMEOUT).expect("Alertmanager listens in time");
        alertmanager.url = format!("http://{address}");
        alertmanager
    }

    /// The alerts that are firing now.
    pub(crate) async fn firing(&self, client: &reqwest::Client) -> Vec<Value> {
        let answer = client.get(format!("{}/api/v2/alerts", self.url)).send().await.expect("an answer");
        serde_json::from_slice(&answer.bytes().await.expect("a body")).expect("a list of alerts")
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads the log to its end, so that the program never waits for a full pipe.
fn listening(log: ChildStderr) -> mpsc::Receiver<String> {
    let (said, address) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if let Some((_, address)) = line.split_once(LISTENS) {
                let _ = said.send(address.trim().to_owned());
            }
        }
    });
    address
}

/// From `GUARD_TEST_ALERTMANAGER`, or where `make tools` puts it.
fn installed() -> PathBuf {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/alertmanager");
    std::env::var_os("GUARD_TEST_ALERTMANAGER").map_or(project, PathBuf::from)
}
