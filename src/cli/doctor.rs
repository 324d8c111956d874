//! `doctor`: does it work? Asks everything side by side, changes nothing, and says how to mend what it finds.

mod azure;
mod state;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::LocalBoxFuture;
use futures::stream;
use serde_json::json;

use super::operator::block_on;
use super::{Exit, Format, output, wiring};
use crate::azure::access_token::own_identity;
use crate::azure::{Arm, HttpTransport, TokenSource};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Environment, Settings, load_policies};
use crate::doctor::{self, Asker, Finding, Standing};
use crate::domain::{Caller, SubscriptionId};
use crate::incident::{PreparedSink, Reached, Receiver};
use crate::store::{Location, Store};

/// Subscriptions and sinks that are asked at a time.
const SIDE_BY_SIDE: usize = 16;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example, as whoever `az login` logged in, with the settings of the app:
  STOP_GUARD_CREDENTIAL=azure-cli aks-stop-guard doctor

It asks with your identity: rights are those of whoever runs it, not the guard's. It reads, and writes one blob of its own into the state, which it
deletes. No sink gets a message. docs/OPERATIONS.md says what each check means.

Exit codes: 0 no fault, 1 it failed, 2 wrong arguments, 9 there is a fault.")]
pub(super) struct Args {
    /// The folder of policies, instead of STOP_GUARD_POLICIES
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// How long one check may take
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Format,
}

/// Everything that is asked with.
struct Doctor<'a> {
    settings: &'a Settings,
    http: &'a Arc<HttpTransport>,
    arm: Option<(Arm, Arc<dyn TokenSource>)>,
    store: Option<Store>,
    /// How long one check may take.
    limit: Duration,
}

pub(super) fn run(args: &Args, environment: &Environment) -> anyhow::Result<Exit> {
    let http = HttpTransport::new();
    let settings = Settings::read(environment);
    let mut findings = on_paper(&settings, args);
    let is_in_memory = settings.state == Some(Location::Memory);
    let doctor = Doctor {
        settings: &settings,
        http: &http,
        arm: wiring::arm(&settings, &http),
        store: wiring::store(&settings, &http).filter(|_| !is_in_memory).transpose()?,
        limit: Duration::from_secs(args.timeout),
    };
    findings.extend(block_on(async { Ok(doctor.ask().await) })?);
    let worst = findings.iter().map(|found| found.standing).max().unwrap_or(Standing::Ok);
    output::print(&match args.output {
        Format::Human => doctor::table(&findings, output::has_colours(environment)),
        Format::Json => {
            let told = json!({ "worst": worst, "summary": doctor::summary(&findings), "checks": findings });
            format!("{told:#}\n")
        }
    });
    Ok(if worst == Standing::Fault { Exit::Faulty } else { Exit::Ok })
}

/// What can be seen without asking anybody.
fn on_paper(settings: &Settings, args: &Args) -> Vec<Finding> {
    let folder = args.policies.as_ref().unwrap_or(&settings.policies);
    let mut found: Vec<Finding> = settings
        .faults
        .iter()
        .map(|fault| {
            Finding::new("settings", Standing::Fault, fault.to_string()).mend("aks-stop-guard check")
        })
        .collect();
    if found.is_empty() {
        found.push(Finding::new("settings", Standing::Ok, format!("valid; mode {} here", settings.mode)));
    }
    found.push(match load_policies(folder, &settings.sink_names()) {
        Ok(policies) => Finding::new("policies", Standing::Ok, format!("{} valid", policies.len())),
        Err(faults) => {
            let first = faults.first().map(ToString::to_string).unwrap_or_default();
            let seen = format!("{} invalid or missing; the first: {first}", faults.len());
            Finding::new("policies", Standing::Fault, seen).mend("aks-stop-guard check")
        }
    });
    found
}

