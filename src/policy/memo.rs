//! What was asked about last, in Cedar's terms: one step of a case puts up to three questions about one caller and one cluster,
//! and making entities and checking them against the schema costs as much as an answer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use cedar_policy::{Entities, Entity, Schema};

use super::entity::{Unaskable, Vocabulary};
use super::hierarchy::Hierarchy;
use crate::domain::{Caller, Cluster, ClusterId};

/// Sets of entities that are kept: as many as cases that are between two questions at the same time, which are few.
const KEPT_MAX: usize = 16;

/// Whom and what a question is about: all that its entities are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subjects<'a> {
    pub(super) caller: &'a Caller,
    pub(super) cluster: &'a ClusterId,
    pub(super) facts: Option<&'a Cluster>,
}

impl Subjects<'_> {
    /// The entities themselves, not yet checked against the schema.
    pub(super) fn entities(
        &self,
        words: &Vocabulary,
        hierarchy: &Hierarchy,
    ) -> Result<Vec<Entity>, Unaskable> {
        let mut entities = words.cluster_entities(self.cluster, self.facts, hierarchy)?;
        entities.push(words.caller_entity(self.caller)?);
        Ok(entities)
    }
}

/// The newest sets of entities, newest first.
#[derive(Debug, Default)]
pub(super) struct Memo(Mutex<VecDeque<Kept>>);

#[derive(Debug)]
struct Kept {
    caller: Caller,
    cluster: ClusterId,
    facts: Option<Cluster>,
    entities: Arc<Entities>,
}

/// A copy of a set of policies begins with nothing remembered.
impl Clone for Memo {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Memo {
    /// The entities of a question, made anew unless the very same ones are at hand.
    pub(super) fn entities(
        &self,
        subjects: Subjects<'_>,
        words: &Vocabulary,
        hierarchy: &Hierarchy,
        schema: &Schema,
    ) -> Result<Arc<Entities>, Unaskable> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.iter().find(|kept| kept.is_of(subjects)) {
            return Ok(Arc::clone(&known.entities));
        }
        drop(kept);
        let Subjects { caller, cluster, facts } = subjects;
        let entities = subjects.entities(words, hierarchy)?;
        let entities = Arc::new(Entities::from_entities(entities, Some(schema))?);
        kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(KEPT_MAX - 1);
        kept.push_front(Kept {
            caller: caller.clone(),
            cluster: cluster.clone(),
            facts: facts.cloned(),
            entities: Arc::clone(&entities),
        });
        Ok(entities)
    }
}

impl Kept {
    fn is_of(&self, subjects: Subjects<'_>) -> bool {
        self.cluster == *subjects.cluster
            && self.facts.as_ref() == subjects.facts
            && self.caller == *subjects.caller
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{DEFAULT_POLICIES, Policies};

    fn cluster(name: &str) -> ClusterId {
        let subscription = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
        let path = format!("resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/{name}");
        ClusterId::parse(&format!("/subscriptions/{subscription}/{path}")).unwrap()
    }

    #[test]
    fn only_the_very_same_facts_share_their_entities() {
        let policies = Policies::load(&[DEFAULT_POLICIES]).unwrap();
        let caller = Caller::unknown();
        let of = |caller: &Caller, cluster: &ClusterId, facts: Option<&Cluster>| {
            let subjects = Subjects { caller, cluster, facts };
            let (words, hierarchy) = (&policies.vocabulary, &policies.hierarchy);
            policies.memo.entities(subjects, words, hierarchy, policies.validator.schema()).ok().unwrap()
        };
        let aks = cluster("aks-1");
        let first = of(&caller, &aks, None);
        assert!(Arc::ptr_eq(&first, &of(&caller, &aks, None)));
        assert!(!Arc::ptr_eq(&first, &of(&caller, &cluster("aks-2"), None)));
        let named = Caller { name: Some("Mallory".to_owned()), ..Caller::unknown() };
        assert!(!Arc::ptr_eq(&first, &of(&named, &aks, None)));
    }

    #[test]
    fn no_more_is_kept_than_is_of_use() {
        let policies = Policies::load(&[DEFAULT_POLICIES]).unwrap();
        let caller = Caller::unknown();
        for n in 0..100 {
            let aks = cluster(&format!("aks-{n}"));
            let subjects = Subjects { caller: &caller, cluster: &aks, facts: None };
            let schema = policies.validator.schema();
            let (words, hierarchy) = (&policies.vocabulary, &policies.hierarchy);
            assert!(policies.memo.entities(subjects, words, hierarchy, schema).is_ok());
        }
        assert_eq!(policies.memo.0.lock().unwrap().len(), KEPT_MAX);
    }
}
