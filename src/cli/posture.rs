//! `posture`: how exposed clusters are to being stopped. Reads; changes nothing in Azure.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;

use super::operator::block_on;
use super::policy::{FOR_ARM, tell_faults};
use super::{Exit, output, wiring};
use crate::azure::posture::Surveyed;
use crate::azure::{Arm, ArmError, HttpTransport};
use crate::config::{Environment, SUBSCRIPTIONS_SETTING, Settings};
use crate::domain::{ClusterId, Severity, SubscriptionId};
use crate::posture::{Answers, Question, Report, sarif, table};

/// Longest time that all reading takes, throttling included: people give up sooner.
const SURVEY_BUDGET: Duration = Duration::from_secs(10 * 60);

/// Arguments of `posture`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example, as whoever `az login` logged in:
  STOP_GUARD_CREDENTIAL=azure-cli aks-stop-guard posture --subscription 00000000-0000-0000-0000-000000000000

Without --subscription and --cluster it reads the subscriptions of STOP_GUARD_SUBSCRIPTIONS, and without that setting all that your
identity sees. It sends GETs only. What your identity may not read is a finding that names the missing right; docs/POSTURE.md lists
the rights, as a role, and what is looked for.

Exit codes: 0 done, 1 nothing could be read, 3 settings are invalid, 8 there is a finding at least as severe as --fail-on.")]
pub(super) struct Args {
    /// Subscriptions to read, by their ids
    #[arg(long, value_name = "ID", num_args = 1.., value_parser = subscription)]
    subscription: Vec<SubscriptionId>,
    /// Clusters to read, by their ids; of their subscriptions what concerns them
    #[arg(long, value_name = "ID", num_args = 1.., value_parser = cluster)]
    cluster: Vec<ClusterId>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "table")]
    output: Form,
    /// End with exit code 8 if there is a finding this severe: info, low, medium, high or critical
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    fail_on: Option<Severity>,
}

/// In which form the answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For a person
    Table,
    /// For a program
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

fn subscription(id: &str) -> Result<SubscriptionId, String> {
    SubscriptionId::parse(id).map_err(|error| error.to_string())
}

fn cluster(id: &str) -> Result<ClusterId, String> {
    ClusterId::parse_managed(id).map_err(|error| error.to_string())
}

fn severity(word: &str) -> Result<Severity, String> {
    Severity::parse(word).ok_or_else(|| "write info, low, medium, high or critical".to_owned())
}

pub(super) fn run(args: &Args, environment: &Environment) -> anyhow::Result<Exit> {
    let http = HttpTransport::new();
    let settings = Settings::read(environment);
    let names_none = args.subscription.is_empty() && args.cluster.is_empty();
    let is_set = environment.get(SUBSCRIPTIONS_SETTING).is_some();
    let mut needed = FOR_ARM.to_vec();
    if names_none && is_set {
        needed.push(SUBSCRIPTIONS_SETTING);
    }
    if tell_faults(&settings, &needed) {
        return Ok(Exit::Invalid);
    }
    let Some((arm, _)) = wiring::arm(&settings, &http) else { return Ok(Exit::Invalid) };
    let mut subscriptions: BTreeSet<SubscriptionId> = args.subscription.iter().cloned().collect();
    if names_none {
        subscriptions.extend(settings.subscriptions.iter().flatten().cloned());
    }
    let clusters: BTreeSet<ClusterId> = args.cluster.iter().cloned().collect();
    let first = match (subscriptions.is_empty(), clusters.is_empty()) {
        (true, true) => vec![Question::Subscriptions],
        (false, _) | (_, false) => Answers::first_questions(&subscriptions, &clusters),
    };
    let answers = block_on(read(&arm, first))?;
    let report = Report::of(&answers);
    anyhow::ensure!(!report.subscriptions.is_empty(), "your identity sees no enabled subscription");
    output::print(&match args.output {
        Form::Table => table(&report, output::has_colours(environment)),
        Form::Json => format!("{}\n", serde_json::to_string_pretty(&report)?),
        Form::Sarif => format!("{:#}\n", sarif(&report)),
    });
    let is_exposed = args.fail_on.is_some_and(|limit| report.worst().is_some_and(|worst| worst >= limit));
    Ok(if is_exposed { Exit::Exposed } else { Exit::Ok })
}

/// Reads everything; an error if nothing could be read.
async fn read(arm: &Arm, first: Vec<Question>) -> anyhow::Result<Answers> {
    let mut told = |Surveyed { answered, asked }: Surveyed| {
        output::progress(&format!("reading: {answered} of {asked} answers"));
    };
    let surveyed = arm.survey(first, SURVEY_BUDGET, &mut told).await;
    output::progress("");
    let answers = surveyed.map_err(explained)?;
    if let (false, Some((question, why))) = (answers.has_any(), answers.first_unread()) {
        anyhow::bail!("nothing could be read; {}", why.about(question));
    }
    Ok(answers)
}

fn explained(error: ArmError) -> anyhow::Error {
    let told: anyhow::Result<()> =
        Err(error).context("Azure can't be asked: log in with `az login`, or check `STOP_GUARD_CREDENTIAL`");
    told.err().unwrap_or_else(|| anyhow::anyhow!("azure can't be asked"))
}
