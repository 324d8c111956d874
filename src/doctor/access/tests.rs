use serde_json::json;

use super::*;

const OWN: &str = "11111111-2222-4333-8444-555555555555";
const OTHER: &str = "99999999-2222-4333-8444-555555555555";

fn subscription() -> SubscriptionId {
    SubscriptionId::parse("aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e").unwrap()
}

fn group(name: &str) -> String {
    format!("/subscriptions/{}/resourceGroups/{name}", subscription())
}

fn one_cluster() -> Vec<Listed> {
    let id = format!("{}/providers/Microsoft.ContainerService/managedClusters/aks-1", group("rg-prod"));
    listed(&[
        json!({ "id": id, "properties": { "nodeResourceGroup": "MC_rg" } }),
        json!({ "id": "nonsense" }),
    ])
}

fn asker(kind: CallerKind) -> Asker {
    Asker::of(Some(&Caller { kind, object_id: Some(OWN.to_owned()), ..Caller::unknown() }))
}

fn start_of(kind: ResourceKind, asks: CallerKind, rows: Vec<Value>) -> Finding {
    let rights = GroupRights { group: "rg-prod".to_owned(), kinds: vec![kind], read: Ok(rows) };
    may_start(&subscription(), &asker(asks), &[rights])
}

fn start(kind: CallerKind, rows: Vec<Value>) -> Standing {
    start_of(ResourceKind::ManagedCluster, kind, rows).standing
}

#[test]
fn the_right_to_start_is_what_one_permission_gives_and_does_not_take_back() {
    let row = |actions: &[&str], not: &[&str]| json!({ "actions": actions, "notActions": not });
    let guard = |rows| start(CallerKind::ManagedIdentity, rows);
    assert_eq!(guard(vec![row(&["*"], &[])]), Standing::Ok);
    assert_eq!(guard(vec![row(&["microsoft.containerservice/MANAGEDCLUSTERS/*"], &[])]), Standing::Ok);
    assert_eq!(guard(vec![row(&["*/read"], &[])]), Standing::Fault);
    assert_eq!(guard(vec![row(&["*"], &["*/start/action"])]), Standing::Fault);
    assert_eq!(
        guard(vec![
            row(&["*"], &["*/start/action"]),
            row(&[ResourceKind::ManagedCluster.start_action()], &[])
        ]),
        Standing::Ok
    );
    assert_eq!(guard(Vec::new()), Standing::Fault);
}

#[test]
fn that_a_person_may_not_start_says_nothing_about_the_guard() {
    let rows = || vec![json!({ "actions": ["*/read"] })];
    assert_eq!(start(CallerKind::User, rows()), Standing::Unknown);
    assert_eq!(start(CallerKind::Guest, rows()), Standing::Unknown);
    assert_eq!(start(CallerKind::ServicePrincipal, rows()), Standing::Fault);
}

#[test]
fn only_read_only_locks_above_a_cluster_on_it_or_on_its_nodes_are_in_the_way() {
    let standing = |scope: &str, level: &str| {
        let id = format!("{scope}/providers/Microsoft.Authorization/locks/l");
        let rows = Ok(vec![json!({ "id": id, "properties": { "level": level } })]);
        locks(&subscription(), &one_cluster(), &rows).standing
    };
    let all = format!("/subscriptions/{}", subscription());
    let cluster = format!("{}/providers/microsoft.containerservice/managedclusters/AKS-1", group("RG-prod"));
    for scope in [&all, &group("rg-prod"), &group("RG-PROD"), &group("mc_RG"), &cluster] {
        assert_eq!(standing(scope, "ReadOnly"), Standing::Fault, "{scope}");
        assert_eq!(standing(scope, "CanNotDelete"), Standing::Ok, "{scope}");
    }
    let sibling = format!("{}/providers/Microsoft.ContainerService/managedClusters/aks-2", group("rg-prod"));
    for scope in [&group("rg-prod-2"), &group("others"), &sibling] {
        assert_eq!(standing(scope, "ReadOnly"), Standing::Ok, "{scope}");
    }
}

