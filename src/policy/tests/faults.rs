//! Mistakes people make, and what they are told.

use super::*;

#[test]
fn a_typo_in_an_attribute() {
    let text = r#"@id("night")
permit (principal, action == Action::"stop", resource)
when { context.local.houre >= 20 };"#;
    insta::assert_snapshot!(faults(text), @r#"
    test.cedar:3:8: for policy `night`, attribute `local.houre` in context for Action::"stop" not found
      help: did you mean `hour`?
    "#);
}

#[test]
fn an_optional_attribute_without_has() {
    let text = r#"@id("office")
permit (principal, action == Action::"stop", resource)
when { context.ip.isInRange(ip("192.0.2.0/24")) };"#;
    insta::assert_snapshot!(faults(text), @r#"
    test.cedar:3:8: for policy `office`, unable to guarantee safety of access to optional attribute `ip` in context for Action::"stop"
      help: try testing for the attribute's presence with `context has ip && ..`
    "#);
}

#[test]
fn a_tag_without_has_tag() {
    let text = r#"@id("dev") permit (principal, action == Action::"stop", resource)
when { resource.getTag("env") == "dev" };"#;
    insta::assert_snapshot!(faults(text), @r#"
    test.cedar:2:8: for policy `dev`, unable to guarantee safety of access to tag `"env"` on entity type `ContainerGroup`
      help: try testing for the tag's presence with `.hasTag("env") && ..`
    test.cedar:2:8: for policy `dev`, unable to guarantee safety of access to tag `"env"` on entity type `ManagedCluster`
      help: try testing for the tag's presence with `.hasTag("env") && ..`
    "#);
}

#[test]
fn a_wrong_type() {
    let text = r#"@id("evening")
permit (principal, action == Action::"stop", resource)
when { context.local.hour > "20" };"#;
    insta::assert_snapshot!(faults(text), @"test.cedar:3:29: for policy `evening`, unexpected type: expected Long but saw String");
}

#[test]
fn an_unknown_kind_of_caller() {
    let text = r#"@id("apps")
permit (principal, action == Action::"stop", resource)
when { principal.kind == CallerKind::"service_principal" };"#;
    insta::assert_snapshot!(faults(text), @r#"
    test.cedar:3:26: for policy `apps`: entity `CallerKind::"service_principal"` is of an enumerated entity type, but `"service_principal"` is not declared as a valid eid
      help: valid entity eids: "user", "guest", "service-principal", "managed-identity", "azure", "unknown"
    "#);
}

#[test]
fn an_unknown_action() {
    let text = r#"@id("all") permit (principal, action == Action::"stopp", resource);"#;
    insta::assert_snapshot!(faults(text), @r#"
    test.cedar:1:1: for policy `all`, policy is impossible: the policy expression evaluates to false for all valid requests
    test.cedar:1:1: for policy `all`, unable to find an applicable action given the policy scope constraints
    test.cedar:1:41: for policy `all`, unrecognized action `Action::"stopp"`
      help: did you mean `Action::"stop"`?
    "#);
}

#[test]
fn an_id_that_is_used_twice_even_in_two_files() {
    let policy = r#"@id("all") permit (principal, action, resource);"#;
    let found = load(&[("b.cedar", &format!("\n  {policy}")), ("a.cedar", policy)]).unwrap_err();
    insta::assert_snapshot!(told(&found), @"
    b.cedar:2:3: the id `all` is used twice
      help: it is the id of another policy in a.cedar
    ");
}

#[test]
fn a_missing_or_malformed_id() {
    let text = r#"permit (principal, action, resource);
  @id("Not An Id") permit (principal, action, resource);"#;
    insta::assert_snapshot!(faults(text), @r#"
    test.cedar:1:1: the policy has no id
      help: write @id("...") before it: cases and incidents call the policy by its id
    test.cedar:2:3: `Not An Id` is not a policy id
      help: an id has 1 to 64 characters: lower-case letters, digits and dashes
    "#);
}

#[test]
fn an_unknown_annotation() {
    let text = r#"@id("all")
  @sevrity("high")
permit (principal, action, resource);"#;
    insta::assert_snapshot!(faults(text), @r#"
    test.cedar:2:3: `@sevrity` is not an annotation of the guard
      help: the guard knows @id, @severity, @after, @notify, @incident and @doc; write free text as @doc("...")
    "#);
}

#[test]
fn a_bad_severity_sink_and_incident() {
    let text = r#"@id("all")
@severity("urgent")
@notify("teams,,pager")
@incident("A Storm")
permit (principal, action, resource);"#;
    insta::assert_snapshot!(faults(text), @"
    test.cedar:2:1: `urgent` is not a severity
      help: write one of info, low, medium, high, critical
    test.cedar:3:1: `teams,,pager` is not a list of sinks
      help: write 1 to 16 names of sinks with commas between them, each in lower-case letters, digits and dashes
    test.cedar:4:1: `A Storm` is not a name of an incident
      help: a name has 1 to 64 characters: lower-case letters, digits and dashes
    ");
}

#[test]
fn a_bad_after() {
    let text = r#"@id("all") @after("20 minutes")
permit (principal, action, resource);"#;
    insta::assert_snapshot!(faults(text), @"
    test.cedar:1:12: `20 minutes` is not a time to wait
      help: write a number of seconds, minutes or hours, 24 hours at most: 90s, 20m, 2h
    ");
}

#[test]
fn an_after_is_more_than_nothing_and_a_day_at_most() {
    let with = |after: &str| {
        load(&[("a.cedar", &format!(r#"@id("a") @after("{after}") permit (principal, action, resource);"#))])
    };
    for bad in [
        "",
        "0s",
        "25h",
        "86401s",
        "1d",
        "-5m",
        "+5m",
        "5",
        "m",
        "1.5h",
        "99999999999999999999h",
        "５m",
        "5µ",
    ] {
        assert!(with(bad).is_err(), "{bad}");
    }
    for good in ["1s", "90s", "20m", "24h", "86400s"] {
        assert!(with(good).is_ok(), "{good}");
    }
}

#[test]
fn an_after_on_a_forbid() {
    let text = r#"@id("later") @after("20m") forbid (principal, action, resource);"#;
    insta::assert_snapshot!(faults(text), @"
    test.cedar:1:14: `@after` on a forbid does nothing
      help: it delays a restart that a permit allows
    ");
}

#[test]
fn a_syntax_error() {
    let text = r#"@id("all") permit (principal, action, resource) where { true };
@id("b") permit (principal, action, resource"#;
    insta::assert_snapshot!(faults(text), @"test.cedar:2:45: unexpected end of input: expected `!=`, `)`, `,`, `:`, `<`, `<=`, `==`, `>`, `>=`, `in`, or `is`");
}

#[test]
fn a_policy_that_can_never_hold() {
    let text = r#"@id("ok") permit (principal, action, resource);
@id("never")
permit (principal == Guard::"self", action == Action::"stop", resource);
@id("never-2") permit (principal, action == Action::"stop", resource) when { context.confirmed && false };"#;
    insta::assert_snapshot!(faults(text), @"
    test.cedar:2:1: for policy `never`, policy is impossible: the policy expression evaluates to false for all valid requests
    test.cedar:2:1: for policy `never`, unable to find an applicable action given the policy scope constraints
    test.cedar:4:1: for policy `never-2`, policy is impossible: the policy expression evaluates to false for all valid requests
    ");
}

#[test]
fn a_template() {
    let text = r#"@id("t") permit (principal == ?principal, action, resource);"#;
    insta::assert_snapshot!(faults(text), @"
    test.cedar:1:1: a template is no policy by itself
      help: write the entity instead of `?principal` or `?resource`
    ");
}

#[test]
fn an_entity_that_nothing_can_be() {
    let text = r#"@id("upn") permit (principal == Caller::"alice@contoso.com", action == Action::"stop", resource);
@id("shouted") permit (principal == Caller::"6F2F0000-0000-4000-8000-00000000000A", action == Action::"stop", resource);
@id("group") permit (principal in Group::"platform-team", action == Action::"stop", resource);
@id("bare") permit (principal, action, resource in Subscription::"aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e");
@id("rg") permit (principal, action, resource)
when { resource in ResourceGroup::"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg" };
@id("name") permit (principal, action, resource == ManagedCluster::"aks-1");"#;
    insta::assert_snapshot!(faults(text), @r#"
    test.cedar:1:42: no Caller has the id `alice@contoso.com`
      help: the id of a Caller is an object id (a GUID), or "unknown"
    test.cedar:2:46: no Caller has the id `6F2F0000-0000-4000-8000-00000000000A`: ids are lower case
      help: write `6f2f0000-0000-4000-8000-00000000000a`
    test.cedar:3:43: no Group has the id `platform-team`
      help: the id of a Group is an object id (a GUID)
    test.cedar:4:67: no Subscription has the id `aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e`
      help: the id of a Subscription is "/subscriptions/<guid>"
    test.cedar:6:36: no ResourceGroup has the id `/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg`: ids are lower case
      help: write `/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg`
    test.cedar:7:69: no ManagedCluster has the id `aks-1`
      help: the id of a ManagedCluster is "/subscriptions/<guid>/resourcegroups/<name>/providers/microsoft.containerservice/managedclusters/<name>"
    "#);
}

#[test]
fn text_that_looks_like_other_text() {
    let text = "@id(\"spoof\") permit (principal, action == Action::\"stop\", resource)\nwhen { principal has name && principal.name == \"\u{430}lice\" };";
    insta::assert_snapshot!(faults(text), @r#"test.cedar:2:48: for policy `spoof`, string `"аlice"` contains mixed scripts"#);
}

#[test]
fn all_faults_of_all_files_are_told_at_once_in_order() {
    let found = load(&[
        ("z.cedar", "permit (principal, action, resource) when { context.x };\nsyntax!"),
        ("m.cedar", "\n@id(\"m\") @nope permit (principal, action, resource) when { context.local.hour };"),
        ("a.cedar", "@id(\"a\") permit (principal, action, resource);"),
        ("b.cedar", "@id(\"a\") permit (principal, action, resource) when { 1 == \"x\" };"),
    ])
    .unwrap_err();
    insta::assert_snapshot!(told(&found), @r#"
    b.cedar:1:1: for policy `b.cedar:1:1`, policy is impossible: the policy expression evaluates to false for all valid requests
    b.cedar:1:1: the id `a` is used twice
      help: it is the id of another policy in a.cedar
    m.cedar:2:10: `@nope` is not an annotation of the guard
      help: the guard knows @id, @severity, @after, @notify, @incident and @doc; write free text as @doc("...")
    m.cedar:2:60: for policy `m`, unexpected type: expected Bool but saw Long
    z.cedar:2:7: unexpected token `!`: expected `(`
    "#);
}

#[test]
fn a_column_counts_characters_not_bytes() {
    let text = "@id(\"a\") @doc(\"Über Nacht\") @nope permit (principal, action, resource);";
    assert!(faults(text).starts_with("test.cedar:1:29: "), "{}", faults(text));
}

#[test]
fn the_command_line_can_draw_a_fault_in_its_line() {
    let text = "@id(\"night\")\npermit (principal, action == Action::\"stop\", resource)\nwhen { context.local.houre >= 20 };";
    let found = load(&[("night.cedar", text)]).unwrap_err();
    let mut drawn = String::new();
    miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
        .render_report(&mut drawn, found.first().unwrap())
        .unwrap();
    insta::assert_snapshot!(drawn, @r#"
     × night.cedar:3:8: for policy `night`, attribute `local.houre` in context for Action::"stop" not found
      ╭─[night.cedar:3:8]
    2 │ permit (principal, action == Action::"stop", resource)
    3 │ when { context.local.houre >= 20 };
      ·        ───────────────────
      ╰────
     help: did you mean `hour`?
    "#);
}
