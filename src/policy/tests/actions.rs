//! Policies are validated with the actions that they name. What they mean is what it is with all of them.

use super::*;

#[test]
fn a_condition_may_name_an_action_that_no_scope_does() {
    let text = r#"@id("stop") permit (principal, action == Action::"stop", resource) unless { action == Action::"restart" };"#;
    assert_eq!(policies(text).ids(), ["stop"]);
}

#[test]
fn a_policy_for_every_action_is_held_against_each_of_them() {
    let stop =
        r#"@id("stop") permit (principal, action == Action::"stop", resource) when { context.confirmed };"#;
    assert_eq!(policies(stop).ids(), ["stop"]);
    let all = r#"@id("all") permit (principal, action, resource) when { context.confirmed };"#;
    insta::assert_snapshot!(faults(&format!("{stop}\n{all}")), @r#"
    test.cedar:2:56: for policy `all`, attribute `confirmed` in context for Action::"grant" not found
      help: did you mean `caller`?
    test.cedar:2:56: for policy `all`, attribute `confirmed` in context for Action::"grantOwn" not found
      help: did you mean `caller`?
    test.cedar:2:56: for policy `all`, attribute `confirmed` in context for Action::"hold" not found
      help: did you mean `minutes`?
    test.cedar:2:56: for policy `all`, attribute `confirmed` in context for Action::"restart" not found
      help: did you mean `caller`?
    "#);
    let two = r#"@id("two") forbid (principal, action in [Action::"stop", Action::"hold"], resource) when { context.confirmed };"#;
    insta::assert_snapshot!(faults(&format!("{stop}\n{two}")), @r#"
    test.cedar:2:92: for policy `two`, attribute `confirmed` in context for Action::"hold" not found
      help: did you mean `minutes`?
    "#);
}

#[test]
fn an_action_without_the_caller_it_is_asked_for_can_never_apply() {
    let text = r#"@id("restart") permit (principal == Caller::"11111111-1111-4111-8111-111111111111", action == Action::"restart", resource);"#;
    insta::assert_snapshot!(faults(text), @r"
    test.cedar:1:1: for policy `restart`, policy is impossible: the policy expression evaluates to false for all valid requests
    test.cedar:1:1: for policy `restart`, unable to find an applicable action given the policy scope constraints
    ");
}

/// The loader itself asserts that what passes with the actions it names passes with all of them.
#[test]
fn whatever_passes_with_the_actions_that_it_names_passes_with_all_of_them() {
    let principals = [
        "principal",
        r#"principal == Guard::"self""#,
        r#"principal in Group::"11111111-1111-4111-8111-111111111111""#,
    ];
    let actions = [
        "action",
        r#"action == Action::"stop""#,
        r#"action == Action::"restart""#,
        r#"action in [Action::"hold", Action::"grant"]"#,
        "action in []",
    ];
    let resources = ["resource", "resource is ManagedCluster", r#"resource == Guard::"self""#];
    let conditions = [
        "true",
        "context.confirmed",
        "context has ip && context.ip.isLoopback()",
        r#"action in [Action::"grantOwn"]"#,
        "context.minutes > 5",
        "principal.kind == 1",
        r#"resource has skuTier && resource.skuTier == "Free""#,
    ];
    let mut scopes = Vec::new();
    for principal in principals {
        for action in actions {
            scopes.extend(resources.map(|resource| format!("{principal}, {action}, {resource}")));
        }
    }
    let mut valid = 0;
    for scope in &scopes {
        for condition in conditions {
            let text = format!("@id(\"p\") permit ({scope}) when {{ {condition} }};");
            valid += usize::from(load(&[("test.cedar", &text)]).is_ok());
        }
    }
    assert!((50..250).contains(&valid), "{valid} of {}", scopes.len() * conditions.len());
}
