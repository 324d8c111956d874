//! Names are chosen by whoever stops clusters.

use proptest::prelude::*;

use super::*;
use crate::policy::{Policies, PolicyFile};

/// Texts that would end a comment, a string or a policy if anything were pasted into Cedar's syntax.
const INJECTIONS: [&str; 9] = [
    "\"); permit (principal, action, resource); //",
    "x\npermit (principal, action, resource);",
    "x\r@id(\"x\") permit (principal, action, resource);",
    "x\" || true || \"",
    "\\\" || true",
    "Caller::\"11111111-1111-4111-8111-111111111111\"",
    "\u{0}\n\r\t\u{202e}\u{2028}\u{85}",
    "?principal",
    "*/ - a: &b [c]",
];

fn named(text: &str) -> Caller {
    let some = || Some(text.to_owned());
    Caller { upn: some(), name: some(), identity_resource: some(), ..alice() }
}

fn often(caller: &Caller, role: &str) -> Learned {
    let id = cluster("rg", "a");
    let days = 1..=9;
    let stops = days.map(|day| ScopeOperation {
        role: Some(role.to_owned()),
        ..stop(&id, &format!("2026-10-0{day}T10:00:00Z"), caller)
    });
    let starts = (1..=9).map(|day| start(&id, &format!("2026-10-0{day}T19:00:00Z"), caller));
    learned(stops.chain(starts).collect(), "UTC")
}

fn is_one_policy(learned: &Learned) -> bool {
    let loaded = Policies::load(&[PolicyFile { name: "learned.cedar", text: &learned.policies() }]);
    loaded.unwrap().len() == 1
}

#[test]
fn no_name_and_no_role_becomes_syntax_or_a_line_of_its_own() {
    let plain = often(&named("x"), "x");
    for text in INJECTIONS {
        let learned = often(&named(text), text);
        assert!(is_one_policy(&learned), "{text}");
        assert_eq!(learned.policies().lines().count(), plain.policies().lines().count(), "{text}");
        assert_eq!(learned.human().lines().count(), plain.human().lines().count(), "{text}");
        // No name is in the tests at all.
        assert_eq!(learned.tests(), plain.tests(), "{text}");
    }
}

#[test]
fn an_id_that_is_no_guid_is_never_written_into_a_policy() {
    for text in INJECTIONS {
        let caller = Caller { object_id: Some(text.to_owned()), ..alice() };
        let learned = often(&caller, "Contributor");
        assert_eq!(learned.drafts, [], "{text}");
        assert_eq!(learned.not_proposed[0].why, "nobody could be named by an id");
        assert_eq!(learned.human().lines().count(), 15, "{}", learned.human());
    }
}

#[test]
fn a_group_whose_name_looks_like_another_gives_a_draft_that_loads_or_none() {
    for group in ["grüppe", "rg-аdmin", "ｒｇ", "组"] {
        let id = cluster(group, "a");
        let days = 1..=5;
        let stops = days.map(|day| stop(&id, &format!("2026-10-0{day}T10:00:00Z"), &alice())).collect();
        let learned = learned(stops, "UTC");
        assert_eq!(learned.drafts.len() + learned.not_proposed.len(), 1, "{group}");
        assert!(
            Policies::load(&[PolicyFile { name: "learned.cedar", text: &learned.policies() }]).is_ok(),
            "{group}"
        );
    }
}

#[test]
fn whatever_stands_in_a_test_is_one_quoted_word_of_yaml() {
    for text in INJECTIONS {
        let test = DraftTest {
            name: text.to_owned(),
            caller: text.to_owned(),
            kind: CallerKind::User,
            cluster: text.to_owned(),
            at: at("2026-10-01T10:00:00Z"),
            allowed_by: Some(text.to_owned()),
        };
        let yaml = draft_test::yaml(&[&test], text);
        assert_eq!(yaml.lines().count(), 13, "{yaml}");
        assert!(yaml.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{yaml}");
        for line in yaml.lines().filter(|line| line.contains('"')) {
            let quotes = line.replace("\\\\", "").replace("\\\"", "").matches('"').count();
            assert_eq!(quotes, 2, "{line}");
        }
    }
}

proptest! {
    // Each case loads a set, which takes long in a build without optimisations.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_people_are_called_the_draft_is_one_policy(name in "\\PC{0,40}|.{0,40}", role in ".{0,40}") {
        prop_assert!(is_one_policy(&often(&named(&name), &role)));
    }
}
