//! Validation against the schema, as little of it as decides.
//!
//! Cedar checks a policy once for each action with each kind of principal and of resource: 19 times, though the scope of nearly every
//! policy names its action, which leaves two to five. For the others Cedar finds that the scope can't hold, and stops there: no
//! fault comes of it, and it is a sixth of loading (callgrind). So many policies are validated in a schema that has only the actions that they name.

use std::collections::BTreeSet;

use cedar_policy::{ActionConstraint, PolicySet, Schema, ValidationMode, ValidationResult, Validator};
use serde_json::Value;

use super::SCHEMA_JSON;

/// From how many policies on the smaller schema spares more than it costs to make (callgrind: as much at sixteen). Builds with
/// assertions, and so all tests, always make it.
const MANY: usize = if cfg!(debug_assertions) { 1 } else { 16 };

/// What is wrong with the policies of a set, by the whole schema.
pub(super) fn validate(set: &PolicySet, whole: &Validator) -> ValidationResult {
    let by_whole = || whole.validate(set, ValidationMode::Strict);
    // Rows of allow-lists are filled in, and not looked at again: their few templates are.
    let looked_at = set.policies().filter(|policy| policy.is_static()).count() + set.templates().count();
    if looked_at < MANY {
        return by_whole();
    }
    let by_part = actions_named(set).and_then(|actions| part_for(&actions));
    let by_part = by_part.map(|part| Validator::new(part).validate(set, ValidationMode::Strict));
    match by_part.filter(ValidationResult::validation_passed_without_warnings) {
        Some(passed) => {
            debug_assert!(
                by_whole().validation_passed_without_warnings(),
                "what passes with the actions it names passes with all of them"
            );
            passed
        }
        // A condition may name an action that no scope does, and people are told all that the whole schema has to say.
        None => by_whole(),
    }
}

/// The actions that the scopes of these policies name. `None` if one of them leaves the action open.
fn actions_named(set: &PolicySet) -> Option<BTreeSet<String>> {
    let mut actions = BTreeSet::new();
    let scopes = set.policies().map(cedar_policy::Policy::action_constraint);
    for scope in scopes.chain(set.templates().map(cedar_policy::Template::action_constraint)) {
        match scope {
            ActionConstraint::Any => return None,
            ActionConstraint::In(some) => {
                actions.extend(some.iter().map(|action| action.id().unescaped().to_owned()))
            }
            ActionConstraint::Eq(one) => {
                actions.insert(one.id().unescaped().to_owned());
            }
        }
    }
    Some(actions)
}

/// The schema without all other actions. What is built in has that form, a test holds that; without it the whole one is as good.
fn part_for(actions: &BTreeSet<String>) -> Option<Schema> {
    let mut schema: Value = serde_json::from_str(SCHEMA_JSON).ok()?;
    let all = schema.get_mut("")?.get_mut("actions")?.as_object_mut()?;
    all.retain(|name, _| actions.contains(name));
    Schema::from_json_str(&schema.to_string()).ok()
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    /// The actions of the schema that a set is validated in first.
    fn actions_for(text: &str) -> Option<Vec<String>> {
        let part = part_for(&actions_named(&PolicySet::from_str(text).unwrap())?).unwrap();
        let mut actions: Vec<String> = part.actions().map(ToString::to_string).collect();
        actions.sort();
        Some(actions)
    }

    #[test]
    fn policies_that_name_their_actions_are_validated_with_those_alone() {
        let stop = r#"permit (principal, action == Action::"stop", resource);"#;
        let hold = r#"permit (principal, action in [Action::"grant", Action::"hold"], resource);"#;
        assert_eq!(actions_for(stop).unwrap(), [r#"Action::"stop""#]);
        let both = [r#"Action::"grant""#, r#"Action::"hold""#, r#"Action::"stop""#];
        assert_eq!(actions_for(&format!("{stop}{hold}{stop}")).unwrap(), both);
        assert_eq!(actions_for(&format!("{stop} permit (principal, action, resource);")), None);
        let template = r#"permit (principal == ?principal, action == Action::"restart", resource);"#;
        assert_eq!(actions_for(template).unwrap(), [r#"Action::"restart""#]);
    }
}
