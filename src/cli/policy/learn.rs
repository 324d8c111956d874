//! `policy learn`: who stops clusters, and draft policies from it. Reads the activity log; changes nothing in Azure.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{FOR_ARM, log, tell_faults};
use crate::azure::HttpTransport;
use crate::azure::power_history::HISTORY_MAX;
use crate::cli::operator::block_on;
use crate::cli::{Exit, Format, output, wiring};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Environment, Settings, TIMEZONE_SETTING};
use crate::domain::LogScope;
use crate::history::learn::{POLICIES_FILE, TESTS_FILE};
use crate::history::{Learned, Window};

/// Arguments of `policy learn`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example, as whoever `az login` logged in:
  aks-stop-guard policy learn --scope 00000000-0000-0000-0000-000000000000 --zone Europe/Berlin --out drafts

Reads the activity log, which keeps 90 days, and changes nothing in Azure. Your identity needs
`Microsoft.Insights/eventtypes/values/read` in each scope, as in the role Monitoring Reader.

A policy is drafted from at least 3 stops on 2 days, and is no broader than they were. Stops that somebody else undid within an
hour count for nothing. The drafts say what was done, not what should be allowed: read them before you use them.

Exit codes: 0 done, 1 the log can't be read or a file is there already, 3 settings are invalid.")]
pub(super) struct Args {
    /// How far back, in days or hours
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = log::since)]
    since: SignedDuration,
    /// Subscriptions, resource groups or clusters, by their ids
    #[arg(long, value_name = "ID", required = true, num_args = 1.., value_parser = log::scope)]
    scope: Vec<LogScope>,
    /// The zone of hours and days, instead of STOP_GUARD_TIMEZONE
    #[arg(long, value_name = "IANA", value_parser = log::zone)]
    zone: Option<TimeZone>,
    /// Write the drafts into this folder; files that are there are left alone
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Format,
}

pub(super) fn run(args: &Args, environment: &Environment) -> anyhow::Result<Exit> {
    let http = HttpTransport::new();
    let settings = Settings::read(environment);
    let mut needed = FOR_ARM.to_vec();
    if args.zone.is_none() {
        needed.push(TIMEZONE_SETTING);
    }
    if tell_faults(&settings, &needed) {
        return Ok(Exit::Invalid);
    }
    let Some((arm, _)) = wiring::arm(&settings, &http) else { return Ok(Exit::Invalid) };
    let zone = args.zone.clone().unwrap_or_else(|| settings.zone.clone());
    // Before Azure is asked: minutes of reading must not end at a file that is there already.
    let files = args.out.as_deref().map(Files::new_in).transpose()?;
    let until = SystemClock.now();
    let window = Window { since: until - args.since.min(HISTORY_MAX), until };
    let reading = block_on(log::read(&arm, &args.scope, window.since, window.until))?;
    let learned = Learned::from(&reading, window, &zone);
    if let Some(files) = files {
        files.write(&learned)?;
    }
    output::print(&match args.output {
        Format::Human => human(&learned, args.out.as_deref()),
        Format::Json => format!("{:#}\n", json(&learned)?),
    });
    Ok(Exit::Ok)
}

fn human(learned: &Learned, out: Option<&Path>) -> String {
    let mut told = learned.human();
    match (learned.drafts.len(), out) {
        (0, _) => told.push_str("\nno draft policies: nothing was seen often enough\n"),
        (count, Some(folder)) => {
            told.push_str(&format!("\n{count} drafts and their tests are in {}\n", folder.display()));
        }
        (count, None) => {
            told.push_str(&format!(
                "\ndraft policies: {count} (--out DIR writes them and their tests to files)\n\n"
            ));
            told.push_str(&learned.policies());
        }
    }
    told
}

fn json(learned: &Learned) -> Result<Value, serde_json::Error> {
    let mut told = output::sorted(learned)?;
    if let Some(members) = told.as_object_mut() {
        members.insert("policies".to_owned(), json!(learned.policies()));
        members.insert("tests".to_owned(), json!(learned.tests()));
    }
    Ok(told)
}

/// The two files of drafts.
struct Files {
    folder: PathBuf,
}

impl Files {
    /// In a folder that has neither of them.
    fn new_in(folder: &Path) -> anyhow::Result<Self> {
        for path in [POLICIES_FILE, TESTS_FILE].map(|name| folder.join(name)) {
            let is_there =
                path.try_exists().with_context(|| format!("`{}` can't be read", folder.display()))?;
            anyhow::ensure!(!is_there, "`{}` is there already: move it away", path.display());
        }
        Ok(Self { folder: folder.to_owned() })
    }

    fn write(&self, learned: &Learned) -> anyhow::Result<()> {
        let folder = &self.folder;
        fs::create_dir_all(folder).with_context(|| format!("`{}` can't be made", folder.display()))?;
        for (name, text) in [(POLICIES_FILE, learned.policies()), (TESTS_FILE, learned.tests())] {
            let path = folder.join(name);
            let written = File::create_new(&path).and_then(|mut file| file.write_all(text.as_bytes()));
            written.with_context(|| format!("`{}` can't be written", path.display()))?;
        }
        Ok(())
    }
}
