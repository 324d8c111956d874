use proptest::prelude::*;
use serde_json::json;

use super::*;

const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

fn subscription() -> SubscriptionId {
    SubscriptionId::parse(SUBSCRIPTION).unwrap()
}

fn cluster() -> ClusterId {
    ClusterId::parse(&format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks"
    ))
    .unwrap()
}

fn role(name: &str, actions: &[&str], not_actions: &[&str]) -> Option<StopRole> {
    let row = json!({ "name": format!("{name}-GUID"), "properties": {
        "roleName": name, "permissions": [{ "actions": actions, "notActions": not_actions, "dataActions": [] }] } });
    StopRole::read(&row.to_string())
}

fn assignment(role: &str, principal: &str, scope: &str) -> Assignment {
    let row = json!({ "id": format!("/x/roleAssignments/{principal}"), "properties": {
        "roleDefinitionId": format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}-guid"),
        "principalId": principal, "principalType": "Group", "scope": scope } });
    Assignment::read(&row).unwrap()
}

#[test]
fn roles_stop_clusters_by_wildcard_too_and_what_they_leave_out_is_left_out() {
    assert!(role("Owner", &["*"], &[]).is_some());
    assert!(role("AKS Contributor", &["Microsoft.ContainerService/managedClusters/*"], &[]).is_some());
    assert!(role("Stopper", &["microsoft.containerservice/MANAGEDCLUSTERS/stop/action"], &[]).is_some());
    assert!(role("Doer", &["*/action"], &[]).is_some());
    assert!(role("Reader", &["*/read"], &[]).is_none());
    assert!(role("Starter", &["Microsoft.ContainerService/managedClusters/start/action"], &[]).is_none());
    let stop = ["Microsoft.ContainerService/managedClusters/stop/action"];
    assert!(role("All but stop", &["*"], &stop).is_none());
    assert!(role("None", &[], &[]).is_none());
}

#[test]
fn one_permission_does_not_take_from_another() {
    let row = json!({ "name": "x", "properties": { "roleName": "two", "permissions": [
        { "actions": ["*"], "notActions": ["*/stop/action"] }, { "actions": ["*/stop/action"], "notActions": null } ] } });
    assert!(StopRole::read(&row.to_string()).is_some());
    assert!(StopRole::read(r#"{"name":"x","properties":{"permissions":null}}"#).is_none());
}

#[test]
fn wide_assignments_come_first_and_narrow_ones_are_the_clusters() {
    let roles: Vec<StopRole> =
        [role("Owner", &["*"], &[]), role("Ops", &["*/action"], &[])].into_iter().flatten().collect();
    let own = format!("/subscriptions/{SUBSCRIPTION}");
    let given = [
        assignment("owner", "p-cluster", &cluster().to_string().to_uppercase()),
        assignment("owner", "p-group", &format!("{own}/resourcegroups/RG")),
        assignment("ops", "p-subscription", &own),
        assignment("owner", "p-management", "/providers/Microsoft.Management/managementGroups/top"),
        assignment("owner", "p-root", "/"),
        assignment("reader", "p-reader", &own),
        assignment("owner", "p-other", "/subscriptions/bbbb0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e"),
        assignment("owner", "p-other-group", &format!("{own}/resourceGroups/rg2")),
    ];
    let wide = of_subscription(&subscription(), &roles, &given).unwrap();
    insta::assert_snapshot!(wide.seen, @"3 accounts can stop every cluster here; the widest is Group `p-root` as Owner at the tenant's root");
    insta::assert_snapshot!(wide.details.join("\n"), @"
    Group `p-root` as Owner at the tenant's root (`/`)
    Group `p-management` as Owner on a management group (`/providers/Microsoft.Management/managementGroups/top`)
    Group `p-subscription` as Ops on the subscription (`/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e`)
    ");
    insta::assert_snapshot!(wide.commands[0], @"az role assignment delete --ids /x/roleAssignments/p-root");
    let narrow = of_cluster(&cluster(), &roles, &given).unwrap();
    insta::assert_snapshot!(narrow.seen, @"2 accounts can stop this cluster; the widest is Group `p-group` as Owner on the resource group");
    assert_eq!(of_subscription(&subscription(), &roles, &[]), None);
}

proptest! {
    #[test]
    fn a_pattern_fits_what_it_was_made_from(action in "[a-z/.]{0,30}", cuts in proptest::collection::vec(0usize..30, 0..4)) {
        let mut pattern = action.clone();
        for cut in cuts {
            let cut = cut.min(pattern.len());
            pattern = format!("{}*{}", &pattern[..cut], &pattern[(cut + 1).min(pattern.len())..]);
        }
        prop_assert!(fits(&pattern, &action), "{pattern} {action}");
    }

    #[test]
    fn a_pattern_without_a_star_fits_itself_only(pattern in "[a-z/]{0,9}", action in "[a-z/]{0,9}") {
        prop_assert_eq!(fits(&pattern, &action), pattern == action);
    }

    #[test]
    fn no_row_makes_the_reader_panic(row in "\\PC{0,100}") {
        let _ = StopRole::read(&row);
    }
}
