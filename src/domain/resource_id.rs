//! Ids of Azure resources, parsed: the only type from which an ARM URL may be built.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::resource_kind::ResourceKind;

/// Longest resource id that is read. ARM's parts are 36 + 90 + 63 characters, so a real one has under 400.
const RESOURCE_ID_BYTES_MAX: usize = 1_024;
/// What most have less than.
const RESOURCE_ID_BYTES_USUAL: usize = 192;
/// Longest name of a resource group (source: Azure naming rules, "Resource groups 1-90").
const RESOURCE_GROUP_CHARS_MAX: usize = 90;
/// Longest name of a guarded resource (source: Azure naming rules, "managedClusters 1-63", "containerGroups 1-63").
const CLUSTER_NAME_CHARS_MAX: usize = 63;

/// The type segment of a managed cluster, in the casing of the documentation.
pub const MANAGED_CLUSTER_TYPE: &str = ResourceKind::ManagedCluster.arm_type();

/// A subscription's GUID, lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SubscriptionId(String);

/// Why a text is not the id of a resource that the guard may touch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not of the form of an ARM resource id, or with characters that no such id has.
    #[error("`{0}` is not a resource id")]
    Malformed(String),
    /// A resource id, but of no kind that is guarded.
    #[error("`{0}` is not a managed cluster or a container group")]
    OtherType(String),
    /// A guarded resource, where only a managed cluster makes sense.
    #[error("`{0}` is not a managed cluster")]
    NotAManagedCluster(String),
    /// Not a GUID.
    #[error("`{0}` is not a subscription id")]
    Subscription(String),
}

impl SubscriptionId {
    /// Parses a GUID with dashes, in any case.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        super::guid::parse(text).map(Self).ok_or_else(|| IdError::Subscription(super::text::clean(text, 64)))
    }

    /// The GUID, lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SubscriptionId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<SubscriptionId> for String {
    fn from(id: SubscriptionId) -> Self {
        id.0
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The resource id of a guarded resource: a managed cluster or anything else of a [`ResourceKind`]. Keeps the casing it came in for URLs and people; compares and hashes without case,
/// since ARM, Event Grid, the activity log and Resource Graph each spell the same id differently. Cheap to clone: the work on one event
/// holds its cluster's id in dozens of places.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterId(Arc<Parts>);

struct Parts {
    kind: ResourceKind,
    subscription: SubscriptionId,
    resource_group: String,
    name: String,
    lower: String,
    key: ClusterKey,
}

impl ClusterId {
    /// Parses `/subscriptions/<guid>/resourceGroups/<group>/providers/Microsoft.ContainerService/managedClusters/<name>`,
    /// or the same of another [`ResourceKind`]; the fixed segments in any case, nothing after the name.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let malformed = || IdError::Malformed(super::text::clean(text, 200));
        let (subscription, resource_group, tail) = split_group(text).ok_or_else(malformed)?;
        match tail.as_slice() {
            [providers, provider, kind, name] if providers.eq_ignore_ascii_case("providers") => {
                let kind = ResourceKind::of_type(provider, kind)
                    .ok_or_else(|| IdError::OtherType(super::text::clean(text, 200)))?;
                if !is_name(kind, name) {
                    return Err(malformed());
                }
                Ok(Self::new(kind, subscription, resource_group, name))
            }
            [] | [_, _, _, _, ..] => Err(IdError::OtherType(super::text::clean(text, 200))),
            _ => Err(malformed()),
        }
    }

    /// Parses the id of a managed cluster, and of nothing else: for what only clusters have.
    pub fn parse_managed(text: &str) -> Result<Self, IdError> {
        let id = Self::parse(text)?;
        match id.kind() {
            ResourceKind::ManagedCluster => Ok(id),
            ResourceKind::ContainerGroup => Err(IdError::NotAManagedCluster(super::text::clean(text, 200))),
        }
    }

    fn new(kind: ResourceKind, subscription: SubscriptionId, resource_group: &str, name: &str) -> Self {
        // Letters beyond ASCII are in names of groups alone, and in few of those.
        let group = match resource_group.is_ascii() {
            true => Cow::Borrowed(resource_group),
            false => Cow::Owned(resource_group.to_lowercase()),
        };
        let parts = ["subscriptions", subscription.as_str(), "resourcegroups", &group, "providers"];
        let mut lower = String::with_capacity(RESOURCE_ID_BYTES_USUAL);
        for part in parts.into_iter().chain([kind.arm_type(), name]) {
            lower.push('/');
            lower.push_str(part);
        }
        lower.make_ascii_lowercase();
        let (resource_group, name) = (resource_group.to_owned(), name.to_owned());
        let key = ClusterKey::of(&lower);
        Self(Arc::new(Parts { kind, subscription, resource_group, name, lower, key }))
    }

    /// Whether a text is its id, in any spelling.
    pub fn is_called(&self, text: &str) -> bool {
        text.eq_ignore_ascii_case(self.lower()) || Self::parse(text).is_ok_and(|other| other == *self)
    }

    /// What it is.
    pub fn kind(&self) -> ResourceKind {
        self.0.kind
    }

    /// The subscription it is in.
    pub fn subscription(&self) -> &SubscriptionId {
        &self.0.subscription
    }

    /// The resource group's name, in the casing it came in.
    pub fn resource_group(&self) -> &str {
        &self.0.resource_group
    }

    /// The cluster's name, in the casing it came in.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The id in lower case: equal for all spellings of one cluster.
    pub fn lower(&self) -> &str {
        &self.0.lower
    }

    /// The key under which the cluster's record is stored.
    pub fn key(&self) -> ClusterKey {
        self.0.key.clone()
    }
}

