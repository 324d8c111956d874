//! What can be mended, and where it is in Azure.

use super::authorized_ranges::AuthorizedRanges;
use super::defender_plan::DefenderPlan;
use super::defender_profile::DefenderProfile;
use super::deny_rule::DenyRule;
use super::judged::Judged;
use super::nsg_rule::NsgRule;
use super::upgrade::Upgrade;
use super::workspace::NewWorkspace;
use crate::domain::{ClusterId, SubscriptionId};
use crate::posture::Question;

/// The api-version of single network rules: that of the groups they are in.
const RULE_API: &str = "2024-05-01";

/// What the person who hardens needs to be allowed to do, per item: what is read, then what is written. Never a part of the guard's role.
pub const HARDEN_ACTIONS: [(&str, &[&str]); 7] = [
    ("defender-plan", &["Microsoft.Security/pricings/read", "Microsoft.Security/pricings/write"]),
    (
        "nsg-rule remove",
        &[
            "Microsoft.Network/networkSecurityGroups/read",
            "Microsoft.Network/networkSecurityGroups/securityRules/delete",
            "Microsoft.Network/locations/operations/read",
        ],
    ),
    (
        "nsg-rule add",
        &[
            "Microsoft.Network/networkSecurityGroups/read",
            "Microsoft.Network/networkSecurityGroups/securityRules/write",
            "Microsoft.Network/locations/operations/read",
        ],
    ),
    (
        "workspace",
        &["Microsoft.OperationalInsights/workspaces/read", "Microsoft.OperationalInsights/workspaces/write"],
    ),
    (
        "authorized-ranges",
        &[
            "Microsoft.ContainerService/managedClusters/read",
            "Microsoft.ContainerService/managedClusters/write",
            "Microsoft.ContainerService/locations/operations/read",
        ],
    ),
    (
        "defender-profile",
        &[
            "Microsoft.ContainerService/managedClusters/read",
            "Microsoft.ContainerService/managedClusters/write",
            "Microsoft.ContainerService/locations/operations/read",
        ],
    ),
    (
        "upgrade",
        &[
            "Microsoft.ContainerService/managedClusters/read",
            "Microsoft.ContainerService/managedClusters/upgradeProfiles/read",
            "Microsoft.ContainerService/managedClusters/write",
            "Microsoft.ContainerService/locations/operations/read",
        ],
    ),
];

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Turn the Defender for Containers plan of a subscription on.
    DefenderPlan(DefenderPlan),
    /// Remove one rule of a network security group.
    RemoveRule(NsgRule),
    /// Keep the internet out by one rule of a network security group.
    AddRule(DenyRule),
    /// Make a Log Analytics workspace.
    Workspace(NewWorkspace),
    /// Say from where a cluster's API server can be reached.
    AuthorizedRanges(AuthorizedRanges),
    /// Turn the Defender sensor of a cluster on.
    DefenderProfile(DefenderProfile),
    /// Bring a cluster's control plane to a version.
    Upgrade(Upgrade),
}

/// Why nothing can be said about an item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// Azure's answer is not what was asked for.
    #[error("azure's answer is not what was asked for")]
    OtherShape,
}

impl From<serde_json::Error> for ItemError {
    fn from(_: serde_json::Error) -> Self {
        Self::OtherShape
    }
}

