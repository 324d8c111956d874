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
    insta::assert_snapshot!(changes(&explained), @"");
}
