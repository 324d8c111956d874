//! A host that starts a real process.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use simulator::host::{Host, HostConfig};

use super::support::{delivery, keys, send, write_app};

/// `initializationTimeout` of tests in which nothing must run into it.
const PATIENT: Duration = Duration::from_secs(30);
/// Nothing here takes this long unless it is broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// An app whose handler is the misbehaving script, before its host is started.
pub(crate) struct App {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) config: HostConfig,
}

impl App {
    pub(crate) fn new(start: &str) -> App {
        let folder = tempfile::tempdir().unwrap();
        let events = json!([{"type": "eventGridTrigger", "name": "event", "direction": "in"}]);
        let host_json = json!({"customHandler": {"description": {"defaultExecutablePath": "handler"}}});
        write_app(folder.path(), &host_json, &[("StopActionHandler", events)]);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host_standin/handler.py");
        std::fs::copy(script, folder.path().join("handler")).unwrap();
        let mut config = HostConfig::new(folder.path());
        config.keys = keys();
        config.timings.initialization = Some(PATIENT);
        let report = folder.path().join("report").to_str().unwrap().to_owned();
        config.settings = vec![("START".to_owned(), start.to_owned()), ("REPORT".to_owned(), report)];
        let app = App { folder, config };
        app.permit(0o755);
        app
    }

    pub(crate) fn handler(&self) -> PathBuf {
        self.folder.path().join("handler")
    }

    pub(crate) fn permit(&self, mode: u32) {
        std::fs::set_permissions(self.handler(), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The first `description` of `host.json` with this member.
    pub(crate) fn describe(&self, description: &Value) {
        write_app(self.folder.path(), &json!({"customHandler": {"description": description}}), &[]);
    }

    pub(crate) async fn start(&self) -> Host {
        Host::start(self.config.clone()).await.unwrap()
    }

    /// The lines the handlers reported, such as `start {..}`, `request` and `done`.
    pub(crate) fn report(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("report")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until the handler has reported this line so often.
    pub(crate) async fn reported(&self, line: &str, times: usize) {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        let all = async {
            while self.report().iter().filter(|reported| *reported == line).count() < times {
                tick.tick().await;
            }
        };
        tokio::time::timeout(DEADLINE, all).await.expect("the handler reports");
    }
}

/// The status the webhook answers for an event with this data, `None` for a broken connection.
pub(crate) async fn deliver(url: String, data: Value) -> Option<u16> {
    let sent = tokio::time::timeout(DEADLINE, send(&url, &delivery(data))).await;
    sent.expect("the host answers").map(|answer| answer.status())
}

/// The same in the background.
pub(crate) fn deliver_later(host: &Host, data: Value) -> tokio::task::JoinHandle<Option<u16>> {
    tokio::spawn(deliver(host.url(), data))
}
