//! Alerts look for what the code really logs and for what really exists, and live outside the guard.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::snapshot::{Shape, root, shape, text};

/// The shape with alerts, in two subscriptions.
fn watched() -> Shape {
    shape("several")
}

fn queries(shape: &Shape) -> Vec<(String, String)> {
    let rules = shape.of("Microsoft.Insights/scheduledQueryRules");
    let of = |rule: &&Value| {
        let query = text(&rule["properties"]["criteria"]["allOf"][0]["query"]).to_owned();
        (text(&rule["name"]).to_owned(), query)
    };
    rules.iter().map(of).collect()
}

/// The log lines that a query compares with.
fn lines_of(query: &str) -> Vec<&str> {
    let after = ["message) == '", "What == '", "What in ('", "', '"];
    let starts =
        after.iter().flat_map(|start| query.match_indices(start).map(|(at, found)| at + found.len()));
    starts.filter_map(|at| query.get(at..)?.split('\'').next()).filter(|line| !line.is_empty()).collect()
}

/// All of the library's source, tests left out.
fn source() -> String {
    fn read(folder: &std::path::Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("tests") {
                read(&path, text);
            } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
                text.push_str(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut text = String::new();
    read(&root().join("src"), &mut text);
    text
}

#[test]
fn alerts_and_workbook_look_for_lines_that_the_code_logs() {
    let source = source();
    let shape = watched();
    let workbook =
        text(&shape.only("Microsoft.Insights/workbooks")["properties"]["serializedData"]).to_owned();
    let mut looked_for = BTreeSet::new();
    for query in queries(&shape).into_iter().map(|(_, query)| query).chain([workbook]) {
        for line in lines_of(&query) {
            assert!(source.contains(&format!("\"{line}\"")), "nothing logs `{line}`");
            looked_for.insert(line.to_owned());
        }
    }
    assert!(looked_for.len() >= 6, "{looked_for:?}");
}

#[test]
fn alerts_read_fields_of_the_sweep_line_that_are_there() {
    let sweep = std::fs::read_to_string(root().join("src/guard/heartbeat.rs")).unwrap();
    let mut fields = BTreeSet::new();
    for (_, query) in queries(&watched()) {
        for (at, start) in query.match_indices("Line.") {
            let rest = query.get(at + start.len()..).unwrap();
            let field: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if field != "message" {
                assert!(
                    sweep.contains(&format!("{field} = swept."))
                        || sweep.contains(&format!("            {field},")),
                    "{field}"
                );
                fields.insert(field);
            }
        }
    }
    assert_eq!(
        fields.into_iter().collect::<Vec<_>>(),
        ["discovered", "failed", "held", "oldest_seconds", "open"]
    );
}

/// The lines of the heartbeat must all arrive: a sampled one would look like a dead guard.
#[test]
fn log_lines_are_exempt_from_sampling() {
    let host: Value =
        serde_json::from_str(&std::fs::read_to_string(root().join("host.json")).unwrap()).unwrap();
    let sampling = &host["logging"]["applicationInsights"]["samplingSettings"];
    assert!(text(&sampling["excludedTypes"]).split(';').any(|kind| kind == "Trace"), "{sampling}");
}

#[test]
fn an_alert_for_each_way_to_blind_the_guard_lives_outside_its_group() {
    let shape = watched();
    let guard = text(&shape.only("Microsoft.Web/sites")["id"]).split('/').nth(4).unwrap().to_owned();
    let mut operations = BTreeSet::new();
    for alert in shape.of("Microsoft.Insights/activityLogAlerts") {
        assert_ne!(text(&alert["id"]).split('/').nth(4), Some(guard.as_str()), "{}", alert["name"]);
        assert!(!alert["properties"]["actions"]["actionGroups"].as_array().unwrap().is_empty());
        let conditions = alert["properties"]["condition"]["allOf"].as_array().unwrap();
        let any = conditions.iter().filter_map(|condition| condition["anyOf"].as_array()).flatten();
        let named = any.filter(|condition| condition["field"] == "operationName");
        operations.extend(named.map(|condition| text(&condition["equals"]).to_owned()));
    }
    for deed in [
        "Microsoft.Web/sites/stop/action",
        "Microsoft.Web/sites/delete",
        "Microsoft.Web/sites/config/write",
        "Microsoft.EventGrid/systemTopics/delete",
        "Microsoft.EventGrid/systemTopics/eventSubscriptions/delete",
        "Microsoft.EventGrid/systemTopics/eventSubscriptions/write",
        "Microsoft.Authorization/roleAssignments/delete",
        "Microsoft.Authorization/locks/delete",
        "Microsoft.Authorization/denyAssignments/write",
    ] {
        assert!(operations.contains(deed), "nobody is told of {deed}");
    }
    for rule in ["Microsoft.Insights/scheduledQueryRules", "Microsoft.Insights/metricAlerts"] {
        assert!(!shape.of(rule).is_empty(), "{rule}");
        assert!(shape.of(rule).iter().all(|rule| text(&rule["id"]).contains("/resourceGroups/rg-watch/")));
    }
}

#[test]
fn each_guarded_subscription_has_its_own_alerts() {
    let shape = watched();
    for name in ["stop-guard-several-deaf", "stop-guard-several-powerless", "stop-guard-several-denied"] {
        let alerts = shape.of("Microsoft.Insights/activityLogAlerts");
        let scopes: BTreeSet<_> = alerts
            .iter()
            .filter(|alert| alert["name"] == name)
            .map(|alert| text(&alert["properties"]["scopes"][0]).to_owned())
            .collect();
        assert_eq!(scopes.len(), 2, "{name}: {scopes:?}");
    }
}

#[test]
fn every_alert_has_its_lines_in_the_operations_guide() {
    let guide = std::fs::read_to_string(root().join("docs/OPERATIONS.md")).unwrap();
    let shape = watched();
    let kinds = [
        "Microsoft.Insights/activityLogAlerts",
        "Microsoft.Insights/scheduledQueryRules",
        "Microsoft.Insights/metricAlerts",
    ];
    for alert in kinds.iter().flat_map(|kind| shape.of(kind)) {
        let short = text(&alert["name"]).trim_start_matches("stop-guard-several-");
        assert!(guide.contains(&format!("| `{short}` |")), "docs/OPERATIONS.md says nothing of `{short}`");
    }
}
