//! Custom roles: who was given one may do what it lists and nothing else. Who was given none is an owner.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::arm::Call;
use super::fault::{Fault, RequestKind};
use super::journal::Violation;
use super::refusals::ordered;
use super::{Caller, World};
use crate::world::answer::Draft;

/// The roles, by object id.
#[derive(Debug, Clone, Default)]
pub(super) struct Rights(BTreeMap<String, Role>);

#[derive(Debug, Clone, Default)]
struct Role {
    actions: BTreeSet<String>,
    used: BTreeSet<&'static str>,
}

impl World {
    /// Gives somebody a role with these actions. From now on every other one is refused, and a [`Violation::BeyondRole`].
    pub fn give_role(&mut self, caller: &Caller, actions: &[&str]) {
        let actions = actions.iter().map(|action| action.to_lowercase()).collect();
        self.rights.0.insert(caller.object_id.clone(), Role { actions, used: BTreeSet::new() });
    }

    /// The actions of its role that somebody used.
    pub fn actions_used(&self, caller: &Caller) -> BTreeSet<&'static str> {
        self.rights.0.get(&caller.object_id).map(|role| role.used.clone()).unwrap_or_default()
    }

    /// What somebody may do, as the permissions API tells them about themselves (source: REST specification, `PermissionListResult`).
    pub(super) fn permissions(&self, caller: &Caller) -> Value {
        let actions = match self.rights.0.get(&caller.object_id) {
            Some(role) => role.actions.iter().map(String::as_str).collect(),
            None => vec!["*"],
        };
        json!({ "value": [{ "actions": actions, "notActions": [] }] })
    }

    /// Whether somebody's role holds this action; then they used it.
    pub(super) fn may(&mut self, caller: &Caller, action: &'static str) -> bool {
        let Some(role) = self.rights.0.get_mut(&caller.object_id) else { return true };
        let may = role.actions.contains(&action.to_lowercase());
        if may {
            role.used.insert(action);
        }
        may
    }

    /// Refuses what the caller's role doesn't hold. Resource Graph takes no right: it shows what the caller may read (source: azure-docs,
    /// Resource Graph, "Permissions in Azure Resource Graph").
    pub(super) fn authorise(&mut self, call: &Call<'_>, caller: &Caller) -> Result<(), Draft> {
        if call.kind == RequestKind::QueryResourceGraph {
            return Ok(());
        }
        if self.gates.is_closed(call.target.subscription()) {
            return ordered(&Fault::Denied, call, &caller.object_id).map_or(Ok(()), Err);
        }
        let Some(role) = self.rights.0.get_mut(&caller.object_id) else { return Ok(()) };
        let action = call.target.action();
        if role.actions.contains(&action.to_lowercase()) {
            role.used.insert(action);
            return Ok(());
        }
        self.violations.push(Violation::BeyondRole { action: action.to_owned() });
        match ordered(&Fault::Denied, call, &caller.object_id) {
            Some(refused) => Err(refused),
            None => Ok(()),
        }
    }
}
