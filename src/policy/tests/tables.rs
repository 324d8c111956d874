//! TOML files beside the policies: an allow-list as rows, and management groups.

use super::*;

const PRODUCTION: &str = "/subscriptions/AAAA0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/RG-Prod";

fn row(members: &str) -> String {
    format!("[[allow]]\nid = \"row\"\nreason = \"CHG-1\"\n{members}\n")
}

fn allows(members: &str, stop: &Stop) -> bool {
    let loaded =
        load(&[("allow-list.toml", &row(members))]).unwrap_or_else(|faults| panic!("{}", told(&faults)));
    let answer = stop.ask(&loaded);
    assert_eq!(answer.errors, []);
    assert!(!answer.allowed || answer.ids() == ["row"]);
    answer.allowed
}

fn table_faults(text: &str) -> String {
    told(&load(&[("allow-list.toml", text)]).expect_err("has a fault"))
}

#[test]
fn a_row_allows_its_caller_its_scope_and_nothing_else() {
    let members = format!("caller = \"{}\"\nscope = \"{PRODUCTION}\"", ALICE.to_uppercase());
    assert!(allows(&members, &Stop::by(alice())));
    assert!(!allows(&members, &Stop::by(Caller::unknown())));
    let path = "resourceGroups/rg-prod-2/providers/Microsoft.ContainerService/managedClusters/aks-1";
    let elsewhere = ClusterId::parse(&format!("/subscriptions/{SUBSCRIPTION}/{path}")).unwrap();
    assert!(!allows(&members, &Stop { id: elsewhere, facts: None, ..Stop::by(alice()) }));
    for scope in [
        format!("/subscriptions/{SUBSCRIPTION}"),
        format!("{PRODUCTION}/providers/Microsoft.ContainerService/managedClusters/AKS-1"),
    ] {
        assert!(allows(&format!("caller = \"{ALICE}\"\nscope = \"{scope}\""), &Stop::by(alice())), "{scope}");
    }
    let group = format!("group = \"{PLATFORM_TEAM}\"\nscope = \"{PRODUCTION}\"");
    assert!(allows(&group, &Stop::by(alice())));
    assert!(!allows(&group, &Stop::by(Caller { groups: Vec::new(), ..alice() })));
}

#[test]
fn a_row_never_allows_a_restart() {
    let members = format!("caller = \"{ALICE}\"\nscope = \"{PRODUCTION}\"");
    let loaded = load(&[("allow-list.toml", &row(&members))]).unwrap();
    assert!(!Stop::by(alice()).ask_restart(&loaded).allowed);
}

#[test]
fn hours_are_in_the_zone_and_may_go_past_midnight() {
    let at_time = |time: &str| Stop {
        at: at(time),
        zone: TimeZone::get("Europe/Berlin").unwrap(),
        ..Stop::by(alice())
    };
    let night = format!("caller = \"{ALICE}\"\nscope = \"{PRODUCTION}\"\nhours = \"20:00-06:00\"");
    // Berlin is an hour ahead of UTC in November.
    assert!(!allows(&night, &at_time("2026-11-24T18:59:59Z")));
    assert!(allows(&night, &at_time("2026-11-24T19:00:00Z")));
    assert!(allows(&night, &at_time("2026-11-24T04:59:59Z")));
    assert!(!allows(&night, &at_time("2026-11-24T05:00:00Z")));
    let day = format!("caller = \"{ALICE}\"\nscope = \"{PRODUCTION}\"\nhours = \"08:00-24:00\"");
    assert!(allows(&day, &at_time("2026-11-24T22:59:59Z")));
    assert!(!allows(&day, &at_time("2026-11-24T23:00:00Z")));
}

#[test]
fn until_is_the_first_moment_that_is_not_allowed() {
    let row = format!("caller = \"{ALICE}\"\nscope = \"{PRODUCTION}\"\nuntil = 2026-11-24T13:00:00+01:00");
    assert!(allows(&row, &Stop { at: at("2026-11-24T11:59:59.999Z"), ..Stop::by(alice()) }));
    assert!(!allows(&row, &Stop { at: at("2026-11-24T12:00:00Z"), ..Stop::by(alice()) }));
}

