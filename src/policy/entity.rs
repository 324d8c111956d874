//! Domain facts as Cedar entities and values. Everything goes through Cedar's typed builders, so nothing in a claim or a
//! tag can become syntax.

use std::collections::HashSet;
use std::str::FromStr;

use cedar_policy::{Context, Entity, EntityId, EntityTypeName, EntityUid, ParseErrors, RestrictedExpression};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::scope::ResourceGroupId;
use crate::domain::{Caller, CallerKind, Cluster, ClusterId, Scope, SubscriptionId};

/// The id of `Caller` when nobody could be named.
pub(super) const UNKNOWN_CALLER: &str = "unknown";

/// A question in Cedar's terms, not yet checked against the schema.
pub(super) struct Facts {
    pub(super) principal: EntityUid,
    pub(super) action: EntityUid,
    pub(super) resource: EntityUid,
    pub(super) context: Context,
    pub(super) entities: Vec<Entity>,
}

/// Why facts make no question: whichever of Cedar's errors it is, people read it and nothing else is done with it.
pub(super) struct Unaskable(pub(super) Box<dyn std::error::Error>);

impl<E: std::error::Error + 'static> From<E> for Unaskable {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

/// The names of the schema, parsed once.
#[derive(Debug)]
pub(super) struct Vocabulary {
    caller: EntityTypeName,
    caller_kind: EntityTypeName,
    group: EntityTypeName,
    subscription: EntityTypeName,
    resource_group: EntityTypeName,
    managed_cluster: EntityTypeName,
    pub(super) guard: EntityUid,
    pub(super) stop: EntityUid,
    pub(super) restart: EntityUid,
    pub(super) grant: EntityUid,
    pub(super) grant_own: EntityUid,
    pub(super) hold: EntityUid,
}