impl Doctor<'_> {
    async fn ask(&self) -> Vec<Finding> {
        let ((token, own), (members, subscriptions)) = futures::join!(self.token(), self.subscriptions());
        let mut findings = vec![token];
        findings.extend(members);
        let asker = Asker::of(own.as_ref());
        let mut works: Vec<LocalBoxFuture<'_, Vec<Finding>>> = Vec::new();
        if let Some((arm, _)) = &self.arm {
            for id in &subscriptions {
                works.push(Box::pin(azure::subscription(arm, id, &asker, self.limit)));
            }
        }
        works.push(Box::pin(state::containers(self.settings, self.store.as_ref(), self.limit)));
        for sink in &self.settings.sinks {
            works.push(Box::pin(self.sink(sink)));
        }
        let guard = async {
            match &self.store {
                Some(store) => Some(state::read(store, self.limit).await),
                None => None,
            }
        };
        let (asked, guard) = futures::join!(side_by_side(works), guard);
        output::progress("");
        findings.extend(asked);
        // Judged now: Azure's clock was heard meanwhile.
        let now = self.arm.as_ref().map_or_else(|| SystemClock.now(), |(arm, _)| arm.arm_now());
        findings.extend(guard.into_iter().flat_map(|read| read.judged(now)));
        findings.push(doctor::clock(self.arm.as_ref().and_then(|(arm, _)| arm.heard_offset())));
        findings
    }

    /// Whether there is a token, and whose it is.
    async fn token(&self) -> (Finding, Option<Caller>) {
        let found = |standing, seen: String| Finding::new("token", standing, seen);
        let (Some((_, tokens)), Some(settings)) = (&self.arm, &self.settings.arm) else {
            let seen = "the settings don't say who asks Azure".to_owned();
            return (found(Standing::Fault, seen).mend("aks-stop-guard check"), None);
        };
        let asked = tokio::time::timeout(self.limit, tokens.token(settings.endpoint.scope())).await;
        match asked {
            Ok(Ok(token)) => {
                let own = own_identity(&token);
                let whom = own.as_ref().map_or("an identity that it does not name", Caller::label);
                (found(Standing::Ok, format!("for {whom}, whose rights are checked below")), own)
            }
            Ok(Err(error)) => (found(Standing::Fault, error.to_string()).mend("az login"), None),
            Err(_) => (found(Standing::Fault, self.too_late()).mend("az login"), None),
        }
    }

    fn too_late(&self) -> String {
        format!("no answer in {} s", self.limit.as_secs())
    }

    /// The subscriptions that are guarded: those of the list, and those that the guard found in the management groups.
    async fn subscriptions(&self) -> (Option<Finding>, BTreeSet<SubscriptionId>) {
        let mut all = self.settings.subscriptions.clone().unwrap_or_default();
        let groups = &self.settings.management_groups;
        if groups.is_empty() {
            return (None, all);
        }
        let found = match &self.store {
            Some(store) => state::members(store, groups).await,
            None => Err(Finding::new("management-groups", Standing::Unknown, "there is no state to read")),
        };
        let found = found.map(|members| {
            let count = members.len();
            all.extend(members);
            let seen = format!("{count} subscriptions in them, as the guard saw last");
            Finding::new("management-groups", Standing::Ok, seen)
        });
        (Some(found.unwrap_or_else(|found| found)), all)
    }

    /// Whether a sink's receivers answer.
    async fn sink(&self, sink: &PreparedSink) -> Vec<Finding> {
        let reached = wiring::reach(sink, self.http, self.limit).await;
        let told = |Reached { receiver, outcome }: Reached| {
            let whom = match receiver {
                Receiver::Host(host) => host,
                Receiver::Secret => "its receiver".to_owned(),
            };
            match outcome {
                Ok(()) => {
                    let seen = format!("{whom} answers; whether it takes messages is not tried");
                    Finding::new("sink", Standing::Ok, seen).about(sink.name())
                }
                Err(why) => Finding::new("sink", Standing::Fault, format!("{whom}: {why}"))
                    .about(sink.name())
                    .mend(format!("aks-stop-guard sink test {}", sink.name())),
            }
        };
        reached.into_iter().map(told).collect()
    }
}

/// Does them at the same time, and gives what they found in their order.
async fn side_by_side(works: Vec<LocalBoxFuture<'_, Vec<Finding>>>) -> Vec<Finding> {
    let count = works.len();
    let numbered = works.into_iter().enumerate().map(|(at, work)| async move { (at, work.await) });
    let mut under_way = stream::iter(numbered).buffer_unordered(SIDE_BY_SIDE);
    let mut done = Vec::with_capacity(count);
    output::progress(&format!("checking: 0 of {count}"));
    while let Some(found) = under_way.next().await {
        done.push(found);
        output::progress(&format!("checking: {} of {count}", done.len()));
    }
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().flat_map(|(_, found)| found).collect()
}
