//! What the identity that asks may do in a subscription, and what stands in the way of a start.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Finding, Standing};
use crate::domain::{Caller, CallerKind, ClusterId, ResourceKind, SubscriptionId};
use crate::posture::read::{rows, truth, word, words};
use crate::posture::{Unread, action_fits, command};

/// Everybody, as deny assignments name them (source: azure-docs, "Understand Azure deny assignments").
const EVERYONE: &str = "00000000-0000-0000-0000-000000000000";
/// Most names that one line tells.
const NAMED_MAX: usize = 3;

/// A cluster or a container group of a list, as little of it as is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    id: ClusterId,
    /// The resource group of its nodes.
    node_group: Option<String>,
}

/// Whose token the questions are asked with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asker {
    object_id: Option<String>,
    /// Then it is not the guard.
    is_person: bool,
}

impl Asker {
    /// Whom a token is for, if it says so.
    pub fn of(caller: Option<&Caller>) -> Self {
        let is_person =
            caller.is_some_and(|caller| matches!(caller.kind, CallerKind::User | CallerKind::Guest));
        Self { object_id: caller.and_then(|caller| caller.object_id.clone()), is_person }
    }
}

/// Reads a list of clusters or container groups.
pub fn listed(rows: &[Value]) -> Vec<Listed> {
    let read = |row: &Value| {
        let id = ClusterId::parse(&word(row, &["id"])?).ok()?;
        Some(Listed { id, node_group: word(row, &["properties", "nodeResourceGroup"]) })
    };
    rows.iter().filter_map(read).collect()
}

/// What has to be startable in a resource group.
#[derive(Debug)]
pub struct GroupRights {
    /// The resource group, in lower case.
    pub group: String,
    /// The kinds of what is in it.
    pub kinds: Vec<ResourceKind>,
    /// What the permissions API says of it.
    pub read: Result<Vec<Value>, Unread>,
}

/// The resource groups of these, each once, in lower case, with the kinds of what is in them.
pub fn groups(listed: &[Listed]) -> BTreeMap<String, Vec<ResourceKind>> {
    let mut groups: BTreeMap<String, Vec<ResourceKind>> = BTreeMap::new();
    for one in listed {
        let kinds = groups.entry(one.id.resource_group().to_lowercase()).or_default();
        if !kinds.contains(&one.id.kind()) {
            kinds.push(one.id.kind());
        }
    }
    groups
}

/// Whether what is guarded in a subscription can be read: each kind with its list.
pub fn arm_read(id: &SubscriptionId, lists: &[(ResourceKind, Result<Vec<Value>, Unread>)]) -> Finding {
    let failed = lists.iter().find_map(|(kind, read)| Some((kind, read.as_ref().err()?)));
    let Some((kind, why)) = failed else {
        let counts = lists.iter().filter_map(|(kind, read)| Some((*kind, read.as_ref().ok()?.len())));
        let counts: Vec<String> = counts
            .filter(|(kind, count)| *kind == ResourceKind::ManagedCluster || *count > 0)
            .map(|(kind, count)| counted(count, kind.noun()))
            .collect();
        return Finding::new("arm-read", Standing::Ok, format!("{} read", counts.join(" and "))).about(id);
    };
    match why {
        Unread::Gone => {
            let seen = "there is no such subscription, or this identity's tenant does not have it";
            Finding::new("arm-read", Standing::Fault, seen)
                .about(id)
                .mend(format!("az account show --subscription {id}"))
        }
        Unread::Failed(_) => Finding {
            standing: Standing::Fault,
            ..Finding::unread("arm-read", id.as_str(), why, kind.read_action())
        },
        Unread::Denied => Finding::unread("arm-read", id.as_str(), why, kind.read_action()),
    }
}

