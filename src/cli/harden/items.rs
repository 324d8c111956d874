//! What can be named on the command line.

use clap::{Subcommand, ValueEnum};

use super::How;
use crate::domain::{ClusterId, ResourceId, SubscriptionId};
use crate::harden::{
    AuthorizedRanges, ContainerInsights, DefenderPlan, DefenderProfile, DenyRule, Item, NewWorkspace,
    NsgRule, Protocol, Upgrade,
};

/// Days that a new workspace keeps logs: what `posture` looks for.
const RETENTION_DAYS: u32 = 90;

/// An item, with what it is about.
#[derive(Debug, Subcommand)]
pub(super) enum Wanted {
    /// Turn the Defender for Containers plan of subscriptions on; it is billed
    DefenderPlan(DefenderPlanArgs),
    /// Rules of a network security group
    #[command(subcommand)]
    NsgRule(RuleCommand),
    /// Make a Log Analytics workspace
    Workspace(WorkspaceArgs),
    /// Say from where the API server of clusters can be reached
    AuthorizedRanges(RangesArgs),
    /// Turn the Defender sensor of clusters on; it is a part of the plan
    DefenderProfile(ProfileArgs),
    /// Turn Container Insights of clusters on, with managed-identity authentication; what it collects is billed
    ContainerInsights(InsightsArgs),
    /// Bring the control plane of clusters to a version, one minor at a time; it can't be undone
    Upgrade(UpgradeArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct DefenderPlanArgs {
    /// Subscriptions, by their ids
    #[arg(long, value_name = "ID", num_args = 1.., required = true, value_parser = SubscriptionId::parse)]
    subscription: Vec<SubscriptionId>,
    /// Extensions to turn on as well, like ContainerSensor; others stay as they are
    #[arg(long, value_name = "NAME", num_args = 1.., value_parser = extension)]
    extension: Vec<String>,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Subcommand)]
pub(super) enum RuleCommand {
    /// Remove one rule, by its name; rules that AKS owns are refused
    Remove(RuleArgs),
    /// Add or replace one rule that keeps the internet out of ports
    Add(DenyArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct RuleArgs {
    /// The rule's name
    #[arg(value_name = "NAME")]
    name: String,
    /// The network security group, by its id
    #[arg(long, value_name = "ID", value_parser = ResourceId::parse)]
    nsg: ResourceId,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
pub(super) struct DenyArgs {
    /// The rule's name; a rule that has it is replaced
    #[arg(value_name = "NAME")]
    name: String,
    /// The network security group, by its id
    #[arg(long, value_name = "ID", value_parser = ResourceId::parse)]
    nsg: ResourceId,
    /// Ports like 22, 8000-8080 or *
    #[arg(long, value_name = "PORT", num_args = 1.., required = true)]
    port: Vec<String>,
    /// By which protocol
    #[arg(long, value_enum, default_value = "any")]
    protocol: By,
    /// Its place, 100 to 4096; without it the last free one before all rules that let the internet in there
    #[arg(long, value_name = "NUMBER")]
    priority: Option<u32>,
    #[command(flatten)]
    how: How,
}

/// A protocol on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum By {
    Any,
    Tcp,
    Udp,
}

#[derive(Debug, clap::Args)]
pub(super) struct WorkspaceArgs {
    /// The id that it shall have; its resource group must be there
    #[arg(value_name = "ID", value_parser = ResourceId::parse)]
    id: ResourceId,
    /// The region, like westeurope
    #[arg(long, value_name = "REGION")]
    location: String,
    /// For how many days it keeps logs
    #[arg(long, value_name = "DAYS", default_value_t = RETENTION_DAYS)]
    retention: u32,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
pub(super) struct RangesArgs {
    /// Clusters, by their ids
    #[arg(long, value_name = "ID", num_args = 1.., required = true, value_parser = ClusterId::parse_managed)]
    cluster: Vec<ClusterId>,
    /// IPv4 ranges like 203.0.113.0/24: these and no others
    #[arg(long, value_name = "CIDR", num_args = 1.., required = true)]
    range: Vec<String>,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
pub(super) struct ProfileArgs {
    /// Clusters, by their ids
    #[arg(long, value_name = "ID", num_args = 1.., required = true, value_parser = ClusterId::parse_managed)]
    cluster: Vec<ClusterId>,
    /// The Log Analytics workspace that they report to, by its id
    #[arg(long, value_name = "ID", value_parser = ResourceId::parse)]
    workspace: ResourceId,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
pub(super) struct InsightsArgs {
    /// Clusters, by their ids
    #[arg(long, value_name = "ID", num_args = 1.., required = true, value_parser = ClusterId::parse_managed)]
    cluster: Vec<ClusterId>,
    /// The Log Analytics workspace that takes their logs, by its id; it must be there
    #[arg(long, value_name = "ID", value_parser = ResourceId::parse)]
    workspace: ResourceId,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
pub(super) struct UpgradeArgs {
    /// Clusters, by their ids
    #[arg(long, value_name = "ID", num_args = 1.., required = true, value_parser = ClusterId::parse_managed)]
    cluster: Vec<ClusterId>,
    /// The whole version, like 1.34.4: one that Azure offers the cluster
    #[arg(long, value_name = "VERSION")]
    to: String,
    #[command(flatten)]
    how: How,
}

impl Wanted {
    /// The items, and how to treat them. Ends the process with clap's usage error where an argument can't be used.
    pub(super) fn items(self) -> (Vec<Item>, How) {
        match self {
            Self::DefenderPlan(DefenderPlanArgs { subscription, extension, how }) => {
                let plan = |subscription| DefenderPlan { subscription, extensions: extension.clone() };
                (subscription.into_iter().map(plan).map(Item::DefenderPlan).collect(), how)
            }
            Self::NsgRule(RuleCommand::Remove(RuleArgs { name, nsg, how })) => {
                (vec![Item::RemoveRule(or_usage(NsgRule::new(nsg, &name)))], how)
            }
            Self::NsgRule(RuleCommand::Add(DenyArgs { name, nsg, port, protocol, priority, how })) => {
                let protocol = match protocol {
                    By::Any => Protocol::Any,
                    By::Tcp => Protocol::Tcp,
                    By::Udp => Protocol::Udp,
                };
                let rule = or_usage(NsgRule::new(nsg, &name));
                (vec![Item::AddRule(or_usage(DenyRule::new(rule, &port, protocol, priority)))], how)
            }
            Self::Workspace(WorkspaceArgs { id, location, retention, how }) => {
                (vec![Item::Workspace(or_usage(NewWorkspace::new(id, &location, retention)))], how)
            }
            Self::AuthorizedRanges(RangesArgs { cluster, range, how }) => {
                let ranges = |cluster| or_usage(AuthorizedRanges::new(cluster, &range));
                (cluster.into_iter().map(ranges).map(Item::AuthorizedRanges).collect(), how)
            }
            Self::DefenderProfile(ProfileArgs { cluster, workspace, how }) => {
                let profile = |cluster| or_usage(DefenderProfile::new(cluster, workspace.clone()));
                (cluster.into_iter().map(profile).map(Item::DefenderProfile).collect(), how)
            }
            Self::ContainerInsights(InsightsArgs { cluster, workspace, how }) => {
                let parts = |cluster: &ClusterId| or_usage(ContainerInsights::parts(cluster, &workspace));
                (cluster.iter().flat_map(parts).map(Item::ContainerInsights).collect(), how)
            }
            Self::Upgrade(UpgradeArgs { cluster, to, how }) => {
                let upgrade = |cluster| or_usage(Upgrade::new(cluster, &to));
                (cluster.into_iter().map(upgrade).map(Item::Upgrade).collect(), how)
            }
        }
    }
}

fn or_usage<T>(made: Result<T, String>) -> T {
    made.unwrap_or_else(|why| clap::Error::raw(clap::error::ErrorKind::ValueValidation, why + "\n").exit())
}

/// Extensions are names like `AgentlessDiscoveryForKubernetes`.
fn extension(name: &str) -> Result<String, String> {
    let is_name = (1..=100).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name.then(|| name.to_owned()).ok_or_else(|| "an extension is a word like `ContainerSensor`".to_owned())
}
