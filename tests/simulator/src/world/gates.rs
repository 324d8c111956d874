//! What lets a guard hear and act in a subscription, or keeps it from that: locks, deny assignments, and Event Grid.
//!
//! Bodies are as in the REST specifications' examples (`ManagementLocks_ListAtSubscriptionLevel`, `GetDenyAssignmentByNameId`,
//! `SystemTopics_ListBySubscription`, `SystemTopicEventSubscriptions_ListBySystemTopic`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Everybody, as deny assignments name them.
const EVERYONE: &str = "00000000-0000-0000-0000-000000000000";

/// Locks, deny assignments, system topics and their event subscriptions. Scopes are kept in lower case.
#[derive(Debug, Clone, Default)]
pub struct Gates {
    locks: Vec<(String, Value)>,
    denials: Vec<(String, Value)>,
    topics: Vec<(String, Value)>,
    event_subscriptions: BTreeMap<String, Vec<Value>>,
    /// Subscriptions that are closed to everybody.
    closed: BTreeSet<String>,
}

impl Gates {
    /// Puts a lock on a subscription, a resource group or a resource: `ReadOnly` or `CanNotDelete`.
    pub fn lock(&mut self, scope: &str, name: &str, level: &str) {
        let id = format!("{scope}/providers/Microsoft.Authorization/locks/{name}");
        let body = json!({ "id": id, "name": name, "type": "Microsoft.Authorization/locks", "properties": { "level": level } });
        self.locks.push((scope.to_ascii_lowercase(), body));
    }

    /// Denies actions at a scope to everybody but these principals.
    pub fn deny(&mut self, scope: &str, name: &str, actions: &[&str], but: &[&str]) {
        let principal = |id: &&str| json!({ "id": id, "type": "ServicePrincipal" });
        let body = json!({
            "id": format!("{scope}/providers/Microsoft.Authorization/denyAssignments/{name}"),
            "name": name,
            "type": "Microsoft.Authorization/denyAssignments",
            "properties": {
                "denyAssignmentName": name, "scope": scope, "doNotApplyToChildScopes": false, "isSystemProtected": true,
                "permissions": [{ "actions": actions, "notActions": [], "dataActions": [], "notDataActions": [] }],
                "principals": [{ "id": EVERYONE, "type": "SystemDefined" }],
                "excludePrincipals": but.iter().map(principal).collect::<Vec<_>>(),
            },
        });
        self.denials.push((scope.to_ascii_lowercase(), body));
    }

    /// Makes the system topic of a subscription, and gives its id.
    pub fn add_topic(&mut self, subscription: &str, group: &str, name: &str) -> String {
        let id = format!(
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.EventGrid/systemTopics/{name}"
        );
        let body = json!({
            "id": id, "name": name, "type": "Microsoft.EventGrid/systemTopics", "location": "global",
            "properties": {
                "source": format!("/subscriptions/{subscription}"),
                "topicType": "microsoft.resources.subscriptions", "provisioningState": "Succeeded",
            },
        });
        self.topics.push((id.to_ascii_lowercase(), body));
        id
    }

    /// Makes an event subscription of a topic, with these properties.
    pub fn subscribe(&mut self, topic: &str, name: &str, properties: Value) {
        let body = json!({
            "id": format!("{topic}/eventSubscriptions/{name}"), "name": name,
            "type": "Microsoft.EventGrid/systemTopics/eventSubscriptions", "properties": properties,
        });
        self.event_subscriptions.entry(topic.to_ascii_lowercase()).or_default().push(body);
    }

    /// Deletes the event subscriptions of a topic.
    pub fn unsubscribe(&mut self, topic: &str) {
        self.event_subscriptions.remove(&topic.to_ascii_lowercase());
    }

    /// From now on nobody may do anything in a subscription.
    pub fn close(&mut self, subscription: &str) {
        self.closed.insert(subscription.to_ascii_lowercase());
    }

    pub(super) fn is_closed(&self, subscription: Option<&str>) -> bool {
        subscription.is_some_and(|id| self.closed.contains(&id.to_ascii_lowercase()))
    }

    /// The locks of a subscription and of all in it.
    pub(super) fn locks(&self, subscription: &str) -> Value {
        list(of(&self.locks, subscription))
    }

    /// The deny assignments of a subscription and of all in it.
    pub(super) fn denials(&self, subscription: &str) -> Value {
        list(of(&self.denials, subscription))
    }

    pub(super) fn topics(&self, subscription: &str) -> Value {
        list(of(&self.topics, subscription))
    }

    /// The event subscriptions of a topic; none if there is no such topic.
    pub(super) fn event_subscriptions(&self, topic: &str) -> Option<Value> {
        let topic = topic.to_ascii_lowercase();
        self.topics.iter().find(|(id, _)| *id == topic)?;
        Some(list(self.event_subscriptions.get(&topic).into_iter().flatten().collect()))
    }
}

fn of<'a>(all: &'a [(String, Value)], subscription: &str) -> Vec<&'a Value> {
    let own = format!("/subscriptions/{}", subscription.to_ascii_lowercase());
    let is_in = |scope: &str| scope == own || scope.starts_with(&format!("{own}/"));
    all.iter().filter(|(scope, _)| is_in(scope)).map(|(_, body)| body).collect()
}

fn list(rows: Vec<&Value>) -> Value {
    json!({ "value": rows })
}
