//! `policy replay`: which stops of the past other policies would have decided otherwise. Reads only.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use jiff::SignedDuration;

use super::{FOR_ARM, FOR_STATE, log, tell_faults};
use crate::azure::HttpTransport;
use crate::azure::power_history::HISTORY_MAX;
use crate::case::Case;
use crate::cli::operator::block_on;
use crate::cli::stored::window::{self, Found};
use crate::cli::{Exit, Format, output, wiring};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{
    Environment, POLICIES_SETTING, SUBSCRIPTIONS_SETTING, Settings, TIMEZONE_SETTING, load_policies,
};
use crate::domain::{ClusterId, LogScope};
use crate::history::{Past, PastStop, PolicySet, Replay, Source, Window};
use crate::policy::Policies;

/// Arguments of `policy replay`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example, before a change is merged:
  aks-stop-guard policy replay --since 30d --policies policies

Asks the policies about the stops of the guard's closed and open cases, and tells which would be decided otherwise. `--from log`
takes the stops from the activity log, for a guard that has no cases yet; nothing was decided about them, so that --baseline says
with which other policies to compare. What isn't known of that time is told: the cluster's tags, for one.

Exit codes: 0 no stop would be decided otherwise, 7 some would, 1 the past can't be read, 3 settings or policies are invalid.")]
pub(super) struct Args {
    /// How far back, in days or hours
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = log::since)]
    since: SignedDuration,
    /// The folder of policies, instead of STOP_GUARD_POLICIES
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// Compare with what the policies in this folder would have decided, not with what was decided
    #[arg(long, value_name = "DIR")]
    baseline: Option<PathBuf>,
    /// Where the stops come from
    #[arg(long, value_enum, default_value = "cases")]
    from: From,
    /// With `--from log`: subscriptions, resource groups or clusters, instead of STOP_GUARD_SUBSCRIPTIONS
    #[arg(long, value_name = "ID", num_args = 1.., value_parser = log::scope)]
    scope: Vec<LogScope>,
    /// Show all stops, not only those that differ
    #[arg(long)]
    all: bool,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// The guard's cases
    Cases,
    /// The activity log
    Log,
}

pub(super) fn run(args: &Args, environment: &Environment) -> anyhow::Result<Exit> {
    let http = HttpTransport::new();
    let settings = Settings::read(environment);
    let mut needed = vec![TIMEZONE_SETTING, POLICIES_SETTING];
    needed.extend(FOR_ARM);
    match args.from {
        From::Cases => needed.extend(FOR_STATE),
        From::Log if args.scope.is_empty() => needed.push(SUBSCRIPTIONS_SETTING),
        From::Log => {}
    }
    let is_invalid = tell_faults(&settings, &needed);
    let folder = args.policies.as_ref().unwrap_or(&settings.policies);
    let (policies, baseline) =
        (load(folder, &settings), args.baseline.as_ref().map(|dir| load(dir, &settings)));
    let (Some(policies), None | Some(Some(_)), false) = (policies, &baseline, is_invalid) else {
        return Ok(Exit::Invalid);
    };
    let baseline = baseline.flatten();
    let until = SystemClock.now();
    let window = Window { since: until - args.since, until };
    let found = block_on(read(args, &settings, &http, window))?;
    let Some((source, window, found)) = found else { return Ok(Exit::Invalid) };
    let set = |policies| PolicySet { policies, zone: &settings.zone };
    let mut replay = Replay::of(source, window, found.cases, set(&policies), baseline.as_ref().map(set));
    replay.unreadable += found.unreadable;
    replay.is_cut = found.is_cut;
    print(args, replay)
}

/// The policies in a folder, or `None` once their faults are told.
fn load(folder: &Path, settings: &Settings) -> Option<Policies> {
    match load_policies(folder, &settings.sink_names()) {
        Ok(policies) => Some(policies),
        Err(faults) => {
            for fault in faults {
                output::error(&format!("error: {fault}\n"));
            }
            None
        }
    }
}

/// `None` where the settings don't say where to read.
async fn read(
    args: &Args,
    settings: &Settings,
    http: &Arc<HttpTransport>,
    window: Window,
) -> anyhow::Result<Option<(Source, Window, Found<Past>)>> {
    match args.from {
        From::Cases => {
            let Some(store) = wiring::store(settings, http) else { return Ok(None) };
            Ok(Some((Source::Cases, window, window::read(&store?, window, kept).await?)))
        }
        From::Log => {
            let Some((arm, _)) = wiring::arm(settings, http) else { return Ok(None) };
            let window = Window { since: window.since.max(window.until - HISTORY_MAX), ..window };
            let guarded = settings.subscriptions.iter().flatten().cloned().map(LogScope::Subscription);
            let scopes = if args.scope.is_empty() { guarded.collect() } else { args.scope.clone() };
            anyhow::ensure!(
                !scopes.is_empty(),
                "STOP_GUARD_SUBSCRIPTIONS names nothing, and who is in a management group is not looked up here: say with --scope what \
                 to read"
            );
            let reading = log::read(&arm, &scopes, window.since, window.until).await?;
            let cases = PastStop::all(&reading).iter().map(Past::of_log).collect();
            let found = Found { cases, unreadable: reading.unusable, is_cut: reading.is_cut };
            Ok(Some((Source::Log, window, found)))
        }
    }
}

fn kept(cluster: &ClusterId, mut case: Case) -> Past {
    // The longest part of it, and nothing is decided by it.
    case.timeline = Vec::new();
    Past { cluster: cluster.clone(), case }
}

fn print(args: &Args, mut replay: Replay) -> anyhow::Result<Exit> {
    match args.output {
        Format::Human => {
            let mut told = replay.human(args.all);
            if replay.stops.is_empty() && args.from == From::Cases {
                told.push_str("\nthere are no cases of that time: try `--from log`\n");
            }
            output::print(&told);
        }
        Format::Json => {
            if !args.all {
                replay.stops.retain(|row| row.differs || row.then.is_none());
            }
            output::print(&output::document(&replay)?);
        }
    }
    Ok(if replay.different > 0 { Exit::Different } else { Exit::Ok })
}
