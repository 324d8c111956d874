use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::harden::judged::{Change, Verb};

const GROUP: &str =
    "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod-weu/providers";
const LOGS: &str = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-logs/providers";

fn cluster_id() -> ClusterId {
    ClusterId::parse(&format!("{GROUP}/Microsoft.ContainerService/managedClusters/aks-prod-01")).unwrap()
}

fn workspace(name: &str) -> ResourceId {
    ResourceId::parse(&format!("{LOGS}/Microsoft.OperationalInsights/workspaces/{name}")).unwrap()
}

fn rule_id(name: &str) -> String {
    format!("{GROUP}/Microsoft.Insights/dataCollectionRules/{name}")
}

fn cluster(more: &Value) -> Value {
    let mut properties = json!({ "powerState": { "code": "Running" }, "provisioningState": "Succeeded" });
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "id": cluster_id().to_string(), "eTag": "e-1", "location": "westeurope", "properties": properties })
}

fn on(workspace: &ResourceId, by_identity: &str) -> Value {
    json!({ "addonProfiles": { "omsAgent": { "enabled": true, "config": {
        "loganalyticsworkspaceresourceid": workspace.to_string().to_lowercase(), "useAADAuth": by_identity } } } })
}

/// The three parts, knowing this cluster, a workspace in West Europe and this rule of the association.
fn parts(cluster: &Value, associated: Option<&str>) -> [ContainerInsights; 3] {
    let association =
        associated.map(|id| json!({ "properties": { "dataCollectionRuleId": id } }).to_string());
    let (cluster, place) = (cluster.to_string(), json!({ "location": "West Europe" }).to_string());
    let (cluster, place) = (Some(cluster.as_bytes()), Some(place.as_bytes()));
    ContainerInsights::parts(&cluster_id(), &workspace("law-prod"))
        .unwrap()
        .map(|part| part.informed(cluster, place, association.as_deref().map(str::as_bytes)).unwrap())
}

fn judged(part: &ContainerInsights, read: Option<&Value>) -> Judged {
    part.judge(read.map(Value::to_string).as_deref().map(str::as_bytes)).unwrap()
}

fn change(judged: Judged) -> Change {
    match judged {
        Judged::Change(change) => change,
        other => panic!("{other:?}"),
    }
}

