//! One process of the handler: its environment, its output, and that it does not outlive the stand-in by accident.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::Child;
use tokio::task::JoinSet;

use super::app::Command;
use super::chance;
use super::log::{self, Level, Log};

/// Longest line of the handler's output kept whole; a longer one is cut into several.
const MAX_LINE_BYTES: u64 = 64 * 1_024;

/// Kills the process when the supervisor is dropped with its runtime, so that no test leaves one behind.
pub(crate) struct Leash(Option<Pid>);

impl Leash {
    pub(crate) fn on(child: &Child) -> Leash {
        Leash(child.id().and_then(|id| Pid::from_raw(id.cast_signed())))
    }

    /// Whether the process still has to be ended.
    pub(crate) fn holds(&self) -> bool {
        self.0.is_some()
    }

    /// To be called once the process was waited for, or is to live on.
    pub(crate) fn release(&mut self) {
        self.0 = None;
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // The process was not waited for, so the id is still its own.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Starts the process with the host's whole environment and what the host adds to it.
pub(crate) fn spawn(command: &Command, env: &[(String, String)], port: u16) -> std::io::Result<Child> {
    let worker_id = chance::guid();
    let port = port.to_string();
    tokio::process::Command::new(&command.program)
        .args(&command.arguments)
        .current_dir(&command.working_directory)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .env("FUNCTIONS_CUSTOMHANDLER_PORT", &port)
        .env("FUNCTIONS_HTTPWORKER_PORT", &port)
        .env("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", &worker_id)
        .env("FUNCTIONS_HTTPWORKER_ID", &worker_id)
        .env("FUNCTIONS_APP_ROOT_PATH", &command.app_root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Reads what the process prints into the log until it ends.
pub(crate) fn read_console(child: &mut Child, log: &Log, errors_only: bool) -> JoinSet<()> {
    let mut readers = JoinSet::new();
    if let Some(stdout) = child.stdout.take() {
        readers.spawn(read_lines(stdout, log.clone(), |_| Level::Info));
    }
    if let Some(stderr) = child.stderr.take() {
        let level = move |line: &str| log::stderr_level(line, errors_only);
        readers.spawn(read_lines(stderr, log.clone(), level));
    }
    readers
}

async fn read_lines(pipe: impl AsyncRead + Unpin, log: Log, level: impl Fn(&str) -> Level) {
    let mut pipe = BufReader::new(pipe);
    loop {
        let mut line = Vec::new();
        match (&mut pipe).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\n', '\r']);
        // These two prefixes address the platform and tooling; such lines never reach the app's log.
        if !line.starts_with("LanguageWorkerConsoleLog") && !line.starts_with("azfuncjsonlog:") {
            log.write(level(line), log::CONSOLE, line.to_owned());
        }
    }
}
