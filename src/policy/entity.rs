//! Domain facts as Cedar entities and values. Everything goes through Cedar's typed builders, so nothing in a claim or a
//! tag can become syntax.

use std::collections::HashSet;
use std::str::FromStr;

use cedar_policy::{Context, Entity, EntityId, EntityTypeName, EntityUid, ParseErrors, RestrictedExpression};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::hierarchy::{self, Hierarchy};
use crate::domain::scope::ResourceGroupId;
use crate::domain::{Caller, CallerKind, Cluster, ClusterId, ResourceKind, Role, Scope, SubscriptionId};

/// The id of `Caller` when nobody could be named.
pub(super) const UNKNOWN_CALLER: &str = "unknown";

/// A question in Cedar's terms.
pub(super) struct Facts {
    pub(super) principal: EntityUid,
    pub(super) action: EntityUid,
    pub(super) resource: EntityUid,
    pub(super) context: Context,
}

/// Why facts make no question: whichever of Cedar's errors it is, people read it and nothing else is done with it.
pub(super) struct Unaskable(pub(super) Box<dyn std::error::Error>);

impl<E: std::error::Error + 'static> From<E> for Unaskable {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

/// The names of the schema, parsed once.
#[derive(Debug, Clone)]
pub(super) struct Vocabulary {
    caller: EntityTypeName,
    caller_kind: EntityTypeName,
    group: EntityTypeName,
    management_group: EntityTypeName,
    holder_kind: EntityTypeName,
    subscription: EntityTypeName,
    resource_group: EntityTypeName,
    managed_cluster: EntityTypeName,
    container_group: EntityTypeName,
    pub(super) guard: EntityUid,
    pub(super) stop: EntityUid,
    pub(super) restart: EntityUid,
    pub(super) grant: EntityUid,
    pub(super) grant_own: EntityUid,
    pub(super) hold: EntityUid,
}

impl Vocabulary {
    pub(super) fn new() -> Result<Self, Box<ParseErrors>> {
        let action = EntityTypeName::from_str("Action")?;
        Ok(Self {
            caller: EntityTypeName::from_str("Caller")?,
            caller_kind: EntityTypeName::from_str("CallerKind")?,
            group: EntityTypeName::from_str("Group")?,
            management_group: EntityTypeName::from_str("ManagementGroup")?,
            holder_kind: EntityTypeName::from_str("HolderKind")?,
            subscription: EntityTypeName::from_str("Subscription")?,
            resource_group: EntityTypeName::from_str("ResourceGroup")?,
            managed_cluster: EntityTypeName::from_str(ResourceKind::ManagedCluster.entity())?,
            container_group: EntityTypeName::from_str(ResourceKind::ContainerGroup.entity())?,
            guard: uid(&EntityTypeName::from_str("Guard")?, "self"),
            stop: uid(&action, "stop"),
            restart: uid(&action, "restart"),
            grant: uid(&action, "grant"),
            grant_own: uid(&action, "grantOwn"),
            hold: uid(&action, "hold"),
        })
    }

    pub(super) fn caller(&self, caller: &Caller) -> EntityUid {
        uid(&self.caller, &caller.identity().unwrap_or(UNKNOWN_CALLER).to_lowercase())
    }

    pub(super) fn kind(&self, kind: CallerKind) -> EntityUid {
        uid(&self.caller_kind, kind.as_str())
    }

    pub(super) fn cluster(&self, id: &ClusterId) -> EntityUid {
        let entity = match id.kind() {
            ResourceKind::ManagedCluster => &self.managed_cluster,
            ResourceKind::ContainerGroup => &self.container_group,
        };
        uid(entity, id.lower())
    }

    pub(super) fn subscription(&self, id: &SubscriptionId) -> EntityUid {
        uid(&self.subscription, &format!("/subscriptions/{id}"))
    }

    pub(super) fn group(&self, id: &ResourceGroupId) -> EntityUid {
        let name = id.name().to_lowercase();
        uid(&self.resource_group, &format!("/subscriptions/{}/resourcegroups/{name}", id.subscription()))
    }

    /// A scope as the resource of a question.
    pub(super) fn scope(&self, scope: &Scope) -> EntityUid {
        match scope {
            Scope::Everywhere => self.guard.clone(),
            Scope::Subscription(id) => self.subscription(id),
            Scope::ResourceGroup(id) => self.group(id),
            Scope::Cluster(id) => self.cluster(id),
        }
    }

    /// A scope with all that it is in, as far as that is known.
    pub(super) fn scope_entities(
        &self,
        scope: &Scope,
        hierarchy: &Hierarchy,
    ) -> Result<Vec<Entity>, Unaskable> {
        Ok(match scope {
            Scope::Everywhere => Vec::new(),
            Scope::Subscription(id) => self.above(id, hierarchy),
            Scope::ResourceGroup(id) => {
                let parent = HashSet::from([self.subscription(id.subscription())]);
                let mut entities = vec![Entity::new_no_attrs(self.group(id), parent)];
                entities.extend(self.above(id.subscription(), hierarchy));
                entities
            }
            Scope::Cluster(id) => self.cluster_entities(id, None, hierarchy)?,
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
        // Azure found the caller to be in the group through which it held its role.
        let through = caller.role.as_ref().and_then(Role::group);
        let groups: HashSet<EntityUid> = caller
            .groups
            .iter()
            .map(String::as_str)
            .chain(through)
            .map(|group| uid(&self.group, &group.to_lowercase()))
            .collect();
        Ok(Entity::new(self.caller(caller), attributes.into_iter().collect(), groups)?)
    }

    pub(super) fn role(&self, role: &Role) -> Result<RestrictedExpression, Unaskable> {
        let mut fields = present([
            ("name", role.name.clone()),
            ("definition", lower(role.definition.as_deref())),
            ("assignment", lower(role.assignment.as_deref())),
            ("scope", lower(role.scope.as_deref())),
            ("holder", lower(role.holder.as_deref())),
        ]);
        if let Some(kind) = role.holder_kind {
            let kind = uid(&self.holder_kind, kind.as_str());
            fields.push(("holderKind".to_owned(), RestrictedExpression::new_entity_uid(kind)));
        }
        Ok(RestrictedExpression::new_record(fields)?)
    }

    /// The cluster (or container group) with all that it is in, as far as that is known: the resource group, the subscription and the management
    /// groups.
    pub(super) fn cluster_entities(
        &self,
        id: &ClusterId,
        facts: Option<&Cluster>,
        hierarchy: &Hierarchy,
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
            // What a container group doesn't have is never read of one, and so stays absent.
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
        let mut entities = vec![
            Entity::new_no_attrs(group.clone(), HashSet::from([subscription.clone()])),
            Entity::new_with_tags(self.cluster(id), attributes, [group], tags)?,
        ];
        entities.extend(self.above(id.subscription(), hierarchy));
        Ok(entities)
    }

    /// A subscription and the management groups that it is in.
    fn above(&self, id: &SubscriptionId, hierarchy: &Hierarchy) -> Vec<Entity> {
        let mut child = self.subscription(id);
        let mut entities = Vec::new();
        for ancestor in hierarchy.ancestors(id) {
            let ancestor = uid(&self.management_group, &hierarchy::entity_id(ancestor));
            entities.push(Entity::new_no_attrs(child, HashSet::from([ancestor.clone()])));
            child = ancestor;
        }
        entities
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
