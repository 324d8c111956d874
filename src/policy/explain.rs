//! Why an answer is what it is: the question as it was put, the facts, the conditions of the policies, and which single one of them
//! would have to differ for the other answer.
//!
//! A policy is taken apart at its `&&`s, and each part is asked for itself, by the same engine, about the same facts.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    ActionConstraint, Authorizer, Decision, Entities, Entity, Policy, PolicyId, PolicySet,
    PrincipalConstraint, Request, ResourceConstraint,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Effect};
use super::entity::{Facts, Unaskable};
use super::question::Question;
use super::reads::Reads;
use super::{Policies, Ranked, depth, request};
use crate::domain::text::clean;

/// Most single changes that are told: beyond that the answer is far from being another.
const CHANGES_MAX: usize = 16;
/// Longest text of one condition that is told, in characters: one with a list of callers can have thousands.
const CONDITION_CHARS_MAX: usize = 400;
/// Longest error of one condition that is told, in characters.
const ERROR_CHARS_MAX: usize = 200;

/// An answer and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The question, in Cedar's terms.
    pub question: String,
    /// The answer.
    pub allowed: bool,
    /// What went wrong while it was evaluated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// The policies that determined it. None for a no by default.
    pub policies: Vec<ExplainedPolicy>,
    /// What would have to differ for the other answer, where one condition decides.
    pub otherwise: Vec<Change>,
    /// The facts that it was answered by.
    pub facts: Value,
}

/// A policy that determined an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedPolicy {
    /// `@id`
    pub id: String,
    /// Whether it allows or forbids.
    pub effect: Effect,
    /// The file it stands in.
    pub file: String,
    /// The line it begins in.
    pub line: usize,
    /// Its text.
    pub text: String,
}

/// One condition that decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The policy that it is a condition of.
    pub policy: String,
    /// Whether that policy allows or forbids.
    pub effect: Effect,
    /// The condition, as Cedar writes it.
    pub condition: String,
    /// Whether the condition would have to hold (it doesn't), or not to hold (it does).
    pub must_hold: bool,
}

/// What one condition of a policy came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Yes,
    No,
    /// It can't be evaluated alone: what it asks for is missing, which another condition sees to.
    Error,
}

/// A policy, taken apart.
struct Dissected<'a> {
    ranked: &'a Ranked,
    conditions: Vec<(String, Held)>,
}

impl Dissected<'_> {
    fn holds(&self) -> bool {
        self.conditions.iter().all(|(_, held)| *held == Held::Yes)
    }

    /// The one condition that keeps the policy from applying.
    fn only_obstacle(&self) -> Option<&str> {
        let mut obstacles = self.conditions.iter().filter(|(_, held)| *held != Held::Yes);
        match (obstacles.next(), obstacles.next()) {
            (Some((text, Held::No)), None) => Some(text),
            (Some((_, Held::Yes | Held::No | Held::Error)), _) | (None, _) => None,
        }
    }

    fn change(&self, condition: &str, must_hold: bool) -> Change {
        let determining = &self.ranked.determining;
        Change {
            policy: determining.id.clone(),
            effect: determining.effect,
            condition: clean(condition, CONDITION_CHARS_MAX),
            must_hold,
        }
    }
}

impl Policies {
    pub(super) fn explain(&self, question: &impl Question) -> Explained {
        match self.explained(question) {
            Ok(explained) => explained,
            Err(unaskable) => Explained {
                question: "the facts make no question".to_owned(),
                allowed: false,
                errors: vec![clean(&unaskable.0.to_string(), ERROR_CHARS_MAX)],
                policies: Vec::new(),
                otherwise: Vec::new(),
                facts: Value::Null,
            },
        }
    }

    fn explained(&self, asked: &impl Question) -> Result<Explained, Unaskable> {
        let facts = asked.facts_for(&self.vocabulary, &self.memo, &Reads::EVERYTHING)?;
        let question = format!("is {} allowed {} on {}?", facts.principal, facts.action, facts.resource);
        let entities = asked.subjects().entities(&self.vocabulary, &self.hierarchy)?;
        let shown = shown(&facts, &entities)?;
        let (request, entities) = (request(facts, self.schema_to_check())?, self.checked(entities)?);
        let answer = self.ask(&request, &entities);
        // Taking a policy apart recurses as deep as parsing it.
        let dissected = depth::with_stack_to_load(|| self.dissect(&request, &entities));
        let determined = self.ranked().filter(|policy| answer.policies.contains(&policy.determining));
        let policies = determined.map(|policy| ExplainedPolicy {
            id: policy.determining.id.clone(),
            effect: policy.determining.effect,
            file: policy.source.file.clone(),
            line: policy.source.line,
            text: policy.source.text.clone(),
        });
        Ok(Explained {
            question,
            allowed: answer.allowed,
            errors: answer.errors.iter().map(ToString::to_string).collect(),
            policies: policies.collect(),
            otherwise: otherwise(&answer, &dissected),
            facts: shown,
        })
    }

