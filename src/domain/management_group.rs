//! Management groups: above subscriptions, and never in an ARM URL.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest name (id) of a management group (source: Azure naming rules, "managementGroups 1-90").
const NAME_CHARS_MAX: usize = 90;
/// What stands before the name in a management group's resource id, lower case.
pub const ID_PREFIX: &str = "/providers/microsoft.management/managementgroups/";

/// The name of a management group, in lower case: Azure compares it without case. People see a display name beside it, which is
/// something else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ManagementGroup(String);

/// A text that no management group can be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no management group")]
pub struct NotAGroup(String);

impl ManagementGroup {
    /// Parses a name, or a resource id with it: `/providers/Microsoft.Management/managementGroups/<name>`, in any case.
    pub fn parse(text: &str) -> Result<Self, NotAGroup> {
        let name = name_in(text).or_else(|| is_name(text).then_some(text));
        let name = name.ok_or_else(|| NotAGroup(super::text::clean(text, NAME_CHARS_MAX)))?;
        Ok(Self(name.to_ascii_lowercase()))
    }

    /// The name, lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ManagementGroup {
    type Error = NotAGroup;
    fn try_from(text: String) -> Result<Self, NotAGroup> {
        Self::parse(&text)
    }
}

impl From<ManagementGroup> for String {
    fn from(group: ManagementGroup) -> Self {
        group.0
    }
}

impl fmt::Display for ManagementGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name in a group's resource id, in any case; `None` if it is none.
pub fn name_in(id: &str) -> Option<&str> {
    let prefix = id.get(..ID_PREFIX.len())?;
    let name = id.get(ID_PREFIX.len()..)?;
    (prefix.eq_ignore_ascii_case(ID_PREFIX) && is_name(name)).then_some(name)
}

/// Whether a management group can have this name (source: Azure naming rules: "alphanumerics, hyphens, underscores, periods, and
/// parentheses").
pub fn is_name(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'(' | b')'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_the_id_with_it_are_the_same_group() {
        let by_name = ManagementGroup::parse("MG-Prod_1.(a)").unwrap();
        assert_eq!(by_name.as_str(), "mg-prod_1.(a)");
        let id = "/providers/Microsoft.Management/managementGroups/mg-prod_1.(A)";
        assert_eq!(ManagementGroup::parse(id), Ok(by_name));
    }

    #[test]
    fn what_no_group_can_be_called_is_none() {
        let long = "x".repeat(NAME_CHARS_MAX + 1);
        for text in [
            "",
            "Production EU",
            "a'b",
            "a/b",
            "grüppe",
            "/subscriptions/x",
            "/providers/Microsoft.Management/managementGroups/",
            &long,
        ] {
            assert!(ManagementGroup::parse(text).is_err(), "{text}");
        }
    }
}