#[test]
fn a_deny_assignment_counts_as_far_as_it_is_about_whoever_asks() {
    let standing = |kind, denied: Value, excluded: Value| {
        let properties = json!({ "denyAssignmentName": "d", "scope": group("rg-prod"), "principals": denied,
            "excludePrincipals": excluded, "permissions": [{ "actions": ["*"], "notActions": ["*/read"] }] });
        let rows = Ok(vec![json!({ "id": "/d", "properties": properties })]);
        denials(&subscription(), &one_cluster(), &asker(kind), &rows).standing
    };
    let everyone = || json!([{ "id": EVERYONE, "type": "SystemDefined" }]);
    let one = |id: &str, kind: &str| json!([{ "id": id, "type": kind }]);
    let guard = CallerKind::ManagedIdentity;
    assert_eq!(standing(guard, everyone(), json!([])), Standing::Fault);
    assert_eq!(standing(guard, everyone(), one(OWN, "ServicePrincipal")), Standing::Ok);
    assert_eq!(standing(guard, everyone(), one(OTHER, "ServicePrincipal")), Standing::Fault);
    assert_eq!(standing(guard, everyone(), one(OTHER, "Group")), Standing::Warning);
    assert_eq!(standing(guard, one(OTHER, "User"), json!([])), Standing::Ok);
    assert_eq!(standing(guard, one(OTHER, "Group"), json!([])), Standing::Warning);
    assert_eq!(standing(guard, one(OWN, "ServicePrincipal"), json!(null)), Standing::Fault);
    assert_eq!(standing(CallerKind::User, everyone(), json!([])), Standing::Warning);
}

#[test]
fn what_is_denied_elsewhere_or_for_one_scope_only_is_not_in_the_way() {
    let standing = |scope: &str, own_scope_only: bool| {
        let properties = json!({ "scope": scope, "doNotApplyToChildScopes": own_scope_only,
            "principals": [{ "id": EVERYONE }], "permissions": [{ "actions": ["*"] }] });
        let rows = Ok(vec![json!({ "id": "/d", "properties": properties })]);
        denials(&subscription(), &one_cluster(), &asker(CallerKind::ManagedIdentity), &rows).standing
    };
    let all = format!("/subscriptions/{}", subscription());
    assert_eq!(standing(&all, false), Standing::Fault);
    assert_eq!(standing(&all, true), Standing::Ok);
    // AKS denies writes to the resource group of the nodes by itself (node resource group lockdown): starts go through the cluster.
    assert_eq!(standing(&group("MC_rg"), false), Standing::Ok);
}

#[test]
fn each_kind_has_a_right_of_its_own_and_is_asked_for_where_it_is() {
    let cluster = format!("{}/providers/Microsoft.ContainerService/managedClusters/a", group("rg-1"));
    let container = format!("{}/providers/Microsoft.ContainerInstance/containerGroups/b", group("RG-1"));
    let alone = format!("{}/providers/Microsoft.ContainerInstance/containerGroups/c", group("rg-2"));
    let both = listed(&[cluster, container, alone].map(|id| json!({ "id": id })));
    let [aks, aci] = ResourceKind::ALL;
    assert_eq!(
        groups(&both),
        BTreeMap::from([("rg-1".to_owned(), vec![aks, aci]), ("rg-2".to_owned(), vec![aci])])
    );
    let found = start_of(
        aci,
        CallerKind::ManagedIdentity,
        vec![json!({ "actions": ["Microsoft.ContainerService/*"] })],
    );
    assert_eq!(found.standing, Standing::Fault);
    assert!(found.seen.contains("`Microsoft.ContainerInstance/containerGroups/start/action` is missing"));
    let seen = |groups| arm_read(&subscription(), &[(aks, Ok(vec![json!({})])), (aci, groups)]).seen;
    assert_eq!(seen(Ok(vec![json!({}), json!({})])), "1 cluster and 2 container groups read");
    assert_eq!(seen(Ok(Vec::new())), "1 cluster read");
    assert_eq!(
        seen(Err(Unread::Denied)),
        "the right `Microsoft.ContainerInstance/containerGroups/read` is missing"
    );
}
