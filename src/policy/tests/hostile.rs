//! Claims and tags are written by whoever stops clusters.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

/// Texts that would close a string, call a function or end a policy if anything were pasted into Cedar's syntax.
const INJECTIONS: [&str; 7] = [
    "\"); permit (principal, action, resource); //",
    "x\" || true || \"",
    "\\\" || true",
    "Caller::\"11111111-1111-4111-8111-111111111111\"",
    "ip(\"192.0.2.10\")",
    "\u{0}\n\r\t\u{202e}",
    "?principal",
];

#[test]
fn no_text_of_a_caller_becomes_syntax() {
    let set = policies(&format!(
        r#"@id("alice") permit (principal == Caller::"{ALICE}", action == Action::"stop", resource);
           @id("team") permit (principal in Group::"{PLATFORM_TEAM}", action == Action::"stop", resource);
           @id("boss") permit (principal, action == Action::"stop", resource)
           when {{ principal has name && principal.name == "boss" && resource.hasTag("ok") }};"#
    ));
    for text in INJECTIONS {
        let some = || Some(text.to_owned());
        let caller = Caller {
            kind: CallerKind::User,
            object_id: some(),
            app_id: some(),
            upn: some(),
            name: some(),
            tenant: some(),
            identity_resource: some(),
            groups: vec![text.to_owned(), format!("Group::\"{PLATFORM_TEAM}\"")],
            ..Caller::unknown()
        };
        let tags = BTreeMap::from([(text.to_owned(), text.to_owned())]);
        let stop = Stop { facts: Some(Cluster { tags, ..cluster() }), ..Stop::by(caller) };
        assert!(stop.ask(&set).is_default_deny(), "{text}");
        assert!(stop.ask_restart(&set).is_default_deny(), "{text}");
    }
}

#[test]
fn a_hostile_text_compares_as_the_text_it_is() {
    // Invisible characters are left out: Cedar's validator refuses a policy that has them.
    for text in INJECTIONS.into_iter().filter(|text| text.is_ascii() && !text.contains('\0')) {
        let stop = Stop::by(Caller { name: Some(text.to_owned()), ..alice() });
        let literal: String = text.chars().map(|c| format!("\\u{{{:x}}}", u32::from(c))).collect();
        assert!(stop.has(&format!(r#"principal has name && principal.name == "{literal}""#)), "{text}");
        assert!(!stop.has(&format!(r#"principal has name && principal.name == "{literal}x""#)), "{text}");
    }
}

#[test]
fn huge_claims_are_answered() {
    let caller = Caller {
        name: Some("x".repeat(60 * 1024)),
        groups: (0..10_000).map(|n| format!("{n:08}-0000-4000-8000-000000000000")).collect(),
        ..alice()
    };
    let answer = Stop::by(caller).ask(&Policies::default_set().unwrap());
    assert!(answer.is_default_deny());
}

#[test]
fn an_error_message_that_quotes_a_claim_is_bounded_and_clean() {
    // A kind of error that carries a value: a tag's.
    let set = policies(
        r#"@id("t") permit (principal, action == Action::"stop", resource)
           when { context.restartsLast24h + 9223372036854775807 > 0 && resource.hasTag("x") };"#,
    );
    let counts = Counts { restarts_last_24h: 1, ..Counts::default() };
    let answer = Stop { counts, ..Stop::by(alice()) }.ask(&set);
    for error in &answer.errors {
        let shown = error.to_string();
        assert!(shown.chars().count() < 400 && !shown.contains('\n'), "{shown}");
    }
    assert_eq!(answer.errors.len(), 1);
}

fn any_caller() -> impl Strategy<Value = Caller> {
    let text = || proptest::option::of("\\PC{0,20}|.{0,20}");
    let kind = prop_oneof![
        Just(CallerKind::User),
        Just(CallerKind::Guest),
        Just(CallerKind::ServicePrincipal),
        Just(CallerKind::ManagedIdentity),
        Just(CallerKind::Azure),
        Just(CallerKind::Unknown),
    ];
    let texts = (text(), text(), text(), text(), text(), text());
    let rest = (
        proptest::collection::vec(".{0,20}", 0..4),
        any::<bool>(),
        any::<Option<bool>>(),
        any::<Option<IpAddr>>(),
        proptest::option::of(role()),
    );
    (kind, texts, rest).prop_map(|(kind, texts, (groups, groups_known, mfa, ip, role))| {
        let (object_id, app_id, upn, name, tenant, identity_resource) = texts;
        Caller {
            kind,
            object_id,
            app_id,
            upn,
            name,
            tenant,
            identity_resource,
            groups,
            groups_known,
            mfa,
            ip,
            role,
        }
    })
}

fn role() -> impl Strategy<Value = Role> {
    let text = || proptest::option::of(".{0,20}");
    let kind = proptest::sample::select(vec![
        None,
        Some(HolderKind::User),
        Some(HolderKind::Group),
        Some(HolderKind::ServicePrincipal),
    ]);
    (text(), text(), text(), text(), text(), kind).prop_map(
        |(name, definition, assignment, scope, holder, holder_kind)| Role {
            name,
            definition,
            assignment,
            scope,
            holder,
            holder_kind,
        },
    )
}

static LOOK_AT_ALL: LazyLock<Policies> = LazyLock::new(|| {
    policies(
        r#"@id("look-at-all") permit (principal, action == Action::"stop", resource)
           when { principal has upn && principal.upn like "*@*" }
           when { resource.hasTag("a") && context has ip && context.ip.isIpv4() };"#,
    )
});

proptest! {
    #[test]
    fn every_caller_and_every_tag_make_a_question_that_is_answered_without_error(
        caller in any_caller(),
        tags in proptest::collection::btree_map(".{0,20}", ".{0,20}", 0..6),
        seconds in 0_i64..4_000_000_000,
        counts in any::<[u32; 3]>(),
    ) {
        let [by_caller, in_subscription, restarts] = counts;
        let stop = Stop {
            facts: Some(Cluster { tags, ..cluster() }),
            at: Timestamp::from_second(seconds).unwrap(),
            counts: Counts {
                unauthorised_stops_by_caller_last_hour: by_caller,
                unauthorised_stops_in_subscription_last_hour: in_subscription,
                restarts_last_24h: restarts,
            },
            ..Stop::by(caller)
        };
        prop_assert_eq!(stop.ask(&LOOK_AT_ALL).errors, vec![]);
        let restart = stop.ask_restart(&DEFAULT);
        prop_assert_eq!(restart.errors, vec![]);
        prop_assert_eq!(restart.allowed, restarts < 3 && stop.caller.is_known());
    }
}

proptest! {
    // Each case loads a set, which takes long in a build without optimisations.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_makes_the_loader_panic(text in "\\PC{0,200}", valid in any::<bool>()) {
        let before = if valid { DEFAULT_POLICIES.text } else { "" };
        let _ = load(&[("any.cedar", &format!("{before}{text}"))]);
    }
}
