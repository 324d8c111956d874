//! What was measured where and when.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::stats::Spread;

/// CPU of the bare requests of a warm event, up to their start POST, on the machine that limits of CPU time are told for, milliseconds:
/// 0.57 in docs/bench.json of commit a84c039, and what making and sending the POST takes, which was not counted there (commit 0571796: 7 in
/// a hundred).
const REFERENCE_MS: f64 = 0.61;

/// How slow a machine is. Milliseconds of CPU are the machine's as much as the program's (docs/PERFORMANCE.md).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Slowness {
    /// CPU that the bare requests took in this run, milliseconds.
    bare_cpu_ms: f64,
    /// Times what they take on the machine that limits are told for.
    times: f64,
}

impl Slowness {
    /// As requests tell that the guard has no part in.
    pub(crate) fn of(bare_cpu: Spread) -> Self {
        Self { bare_cpu_ms: bare_cpu.median, times: bare_cpu.median / REFERENCE_MS }
    }

    /// What a limit of CPU time, told in milliseconds, is here. To the hundredth, as it is shown.
    pub(crate) fn limit(self, ms: f64) -> f64 {
        (ms * self.times * 100.0).round() / 100.0
    }

    /// In one line.
    pub(crate) fn line(self) -> String {
        let Self { bare_cpu_ms, times } = self;
        format!(
            "limits of CPU time are {times:.2} × as high as on the machine that they are told for: bare requests took {bare_cpu_ms:.2} ms of CPU, and {REFERENCE_MS} ms there"
        )
    }
}

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