#[test]
fn a_forbid_beats_a_row() {
    let members = format!("caller = \"{ALICE}\"\nscope = \"{PRODUCTION}\"");
    let forbid = r#"@id("frozen") forbid (principal, action == Action::"stop", resource);"#;
    let loaded = load(&[("allow-list.toml", &row(&members)), ("frozen.cedar", forbid)]).unwrap();
    assert_eq!(Stop::by(alice()).ask(&loaded).ids(), ["frozen"]);
}

#[test]
fn every_fault_of_a_row_is_told_with_its_place() {
    let text = r#"[[allow]]
id = "Night"
caler = "11111111-1111-4111-8111-111111111111"
scope = "/subscriptions/prod"
hours = "20-6"
until = 2026-12-31
[[allow]]
id = "b"
caller = "bob@contoso.com"
group = 7
[[allow]]
id = "c"
caller = "аaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e"
scope = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e"
reason = ""
[rules]
"#;
    insta::assert_snapshot!(table_faults(text), @r#"
    allow-list.toml:1:1: the row has no `reason`
      help: say in a line of 300 characters at most why it is allowed, with a ticket's number
    allow-list.toml:1:1: the row says for nobody
      help: write caller = "<object id>" or group = "<object id>"
    allow-list.toml:2:6: `Night` is no `id`
      help: an id has 1 to 64 characters: lower-case letters, digits and dashes
    allow-list.toml:3:1: `caler` is not known here
      help: did you mean `caller`?
    allow-list.toml:4:9: `/subscriptions/prod` is no `scope`
      help: write the resource id of a management group, a subscription, a resource group, a cluster or a container group
    allow-list.toml:5:9: `20-6` is no `hours`
      help: write from and to as hh:mm-hh:mm, "20:00-06:00", in the zone of STOP_GUARD_TIMEZONE
    allow-list.toml:6:9: this datetime is no `until`
      help: write a time with its offset and without quotes: 2026-12-31T18:00:00+01:00
    allow-list.toml:7:1: the row has no `reason`
      help: say in a line of 300 characters at most why it is allowed, with a ticket's number
    allow-list.toml:7:1: the row has no `scope`
      help: write the resource id of a management group, a subscription, a resource group, a cluster or a container group
    allow-list.toml:7:1: the row names a caller and a group
      help: make two rows of it
    allow-list.toml:13:10: `аaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e` is no `caller`
      help: write the object id (a GUID) of the caller, or the app id of an application without one
    allow-list.toml:15:10: `` is no `reason`
      help: say in a line of 300 characters at most why it is allowed, with a ticket's number
    allow-list.toml:16:2: `rules` is not known here
      help: write rows as [[allow]], groups as [management-groups.<name>]
    "#);
}

#[test]
fn text_that_is_not_toml_is_told_with_its_place() {
    insta::assert_snapshot!(table_faults("[[allow]]\nid = night\n"), @"
    allow-list.toml:2:6: invalid float, expected `nan`
      help: this is TOML: texts stand in quotes, times don't
    ");
    insta::assert_snapshot!(table_faults("allow = 3\nmanagement-groups = []\n"), @"
    allow-list.toml:1:9: `allow` is no list of rows
      help: begin each row with a line [[allow]]
    allow-list.toml:2:21: `management-groups` holds no tables
      help: describe a group as [management-groups.<name>], with its id as the name
    ");
}

#[test]
fn a_row_and_a_policy_can_not_have_the_same_id() {
    let members = format!("caller = \"{ALICE}\"\nscope = \"{PRODUCTION}\"");
    let policy = r#"@id("row") permit (principal, action == Action::"stop", resource);"#;
    let found = load(&[("a.cedar", policy), ("b.toml", &row(&members))]).unwrap_err();
    insta::assert_snapshot!(told(&found), @"
    b.toml:1:1: the id `row` is used twice
      help: it is the id of another policy in a.cedar
    ");
}

#[test]
fn no_member_of_a_row_becomes_syntax() {
    for hostile in ["\\\" || true", "a\\u0022); permit(principal, action, resource); //", "\\u202e"] {
        for key in ["id", "caller", "group", "scope", "hours", "reason"] {
            let text = format!(
                "[[allow]]\nid = \"row\"\nreason = \"x\"\ncaller = \"{ALICE}\"\nscope = \"{PRODUCTION}\"\n[[allow]]\n{key} = \"{hostile}\"\n"
            );
            assert!(load(&[("a.toml", &text)]).is_err(), "{key} {hostile}");
        }
    }
}

const TREE: &str = r#"
[management-groups.Platform]
parent = "contoso"
subscriptions = ["AAAA0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e"]
[management-groups.sandbox]
parent = "contoso"
"#;

#[test]
fn a_cluster_is_in_the_management_groups_that_a_table_names() {
    let asks = |group: &str| {
        let policy = format!(
            r#"@id("p") permit (principal, action == Action::"stop", resource in ManagementGroup::"/providers/microsoft.management/managementgroups/{group}");"#
        );
        let loaded =
            load(&[("groups.toml", TREE), ("p.cedar", &policy)]).unwrap_or_else(|f| panic!("{}", told(&f)));
        Stop::by(alice()).ask(&loaded).allowed
    };
    assert!(asks("platform"));
    assert!(asks("contoso"), "a group above the group");
    assert!(!asks("sandbox"));
    let scope = "/providers/Microsoft.Management/managementGroups/Contoso";
    let loaded = load(&[
        ("groups.toml", TREE),
        ("rows.toml", &row(&format!("caller = \"{ALICE}\"\nscope = \"{scope}\""))),
    ]);
    assert!(Stop::by(alice()).ask(&loaded.unwrap()).allowed);
}

#[test]
fn a_management_group_that_nothing_is_in_is_a_fault() {
    let policy = r#"@id("p") forbid (principal, action == Action::"stop",
  resource in ManagementGroup::"/providers/microsoft.management/managementgroups/prod");"#;
    insta::assert_snapshot!(faults(policy), @"
    test.cedar:2:82: nothing is known to be in the management group `prod`
      help: say what is in it: [management-groups.prod] in a *.toml file beside the policies
    ");
    let row = row(&format!(
        "caller = \"{ALICE}\"\nscope = \"/providers/Microsoft.Management/managementGroups/prod\""
    ));
    insta::assert_snapshot!(table_faults(&row), @"
    allow-list.toml:5:59: nothing is known to be in the management group `prod`
      help: say what is in it: [management-groups.prod] in a *.toml file beside the policies
    ");
}

#[test]
fn management_groups_in_a_circle_or_too_deep_are_faults() {
    let circle = "[management-groups.a]\nparent = \"b\"\n[management-groups.b]\nparent = \"a\"\n";
    insta::assert_snapshot!(table_faults(circle), @"
    allow-list.toml:1:20: the management group `a` has too many groups above it
      help: no group is above itself, and Azure has six levels below the root
    allow-list.toml:3:20: the management group `b` has too many groups above it
      help: no group is above itself, and Azure has six levels below the root
    ");
    insta::assert_snapshot!(table_faults("[management-groups.a]\nparent = \"a\"\n"), @"
    allow-list.toml:1:20: the management group `a` has too many groups above it
      help: no group is above itself, and Azure has six levels below the root
    ");
    let deep = |levels: usize| {
        let link = |n: usize| format!("[management-groups.g{n}]\nparent = \"g{}\"\n", n + 1);
        load(&[("deep.toml", &(0..levels).map(link).collect::<String>())])
    };
    assert!(deep(6).is_ok(), "six levels and the root");
    assert!(deep(7).is_err());
}

#[test]
fn a_subscription_is_in_one_management_group() {
    let twice = format!(
        "[management-groups.a]\nsubscriptions = [\"{SUBSCRIPTION}\"]\n[management-groups.b]\nparnt = \"a\"\nsubscriptions = [\"{SUBSCRIPTION}\", \"x\"]\n"
    );
    insta::assert_snapshot!(table_faults(&twice), @"
    allow-list.toml:4:1: `parnt` is not known here
      help: did you mean `parent`?
    allow-list.toml:5:18: subscription `aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e` is in `a` already
      help: a subscription is in one group
    allow-list.toml:5:58: `x` is no `subscription`
      help: write its id, a GUID
    ");
}