    /// All policies about the action of the question, in the order of the files, each with what its conditions come to.
    fn dissect(&self, request: &Request, entities: &Entities) -> Vec<Dissected<'_>> {
        let mut all: Vec<(&Ranked, Vec<String>)> = self
            .responses
            .iter()
            .filter_map(|(id, ranked)| Some((ranked, self.set.policy(id)?)))
            .filter(|(_, policy)| request.action().is_some_and(|action| is_about(policy, action)))
            .map(|(ranked, policy)| (ranked, conditions(policy)))
            .collect();
        all.sort_by_key(|(ranked, _)| ranked.rank);
        let held = held(all.iter().flat_map(|(_, conditions)| conditions.clone()), request, entities);
        let state = |text: &String| held.get(text).copied().unwrap_or(Held::Error);
        all.into_iter()
            .map(|(ranked, conditions)| Dissected {
                ranked,
                conditions: conditions.into_iter().map(|text| (text.clone(), state(&text))).collect(),
            })
            .collect()
    }
}

/// Which single condition would turn the answer.
fn otherwise(answer: &Answer, policies: &[Dissected<'_>]) -> Vec<Change> {
    let of =
        |effect: Effect| policies.iter().filter(move |policy| policy.ranked.determining.effect == effect);
    let applying = |effect: Effect| of(effect).filter(|policy| policy.holds()).collect::<Vec<_>>();
    let missing = |effect: Effect| {
        of(effect).filter_map(|policy| policy.only_obstacle().map(|text| policy.change(text, true)))
    };
    let failing = |policy: &Dissected<'_>| {
        policy.conditions.iter().map(|(text, _)| policy.change(text, false)).collect::<Vec<_>>()
    };
    let mut changes = Vec::new();
    if !answer.errors.is_empty() {
        return changes;
    }
    match (answer.allowed, applying(Effect::Permit).as_slice(), applying(Effect::Forbid).as_slice()) {
        (true, [only], _) => {
            changes.extend(failing(only));
            changes.extend(missing(Effect::Forbid));
        }
        (true, _, _) => changes.extend(missing(Effect::Forbid)),
        (false, _, []) => changes.extend(missing(Effect::Permit)),
        // Without a permit that applies it stays a no, whatever becomes of the forbid.
        (false, [], _) => {}
        (false, [_, ..], [only]) => changes.extend(failing(only)),
        (false, [_, ..], [_, _, ..]) => {}
    }
    changes.truncate(CHANGES_MAX);
    changes
}

pub(super) fn is_about(policy: &Policy, action: &cedar_policy::EntityUid) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(only) => only == *action,
        // The schema has no groups of actions, so this means: is one of these.
        ActionConstraint::In(list) => list.contains(action),
    }
}

/// The conditions that must all hold, as Cedar texts: those of the policy's head, and those of its clauses.
fn conditions(policy: &Policy) -> Vec<String> {
    let mut conditions = Vec::new();
    match policy.principal_constraint() {
        PrincipalConstraint::Any => {}
        PrincipalConstraint::Eq(uid) => conditions.push(format!("principal == {uid}")),
        PrincipalConstraint::In(uid) => conditions.push(format!("principal in {uid}")),
        PrincipalConstraint::Is(kind) => conditions.push(format!("principal is {kind}")),
        PrincipalConstraint::IsIn(kind, uid) => conditions.push(format!("principal is {kind} in {uid}")),
    }
    match policy.resource_constraint() {
        ResourceConstraint::Any => {}
        ResourceConstraint::Eq(uid) => conditions.push(format!("resource == {uid}")),
        ResourceConstraint::In(uid) => conditions.push(format!("resource in {uid}")),
        ResourceConstraint::Is(kind) => conditions.push(format!("resource is {kind}")),
        ResourceConstraint::IsIn(kind, uid) => conditions.push(format!("resource is {kind} in {uid}")),
    }
    let json = policy.to_json().unwrap_or_default();
    let clauses = json.get("conditions").and_then(Value::as_array).into_iter().flatten();
    for clause in clauses {
        let body = clause.get("body").cloned().unwrap_or_default();
        let is_unless = clause.get("kind").and_then(Value::as_str) == Some("unless");
        let parts = if is_unless { split(body, "||") } else { split(body, "&&") };
        conditions.extend(
            parts
                .into_iter()
                .filter_map(|part| written(if is_unless { json!({ "!": { "arg": part } }) } else { part })),
        );
    }
    conditions
}

