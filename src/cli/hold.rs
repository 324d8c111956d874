//! `hold`: the red button.

use clap::{ArgGroup, Args as ClapArgs, Subcommand};
use jiff::Timestamp;

use super::operator::{Operator, block_on, moment, print};
use super::{Exit, Format};
use crate::config::Environment;
use crate::domain::scope::ResourceGroupId;
use crate::domain::{ClusterId, Hold, Scope, SubscriptionId};
use crate::guard::{Holds, Made};

/// Arguments of `hold`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example, when clusters were stopped on purpose:
  aks-stop-guard hold add --all --until 2026-12-01T06:00+01:00 --reason 'forensics, INC-42'

While a hold covers a cluster the guard starts nothing there, whatever policies say. When it is over or lifted, clusters that
nobody was allowed to stop are restarted.

Exit codes: 0 done, 1 it failed, 2 wrong arguments, 3 invalid settings.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start nothing there until then
    Add(Add),
    /// List the holds
    List(List),
    /// Take a hold back before its time
    Lift(Lift),
}

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("scope").required(true), after_help = "\
Example:
  aks-stop-guard hold add --cluster <resource id> --until 2026-12-01T06:00+01:00 --reason 'forensics, INC-42'")]
struct Add {
    /// Everywhere
    #[arg(long, group = "scope")]
    all: bool,
    /// All clusters of a subscription
    #[arg(long, value_name = "ID", group = "scope", value_parser = SubscriptionId::parse)]
    subscription: Option<SubscriptionId>,
    /// All clusters of a resource group: /subscriptions/ID/resourceGroups/NAME
    #[arg(long, value_name = "ID", group = "scope", value_parser = ResourceGroupId::parse)]
    resource_group: Option<ResourceGroupId>,
    /// The resource id of a cluster
    #[arg(long, value_name = "ID", group = "scope", value_parser = ClusterId::parse)]
    cluster: Option<ClusterId>,
    /// Until when, like 2026-12-01T06:00+01:00; 30 days from now at most
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Timestamp,
    /// Why
    #[arg(long)]
    reason: String,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Format,
}

#[derive(Debug, ClapArgs)]
struct List {
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Format,
}

#[derive(Debug, ClapArgs)]
struct Lift {
    /// The hold's id, as `hold list` shows it
    id: String,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Format,
}

pub(super) fn run(args: Args, environment: &Environment) -> anyhow::Result<Exit> {
    let operator = match Operator::open(environment)? {
        Ok(operator) => operator,
        Err(exit) => return Ok(exit),
    };
    block_on(async {
        match args.command {
            Command::Add(args) => add(args, &operator).await,
            Command::List(args) => list(&args, &operator).await,
            Command::Lift(args) => lift(&args, &operator).await,
        }
    })?;
    Ok(Exit::Ok)
}

async fn add(args: Add, operator: &Operator) -> anyhow::Result<()> {
    let scopes = [
        args.subscription.map(Scope::Subscription),
        args.resource_group.map(Scope::ResourceGroup),
        args.cluster.map(Scope::Cluster),
    ];
    let scope = scopes.into_iter().flatten().next().unwrap_or(Scope::Everywhere);
    operator.check_guarded(scope.subscription())?;
    let by = operator.author().await;
    let holds = Holds::new(operator.store.clone());
    let made = holds.add(None, scope, args.until, &args.reason, (by, operator.now())).await?;
    let (Made::New(hold) | Made::Known(hold)) = made;
    print(&hold, &[line(&hold)], args.output)
}

async fn list(args: &List, operator: &Operator) -> anyhow::Result<()> {
    let now = operator.now();
    let mut holds = Holds::new(operator.store.clone()).list().await?;
    holds.retain(|hold| hold.is_active(now));
    print(&holds, &holds.iter().map(line).collect::<Vec<_>>(), args.output)
}

async fn lift(args: &Lift, operator: &Operator) -> anyhow::Result<()> {
    let by = operator.author().await;
    let hold = Holds::new(operator.store.clone()).lift(&args.id, by, operator.now()).await?;
    print(&hold, &[line(&hold)], args.output)
}

fn line(hold: &Hold) -> String {
    let lifted = hold.lifted.as_ref();
    let lifted = lifted.map(|lifted| format!(", lifted {} by {}", lifted.at, lifted.by)).unwrap_or_default();
    format!("{}  {} {hold}{lifted}", hold.id, hold.scope)
}
