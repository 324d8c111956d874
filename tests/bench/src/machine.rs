//! What was measured where and when.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

/// The circumstances of a run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    /// The average number of running processes in the minute before: what disturbed the run.
    pub(crate) load_before: String,
    /// The commit, with `+` if the working tree differs from it.
    pub(crate) commit: String,
    /// When it began, UTC.
    pub(crate) date: String,
}

impl Machine {
    /// As it is now.
    pub(crate) fn now() -> Self {
        let cpu = read("/proc/cpuinfo");
        let model =
            cpu.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
        Self {
            cpu: model.map_or("unknown CPU", |(_, model)| model).trim().to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_before: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            commit: commit(),
            date: simulator::http::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
        }
    }

    /// In one line.
    pub(crate) fn line(&self) -> String {
        let Self { cpu, cores, kernel, load_before, commit, date } = self;
        format!("commit {commit}, {date}, {cores} cores ({cpu}), Linux {kernel}, load before {load_before}")
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let output = Command::new("git").current_dir(project).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(head) = git(&["rev-parse", "--short", "HEAD"]) else { return "unknown".to_owned() };
    let is_changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_none_or(|changes| !changes.is_empty());
    if is_changed { format!("{head}+") } else { head }
}
