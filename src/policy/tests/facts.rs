//! What policies see of callers and clusters.

use std::net::IpAddr;

use super::*;

fn robot() -> Caller {
    Caller {
        kind: CallerKind::ManagedIdentity,
        app_id: Some(PIPELINE_APP.to_owned()),
        identity_resource: Some("/subscriptions/S/resourceGroups/RG/x".to_owned()),
        ..Caller::unknown()
    }
}

#[test]
fn a_caller_is_known_by_the_object_id_else_by_the_app_id_else_as_unknown() {
    assert!(Stop::by(alice()).has(&format!(r#"principal == Caller::"{ALICE}""#)));
    assert!(!Stop::by(alice()).has(&format!(r#"principal == Caller::"{PIPELINE_APP}""#)));
    assert!(Stop::by(robot()).has(&format!(r#"principal == Caller::"{PIPELINE_APP}""#)));
    assert!(Stop::by(Caller::unknown()).has(r#"principal == Caller::"unknown" && !context.callerKnown"#));
    assert!(Stop::by(alice()).has("context.callerKnown"));
}

#[test]
fn an_id_in_capitals_is_the_same_caller() {
    let shouted = Caller { object_id: Some(ALICE.to_uppercase()), ..alice() };
    assert!(Stop::by(shouted).has(&format!(
        r#"principal == Caller::"{ALICE}" && principal has objectId && principal.objectId == "{ALICE}""#
    )));
}

#[test]
fn every_kind_of_caller_has_its_word_in_the_schema() {
    for kind in [
        CallerKind::User,
        CallerKind::Guest,
        CallerKind::ServicePrincipal,
        CallerKind::ManagedIdentity,
        CallerKind::Azure,
        CallerKind::Unknown,
    ] {
        let stop = Stop::by(Caller { kind, ..alice() });
        assert!(stop.has(&format!(r#"principal.kind == CallerKind::"{kind}""#)), "{kind}");
        assert!(stop.restart_has(&format!(r#"context.callerKind == CallerKind::"{kind}""#)), "{kind}");
    }
}

#[test]
fn absent_facts_are_absent() {
    let nobody = Stop { facts: None, ..Stop::by(Caller::unknown()) };
    for attribute in ["objectId", "appId", "upn", "name", "tenant", "mfa", "identityResource"] {
        assert!(nobody.has(&format!("!(principal has {attribute})")), "{attribute}");
    }
    for attribute in ["location", "skuTier", "private", "kubernetesVersion"] {
        assert!(nobody.has(&format!("!(resource has {attribute})")), "{attribute}");
    }
    assert!(nobody.has(r#"!(context has ip) && !(context has grant) && !resource.hasTag("Env")"#));
}

#[test]
fn present_facts_are_all_there() {
    let stop = Stop { grant: Some(grant()), confirmed: true, ..Stop::by(alice()) };
    for fact in [
        r#"principal has upn && principal.upn == "alice@contoso.com""#,
        r#"principal has name && principal.name == "Alice""#,
        r#"principal has tenant && principal.tenant like "44444444-*""#,
        "principal has mfa && principal.mfa",
        "context.groupsKnown && context.confirmed",
        r#"resource.name == "aks-1" && resource.resourceGroup == "rg-prod""#,
        r#"resource has location && resource.location == "westeurope""#,
        r#"resource has skuTier && resource.skuTier == "Standard""#,
        "resource has private && !resource.private",
        r#"resource has kubernetesVersion && resource.kubernetesVersion like "1.33.*""#,
        r#"context has grant && context.grant.id == "g-1" && context.grant.reason == "maintenance""#,
        r#"context has grant && context.grant.until > datetime("2026-11-30") && context.at < context.grant.until"#,
        r#"context.at == datetime("2026-11-24T12:00:00Z")"#,
    ] {
        assert!(stop.has(fact), "{fact}");
    }
    assert!(stop.has(&format!(r#"resource.subscription == "{SUBSCRIPTION}""#)));
    let identity = r#"principal has identityResource && principal.identityResource == "/subscriptions/s/resourcegroups/rg/x""#;
    assert!(Stop::by(robot()).has(identity));
}

#[test]
fn groups_are_parents_of_the_caller() {
    let is_member = format!(r#"principal in Group::"{PLATFORM_TEAM}""#);
    assert!(Stop::by(alice()).has(&is_member));
    assert!(!Stop::by(robot()).has(&is_member));
    assert!(Stop::by(alice()).restart_has(&format!(r#"context.caller in Group::"{PLATFORM_TEAM}""#)));
    let repeated = Caller { groups: vec![PLATFORM_TEAM.to_uppercase(); 3], ..alice() };
    assert!(Stop::by(repeated).has(&is_member));
}

#[test]
fn a_cluster_is_in_its_resource_group_and_subscription_whatever_the_casing_of_its_id() {
    for stop in [Stop::by(alice()), Stop { facts: None, ..Stop::by(alice()) }] {
        let group = format!("/subscriptions/{SUBSCRIPTION}/resourcegroups/rg-prod");
        let cluster = format!("{group}/providers/microsoft.containerservice/managedclusters/aks-1");
        assert!(stop.has(&format!(r#"resource in ResourceGroup::"{group}""#)));
        assert!(!stop.has(&format!(r#"resource in ResourceGroup::"{group}-2""#)));
        assert!(stop.has(&format!(r#"resource in Subscription::"/subscriptions/{SUBSCRIPTION}""#)));
        assert!(stop.has(&format!(r#"resource == ManagedCluster::"{cluster}""#)));
        assert!(stop.restart_has(&format!(r#"resource in ResourceGroup::"{group}""#)));
    }
}

#[test]
fn a_tag_is_found_as_written_and_in_lower_case() {
    let stop = Stop::by(alice());
    assert!(stop.has(r#"resource.hasTag("Env") && resource.getTag("Env") == "Prod""#));
    assert!(stop.has(r#"resource.hasTag("env") && resource.getTag("env") == "Prod""#));
    assert!(!stop.has(r#"resource.hasTag("ENV")"#));
}

#[test]
fn an_address_is_in_its_network_also_when_ipv6_carries_an_ipv4_address() {
    let office = r#"context has ip && context.ip.isInRange(ip("192.0.2.0/24"))"#;
    let from = |ip: &str| Stop::by(Caller { ip: Some(ip.parse::<IpAddr>().unwrap()), ..alice() });
    assert!(from("192.0.2.10").has(office));
    assert!(from("::ffff:192.0.2.10").has(office));
    assert!(!from("198.51.100.1").has(office));
    assert!(!from("2001:db8::1").has(office));
    assert!(from("2001:db8::1").has(r#"context has ip && context.ip.isInRange(ip("2001:db8::/32"))"#));
}

#[test]
fn counts_reach_both_questions() {
    let counts = Counts {
        unauthorised_stops_by_caller_last_hour: 1,
        unauthorised_stops_in_subscription_last_hour: 2,
        restarts_last_24h: u32::MAX,
    };
    let stop = Stop { counts, ..Stop::by(alice()) };
    let all = "context.unauthorisedStopsByCallerLastHour == 1 \
        && context.unauthorisedStopsInSubscriptionLastHour == 2 && context.restartsLast24h == 4294967295";
    assert!(stop.has(all));
    assert!(stop.restart_has(all));
}

#[test]
fn the_guard_is_who_restarts() {
    assert!(Stop::by(alice()).restart_has(r#"principal == Guard::"self""#));
    assert!(Stop::by(alice()).restart_has(&format!(
        r#"context.caller == Caller::"{ALICE}" && context.caller has upn && context.callerKnown"#
    )));
}

fn by_role(holder_kind: HolderKind) -> Stop {
    let role = Role {
        name: Some("Contributor".to_owned()),
        definition: Some("b24988ac-6180-42a0-ab88-20f7382dd24c".to_owned()),
        assignment: Some("90ee7ee0-177b-43d1-a6fc-6868b04218f1".to_owned()),
        scope: Some(format!("/subscriptions/{SUBSCRIPTION}")),
        holder: Some(OPERATORS.to_owned()),
        holder_kind: Some(holder_kind),
    };
    Stop::by(Caller { role: Some(role), ..robot() })
}

const OPERATORS: &str = "55555555-5555-4555-8555-555555555555";

#[test]
fn a_group_that_held_the_role_is_a_parent_of_the_caller_and_another_holder_is_none() {
    let is_member = format!(r#"principal in Group::"{OPERATORS}""#);
    assert!(by_role(HolderKind::Group).has(&is_member));
    assert!(by_role(HolderKind::Group).has("!context.groupsKnown"), "it is one group, not all of them");
    assert!(!by_role(HolderKind::User).has(&is_member));
    assert!(!by_role(HolderKind::ServicePrincipal).has(&is_member));
    assert!(by_role(HolderKind::Group).restart_has(&format!(r#"context.caller in Group::"{OPERATORS}""#)));
}

#[test]
fn the_role_reaches_both_questions_and_is_absent_where_it_is_not_known() {
    let stop = by_role(HolderKind::Group);
    let whole = format!(
        r#"context has role && context.role has name && context.role.name == "Contributor"
           && context.role has definition && context.role.definition == "b24988ac-6180-42a0-ab88-20f7382dd24c"
           && context.role has assignment && context.role.assignment like "90ee7ee0-*"
           && context.role has scope && context.role.scope == "/subscriptions/{SUBSCRIPTION}"
           && context.role has holder && context.role.holder == "{OPERATORS}"
           && context.role has holderKind && context.role.holderKind == HolderKind::"group""#
    );
    assert!(stop.has(&whole));
    assert!(stop.restart_has(&whole));
    assert!(Stop::by(robot()).has("!(context has role)"));
    let classic = Role { name: Some("Subscription Admin".to_owned()), ..Role::default() };
    let classic = Stop::by(Caller { role: Some(classic), ..robot() });
    assert!(classic.has("context has role && !(context.role has scope) && !(context.role has holderKind)"));
}