/// Whether the identity that asks may start what is in these resource groups, by what the permissions API says of each. That a
/// person may not says nothing about the guard, which has an identity of its own.
pub fn may_start(id: &SubscriptionId, asker: &Asker, groups: &[GroupRights]) -> Finding {
    let mut unread = groups.iter().filter_map(|group| group.read.as_ref().err());
    if let Some(why) = unread.next() {
        return Finding::unread("start-right", id.as_str(), why, "Microsoft.Authorization/permissions/read");
    }
    let may = |kind: ResourceKind, rows: &[Value]| {
        let start = kind.start_action();
        let has = |row: &Value, name| words(row, &[name]).iter().any(|pattern| action_fits(pattern, start));
        // What one assignment takes away, another may give.
        rows.iter().any(|row| has(row, "actions") && !has(row, "notActions"))
    };
    let without_for = |kind: ResourceKind| -> Vec<&str> {
        groups
            .iter()
            .filter(|group| group.kinds.contains(&kind))
            .filter(|group| !group.read.as_ref().is_ok_and(|rows| may(kind, rows)))
            .map(|group| group.group.as_str())
            .collect()
    };
    let missing = ResourceKind::ALL.into_iter().map(|kind| (kind, without_for(kind)));
    let missing = missing.into_iter().find_map(|(kind, groups)| Some((kind, *groups.first()?, groups)));
    let Some((kind, first, without)) = missing else {
        let seen = match groups.len() {
            0 => "nothing to start".to_owned(),
            count => format!("this identity may start what is in {}", counted(count, "resource group")),
        };
        return Finding::new("start-right", Standing::Ok, seen).about(id);
    };
    let start = kind.start_action();
    let scope = match without.len() {
        1 => format!("/subscriptions/{id}/resourceGroups/{first}"),
        _ => format!("/subscriptions/{id}"),
    };
    let missing = format!("`{start}` is missing in {}", named(&without, "resource group"));
    let (standing, seen) = match asker.is_person {
        true => {
            (Standing::Unknown, format!("{missing} for you; run doctor as the guard to see its own right"))
        }
        false => (Standing::Fault, missing),
    };
    let assign =
        ["--role", "YOUR_ROLE_NAME", "--assignee-object-id", "YOUR_GUARD_PRINCIPAL_ID", "--scope", &scope];
    Finding::new("start-right", standing, seen)
        .about(id)
        .mend(command("az role assignment create --assignee-principal-type ServicePrincipal", &assign))
}

/// Whether a read-only lock keeps clusters from being started: one on the subscription, on a cluster, or on a resource group of a
/// cluster or its nodes. Locks against deletion do no harm (source: azure-docs, "Lock your resources").
pub fn locks(id: &SubscriptionId, clusters: &[Listed], read: &Result<Vec<Value>, Unread>) -> Finding {
    let rows = match read {
        Ok(rows) => rows,
        Err(why) => {
            return Finding::unread("locks", id.as_str(), why, "Microsoft.Authorization/locks/read");
        }
    };
    let in_the_way: Vec<String> = rows
        .iter()
        .filter(|row| {
            word(row, &["properties", "level"]).is_some_and(|level| level.eq_ignore_ascii_case("ReadOnly"))
        })
        .filter_map(|row| word(row, &["id"]))
        .filter(|lock| covers(id, clusters.iter(), scope_of(lock), true))
        .collect();
    let Some(first) = in_the_way.first() else {
        return Finding::new("locks", Standing::Ok, "no read-only lock in the way").about(id);
    };
    let seen = format!(
        "{} in the way: no start gets through on {}",
        counted(in_the_way.len(), "read-only lock"),
        scope_of(first)
    );
    let found = Finding::new("locks", Standing::Fault, seen).about(id);
    in_the_way
        .iter()
        .take(NAMED_MAX)
        .fold(found, |found, lock| found.mend(command("az lock delete", &["--ids", lock])))
}

