//! Data collection rules and their associations with clusters (source: azure-rest-api-specs, `DataCollectionRulesCreate.json`,
//! `DataCollectionRuleAssociationsCreate.json`, 2022-06-01). Both are written at once, without an operation.

use http::StatusCode;
use serde_json::{Value, json};

use super::World;
use super::amend::{changed, invalid};
use super::answer::Draft;
use super::arm::{Call, not_found};
use super::id::ClusterId;

impl World {
    pub(super) fn put_collection_rule(&mut self, id: &str, call: &Call<'_>) -> Draft {
        let Ok(body) = serde_json::from_slice::<Value>(call.request.body()) else { return invalid("body") };
        if let Some(problem) = self.problem(&body) {
            return Draft::gateway_error(StatusCode::BAD_REQUEST, "InvalidPayload", &problem);
        }
        let immutable =
            self.estate.resource(id).and_then(|own| own.pointer("/properties/immutableId").cloned());
        let immutable =
            immutable.unwrap_or_else(|| json!(format!("dcr-{}", self.guids.next_guid().replace('-', ""))));
        let mut properties = body.get("properties").cloned().unwrap_or_default();
        set(&mut properties, "immutableId", immutable);
        let mut rule = json!({ "type": "Microsoft.Insights/dataCollectionRules", "properties": properties });
        for name in ["location", "kind", "tags"] {
            if let Some(value) = body.get(name) {
                set(&mut rule, name, value.clone());
            }
        }
        self.write(id, rule, call)
    }

    pub(super) fn put_association(&mut self, cluster: &ClusterId, id: &str, call: &Call<'_>) -> Draft {
        if !self.clusters.contains_key(cluster) {
            return not_found(cluster);
        }
        let Ok(body) = serde_json::from_slice::<Value>(call.request.body()) else { return invalid("body") };
        let rule =
            body.pointer("/properties/dataCollectionRuleId").and_then(Value::as_str).unwrap_or_default();
        if self.estate.resource(rule).is_none() {
            // The status is documented, the wording is not known.
            let message = format!("Data collection rule '{rule}' is not found.");
            return Draft::gateway_error(StatusCode::BAD_REQUEST, "InvalidDataCollectionRule", &message);
        }
        let properties = body.get("properties").cloned().unwrap_or_default();
        let kind = "Microsoft.Insights/dataCollectionRuleAssociations";
        self.write(id, json!({ "type": kind, "properties": properties }), call)
    }

    /// Keeps it under a new etag, unless it changed since it was read.
    fn write(&mut self, id: &str, mut body: Value, call: &Call<'_>) -> Draft {
        let own = self.estate.resource(id).and_then(|own| own.get("etag")?.as_str().map(str::to_owned));
        let wanted = call.request.headers().get("if-match");
        if wanted.is_some_and(|wanted| Some(wanted.as_bytes()) != own.as_deref().map(str::as_bytes)) {
            return changed();
        }
        // Quoted in the body (source: the examples).
        set(&mut body, "etag", json!(format!("\"{}\"", self.guids.next_guid())));
        if let Some(properties) = body.get_mut("properties") {
            set(properties, "provisioningState", json!("Succeeded"));
        }
        self.estate.keep(id, body);
        let status = if own.is_none() { StatusCode::CREATED } else { StatusCode::OK };
        self.estate.resource(id).map_or_else(|| invalid("id"), |made| Draft::gateway(status, made))
    }

    /// What Azure would not take of a rule. The wording is not known.
    fn problem(&self, rule: &Value) -> Option<String> {
        let Some(region) = rule.get("location").and_then(Value::as_str) else {
            return Some("'location' is required.".to_owned());
        };
        let list = |path: &str| rule.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default();
        let names = |row: &Value, name: &str| -> Vec<String> {
            let names = row.get(name).and_then(Value::as_array).into_iter().flatten();
            names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
        };
        let destinations = list("/properties/destinations/logAnalytics");
        for destination in &destinations {
            let workspace =
                destination.get("workspaceResourceId").and_then(Value::as_str).unwrap_or_default();
            let Some(workspace) = self.estate.resource(workspace) else {
                return Some(format!("The workspace '{workspace}' was not found."));
            };
            if workspace.get("location").and_then(Value::as_str) != Some(region) {
                return Some(format!("The rule and its workspace must both be in '{region}'."));
            }
        }
        let known: Vec<&str> = destinations.iter().filter_map(|row| row.get("name")?.as_str()).collect();
        let collected: Vec<String> =
            list("/properties/dataSources/extensions").iter().flat_map(|row| names(row, "streams")).collect();
        for flow in list("/properties/dataFlows") {
            if !names(&flow, "destinations").iter().all(|name| known.contains(&name.as_str())) {
                return Some("A data flow names a destination that is not there.".to_owned());
            }
            let other = |stream: &String| stream.contains("ContainerInsights") && !collected.contains(stream);
            if names(&flow, "streams").iter().any(other) {
                return Some("A data flow carries a stream that no data source has.".to_owned());
            }
        }
        None
    }
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}
