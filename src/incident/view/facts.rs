//! What a person reads, in the order in which people ask: what, who, from where, when, why.

use serde::Serialize;

use super::{CallerView, View};

/// Most clusters that are named in a line.
const NAMED_MAX: usize = 20;

/// One thing that is known.
#[derive(Debug, Clone, Serialize)]
pub(in crate::incident) struct Fact {
    /// What it is, in a word or two.
    pub(in crate::incident) name: &'static str,
    pub(in crate::incident) text: String,
}

impl View {
    pub(super) fn facts(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        let mut fact = |name, text: Option<String>| facts.extend(text.map(|text| Fact { name, text }));
        fact(
            "Cluster",
            self.cluster
                .as_ref()
                .map(|one| format!("{} in {} ({})", one.name, one.resource_group, one.subscription)),
        );
        fact("Clusters", (self.cluster.is_none() && self.cluster_count > 0).then(|| self.named()));
        fact("Status", self.cluster.as_ref().map(|one| one.status.clone()));
        fact(
            "Caller",
            self.caller
                .as_ref()
                .map(|caller| format!("{} ({})", caller.label, caller.kind.replace('-', " "))),
        );
        fact("Ids", self.caller.as_ref().and_then(ids));
        fact("From", self.caller.as_ref().and_then(|caller| caller.ip.clone()));
        fact("Stopped", self.stopped_at.as_ref().map(super::Time::both));
        fact(
            "Verdict",
            self.verdict.as_ref().map(|verdict| match self.policies.as_slice() {
                [] => format!("{verdict}: no policy allows it"),
                policies => format!("{verdict}; decided by {}", policies.join(", ")),
            }),
        );
        fact("Correlation id", self.correlation_id.clone());
        fact("Severity", Some(self.severity.to_owned()));
        fact("Mode", Some(self.mode.clone()));
        facts
    }

    fn named(&self) -> String {
        let mut names: Vec<String> =
            self.clusters.iter().take(NAMED_MAX).map(|one| one.name.clone()).collect();
        let more = self.cluster_count.saturating_sub(names.len());
        if more > 0 {
            names.push(format!("{more} more"));
        }
        format!("{}: {}", self.cluster_count, names.join(", "))
    }

    pub(super) fn story(&self, facts: &[Fact]) -> Vec<String> {
        let mut story: Vec<String> =
            facts.iter().map(|fact| format!("{}: {}", fact.name, fact.text)).collect();
        for (title, list) in
            [("What is left to do", &self.next), ("Before you act", &self.warnings), ("Done", &self.done)]
        {
            if !list.is_empty() {
                story.extend([String::new(), format!("{title}:")]);
                story.extend(list.iter().map(|text| format!("- {text}")));
            }
        }
        if self.cluster.is_none() && !self.clusters.is_empty() {
            story.extend([String::new(), "Clusters:".to_owned()]);
            story.extend(
                self.clusters
                    .iter()
                    .map(|one| format!("- {} in {}: {}", one.name, one.resource_group, one.status)),
            );
            if self.cut.clusters > 0 {
                story.push(format!("- and {} more", self.cut.clusters));
            }
        }
        if !self.timeline.is_empty() {
            story.extend([String::new(), "Timeline:".to_owned()]);
            if self.cut.timeline > 0 {
                story.push(format!("- ({} earlier lines are left out)", self.cut.timeline));
            }
            story.extend(self.timeline.iter().map(|line| format!("- {}", line.line)));
        }
        story
    }
}

fn ids(caller: &CallerView) -> Option<String> {
    let ids: Vec<String> =
        [("object", &caller.object_id), ("app", &caller.app_id), ("tenant", &caller.tenant)]
            .into_iter()
            .filter_map(|(name, id)| id.as_ref().map(|id| format!("{name} {id}")))
            .collect();
    (!ids.is_empty()).then(|| ids.join(", "))
}
