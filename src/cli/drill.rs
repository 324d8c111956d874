//! `drill`: stops a canary and watches what the guard makes of it. Writes nothing but that stop.

mod stage;

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::stage::{Drill, Stage};
use super::operator::{Operator, block_on};
use super::stored::by_id::{self, Found as FoundCase};
use super::{Exit, Format, output};
use crate::azure::{Arm, StopTaken};
use crate::case::{CaseId, Record};
use crate::config::Environment;
use crate::domain::canary::NotACanary;
use crate::domain::{Canary, ClusterId, ClusterKey, Found, ResourceKind, text};
use crate::posture::command;
use crate::store::{OpenMarker, StatePath, Store};

/// Longest look, with its retries.
const LOOK_BUDGET: Duration = Duration::from_secs(30);
/// Longest wait for the answer to the stop. Azure answers when the group is stopped.
const STOP_TIMEOUT: Duration = Duration::from_secs(120);
/// Between two reads of the state.
const READ_EVERY: Duration = Duration::from_secs(1);
/// Longest line that is printed, in characters.
const LINE_CHARS_MAX: usize = 1_000;

/// Arguments of `drill`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example, as whoever `az login` logged in, who must not be allowed to stop it by the policies:
  export STOP_GUARD_STATE=azure://<account>/<container> STOP_GUARD_CREDENTIAL=azure-cli
  aks-stop-guard drill --group /subscriptions/<id>/resourceGroups/rg-canary/providers/Microsoft.ContainerInstance/containerGroups/canary

It stops nothing but a running container group that has the tag `aks-stop-guard: canary`. The guard treats it like any other; people are told
that it has this tag. Ctrl-C ends the watching, and nothing of the guard. docs/DRILL.md has the rights that are needed.

Exit codes: 0 every stage was reached or nothing was stopped, 1 it can't be done, 2 wrong arguments, 3 invalid settings, 10 a stage was not reached.")]
pub(super) struct Args {
    /// The container group, by its resource id
    #[arg(long, value_name = "ID", value_parser = group)]
    group: ClusterId,
    /// Don't ask
    #[arg(long)]
    yes: bool,
    /// How long it may take until people know that it is over
    #[arg(long, value_name = "SECONDS", default_value = "900", value_parser = clap::value_parser!(u64).range(10..=86_400))]
    timeout: u64,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Format,
}

fn group(given: &str) -> Result<ClusterId, String> {
    let id = ClusterId::parse(given).map_err(|error| error.to_string())?;
    match id.kind() {
        ResourceKind::ContainerGroup => Ok(id),
        ResourceKind::ManagedCluster => Err(NotACanary::OtherKind(id).to_string()),
    }
}

pub(super) fn run(args: &Args, environment: &Environment) -> anyhow::Result<Exit> {
    let operator = match Operator::open(environment)? {
        Ok(operator) => operator,
        Err(exit) => return Ok(exit),
    };
    operator.check_guarded(Some(args.group.subscription()))?;
    anyhow::ensure!(args.yes || output::can_ask(), "there is no terminal to ask on: give --yes");
    block_on(drill(&operator, args))
}

async fn drill(operator: &Operator, args: &Args) -> anyhow::Result<Exit> {
    let (arm, id) = (operator.arm()?, &args.group);
    let unread = "the guard's state can't be read, so nothing was stopped";
    let known = record(&operator.store, &id.key()).await.context(unread)?;
    let before = known.as_ref().map_or(0, |record| record.generation);
    if let Some(case) = known.map(|record| record.episode.into_case()).transpose()?.flatten() {
        anyhow::bail!(
            "the guard has a case of it already, so nothing was stopped: see `aks-stop-guard cases show {}`",
            case.id
        );
    }
    look(arm, id).await?;
    let question = format!(
        "This stops the container group {} in {}; the guard has to start it again. Stop it? [y/N] ",
        id.name(),
        id.resource_group()
    );
    if !args.yes && !output::agrees(&question).context("the answer can't be read")? {
        output::error("nothing was stopped\n");
        return Ok(Exit::Ok);
    }
    // People took their time to agree.
    let canary = look(arm, id).await?;
    let StopTaken { sent_at, request_id } = arm
        .stop_canary(&canary, STOP_TIMEOUT)
        .await
        .context("no answer of Azure says that it was stopped: look at it before you try again")?;
    let begun = Drill::begun(id.clone(), sent_at, request_id.as_deref());
    let (drill, unread) = watch(operator, begun, before, args).await;
    tell(&drill, unread.as_deref(), args.output);
    Ok(if drill.missing().is_none() { Exit::Ok } else { Exit::Unproven })
}

/// It, if it is a canary that runs.
async fn look(arm: &Arm, id: &ClusterId) -> anyhow::Result<Canary> {
    let look = arm.look(id, LOOK_BUDGET).await.context("it can't be looked at, so nothing was stopped")?;
    match look.found {
        Found::Gone => anyhow::bail!("there is no container group `{id}`"),
        Found::Cluster(seen) => Ok(Canary::of(&seen)?),
    }
}

