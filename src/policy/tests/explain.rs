//! Why an answer is what it is.

use super::*;

const NIGHT: &str = r#"
@id("night")
permit (principal in Group::"33333333-3333-4333-8333-333333333333", action == Action::"stop", resource)
when { context has ip && context.ip.isInRange(ip("192.0.2.0/24")) && (context.local.hour >= 20 || context.local.hour < 6) };
@id("frozen")
forbid (principal, action == Action::"stop", resource) when { context.local.month == 12 }
unless { context.confirmed || resource.hasTag("Env") };
@id("restart") permit (principal, action == Action::"restart", resource);
"#;

fn changes(explained: &Explained) -> String {
    let line = |change: &Change| {
        let must = if change.must_hold { "must hold" } else { "must not hold" };
        format!("{} {:?}: {must}: {}", change.policy, change.effect, change.condition)
    };
    explained.otherwise.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_no_by_default_says_which_single_condition_stood_in_the_way() {
    let explained = Stop::by(alice()).explain(&policies(NIGHT));
    assert!(!explained.allowed);
    assert_eq!(explained.policies, []);
    insta::assert_snapshot!(changes(&explained), @"night Permit: must hold: (!(context.local.hour < 20)) || (context.local.hour < 6)");
}

#[test]
fn a_yes_says_what_would_have_made_it_a_no() {
    let night = Stop { at: at("2026-11-24T22:00:00Z"), ..Stop::by(alice()) };
    let explained = night.explain(&policies(NIGHT));
    assert!(explained.allowed);
    assert_eq!(
        explained.question,
        format!(
            r#"is Caller::"{ALICE}" allowed Action::"stop" on ManagedCluster::"{}"?"#,
            cluster_id().lower()
        )
    );
    let policy = &explained.policies[0];
    assert_eq!((policy.id.as_str(), policy.file.as_str(), policy.line), ("night", "test.cedar", 2));
    assert!(policy.text.starts_with("@id(\"night\")") && policy.text.ends_with(';'), "{}", policy.text);
    insta::assert_snapshot!(changes(&explained), @r#"
    night Permit: must not hold: principal in Group::"33333333-3333-4333-8333-333333333333"
    night Permit: must not hold: context has ip
    night Permit: must not hold: context.ip.isInRange(ip("192.0.2.0/24"))
    night Permit: must not hold: (!(context.local.hour < 20)) || (context.local.hour < 6)
    "#);
}

#[test]
fn a_forbid_says_what_would_have_lifted_it_only_where_a_permit_applies() {
    let december = at("2026-12-01T22:00:00Z");
    let untagged = Cluster { tags: BTreeMap::new(), ..cluster() };
    let forbidden = Stop { at: december, facts: Some(untagged.clone()), ..Stop::by(alice()) };
    let explained = forbidden.explain(&policies(NIGHT));
    assert_eq!(explained.policies[0].id, "frozen");
    insta::assert_snapshot!(changes(&explained), @r#"
    frozen Forbid: must not hold: context.local.month == 12
    frozen Forbid: must not hold: !context.confirmed
    frozen Forbid: must not hold: !resource.hasTag("Env")
    "#);
    let by_day = Stop { at: at("2026-12-01T12:00:00Z"), facts: Some(untagged), ..Stop::by(alice()) };
    assert_eq!(by_day.explain(&policies(NIGHT)).otherwise, [], "two things would have to differ");
}

#[test]
fn a_condition_that_needs_another_first_is_no_single_change() {
    let nowhere = Stop { at: at("2026-11-24T22:00:00Z"), ..Stop::by(Caller { ip: None, ..alice() }) };
    assert_eq!(nowhere.explain(&policies(NIGHT)).otherwise, []);
}

#[test]
fn the_facts_read_without_the_wrappings_of_the_engine() {
    let explained = Stop { grant: Some(grant()), ..Stop::by(alice()) }.explain(&policies(NIGHT));
    let facts = &explained.facts;
    assert_eq!(facts["context"]["ip"], "192.0.2.10");
    assert_eq!(facts["context"]["grant"]["until"], "2026-12-01T05:00:00.000Z");
    assert_eq!(facts["Caller"][0]["kind"], r#"CallerKind::"user""#);
    assert_eq!(facts["Caller"][0]["in"][0], format!(r#"Group::"{PLATFORM_TEAM}""#));
    assert_eq!(facts["ManagedCluster"][0]["tags"]["env"], "Prod");
}

#[test]
fn a_row_of_an_allow_list_is_explained_like_a_policy() {
    let table = format!(
        "[[allow]]\nid = \"row\"\ncaller = \"{ALICE}\"\nscope = \"/subscriptions/{SUBSCRIPTION}\"\nhours = \"20:00-06:00\"\nreason = \"CHG-1\"\n"
    );
    let loaded = load(&[("rows.toml", &table)]).unwrap();
    let explained = Stop::by(alice()).explain(&loaded);
    insta::assert_snapshot!(changes(&explained), @"row Permit: must hold: (!(context.local.minuteOfDay < 1200)) || (context.local.minuteOfDay < 360)");
    let night = Stop { at: at("2026-11-24T22:00:00Z"), ..Stop::by(alice()) }.explain(&loaded);
    assert!(night.policies[0].text.contains("CHG-1"), "{:?}", night.policies);
}

#[test]
fn an_explanation_says_what_the_answer_says() {
    let overflow = r#"@id("a") permit (principal, action == Action::"stop", resource) when { context.restartsLast24h * 9223372036854775807 > 0 };"#;
    let counts = Counts { restarts_last_24h: 2, ..Counts::default() };
    let stop = Stop { counts, ..Stop::by(alice()) };
    let explained = stop.explain(&policies(overflow));
    assert!(!explained.allowed);
    assert_eq!(explained.errors.len(), 1);
    assert_eq!(explained.otherwise, []);
}
