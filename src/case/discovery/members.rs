//! Which subscriptions are in the management groups that are guarded, as Resource Graph said last.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::stored::decode;
use crate::case::record::{RecordError, VERSION};
use crate::domain::{ManagementGroup, SubscriptionId};

/// Most guarded subscriptions: each may have a storm's bulletin, and a sweep looks after 2,000 of these.
pub const GUARDED_MAX: usize = 1_000;

/// The last whole answer about each group. Kept in the store, so that what is guarded doesn't hang on Resource Graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    v: u32,
    min_writer: u32,
    /// Who wrote it last (rule 3).
    pub writer: String,
    groups: BTreeMap<ManagementGroup, GroupAnswer>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// All that is in one group, at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupAnswer {
    /// When the question was put, on Azure's clock.
    pub asked_at: Timestamp,
    /// The subscriptions in the group and in those below it.
    pub subscriptions: BTreeSet<SubscriptionId>,
}

impl Members {
    /// Before anybody asked.
    pub fn new() -> Self {
        Self {
            v: VERSION,
            min_writer: VERSION,
            writer: String::new(),
            groups: BTreeMap::new(),
            unknown: Map::new(),
        }
    }

    /// Takes an answer in, if it is younger than the one that is known: two processes may ask at once. Says whether it makes others
    /// the members.
    pub fn take(&mut self, group: &ManagementGroup, answer: &GroupAnswer) -> bool {
        let known = self.groups.get(group);
        if known.is_some_and(|known| known.asked_at >= answer.asked_at) {
            return false;
        }
        let is_other = known.is_none_or(|known| known.subscriptions != answer.subscriptions);
        self.groups.insert(group.clone(), answer.clone());
        is_other
    }

    /// Takes in whatever of these answers is younger.
    pub fn take_all(&mut self, others: &Self) {
        for (group, answer) in &others.groups {
            self.take(group, answer);
        }
    }

    /// Forgets groups that nobody wants to guard any more.
    pub fn keep_only(&mut self, groups: &BTreeSet<ManagementGroup>) {
        self.groups.retain(|group, _| groups.contains(group));
    }

    /// The subscriptions in these groups, as far as they were answered for.
    pub fn within<'a>(
        &'a self,
        groups: &'a BTreeSet<ManagementGroup>,
    ) -> impl Iterator<Item = &'a SubscriptionId> {
        groups.iter().filter_map(|group| self.groups.get(group)).flat_map(|answer| &answer.subscriptions)
    }

    /// Reads what is stored.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        decode(bytes)
    }

    /// The bytes to store.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        serde_json::to_vec(self).map_err(|error| RecordError::Damaged(error.to_string()))
    }
}

impl Default for Members {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> ManagementGroup {
        ManagementGroup::parse("mg-prod").unwrap()
    }

    fn answer(second: i64, numbers: &[u32]) -> GroupAnswer {
        let id = |number: &u32| SubscriptionId::parse(&format!("{number:08}-0000-0000-0000-000000000000"));
        GroupAnswer {
            asked_at: Timestamp::from_second(second).unwrap(),
            subscriptions: numbers.iter().map(|number| id(number).unwrap()).collect(),
        }
    }

    fn count(members: &Members) -> usize {
        members.within(&BTreeSet::from([group()])).count()
    }

    #[test]
    fn an_older_answer_never_beats_a_younger_one() {
        let mut members = Members::new();
        assert!(members.take(&group(), &answer(20, &[1, 2])), "the first answer is news, whatever it says");
        assert!(!members.take(&group(), &answer(10, &[1])), "somebody was slow");
        assert_eq!(count(&members), 2);
        assert!(!members.take(&group(), &answer(30, &[1, 2])), "nothing that has to be written down");
        assert!(members.take(&group(), &answer(40, &[1])));
        assert_eq!(count(&members), 1);
    }

    #[test]
    fn what_is_stored_is_read_again_with_what_a_later_version_adds() {
        let mut members = Members::new();
        members.take(&group(), &answer(20, &[1, 2]));
        let mut stored: Value = serde_json::from_slice(&members.encode().unwrap()).unwrap();
        assert_eq!(Members::decode(stored.to_string().as_bytes()), Ok(members));
        stored["later"] = 7.into();
        let kept = Members::decode(stored.to_string().as_bytes()).unwrap().encode().unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&kept).unwrap()["later"], 7);
        stored["min_writer"] = 1_000.into();
        let newer = Members::decode(stored.to_string().as_bytes());
        assert_eq!(newer, Err(RecordError::Newer { min_writer: 1_000 }));
    }

    #[test]
    fn a_group_that_is_not_wanted_any_more_guards_nothing() {
        let mut members = Members::new();
        members.take(&group(), &answer(20, &[1, 2]));
        assert_eq!(members.within(&BTreeSet::new()).count(), 0);
        members.keep_only(&BTreeSet::new());
        assert_eq!(count(&members), 0);
    }
}
