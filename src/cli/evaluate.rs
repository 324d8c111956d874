//! `evaluate`: what the guard would do about a recorded event. Offline: nothing is asked, written or started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::describe::{self, Situation};
use super::offline::{self, Offline};
use super::{Exit, Format, output};
use crate::azure::resource;
use crate::case::{Action, Explanation, Facts, Mode, Record, Stop, explain_questions};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Environment, MODE_SETTING};
use crate::domain::calendar::{EARLIEST, LATEST};
use crate::domain::event::{Ignored, parse};
use crate::domain::{
    Cluster, ClusterId, Found, Look, Parsed, Power, Provisioning, Setup, StopEvent, StopTime,
};
use crate::policy::Explained;

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

/// What is asked: an event, and what is known beside it.
pub(super) struct Asked<'a> {
    pub(super) event: &'a Path,
    pub(super) cluster: Option<&'a Path>,
    pub(super) mode: Option<Mode>,
    pub(super) at: Option<Timestamp>,
}

/// What came of it.
pub(super) enum Decided {
    Explained(Box<Decision>),
    /// Why the guard would do nothing.
    Ignored(String),
}

/// A decision about an event.
pub(super) struct Decision {
    event: StopEvent,
    now: Timestamp,
    mode: Mode,
    cluster_given: bool,
    explanation: Explanation,
    /// The questions that the policies were asked.
    pub(super) questions: Vec<Explained>,
}

impl Decision {
    fn situation(&self) -> Situation<'_> {
        let Self { event, now, mode, cluster_given, .. } = self;
        Situation { event, now: *now, mode: *mode, cluster_given: *cluster_given }
    }

    pub(super) fn human(&self) -> String {
        describe::human(&self.situation(), &self.explanation)
    }

    pub(super) fn json(&self) -> anyhow::Result<Value> {
        Ok(describe::json(&self.situation(), &self.explanation)?)
    }
}

pub(super) fn run(args: &Args, environment: &Environment) -> anyhow::Result<Exit> {
    let Some(offline) = offline::load(environment, args.policies.as_deref()) else {
        return Ok(Exit::Invalid);
    };
    let asked = Asked { event: &args.event, cluster: args.cluster.as_deref(), mode: args.mode, at: args.at };
    match decide(&asked, environment, &offline)? {
        Decided::Explained(decision) => {
            output::print(&match args.output {
                Format::Human => decision.human(),
                Format::Json => format!("{:#}\n", decision.json()?),
            });
            Ok(exit(&decision.explanation))
        }
        Decided::Ignored(why) => {
            output::print(&match args.output {
                Format::Human => format!("ignored   {why}\n"),
                Format::Json => format!("{:#}\n", json!({ "ignored": why })),
            });
            Ok(Exit::Ok)
        }
    }
}

/// Decides about an event, or says why the guard would do nothing. What is no event at all is more likely the wrong file.
pub(super) fn decide(
    asked: &Asked<'_>,
    environment: &Environment,
    offline: &Offline,
) -> anyhow::Result<Decided> {
    let text = offline::read(asked.event, offline::EVENT_BYTES_MAX)?;
    // Who is in a management group is not known offline: then every subscription counts as guarded.
    let has_groups = !offline.settings.management_groups.is_empty();
    let subscriptions = offline.settings.subscriptions.as_ref().filter(|_| !has_groups);
    let guarded = |id: &_| subscriptions.is_none_or(|guarded| guarded.contains(id));
    match parse(&text, &guarded) {
        Parsed::Stop(event) => {
            Ok(Decided::Explained(Box::new(explained(asked, environment, offline, *event)?)))
        }
        Parsed::Ignored(why) => match &why {
            Ignored::Empty | Ignored::NotAnEvent { .. } => {
                anyhow::bail!("`{}`: {why}", asked.event.display())
            }
            Ignored::OtherEventType { .. }
            | Ignored::OtherOperation { .. }
            | Ignored::OtherResource(_)
            | Ignored::OtherKind { .. }
            | Ignored::BadResourceId(_)
            | Ignored::NotGuarded(_) => Ok(Decided::Ignored(why.to_string())),
        },
    }
}

fn explained(
    asked: &Asked<'_>,
    environment: &Environment,
    offline: &Offline,
    event: StopEvent,
) -> anyhow::Result<Decision> {
    let Offline { settings, policies } = offline;
    let now = asked.at.unwrap_or_else(|| match event.time {
        StopTime::At(time) => time,
        StopTime::Missing => SystemClock.now(),
    });
    let now = now.clamp(EARLIEST, LATEST);
    let configured = environment.get(MODE_SETTING).map(|_| settings.mode);
    let mode = asked.mode.or(configured).unwrap_or(Mode::Act);
    let cluster = match asked.cluster {
        Some(path) => {
            let text = offline::read(path, offline::EVENT_BYTES_MAX)?;
            resource::read(text.as_bytes(), &event.cluster)
                .with_context(|| format!("`{}`", path.display()))?
        }
        None => stopped(&event.cluster),
    };
    let context = offline::context(settings, Some(policies), mode, now);
    let look = Look { sent_at: now, found: Found::Cluster(Box::new(cluster)), body: None };
    let facts = Facts { look: Ok(look), log: None, stops: None, grants: None };
    let stop = Stop::of_event(&event, now, context.times);
    let (explanation, questions) =
        explain_questions(&Record::new(event.cluster.clone()), stop, facts, &context);
    let cluster_given = asked.cluster.is_some();
    Ok(Decision { event, now, mode, cluster_given, explanation, questions })
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
        setup: Setup::default(),
        fault: None,
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