/// Takes an id apart that begins with `/subscriptions/<guid>/resourceGroups/<group>`, the fixed segments in any case: the subscription, the
/// group's name, and the segments after it. `None` if it does not begin so, or is too long for an id.
pub(super) fn split_group(text: &str) -> Option<(SubscriptionId, &str, Vec<&str>)> {
    if text.len() > RESOURCE_ID_BYTES_MAX {
        return None;
    }
    let mut segments = text.strip_prefix('/')?.split('/');
    segments.next().filter(|fixed| fixed.eq_ignore_ascii_case("subscriptions"))?;
    let subscription = SubscriptionId::parse(segments.next()?).ok()?;
    segments.next().filter(|fixed| fixed.eq_ignore_ascii_case("resourceGroups"))?;
    let group = segments.next().filter(|name| is_resource_group(name))?;
    Some((subscription, group, segments.collect()))
}

/// Letters, digits, `_-.()`, not ending with a dot (source: Azure naming rules; Unicode letters are allowed there too).
fn is_resource_group(name: &str) -> bool {
    let fits = (1..=RESOURCE_GROUP_CHARS_MAX).contains(&name.chars().count());
    fits && !name.ends_with('.') && name.chars().all(|c| c.is_alphanumeric() || "_-.()".contains(c))
}

/// Letters, digits and `-`, for clusters also `_`; first and last alphanumeric (source: Azure naming rules).
fn is_name(kind: ResourceKind, name: &str) -> bool {
    let others = match kind {
        ResourceKind::ManagedCluster => "_-",
        ResourceKind::ContainerGroup => "-",
    };
    let fits = (1..=CLUSTER_NAME_CHARS_MAX).contains(&name.len());
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    fits && edge(name.chars().next())
        && edge(name.chars().next_back())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "/subscriptions/{}/resourceGroups/{}/providers/{}/{}",
            self.subscription(),
            self.resource_group(),
            self.kind().arm_type(),
            self.name()
        )
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterId({self})")
    }
}

impl PartialEq for ClusterId {
    fn eq(&self, other: &Self) -> bool {
        self.lower() == other.lower()
    }
}

impl Eq for ClusterId {}

impl PartialOrd for ClusterId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ClusterId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.lower().cmp(other.lower())
    }
}

impl std::hash::Hash for ClusterId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.lower().hash(state);
    }
}

impl TryFrom<String> for ClusterId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<ClusterId> for String {
    fn from(id: ClusterId) -> Self {
        id.to_string()
    }
}

/// Names a cluster's record in the store: half a SHA-256 of the lower-case id, in hex, so that no id can reach a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClusterKey(String);

impl ClusterKey {
    fn of(lower: &str) -> Self {
        Self(super::text::hex(Sha256::digest(lower.as_bytes()).iter().take(16)))
    }

