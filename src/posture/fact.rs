//! Answers of Azure Resource Manager, read as far as they are needed.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::access::{Assignment, StopRole};
use super::cluster::ClusterFacts;
use super::defender::Plan;
use super::logs::Sending;
use super::nsg::Nsg;
use super::question::Question;
use super::read::{id_of, rows, truth, word};
use super::version::Release;
use super::workspace::Workspace;
use crate::domain::{ResourceId, SubscriptionId};

const NSG_TYPE: &str = "Microsoft.Network/networkSecurityGroups";

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Subscriptions that are enabled.
    Subscriptions(Vec<SubscriptionId>),
    /// Clusters.
    Clusters(Vec<ClusterFacts>),
    /// A Defender plan.
    Plan(Plan),
    /// The roles that can stop clusters.
    Roles(Vec<StopRole>),
    /// Role assignments.
    Assignments(Vec<Assignment>),
    /// Kubernetes versions.
    Releases(Vec<Release>),
    /// Versions to upgrade to.
    Upgrades(Vec<String>),
    /// Where logs go.
    Sendings(Vec<Sending>),
    /// Network security groups.
    Nsgs(Vec<Nsg>),
    /// The network security group of a subnet, if it has one.
    Subnet(Option<ResourceId>),
    /// A workspace.
    Workspace(Workspace),
}

/// One page of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What it says.
    pub fact: Fact,
    /// Where the next page is.
    pub next: Option<String>,
}

/// Why an answer can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FactError {
    /// Not JSON, or nested too deep.
    #[error("it is not json")]
    NotJson,
    /// Not of the form that was asked for.
    #[error("it is not what was asked for")]
    OtherShape,
}

/// A list. Rows are read one by one: an odd one hides no other, and a long list is never in memory as a tree.
#[derive(Debug, Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    value: Vec<&'a RawValue>,
    #[serde(rename = "nextLink", default)]
    next: Option<String>,
}

impl Fact {
    /// Reads the answer to a question.
    pub fn read(question: &Question, body: &[u8]) -> Result<Page, FactError> {
        let one = |read: fn(&Value) -> Option<Self>| {
            let body: Value = serde_json::from_slice(body).map_err(|_| FactError::NotJson)?;
            let fact = read(&body).ok_or(FactError::OtherShape)?;
            Ok(Page { fact, next: None })
        };
        match question {
            Question::Subscriptions => list(body, subscription, Self::Subscriptions),
            Question::Clusters(_) => list(body, each(ClusterFacts::read), Self::Clusters),
            Question::Roles(_) => list(body, StopRole::read, Self::Roles),
            Question::Assignments(_) => list(body, each(Assignment::read), Self::Assignments),
            Question::Diagnostics(_) => list(body, each(Sending::read), Self::Sendings),
            Question::Nsgs(..) => list(body, each(Nsg::read), Self::Nsgs),
            Question::Cluster(_) => one(|body| Some(Self::Clusters(vec![ClusterFacts::read(body)?]))),
            Question::Nsg(_) => one(|body| Some(Self::Nsgs(vec![Nsg::read(body)?]))),
            Question::Plan(_) | Question::ClusterPlan(_) => one(|body| Some(Self::Plan(Plan::read(body)?))),
            Question::Versions(..) => one(|body| Some(Self::Releases(Release::read_all(body)?))),
            Question::Upgrades(_) => one(upgrades),
            Question::Subnet(_) => one(subnet),
            Question::Workspace(_) => one(|body| Some(Self::Workspace(Workspace::read(body)?))),
        }
    }

    /// Adds the rows of a further page.
    #[must_use]
    pub fn joined(self, more: Self) -> Self {
        match (self, more) {
            (Self::Subscriptions(a), Self::Subscriptions(b)) => Self::Subscriptions([a, b].concat()),
            (Self::Clusters(a), Self::Clusters(b)) => Self::Clusters([a, b].concat()),
            (Self::Roles(a), Self::Roles(b)) => Self::Roles([a, b].concat()),
            (Self::Assignments(a), Self::Assignments(b)) => Self::Assignments([a, b].concat()),
            (Self::Sendings(a), Self::Sendings(b)) => Self::Sendings([a, b].concat()),
            (Self::Nsgs(a), Self::Nsgs(b)) => Self::Nsgs([a, b].concat()),
            // The others have one page.
            (first, _) => first,
        }
    }

    /// What has to be asked because of it.
    pub fn follow_ups(&self) -> Vec<Question> {
        match self {
            Self::Subscriptions(ids) => ids.iter().flat_map(of_subscription).collect(),
            Self::Clusters(clusters) => clusters.iter().flat_map(ClusterFacts::questions).collect(),
            Self::Sendings(sendings) => {
                sendings.iter().filter_map(Sending::workspace).map(Question::Workspace).collect()
            }
            Self::Subnet(nsg) => nsg.iter().cloned().map(Question::Nsg).collect(),
            Self::Plan(_)
            | Self::Roles(_)
            | Self::Assignments(_)
            | Self::Releases(_)
            | Self::Upgrades(_)
            | Self::Nsgs(_)
            | Self::Workspace(_) => Vec::new(),
        }
    }
}

/// What is asked of a whole subscription.
pub(super) fn of_subscription(id: &SubscriptionId) -> Vec<Question> {
    let all: [fn(SubscriptionId) -> Question; 4] =
        [Question::Clusters, Question::Plan, Question::Roles, Question::Assignments];
    all.map(|question| question(id.clone())).to_vec()
}

fn list<T>(
    body: &[u8],
    read: impl Fn(&str) -> Option<T>,
    fact: fn(Vec<T>) -> Fact,
) -> Result<Page, FactError> {
    let list: List<'_> = serde_json::from_slice(body)
        .map_err(|error| if error.is_data() { FactError::OtherShape } else { FactError::NotJson })?;
    let rows = list.value.iter().filter_map(|row| read(row.get())).collect();
    Ok(Page { fact: fact(rows), next: list.next.filter(|next| !next.is_empty()) })
}

fn each<T>(read: fn(&Value) -> Option<T>) -> impl Fn(&str) -> Option<T> {
    move |row| serde_json::from_str(row).ok().and_then(|row: Value| read(&row))
}

/// A subscription, unless it is disabled or deleted: nothing runs there.
fn subscription(row: &str) -> Option<SubscriptionId> {
    let row: Value = serde_json::from_str(row).ok()?;
    let is_off =
        word(&row, &["state"]).is_some_and(|state| ["Disabled", "Deleted"].contains(&state.as_str()));
    SubscriptionId::parse(&word(&row, &["subscriptionId"])?).ok().filter(|_| !is_off)
}

/// No `upgrades` means that there are none (recorded).
fn upgrades(body: &Value) -> Option<Fact> {
    let profile = super::read::at(body, &["properties", "controlPlaneProfile"])?;
    let stable = rows(profile, &["upgrades"]).iter().filter(|row| truth(row, &["isPreview"]) != Some(true));
    Some(Fact::Upgrades(stable.filter_map(|row| word(row, &["kubernetesVersion"])).collect()))
}

fn subnet(body: &Value) -> Option<Fact> {
    body.get("id")?;
    let nsg = word(body, &["properties", "networkSecurityGroup", "id"]);
    Some(Fact::Subnet(nsg.and_then(|id| id_of(NSG_TYPE, &id))))
}
