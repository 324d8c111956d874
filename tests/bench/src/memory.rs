//! What the process holds: before anything, after one event, after ten thousand, and with five thousand open cases. The state is in a
//! blob service: a state in memory would be counted as the process's own.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use simulator::host::wire::Client;
use simulator::ports::free_port;
use tempfile::TempDir;

use crate::azure::{Stage, Stop};
use crate::flood::irrelevant;
use crate::load::{SETTLE, init_state, post};
use crate::process::{Memory, Process};
use crate::stats::Spread;
use crate::store::Blobs;

/// Starts of which each is left alone for a while.
const STARTS: usize = 20;
/// Events in all, and of how many one is a stop.
const EVENTS: usize = 10_000;
const RELEVANT_ONE_IN: usize = 10;
/// Open cases: five in each of the 1,000 subscriptions that the setting takes.
const OPEN: usize = 5_000;
/// Events that are under way at the same time.
const AT_ONCE: usize = 16;
/// Sweeps after all cases are open: the process then knows of each when it wants attention.
const SWEEPS: usize = 2;

/// What it holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Held {
    /// RSS of some starts, MiB: which pages of the executable's file are mapped differs from start to start.
    pub(crate) at_rest: Spread,
    pub(crate) after_one: Memory,
    pub(crate) after_ten_thousand: Memory,
    pub(crate) with_open_cases: Memory,
    /// How many open cases those are.
    pub(crate) open_cases: usize,
}

/// Runs two guards: one gets ten thousand events, the other leaves cases open.
pub(crate) async fn measure(guard: &Path, policies: &Path) -> Result<Held> {
    let copy = Copied::of(guard)?;
    let guard = copy.path.as_path();
    let blobs = Blobs::start()?;
    let mut stage = Stage::serve_directly(Some(&blobs.url)).await?;
    let mut at_rest = Vec::new();
    for _ in 0..STARTS {
        let (process, _) = start(guard, policies, &stage, EVENTS / RELEVANT_ONE_IN)?;
        tokio::time::sleep(SETTLE).await;
        at_rest.push(process.memory()?.rss_mib());
    }
    let at_rest = Spread::of(at_rest).context("there must be at least one start")?;
    let (process, host) = start(guard, policies, &stage, EVENTS / RELEVANT_ONE_IN)?;
    let first = stage.stop()?;
    post(&host, &first).await?;
    let mut stops = vec![first];
    let after_one = process.memory()?;
    let mut bodies = Vec::new();
    for number in 1..EVENTS {
        if number % RELEVANT_ONE_IN == 0 {
            let stop = stage.stop()?;
            bodies.push(stop.body.clone());
            stops.push(stop);
        } else {
            bodies.push(stage.envelope(std::slice::from_ref(&irrelevant(&stops, number)))?);
        }
    }
    post_all(&host, bodies).await?;
    let after_ten_thousand = process.memory()?;
    drop((process, blobs));

    let blobs = Blobs::start()?;
    let mut stage = Stage::serve_directly(Some(&blobs.url)).await?;
    stage.keep_cases_open();
    let (process, host) = start(guard, policies, &stage, OPEN)?;
    let stops: Vec<Stop> = (0..OPEN).map(|_| stage.stop()).collect::<Result<_>>()?;
    post_all(&host, stops.into_iter().map(|stop| stop.body).collect()).await?;
    for _ in 0..SWEEPS {
        let answer = host.invoke("Sweep", INVOCATION, &[], r#"{"Data":{},"Metadata":{}}"#).await?;
        // One that takes longer than its answer may is told so, and goes on.
        ensure!(matches!(answer.status, 200 | 503), "a sweep was answered with {}", answer.status);
    }
    let open_cases = blobs.read_all("stop-guard", "open/").await?.len();
    ensure!(open_cases >= OPEN, "only {open_cases} cases are open");
    let with_open_cases = process.memory()?;
    Ok(Held { at_rest, after_one, after_ten_thousand, with_open_cases, open_cases })
}

/// The executable in a new file, as a deployed one is. The kernel maps some pages around each one that is touched, if it has them in memory: of
/// an old file, of which it has let some go, less is resident.
struct Copied {
    path: PathBuf,
    _folder: TempDir,
}

impl Copied {
    /// Beside the other one, so that it is on a file system of which programs can be run.
    fn of(guard: &Path) -> Result<Self> {
        let name = guard.file_name().context("the guard is no file")?;
        let folder = tempfile::tempdir_in(guard.parent().unwrap_or(Path::new("")))?;
        let path = folder.path().join(name);
        std::fs::copy(guard, &path).with_context(|| format!("cannot copy {}", guard.display()))?;
        Ok(Self { path, _folder: folder })
    }
}

fn start(guard: &Path, policies: &Path, stage: &Stage, stops: usize) -> Result<(Process, Client)> {
    init_state(guard, policies, stage)?;
    let port = free_port()?;
    let mut command = stage.guard(guard, policies, stops);
    command.env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string());
    Ok((Process::start(command, port)?, Client::new(port)))
}

async fn post_all(host: &Client, bodies: Vec<String>) -> Result<()> {
    let posts = stream::iter(bodies.into_iter().map(|body| async move {
        let answer = host.invoke("StopActionHandler", INVOCATION, &[], &body).await?;
        ensure!(answer.status == 200, "the guard answered {}", answer.status);
        Ok(())
    }));
    posts.buffer_unordered(AT_ONCE).try_collect().await
}

const INVOCATION: &str = "00000000-0000-4000-8000-00000000bec4";

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    // It isn't run here: Linux runs no file that is open for writing, and what another test starts meanwhile inherits that for a moment.
    #[test]
    fn what_is_measured_is_a_new_file_of_the_same_that_is_gone_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let guard = folder.path().join("guard");
        std::fs::write(&guard, "an executable").unwrap();
        std::fs::set_permissions(&guard, Permissions::from_mode(0o755)).unwrap();
        let copy = Copied::of(&guard).unwrap();
        let path = copy.path.clone();
        assert_ne!(path, guard);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "an executable");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        drop(copy);
        assert!(!path.exists() && guard.exists());
    }
}
