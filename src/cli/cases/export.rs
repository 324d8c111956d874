//! `cases export`: one case with all that it rests on, as an archive.

use std::fs::{self, OpenOptions};
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;

use super::archive::{CHECKSUMS, Files, archive};
use super::show::{document, receipts, waiting};
use super::story::{Story, story};
use super::warn;
use crate::case::{Mode, NoIncident, Record, incident_now};
use crate::cli::operator::{Operator, block_on};
use crate::cli::stored::by_id::{self, case_id, find};
use crate::cli::stored::evidence::{Found, Kept, read_all};
use crate::cli::{Exit, offline, output};
use crate::config::{Environment, Settings};
use crate::domain::text::{clean, utc};
use crate::store::OpenMarker;

/// Rights of the archive: it tells who did what from where.
const MODE: u32 = 0o600;
/// Longest line about a piece of evidence, in characters.
const LINE_CHARS_MAX: usize = 1_000;

/// Arguments of `cases export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aks-stop-guard cases export 183dfd2ce3e81077fefbe09205c4ed44-1789408810
  aks-stop-guard cases export 183dfd2ce3e81077fefbe09205c4ed44-1789408810 --to - | tar -xf -
  (cd 183dfd2ce3e81077fefbe09205c4ed44-1789408810 && sha256sum -c SHA256SUMS)

The archive has the case as it is stored, its story, its incident and the evidence; README.txt in it says what is what. Of a case that is over
the same state makes the same bytes. Evidence that is missing is named and no error.

Exit codes: 0 done, 1 there is no such case, something could not be read or written, or evidence was altered, 2 wrong arguments, 3 invalid
settings.")]
pub(super) struct Args {
    /// The case's id, as `cases list` and its incident have it
    #[arg(value_name = "ID", value_parser = case_id)]
    id: OpenMarker,
    /// The archive's file; `-` is standard output. `<ID>.tar` if left out
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &Args, environment: &Environment) -> anyhow::Result<Exit> {
    let shown = format!("{}-{}", args.id.key, args.id.generation);
    let to = args.to.clone().unwrap_or_else(|| PathBuf::from(format!("{shown}.tar")));
    let to = (to != Path::new("-")).then_some(to);
    anyhow::ensure!(
        to.is_some() || !std::io::stdout().is_terminal(),
        "an archive is not for a terminal: write it to a file with --to FILE"
    );
    if let Some(to) = to.as_ref().filter(|_| !args.force) {
        let is_there = to.symlink_metadata().is_ok();
        anyhow::ensure!(!is_there, "`{}` is there already: --force replaces it", to.display());
    }
    let operator = match Operator::open(environment)? {
        Ok(operator) => operator,
        Err(exit) => return Ok(exit),
    };
    let now = operator.now();
    let exported = block_on(async {
        let found = find(&operator.store, &args.id, now).await?;
        let evidence = read_all(&operator.store, &args.id, &found.case.evidence).await;
        Ok(Exported { found, evidence })
    })
    .with_context(|| format!("case `{shown}`"))?;
    let is_whole = exported.warn_of_what_is_not_there();
    let at = exported.found.case.opened_at;
    let files = exported.files(&Settings::read(environment), now)?;
    let bytes = archive(&shown, files, at).context("the archive can't be made")?;
    match &to {
        None => std::io::stdout().lock().write_all(&bytes).context("standard output")?,
        Some(to) => {
            write(to, &bytes, args.force).with_context(|| format!("`{}` can't be written", to.display()))?;
            output::error(&format!("{}: {} bytes\n", to.display(), bytes.len()));
        }
    }
    Ok(if is_whole { Exit::Ok } else { Exit::Failure })
}

/// Writes a file that is its owner's alone, whole or not at all.
fn write(to: &Path, bytes: &[u8], force: bool) -> std::io::Result<()> {
    if force && to.symlink_metadata().is_ok() {
        fs::remove_file(to)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(to)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        let _half = fs::remove_file(to);
    }
    written
}

/// A case and what belongs to it.
struct Exported {
    found: by_id::Found,
    evidence: Vec<Found>,
}

