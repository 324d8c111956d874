//! Was the caller allowed to stop the cluster, and may the guard restart it? Cedar policies decide.
//!
//! Pure: texts and facts are handed in, answers come out; no files, no clock, no environment.
//!
//! * [`Policies::load`] parses and validates a folder's worth of policies and tells all faults at once; a set with a
//!   fault is never half-used.
//! * [`Policies::may_stop`] and [`Policies::may_restart`] ask. **An error while evaluating is never an allow**: Cedar
//!   leaves out a policy that fails (a `forbid` that overflows, say) and lets a `permit` win, so any error makes the
//!   answer "no" here.

mod annotation;
mod answer;
mod depth;
mod entity;
mod explain;
mod fault;
mod hierarchy;
mod literal;
mod load;
mod memo;
mod permission;
mod question;
mod reads;
mod table;
mod validate;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Decision, Entities, Entity, PolicyId, PolicySet, Request, Response, Schema, Validator,
};

pub use self::answer::{Answer, Determining, Effect, EvaluationError};
use self::entity::{Facts, Unaskable, Vocabulary};
pub use self::explain::{Change, Explained, ExplainedPolicy};
pub use self::fault::PolicyFault;
use self::hierarchy::Hierarchy;
use self::memo::{Memo, Subjects};
pub use self::permission::{GrantQuestion, HoldQuestion};
use self::question::Question;
pub use self::question::{Counts, GrantFacts, RestartQuestion, StopQuestion};
use self::reads::{ReadByQuestion, Reads};

/// The schema, as built into the program: what policies can ask about.
pub const SCHEMA: PolicyFile<'static> =
    PolicyFile { name: "stop.cedarschema", text: include_str!("../policies/stop.cedarschema") };

/// The same schema as Cedar reads it fastest: to parse its text would take most of a start's time for policies, and the parser alone is
/// some hundred kilobytes.
const SCHEMA_JSON: &str = include_str!("policy/schema.json");

/// The default policies, as built into the program.
pub const DEFAULT_POLICIES: PolicyFile<'static> =
    PolicyFile { name: "default.cedar", text: include_str!("../policies/default.cedar") };

/// One file of policies.
#[derive(Debug, Clone, Copy)]
pub struct PolicyFile<'a> {
    /// Its name, as people know it: faults are told with it.
    pub name: &'a str,
    /// What is in it.
    pub text: &'a str,
}

/// Digits of its digest that name a set of policies to people.
const NAME_DIGITS: usize = 16;

/// A validated set of policies.
#[derive(Debug, Clone)]
pub struct Policies {
    validator: Validator,
    vocabulary: Vocabulary,
    hierarchy: Hierarchy,
    authorizer: Authorizer,
    set: PolicySet,
    /// What our annotations say, by Cedar's id of the policy.
    responses: BTreeMap<PolicyId, Ranked>,
    /// What they read of a question.
    reads: ReadByQuestion,
    /// Operators of the longest policy: what a question needs of the stack.
    operators: usize,
    /// SHA-256 of all files.
    digest: String,
    memo: Memo,
}

/// What one policy asks for when it determines, and where it stands in the files: answers list policies in that order.
#[derive(Debug, Clone)]
struct Ranked {
    rank: usize,
    determining: Determining,
    source: Source,
}

/// Where a policy stands, and how it is written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file's name.
    pub file: String,
    /// The line it begins in, from 1.
    pub line: usize,
    /// Its text: Cedar, or a row of an allow-list.
    pub text: String,
}

impl Source {
    fn of(place: &fault::Place, span: miette::SourceSpan) -> Self {
        let (line, text) = place.part(span);
        Self { file: place.name.clone(), line, text: text.to_owned() }
    }
}