/// Whether a deny assignment keeps clusters from being started by the identity that asks. One that denies a person may leave the guard
/// out.
pub fn denials(
    id: &SubscriptionId,
    clusters: &[Listed],
    asker: &Asker,
    read: &Result<Vec<Value>, Unread>,
) -> Finding {
    let rows = match read {
        Ok(rows) => rows,
        Err(why) => {
            let action = "Microsoft.Authorization/denyAssignments/read";
            return Finding::unread("denials", id.as_str(), why, action);
        }
    };
    let denies = |row: &&Value| {
        let has = |permission: &Value, name| {
            let patterns = words(permission, &[name]);
            move |kind: ResourceKind| patterns.iter().any(|pattern| action_fits(pattern, kind.start_action()))
        };
        let permissions = self::rows(row, &["properties", "permissions"]);
        let scope = word(row, &["properties", "scope"]).unwrap_or_default();
        let own_scope_only = truth(row, &["properties", "doNotApplyToChildScopes"]).unwrap_or(false);
        let denied = |kind: ResourceKind| {
            permissions.iter().any(|one| has(one, "actions")(kind) && !has(one, "notActions")(kind))
        };
        let concerned = |kind: ResourceKind| {
            let of_kind = || clusters.iter().filter(move |one| one.id.kind() == kind);
            denied(kind) && covers(id, of_kind(), &scope, false)
        };
        ResourceKind::ALL.into_iter().any(concerned) && !(own_scope_only && ClusterId::parse(&scope).is_err())
    };
    let concerned: Vec<(&Value, Concerns)> = rows
        .iter()
        .filter(denies)
        .map(|row| (row, Concerns::of(row, asker.object_id.as_deref())))
        .filter(|(_, concerns)| *concerns != Concerns::Others)
        .collect();
    let Some((first, _)) = concerned.first() else {
        return Finding::new("denials", Standing::Ok, "no deny assignment in the way").about(id);
    };
    let name = word(first, &["properties", "denyAssignmentName"]).unwrap_or_default();
    let is_certain = concerned.iter().any(|(_, concerns)| *concerns == Concerns::This);
    let (standing, whom) = match is_certain {
        true if asker.is_person => (Standing::Warning, "you, and perhaps the guard"),
        true => (Standing::Fault, "this identity"),
        false => (Standing::Warning, "a group, which this identity may be in"),
    };
    let seen = format!(
        "{} of starts for {whom}; the first is `{name}`: whoever made it has to exclude the guard",
        counted(concerned.len(), "deny assignment")
    );
    let url = format!("{}?api-version=2022-04-01", word(first, &["id"]).unwrap_or_default());
    Finding::new("denials", standing, seen).about(id).mend(command("az rest --method get", &["--url", &url]))
}

/// Whom a deny assignment is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Concerns {
    This,
    Perhaps,
    Others,
}

impl Concerns {
    fn of(row: &Value, own: Option<&str>) -> Self {
        let ids = |name: &str| -> Vec<(String, String)> {
            let principals = rows(row, &["properties", name]).iter();
            let of = |one: &Value| Some((word(one, &["id"])?, word(one, &["type"]).unwrap_or_default()));
            principals.filter_map(of).collect()
        };
        let is_own = |id: &str| own.is_some_and(|own| own.eq_ignore_ascii_case(id));
        let (denied, excluded) = (ids("principals"), ids("excludePrincipals"));
        if excluded.iter().any(|(id, _)| is_own(id)) {
            return Self::Others;
        }
        if denied.iter().any(|(id, _)| is_own(id)) {
            return Self::This;
        }
        let is_everyone = denied.iter().any(|(id, _)| id == EVERYONE);
        // Without a name of one's own, any exclusion may be the one.
        let may_be_excluded = own.is_none() && !excluded.is_empty()
            || excluded.iter().any(|(_, kind)| kind.eq_ignore_ascii_case("Group"));
        let may_be_denied = own.is_none() && !denied.is_empty()
            || denied.iter().any(|(_, kind)| kind.eq_ignore_ascii_case("Group"));
        match (is_everyone, may_be_excluded, may_be_denied) {
            (true, false, _) => Self::This,
            (true, true, _) | (false, _, true) => Self::Perhaps,
            (false, _, false) => Self::Others,
        }
    }
}

/// What a lock is on.
fn scope_of(lock: &str) -> &str {
    let end = lock.to_ascii_lowercase().rfind("/providers/microsoft.authorization/locks/");
    end.and_then(|end| lock.get(..end)).unwrap_or(lock)
}

/// Whether what holds at a scope holds for a cluster.
fn covers<'l>(
    id: &SubscriptionId,
    mut clusters: impl Iterator<Item = &'l Listed>,
    scope: &str,
    with_nodes: bool,
) -> bool {
    let scope = scope.trim_end_matches('/').to_lowercase();
    let own = format!("/subscriptions/{id}");
    let is_above = scope.is_empty() || scope.starts_with("/providers/microsoft.management/") || scope == own;
    is_above
        || clusters.any(|cluster| {
            let group = |name: &str| scope == format!("{own}/resourcegroups/{}", name.to_lowercase());
            let is_of_nodes = || with_nodes && cluster.node_group.as_deref().is_some_and(group);
            group(cluster.id.resource_group()) || is_of_nodes() || scope == cluster.id.lower()
        })
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn named(names: &[&str], what: &str) -> String {
    let shown: Vec<String> = names.iter().take(NAMED_MAX).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(NAMED_MAX);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let what = if names.len() == 1 { what.to_owned() } else { format!("{what}s") };
    format!("{what} {}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests;
