use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::{ClusterId, ResourceId, SubscriptionId};

const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
const CLUSTER: &str = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-1";
const NSG: &str = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/mc/providers/Microsoft.Network/networkSecurityGroups/nodes";
const WORKSPACE: &str = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces/main";

fn plan(extensions: &[&str]) -> Item {
    let extensions = extensions.iter().map(|name| (*name).to_owned()).collect();
    Item::DefenderPlan(DefenderPlan {
        subscription: SubscriptionId::parse(SUBSCRIPTION).unwrap(),
        extensions,
    })
}

fn ranges(ranges: &[&str]) -> Item {
    let ranges: Vec<String> = ranges.iter().map(|range| (*range).to_owned()).collect();
    Item::AuthorizedRanges(AuthorizedRanges::new(ClusterId::parse(CLUSTER).unwrap(), &ranges).unwrap())
}

fn rule(name: &str) -> Item {
    Item::RemoveRule(NsgRule::new(ResourceId::parse(NSG).unwrap(), name).unwrap())
}

fn workspace() -> Item {
    Item::Workspace(NewWorkspace::new(ResourceId::parse(WORKSPACE).unwrap(), "westeurope", 90).unwrap())
}

fn sensor() -> Item {
    let workspace = ResourceId::parse(WORKSPACE).unwrap();
    Item::DefenderProfile(DefenderProfile::new(ClusterId::parse(CLUSTER).unwrap(), workspace).unwrap())
}

fn judged(item: &Item, body: &Value) -> Judged {
    item.judge(Some(body.to_string().as_bytes())).unwrap()
}

fn sent(item: &Item, body: &str) -> String {
    match item.judge(Some(body.as_bytes())).unwrap() {
        Judged::Change(Change { body: Some(body), .. }) => body,
        other => panic!("{other:?}"),
    }
}

