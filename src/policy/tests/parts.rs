//! A long file is parsed a part at a time. Nobody can tell.

use proptest::prelude::*;

use super::*;

/// More than is parsed at once, line by line.
fn many(policies: usize) -> String {
    (0..policies)
        .map(|n| format!("@id(\"p{n}\") permit (principal, action, resource) when {{ true }};\n"))
        .collect()
}

#[test]
fn what_is_wrong_far_down_a_file_is_told_where_it_is() {
    let text = many(300)
        + r#"@severity("loud") permit (principal, action, resource);
@id("typo") permit (principal, action == Action::"stop", resource) when { context.houre };
@id("p7") permit (principal == Caller::"alice", action, resource);
@id("slot") permit (principal == ?principal, action, resource);
@id("group") permit (principal, action, resource in ManagementGroup::"/providers/microsoft.management/managementgroups/mg");
"#;
    insta::assert_snapshot!(faults(&text), @r#"
    test.cedar:301:1: `loud` is not a severity
      help: write one of info, low, medium, high, critical
    test.cedar:301:1: the policy has no id
      help: write @id("...") before it: cases and incidents call the policy by its id
    test.cedar:302:75: for policy `typo`, attribute `houre` in context for Action::"stop" not found
      help: did you mean `role`?
    test.cedar:303:1: the id `p7` is used twice
      help: it is the id of another policy in test.cedar
    test.cedar:303:41: no Caller has the id `alice`
      help: the id of a Caller is an object id (a GUID), or "unknown"
    test.cedar:304:1: a template is no policy by itself
      help: write the entity instead of `?principal` or `?resource`
    test.cedar:305:120: nothing is known to be in the management group `mg`
      help: say what is in it: [management-groups.mg] in a *.toml file beside the policies
    "#);
    let unfinished = many(300) + "@id(\"end\") permit (principal, action, resource) when { true }";
    insta::assert_snapshot!(faults(&unfinished), @"test.cedar:301:62: unexpected end of input: expected `;` or identifier");
    let stray = many(300) + "@id(\"end\") permit (principal, action, resource) where { true };\n" + &many(1);
    insta::assert_snapshot!(faults(&stray), @r"
    test.cedar:301:49: invalid policy condition: where
      help: condition must be either `when` or `unless`
    ");
}

#[test]
fn every_fault_of_a_long_file_is_told_wherever_its_parts_end() {
    let wrong = "permit (principal, action);\n";
    let text = format!("{wrong}{}{wrong}{wrong}", many(300));
    let lines: Vec<usize> =
        load(&[("long.cedar", &text)]).unwrap_err().iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [1, 302, 303]);
}

/// What may stand around a policy and within its texts: all of it could be mistaken for an end.
fn decoration() -> impl Strategy<Value = String> {
    let part =
        prop_oneof![Just(";"), Just("\\\""), Just("//"), Just("\\\\"), Just("}"), Just("é;"), Just(" ")];
    proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    // Each case loads two sets, which takes long in a build without optimisations.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_long_file_holds_the_same_policies_as_many_short_ones(
        decorations in proptest::collection::vec((decoration(), decoration(), 0_usize..900), 40..60)
    ) {
        let policies: Vec<String> = decorations.iter().enumerate().map(|(n, (text, comment, length))| format!(
            "// {comment}{}\n@id(\"p{n}\") @doc(\"{text}\") permit (principal, action, resource) when {{ \"{text}\" == \"{text}\" }}; // {comment}\n",
            "x".repeat(*length),
        )).collect();
        let long = load(&[("long.cedar", &policies.concat())]).map_err(|faults| TestCaseError::fail(told(&faults)))?;
        let names: Vec<String> = (0..policies.len()).map(|n| format!("{n:02}.cedar")).collect();
        let short: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(policies.iter().map(String::as_str)).collect();
        let short = load(&short).map_err(|faults| TestCaseError::fail(told(&faults)))?;
        let of = |set: &Policies| set.sources().map(|(id, source)| (id.to_owned(), source.text.clone())).collect::<Vec<_>>();
        prop_assert_eq!(of(&long), of(&short));
        let lines: Vec<usize> = long.sources().map(|(_, source)| source.line).collect();
        prop_assert_eq!(lines, (0..policies.len()).map(|n| 2 * n + 2).collect::<Vec<_>>());
    }
}
