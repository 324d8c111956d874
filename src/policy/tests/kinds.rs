//! Container groups beside clusters.

use super::*;

fn group_id() -> ClusterId {
    let path = "resourceGroups/RG-Prod/providers/Microsoft.ContainerInstance/containerGroups/CG-1";
    ClusterId::parse(&format!("/subscriptions/{SUBSCRIPTION}/{path}")).unwrap()
}

fn stop_of_a_group() -> Stop {
    let facts =
        Cluster { id: group_id(), sku_tier: None, private: None, kubernetes_version: None, ..cluster() };
    Stop { id: group_id(), facts: Some(facts), ..Stop::by(alice()) }
}

#[test]
fn a_policy_that_names_no_type_is_about_both() {
    let both = policies(
        r#"@id("prod") permit (principal, action == Action::"stop", resource)
           when { resource.hasTag("env") && resource.getTag("env") == "Prod" && resource.resourceGroup == "rg-prod" };"#,
    );
    assert!(Stop::by(alice()).ask(&both).allowed);
    assert!(stop_of_a_group().ask(&both).allowed);
    assert!(!stop_of_a_group().ask(&DEFAULT).allowed);
    assert!(stop_of_a_group().ask_restart(&DEFAULT).allowed, "the default set restarts both");
}

#[test]
fn a_policy_can_be_about_one_kind_only() {
    let is = |kind: &str| {
        policies(&format!(r#"@id("one") permit (principal, action == Action::"stop", resource is {kind});"#))
    };
    assert!(Stop::by(alice()).ask(&is("ManagedCluster")).allowed);
    assert!(!stop_of_a_group().ask(&is("ManagedCluster")).allowed);
    assert!(!Stop::by(alice()).ask(&is("ContainerGroup")).allowed);
    assert!(stop_of_a_group().ask(&is("ContainerGroup")).allowed);
}

#[test]
fn policies_that_know_clusters_only_are_still_valid() {
    let cluster = format!("ManagedCluster::\"{}\"", cluster_id().lower());
    for condition in [
        format!("resource == {cluster}"),
        format!("resource is ManagedCluster && [{cluster}].contains(resource)"),
        format!("resource in {cluster}"),
        format!("resource in [{cluster}]"),
        "resource has private && resource.private == false".to_owned(),
        "resource has skuTier && resource.skuTier == \"Standard\"".to_owned(),
        "resource has kubernetesVersion && resource.kubernetesVersion like \"1.*\"".to_owned(),
    ] {
        let old = policies(&format!(
            r#"@id("old") permit (principal, action == Action::"stop", resource) when {{ {condition} }};"#
        ));
        assert!(Stop::by(alice()).ask(&old).allowed, "{condition}");
        let group = stop_of_a_group().ask(&old);
        assert!(!group.allowed && group.errors.is_empty(), "{condition}");
    }
}

#[test]
fn an_id_of_the_other_kind_is_refused() {
    let of = |kind: &str, id: &ClusterId| {
        format!(
            r#"@id("x") permit (principal, action == Action::"stop", resource == {kind}::"{}");"#,
            id.lower()
        )
    };
    assert!(stop_of_a_group().ask(&policies(&of("ContainerGroup", &group_id()))).allowed);
    for (kind, id) in [("ContainerGroup", cluster_id()), ("ManagedCluster", group_id())] {
        assert!(faults(&of(kind, &id)).contains(&format!("no {kind} has the id")), "{kind}");
    }
}

#[test]
fn a_row_of_an_allow_list_may_name_a_group() {
    let row = format!(
        "[[allow]]\nid = \"dana\"\ncaller = \"{ALICE}\"\nscope = \"{}\"\nreason = \"her own\"\n",
        group_id()
    );
    let set = load(&[("default.toml", row.as_str())]).unwrap_or_else(|faults| panic!("{}", told(&faults)));
    assert!(stop_of_a_group().ask(&set).allowed);
    assert!(!Stop::by(alice()).ask(&set).allowed);
}