/// Takes an expression apart at an operator.
fn split(body: Value, operator: &str) -> Vec<Value> {
    let mut parts = Vec::new();
    let mut rest = vec![body];
    while let Some(mut next) = rest.pop() {
        let operands = next.get_mut(operator).map(Value::take);
        match operands {
            Some(Value::Object(mut operands)) => {
                // The left one is on top: parts come in the order they are written.
                rest.extend(["right", "left"].into_iter().filter_map(|side| operands.remove(side)));
            }
            Some(_) | None => parts.push(next),
        }
    }
    parts
}

/// An expression as Cedar writes it.
fn written(expression: Value) -> Option<String> {
    let any = json!({ "op": "All" });
    let policy = json!({
        "effect": "permit", "principal": any, "action": any, "resource": any,
        "conditions": [{ "kind": "when", "body": expression }],
    });
    let text = Policy::from_json(None, policy).ok()?.to_cedar()?;
    let (_, body) = text.split_once("when {")?;
    let (body, _) = body.rsplit_once('}')?;
    Some(body.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Asks for each condition by itself, all at once.
fn held(
    conditions: impl Iterator<Item = String>,
    request: &Request,
    entities: &Entities,
) -> BTreeMap<String, Held> {
    let distinct: Vec<String> = conditions.collect::<BTreeSet<_>>().into_iter().collect();
    let mut set = PolicySet::new();
    let id = |index: usize| PolicyId::new(index.to_string());
    let mut asked = BTreeSet::new();
    for (index, text) in distinct.iter().enumerate() {
        let text = format!("permit (principal, action, resource) when {{ {text} }};");
        if let Ok(policy) = Policy::parse(Some(id(index)), text)
            && set.add(policy).is_ok()
        {
            asked.insert(index);
        }
    }
    let response = Authorizer::new().is_authorized(request, &set, entities);
    let holding: BTreeSet<&PolicyId> = response.diagnostics().reason().collect();
    let failed: BTreeSet<&PolicyId> = response
        .diagnostics()
        .errors()
        .map(|cedar_policy::AuthorizationError::PolicyEvaluationError(error)| error.policy_id())
        .collect();
    debug_assert_eq!(response.decision() == Decision::Allow, !holding.is_empty());
    let state = |index: usize| match (holding.contains(&id(index)), failed.contains(&id(index))) {
        (true, _) => Held::Yes,
        (false, false) if asked.contains(&index) => Held::No,
        (false, _) => Held::Error,
    };
    distinct.into_iter().enumerate().map(|(index, text)| (text, state(index))).collect()
}

/// The facts as people read them: entities by their types, each with its attributes, its tags and what it is in.
fn shown(facts: &Facts, entities: &[Entity]) -> Result<Value, Unaskable> {
    let mut all = Map::new();
    all.insert("context".to_owned(), plain(facts.context.to_json_value()?));
    for entity in entities {
        let Value::Object(mut told) = entity.to_json_value()? else { continue };
        let mut of_entity = Map::new();
        of_entity.insert("id".to_owned(), Value::String(entity.uid().to_string()));
        for (member, name) in [("attrs", ""), ("tags", "tags"), ("parents", "in")] {
            match (told.remove(member).map(plain), name) {
                (Some(Value::Object(attributes)), "") => of_entity.extend(attributes),
                (Some(value), name) if !is_empty(&value) => {
                    of_entity.insert(name.to_owned(), ordered(value));
                }
                (Some(_) | None, _) => {}
            }
        }
        let kind = entity.uid().type_name().to_string();
        let listed = all.entry(kind).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(listed) = listed {
            listed.push(Value::Object(of_entity));
        }
    }
    Ok(Value::Object(all))
}

/// Cedar gives parents in no particular order; the same facts shall read the same each time.
fn ordered(value: Value) -> Value {
    match value {
        Value::Array(mut elements) => {
            elements.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            Value::Array(elements)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => value,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Cedar's JSON without its wrappings: an entity as `Type::"id"`, an address or a time as its text.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(members) => match (members.get("__entity"), members.get("__extn")) {
            (Some(entity), _) => entity_text(entity),
            (None, Some(extension)) => extension.get("arg").cloned().unwrap_or_default(),
            (None, None) if is_uid(&members) => entity_text(&Value::Object(members)),
            (None, None) => {
                Value::Object(members.into_iter().map(|(name, value)| (name, plain(value))).collect())
            }
        },
        Value::Array(elements) => Value::Array(elements.into_iter().map(plain).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// How Cedar writes the parents of an entity.
fn is_uid(members: &Map<String, Value>) -> bool {
    members.len() == 2 && members.contains_key("type") && members.contains_key("id")
}

fn entity_text(entity: &Value) -> Value {
    let word = |name: &str| entity.get(name).and_then(Value::as_str).unwrap_or_default();
    Value::String(format!("{}::\"{}\"", word("type"), word("id").escape_debug()))
}
