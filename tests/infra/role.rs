//! The guard's rights: what the code uses, and nothing else. That it uses all of them and no other is shown by
//! `tests/scenarios/least_privilege.rs`.

use std::collections::BTreeSet;

use aks_stop_guard::azure::{ACTIONS, GROUP_ACTION, POSTURE_ACTIONS};
use serde_json::{Value, json};

use crate::snapshot::{Shape, guards, root, shape, shapes, text};

#[test]
fn the_role_allows_what_the_code_uses() {
    let mut seen = 0;
    for shape in shapes() {
        for role in guard_roles(&shape) {
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
    assert!(seen >= 5, "{seen} roles");
}

/// Who is in a guarded management group is seen with one more action, in a role of its own, given where the first one is.
#[test]
fn a_management_group_shows_its_subscriptions_to_the_guard() {
    let shape = shape("management-group");
    let roles = shape.of("Microsoft.Authorization/roleDefinitions").into_iter();
    let seeing: Vec<_> = roles
        .filter(|role| text(&role["properties"]["roleName"]).starts_with("AKS Stop Guard groups ("))
        .collect();
    assert_eq!(seeing.len(), 1);
    let permissions = &seeing[0]["properties"]["permissions"];
    assert_eq!(permissions[0]["actions"], json!([GROUP_ACTION]));
    let assignments = shape.of("Microsoft.Authorization/roleAssignments").into_iter();
    let of_guard = assignments
        .filter(|assignment| {
            let description = assignment["properties"]["description"].as_str();
            description.is_some_and(|description| description.starts_with("The AKS stop guard"))
        })
        .map(|assignment| {
            text(&assignment["id"]).split("/providers/Microsoft.Authorization").next().unwrap()
        });
    let scopes: Vec<_> = of_guard.collect();
    // What it reads and starts, how exposed that is, and who is in the group.
    assert_eq!((scopes.len(), scopes.iter().collect::<BTreeSet<_>>().len()), (3, 1), "{scopes:?}");
}

/// A definition has one list of scopes, a management group at most in it, and Azure refuses to take a scope out of it where the role is
/// given: the guard's other templates, and those of other groups, must not write the same one.
#[test]
fn a_management_group_has_roles_of_its_own() {
    let of = |shape: &Shape, member: &str| -> BTreeSet<String> {
        let roles = shape.of("Microsoft.Authorization/roleDefinitions").into_iter();
        roles.map(|role| role.pointer(member).unwrap().to_string()).collect()
    };
    let (guard, group) = (shape("several"), shape("management-group"));
    for member in ["/name", "/properties/roleName"] {
        let (of_guard, of_group) = (of(&guard, member), of(&group, member));
        assert!(of_guard.is_disjoint(&of_group), "{of_guard:?} {of_group:?}");
        assert!(of_group.len() >= 4, "{of_group:?}");
    }
    let names = of(&group, "/properties/roleName");
    let above: Vec<_> = names.iter().filter(|name| !name.contains("deployments in")).collect();
    assert!(above.iter().all(|name| name.contains("several, mg-platform")), "{names:?}");
}

/// What incidents say of how exposed a cluster is needs a role of its own, given only where that is on.
#[test]
fn a_role_that_only_reads_is_made_and_given_where_incidents_say_how_exposed_a_cluster_is() {
    for shape in shapes() {
        let is_posture =
            |value: &Value, starts: &str| value.as_str().is_some_and(|told| told.starts_with(starts));
        let roles: Vec<_> = shape
            .of("Microsoft.Authorization/roleDefinitions")
            .into_iter()
            .filter(|role| is_posture(&role["properties"]["roleName"], "AKS Stop Guard posture ("))
            .collect();
        let given = shape
            .of("Microsoft.Authorization/roleAssignments")
            .into_iter()
            .filter(|given| {
                given["properties"]["description"]
                    .as_str()
                    .is_some_and(|told| told.ends_with("how exposed clusters are"))
            })
            .count();
        let expected = match shape.name.as_str() {
            "several" => (1, 2),
            "management-group" => (1, 1),
            _ => (0, 0),
        };
        assert_eq!((roles.len(), given), expected, "{}: one for each scope that is set up", shape.name);
        if expected == (0, 0) {
            continue;
        }
        let permissions = &roles[0]["properties"]["permissions"];
        let actions: BTreeSet<_> = permissions[0]["actions"].as_array().unwrap().iter().map(text).collect();
        assert_eq!(actions, BTreeSet::from(POSTURE_ACTIONS));
        assert!(actions.iter().all(|action| action.ends_with("/read")));
        if !shape.of("Microsoft.Web/sites").is_empty() {
            assert_eq!(shape.app_setting("STOP_GUARD_POSTURE"), "on");
        }
    }
}

/// The roles of guards; the identity of an Azure Policy has another one.
fn guard_roles(shape: &Shape) -> Vec<&Value> {
    let roles = shape.of("Microsoft.Authorization/roleDefinitions").into_iter();
    roles.filter(|role| text(&role["properties"]["roleName"]).starts_with("AKS Stop Guard (")).collect()
}

/// Role names are unique in a tenant: two environments must not share one, and none may be another's by its id.
#[test]
fn each_environment_has_a_role_of_its_own() {
    let guards = guards();
    let of = |member: &str| -> BTreeSet<String> {
        let roles = guards.iter().flat_map(guard_roles);
        roles.map(|role| role.pointer(member).unwrap().to_string()).collect()
    };
    assert_eq!(of("/name").len(), guards.len());
    assert_eq!(of("/properties/roleName").len(), guards.len());
}

/// Whoever may not make roles in a subscription of others can't name it in the scopes of one.
#[test]
fn the_role_names_subscriptions_of_others_unless_they_make_their_own() {
    let other = "00000000-0000-0000-0000-000000000003";
    for (name, is_named) in [("several", true), ("private-network", false)] {
        let shape = shape(name);
        let [role] = guard_roles(&shape)[..] else { panic!("{name}") };
        let scopes = role["properties"]["assignableScopes"].as_array().unwrap();
        assert_eq!(scopes.iter().any(|scope| text(scope).ends_with(other)), is_named, "{name}: {scopes:?}");
        let guarded = shape.app_setting("STOP_GUARD_SUBSCRIPTIONS");
        assert!(guarded.contains(other), "{name}: {guarded}");
    }
}

#[test]
fn each_guarded_subscription_gives_the_role_once() {
    for shape in guards() {
        let [role] = guard_roles(&shape)[..] else { panic!("{}", shape.name) };
        let role = text(&role["name"]).to_owned();
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

/// Each topic that the policy makes may write where events go, and whoever makes them may give exactly these two rights.
#[test]
fn a_policy_of_a_management_group_gives_no_role_beyond_the_two_of_event_grid() {
    let group = shape("management-group");
    let roles = group.of("Microsoft.Authorization/roleAssignments");
    let conditions: Vec<_> =
        roles.iter().filter_map(|role| role["properties"]["condition"].as_str()).collect();
    assert_eq!(conditions.len(), 1);
    for role in ["ba92f5b4-2d11-453d-a403-e96b0029c9fe", "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"] {
        assert_eq!(conditions[0].matches(role).count(), 2);
    }
    let policy = &group.only("Microsoft.Authorization/policyDefinitions")["properties"]["policyRule"]["then"];
    assert_eq!(policy["effect"], "deployIfNotExists");
    assert_eq!(policy["details"]["deployment"]["properties"]["parameters"]["assignRole"]["value"], false);
    let given = policy["details"]["deployment"]["properties"]["parameters"].as_object().unwrap();
    let template = std::fs::read(root().join("infra/management-group/guarded-subscription.json")).unwrap();
    let template: Value = serde_json::from_slice(&template).unwrap();
    let taken = template["parameters"].as_object().unwrap();
    assert!(given.keys().all(|name| taken.contains_key(name)), "{given:?}");
    let needed = taken.iter().filter(|(_, parameter)| parameter["defaultValue"].is_null());
    assert!(needed.into_iter().all(|(name, _)| given.contains_key(name)), "{given:?}");
}
