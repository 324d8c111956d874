//! Which management groups a subscription is in. No event and no cluster says so: tables beside the policies do.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::SubscriptionId;
use crate::domain::management_group::ID_PREFIX;

pub(super) use crate::domain::management_group::{is_name, name_in};

/// Most groups above a subscription: six levels and the root (source: Azure docs, "What are Azure management groups?").
const LEVELS_MAX: usize = 7;

/// The known part of the tree of management groups. Without circles: [`Hierarchy::insert`] and [`Hierarchy::circles`] see to it.
#[derive(Debug, Default, Clone)]
pub(super) struct Hierarchy {
    /// The parent of each group that is described.
    parents: BTreeMap<String, Option<String>>,
    /// The group that each subscription is in.
    subscriptions: BTreeMap<SubscriptionId, String>,
}

/// Why a group can't be taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misplaced {
    #[error("the management group `{0}` is described twice")]
    Twice(String),
    #[error("subscription `{0}` is in `{1}` already")]
    Subscription(SubscriptionId, String),
}

impl Hierarchy {
    /// Describes a group, by its name in lower case.
    pub(super) fn insert(&mut self, name: &str, parent: Option<&str>) -> Result<(), Misplaced> {
        if self.parents.contains_key(name) {
            return Err(Misplaced::Twice(name.to_owned()));
        }
        self.parents.insert(name.to_owned(), parent.map(str::to_owned));
        Ok(())
    }

    /// Puts a subscription into a group. It is in one at most.
    pub(super) fn place(&mut self, subscription: SubscriptionId, group: &str) -> Result<(), Misplaced> {
        match self.subscriptions.get(&subscription) {
            Some(other) => Err(Misplaced::Subscription(subscription, other.clone())),
            None => {
                self.subscriptions.insert(subscription, group.to_owned());
                Ok(())
            }
        }
    }

    /// Whether a group has a table, or is the parent of one that has.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.parents.contains_key(name) || self.parents.values().flatten().any(|parent| parent == name)
    }

    /// Groups that are above themselves, or have more above them than Azure allows.
    pub(super) fn circles(&self) -> BTreeSet<&str> {
        let names = self.parents.keys().map(String::as_str);
        names.filter(|name| self.above(name).count() >= LEVELS_MAX).collect()
    }

    /// The groups that a subscription is in, the nearest first.
    pub(super) fn ancestors<'a>(&'a self, subscription: &SubscriptionId) -> impl Iterator<Item = &'a str> {
        let own = self.subscriptions.get(subscription).map(String::as_str);
        own.into_iter().chain(own.into_iter().flat_map(|own| self.above(own)))
    }

    /// The groups above a group. Ends in a circle, too.
    fn above<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let parent = |name: &str| self.parents.get(name)?.as_deref();
        std::iter::successors(parent(name), move |name| parent(name)).take(LEVELS_MAX)
    }
}

/// The id of a group's entity.
pub(super) fn entity_id(name: &str) -> String {
    format!("{ID_PREFIX}{name}")
}
