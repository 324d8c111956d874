//! `evaluate`: what the guard would do about a recorded event. Offline: nothing is asked, written or started.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;

use super::describe::{self, Situation};
use super::{Exit, Format, output, wiring};
use crate::azure::{HttpTransport, managed_cluster};
use crate::case::{Action, Context, Explanation, Facts, Mode, Record, Stop, explain};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{
    CONFIRM_SETTING, Environment, FaultKind, GIVE_UP_AFTER_SETTING, LOOK_EVERY_SETTING, MODE_SETTING,
    RETRY_AFTER_SETTING, SUBSCRIPTIONS_SETTING, Settings, TIMEZONE_SETTING, load_policies,
};
use crate::domain::calendar::{EARLIEST, LATEST};
use crate::domain::event::{Ignored, parse};
use crate::domain::{Cluster, ClusterId, Found, Look, Parsed, Power, Provisioning, StopEvent, StopTime};
use crate::functions::BODY_BYTES_MAX;
use crate::policy::Policies;

/// Settings that the answer depends on.
const NEEDED: [&str; 7] = [
    MODE_SETTING,
    SUBSCRIPTIONS_SETTING,
    TIMEZONE_SETTING,
    CONFIRM_SETTING,
    LOOK_EVERY_SETTING,
    RETRY_AFTER_SETTING,
    GIVE_UP_AFTER_SETTING,
];

/// Arguments of `evaluate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example, with the body of `az aks show` as ARM gives it:
  az rest --method get --url \"$CLUSTER_ID?api-version=2025-10-01\" > cluster.json
  aks-stop-guard evaluate --event stop.json --cluster cluster.json

Nothing is asked of Azure or of the state: it is answered as for a cluster without any history, whose stop is the only one
of the hour and isn't in the activity log yet. The function `Evaluate` of the app asks both.

Exit codes: 0 authorised or nothing to do, 4 it would be started, 5 an incident and no start, 6 not decided yet.")]
pub(super) struct Args {
    /// The event: Event Grid schema or CloudEvents 1.0, JSON (`-`: from standard input)
    #[arg(long, value_name = "FILE")]
    event: PathBuf,
    /// The cluster as a GET of ARM gives it; without it, it counts as stopped and ready to be started
    #[arg(long, value_name = "FILE")]
    cluster: Option<PathBuf>,
    /// The folder of policies, instead of STOP_GUARD_POLICIES
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// The mode: by default STOP_GUARD_MODE or, if that is not set, `act`
    #[arg(long, value_name = "MODE", value_parser = mode)]
    mode: Option<Mode>,
    /// When the event comes, RFC 3339; by default right at the stop
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Format,
}

fn mode(text: &str) -> Result<Mode, String> {
    let known = [Mode::DryRun, Mode::Notify, Mode::Act];
    known
        .into_iter()
        .find(|mode| mode.as_str() == text)
        .ok_or_else(|| "one of `dry-run`, `notify`, `act`".to_owned())
}

pub(super) fn run(args: &Args, environment: &Environment) -> anyhow::Result<Exit> {
    let http = HttpTransport::new();
    let settings = Settings::read(environment, &wiring::sink_http(&http));
    let folder = args.policies.clone().unwrap_or_else(|| settings.policies.clone());
    let loaded = load_policies(&folder, &settings.sink_names());
    let (policies, faults) = usable(&settings, loaded);
    for fault in &faults {
        output::error(&format!("error: {fault}\n"));
    }
    let (Some(policies), true) = (policies, faults.is_empty()) else { return Ok(Exit::Invalid) };
    let text = read(&args.event)?;
    let subscriptions = settings.subscriptions.as_ref();
    let guarded = |id: &_| subscriptions.is_none_or(|guarded| guarded.contains(id));
    match parse(&text, &guarded) {
        Parsed::Stop(event) => {
            let exit = decide(args, environment, &settings, &policies, &event)?;
            Ok(exit)
        }
        Parsed::Ignored(why) => ignored(args, &why),
    }
}

/// The policies, and all faults that matter here. A setting that is missing is none: this asks nobody.
fn usable(
    settings: &Settings,
    loaded: Result<Policies, Vec<crate::config::PoliciesFault>>,
) -> (Option<Policies>, Vec<String>) {
    let matters = |setting: &str| NEEDED.contains(&setting);
    let mut faults: Vec<String> = settings
        .faults
        .iter()
        .filter(|fault| fault.kind == FaultKind::Invalid && matters(&fault.setting))
        .map(ToString::to_string)
        .collect();
    match loaded {
        Ok(policies) => (Some(policies), faults),
        Err(found) => {
            faults.extend(found.iter().map(ToString::to_string));
            (None, faults)
        }
    }
}