fn refused(judged: Judged) -> String {
    match judged {
        Judged::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

fn sent(judged: Judged) -> Value {
    serde_json::from_str(&change(judged).body.unwrap()).unwrap()
}

fn fixture(text: &str) -> (String, Value) {
    let mut body: Value = serde_json::from_str(text).unwrap();
    let request = body.as_object_mut().unwrap().remove("_request").unwrap();
    (request.as_str().unwrap().to_owned(), body)
}

#[test]
fn the_rule_and_the_association_are_what_azures_own_template_sends_and_where() {
    let [rule, association, _] = parts(&cluster(&json!({})), None);
    for (part, text) in [
        (rule, include_str!("../../../tests/azure/container_insights/rule.json")),
        (association, include_str!("../../../tests/azure/container_insights/association.json")),
    ] {
        let (request, body) = fixture(text);
        let reading = part.question();
        let path = reading.segments().join("/");
        assert_eq!(
            format!("PUT https://management.azure.com/{path}?api-version={}", reading.api_version()),
            request
        );
        assert_eq!(sent(judged(&part, None)), body);
        assert!(matches!(judged(&part, Some(&body)), Judged::Already(_)), "what is sent is what is wanted");
    }
}

#[test]
fn a_name_of_a_rule_has_the_workspaces_region_and_64_characters_at_most() {
    let [rule, ..] = parts(&cluster(&json!({})), None);
    let Some(Ok(used)) = &rule.rule else { panic!("{rule:?}") };
    assert_eq!((used.id.name(), used.region.as_str()), ("MSCI-westeurope-aks-prod-01", "westeurope"));
    let long = "a".repeat(63);
    assert_eq!(rule::name("westeurope", &long).len(), 64);
    let dash = format!("{}-{}", "a".repeat(47), "b".repeat(10));
    assert_eq!(
        rule::name("westeurope", &dash),
        format!("MSCI-westeurope-{}", "a".repeat(47)),
        "no dash at the end"
    );
}

#[test]
fn the_add_on_is_turned_on_in_the_casing_that_is_there_and_nothing_else_is_touched() {
    let [.., add_on] = parts(&cluster(&json!({})), None);
    let read = r#"{"id":"/x","eTag":"e-1","new":[ 1.50 ],"properties":{"powerState":{"code":"Running"},"provisioningState":"Succeeded","addonProfiles":{"azurepolicy":{"enabled":true,"config":null},"omsAgent":{"enabled":false,"config":{"loganalyticsworkspaceresourceid":"/old","x":"1"}}},"z":1E2}}"#;
    let change = change(add_on.judge(Some(read.as_bytes())).unwrap());
    assert_eq!((change.verb, change.if_match.as_deref()), (Verb::Put, Some("e-1")));
    insta::assert_snapshot!(change.body.as_deref().unwrap(), @r#"{"id":"/x","eTag":"e-1","new":[ 1.50 ],"properties":{"powerState":{"code":"Running"},"provisioningState":"Succeeded","addonProfiles":{"azurepolicy":{"enabled":true,"config":null},"omsAgent":{"enabled":true,"config":{"loganalyticsworkspaceresourceid":"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-logs/providers/Microsoft.OperationalInsights/workspaces/law-prod","x":"1","useAADAuth":"true"}}},"z":1E2}}"#);
    let updating = change.body.as_deref().unwrap().replace("Succeeded", "Updating");
    assert!(matches!(add_on.judge(Some(updating.as_bytes())).unwrap(), Judged::Busy(_)), "not done yet");
    let done = add_on.judge(change.body.as_deref().map(str::as_bytes)).unwrap();
    assert!(matches!(done, Judged::Already(_)), "what is sent is what is wanted: {done:?}");
    let fresh = sent(judged(
        &add_on,
        Some(&cluster(&json!({ "addonProfiles": { "omsagent": { "enabled": false, "config": null } } }))),
    ));
    assert_eq!(
        fresh["properties"]["addonProfiles"]["omsagent"],
        json!({ "enabled": true, "config": {
            "logAnalyticsWorkspaceResourceID": workspace("law-prod").to_string(), "useAADAuth": "true" } })
    );
}

#[test]
fn an_add_on_that_is_on_otherwise_is_refused_before_anything_is_written() {
    for (properties, why) in [
        (
            on(&workspace("other"), "true"),
            "and sends to `/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg-logs/providers/microsoft.operationalinsights/workspaces/other`, and can only be changed by turning it off first: `az aks disable-addons --addons monitoring --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group rg-prod-weu --name aks-prod-01`",
        ),
        (on(&workspace("law-prod"), "false"), "with the older authentication by the workspace's key"),
        (json!({ "azureMonitorProfile": { "containerInsights": { "enabled": true } } }), "the newer way"),
        (
            json!({ "servicePrincipalProfile": { "clientId": "11111111-2222-4333-8444-555555555555" } }),
            "service principal",
        ),
        (json!({ "powerState": { "code": "Stopped" } }), "the cluster is stopped"),
    ] {
        for part in parts(&cluster(&properties), None) {
            let told = refused(judged(&part, None));
            assert!(told.contains(why), "{told}");
        }
    }
    let busy = cluster(&json!({ "provisioningState": "Updating" }));
    assert!(parts(&busy, None).iter().all(|part| matches!(judged(part, None), Judged::Busy(_))));
    let identity = json!({ "servicePrincipalProfile": { "clientId": "msi" } });
    assert!(matches!(judged(&parts(&cluster(&identity), None)[0], None), Judged::Change(_)));
}

#[test]
fn a_workspace_or_a_cluster_that_is_not_there_is_refused() {
    let running = cluster(&json!({})).to_string();
    for part in ContainerInsights::parts(&cluster_id(), &workspace("law-prod")).unwrap() {
        let no_cluster = part.informed(None, None, None).unwrap();
        assert!(refused(judged(&no_cluster, None)).contains("there is no cluster `aks-prod-01`"));
        let no_workspace = part.informed(Some(running.as_bytes()), None, None).unwrap();
        let why = refused(judged(&no_workspace, None));
        assert!(
            why.contains("there is no workspace") && why.contains("harden workspace /subscriptions/"),
            "{why}"
        );
        assert!(refused(judged(&part, None)).contains("not read"));
    }
    let group = ResourceId::parse(&format!("{GROUP}/Microsoft.Network/networkSecurityGroups/x")).unwrap();
    assert!(ContainerInsights::parts(&cluster_id(), &group).is_err());
}

/// A rule as people tune it, with logs of the machines beside.
fn tuned(workspace: &ResourceId) -> Value {
    json!({ "location": "westeurope", "etag": "\"1\"", "properties": {
        "dataSources": {
            "syslog": [{ "streams": ["Microsoft-Syslog"], "name": "s" }],
            "extensions": [{ "name": "x", "extensionName": "containerinsights", "streams": ["Microsoft-ContainerLogV2", "Microsoft-KubeEvents"] }] },
        "destinations": { "logAnalytics": [{ "name": "la-workspace", "workspaceResourceId": workspace.to_string().to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions") }] },
        "dataFlows": [{ "streams": ["Microsoft-KubeEvents", "Microsoft-ContainerLogV2", "Microsoft-Syslog"], "destinations": ["la-workspace"] }] } })
}

#[test]
fn a_rule_that_serves_is_used_as_it_is_whoever_made_it() {
    let made_by_terraform = rule_id("dcr-of-terraform");
    let [rule, association, _] = parts(&cluster(&json!({})), Some(&made_by_terraform));
    assert_eq!(rule.question().segments().last().unwrap(), "dcr-of-terraform");
    let Judged::Already(told) = judged(&rule, Some(&tuned(&workspace("law-prod")))) else { panic!("not so") };
    insta::assert_snapshot!(told, @"the rule `dcr-of-terraform` in `rg-prod-weu` sends Microsoft-ContainerLogV2, Microsoft-KubeEvents to `law-prod`");
    let own = json!({ "properties": { "dataCollectionRuleId": made_by_terraform.to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions") } });
    assert!(matches!(judged(&association, Some(&own)), Judged::Already(_)));
}

#[test]
fn a_rule_that_sends_elsewhere_is_shown_and_only_its_destination_changes() {
    let [rule, association, _] = parts(&cluster(&json!({})), None);
    let elsewhere = tuned(&workspace("other"));
    let change = change(judged(&rule, Some(&elsewhere)));
    assert!(change.now.ends_with("/WORKSPACES/OTHER`"), "{}", change.now);
    insta::assert_snapshot!(change.then, @"the rule `MSCI-westeurope-aks-prod-01` in `rg-prod-weu` sends Microsoft-ContainerLogV2, Microsoft-KubeEvents to `law-prod`, with all else that goes there by it, for every cluster that is associated with it");
    assert_eq!(change.if_match.as_deref(), Some("\"1\""));
    let mut wanted = elsewhere.clone();
    wanted["properties"]["destinations"]["logAnalytics"][0]["workspaceResourceId"] =
        json!(workspace("law-prod").to_string());
    let sent: Value = serde_json::from_str(&change.body.unwrap()).unwrap();
    assert_eq!(sent, wanted);
    assert!(matches!(judged(&rule, Some(&sent)), Judged::Already(_)));

    let mut far = elsewhere.clone();
    far["location"] = json!("North Europe");
    assert!(refused(judged(&rule, Some(&far))).contains("a workspace of its own region only"));
    let mut lost = elsewhere.clone();
    lost["properties"]["dataFlows"] = json!([]);
    assert!(refused(judged(&rule, Some(&lost))).contains("to `no workspace`: that is not for this command"));
    let mut foreign = elsewhere;
    foreign["properties"]["dataSources"]["extensions"] = json!([]);
    assert!(refused(judged(&rule, Some(&foreign))).contains("collects nothing for Container Insights"));
    let another = json!({ "properties": { "dataCollectionRuleId": rule_id("another") } });
    assert!(refused(judged(&association, Some(&another))).contains("associated with another rule"));
}

proptest! {
    #[test]
    fn no_answer_makes_a_judgement_panic(text in "\\PC{0,60}", key in "properties|id|location|etag") {
        for part in parts(&cluster(&json!({})), None) {
            let _ = part.judge(Some(text.as_bytes()));
            let odd = json!({ key.clone(): text, "properties": { "dataFlows": text, "dataSources": { "extensions": [text] } } }).to_string();
            let _ = part.judge(Some(odd.as_bytes()));
            let _ = part.informed(Some(odd.as_bytes()), Some(odd.as_bytes()), Some(odd.as_bytes()));
        }
    }
}