impl Exported {
    /// Names it on stderr. False if more is wrong than that a piece of evidence was never stored.
    fn warn_of_what_is_not_there(&self) -> bool {
        let mut is_whole = true;
        if let Err(error) = &self.found.record {
            warn(&format!("what sinks were told of late is not known: {error:#}"));
            is_whole = false;
        }
        for found in &self.evidence {
            match &found.kept {
                Kept::Whole(_) => {}
                Kept::Missing => warn(&format!("{}: {}", found.name, found.told())),
                Kept::Other(_) | Kept::Unreadable(_) => {
                    warn(&format!("{}: {}", found.name, found.told()));
                    is_whole = false;
                }
            }
        }
        is_whole
    }

    /// All that goes into the archive.
    fn files(&self, settings: &Settings, now: Timestamp) -> anyhow::Result<Files> {
        let (case, record) = (&self.found.case, self.found.record.as_ref().ok());
        // What is over does not change with the time of looking at it.
        let at = case.closed_at.unwrap_or(now);
        let cluster = self.found.cluster.as_ref();
        let mut files = Files::new();
        let stored = match &self.found.archived {
            Some(bytes) => bytes.to_vec(),
            None => serde_json::to_vec(case)?,
        };
        files.insert("case.json".to_owned(), stored);
        let of = Story {
            case,
            cluster,
            receipts: receipts(case, record),
            waiting: waiting(case, record),
            evidence: &self.evidence,
            now: at,
            colour: false,
        };
        files.insert("story.txt".to_owned(), story(&of).into_bytes());
        files.insert("story.json".to_owned(), format!("{:#}\n", document(&of)?).into_bytes());
        let unknown = cluster.map(|cluster| Record::new(cluster.clone()));
        let incident = record
            .or(unknown.as_ref())
            .map(|record| incident_now(record, case, &offline::context(settings, None, Mode::Act, at)));
        if let Some(Ok(incident)) = &incident {
            files.insert("incident.json".to_owned(), output::document(incident)?.into_bytes());
        }
        for found in &self.evidence {
            match &found.kept {
                Kept::Whole(bytes) => files.insert(evidence_file(found), bytes.clone()),
                Kept::Other(bytes) => {
                    files.insert(format!("evidence/altered/{}.bin", found.name), bytes.clone())
                }
                Kept::Missing | Kept::Unreadable(_) => None,
            };
        }
        let no_incident = incident.and_then(Result::err);
        files.insert("README.txt".to_owned(), self.readme(at, no_incident).into_bytes());
        Ok(files)
    }

    /// What is what.
    fn readme(&self, at: Timestamp, no_incident: Option<NoIncident>) -> String {
        let case = &self.found.case;
        let archived = if self.found.archived.is_some() {
            "byte for byte as the container of closed cases holds it"
        } else {
            "as it stood; it is not archived yet"
        };
        let incident = match no_incident {
            None => "what people are told of it, as sinks get it".to_owned(),
            Some(why) => format!("not here: {why}"),
        };
        let mut text = format!(
            "Case {} of aks-stop-guard, as of {}\n\n\
             case.json       the case, {archived}\n\
             story.txt       the same for people: `aks-stop-guard cases show`\n\
             story.json      the same for programs: who was told, and which evidence is kept\n\
             incident.json   {incident}\n\
             evidence/       others' words, as they came; case.json names each by its SHA-256\n\
             {CHECKSUMS}      of all these files: sha256sum -c {CHECKSUMS}\n",
            case.id,
            utc(at)
        );
        text += "\nEvidence\n";
        if self.evidence.is_empty() {
            text += "  none: the case is too new, or from before the guard kept any\n";
        }
        for found in &self.evidence {
            let line = format!("{}: {}, {}", evidence_file(found), about(&found.name), found.told());
            text += &format!("  {}\n", clean(&line, LINE_CHARS_MAX));
        }
        text
    }
}

/// Where a piece of evidence is in the archive. One that is cut is no JSON any more.
fn evidence_file(found: &Found) -> String {
    let ending = if found.exhibit.whole.is_none() { "json" } else { "txt" };
    format!("evidence/{}.{ending}", found.name)
}

/// What a piece of evidence is, by its name.
fn about(name: &str) -> &'static str {
    match name.split('-').next() {
        Some("event") => "an event that told of a stop",
        Some("activity") => "the activity log's records of the stop and of what came after it",
        Some(_) | None => "Azure's answer to a GET of the cluster",
    }
}
