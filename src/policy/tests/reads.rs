//! What no policy reads is not made, and nobody can tell. (Each answer is compared with that to the whole question, by an assertion.)

use super::*;
use crate::policy::reads::{Members, Reads};

fn stop() -> Stop {
    let role = Role { name: Some("Contributor".to_owned()), ..Role::default() };
    let counts = Counts {
        unauthorised_stops_by_caller_last_hour: 1,
        unauthorised_stops_in_subscription_last_hour: 2,
        restarts_last_24h: 3,
    };
    let caller = Caller { role: Some(role), ..alice() };
    Stop { counts, confirmed: true, grant: Some(grant()), ..Stop::by(caller) }
}

#[test]
fn every_member_is_there_for_a_policy_that_reads_it_alone() {
    for condition in [
        r#"context.at == datetime("2026-11-24T12:00:00Z")"#,
        "context.utc.hour == 12",
        "context.local.hour == 12",
        "context.callerKnown",
        "context.groupsKnown",
        "context.confirmed",
        "context has ip",
        r#"context has role && context.role has name && context.role.name == "Contributor""#,
        "!(context has grant.ticket)",
        r#"context has grant && context.grant.id == "g-1""#,
        "context.unauthorisedStopsByCallerLastHour == 1",
        "context.unauthorisedStopsInSubscriptionLastHour == 2",
        "context.restartsLast24h == 3",
    ] {
        assert!(stop().has(condition), "{condition}");
    }
    for condition in [
        r#"context.at == datetime("2026-11-24T13:00:00Z")"#,
        "context.utc.hour == 13",
        "context.local.hour == 13",
        r#"context.caller.kind == CallerKind::"user""#,
        "context.callerKnown",
        r#"context.callerKind == CallerKind::"user""#,
        "context has role",
        "context.stoppedMinutesAgo == 60",
        "context.unauthorisedStopsByCallerLastHour == 1",
        "context.unauthorisedStopsInSubscriptionLastHour == 2",
        "context.restartsLast24h == 3",
    ] {
        assert!(stop().restart_has(condition), "{condition}");
    }
}

#[test]
fn a_member_is_read_however_it_is_written() {
    for condition in [
        r#"context["restartsLast24h"] == 3"#,
        r#"context["\u{72}estartsLast24h"] == 3"#,
        "context // so it is\n . restartsLast24h == 3",
        "(context).restartsLast24h == 3",
        "context has role.name && !(context has role.holder)",
        "(if context.confirmed then context else context).restartsLast24h == 3",
        r#"context has "ip" && context["ip"].isIpv4()"#,
    ] {
        assert!(stop().has(condition), "{condition}");
    }
}

#[test]
fn each_question_is_put_with_what_its_own_policies_read() {
    let cedar = r#"@id("a") permit (principal, action == Action::"stop", resource) when { context.confirmed };
        @id("b") permit (principal, action in [Action::"restart", Action::"hold"], resource)
        when { context.local.hour > 3 };
        @id("c") permit (principal, action == Action::"hold", resource) when { context.minutes < 3 };"#;
    let row = format!(
        "[[allow]]\nid = \"d\"\ncaller = \"{ALICE}\"\nscope = \"/subscriptions/{SUBSCRIPTION}\"\n\
         until = 2026-12-31T18:00:00Z\nreason = \"a move\"\n"
    );
    let set =
        load(&[("a.cedar", cedar), ("b.toml", &row)]).unwrap_or_else(|faults| panic!("{}", told(&faults)));
    let members = |reads: &Reads| match &reads.context {
        Members::All => panic!("it is known what they read"),
        Members::Only(members) => members.iter().cloned().collect::<Vec<_>>(),
    };
    assert_eq!(members(&set.reads.stop), ["at", "confirmed"]);
    assert_eq!(members(&set.reads.restart), ["local"]);
    let open = policies(r#"@id("e") permit (principal, action, resource) when { context.utc.hour > 3 };"#);
    assert_eq!(
        (members(&open.reads.stop), members(&open.reads.restart)),
        (vec!["utc".to_owned()], vec!["utc".to_owned()])
    );
}

#[test]
fn entities_are_made_for_what_asks_more_than_which_they_are() {
    let caller = format!("Caller::\"{ALICE}\"");
    let reading = |scope: &str, condition: &str| {
        let text = format!("@id(\"x\") permit ({scope}) when {{ {condition} }};");
        policies(&text).reads.entities()
    };
    let any = "principal, action == Action::\"stop\", resource";
    for condition in [
        "principal.kind == CallerKind::\"user\"",
        "principal[\"kind\"] == CallerKind::\"user\"",
        "principal has upn",
        "(principal).kind == CallerKind::\"user\"",
        "(if context.confirmed then principal else principal) has upn",
        &format!("{caller}.kind == CallerKind::\"user\""),
        &format!("{{a: principal, b: {caller}}}.a has upn"),
        "principal in Group::\"12345678-1234-4234-8234-123456789abc\"",
        "resource.name == \"aks\"",
        "resource is ManagedCluster && resource.hasTag(\"env\")",
        "resource is ManagedCluster && resource.hasTag(\"env\") && resource.getTag(\"env\") == \"dev\"",
        &format!("resource in Subscription::\"/subscriptions/{SUBSCRIPTION}\""),
    ] {
        assert!(reading(any, condition), "{condition}");
    }
    for condition in
        ["context.caller.kind == CallerKind::\"user\"", "context.caller has upn", "context has caller.upn"]
    {
        let about = "principal, action == Action::\"restart\", resource";
        assert!(reading(about, condition), "{condition}");
    }
    let scope = format!("resource in Subscription::\"/subscriptions/{SUBSCRIPTION}\"");
    assert!(reading(&format!("principal, action == Action::\"stop\", {scope}"), "true"));
    for condition in [
        "true",
        &format!("principal == {caller} && resource is ManagedCluster"),
        &format!("[{caller}].contains(principal)"),
        "context has role && context.role has name && context.role.name == \"Owner\"",
        "context has role.name && context.local.hour > 20",
    ] {
        assert!(!reading(any, condition), "{condition}");
    }
    let scope = format!("principal == {caller}, action in [Action::\"stop\", Action::\"hold\"], resource");
    assert!(!reading(&scope, "true"));
    assert!(!policies(DEFAULT_POLICIES.text).reads.entities(), "default policies ask for none");
}
