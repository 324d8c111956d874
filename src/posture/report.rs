//! All findings, by subscription and cluster.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::access::{self, Assignment, StopRole};
use super::cluster::ClusterFacts;
use super::defender::Plan;
use super::fact::{Fact, of_subscription};
use super::finding::{Check, Finding};
use super::nsg::Nsg;
use super::question::{Question, Unread};
use super::{api_server, defender, logs, version, workspace};
use crate::domain::{ClusterId, Power, Provisioning, Severity, SubscriptionId};

/// What was answered to each question.
#[derive(Debug, Clone, Default)]
pub struct Answers(BTreeMap<Question, Result<Fact, Unread>>);

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// By subscription, in order of ids.
    pub subscriptions: Vec<SubscriptionReport>,
}

/// What was found in a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubscriptionReport {
    /// Which.
    pub id: SubscriptionId,
    /// What is about no cluster alone.
    pub findings: Vec<Finding>,
    /// Its clusters, in order of ids.
    pub clusters: Vec<ClusterReport>,
}

/// What was found about a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterReport {
    /// Which.
    pub id: ClusterId,
    /// Its region.
    pub location: Option<String>,
    /// Its Kubernetes version.
    pub version: Option<String>,
    /// Its power state: the goal, not the fact.
    pub power: Power,
    /// What is under way on it.
    pub provisioning: Provisioning,
    /// What keeps its findings from being mended now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Answers {
    /// Notes an answer. Gives the questions that it raises and that nobody asked yet.
    pub fn note(&mut self, question: Question, answer: Result<Fact, Unread>) -> Vec<Question> {
        let raised = answer.as_ref().map(Fact::follow_ups).unwrap_or_default();
        self.0.insert(question, answer);
        raised
    }

    /// What is asked first, about whole subscriptions and about single clusters.
    pub fn first_questions(
        subscriptions: &BTreeSet<SubscriptionId>,
        clusters: &BTreeSet<ClusterId>,
    ) -> Vec<Question> {
        let mut first: Vec<Question> = subscriptions.iter().flat_map(of_subscription).collect();
        for cluster in clusters {
            first.push(Question::Cluster(cluster.clone()));
            let around = of_subscription(cluster.subscription());
            first.extend(around.into_iter().filter(|question| !matches!(question, Question::Clusters(_))));
        }
        first
    }

    /// Whether anything at all was answered.
    pub fn has_any(&self) -> bool {
        self.0.values().any(Result::is_ok)
    }

    /// Why the first of the questions without an answer has none.
    pub fn first_unread(&self) -> Option<(&Question, &Unread)> {
        self.0.iter().find_map(|(question, answer)| Some((question, answer.as_ref().err()?)))
    }

    fn fact(&self, question: &Question) -> Option<&Fact> {
        self.0.get(question)?.as_ref().ok()
    }

    fn unread(&self, question: &Question) -> Option<&Unread> {
        self.0.get(question)?.as_ref().err()
    }

    fn plan(&self, question: &Question) -> Option<&Plan> {
        let Fact::Plan(plan) = self.fact(question)? else { return None };
        Some(plan)
    }

    fn upgrades(&self, cluster: &ClusterId) -> &[String] {
        let answer = self.fact(&Question::Upgrades(cluster.clone()));
        let Some(Fact::Upgrades(upgrades)) = answer else { return &[] };
        upgrades
    }

    fn rights(&self, id: &SubscriptionId) -> Option<(&[StopRole], &[Assignment])> {
        let Fact::Roles(roles) = self.fact(&Question::Roles(id.clone()))? else { return None };
        let answer = self.fact(&Question::Assignments(id.clone()))?;
        let Fact::Assignments(assignments) = answer else { return None };
        Some((roles, assignments))
    }

    /// The clusters that were read, by subscription; those without one that can be read too.
    fn clusters(&self) -> BTreeMap<&SubscriptionId, BTreeMap<&ClusterId, &ClusterFacts>> {
        let mut all: BTreeMap<&SubscriptionId, BTreeMap<&ClusterId, &ClusterFacts>> = BTreeMap::new();
        for (question, answer) in &self.0 {
            if let Question::Plan(id) = question {
                all.entry(id).or_default();
            }
            if let Ok(Fact::Clusters(clusters)) = answer {
                for cluster in clusters {
                    all.entry(cluster.id.subscription()).or_default().insert(&cluster.id, cluster);
                }
            }
        }
        all
    }

    /// All questions that a cluster raised, and those that their answers raised.
    fn raised_by(&self, cluster: &ClusterFacts) -> BTreeSet<Question> {
        let mut raised = BTreeSet::new();
        let mut open = cluster.questions();
        while let Some(question) = open.pop() {
            if raised.insert(question.clone()) {
                open.extend(self.fact(&question).map(Fact::follow_ups).unwrap_or_default());
            }
        }
        raised
    }
}

impl Report {
    /// Judges what was read.
    pub fn of(answers: &Answers) -> Self {
        let subscription =
            |(id, clusters): (&SubscriptionId, BTreeMap<_, &ClusterFacts>)| SubscriptionReport {
                id: id.clone(),
                findings: of_whole_subscription(id, answers),
                clusters: clusters.into_values().map(|cluster| of_cluster(cluster, answers)).collect(),
            };
        Self { subscriptions: answers.clusters().into_iter().map(subscription).collect() }
    }

