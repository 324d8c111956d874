//! Ids of resources beside the clusters themselves: networks, workspaces. Read from ARM's answers, so that ARM can be asked for them.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::resource_id::{IdError, SubscriptionId, split_group};
use super::text;

/// Longest name of a resource or a type, in characters (source: Azure naming rules; no type here allows more than 260).
const NAME_CHARS_MAX: usize = 260;

/// The id of a resource in a resource group, of any type. Keeps its casing for people and URLs, compares without case.
#[derive(Debug, Clone)]
pub struct ResourceId {
    subscription: SubscriptionId,
    resource_group: String,
    /// The provider, then types and names in turn.
    tail: Vec<String>,
    lower: String,
}

impl ResourceId {
    /// Parses `/subscriptions/<guid>/resourceGroups/<group>/providers/<provider>/<type>/<name>`, with more types and names after it.
    pub fn parse(given: &str) -> Result<Self, IdError> {
        let malformed = || IdError::Malformed(text::clean(given, 200));
        let (subscription, group, tail) = split_group(given).ok_or_else(malformed)?;
        let Some((providers, tail)) = tail.split_first() else { return Err(malformed()) };
        // A provider, and at least one type with a name.
        let is_whole = tail.len() >= 3 && tail.len() % 2 == 1 && tail.iter().all(|part| is_name(part));
        if !providers.eq_ignore_ascii_case("providers") || !is_whole {
            return Err(malformed());
        }
        let tail: Vec<String> = tail.iter().map(|part| (*part).to_owned()).collect();
        let mut id = Self { subscription, resource_group: group.to_owned(), tail, lower: String::new() };
        id.lower = id.to_string().to_lowercase();
        Ok(id)
    }

    /// The subscription it is in.
    pub fn subscription(&self) -> &SubscriptionId {
        &self.subscription
    }

    /// The resource group's name.
    pub fn resource_group(&self) -> &str {
        &self.resource_group
    }

    /// Its name: the last part.
    pub fn name(&self) -> &str {
        self.tail.last().map(String::as_str).unwrap_or_default()
    }

    /// Whether it is of this type (`Microsoft.Network/virtualNetworks/subnets`), in any casing.
    pub fn is_a(&self, kind: &str) -> bool {
        let (provider, rest) = match self.tail.split_first() {
            Some((provider, rest)) => (provider.as_str(), rest),
            None => return false,
        };
        let own = std::iter::once(provider).chain(rest.iter().step_by(2).map(String::as_str));
        let own: Vec<&str> = own.collect();
        own.join("/").eq_ignore_ascii_case(kind)
    }

    /// The parts of its path, for a URL.
    pub fn segments(&self) -> Vec<&str> {
        let head = [
            "subscriptions",
            self.subscription.as_str(),
            "resourceGroups",
            &self.resource_group,
            "providers",
        ];
        head.into_iter().chain(self.tail.iter().map(String::as_str)).collect()
    }
}

/// Whether a part of a path can be a provider, a type or a name.
fn is_name(part: &str) -> bool {
    let fits = (1..=NAME_CHARS_MAX).contains(&part.chars().count());
    let is_plain = part.chars().all(|c| c.is_alphanumeric() || "_-.()".contains(c));
    fits && is_plain && part.chars().any(|c| c != '.')
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.segments().iter().try_for_each(|part| write!(f, "/{part}"))
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        self.lower == other.lower
    }
}

impl Eq for ResourceId {}

impl PartialOrd for ResourceId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ResourceId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.lower.cmp(&other.lower)
    }
}

impl Hash for ResourceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.lower.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SUBNET: &str = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/hub/subnets/nodes";

    #[test]
    fn an_id_is_read_whatever_its_casing_and_knows_its_type() {
        let id = ResourceId::parse(SUBNET).unwrap();
        assert_eq!((id.resource_group(), id.name()), ("net", "nodes"));
        assert!(id.is_a("microsoft.network/VIRTUALNETWORKS/subnets"));
        assert!(!id.is_a("Microsoft.Network/virtualNetworks"));
        assert_eq!(
            id,
            ResourceId::parse(&SUBNET.to_uppercase().replace("RESOURCEGROUPS", "resourcegroups")).unwrap()
        );
        assert_eq!(id.to_string(), SUBNET);
    }

    #[test]
    fn nothing_that_could_change_a_url_is_an_id() {
        let bad = [
            SUBNET.replace("hub", ".."),
            SUBNET.replace("hub", "a%2fb"),
            SUBNET.replace("hub", "a?b"),
            SUBNET.replace("hub", ""),
            format!("{SUBNET}/"),
            format!("{SUBNET}/extra"),
            SUBNET.replace("aaaa0a0a", "not-hex!"),
            SUBNET.trim_start_matches('/').to_owned(),
            "x".repeat(3_000),
        ];
        for id in bad {
            assert!(ResourceId::parse(&id).is_err(), "{id}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_as_it_was(text in "(/[a-zA-Z0-9._/-]{0,12}){0,14}") {
            if let Ok(id) = ResourceId::parse(&text) {
                prop_assert_eq!(id.to_string().to_lowercase(), text.to_lowercase());
            }
        }
    }
}
