//! Management groups: which subscriptions Resource Graph shows in them, at once and to whoever may read subscriptions.

use std::collections::BTreeMap;

use super::World;

/// The tree, by names in lower case.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups {
    parents: BTreeMap<String, String>,
    homes: BTreeMap<String, String>,
}

impl World {
    /// Puts a subscription into a management group, out of the one it was in.
    pub fn place_in_group(&mut self, subscription: &str, group: &str) {
        self.groups_above.homes.insert(subscription.to_ascii_lowercase(), group.to_ascii_lowercase());
    }

    /// Puts a management group into another one.
    pub fn nest_group(&mut self, group: &str, parent: &str) {
        self.groups_above.parents.insert(group.to_ascii_lowercase(), parent.to_ascii_lowercase());
    }
}

impl Groups {
    /// Whether a subscription is in a group, or in one below it.
    pub(super) fn has(&self, group: &str, subscription: &str) -> bool {
        let mut at = self.homes.get(&subscription.to_ascii_lowercase());
        while let Some(name) = at {
            if name.eq_ignore_ascii_case(group) {
                return true;
            }
            at = self.parents.get(name);
        }
        false
    }

    /// All subscriptions that are in a group.
    pub(super) fn subscriptions(&self) -> impl Iterator<Item = &str> {
        self.homes.keys().map(String::as_str)
    }
}