    /// All findings, with the cluster that each is about, if it is about one.
    pub fn findings(&self) -> impl Iterator<Item = (&SubscriptionReport, Option<&ClusterReport>, &Finding)> {
        self.subscriptions.iter().flat_map(|subscription| {
            let own = subscription.findings.iter().map(move |finding| (subscription, None, finding));
            let of_clusters = subscription.clusters.iter().flat_map(move |cluster| {
                cluster.findings.iter().map(move |finding| (subscription, Some(cluster), finding))
            });
            own.chain(of_clusters)
        })
    }

    /// How severe the worst of it is.
    pub fn worst(&self) -> Option<Severity> {
        self.findings().map(|(_, _, finding)| finding.severity).max()
    }
}

fn of_whole_subscription(id: &SubscriptionId, answers: &Answers) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some((roles, assignments)) = answers.rights(id) {
        found.extend(access::of_subscription(id, roles, assignments));
    }
    if let Some(plan) = answers.plan(&Question::Plan(id.clone())) {
        found.extend(defender::of_subscription(id, plan));
    }
    let single = answers
        .0
        .keys()
        .filter(|question| matches!(question, Question::Cluster(_)) && question.subscription() == Some(id));
    let resource = format!("/subscriptions/{id}");
    for question in of_subscription(id).iter().chain(single) {
        let about = if let Question::Cluster(id) = question { id.to_string() } else { resource.clone() };
        found.extend(answers.unread(question).map(|why| unread(question, why, &about)));
    }
    sorted(found)
}

fn of_cluster(cluster: &ClusterFacts, answers: &Answers) -> ClusterReport {
    let id = &cluster.id;
    let mut found = Vec::new();
    if let Some((roles, assignments)) = answers.rights(id.subscription()) {
        found.extend(access::of_cluster(id, roles, assignments));
    }
    found.extend(api_server::reach(cluster));
    found.extend(api_server::unknown_access(cluster));
    found.extend(api_server::local_accounts(cluster));
    found.extend(logs::of_insights(cluster));
    let subscriptions = answers.plan(&Question::Plan(id.subscription().clone()));
    let own = answers.plan(&Question::ClusterPlan(id.clone()));
    found.extend(defender::of_cluster(cluster, subscriptions, own));
    found.extend(version::channels(cluster));
    for question in answers.raised_by(cluster) {
        match answers.0.get(&question) {
            Some(Ok(fact)) => found.extend(of_fact(cluster, &question, fact, answers)),
            Some(Err(why)) => found.push(unread(&question, why, &id.to_string())),
            None => {}
        }
    }
    let note = match (cluster.power, cluster.provisioning) {
        (_, Provisioning::Deleting) => Some("it is being deleted"),
        (Power::Stopped, _) => Some("it is stopped: Azure changes nothing on it until it was started"),
        (Power::Running | Power::Unknown, _) => None,
    };
    ClusterReport {
        id: id.clone(),
        location: cluster.location.clone(),
        version: cluster.version.clone(),
        power: cluster.power,
        provisioning: cluster.provisioning,
        note,
        findings: sorted(found),
    }
}

/// What one answer says about a cluster.
fn of_fact(cluster: &ClusterFacts, question: &Question, fact: &Fact, answers: &Answers) -> Vec<Finding> {
    match fact {
        Fact::Nsgs(groups) => groups.iter().flat_map(Nsg::findings).collect(),
        Fact::Sendings(sendings) => logs::of_settings(cluster, sendings),
        Fact::Workspace(workspace) => {
            question.resource().map(|id| workspace.findings(id)).unwrap_or_default()
        }
        Fact::Releases(releases) => {
            version::support(cluster, releases, answers.upgrades(&cluster.id)).into_iter().collect()
        }
        Fact::Upgrades(upgrades) => version::newer(cluster, upgrades).into_iter().collect(),
        // These were judged with the cluster itself, or lead on to others.
        Fact::Plan(_)
        | Fact::Subnet(_)
        | Fact::Subscriptions(_)
        | Fact::Clusters(_)
        | Fact::Roles(_)
        | Fact::Assignments(_) => Vec::new(),
    }
}

fn unread(question: &Question, why: &Unread, about: &str) -> Finding {
    let resource = question.resource().map_or_else(|| about.to_owned(), ToString::to_string);
    match (question, why) {
        (Question::Workspace(id), Unread::Gone) => workspace::missing(id),
        (_, Unread::Gone) => Finding::new(Check::Gone, &resource, &why.about(question)),
        // Azure documents plans of single resources for virtual machines, and shows them for clusters in examples only: that it refuses
        // the question hides nothing but an exemption that can't be there then.
        (Question::ClusterPlan(_), Unread::Failed(_)) => {
            Finding::new(Check::NotReadable, &resource, &why.about(question)).severity(Severity::Info)
        }
        (_, Unread::Denied | Unread::Failed(_)) => {
            Finding::new(Check::NotReadable, &resource, &why.about(question)).severity(question.hides())
        }
    }
}

/// The worst first.
fn sorted(mut found: Vec<Finding>) -> Vec<Finding> {
    found.sort_by(|a, b| {
        (b.severity, a.check, &a.resource, &a.seen).cmp(&(a.severity, b.check, &b.resource, &b.seen))
    });
    found.dedup();
    found
}
