//! The board over a state with many open cases: how long its views take, and what it holds.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use crate::process::Process;
use crate::stats::Spread;
use crate::store::{Blobs, get};

/// Open cases, as many as a sweep looks after in a bad hour.
pub(crate) const CASES: usize = 1_000;
/// Starts of which each is asked for its first view.
const STARTS: usize = 20;
/// Views of each kind that are counted.
const VIEWS: usize = 50;
/// All of them are known within this, or something is broken.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// The container of the state, and what a stored record is made of.
const CONTAINER: &str = "board";
const RECORD: &str = include_str!("../../records/v1_told.json");

/// What the views came to, milliseconds from the request to the end of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Board {
    /// The very first, asked for as soon as the address is printed: it shows what is known by then.
    pub(crate) first_ms: Spread,
    /// From the start of the process until a view shows all cases.
    pub(crate) all_known_ms: f64,
    /// The overview, with all cases known.
    pub(crate) overview_ms: Spread,
    /// Its part that changes, which an open page asks for every 5 s.
    pub(crate) part_ms: Spread,
    pub(crate) peak_rss_mib: f64,
}

/// Starts the board over a state of its own.
pub(crate) async fn measure(guard: &Path) -> Result<Board> {
    let blobs = Blobs::start()?;
    for n in 0..CASES {
        let record = RECORD.replace("aks-prod-01", &format!("aks-prod-{n:04}"));
        blobs.put(&format!("{CONTAINER}/clusters/{n:032x}.json"), record).await?;
        blobs.put(&format!("{CONTAINER}/open/{n:032x}/1789408810"), String::new()).await?;
    }
    let command = || {
        let mut command = Command::new(guard);
        command.arg("board").env_clear().envs([
            ("STOP_GUARD_STATE", "UseDevelopmentStorage=true"),
            ("STOP_GUARD_STATE_CONTAINER", CONTAINER),
            ("AZURITE_BLOB_STORAGE_URL", &blobs.url),
        ]);
        command
    };
    let mut first_ms = Vec::new();
    for _ in 0..STARTS {
        let (_process, url) = Process::speaking(command())?;
        first_ms.push(view(&url).await?.0);
    }
    let began = Instant::now();
    let (process, url) = Process::speaking(command())?;
    let all = format!("{CASES} open cases<");
    while !view(&url).await?.1.contains(&all) {
        ensure!(began.elapsed() < READ_TIMEOUT, "the board does not know all cases within {READ_TIMEOUT:?}");
    }
    let all_known_ms = ms(began);
    let spread = async |url: String| {
        let mut times = Vec::new();
        for _ in 0..VIEWS {
            times.push(view(&url).await?.0);
        }
        Spread::of(times).context("there must be at least one view")
    };
    Ok(Board {
        first_ms: Spread::of(first_ms).context("there must be at least one start")?,
        all_known_ms,
        overview_ms: spread(url.clone()).await?,
        part_ms: spread(format!("{url}?part=live")).await?,
        peak_rss_mib: process.peak_rss_mib()?,
    })
}

async fn view(url: &str) -> Result<(f64, String)> {
    let began = Instant::now();
    let page = get(url).await?;
    Ok((ms(began), page))
}

fn ms(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1_000.0
}

impl Board {
    pub(crate) fn human(&self) -> String {
        let Self { all_known_ms, overview_ms, part_ms, .. } = self;
        format!(
            "\nboard with {CASES} open cases: all known {all_known_ms:.0} ms after the start of the process; overview, median (p90): {:.1} ms ({:.1}); its part that changes: {:.1} ms ({:.1})\n",
            overview_ms.median, overview_ms.p90, part_ms.median, part_ms.p90
        )
    }
}
