//! What is guarded: subscriptions by their ids, and those of management groups.

use std::collections::BTreeSet;

use super::fault::{Fault, FaultKind};
use super::reader::{self, Reader};
use super::{MANAGEMENT_GROUPS_SETTING, SUBSCRIPTIONS_SETTING};
use crate::case::discovery::GUARDED_MAX;
use crate::domain::{ManagementGroup, SubscriptionId};

/// Most management groups: each is a question to Resource Graph, one after another, whenever discovery runs. A group holds those below
/// it, so a landing zone is one.
const GROUPS_MAX: usize = 10;

/// What is guarded.
pub(super) struct Guarded {
    /// `None` if nobody can tell what is guarded.
    pub(super) subscriptions: Option<BTreeSet<SubscriptionId>>,
    pub(super) groups: BTreeSet<ManagementGroup>,
}

/// Reads both settings, so that all faults are told. With a slip in one nobody knows what was meant to be guarded, so nothing is by
/// halves.
pub(super) fn read(reader: &mut Reader<'_>) -> Guarded {
    let groups = groups(reader);
    let has_groups = groups.as_ref().is_none_or(|groups| !groups.is_empty());
    let subscriptions = subscriptions(reader, has_groups);
    match (subscriptions, groups) {
        (Some(subscriptions), Some(groups)) => Guarded { subscriptions: Some(subscriptions), groups },
        (None, _) | (_, None) => Guarded { subscriptions: None, groups: BTreeSet::new() },
    }
}

fn subscriptions(reader: &mut Reader<'_>, has_groups: bool) -> Option<BTreeSet<SubscriptionId>> {
    let Some(list) = reader.get(SUBSCRIPTIONS_SETTING) else {
        if has_groups {
            return Some(BTreeSet::new());
        }
        let remedy = format!(
            "name the subscriptions to guard, by their ids, separated by commas, or management groups in \
             {MANAGEMENT_GROUPS_SETTING}"
        );
        reader.missing(SUBSCRIPTIONS_SETTING, &remedy);
        return None;
    };
    let problem =
        "is no subscription id: write ids like `00000000-0000-0000-0000-000000000000`, separated by commas";
    let parse = |word: &str| SubscriptionId::parse(word).ok();
    let ids = list_of(reader, SUBSCRIPTIONS_SETTING, list, parse, problem)?;
    if ids.is_empty() && !has_groups {
        reader.missing(SUBSCRIPTIONS_SETTING, "it names no subscription");
        return None;
    }
    if ids.len() > GUARDED_MAX {
        let told = format!("names {} subscriptions, at most {GUARDED_MAX} are guarded", ids.len());
        reader.fault(Fault::about(SUBSCRIPTIONS_SETTING, FaultKind::Invalid, &told));
        return None;
    }
    Some(ids)
}

fn groups(reader: &mut Reader<'_>) -> Option<BTreeSet<ManagementGroup>> {
    let Some(list) = reader.get(MANAGEMENT_GROUPS_SETTING) else { return Some(BTreeSet::new()) };
    let problem = "is no management group: write its id, like `mg-landing-zones`, not its display name; several are separated by \
                   commas";
    let parse = |word: &str| ManagementGroup::parse(word).ok();
    let groups = list_of(reader, MANAGEMENT_GROUPS_SETTING, list, parse, problem)?;
    if groups.len() > GROUPS_MAX {
        let told = format!("names {} management groups, at most {GROUPS_MAX} are asked about", groups.len());
        reader.fault(Fault::about(MANAGEMENT_GROUPS_SETTING, FaultKind::Invalid, &told));
        return None;
    }
    Some(groups)
}

/// The items of a list with commas; `None` if one is wrong. Each that is wrong is told.
fn list_of<T: Ord>(
    reader: &mut Reader<'_>,
    setting: &str,
    list: &str,
    parse: impl Fn(&str) -> Option<T>,
    problem: &str,
) -> Option<BTreeSet<T>> {
    let mut items = Some(BTreeSet::new());
    for word in reader::words(list) {
        match (parse(word), &mut items) {
            (Some(item), Some(items)) => {
                items.insert(item);
            }
            (Some(_), None) => {}
            (None, _) => {
                items = None;
                reader.invalid(setting, word, problem);
            }
        }
    }
    items
}