fn refused(judged: &Judged) -> &str {
    match judged {
        Judged::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

/// A cluster with what this version doesn't know, written as no serialiser would.
const RUNNING: &str = r#"{ "id": "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-1",
 "eTag":"e-1","zukunft":{"b" : 1.50, "a":12345678901234567890123},"properties":{"powerState":{"code":"Running"},"provisioningState":"Succeeded","x":[ 1e2 ],"ApiServerAccessProfile":{"disableRunCommand":true,"authorizedIpRanges":null,"y":"\u00e9"}}}"#;

#[test]
fn a_cluster_is_written_as_it_was_read_but_for_the_one_member() {
    let item = ranges(&["203.0.113.0/24"]);
    insta::assert_snapshot!(sent(&item, RUNNING), @r#"{"id":"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-1","eTag":"e-1","zukunft":{"b" : 1.50, "a":12345678901234567890123},"properties":{"powerState":{"code":"Running"},"provisioningState":"Succeeded","x":[ 1e2 ],"ApiServerAccessProfile":{"disableRunCommand":true,"authorizedIpRanges":["203.0.113.0/24"],"y":"\u00e9"}}}"#);
    let Judged::Change(change) = item.judge(Some(RUNNING.as_bytes())).unwrap() else { panic!("no change") };
    assert_eq!(change.if_match.as_deref(), Some("e-1"));
    assert_eq!(
        item.judge(change.body.as_deref().map(str::as_bytes)).unwrap(),
        Judged::Already("the authorised ranges are 203.0.113.0/24".to_owned()),
        "what is sent is what is wanted"
    );
}

#[test]
fn a_cluster_is_written_only_while_it_runs_and_nothing_is_under_way() {
    let item = ranges(&["203.0.113.0/24"]);
    let with = |power: Value, provisioning: &str| {
        let properties = json!({ "powerState": power, "provisioningState": provisioning });
        judged(&item, &json!({ "id": CLUSTER, "eTag": "e", "properties": properties }))
    };
    assert!(matches!(with(json!({ "code": "Running" }), "Succeeded"), Judged::Change(_)));
    assert!(refused(&with(json!({ "code": "Stopped" }), "Succeeded")).contains("the cluster is stopped"));
    assert!(refused(&with(json!({ "code": "Stopped" }), "Stopping")).contains("the cluster is stopped"));
    assert!(refused(&with(Value::Null, "Succeeded")).contains("doesn't say whether the cluster runs"));
    for busy in ["Starting", "Upgrading", "Deleting", "Reticulating"] {
        assert!(matches!(with(json!({ "code": "Running" }), busy), Judged::Busy(_)), "{busy}");
    }
    let no_etag = RUNNING.replace("\"eTag\":\"e-1\",", "");
    assert!(refused(&item.judge(Some(no_etag.as_bytes())).unwrap()).contains("no etag"));
    let private = json!({ "id": CLUSTER, "eTag": "e", "properties": { "apiServerAccessProfile": { "enablePrivateCluster": true } } });
    assert!(refused(&judged(&item, &private)).contains("private"));
    assert!(refused(&item.judge(None).unwrap()).contains("no cluster"));
}

#[test]
fn what_is_written_and_still_under_way_is_not_done() {
    let updating = RUNNING.replace("Succeeded", "Updating").replace("null", r#"["203.0.113.7"]"#);
    assert!(matches!(ranges(&["203.0.113.7"]).judge(Some(updating.as_bytes())).unwrap(), Judged::Busy(_)));
    let done = updating.replace("Updating", "Succeeded");
    assert!(matches!(ranges(&["203.0.113.7/32"]).judge(Some(done.as_bytes())).unwrap(), Judged::Already(_)));
}

#[test]
fn a_range_is_the_same_however_it_is_spelt() {
    let told = RUNNING.replace("null", r#"["198.51.100.7","203.0.113.0/24"]"#);
    let already = ranges(&["203.0.113.99/24", "198.51.100.7/32"]).judge(Some(told.as_bytes())).unwrap();
    assert!(matches!(already, Judged::Already(_)), "{already:?}");
}

#[test]
fn the_sensor_is_turned_on_once_and_moved_to_the_workspace_that_is_named() {
    let off = r#"{"id":"/x","eTag":"e","properties":{"powerState":{"code":"Running"},"provisioningState":"Succeeded","securityProfile":{"imageCleaner":{"enabled":true,"intervalHours":168}}}}"#;
    let on = sent(&sensor(), off);
    insta::assert_snapshot!(on, @r#"{"id":"/x","eTag":"e","properties":{"powerState":{"code":"Running"},"provisioningState":"Succeeded","securityProfile":{"imageCleaner":{"enabled":true,"intervalHours":168},"defender":{"logAnalyticsWorkspaceResourceId":"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces/main","securityMonitoring":{"enabled":true}}}}}"#);
    let shouted = on.replace("resourceGroups/logs", "resourcegroups/LOGS");
    assert!(matches!(sensor().judge(Some(shouted.as_bytes())).unwrap(), Judged::Already(_)));
    let elsewhere = on.replace("workspaces/main", "workspaces/other");
    assert_eq!(sent(&sensor(), &elsewhere), on);
    let stopped = off.replace("Running", "Stopped");
    assert!(refused(&sensor().judge(Some(stopped.as_bytes())).unwrap()).contains("the cluster is stopped"));
    let nsg = ResourceId::parse(NSG).unwrap();
    assert!(DefenderProfile::new(ClusterId::parse(CLUSTER).unwrap(), nsg).is_err());
}

#[test]
fn a_plan_is_sent_whole_without_what_azure_computes() {
    let free = r#"{"name":"Containers","properties":{"pricingTier":"Free","freeTrialRemainingTime":"PT0S","enforce":"False","neu":{"z":1.0},"extensions":[{"name":"ContainerSensor","isEnabled":"False","additionalExtensionProperties":{"Q":"2.0"}}]}}"#;
    insta::assert_snapshot!(sent(&plan(&[]), free), @r#"{"properties":{"pricingTier":"Standard","enforce":"False","neu":{"z":1.0},"extensions":[{"name":"ContainerSensor","isEnabled":"False","additionalExtensionProperties":{"Q":"2.0"}}]}}"#);
    insta::assert_snapshot!(sent(&plan(&["containersensor", "Other"]), free), @r#"{"properties":{"pricingTier":"Standard","enforce":"False","neu":{"z":1.0},"extensions":[{"name":"ContainerSensor","isEnabled":"True","additionalExtensionProperties":{"Q":"2.0"}},{"name":"Other","isEnabled":"True"}]}}"#);
    let odd = json!({ "properties": { "pricingTier": "Premium" } });
    insta::assert_snapshot!(refused(&judged(&plan(&[]), &odd)), @"the plan has the tier `Premium`, which is not known here");
}

#[test]
fn a_rule_that_is_going_is_waited_for_and_one_that_is_gone_is_already_so() {
    let group = |state: &str| {
        let rule = json!({ "name": "SSH", "properties": { "provisioningState": state, "access": "Allow" } });
        json!({ "properties": { "securityRules": [rule], "defaultSecurityRules": [] } })
    };
    assert!(matches!(judged(&rule("ssh"), &group("Deleting")), Judged::Busy(_)));
    assert!(matches!(
        judged(&rule("ssh"), &group("Succeeded")),
        Judged::Change(Change { verb: Verb::Delete, .. })
    ));
    assert!(matches!(judged(&rule("rdp"), &group("Succeeded")), Judged::Already(_)));
    for name in ["", "..", "a/b", "a?b", "a b", &"x".repeat(81)] {
        assert!(NsgRule::new(ResourceId::parse(NSG).unwrap(), name).is_err(), "{name}");
    }
    assert!(NsgRule::new(ResourceId::parse(WORKSPACE).unwrap(), "ssh").is_err());
}

fn deny(ports: &[&str], priority: Option<u32>) -> Item {
    let rule = NsgRule::new(ResourceId::parse(NSG).unwrap(), "no-ssh").unwrap();
    let ports: Vec<String> = ports.iter().map(|port| (*port).to_owned()).collect();
    Item::AddRule(DenyRule::new(rule, &ports, Protocol::Tcp, priority).unwrap())
}

/// A group of inbound TCP rules: name, priority, access, source, port.
fn nsg(rules: &[(&str, u32, &str, &str, &str)]) -> Value {
    let rule = |(name, priority, access, source, port): &(&str, u32, &str, &str, &str)| {
        json!({ "name": name, "etag": "W/1", "properties": {
            "direction": "Inbound", "access": access, "priority": priority, "protocol": "Tcp", "provisioningState": "Succeeded",
            "sourceAddressPrefix": source, "sourceAddressPrefixes": [], "sourcePortRange": "*",
            "destinationAddressPrefix": "*", "destinationPortRange": port, "destinationPortRanges": [] } })
    };
    json!({ "properties": { "securityRules": rules.iter().map(rule).collect::<Vec<_>>() } })
}

fn then(judged: Judged) -> String {
    match judged {
        Judged::Change(change) => change.then,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_deny_goes_just_before_what_lets_the_internet_in_and_after_what_lets_only_some_in() {
    let (office, web) =
        (("office", 290, "Allow", "203.0.113.0/24", "22"), ("web", 100, "Allow", "Internet", "443"));
    let (any, late) = (("any", 300, "Allow", "*", "20-30"), ("late", 400, "Allow", "198.51.100.7", "*"));
    let deny = deny(&["22"], None);
    insta::assert_snapshot!(then(judged(&deny, &nsg(&[web, late, any, office]))), @"Inbound Deny Tcp from Internet to * port 22, priority 299; it goes before these, which let in: `any` (300), `late` (400)");
    insta::assert_snapshot!(then(judged(&deny, &nsg(&[web, ("x", 299, "Deny", "*", "1"), any, ("y", 298, "Allow", "VirtualNetwork", "22")]))), @"Inbound Deny Tcp from Internet to * port 22, priority 297; it goes before these, which let in: `y` (298), `any` (300)");
    insta::assert_snapshot!(then(judged(&deny, &nsg(&[web, office]))), @"Inbound Deny Tcp from Internet to * port 22, priority 4096");
    let full: Vec<_> =
        (100..300).map(|priority| ("x", priority, "Deny", "VirtualNetwork", "1")).chain([any]).collect();
    insta::assert_snapshot!(refused(&judged(&deny, &nsg(&full))), @"no priority is free before the rule `any` (300), which lets the internet in: remove that one, or give --priority");
}

#[test]
fn a_deny_that_is_there_and_holds_is_already_so_and_one_that_is_shadowed_is_moved() {
    let own = |priority, port| ("NO-SSH", priority, "Deny", "Internet", port);
    let any = ("any", 300, "Allow", "0.0.0.0/0", "*");
    assert!(matches!(judged(&deny(&["22"], None), &nsg(&[own(250, "22"), any])), Judged::Already(_)));
    assert!(matches!(
        judged(&deny(&["23", "22"], None), &nsg(&[own(250, "22-23"), any])),
        Judged::Already(_)
    ));
    assert!(then(judged(&deny(&["22"], None), &nsg(&[own(350, "22"), any]))).contains("priority 299"));
    assert!(
        then(judged(&deny(&["22"], None), &nsg(&[own(250, "23"), any]))).contains("port 22, priority 299")
    );
    let Judged::Already(told) = judged(&deny(&["22"], Some(350)), &nsg(&[own(350, "22"), any])) else {
        panic!("not there")
    };
    assert!(told.contains("in vain, since this lets the internet in before it: `any` (300)"), "{told}");
    let Judged::Change(change) = judged(&deny(&["22"], Some(301)), &nsg(&[own(250, "22"), any])) else {
        panic!("no change")
    };
    assert_eq!(change.if_match.as_deref(), Some("W/1"));
    let read_back =
        change.body.unwrap().replace("\"priority\"", "\"provisioningState\":\"Succeeded\",\"priority\"");
    let read_back = json!({ "properties": { "securityRules": [{ "name": "no-ssh", "properties": serde_json::from_str::<Value>(&read_back).unwrap()["properties"] }] } });
    assert!(
        matches!(judged(&deny(&["22"], Some(301)), &read_back), Judged::Already(_)),
        "what is sent is what is wanted"
    );
}

fn upgraded(to: &str, offered: &Value, cluster: &Value) -> Judged {
    let item = Item::Upgrade(Upgrade::new(ClusterId::parse(CLUSTER).unwrap(), to).unwrap());
    let profile = json!({ "properties": { "controlPlaneProfile": { "kubernetesVersion": "1.34.4", "upgrades": offered } } });
    judged(&item.informed(Some(profile.to_string().as_bytes())).unwrap(), cluster)
}

#[test]
fn a_control_plane_goes_one_minor_version_at_a_time_to_one_that_is_offered() {
    let cluster = |current: &str, power: &str, state: &str| {
        json!({ "id": CLUSTER, "eTag": "e", "properties": { "kubernetesVersion": "1.34", "currentKubernetesVersion": current,
            "powerState": { "code": power }, "provisioningState": state,
            "agentPoolProfiles": [{ "name": "system", "orchestratorVersion": "1.33", "currentOrchestratorVersion": "1.33.9" }] } })
    };
    let running = cluster("1.34.4", "Running", "Succeeded");
    let offered = json!([{ "kubernetesVersion": "1.34.7" }, { "kubernetesVersion": "1.35.2" }, { "kubernetesVersion": "1.35.9", "isPreview": true },
                         { "kubernetesVersion": "1.36.0" }]);
    let Judged::Change(change) = upgraded("1.35.2", &offered, &running) else { panic!("no change") };
    insta::assert_snapshot!(change.now, @"the control plane has version 1.34.4; node pools: `system` 1.33.9");
    let body: Value = serde_json::from_str(&change.body.unwrap()).unwrap();
    assert_eq!(body["properties"]["kubernetesVersion"], "1.35.2");
    assert_eq!(
        body["properties"]["agentPoolProfiles"], running["properties"]["agentPoolProfiles"],
        "the node pools stay"
    );
    assert!(matches!(upgraded("1.34.7", &offered, &running), Judged::Change(_)));
    for (to, why) in [
        (
            "1.36.0",
            "1.34.4 to 1.36.0 is more than one minor version: go one by one; offered are: 1.34.7, 1.35.2, 1.35.9, 1.36.0",
        ),
        ("2.0.0", "more than one minor version"),
        ("1.35.1", "Azure doesn't offer 1.35.1 to this cluster"),
        ("1.35.9", "1.35.9 is a preview"),
        ("1.34.3", "AKS goes back to no earlier one"),
    ] {
        let judged = upgraded(to, &offered, &running);
        assert!(refused(&judged).contains(why), "{judged:?}");
    }
    assert!(refused(&upgraded("1.35.2", &Value::Null, &running)).contains("offered are: none"));
    assert!(
        refused(&upgraded("1.35.2", &offered, &cluster("1.34.4", "Stopped", "Succeeded")))
            .contains("the cluster is stopped")
    );
    assert!(matches!(
        upgraded("1.35.2", &offered, &cluster("1.34.4", "Running", "Upgrading")),
        Judged::Busy(_)
    ));
    assert!(matches!(
        upgraded("1.35.2", &offered, &cluster("1.35.2", "Running", "Upgrading")),
        Judged::Busy(_)
    ));
    assert!(matches!(
        upgraded("1.35.2", &Value::Null, &cluster("1.35.2", "Running", "Succeeded")),
        Judged::Already(_)
    ));
    for odd in ["", "1.35", "1.35.2.1", "v1.35.2", "1.35.+2", "1..2", "1.35.99999999999"] {
        assert!(Upgrade::new(ClusterId::parse(CLUSTER).unwrap(), odd).is_err(), "{odd}");
    }
}

#[test]
fn a_workspace_that_is_being_made_is_waited_for_and_a_broken_one_is_told() {
    let in_state =
        |state: &str| judged(&workspace(), &json!({ "properties": { "provisioningState": state } }));
    assert!(matches!(in_state("Creating"), Judged::Busy(_)));
    assert!(matches!(in_state("Succeeded"), Judged::Already(_)));
    assert!(refused(&in_state("Failed")).contains("`Failed`"));
    assert!(matches!(workspace().judge(None).unwrap(), Judged::Change(_)));
}

proptest! {
    #[test]
    fn no_answer_makes_a_judgement_panic(body in "\\PC{0,80}", key in "properties|id|eTag|name") {
        let items = [plan(&["x"]), ranges(&["203.0.113.7"]), rule("ssh"), workspace(), sensor(), deny(&["*"], None)];
        for item in items {
            let _ = item.judge(Some(body.as_bytes()));
            let _ = item.judge(Some(json!({ key.clone(): body, "properties": { "securityRules": body } }).to_string().as_bytes()));
        }
    }
}
