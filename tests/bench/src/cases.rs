//! Commands over many stored cases: how soon the first row is there, and how much memory they take.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::{Map, Value};
use simulator::http::now;

use crate::process::peak_kib_of;
use crate::store::Blobs;
use crate::wire::{Ask, Wire};

/// A record whose case is about to be archived, as the guard wrote it.
const RECORD: &str = include_str!("../../records/v1_closing.json");
/// Clusters that the cases are of, and days over which they ended.
const CLUSTERS: usize = 300;
const DAYS: i64 = 29;
/// Pause between two looks at a command's memory.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What was measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Stored {
    /// How many cases there are.
    pub(crate) cases: usize,
    /// From the first answered list request to the first row of `cases list`, milliseconds.
    pub(crate) first_row_ms: f64,
    /// From its start to its end, seconds.
    pub(crate) list_took_s: f64,
    /// The most that `cases list` held, KiB.
    pub(crate) list_peak_kib: u64,
    /// The same of `report`.
    pub(crate) report_took_s: f64,
    pub(crate) report_peak_kib: u64,
}

/// What came of one command.
struct Ran {
    rows: usize,
    /// When its second line came: the first is the head.
    first_row_at: Option<Instant>,
    took: Duration,
    peak_kib: u64,
}

/// Stores so many cases, and runs the commands.
pub(crate) async fn measure(program: &Path, cases: usize) -> Result<Stored> {
    let blobs = Blobs::start()?;
    store(&blobs, cases).await?;
    let wire = Wire::default();
    let url = wire.before_blobs(&blobs.url).await?;
    let run = async |arguments: &'static [&str]| {
        let (program, url) = (program.to_owned(), url.clone());
        tokio::task::spawn_blocking(move || run(&program, &url, arguments)).await?
    };
    wire.take();
    let list = run(&["cases", "list", "--since", "30d"]).await?;
    ensure!(list.rows == cases + 1, "`cases list` printed {} lines of {cases} cases", list.rows);
    let lists = wire.take().into_iter().filter(|exchange| exchange.ask == Ask::StoreList);
    let answered = lists.map(|exchange| exchange.ended).min().context("nothing was listed")?;
    let first_row = list.first_row_at.context("no row")?.saturating_duration_since(answered);
    let report = run(&["report", "--since", "30d", "-o", "json"]).await?;
    Ok(Stored {
        cases,
        first_row_ms: first_row.as_secs_f64() * 1e3,
        list_took_s: list.took.as_secs_f64(),
        list_peak_kib: list.peak_kib,
        report_took_s: report.took.as_secs_f64(),
        report_peak_kib: report.peak_kib,
    })
}

/// Cases that ended evenly over the days, and the records of their clusters. None is open.
async fn store(blobs: &Blobs, cases: usize) -> Result<()> {
    let mut record: Map<String, Value> = serde_json::from_str(RECORD)?;
    let closing = record.remove("closing").context("the record is not closing")?;
    let body = closing.get("body").and_then(Value::as_str).context("the record has no case")?;
    let mut case: Map<String, Value> = serde_json::from_str(body)?;
    let id = record.get("resource_id").and_then(Value::as_str).context("the record has no cluster")?;
    let (group, _) = id.rsplit_once('/').context("its id is none")?;
    let group = group.to_owned();
    let now = now();
    let first = now - SignedDuration::from_hours(DAYS * 24);
    for n in 0..cases {
        let key = key(n % CLUSTERS);
        let span = DAYS * 86_400;
        let closed_at = first + SignedDuration::from_secs(span * i64::try_from(n)? / i64::try_from(cases)?);
        let opened_at = closed_at - SignedDuration::from_mins(8);
        let generation = opened_at.as_second();
        case.insert("id".to_owned(), format!("{key}-{generation}").into());
        case.insert("opened_at".to_owned(), opened_at.to_string().into());
        case.insert("closed_at".to_owned(), closed_at.to_string().into());
        let day = closed_at.strftime("%Y/%m/%d");
        let path = format!("stop-guard-cases/{day}/{key}-{generation}.json");
        blobs.put(&path, serde_json::to_string(&case)?).await?;
    }
    record.insert("phase".to_owned(), "none".into());
    for n in 0..CLUSTERS {
        record.insert("resource_id".to_owned(), format!("{group}/aks-{n}").into());
        let path = format!("stop-guard/clusters/{}.json", key(n));
        blobs.put(&path, serde_json::to_string(&record)?).await?;
    }
    Ok(())
}

/// A key of a cluster. Nothing compares it with the cluster's id here.
fn key(n: usize) -> String {
    format!("{n:032x}")
}

fn run(program: &Path, url: &str, arguments: &[&str]) -> Result<Ran> {
    let began = Instant::now();
    let mut command = Command::new(program);
    command.args(arguments).env_clear();
    command.env("STOP_GUARD_STATE", "UseDevelopmentStorage=true").env("AZURITE_BLOB_STORAGE_URL", url);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
    let out = child.stdout.take().context("its output can't be read")?;
    let reading = std::thread::spawn(move || {
        let (mut rows, mut first_row_at) = (0, None);
        for _line in BufReader::new(out).lines().map_while(std::io::Result::ok) {
            rows += 1;
            if rows == 2 {
                first_row_at = Some(Instant::now());
            }
        }
        (rows, first_row_at)
    });
    let mut peak_kib = 0;
    let status = loop {
        // A process that is over has no memory any more.
        peak_kib = peak_kib.max(peak_kib_of(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(LOOK_EVERY);
    };
    let took = began.elapsed();
    ensure!(status.success(), "{arguments:?} ended with {status}");
    let Ok((rows, first_row_at)) = reading.join() else { anyhow::bail!("its output could not be read") };
    Ok(Ran { rows, first_row_at, took, peak_kib })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_command_prints_and_holds_is_measured() {
        let arguments: &[&str] = &["-c", "echo head; echo row; sleep 0.2; echo row"];
        let ran = run(Path::new("/bin/sh"), "http://127.0.0.1:1", arguments).unwrap();
        assert_eq!(ran.rows, 3);
        assert!(ran.first_row_at.is_some() && ran.took >= Duration::from_millis(200) && ran.peak_kib > 100);
        assert!(run(Path::new("/bin/sh"), "", &["-c", "exit 3"]).is_err());
    }
}