/// Says why the guard would do nothing. What is no event at all is more likely the wrong file.
fn ignored(args: &Args, why: &Ignored) -> anyhow::Result<Exit> {
    match why {
        Ignored::Empty | Ignored::NotAnEvent { .. } => anyhow::bail!("`{}`: {why}", args.event.display()),
        Ignored::OtherEventType { .. }
        | Ignored::OtherOperation { .. }
        | Ignored::OtherResource(_)
        | Ignored::BadResourceId(_)
        | Ignored::NotGuarded(_) => {}
    }
    output::print(&match args.output {
        Format::Human => format!("ignored   {why}\n"),
        Format::Json => format!("{:#}\n", serde_json::json!({ "ignored": why.to_string() })),
    });
    Ok(Exit::Ok)
}

fn decide(
    args: &Args,
    environment: &Environment,
    settings: &Settings,
    policies: &Policies,
    event: &StopEvent,
) -> anyhow::Result<Exit> {
    let now = args.at.unwrap_or_else(|| match event.time {
        StopTime::At(time) => time,
        StopTime::Missing => SystemClock.now(),
    });
    let now = now.clamp(EARLIEST, LATEST);
    let configured = environment.get(MODE_SETTING).map(|_| settings.mode);
    let mode = args.mode.or(configured).unwrap_or(Mode::Act);
    let cluster = match &args.cluster {
        Some(path) => managed_cluster::read(read(path)?.as_bytes(), &event.cluster)
            .with_context(|| format!("`{}`", path.display()))?,
        None => stopped(&event.cluster),
    };
    let context = Context {
        now,
        mode,
        times: &settings.times,
        policies: Some(policies),
        zone: &settings.zone,
        confirm: settings.confirm,
        hold: None,
        skewed: false,
        start_slot_at: now,
        sinks: &[],
        nonce: "",
    };
    let look = Look { sent_at: now, found: Found::Cluster(Box::new(cluster)) };
    let facts = Facts { look: Ok(look), log: None, stops: None, grants: None };
    let explanation = explain(
        &Record::new(event.cluster.clone()),
        Stop::of_event(event, now, context.times),
        facts,
        &context,
    );
    let situation = Situation { event, now, mode, cluster_given: args.cluster.is_some() };
    output::print(&match args.output {
        Format::Human => describe::human(&situation, &explanation),
        Format::Json => format!("{:#}\n", describe::json(&situation, &explanation)?),
    });
    Ok(exit(&explanation))
}

/// A cluster of which nothing is known but that it is down and could be started.
fn stopped(id: &ClusterId) -> Cluster {
    Cluster {
        id: id.clone(),
        resource_uid: None,
        provisioning: Provisioning::Succeeded,
        power: Power::Stopped,
        location: None,
        tags: BTreeMap::new(),
        sku_tier: None,
        private: None,
        kubernetes_version: None,
    }
}

fn exit(explanation: &Explanation) -> Exit {
    let authorised = explanation.verdict.as_ref().is_some_and(|verdict| verdict.authorised);
    match &explanation.action {
        Action::LeaveStopped | Action::Ignore { .. } => Exit::Ok,
        Action::Report { .. } if authorised => Exit::Ok,
        Action::Report { .. } | Action::RaiseIncident { .. } => Exit::Incident,
        Action::Restart => Exit::Restart,
        Action::Wait { .. } => Exit::Undecided,
    }
}

/// A file's text, or that of standard input. As long as a request's body may be.
fn read(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let mut text = String::new();
    let limit = u64::try_from(BODY_BYTES_MAX).unwrap_or(u64::MAX);
    let mut source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(path).with_context(|| format!("`{shown}` can't be opened"))?)
    };
    source
        .by_ref()
        .take(limit)
        .read_to_string(&mut text)
        .with_context(|| format!("`{shown}` can't be read"))?;
    anyhow::ensure!(text.len() < BODY_BYTES_MAX, "`{shown}` has {BODY_BYTES_MAX} bytes or more");
    Ok(text)
}