async fn record(store: &Store, key: &ClusterKey) -> anyhow::Result<Option<Record>> {
    let stored = store.read(&StatePath::cluster(key)).await?;
    Ok(stored.map(|stored| Record::decode(&stored.bytes)).transpose()?)
}

/// Follows the case until the end, or until it takes too long. Gives why the state could not be read, if that was so at last.
async fn watch(operator: &Operator, mut drill: Drill, before: u64, args: &Args) -> (Drill, Option<String>) {
    let began = Instant::now();
    let limit = Duration::from_secs(args.timeout);
    let mut told = 0;
    loop {
        let read = see(operator, &mut drill, before).await;
        output::progress("");
        if args.output == Format::Human {
            for reached in drill.reached.iter().skip(told) {
                output::print(&line(reached.stage.word(), Some(reached.seconds), &reached.seen));
            }
        }
        told = drill.reached.len();
        if drill.is_over() || began.elapsed() >= limit {
            return (drill, read.err().map(|error| format!("{error:#}")));
        }
        let next = drill.missing().map_or("the end", Stage::word);
        output::progress(&format!(
            "waiting for `{next}`: {} s of {} s",
            began.elapsed().as_secs(),
            args.timeout
        ));
        tokio::time::sleep(READ_EVERY.min(limit.saturating_sub(began.elapsed()))).await;
    }
}

/// Reads the case that the stop led to, once there is one.
async fn see(operator: &Operator, drill: &mut Drill, before: u64) -> anyhow::Result<()> {
    let key = drill.group.key();
    let Some(record) = record(&operator.store, &key).await? else { return Ok(()) };
    if record.generation <= before {
        return Ok(());
    }
    let now = operator.now();
    let marker = OpenMarker { key, generation: record.generation };
    let FoundCase { case, record, .. } = by_id::find(&operator.store, &marker, now).await?;
    drill.see(&case, record.as_ref().ok(), now);
    Ok(())
}

fn line(word: &str, seconds: Option<i64>, seen: &str) -> String {
    let after = seconds.map(|seconds| format!("{seconds} s")).unwrap_or_default();
    format!("{}\n", text::clean(&format!("{word:<9}{after:>7}  {seen}"), LINE_CHARS_MAX))
}

/// The end, for people or for programs.
fn tell(drill: &Drill, unread: Option<&str>, format: Format) {
    let missing = drill.missing();
    let why = missing.map(|stage| why(drill, stage, unread));
    let next = if missing.is_some() { next(drill) } else { Vec::new() };
    match format {
        Format::Json => output::print(&format!("{:#}\n", document(drill, why.as_deref(), &next))),
        Format::Human => {
            if let (Some(stage), Some(why)) = (missing, &why) {
                output::print(&line(stage.word(), None, &format!("not reached: {why}")));
                for step in &next {
                    output::print(&line("", None, step));
                }
            } else {
                let seconds = drill.reached.iter().map(|reached| reached.seconds).max().unwrap_or_default();
                output::print(&format!("The whole way works: {seconds} s from the stop to its end.\n"));
            }
        }
    }
}

/// Why a stage was not reached, as far as that is known.
fn why(drill: &Drill, stage: Stage, unread: Option<&str>) -> String {
    if let Some(failed) = &drill.failed {
        return failed.clone();
    }
    if let Some(unread) = unread {
        return format!("the guard's state can't be read: {unread}");
    }
    match stage {
        Stage::Heard => {
            "no case came: neither the event nor a dead letter of it reached the guard".to_owned()
        }
        Stage::Told | Stage::Resolved if !drill.undelivered.is_empty() => drill.undelivered.join("; "),
        Stage::Stopped | Stage::Judged | Stage::Started | Stage::Told | Stage::Verified | Stage::Resolved => {
            "not within the time limit".to_owned()
        }
    }
}

/// What to look at, and how to bring the group up where the guard does not.
fn next(drill: &Drill) -> Vec<String> {
    let look = match &drill.case {
        Some(case) => command("aks-stop-guard cases show", &[case.as_str()]),
        None => "aks-stop-guard doctor".to_owned(),
    };
    let mut next = vec![look];
    if !drill.has(Stage::Verified) {
        let id = &drill.group;
        let arguments = [
            "--name",
            id.name(),
            "--resource-group",
            id.resource_group(),
            "--subscription",
            id.subscription().as_str(),
        ];
        next.push(command("az container start", &arguments));
    }
    next
}

fn document(drill: &Drill, why: Option<&str>, next: &[String]) -> Value {
    json!({
        "group": drill.group,
        "proven": drill.missing().is_none(),
        "stopped_at": drill.stopped_at,
        "case": drill.case.as_ref().map(CaseId::as_str),
        "stages": drill.reached,
        "missing": drill.missing(),
        "why": why,
        "next": next,
    })
}
