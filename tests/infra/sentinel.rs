//! The way of an incident into Microsoft Sentinel: rule, table and analytics rule name the same columns.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::snapshot::{Shape, root, shape, text};

const TABLE: &str = "AksStopGuard_CL";

fn columns(list: &Value) -> BTreeMap<String, String> {
    let columns = list.as_array().unwrap().iter();
    columns.map(|column| (text(&column["name"]).to_owned(), text(&column["type"]).to_lowercase())).collect()
}

fn table(shape: &Shape) -> BTreeMap<String, String> {
    columns(&shape.only("Microsoft.OperationalInsights/workspaces/tables")["properties"]["schema"]["columns"])
}

#[test]
fn what_is_taken_in_fits_the_table() {
    let shape = shape("sentinel");
    let rule = shape.only("Microsoft.Insights/dataCollectionRules");
    assert_eq!(rule["kind"], "Direct", "the sink needs no endpoint of its own");
    let stream = format!("Custom-{TABLE}");
    let properties = &rule["properties"];
    assert_eq!(columns(&properties["streamDeclarations"][&stream]["columns"]), table(&shape));
    assert_eq!(properties["dataFlows"][0]["streams"][0], stream);
    assert_eq!(properties["dataFlows"][0]["outputStream"], stream);
    let made = shape.only("Microsoft.OperationalInsights/workspaces/tables");
    assert!(text(&made["name"]).ends_with(&format!("/{TABLE}")));
    // Azure asks it of each custom table.
    assert_eq!(table(&shape).get("TimeGenerated").map(String::as_str), Some("datetime"));
}

/// The members of the row that the sink sends: lines that begin with a name, indented by two.
#[test]
fn the_sink_sends_the_columns_of_the_table() {
    let file = std::fs::read_to_string(root().join("sinks/sentinel.toml")).unwrap();
    let members = file
        .lines()
        .filter_map(|line| line.strip_prefix("  \"")?.split_once("\": ").map(|(name, _)| name.to_owned()));
    let sent: BTreeSet<String> = members.collect();
    assert_eq!(sent, table(&shape("sentinel")).into_keys().collect());
    assert!(file.contains(&format!("/streams/Custom-{TABLE}?")), "the stream of the rule");
}

#[test]
fn the_analytics_rule_names_columns_that_are_there() {
    let shape = shape("sentinel");
    let rule = &shape.only("Microsoft.SecurityInsights/alertRules")["properties"];
    let query = text(&rule["query"]);
    assert!(query.starts_with(TABLE), "{query}");
    let mut known: BTreeSet<String> = table(&shape).into_keys().collect();
    known.extend(
        query
            .match_indices("extend ")
            .map(|(at, found)| query.get(at + found.len()..).unwrap().split(' ').next().unwrap().to_owned()),
    );
    let mut used: Vec<&str> = Vec::new();
    for mapping in rule["entityMappings"].as_array().unwrap() {
        used.extend(
            mapping["fieldMappings"].as_array().unwrap().iter().map(|field| text(&field["columnName"])),
        );
    }
    used.extend(rule["customDetails"].as_object().unwrap().values().map(text));
    let shown = &rule["alertDetailsOverride"];
    used.push(text(&shown["alertSeverityColumnName"]));
    used.extend(
        ["alertDisplayNameFormat", "alertDescriptionFormat"]
            .map(|format| text(&shown[format]).trim_matches(['{', '}'])),
    );
    // Words of the query that look like columns: capitalised, and no text in quotes.
    let unquoted: String = query.split('\'').step_by(2).collect();
    let words = unquoted.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| *word != TABLE);
    let in_query: Vec<&str> = words.filter(|word| word.starts_with(char::is_uppercase)).collect();
    assert!(used.len() >= 9 && in_query.len() >= 4, "{used:?} {in_query:?}");
    for column in used.into_iter().chain(in_query) {
        assert!(known.contains(column), "there is no column {column}");
    }
}

/// The words that the code uses for states, severities and modes.
#[test]
fn the_analytics_rule_knows_the_words_of_the_code() {
    use aks_stop_guard::case::Mode;
    use aks_stop_guard::domain::{IncidentState, Severity};
    let shape = shape("sentinel");
    let query = text(&shape.only("Microsoft.SecurityInsights/alertRules")["properties"]["query"]).to_owned();
    let words: BTreeSet<&str> = query.split('\'').skip(1).step_by(2).collect();
    let mut known: BTreeSet<&str> = BTreeSet::from(["High", "Medium", "Low", "Informational", " "]);
    known.extend(Severity::ALL.map(Severity::as_str));
    known.extend(
        [IncidentState::Opened, IncidentState::Updated, IncidentState::Resolved].map(IncidentState::as_str),
    );
    known.insert(Mode::DryRun.as_str());
    assert!(words.is_subset(&known), "{:?}", words.difference(&known));
    for word in [IncidentState::Opened.as_str(), Severity::Critical.as_str(), Severity::High.as_str()] {
        assert!(words.contains(word), "{word}");
    }
}

#[test]
fn only_the_guard_may_write_through_the_rule() {
    let shape = shape("sentinel");
    let rule = text(&shape.only("Microsoft.Insights/dataCollectionRules")["id"]).to_owned();
    let roles = shape.of("Microsoft.Authorization/roleAssignments");
    let given: Vec<_> = roles.iter().filter(|role| text(&role["id"]).starts_with(&rule)).collect();
    assert_eq!(given.len(), 1);
    assert!(
        text(&given[0]["properties"]["roleDefinitionId"]).ends_with("3913510d-42f4-4e42-8a64-420c390055eb")
    );
    assert!(text(&given[0]["properties"]["principalId"]).contains("Microsoft.ManagedIdentity"));
}
