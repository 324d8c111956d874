//! What policies read of a question. What none of them reads need not be made: entities cost as much as an answer, Cedar's constructors of
//! times and addresses run its parser, and each count that nobody asks for would make a question that was answered a new one.

use std::collections::BTreeSet;

use cedar_policy::PolicySet;
use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Var};

use super::entity::Vocabulary;
use super::explain::is_about;

/// Members of the contexts that are records themselves. Members of all others would be attributes of entities.
const RECORDS: [&str; 4] = ["grant", "local", "role", "utc"];

/// What some policy may read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Reads {
    pub(super) context: Members,
    /// Attributes, tags or parents of entities. Without them a policy asks no more than which entity it is, or of which type.
    pub(super) entities: bool,
}

/// Members of a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Members {
    /// All of them, as far as is known.
    All,
    /// These, and no others.
    Only(BTreeSet<String>),
}

/// Of all policies of a set, by the question that they are about.
#[derive(Debug, Clone, Default)]
pub(super) struct ReadByQuestion {
    pub(super) stop: Reads,
    pub(super) restart: Reads,
}

impl Default for Members {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

impl ReadByQuestion {
    /// What is read by the policies of a set that the schema allows.
    pub(super) fn by(set: &PolicySet, words: &Vocabulary) -> Self {
        let mut all = Self::default();
        for policy in set.policies().filter(|policy| policy.is_static()) {
            for (action, reads) in [(&words.stop, &mut all.stop), (&words.restart, &mut all.restart)] {
                if is_about(policy, action) {
                    reads.add(&policy.as_ref().condition());
                }
            }
        }
        // Only the rows of allow-lists fill templates, and they are about stops.
        for template in set.templates() {
            all.stop.add(&template.as_ref().condition());
        }
        all
    }

    /// Whether a question needs the entities that it is about. Both questions about a stop share them.
    pub(super) fn entities(&self) -> bool {
        self.stop.entities || self.restart.entities
    }
}

impl Reads {
    /// Everything, for who wants to see it.
    pub(super) const EVERYTHING: Self = Self { context: Members::All, entities: true };

    /// Whether some policy may read this member of the context.
    pub(super) fn has(&self, member: &str) -> bool {
        match &self.context {
            Members::All => true,
            Members::Only(members) => members.contains(member),
        }
    }

    /// Adds what a policy reads, scope and conditions.
    fn add(&mut self, condition: &Expr) {
        // Each time the context stands in an expression, and each time a member of it is all that is taken.
        let (mut contexts, mut members) = (0_usize, 0_usize);
        for part in condition.subexpressions() {
            match part.expr_kind() {
                ExprKind::Var(Var::Context) => contexts += 1,
                ExprKind::GetAttr { expr, attr } | ExprKind::HasAttr { expr, attr } => {
                    if is_context(expr) {
                        members += 1;
                        self.context.add(attr);
                    } else {
                        self.entities |= !is_record(expr);
                    }
                }
                // `context has role.name`
                ExprKind::ExtHasAttr { expr, attrs } => {
                    if is_context(expr) {
                        members += 1;
                        self.context.add(attrs.first());
                    }
                    let within_a_record = RECORDS.contains(&attrs.first().as_str()) && attrs.len() <= 2;
                    self.entities |= !(is_context(expr) && within_a_record);
                }
                ExprKind::BinaryApp { op: BinaryOp::In, arg1, .. } => {
                    self.entities |= !matches!(arg1.expr_kind(), ExprKind::Var(Var::Action));
                }
                ExprKind::BinaryApp { op: BinaryOp::GetTag | BinaryOp::HasTag, .. } => self.entities = true,
                _ => {}
            }
        }
        if contexts > members {
            self.context = Members::All;
        }
    }
}

impl Members {
    fn add(&mut self, member: &str) {
        match self {
            Self::Only(members) if !members.contains(member) => {
                members.insert(member.to_owned());
            }
            Self::All | Self::Only(_) => {}
        }
    }
}

fn is_context(expr: &Expr) -> bool {
    matches!(expr.expr_kind(), ExprKind::Var(Var::Context))
}

/// Whether it is one of the records of the context.
fn is_record(expr: &Expr) -> bool {
    match expr.expr_kind() {
        ExprKind::GetAttr { expr, attr } => is_context(expr) && RECORDS.contains(&attr.as_str()),
        _ => false,
    }
}
