//! What the identity that asks may do in a subscription, and what stands in the way of a start.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Finding, Standing};
use crate::domain::{Caller, CallerKind, ClusterId, SubscriptionId};
use crate::posture::read::{rows, truth, word, words};
use crate::posture::{Unread, action_fits, command};

/// What it takes to read clusters (source: Azure resource provider operations).
const READ_ACTION: &str = "Microsoft.ContainerService/managedClusters/read";
/// What it takes to start them.
const START_ACTION: &str = "Microsoft.ContainerService/managedClusters/start/action";
/// Everybody, as deny assignments name them (source: azure-docs, "Understand Azure deny assignments").
const EVERYONE: &str = "00000000-0000-0000-0000-000000000000";
/// Most names that one line tells.
const NAMED_MAX: usize = 3;

/// A cluster of a list, as little of it as is needed.
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

/// Reads a list of clusters.
pub fn clusters(rows: &[Value]) -> Vec<Listed> {
    let read = |row: &Value| {
        let id = ClusterId::parse(&word(row, &["id"])?).ok()?;
        Some(Listed { id, node_group: word(row, &["properties", "nodeResourceGroup"]) })
    };
    rows.iter().filter_map(read).collect()
}

/// The resource groups of clusters, each once, in lower case.
pub fn groups(clusters: &[Listed]) -> BTreeSet<String> {
    clusters.iter().map(|cluster| cluster.id.resource_group().to_lowercase()).collect()
}

/// Whether the clusters of a subscription can be read.
pub fn arm_read(id: &SubscriptionId, read: &Result<Vec<Value>, Unread>) -> Finding {
    match read {
        Ok(rows) => {
            let count = counted(rows.len(), "cluster");
            Finding::new("arm-read", Standing::Ok, format!("{count} read")).about(id)
        }
        Err(Unread::Gone) => {
            let seen = "there is no such subscription, or this identity's tenant does not have it";
            Finding::new("arm-read", Standing::Fault, seen)
                .about(id)
                .mend(format!("az account show --subscription {id}"))
        }
        Err(why @ Unread::Failed(_)) => Finding {
            standing: Standing::Fault,
            ..Finding::unread("arm-read", id.as_str(), why, READ_ACTION)
        },
        Err(Unread::Denied) => Finding::unread("arm-read", id.as_str(), &Unread::Denied, READ_ACTION),
    }
}

/// Whether the identity that asks may start the clusters in these resource groups, by what the permissions API says of each. That a
/// person may not says nothing about the guard, which has an identity of its own.
pub fn may_start(
    id: &SubscriptionId,
    asker: &Asker,
    groups: &[(String, Result<Vec<Value>, Unread>)],
) -> Finding {
    let mut unread = groups.iter().filter_map(|(_, read)| read.as_ref().err());
    if let Some(why) = unread.next() {
        return Finding::unread("start-right", id.as_str(), why, "Microsoft.Authorization/permissions/read");
    }
    let may = |rows: &[Value]| {
        let has =
            |row: &Value, name| words(row, &[name]).iter().any(|pattern| action_fits(pattern, START_ACTION));
        // What one assignment takes away, another may give.
        rows.iter().any(|row| has(row, "actions") && !has(row, "notActions"))
    };
    let without: Vec<&str> = groups
        .iter()
        .filter(|(_, read)| !read.as_ref().is_ok_and(|rows| may(rows)))
        .map(|(group, _)| group.as_str())
        .collect();
    let Some(first) = without.first() else {
        let seen = match groups.len() {
            0 => "no clusters to start".to_owned(),
            count => format!("this identity may start clusters in {}", counted(count, "resource group")),
        };
        return Finding::new("start-right", Standing::Ok, seen).about(id);
    };
    let scope = match without.len() {
        1 => format!("/subscriptions/{id}/resourceGroups/{first}"),
        _ => format!("/subscriptions/{id}"),
    };
    let missing = format!("`{START_ACTION}` is missing in {}", named(&without, "resource group"));
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
        .filter(|lock| covers(id, clusters, scope_of(lock), true))
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
            words(permission, &[name]).iter().any(|pattern| action_fits(pattern, START_ACTION))
        };
        let permissions = self::rows(row, &["properties", "permissions"]);
        let scope = word(row, &["properties", "scope"]).unwrap_or_default();
        let own_scope_only = truth(row, &["properties", "doNotApplyToChildScopes"]).unwrap_or(false);
        permissions.iter().any(|one| has(one, "actions") && !has(one, "notActions"))
            && covers(id, clusters, &scope, false)
            && !(own_scope_only && ClusterId::parse(&scope).is_err())
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
fn covers(id: &SubscriptionId, clusters: &[Listed], scope: &str, with_nodes: bool) -> bool {
    let scope = scope.trim_end_matches('/').to_lowercase();
    let own = format!("/subscriptions/{id}");
    let is_above = scope.is_empty() || scope.starts_with("/providers/microsoft.management/") || scope == own;
    is_above
        || clusters.iter().any(|cluster| {
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