impl Vocabulary {
    pub(super) fn new() -> Result<Self, Box<ParseErrors>> {
        Ok(Self {
            caller: EntityTypeName::from_str("Caller")?,
            caller_kind: EntityTypeName::from_str("CallerKind")?,
            group: EntityTypeName::from_str("Group")?,
            subscription: EntityTypeName::from_str("Subscription")?,
            resource_group: EntityTypeName::from_str("ResourceGroup")?,
            managed_cluster: EntityTypeName::from_str("ManagedCluster")?,
            guard: EntityUid::from_str(r#"Guard::"self""#)?,
            stop: EntityUid::from_str(r#"Action::"stop""#)?,
            restart: EntityUid::from_str(r#"Action::"restart""#)?,
            grant: EntityUid::from_str(r#"Action::"grant""#)?,
            grant_own: EntityUid::from_str(r#"Action::"grantOwn""#)?,
            hold: EntityUid::from_str(r#"Action::"hold""#)?,
        })
    }

    pub(super) fn caller(&self, caller: &Caller) -> EntityUid {
        uid(&self.caller, &caller.identity().unwrap_or(UNKNOWN_CALLER).to_lowercase())
    }

    pub(super) fn kind(&self, kind: CallerKind) -> EntityUid {
        uid(&self.caller_kind, kind.as_str())
    }

    pub(super) fn cluster(&self, id: &ClusterId) -> EntityUid {
        uid(&self.managed_cluster, id.lower())
    }

    pub(super) fn subscription(&self, id: &SubscriptionId) -> EntityUid {
        uid(&self.subscription, &format!("/subscriptions/{id}"))
    }

    pub(super) fn group(&self, id: &ResourceGroupId) -> EntityUid {
        let name = id.name().to_lowercase();
        uid(&self.resource_group, &format!("/subscriptions/{}/resourcegroups/{name}", id.subscription()))
    }

    /// A scope as the resource of a question, with what links it to what it lies in.
    pub(super) fn scope(&self, scope: &Scope) -> Result<(EntityUid, Vec<Entity>), Unaskable> {
        Ok(match scope {
            Scope::Everywhere => (self.guard.clone(), Vec::new()),
            Scope::Subscription(id) => (self.subscription(id), Vec::new()),
            Scope::ResourceGroup(id) => {
                let (group, parent) = (self.group(id), self.subscription(id.subscription()));
                (group.clone(), vec![Entity::new_no_attrs(group, HashSet::from([parent]))])
            }
            Scope::Cluster(id) => (self.cluster(id), self.cluster_entities(id, None)?),
        })
    }

    pub(super) fn caller_entity(&self, caller: &Caller) -> Result<Entity, Unaskable> {
        let mut attributes =
            vec![("kind".to_owned(), RestrictedExpression::new_entity_uid(self.kind(caller.kind)))];
        let texts = [
            ("objectId", lower(caller.object_id.as_deref())),
            ("appId", lower(caller.app_id.as_deref())),
            ("upn", caller.upn.clone()),
            ("name", caller.name.clone()),
            ("tenant", lower(caller.tenant.as_deref())),
            ("identityResource", lower(caller.identity_resource.as_deref())),
        ];
        attributes.extend(present(texts));
        if let Some(mfa) = caller.mfa {
            attributes.push(("mfa".to_owned(), RestrictedExpression::new_bool(mfa)));
        }
        let groups: HashSet<EntityUid> =
            caller.groups.iter().map(|group| uid(&self.group, &group.to_lowercase())).collect();
        Ok(Entity::new(self.caller(caller), attributes.into_iter().collect(), groups)?)
    }

    /// The cluster and the resource group it is in, which links it to its subscription.
    pub(super) fn cluster_entities(
        &self,
        id: &ClusterId,
        facts: Option<&Cluster>,
    ) -> Result<Vec<Entity>, Unaskable> {
        let group_name = id.resource_group().to_lowercase();
        let group = self.group(&ResourceGroupId::of(id));
        let subscription = self.subscription(id.subscription());

        let mut attributes = vec![
            ("name".to_owned(), string(&id.name().to_lowercase())),
            ("resourceGroup".to_owned(), string(&group_name)),
            ("subscription".to_owned(), string(id.subscription().as_str())),
        ];
        if let Some(facts) = facts {
            attributes.extend(present([
                ("location", lower(facts.location.as_deref())),
                ("skuTier", facts.sku_tier.clone()),
                ("kubernetesVersion", facts.kubernetes_version.clone()),
            ]));
            if let Some(private) = facts.private {
                attributes.push(("private".to_owned(), RestrictedExpression::new_bool(private)));
            }
        }
        let tags = facts.map(tags).unwrap_or_default();
        Ok(vec![
            Entity::new_no_attrs(group.clone(), HashSet::from([subscription])),
            Entity::new_with_tags(self.cluster(id), attributes, [group], tags)?,
        ])
    }
}

/// Azure's tag names are case-insensitive but keep their casing, so a tag is found under both spellings: as written and
/// in lower case. (Source: Azure Resource Manager, "Use tags to organize your Azure resources": "Tag names are
/// case-insensitive for operations.") As written wins where the two collide.
fn tags(cluster: &Cluster) -> Vec<(String, RestrictedExpression)> {
    let mut tags: std::collections::BTreeMap<String, &str> = std::collections::BTreeMap::new();
    for (name, value) in &cluster.tags {
        tags.insert(name.to_lowercase(), value);
    }
    for (name, value) in &cluster.tags {
        tags.insert(name.clone(), value);
    }
    tags.into_iter().map(|(name, value)| (name, string(value))).collect()
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn lower(text: Option<&str>) -> Option<String> {
    text.map(str::to_lowercase)
}

fn present<const N: usize>(texts: [(&str, Option<String>); N]) -> Vec<(String, RestrictedExpression)> {
    texts
        .into_iter()
        .filter_map(|(name, text)| Some((name.to_owned(), RestrictedExpression::new_string(text?))))
        .collect()
}

pub(super) fn string(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

/// Cedar's datetime has milliseconds (source: Cedar policy language reference, "datetime").
pub(super) fn datetime(at: Timestamp) -> RestrictedExpression {
    RestrictedExpression::new_datetime(format!("{at:.3}"))
}

/// A moment as the calendar and the clock of a zone show it.
pub(super) fn moment(at: Timestamp, zone: &TimeZone) -> Result<RestrictedExpression, Unaskable> {
    let at = at.to_zoned(zone.clone());
    let (hour, minute) = (i64::from(at.hour()), i64::from(at.minute()));
    let fields = [
        ("year", i64::from(at.year())),
        ("month", i64::from(at.month())),
        ("day", i64::from(at.day())),
        ("weekday", i64::from(at.weekday().to_monday_one_offset())),
        ("hour", hour),
        ("minute", minute),
        ("minuteOfDay", hour * 60 + minute),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), RestrictedExpression::new_long(value)));
    Ok(RestrictedExpression::new_record(fields)?)
}
