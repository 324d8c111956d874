//! Who may announce a stop, and who may press the red button?

use cedar_policy::{Context, Entity, RestrictedExpression};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::entity::{Facts, Unaskable, Vocabulary, datetime, string};
use super::hierarchy::Hierarchy;
use super::question::{Pairs, times};
use crate::domain::grant::{Plan, is_called};
use crate::domain::{Caller, GrantScope, Scope};

/// May this caller announce this stop?
#[derive(Debug, Clone, Copy)]
pub struct GrantQuestion<'a> {
    /// Who asks, by a checked token.
    pub requester: &'a Caller,
    /// What is to be granted.
    pub plan: &'a Plan,
    /// Now.
    pub at: Timestamp,
    /// The zone of `context.local`.
    pub zone: &'a TimeZone,
}

/// May this caller hold the guard back there?
#[derive(Debug, Clone, Copy)]
pub struct HoldQuestion<'a> {
    /// Who asks, by a checked token.
    pub requester: &'a Caller,
    /// Where nothing is to be started.
    pub scope: &'a Scope,
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub reason: &'a str,
    /// Now.
    pub at: Timestamp,
    /// The zone of `context.local`.
    pub zone: &'a TimeZone,
}

impl GrantQuestion<'_> {
    /// Whether they announce a stop of their own. That is another action, so that a permit to announce stops does not let anybody
    /// authorise themselves unless it says so.
    pub fn is_own(&self) -> bool {
        is_called(self.requester, &self.plan.caller)
    }

    /// Where it is about. A tag's clusters may be anywhere.
    fn scope(&self) -> Scope {
        match &self.plan.scope {
            GrantScope::Cluster { id, .. } => Scope::Cluster(id.clone()),
            GrantScope::Within { scope } => scope.clone(),
            GrantScope::Tag { .. } => Scope::Everywhere,
        }
    }

    /// Whom and what the question is about.
    pub(super) fn entities(
        &self,
        words: &Vocabulary,
        hierarchy: &Hierarchy,
    ) -> Result<Vec<Entity>, Unaskable> {
        let mut entities = words.scope_entities(&self.scope(), hierarchy)?;
        entities.push(words.caller_entity(self.requester)?);
        Ok(entities)
    }

    pub(super) fn facts_for(&self, words: &Vocabulary) -> Result<Facts, Unaskable> {
        let plan = self.plan;
        let mut context = common(self.requester, (self.at, plan.until), self.zone, &plan.reason)?;
        context
            .extend([("caller".to_owned(), string(&plan.caller)), ("from".to_owned(), datetime(plan.from))]);
        context.extend(plan.ticket.as_ref().map(|ticket| ("ticket".to_owned(), string(ticket))));
        if let GrantScope::Tag { name, value } = &plan.scope {
            context.extend([
                ("tagName".to_owned(), string(&name.to_lowercase())),
                ("tagValue".to_owned(), string(value)),
            ]);
        }
        Ok(Facts {
            principal: words.caller(self.requester),
            action: if self.is_own() { words.grant_own.clone() } else { words.grant.clone() },
            resource: words.scope(&self.scope()),
            context: Context::from_pairs(context)?,
        })
    }
}

impl HoldQuestion<'_> {
    /// Whom and what the question is about.
    pub(super) fn entities(
        &self,
        words: &Vocabulary,
        hierarchy: &Hierarchy,
    ) -> Result<Vec<Entity>, Unaskable> {
        let mut entities = words.scope_entities(self.scope, hierarchy)?;
        entities.push(words.caller_entity(self.requester)?);
        Ok(entities)
    }

    pub(super) fn facts_for(&self, words: &Vocabulary) -> Result<Facts, Unaskable> {
        let context = common(self.requester, (self.at, self.until), self.zone, self.reason)?;
        Ok(Facts {
            principal: words.caller(self.requester),
            action: words.hold.clone(),
            resource: words.scope(self.scope),
            context: Context::from_pairs(context)?,
        })
    }
}

fn common(
    requester: &Caller,
    (at, until): (Timestamp, Timestamp),
    zone: &TimeZone,
    reason: &str,
) -> Result<Pairs, Unaskable> {
    let mut context = times(at, zone)?;
    context.extend([
        ("groupsKnown".to_owned(), RestrictedExpression::new_bool(requester.groups_known)),
        ("until".to_owned(), datetime(until)),
        ("minutes".to_owned(), RestrictedExpression::new_long(until.duration_since(at).as_mins())),
        ("reason".to_owned(), string(reason)),
    ]);
    Ok(context)
}