impl Item {
    /// The word for it on the command line.
    pub fn word(&self) -> &'static str {
        match self {
            Self::DefenderPlan(_) => "defender-plan",
            Self::RemoveRule(_) | Self::AddRule(_) => "nsg-rule",
            Self::Workspace(_) => "workspace",
            Self::AuthorizedRanges(_) => "authorized-ranges",
            Self::DefenderProfile(_) => "defender-profile",
            Self::Upgrade(_) => "upgrade",
        }
    }

    /// What it is about, for people.
    pub fn subject(&self) -> String {
        match self {
            Self::DefenderPlan(plan) => format!("subscription {}", plan.subscription),
            Self::RemoveRule(rule) => in_group(rule),
            Self::AddRule(deny) => in_group(deny.rule()),
            Self::Workspace(new) => format!("{} in {}", new.id().name(), new.id().resource_group()),
            Self::AuthorizedRanges(ranges) => of_cluster(ranges.cluster()),
            Self::DefenderProfile(profile) => of_cluster(profile.cluster()),
            Self::Upgrade(upgrade) => of_cluster(upgrade.cluster()),
        }
    }

    /// What is read to judge it.
    pub fn question(&self) -> Question {
        match self {
            Self::DefenderPlan(plan) => Question::Plan(plan.subscription.clone()),
            Self::RemoveRule(rule) => Question::Nsg(rule.group().clone()),
            Self::AddRule(deny) => Question::Nsg(deny.rule().group().clone()),
            Self::Workspace(new) => Question::Workspace(new.id().clone()),
            Self::AuthorizedRanges(ranges) => Question::Cluster(ranges.cluster().clone()),
            Self::DefenderProfile(profile) => Question::Cluster(profile.cluster().clone()),
            Self::Upgrade(upgrade) => Question::Cluster(upgrade.cluster().clone()),
        }
    }

    /// What has to be read before that, and given to [`Item::informed`].
    pub fn first_question(&self) -> Option<Question> {
        match self {
            Self::Upgrade(upgrade) => Some(Question::Upgrades(upgrade.cluster().clone())),
            Self::DefenderPlan(_)
            | Self::RemoveRule(_)
            | Self::AddRule(_)
            | Self::Workspace(_)
            | Self::AuthorizedRanges(_)
            | Self::DefenderProfile(_) => None,
        }
    }

    /// The item that knows the answer to its first question.
    ///
    /// # Errors
    /// The body is not what was asked for.
    pub fn informed(&self, read: Option<&[u8]>) -> Result<Self, ItemError> {
        match self {
            Self::Upgrade(upgrade) => Ok(Self::Upgrade(upgrade.informed(read)?)),
            other => Ok(other.clone()),
        }
    }

    /// The path of the URL that is written to, part by part, and its api-version.
    pub fn written(&self) -> (Vec<String>, &'static str) {
        let question = self.question();
        let mut path: Vec<String> = question.segments().into_iter().map(str::to_owned).collect();
        let mut of_rule = |rule: &NsgRule| path.extend(["securityRules".to_owned(), rule.name().to_owned()]);
        match self {
            Self::RemoveRule(rule) => {
                of_rule(rule);
                (path, RULE_API)
            }
            Self::AddRule(deny) => {
                of_rule(deny.rule());
                (path, RULE_API)
            }
            Self::DefenderPlan(_)
            | Self::Workspace(_)
            | Self::AuthorizedRanges(_)
            | Self::DefenderProfile(_)
            | Self::Upgrade(_) => (path, question.api_version()),
        }
    }

    /// The subscription that it is in.
    pub fn subscription(&self) -> &SubscriptionId {
        match self {
            Self::DefenderPlan(plan) => &plan.subscription,
            Self::RemoveRule(rule) => rule.group().subscription(),
            Self::AddRule(deny) => deny.rule().group().subscription(),
            Self::Workspace(new) => new.id().subscription(),
            Self::AuthorizedRanges(ranges) => ranges.cluster().subscription(),
            Self::DefenderProfile(profile) => profile.cluster().subscription(),
            Self::Upgrade(upgrade) => upgrade.cluster().subscription(),
        }
    }

    /// Judges what was read: the body of Azure's answer, or nothing if Azure says that it does not exist.
    ///
    /// # Errors
    /// The body is not what was asked for.
    pub fn judge(&self, read: Option<&[u8]>) -> Result<Judged, ItemError> {
        match self {
            Self::DefenderPlan(plan) => plan.judge(read),
            Self::RemoveRule(rule) => rule.judge(read),
            Self::AddRule(deny) => deny.judge(read),
            Self::Workspace(new) => new.judge(read),
            Self::AuthorizedRanges(ranges) => ranges.judge(read),
            Self::DefenderProfile(profile) => profile.judge(read),
            Self::Upgrade(upgrade) => upgrade.judge(read),
        }
    }
}

fn in_group(rule: &NsgRule) -> String {
    format!("{} in {} ({})", rule.name(), rule.group().name(), rule.group().resource_group())
}

fn of_cluster(cluster: &ClusterId) -> String {
    format!("{} in {}", cluster.name(), cluster.resource_group())
}
