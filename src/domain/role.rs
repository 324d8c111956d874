//! The role assignment that let somebody do it: the `evidence` that ARM writes beside its decision.

use serde::{Deserialize, Serialize};

use super::claims::parse_guid;
use super::text::clean;

/// Longest name of a role, in characters. A custom role's may have 512 (source: Azure RBAC, "Azure custom roles").
const NAME_CHARS_MAX: usize = 512;
/// Longest scope of an assignment, in characters. ARM's ids have less than half of it.
const SCOPE_CHARS_MAX: usize = 1_024;

/// What sort of principal holds a role assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HolderKind {
    /// The person themself.
    User,
    /// A group: the caller was a member of it when ARM decided.
    Group,
    /// An application or a managed identity.
    ServicePrincipal,
}

impl HolderKind {
    /// The word for it in policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::ServicePrincipal => "service-principal",
        }
    }

    /// Reads ARM's word (`principalType`), in any case.
    fn parse(word: &str) -> Option<Self> {
        let words =
            [("User", Self::User), ("Group", Self::Group), ("ServicePrincipal", Self::ServicePrincipal)];
        words.into_iter().find(|(known, _)| word.eq_ignore_ascii_case(known)).map(|(_, kind)| kind)
    }
}

/// The role assignment by which ARM let the caller do it. Each part may be missing: an administrator of the classic kind has a
/// name of a role and nothing else (source: azure-docs `event-schema-subscriptions.md`, the samples of `evidence`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Role {
    /// Its name, as shown to people: a custom role may have any. Never identifies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The id of the role's definition, lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// The id of the assignment, lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignment: Option<String>,
    /// Where it is assigned: a resource id, lower case; `/` is the tenant's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The object id of the principal it is assigned to, lower case: the caller, or a group that the caller is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// What that principal is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder_kind: Option<HolderKind>,
}

impl Role {
    /// Reads the members of `authorization.evidence`. Its ids are written without dashes, unlike those of claims. `None` if
    /// nothing in it can be read.
    pub fn from_evidence(member: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let id = |name: &str| member(name).as_deref().and_then(last_guid);
        let text = |name: &str, max: usize| {
            member(name).map(|text| clean(text.trim(), max)).filter(|text| !text.is_empty())
        };
        let role = Self {
            name: text("role", NAME_CHARS_MAX),
            definition: id("roleDefinitionId"),
            assignment: id("roleAssignmentId"),
            scope: text("roleAssignmentScope", SCOPE_CHARS_MAX).map(|scope| scope.to_lowercase()),
            holder: id("principalId"),
            holder_kind: member("principalType").as_deref().and_then(HolderKind::parse),
        };
        (role != Self::default()).then_some(role)
    }

    /// The group through which the caller held the role, if it was one: ARM found the caller to be a member of it.
    pub fn group(&self) -> Option<&str> {
        match self.holder_kind? {
            HolderKind::Group => self.holder.as_deref(),
            HolderKind::User | HolderKind::ServicePrincipal => None,
        }
    }
}

/// A GUID, or the last part of a resource id if that is one.
fn last_guid(text: &str) -> Option<String> {
    text.rsplit('/').next().and_then(parse_guid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(members: &[(&str, &str)]) -> Option<Role> {
        Role::from_evidence(|name| {
            members.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn ids_without_dashes_are_read_and_a_group_is_told_from_the_caller() {
        let role = evidence(&[
            ("role", "Contributor"),
            ("roleAssignmentScope", "/subscriptions/AAAA"),
            ("roleAssignmentId", "90ee7ee0177b43d1a6fc6868b04218f1"),
            ("roleDefinitionId", "b24988ac618042a0ab8820f7382dd24c"),
            ("principalId", "11112222BBBB3333CCCC4444DDDD5555"),
            ("principalType", "group"),
        ])
        .unwrap();
        assert_eq!(role.definition.as_deref(), Some("b24988ac-6180-42a0-ab88-20f7382dd24c"));
        assert_eq!(role.scope.as_deref(), Some("/subscriptions/aaaa"));
        assert_eq!(role.group(), Some("11112222-bbbb-3333-cccc-4444dddd5555"));
        let own = Role { holder_kind: Some(HolderKind::User), ..role };
        assert_eq!(own.group(), None);
    }

    #[test]
    fn what_is_missing_or_broken_is_absent() {
        assert_eq!(evidence(&[]), None);
        assert_eq!(evidence(&[("principalType", "Robot"), ("principalId", "bob"), ("role", "  ")]), None);
        let classic = evidence(&[("role", "Subscription Admin")]).unwrap();
        assert_eq!(
            (classic.name.as_deref(), classic.holder, classic.scope),
            (Some("Subscription Admin"), None, None)
        );
    }
}