impl Policies {
    /// Parses and validates all files. Files count in the order of their names, whatever the order they come in.
    ///
    /// A set without any policy is valid: it allows no stop and no restart.
    ///
    /// # Errors
    /// Every fault of every file, in the order of files and lines. Warnings of Cedar's validator are faults.
    pub fn load(files: &[PolicyFile<'_>]) -> Result<Self, Vec<PolicyFault>> {
        depth::with_stack_to_load(|| load::load(files))
    }

    /// The policies that are built in.
    ///
    /// # Errors
    /// As [`Policies::load`]; a test holds that there are none.
    pub fn default_set() -> Result<Self, Vec<PolicyFault>> {
        Self::load(&[DEFAULT_POLICIES])
    }

    /// Names this set: 16 hex digits that change with every change of a file's name or text.
    pub fn hash(&self) -> &str {
        self.digest.get(..NAME_DIGITS).unwrap_or(&self.digest)
    }

    /// SHA-256 of the files: of each name and each text behind its length (64 bits, big-endian), in lower-case hex. Its first
    /// 16 digits are [`Policies::hash`].
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How many policies there are.
    pub fn len(&self) -> usize {
        self.responses.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.responses.is_empty()
    }

    /// The ids of all policies, in the order of the files.
    pub fn ids(&self) -> Vec<&str> {
        self.ranked().map(|policy| policy.determining.id.as_str()).collect()
    }

    /// Where each policy stands, by its id, in the order of the files.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.ranked().map(|policy| (policy.determining.id.as_str(), &policy.source))
    }

    fn ranked(&self) -> impl Iterator<Item = &Ranked> {
        let mut ranked: Vec<&Ranked> = self.responses.values().collect();
        ranked.sort_by_key(|policy| policy.rank);
        ranked.into_iter()
    }

    /// Sinks named by `@notify`, with the id of the policy that names them, in the order of the files: whether these
    /// sinks exist is for the settings to check.
    pub fn sinks_named(&self) -> Vec<(&str, &str)> {
        self.ranked()
            .flat_map(|Ranked { determining, .. }| {
                determining.notify.iter().map(|sink| (determining.id.as_str(), sink.as_str()))
            })
            .collect()
    }

    /// The sinks that these policies name, each once, in the order of the files.
    pub fn notified_by(&self, ids: &[String]) -> Vec<String> {
        let mut naming: Vec<&Ranked> = self.responses.values().collect();
        naming.retain(|policy| !policy.determining.notify.is_empty() && ids.contains(&policy.determining.id));
        naming.sort_by_key(|policy| policy.rank);
        let mut sinks: Vec<String> = Vec::new();
        for sink in naming.into_iter().flat_map(|policy| &policy.determining.notify) {
            if !sinks.contains(sink) {
                sinks.push(sink.clone());
            }
        }
        sinks
    }

    /// Was the caller allowed to stop the cluster when it was stopped?
    pub fn may_stop(&self, question: &StopQuestion<'_>) -> Answer {
        self.answer(question)
    }

    /// May the guard restart the cluster now?
    pub fn may_restart(&self, question: &RestartQuestion<'_>) -> Answer {
        self.answer(question)
    }

    /// May somebody announce a stop?
    pub fn may_grant(&self, question: &GrantQuestion<'_>) -> Answer {
        let entities = question.entities(&self.vocabulary, &self.hierarchy);
        self.answer_once(question.facts_for(&self.vocabulary), entities)
    }

    /// May somebody set a hold?
    pub fn may_hold(&self, question: &HoldQuestion<'_>) -> Answer {
        let entities = question.entities(&self.vocabulary, &self.hierarchy);
        self.answer_once(question.facts_for(&self.vocabulary), entities)
    }

    /// [`Policies::may_stop`], with why. For people who ask: takes every policy apart, so it costs more than the answer.
    pub fn explain_stop(&self, question: &StopQuestion<'_>) -> Explained {
        self.explain(question)
    }

    /// [`Policies::may_restart`], with why.
    pub fn explain_restart(&self, question: &RestartQuestion<'_>) -> Explained {
        self.explain(question)
    }

    fn answer(&self, question: &impl Question) -> Answer {
        let entities = match self.entities(question.subjects()) {
            Ok(entities) => entities,
            Err(unaskable) => return refused(&unaskable),
        };
        let reads = question.reads(&self.reads);
        self.memo.answer(&entities, question.circumstances(reads), || {
            let facts = question.facts_for(&self.vocabulary, &self.memo, reads);
            let request = facts.and_then(|facts| request(facts, None));
            let answer = self.answer_to(request, &entities);
            debug_assert_eq!(answer, self.whole_answer(question), "what no policy reads changes no answer");
            answer
        })
    }

