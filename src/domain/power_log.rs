//! Starts and stops of clusters, as the activity log tells them.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::resource_id::{ClusterId, IdError, MANAGED_CLUSTER_TYPE, SubscriptionId};
use super::resource_kind::ResourceKind;
use super::text;

/// Which power operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PowerVerb {
    /// `…/start/action`.
    Start,
    /// `…/stop/action`.
    Stop,
}

impl PowerVerb {
    /// Reads an operation on a resource of this kind, in any casing; `None` if it neither starts nor stops it.
    pub fn of(kind: ResourceKind, operation: &str) -> Option<Self> {
        let verbs = [(kind.start_action(), Self::Start), (kind.stop_action(), Self::Stop)];
        verbs.into_iter().find(|(action, _)| action.eq_ignore_ascii_case(operation)).map(|(_, verb)| verb)
    }
}

/// One start or stop that ARM accepted, put together from its records (`Started`, `Accepted`, `Succeeded`, ...), which
/// share an operation id. Operations that were refused are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerOperation {
    /// Start or stop.
    pub verb: PowerVerb,
    /// `eventTimestamp` of its first record: when it was asked for.
    pub began_at: Timestamp,
    /// `eventTimestamp` of its last record so far.
    pub last_seen_at: Timestamp,
    /// Who asked for it.
    pub caller: Caller,
    /// Correlation id. Not unique: all operations of one deployment share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Operation id: one value an operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<String>,
    /// Its records, word for word, as far as they are kept.
    #[serde(skip)]
    pub records: Vec<Arc<str>>,
}

/// What the log said when it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LogReading {
    /// Accepted power operations, the newest (by `began_at`) first.
    pub operations: Vec<PowerOperation>,
}

/// One start or stop somewhere in a [`LogScope`], with what only reports ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeOperation {
    /// Which cluster.
    pub cluster: ClusterId,
    /// What was done, when, by whom.
    pub operation: PowerOperation,
    /// The role that let the caller do it, by its name (`authorization.evidence.role`, else `authorization.role`). Cleaned.
    pub role: Option<String>,
}

/// What the log said of a whole scope.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScopeReading {
    /// Accepted power operations, the oldest (by `began_at`) first.
    pub operations: Vec<ScopeOperation>,
    /// Records of starts and stops that could not be used: no cluster's id, or no time that can be.
    pub unusable: usize,
    /// There was more than is read: the oldest are missing.
    pub is_cut: bool,
}

impl ScopeReading {
    /// Several readings as one. Scopes may overlap: an operation that is in several counts once.
    pub fn join(readings: Vec<Self>) -> Self {
        let mut all = Self::default();
        for reading in readings {
            all.operations.extend(reading.operations);
            all.unusable += reading.unusable;
            all.is_cut |= reading.is_cut;
        }
        let id = |op: &ScopeOperation| {
            let power = &op.operation;
            let (cluster, verb) = (op.cluster.lower().to_owned(), power.verb == PowerVerb::Start);
            (power.began_at, cluster, verb, power.operation_id.clone(), power.correlation_id.clone())
        };
        all.operations.sort_by_cached_key(id);
        all.operations.dedup_by_key(|op| id(op));
        all
    }
}

/// Where operations are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogScope {
    /// A subscription.
    Subscription(SubscriptionId),
    /// A resource group, by its name as it came.
    ResourceGroup(SubscriptionId, String),
    /// One cluster.
    Cluster(ClusterId),
}

impl LogScope {
    /// Reads a subscription's GUID, `/subscriptions/<guid>`, a resource group's id or a cluster's id, in any case.
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let text = text.trim().trim_end_matches('/');
        if let Ok(subscription) = SubscriptionId::parse(text) {
            return Ok(Self::Subscription(subscription));
        }
        match text.split('/').collect::<Vec<_>>().as_slice() {
            ["", word, subscription] if word.eq_ignore_ascii_case("subscriptions") => {
                SubscriptionId::parse(subscription).map(Self::Subscription)
            }
            ["", _, _, _, group] => {
                // A group's id is one to which a cluster's name can be added.
                let any = ClusterId::parse(&format!("{text}/providers/{MANAGED_CLUSTER_TYPE}/a"))
                    .map_err(|_| IdError::Malformed(text::clean(text, SHOWN_CHARS_MAX)))?;
                Ok(Self::ResourceGroup(any.subscription().clone(), (*group).to_owned()))
            }
            _ => ClusterId::parse(text).map(Self::Cluster),
        }
    }

    /// The subscription that it is, or is in.
    pub fn subscription(&self) -> &SubscriptionId {
        match self {
            Self::Subscription(id) | Self::ResourceGroup(id, _) => id,
            Self::Cluster(id) => id.subscription(),
        }
    }

    /// Whether a cluster is in it.
    pub fn contains(&self, cluster: &ClusterId) -> bool {
        match self {
            Self::Subscription(id) => cluster.subscription() == id,
            Self::ResourceGroup(id, group) => {
                cluster.subscription() == id
                    && cluster.resource_group().to_lowercase() == group.to_lowercase()
            }
            Self::Cluster(id) => id == cluster,
        }
    }
}

impl fmt::Display for LogScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subscription(id) => write!(f, "/subscriptions/{id}"),
            Self::ResourceGroup(id, group) => write!(f, "/subscriptions/{id}/resourceGroups/{group}"),
            Self::Cluster(id) => id.fmt(f),
        }
    }
}

/// Longest id that an error repeats, in characters.
const SHOWN_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SUB: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

    #[test]
    fn a_scope_is_a_subscription_a_resource_group_or_a_cluster() {
        let group = format!("/subscriptions/{SUB}/resourceGroups/rg-Prod");
        let cluster = format!("{group}/providers/{MANAGED_CLUSTER_TYPE}/aks-1");
        for (text, shown) in [
            (SUB.to_uppercase(), format!("/subscriptions/{SUB}")),
            (format!("/Subscriptions/{SUB}/"), format!("/subscriptions/{SUB}")),
            (group.clone(), group.clone()),
            (cluster.clone(), cluster.clone()),
        ] {
            let scope = LogScope::parse(&text).unwrap();
            assert_eq!(scope.to_string(), shown);
            assert!(scope.contains(&ClusterId::parse(&cluster.to_uppercase()).unwrap()), "{text}");
        }
        let other = LogScope::parse(&group.replace("rg-Prod", "rg-Prod2")).unwrap();
        assert!(!other.contains(&ClusterId::parse(&cluster).unwrap()));
    }

    #[test]
    fn what_could_break_a_filter_is_no_scope() {
        for text in ["", "x", "/subscriptions/x", "/subscriptions", "/"] {
            assert!(LogScope::parse(text).is_err(), "{text}");
        }
        for group in ["a' or 1 eq 1", "..", "a/b/c", "", "a b"] {
            assert!(
                LogScope::parse(&format!("/subscriptions/{SUB}/resourceGroups/{group}")).is_err(),
                "{group}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic_and_what_it_reads_it_reads_again(text in "\\PC{0,80}") {
            for text in [text.clone(), format!("/subscriptions/{SUB}/resourceGroups/{text}")] {
                if let Ok(scope) = LogScope::parse(&text) {
                    prop_assert_eq!(LogScope::parse(&scope.to_string()), Ok(scope));
                }
            }
        }
    }
}