    /// Reads a key back from a path in the store; `None` if it isn't one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_key = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_key.then(|| Self(text.to_owned()))
    }

    /// The key as text: 32 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SUB: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

    fn id(group: &str, name: &str) -> String {
        format!("/subscriptions/{SUB}/resourceGroups/{group}/providers/{MANAGED_CLUSTER_TYPE}/{name}")
    }

    #[test]
    fn all_spellings_of_one_cluster_are_equal_and_share_a_key() {
        let documented = ClusterId::parse(&id("rg-Prod", "aks-1")).unwrap();
        let shouted = ClusterId::parse(&id("rg-Prod", "aks-1").to_uppercase()).unwrap();
        assert_eq!(documented, shouted);
        assert_eq!(documented.key(), shouted.key());
        assert_eq!(documented.resource_group(), "rg-Prod", "what people see keeps its casing");
    }

    #[test]
    fn a_cluster_is_called_by_any_spelling_of_its_id_and_by_no_other() {
        let cluster = ClusterId::parse(&id("rg-Übung", "aks-1")).unwrap();
        for own in [id("rg-Übung", "aks-1"), id("RG-übung", "AKS-1"), id("rg-Übung", "aks-1").to_uppercase()]
        {
            assert!(cluster.is_called(&own), "{own}");
        }
        for other in
            [id("rg-Übung", "aks-2"), id("rg-Ubung", "aks-1"), id("rg-Übung", "aks-1/"), String::new()]
        {
            assert!(!cluster.is_called(&other), "{other}");
        }
    }

    #[test]
    fn the_lower_case_id_names_the_record_and_stays_as_it_is() {
        let lower = |group: &str| ClusterId::parse(&id(group, "AKS-1")).unwrap().lower().to_owned();
        let tail = "providers/microsoft.containerservice/managedclusters/aks-1";
        for (group, small) in [("RG-Prod", "rg-prod"), ("rg-ÄΣ-1", "rg-äς-1"), ("İ", "i\u{307}")] {
            assert_eq!(lower(group), format!("/subscriptions/{SUB}/resourcegroups/{small}/{tail}"));
        }
        assert_eq!(
            ClusterId::parse(&id("RG", "a")).unwrap().key().as_str(),
            "9882fcc83e04a16ec0781310680fc5df"
        );
    }

    #[test]
    fn nothing_that_could_change_a_url_is_an_id() {
        for bad in [
            id("..", "aks"),
            id("rg", "a?b"),
            id("rg", "a#b"),
            id("rg", "a%2fb"),
            id("rg", "a b"),
            id("rg", "aks\n"),
            id("rg", ""),
            id("rg", "aks/start"),
            format!("https://evil.example{}", id("rg", "aks")),
            format!("/{}", id("rg", "aks")),
            id("rg", &"a".repeat(64)),
            id(&"g".repeat(91), "aks"),
            id("rg", "aks").replace(SUB, "not-a-guid"),
            String::new(),
        ] {
            assert!(ClusterId::parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_container_group_has_an_id_and_a_key_of_its_own() {
        let group = id("rg-Prod", "cg-1")
            .replace(MANAGED_CLUSTER_TYPE, "Microsoft.ContainerInstance/containerGroups");
        let parsed = ClusterId::parse(&group.to_uppercase()).unwrap();
        assert_eq!(parsed, ClusterId::parse(&group).unwrap());
        assert_eq!(parsed.kind(), ResourceKind::ContainerGroup);
        assert_eq!(ClusterId::parse(&group).unwrap().to_string(), group);
        assert_eq!(parsed.lower(), group.to_lowercase());
        let cluster = ClusterId::parse(&id("rg-Prod", "cg-1")).unwrap();
        assert_ne!(parsed.key(), cluster.key());
        assert_eq!(
            cluster.key().as_str(),
            "e0fea350dee9fdbdc7d861879f361b7f",
            "records of clusters stay where they are"
        );
        assert!(matches!(ClusterId::parse_managed(&group), Err(IdError::NotAManagedCluster(_))));
        assert_eq!(ClusterId::parse_managed(cluster.lower()).unwrap(), cluster);
        for bad in ["cg_1", "-cg", "cg-", "cg/start", "", "c%67"] {
            assert!(ClusterId::parse(&group.replace("cg-1", bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn another_type_of_resource_is_told_from_a_broken_id() {
        let vm =
            format!("/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm");
        let group = format!("/subscriptions/{SUB}/resourceGroups/rg");
        assert!(matches!(ClusterId::parse(&vm), Err(IdError::OtherType(_))));
        assert!(matches!(ClusterId::parse(&group), Err(IdError::OtherType(_))));
        assert!(matches!(ClusterId::parse("/nonsense"), Err(IdError::Malformed(_))));
    }

    proptest! {
        #[test]
        fn printing_and_parsing_again_gives_the_same_id(group in "[A-Za-z0-9_()-]{1,90}", name in "[a-zA-Z0-9]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?") {
            let parsed = ClusterId::parse(&id(&group, &name)).unwrap();
            prop_assert_eq!(&parsed, &ClusterId::parse(&parsed.to_string()).unwrap());
            prop_assert_eq!(&parsed, &ClusterId::parse(parsed.lower()).unwrap());
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
            let _ = ClusterId::parse(&text);
        }
    }
}
