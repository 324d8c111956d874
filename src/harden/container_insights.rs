//! Container Insights with managed-identity authentication: a data collection rule, its association with the cluster, and the add-on.
//!
//! Three writes, in the order and with the names of the Azure CLI (source: azure-cli, `addonconfiguration.py`; Docker-Provider,
//! `existingClusterOnboarding.json`), so that either tool finds what the other one made.

mod add_on;
mod association;
mod rule;

use serde_json::Value;

use super::cluster::hindered;
use super::item::ItemError;
use super::judged::Judged;
use super::reading::Reading;
use crate::domain::{ClusterId, ResourceId};
use crate::posture::read::{id_of, truth, word};
use crate::posture::{Question, command};

/// The type of a workspace.
const WORKSPACE_TYPE: &str = "Microsoft.OperationalInsights/workspaces";
/// The type of a data collection rule.
const RULE_TYPE: &str = "Microsoft.Insights/dataCollectionRules";
/// What the newer way to turn it on calls itself.
const PROFILE: [&str; 4] = ["properties", "azureMonitorProfile", "containerInsights", "enabled"];
/// How a cluster says that it has no service principal (source: azure-cli, `_helpers.py`).
const NO_PRINCIPAL: &str = "msi";
/// What it costs, told at the add-on: only with that does anything flow.
const COST: &str = "The workspace bills what it takes in by gigabyte: every line that containers write, and inventory and performance each minute. \
                    How much that is depends on what runs; a daily cap of the workspace limits it. The agent runs on every node and takes a \
                    little of its CPU and memory. It takes minutes.";

/// One of the three writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Rule,
    Association,
    AddOn,
}

/// One of the writes that turn Container Insights of a cluster on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerInsights {
    cluster: ClusterId,
    workspace: ResourceId,
    part: Part,
    /// The data collection rule that is used, or why nothing must be written. None until that was read.
    rule: Option<Result<UsedRule, Judged>>,
}

/// A data collection rule and the region that it belongs in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct UsedRule {
    id: ResourceId,
    /// That of the workspace: a rule and the workspace that it sends to share one.
    region: String,
}

impl ContainerInsights {
    /// The writes for a cluster, in order.
    ///
    /// # Errors
    /// In words: the second id is not that of a workspace.
    pub fn parts(cluster: &ClusterId, workspace: &ResourceId) -> Result<[Self; 3], String> {
        if !workspace.is_a(WORKSPACE_TYPE) {
            return Err(format!("`{workspace}` is not a Log Analytics workspace"));
        }
        let (cluster, workspace) = (cluster.clone(), workspace.clone());
        let whole = Self { cluster, workspace, part: Part::Rule, rule: None };
        Ok([Part::Rule, Part::Association, Part::AddOn].map(|part| Self { part, ..whole.clone() }))
    }

    /// Of which cluster.
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// Whether it is nothing without the write before it.
    pub fn is_further(&self) -> bool {
        match self.part {
            Part::Rule => false,
            Part::Association | Part::AddOn => true,
        }
    }

