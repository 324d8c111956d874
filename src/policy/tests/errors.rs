//! An error while evaluating is never an allow.

use super::*;

/// Passes strict validation and overflows whenever there was a restart.
const OVERFLOW: &str = "context.restartsLast24h * 9223372036854775807 > 0";

fn stop() -> Stop {
    Stop { counts: Counts { restarts_last_24h: 2, ..Counts::default() }, ..Stop::by(alice()) }
}

fn both_questions(text: &str) -> [Answer; 2] {
    let set = policies(text);
    [stop().ask(&set), stop().ask_restart(&set)]
}

fn assert_names_the_policy(answer: &Answer, id: &str) {
    assert!(!answer.allowed);
    assert!(!answer.is_default_deny(), "people must hear of it");
    let failed: Vec<_> = answer.errors.iter().map(EvaluationError::policy_id).collect();
    assert_eq!(failed, [Some(id)]);
}

#[test]
fn a_forbid_that_overflows_lets_no_permit_win() {
    let text = format!(
        r#"@id("all") @severity("info") permit (principal, action in [Action::"stop", Action::"restart"], resource);
           @id("broken") forbid (principal, action in [Action::"stop", Action::"restart"], resource) when {{ {OVERFLOW} }};"#
    );
    for answer in both_questions(&text) {
        assert_names_the_policy(&answer, "broken");
        assert_eq!(answer.ids(), [""; 0], "the permit that was overruled has determined nothing");
        assert_eq!(answer.severity(), None);
    }
}

#[test]
fn a_permit_that_overflows_beside_one_that_holds_is_no_allow() {
    let text = format!(
        r#"@id("all") permit (principal, action in [Action::"stop", Action::"restart"], resource);
           @id("broken") permit (principal, action in [Action::"stop", Action::"restart"], resource) when {{ {OVERFLOW} }};"#
    );
    for answer in both_questions(&text) {
        assert_names_the_policy(&answer, "broken");
    }
}

#[test]
fn a_permit_that_overflows_alone_is_told_from_a_default_deny() {
    let text = format!(
        r#"@id("broken") permit (principal, action in [Action::"stop", Action::"restart"], resource) when {{ {OVERFLOW} }};"#
    );
    for answer in both_questions(&text) {
        assert_names_the_policy(&answer, "broken");
    }
}

#[test]
fn a_forbid_that_holds_still_determines_beside_one_that_overflows() {
    let text = format!(
        r#"@id("broken") forbid (principal, action in [Action::"stop", Action::"restart"], resource) when {{ {OVERFLOW} }};
           @id("frozen") @severity("high") forbid (principal, action in [Action::"stop", Action::"restart"], resource);"#
    );
    for answer in both_questions(&text) {
        assert_names_the_policy(&answer, "broken");
        assert_eq!(answer.ids(), ["frozen"]);
    }
}

#[test]
fn the_same_policies_without_the_overflow_allow() {
    let text = format!(
        r#"@id("all") permit (principal, action in [Action::"stop", Action::"restart"], resource);
           @id("sound") forbid (principal, action in [Action::"stop", Action::"restart"], resource) when {{ {OVERFLOW} }};"#
    );
    let calm = Stop { counts: Counts::default(), ..stop() };
    assert!(calm.ask(&policies(&text)).allowed);
    assert!(calm.ask_restart(&policies(&text)).allowed);
}

#[test]
fn several_errors_are_told_in_a_fixed_order() {
    let broken: Vec<String> = ["c", "a", "b"]
        .map(|id| format!(r#"@id("{id}") forbid (principal, action in [Action::"stop", Action::"restart"], resource) when {{ {OVERFLOW} }};"#))
        .to_vec();
    let answer = stop().ask(&policies(&broken.join("\n")));
    let failed: Vec<_> = answer.errors.iter().filter_map(EvaluationError::policy_id).collect();
    assert_eq!(failed, ["a", "b", "c"]);
}

#[test]
fn an_error_says_what_went_wrong() {
    let set = policies(&format!(
        r#"@id("broken") forbid (principal, action in [Action::"stop", Action::"restart"], resource) when {{ {OVERFLOW} }};"#
    ));
    let answer = stop().ask(&set);
    insta::assert_snapshot!(answer.errors.first().unwrap(), @"policy `broken` can't be evaluated: integer overflow while attempting to multiply the values `2` and `9223372036854775807`");
}

#[test]
fn facts_that_make_no_question_are_an_error_and_no_allow() {
    let set = policies(
        r#"@id("all") permit (principal, action in [Action::"stop", Action::"restart"], resource);"#,
    );
    // Cedar's datetime knows four-digit years only.
    let before_christ = Stop { at: at("-000500-01-01T00:00:00Z"), ..Stop::by(alice()) };
    for answer in [before_christ.ask(&set), before_christ.ask_restart(&set)] {
        assert!(!answer.allowed);
        assert!(matches!(answer.errors.as_slice(), [EvaluationError::Question { .. }]), "{answer:?}");
    }
}
