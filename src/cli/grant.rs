//! `grant`: planned stops.

use clap::{ArgGroup, Args as ClapArgs, Subcommand};
use jiff::Timestamp;

use super::operator::{Operator, block_on, moment, print};
use super::{Exit, Format};
use crate::config::Environment;
use crate::domain::grant::Plan;
use crate::domain::scope::ResourceGroupId;
use crate::domain::{ClusterId, Grant, GrantScope, SubscriptionId};
use crate::guard::{Grants, Made, bind};

/// Arguments of `grant`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example, before a nightly shutdown:
  aks-stop-guard grant add --resource-group /subscriptions/<id>/resourceGroups/dev \\
    --caller <object id> --until 2026-12-01T06:00+01:00 --reason 'nightly shutdown' --ticket CHG-17

Exit codes: 0 done, 1 it failed, 2 wrong arguments, 3 invalid settings.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Announce a stop: policies see it as `context.grant`
    Add(Box<Add>),
    /// List the grants that are not over, the last end first
    List(List),
    /// Take a grant back: it covers no stop from now on
    Revoke(Revoke),
}

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("scope").required(true), after_help = "\
Example:
  aks-stop-guard grant add --cluster <resource id> --caller <object id> \\
    --until 2026-12-01T06:00+01:00 --reason 'upgrade of the node pools'

A grant for a cluster is bound to the cluster that has the id now: one that is made anew under it does not inherit the grant.
A tag is as trustworthy as everybody who may write tags.")]
struct Add {
    /// The resource id of a cluster
    #[arg(long, value_name = "ID", group = "scope", value_parser = ClusterId::parse)]
    cluster: Option<ClusterId>,
    /// All clusters of a resource group: /subscriptions/ID/resourceGroups/NAME
    #[arg(long, value_name = "ID", group = "scope", value_parser = ResourceGroupId::parse)]
    resource_group: Option<ResourceGroupId>,
    /// All clusters of a subscription
    #[arg(long, value_name = "ID", group = "scope", value_parser = SubscriptionId::parse)]
    subscription: Option<SubscriptionId>,
    /// All clusters with this tag
    #[arg(long, value_name = "NAME=VALUE", group = "scope", value_parser = tag)]
    tag: Option<GrantScope>,
    /// Who may stop: an object id, or an application's client id
    #[arg(long, value_name = "ID")]
    caller: String,
    /// From when on; a minute ago if left out, an hour ago at most
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Until when, like 2026-12-01T06:00+01:00; 30 days from now at most
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Timestamp,
    /// Why
    #[arg(long)]
    reason: String,
    /// Where it was agreed on
    #[arg(long)]
    ticket: Option<String>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Format,
}

#[derive(Debug, ClapArgs)]
struct List {
    /// Those that are over or revoked as well
    #[arg(long)]
    all: bool,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Format,
}

#[derive(Debug, ClapArgs)]
struct Revoke {
    /// The grant's id, as `grant list` shows it
    id: String,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Format,
}

fn tag(given: &str) -> Result<GrantScope, String> {
    let (name, value) = given.split_once('=').ok_or("write a tag as NAME=VALUE")?;
    Ok(GrantScope::Tag { name: name.to_owned(), value: value.to_owned() })
}

pub(super) fn run(args: Args, environment: &Environment) -> anyhow::Result<Exit> {
    let operator = match Operator::open(environment)? {
        Ok(operator) => operator,
        Err(exit) => return Ok(exit),
    };
    block_on(async {
        match args.command {
            Command::Add(args) => add(*args, &operator).await,
            Command::List(args) => list(&args, &operator).await,
            Command::Revoke(args) => revoke(&args, &operator).await,
        }
    })?;
    Ok(Exit::Ok)
}

async fn add(args: Add, operator: &Operator) -> anyhow::Result<()> {
    let other = [
        args.resource_group.map(GrantScope::resource_group),
        args.subscription.map(GrantScope::in_subscription),
        args.tag,
    ];
    let scope = match (args.cluster, other.into_iter().flatten().next()) {
        (Some(cluster), _) => {
            operator.check_guarded(Some(cluster.subscription()))?;
            bind(operator.arm()?, &cluster).await?
        }
        (None, Some(scope)) => scope,
        (None, None) => anyhow::bail!("say what may be stopped"),
    };
    operator.check_guarded(scope.subscription())?;
    let by = operator.author().await;
    let now = operator.now();
    let words = (args.reason.as_str(), args.ticket.as_deref());
    let plan = Plan::new(scope, &args.caller, (args.from, args.until), words, now)?;
    let (Made::New(grant) | Made::Known(grant)) =
        Grants::new(operator.store.clone()).add(None, plan, by, now).await?;
    print(&grant, &[line(&grant)], args.output)
}

async fn list(args: &List, operator: &Operator) -> anyhow::Result<()> {
    let now = operator.now();
    let mut grants = Grants::new(operator.store.clone()).list().await?;
    grants.retain(|grant| args.all || grant.is_current(now));
    print(&grants, &grants.iter().map(line).collect::<Vec<_>>(), args.output)
}

async fn revoke(args: &Revoke, operator: &Operator) -> anyhow::Result<()> {
    let by = operator.author().await;
    let grant = Grants::new(operator.store.clone()).revoke(&args.id, by, operator.now()).await?;
    print(&grant, &[line(&grant)], args.output)
}

fn line(grant: &Grant) -> String {
    let Grant { id, scope, caller, from, until, reason, granted_by, .. } = grant;
    let ticket = grant.ticket.as_ref().map(|ticket| format!(" [{ticket}]")).unwrap_or_default();
    let revoked = grant.revoked.as_ref();
    let revoked =
        revoked.map(|revoked| format!(", revoked {} by {}", revoked.at, revoked.by)).unwrap_or_default();
    format!(
        "{id}  {caller} may stop {scope} from {from} until {until}: {reason}{ticket}, granted by {granted_by}{revoked}"
    )
}