    /// Its name, for people.
    pub fn part_name(&self) -> &'static str {
        match self.part {
            Part::Rule => "1 of 3, data collection rule",
            Part::Association => "2 of 3, association",
            Part::AddOn => "3 of 3, add-on",
        }
    }

    pub(super) fn first_questions(&self) -> Vec<Reading> {
        vec![
            Question::Cluster(self.cluster.clone()).into(),
            Question::Workspace(self.workspace.clone()).into(),
            Reading::Association(self.cluster.clone()),
        ]
    }

    /// What is read to judge it. Before the rule is known, the cluster.
    pub(super) fn question(&self) -> Reading {
        match (self.part, &self.rule) {
            (Part::Rule, Some(Ok(rule))) => Reading::CollectionRule(rule.id.clone()),
            (Part::Association, _) => Reading::Association(self.cluster.clone()),
            (Part::Rule | Part::AddOn, _) => Question::Cluster(self.cluster.clone()).into(),
        }
    }

    /// Takes in what the cluster, the workspace and the association are now.
    pub(super) fn informed(
        &self,
        cluster: Option<&[u8]>,
        workspace: Option<&[u8]>,
        association: Option<&[u8]>,
    ) -> Result<Self, ItemError> {
        let parsed = |body: Option<&[u8]>| body.map(serde_json::from_slice::<Value>).transpose();
        let (cluster, workspace, association) = (parsed(cluster)?, parsed(workspace)?, parsed(association)?);
        let rule = self.used_rule(cluster.as_ref(), workspace.as_ref(), association.as_ref())?;
        Ok(Self { rule: Some(rule), ..self.clone() })
    }

    pub(super) fn judge(&self, read: Option<&[u8]>) -> Result<Judged, ItemError> {
        let rule = match &self.rule {
            Some(Ok(rule)) => rule,
            Some(Err(hindered)) => return Ok(hindered.clone()),
            None => {
                return Ok(Judged::Refused(
                    "the cluster, the workspace and the association are not read".to_owned(),
                ));
            }
        };
        match self.part {
            Part::Rule => rule::judge(rule, &self.workspace, read),
            Part::Association => association::judge(&rule.id, read),
            Part::AddOn => match read {
                Some(read) => add_on::judge(&self.workspace, read),
                None => Ok(self.no_cluster()),
            },
        }
    }

    /// The rule that is used: the one that the cluster is associated with, else the one that the Azure CLI would make.
    fn used_rule(
        &self,
        cluster: Option<&Value>,
        workspace: Option<&Value>,
        association: Option<&Value>,
    ) -> Result<Result<UsedRule, Judged>, ItemError> {
        let Some(cluster) = cluster else { return Ok(Err(self.no_cluster())) };
        word(cluster, &["id"]).ok_or(ItemError::OtherShape)?;
        if let Some(hindered) = hindered(cluster).or_else(|| self.refusal(cluster)) {
            return Ok(Err(hindered));
        }
        let Some(workspace) = workspace else {
            let why = format!(
                "there is no workspace `{}`: make it with `{}`",
                self.workspace,
                command(
                    "aks-stop-guard harden workspace",
                    &[&self.workspace.to_string(), "--location", "YOUR_REGION"]
                )
            );
            return Ok(Err(Judged::Refused(why)));
        };
        let region = word(workspace, &["location"]).ok_or(ItemError::OtherShape)?;
        let region = region.to_lowercase().replace(' ', "");
        let id = match association.map(|body| word(body, &["properties", "dataCollectionRuleId"])) {
            None => self.own_rule(&region)?,
            Some(named) => {
                let named = named.ok_or(ItemError::OtherShape)?;
                id_of(RULE_TYPE, &named).ok_or(ItemError::OtherShape)?
            }
        };
        Ok(Ok(UsedRule { id, region }))
    }

    fn own_rule(&self, region: &str) -> Result<ResourceId, ItemError> {
        let (subscription, group) = (self.cluster.subscription(), self.cluster.resource_group());
        let name = rule::name(region, self.cluster.name());
        let id = format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{RULE_TYPE}/{name}");
        ResourceId::parse(&id).map_err(|_| ItemError::OtherShape)
    }

    /// Why this cluster is not for this command.
    fn refusal(&self, cluster: &Value) -> Option<Judged> {
        let principal = word(cluster, &["properties", "servicePrincipalProfile", "clientId"]);
        if principal.is_some_and(|id| !id.eq_ignore_ascii_case(NO_PRINCIPAL)) {
            let why = "the cluster works with a service principal, and managed-identity authentication needs a managed identity: \
                       `az aks update --enable-managed-identity` gives it one";
            return Some(Judged::Refused(why.to_owned()));
        }
        if truth(cluster, &PROFILE) == Some(true) {
            let why = "Container Insights is on by `azureMonitorProfile`, the newer way, which this command doesn't write";
            return Some(Judged::Refused(why.to_owned()));
        }
        add_on::refusal(&self.cluster, &self.workspace, cluster).map(Judged::Refused)
    }

    fn no_cluster(&self) -> Judged {
        Judged::Refused(format!("there is no cluster `{}`", self.cluster.name()))
    }
}

#[cfg(test)]
mod tests;
