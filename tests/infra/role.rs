//! The guard's rights: what the code uses, and nothing else. That it uses all of them and no other is shown by
//! `tests/scenarios/least_privilege.rs`.

use std::collections::BTreeSet;

use aks_stop_guard::azure::ACTIONS;
use serde_json::json;

use crate::snapshot::{guards, root, shapes, text};

#[test]
fn the_role_allows_what_the_code_uses() {
    let mut seen = 0;
    for shape in shapes() {
        for role in shape.of("Microsoft.Authorization/roleDefinitions") {
            let permissions = role["properties"]["permissions"].as_array().unwrap();
            assert_eq!(permissions.len(), 1);
            let actions: BTreeSet<_> =
                permissions[0]["actions"].as_array().unwrap().iter().map(text).collect();
            assert_eq!(actions, BTreeSet::from(ACTIONS), "{}", shape.name);
            for none in ["notActions", "dataActions", "notDataActions"] {
                assert_eq!(permissions[0][none], json!([]));
            }
            seen += 1;
        }
    }
    assert!(seen >= 4, "{seen} roles");
}

/// Role names are unique in a tenant: two environments must not share one, and none may be another's by its id.
#[test]
fn each_environment_has_a_role_of_its_own() {
    let guards = guards();
    let of = |member: &str| -> BTreeSet<String> {
        let roles = guards.iter().map(|shape| shape.only("Microsoft.Authorization/roleDefinitions"));
        roles.map(|role| role.pointer(member).unwrap().to_string()).collect()
    };
    assert_eq!(of("/name").len(), guards.len());
    assert_eq!(of("/properties/roleName").len(), guards.len());
}

#[test]
fn each_guarded_subscription_gives_the_role_once() {
    for shape in guards() {
        let role = text(&shape.only("Microsoft.Authorization/roleDefinitions")["name"]).to_owned();
        let given: Vec<_> = shape
            .of("Microsoft.Authorization/roleAssignments")
            .into_iter()
            .filter(|assignment| text(&assignment["properties"]["roleDefinitionId"]).ends_with(&role))
            .map(|assignment| text(&assignment["id"]).split("/providers/").next().unwrap().to_owned())
            .collect();
        let unique: BTreeSet<_> = given.iter().collect();
        assert!(!given.is_empty() && unique.len() == given.len(), "{}: {given:?}", shape.name);
        assert!(given.iter().all(|scope| scope.matches('/').count() == 2), "whole subscriptions: {given:?}");
    }
}

/// Whoever can write the package is the guard, and whoever can write the records decides: neither is given to Event Grid.
#[test]
fn event_grid_may_write_where_it_delivers_and_nowhere_else() {
    let mut seen = 0;
    for shape in guards() {
        for assignment in shape.of("Microsoft.Authorization/roleAssignments") {
            let who = text(&assignment["properties"]["principalId"]);
            if who.contains("Microsoft.EventGrid/systemTopics") {
                let scope = text(&assignment["id"]);
                assert!(scope.contains("/storageAccounts/stsgevents"), "{}: {scope}", shape.name);
                seen += 1;
            }
        }
    }
    assert!(seen >= 6, "{seen} rights of topics");
}

#[test]
fn the_documents_name_the_same_rights() {
    let text = std::fs::read_to_string(root().join("docs/DEPLOY.md")).unwrap();
    for action in ACTIONS {
        assert!(text.contains(action), "docs/DEPLOY.md does not name {action}");
    }
}
