//! What policies read of a question's context. What none of them reads need not be made: Cedar's constructors of times and addresses run its
//! parser, and each count that nobody asks for would make a question that was answered a new one.

use std::collections::BTreeSet;

/// The members of a context that some policy may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reads {
    /// All of them, as far as is known.
    Everything,
    /// These, and no others.
    Only(BTreeSet<String>),
}

/// Of all policies of a set, by the question that they are about.
#[derive(Debug, Clone, Default)]
pub(super) struct ReadByQuestion {
    pub(super) stop: Reads,
    pub(super) restart: Reads,
}

impl Default for Reads {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

impl Reads {
    /// Whether some policy may read this member.
    pub(super) fn has(&self, member: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(members) => members.contains(member),
        }
    }

    /// Adds what a policy reads, by its text: Cedar has no other name for the context than the word `context`. Where that stands in a comment or
    /// a string, more is added than is read, and never less.
    pub(super) fn add(&mut self, policy: &str) {
        let Self::Only(members) = self else { return };
        for (at, word) in policy.match_indices("context") {
            let (before, after) = policy.split_at(at);
            let after = after.strip_prefix(word).unwrap_or_default();
            if before.ends_with(is_word) || after.starts_with(is_word) {
                continue;
            }
            match member_read(after) {
                Some(member) => members.insert(member.to_owned()),
                None => {
                    *self = Self::Everything;
                    return;
                }
            };
        }
    }
}

/// The member that is read by what follows the word `context`: `.at`, `["at"]`, `has at` or `has "at"`. `None` if it is anything else.
fn member_read(after: &str) -> Option<&str> {
    let after = trimmed(after);
    if let Some(member) = after.strip_prefix('.') {
        return word(trimmed(member));
    }
    if let Some(member) = after.strip_prefix('[') {
        return quoted(trimmed(member));
    }
    let member = after.strip_prefix("has").filter(|rest| !rest.starts_with(is_word)).map(trimmed)?;
    quoted(member).or_else(|| word(member))
}

/// Without the blanks and comments that it begins with.
fn trimmed(mut text: &str) -> &str {
    loop {
        text = text.trim_start();
        let Some(comment) = text.strip_prefix("//") else { return text };
        text = comment.find(['\r', '\n']).and_then(|end| comment.get(end..)).unwrap_or_default();
    }
}

/// The word that a text begins with.
fn word(text: &str) -> Option<&str> {
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    text.get(..end).filter(|word| !word.is_empty())
}

/// The text in quotes that a text begins with. `None` of one with an escape: it may mean anything.
fn quoted(text: &str) -> Option<&str> {
    let (quoted, _) = text.strip_prefix('"')?.split_once('"')?;
    (!quoted.contains('\\')).then_some(quoted)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(policy: &str) -> Option<Vec<String>> {
        let mut reads = Reads::default();
        reads.add(policy);
        match reads {
            Reads::Everything => None,
            Reads::Only(members) => Some(members.into_iter().collect()),
        }
    }

    #[test]
    fn every_way_to_read_a_member_is_known() {
        for policy in [
            "context.at",
            "context . at",
            "context\n// the time\n.\tat.toTime()",
            r#"context["at"]"#,
            r#"context [ "at" ]"#,
            "context has at",
            r#"context has "at""#,
            "context has// so\r\nat.year",
            "!(principal.context.at)",
            "mycontext.utc + contexts.utc + context.at",
        ] {
            assert_eq!(read(policy).as_deref(), Some(["at".to_owned()].as_slice()), "{policy}");
        }
        assert_eq!(read("true").unwrap(), [""; 0]);
        assert_eq!(read("context.at < x && context has ip && context.at > y").unwrap(), ["at", "ip"]);
    }

    #[test]
    fn whatever_else_is_done_with_the_context_may_read_everything() {
        for policy in [
            "(context).at",
            "context",
            "context == {}",
            "(if context has ip then context else context).at",
            r#"context["\u{61}t"]"#,
            r#"context has "\u{61}t""#,
            "context has",
            "context hasat",
            "context .",
            "context // .at",
            r#"context["at"#,
            "@doc(\"in the context of a change\")",
        ] {
            assert_eq!(read(policy), None, "{policy}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_read_is_overlooked(
            before in "[ -~\n]{0,20}[ (!\n]",
            blank in "( |\t|\r\n|//[ -~]{0,8}\n){0,3}",
            access in prop::sample::select(vec![".B", "[B\"", " hasB", " hasB\""]),
            member in "[a-z][a-zA-Z0-9_]{0,8}",
            after in "([ )&=;<\n][ -~\n]{0,20})?",
        ) {
            let blank = if access.ends_with("hasB") && blank.is_empty() { " " } else { &blank };
            let (access, closed) = access.strip_suffix('"').map_or((access, ""), |open| (open, "\""));
            let access = access.replace('B', &format!("{blank}{closed}"));
            let bracket = if access.starts_with('[') { "]" } else { "" };
            let mut reads = Reads::default();
            reads.add(&format!("{before}context{access}{member}{closed}{bracket}{after}"));
            prop_assert!(reads.has(&member), "{:?}", reads);
        }
    }
}