    /// Answers a question whose entities no other question shares.
    fn answer_once(
        &self,
        facts: Result<Facts, Unaskable>,
        entities: Result<Vec<Entity>, Unaskable>,
    ) -> Answer {
        let entities = match entities.and_then(|entities| self.checked(entities)) {
            Ok(entities) => entities,
            Err(unaskable) => return refused(&unaskable),
        };
        self.answer_to(facts.and_then(|facts| request(facts, self.schema_to_check())), &entities)
    }

    fn answer_to(&self, request: Result<Request, Unaskable>, entities: &Entities) -> Answer {
        match request {
            Ok(request) => self.ask(&request, entities),
            Err(unaskable) => refused(&unaskable),
        }
    }

    /// The answer to a question with all that is known, whether or not a policy reads it.
    fn whole_answer(&self, question: &impl Question) -> Answer {
        let facts = question.facts_for(&self.vocabulary, &self.memo, &Reads::EVERYTHING);
        self.answer_once(facts, question.subjects().entities(&self.vocabulary, &self.hierarchy))
    }

    /// The entities of a question: none if no policy reads more of them than which they are.
    fn entities(&self, subjects: Subjects<'_>) -> Result<Arc<Entities>, Unaskable> {
        self.memo.entities(subjects, || {
            if self.reads.entities() {
                self.checked(subjects.entities(&self.vocabulary, &self.hierarchy)?)
            } else {
                Ok(Entities::empty())
            }
        })
    }

    fn checked(&self, entities: Vec<Entity>) -> Result<Entities, Unaskable> {
        if let Some(schema) = self.schema_to_check() {
            Entities::from_entities(entities.clone(), Some(schema))?;
        }
        Ok(Entities::from_entities(entities, None)?)
    }

    /// That questions and their entities fit the schema is up to this program alone, whatever callers and clusters are called: tests
    /// check all that they put. If one did not fit, policies would fail on it, and the answer be "no".
    fn schema_to_check(&self) -> Option<&Schema> {
        cfg!(debug_assertions).then(|| self.validator.schema())
    }

    fn ask(&self, request: &Request, entities: &Entities) -> Answer {
        let response = depth::with_stack_to_ask(self.operators, || {
            self.authorizer.is_authorized(request, &self.set, entities)
        });
        self.read(&response)
    }

    fn read(&self, response: &Response) -> Answer {
        let errors: Vec<EvaluationError> = response
            .diagnostics()
            .errors()
            .map(|cedar_policy::AuthorizationError::PolicyEvaluationError(error)| {
                EvaluationError::policy(self.name(error.policy_id()), error.inner())
            })
            .collect();
        let allowed = errors.is_empty() && response.decision() == Decision::Allow;
        let effect = if allowed { Effect::Permit } else { Effect::Forbid };
        let mut ranked: Vec<&Ranked> =
            response.diagnostics().reason().filter_map(|id| self.responses.get(id)).collect();
        ranked.sort_by_key(|policy| policy.rank);
        // A permit that an error overruled has determined nothing.
        let policies = ranked
            .into_iter()
            .filter(|policy| policy.determining.effect == effect)
            .map(|policy| policy.determining.clone())
            .collect();
        Answer { allowed, policies, errors: sorted(errors) }
    }

    /// What people call the policy: its `@id`.
    fn name<'a>(&'a self, id: &'a PolicyId) -> &'a str {
        self.responses.get(id).map_or(id.as_ref(), |policy| policy.determining.id.as_str())
    }
}

/// A question in Cedar's terms.
fn request(facts: Facts, schema: Option<&Schema>) -> Result<Request, Unaskable> {
    let Facts { principal, action, resource, context } = facts;
    Ok(Request::new(principal, action, resource, context, schema)?)
}

fn refused(unaskable: &Unaskable) -> Answer {
    Answer::refused(EvaluationError::question(unaskable.0.as_ref()))
}

/// Cedar gives errors in no particular order; the same answer shall read the same each time.
fn sorted(mut errors: Vec<EvaluationError>) -> Vec<EvaluationError> {
    errors.sort();
    errors
}
