use super::*;

const POLICY: &str = r#"@id("all") permit (principal, action, resource);"#;

#[test]
fn a_file_that_is_too_big_is_not_even_parsed() {
    let big = format!("// {}\nnot cedar", "x".repeat(256 * 1024));
    insta::assert_snapshot!(faults(&big), @"test.cedar:1:1: the file has more than 262144 bytes");
    let allowed = format!("{POLICY}\n//{}", "x".repeat(256 * 1024 - POLICY.len() - 3));
    assert_eq!(policies(&allowed).len(), 1);
}

#[test]
fn more_files_than_a_folder_of_policies_has_are_refused() {
    let names: Vec<String> = (0..65).map(|n| format!("{n:02}.cedar")).collect();
    let files: Vec<PolicyFile<'_>> = names.iter().map(|name| PolicyFile { name, text: "" }).collect();
    insta::assert_snapshot!(told(&Policies::load(&files).unwrap_err()), @"64.cedar:1:1: more than 64 files");
    assert!(Policies::load(files.get(..64).unwrap()).is_ok());
}

#[test]
fn more_than_a_thousand_policies_are_refused() {
    let of = |count: usize| {
        let all = (0..count).map(|n| format!("@id(\"p{n}\") permit (principal, action, resource);\n"));
        load(&[("many.cedar", &all.collect::<String>())])
    };
    assert_eq!(of(1_000).unwrap().len(), 1_000);
    insta::assert_snapshot!(told(&of(1_001).unwrap_err()), @"many.cedar:1001:1: more than 1000 policies");
}

#[test]
fn no_more_faults_are_told_than_somebody_reads() {
    let bad = "permit (principal, action, resource);\n".repeat(500);
    assert_eq!(load(&[("bad.cedar", &bad)]).unwrap_err().len(), 200);
}

/// A condition that goes `depth` deep, with a wrong type at its deepest place.
fn wrong_at_the_bottom((open, close): (&str, &str), depth: usize) -> String {
    let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
    format!("@id(\"deep\") permit (principal, action, resource) when {{ {nested} }};")
}

const NESTED: [(&str, &str); 4] = [("(", ")"), ("[", "]"), ("{a: ", "}"), ("({a: [", "]})")];
const CHAINED: [(&str, &str); 6] = [
    ("true && ", ""),
    ("", " + 1"),
    ("", " || true"),
    ("", ".a"),
    ("if true then ", " else true"),
    ("if ", " then true else true"),
];

#[test]
fn a_policy_that_goes_too_deep_is_a_fault_and_not_the_end_of_the_process() {
    for form in NESTED.into_iter().chain(CHAINED).chain([("!", ""), ("-", "")]) {
        let depth = 250_000 / (form.0.len() + form.1.len());
        let told = faults(&wrong_at_the_bottom(form, depth));
        let too_deep = told.contains("more than 24 brackets") || told.contains("more than 500 operators");
        assert!(too_deep, "{form:?}: {told}");
    }
}

/// Cedar's validator passes a policy that it can't reach the bottom of.
#[test]
fn whatever_is_not_too_deep_is_validated_down_to_its_bottom() {
    for form in NESTED.into_iter().chain(CHAINED) {
        let deepest = if NESTED.contains(&form) { 24 } else { 500 };
        let told = (1..=deepest).rev().map(|depth| faults(&wrong_at_the_bottom(form, depth)));
        let validated = told.into_iter().find(|told| !told.contains("more than")).unwrap();
        let finds_it = validated.contains("unexpected type") || validated.contains("not found");
        assert!(finds_it, "{form:?}: {validated}");
    }
}

#[test]
fn whatever_is_not_too_deep_is_evaluated_to_its_end() {
    let callers =
        (0..400).map(|n| format!(r#"principal == Caller::"{n:08}-0000-4000-8000-000000000000" || "#));
    let callers = format!(r#"{} principal == Caller::"{ALICE}""#, callers.collect::<String>());
    let counts = format!("context.restartsLast24h{} == 490", " + 1".repeat(490));
    let ifs = format!(
        "{}context.callerKnown{}",
        "if context.callerKnown then ".repeat(240),
        " else false".repeat(240)
    );
    let conditions = "context.callerKnown && ".repeat(240) + "context.callerKnown";
    let nested = format!("{}context.callerKnown{}", "(true && ".repeat(22), ")".repeat(22));
    for condition in [callers, counts, ifs, conditions, nested] {
        let text = format!(
            r#"@id("p") permit (principal, action == Action::"stop", resource) when {{ {condition} }};"#
        );
        let set = policies(&text);
        assert_eq!(Stop::by(alice()).ask(&set).ids(), ["p"], "{condition}");
        let other = Stop {
            counts: Counts { restarts_last_24h: 1, ..Counts::default() },
            ..Stop::by(Caller::unknown())
        };
        assert!(other.ask(&set).is_default_deny(), "{condition}");
    }
}

#[test]
fn brackets_and_operators_in_texts_and_comments_count_for_nothing() {
    let signs = "([{ && || . if ! + ".repeat(60);
    let text = format!(
        "// {signs}\n@id(\"a\") @doc(\"\\\"{signs}\") permit (principal, action, resource); // {signs}"
    );
    assert_eq!(policies(&text).len(), 1);
}

#[test]
fn a_comment_hides_nothing_behind_a_carriage_return() {
    let text = format!("// a comment\r{}", wrong_at_the_bottom(("(", ")"), 50));
    assert!(faults(&text).contains("more than 24 brackets"), "{}", faults(&text));
}

#[test]
fn the_hash_names_the_texts_and_their_names_whatever_their_order() {
    let hash = |texts: &[(&str, &str)]| load(texts).unwrap().hash().to_owned();
    let both = hash(&[("a.cedar", POLICY), ("b.cedar", "//")]);
    assert_eq!(both.len(), 16);
    assert!(both.bytes().all(|b| b.is_ascii_hexdigit()));
    assert_eq!(both, hash(&[("b.cedar", "//"), ("a.cedar", POLICY)]));
    assert_ne!(both, hash(&[("a.cedar", POLICY), ("c.cedar", "//")]));
    assert_ne!(both, hash(&[("a.cedar", POLICY), ("b.cedar", "// ")]));
    assert_ne!(hash(&[("a", "//b//")]), hash(&[("a", "//"), ("b", "//")]));
    assert_eq!(both, "32800e31a21a1051", "the same in every build: cases are compared by it");
}

#[test]
fn policies_are_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&Policies::default_set().unwrap());
}
