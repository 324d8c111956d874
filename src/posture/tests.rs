//! Whole reports, from the bodies that Azure sends.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::{ClusterId, ResourceId, Severity, SubscriptionId};

const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
const WORKSPACE: &str = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/logs/providers/microsoft.operationalinsights/workspaces/Main";

fn subscription() -> SubscriptionId {
    SubscriptionId::parse(SUBSCRIPTION).unwrap()
}

fn id() -> ClusterId {
    ClusterId::parse(&format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-1"
    ))
    .unwrap()
}

/// A cluster that nothing is found about.
fn good() -> Value {
    json!({
        "id": id().to_string().replace("resourceGroups", "resourcegroups"),
        "location": "westeurope",
        "properties": {
            "provisioningState": "Succeeded", "powerState": { "code": "Running" },
            "kubernetesVersion": "1.34", "currentKubernetesVersion": "1.34.4", "supportPlan": "KubernetesOfficial",
            "nodeResourceGroup": "MC_rg", "disableLocalAccounts": true, "aadProfile": {},
            "agentPoolProfiles": [{ "name": "p" }],
            "addonProfiles": { "omsAgent": { "enabled": true, "config": { "LOGAnalyticsWorkspaceResourceID": WORKSPACE } } },
            "apiServerAccessProfile": { "authorizedIPRanges": ["203.0.113.0/24"] },
            "autoUpgradeProfile": { "upgradeChannel": "patch", "nodeOSUpgradeChannel": "NodeImage" },
            "securityProfile": { "defender": { "securityMonitoring": { "enabled": true } } },
        },
    })
}

fn answer(question: &Question) -> Value {
    let setting = json!({ "name": "all", "properties": { "workspaceId": WORKSPACE.to_uppercase(), "logs": [
        { "category": "kube-audit-admin", "enabled": true }, { "categoryGroup": null, "category": "guard", "enabled": true } ] } });
    match question {
        Question::Clusters(_) => json!({ "value": [good()] }),
        Question::Cluster(_) => good(),
        Question::Plan(_) | Question::ClusterPlan(_) => json!({ "properties": {
            "pricingTier": "Standard", "extensions": [{ "name": "ContainerSensor", "isEnabled": "True" }] } }),
        Question::Versions(..) => {
            json!({ "values": [{ "version": "1.34", "capabilities": { "supportPlan": ["KubernetesOfficial"] } }] })
        }
        Question::Upgrades(_) => {
            json!({ "properties": { "controlPlaneProfile": { "kubernetesVersion": "1.34.4" } } })
        }
        Question::Diagnostics(_) => json!({ "value": [setting] }),
        Question::Workspace(_) => {
            json!({ "id": WORKSPACE, "properties": { "retentionInDays": 90, "provisioningState": "Succeeded" } })
        }
        Question::Subnet(_) | Question::Nsg(_) => json!({ "id": "x", "properties": {} }),
        Question::Subscriptions | Question::Roles(_) | Question::Assignments(_) | Question::Nsgs(..) => {
            json!({ "value": [] })
        }
    }
}

/// A survey in which each question has this answer.
fn survey(answers: impl Fn(&Question) -> Result<Value, Unread>) -> Answers {
    let mut noted = Answers::default();
    let mut open = Answers::first_questions(&BTreeSet::from([subscription()]), &BTreeSet::new());
    let mut asked = BTreeSet::new();
    while let Some(question) = open.pop() {
        if !asked.insert(question.clone()) {
            continue;
        }
        let fact = answers(&question).and_then(|body| {
            let page = Fact::read(&question, body.to_string().as_bytes());
            page.map(|page| page.fact).map_err(|error| Unread::Failed(error.to_string()))
        });
        open.extend(noted.note(question, fact));
    }
    noted
}

/// The report where one thing of the cluster is otherwise.
fn cluster_with(pointer: &str, value: Value) -> Report {
    Report::of(&survey(|question| {
        let mut body = answer(question);
        if matches!(question, Question::Clusters(_)) {
            *body.pointer_mut(&format!("/value/0/properties{pointer}")).unwrap() = value.clone();
        }
        Ok(body)
    }))
}

/// The report where one question has another answer.
fn answered(asked: fn(&Question) -> bool, value: Result<Value, Unread>) -> Report {
    Report::of(&survey(|question| if asked(question) { value.clone() } else { Ok(answer(question)) }))
}

fn found(report: &Report) -> Vec<(Check, Severity, String)> {
    report.findings().map(|(_, _, one)| (one.check, one.severity, one.seen.clone())).collect()
}

fn checks(report: &Report) -> Vec<Check> {
    found(report).into_iter().map(|(check, _, _)| check).collect()
}

#[test]
fn nothing_is_found_about_a_cluster_on_which_everything_is_on_whatever_the_casing() {
    let report = Report::of(&survey(|question| Ok(answer(question))));
    assert_eq!(found(&report), []);
    assert_eq!(report.worst(), None);
    insta::assert_snapshot!(table(&report, true), @"nothing found on 1 cluster in 1 subscription");
}

#[test]
fn each_thing_that_is_off_is_found_and_nothing_else() {
    let off = [
        ("/apiServerAccessProfile", json!({}), Check::ApiServerOpen),
        (
            "/apiServerAccessProfile/authorizedIPRanges",
            json!(["203.0.113.0/24", "0.0.0.0/0"]),
            Check::ApiServerOpen,
        ),
        ("/disableLocalAccounts", json!(false), Check::LocalAccounts),
        ("/disableLocalAccounts", json!(null), Check::LocalAccounts),
        ("/securityProfile", json!({}), Check::DefenderProfileOff),
        ("/securityProfile/defender/securityMonitoring/enabled", json!("False"), Check::DefenderProfileOff),
        ("/addonProfiles", json!(null), Check::ContainerInsightsOff),
        ("/addonProfiles/omsAgent/enabled", json!(false), Check::ContainerInsightsOff),
        ("/autoUpgradeProfile/upgradeChannel", json!("none"), Check::AutoUpgradeOff),
        ("/autoUpgradeProfile/nodeOSUpgradeChannel", json!("Unmanaged"), Check::AutoUpgradeOff),
        ("/autoUpgradeProfile/upgradeChannel", json!("sideways"), Check::UnknownValue),
        ("/currentKubernetesVersion", json!("1.29.9"), Check::VersionUnsupported),
        ("/supportPlan", json!("AKSLongTermSupport"), Check::VersionUnsupported),
    ];
    for (pointer, value, check) in off {
        assert_eq!(checks(&cluster_with(pointer, value.clone())), [check], "{pointer} {value}");
    }
}

#[test]
fn a_private_api_server_and_the_newer_container_insights_are_fine() {
    let private = cluster_with("/apiServerAccessProfile", json!({ "enablePrivateCluster": true }));
    assert_eq!(checks(&private), []);
    let newer = Report::of(&survey(|question| {
        let mut body = answer(question);
        if matches!(question, Question::Clusters(_)) {
            body["value"][0]["properties"]["addonProfiles"] = json!(null);
            body["value"][0]["properties"]["azureMonitorProfile"] = json!({ "containerInsights": { "enabled": true, "logAnalyticsWorkspaceResourceId": WORKSPACE } });
        }
        Ok(body)
    }));
    assert_eq!(checks(&newer), []);
}

#[test]
fn a_cluster_whose_plan_azure_does_not_tell_is_not_taken_for_exempt() {
    let refused = Err(Unread::Failed("azure resource manager refuses it".to_owned()));
    let refused = answered(|q| matches!(q, Question::ClusterPlan(_)), refused);
    assert_eq!((checks(&refused), refused.worst()), (vec![Check::NotReadable], Some(Severity::Info)));
}

#[test]
fn an_exempt_cluster_and_an_odd_network_access_are_told() {
    let free = Ok(json!({ "properties": { "pricingTier": "Free" } }));
    let exempt = answered(|q| matches!(q, Question::ClusterPlan(_)), free);
    let (_, _, finding) = exempt.findings().next().unwrap();
    insta::assert_snapshot!(finding.commands[0], @r#"az rest --method put --url '/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-1/providers/Microsoft.Security/pricings/Containers?api-version=2024-01-01' --body '{"properties":{"pricingTier":"Standard"}}'"#);
    let odd = Report::of(&survey(|question| {
        let mut body = answer(question);
        if matches!(question, Question::Clusters(_)) {
            body["value"][0]["properties"]["publicNetworkAccess"] = json!("SecuredByPerimeter");
        }
        Ok(body)
    }));
    assert_eq!(found(&odd)[0].2, "`publicNetworkAccess` is `SecuredByPerimeter`");
}

#[test]
fn plans_logs_workspaces_and_upgrades_are_judged_by_what_azure_answers() {
    let free = || Ok(json!({ "properties": { "pricingTier": "free" } }));
    assert_eq!(checks(&answered(|q| matches!(q, Question::Plan(_)), free())), [Check::DefenderPlanOff]);
    assert_eq!(
        checks(&answered(|q| matches!(q, Question::ClusterPlan(_)), free())),
        [Check::DefenderClusterPlanOff]
    );
    let both = answered(|q| matches!(q, Question::Plan(_) | Question::ClusterPlan(_)), free());
    assert_eq!(checks(&both), [Check::DefenderPlanOff], "once, where it is to be mended");
    let odd = Ok(json!({ "properties": { "pricingTier": "Platinum" } }));
    let odd = answered(|q| matches!(q, Question::Plan(_)), odd);
    assert_eq!(found(&odd)[0].2, "the plan Containers has the tier `Platinum`");
    let part = json!({ "properties": { "pricingTier": "Standard", "extensions": [
        { "name": "ContainerSensor", "isEnabled": "False" }, { "name": "AgentlessDiscoveryForKubernetes", "isEnabled": "True" } ] } });
    let part = answered(|q| matches!(q, Question::Plan(_)), Ok(part));
    assert_eq!(found(&part)[0].2, "off in the plan Containers: ContainerSensor");
    let (_, _, part) = part.findings().next().unwrap();
    insta::assert_snapshot!(part.commands.join("\n"), @"
    aks-stop-guard harden defender-plan --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --extension ContainerSensor
    az security pricing create --name Containers --tier Standard --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --extensions name=ContainerSensor isEnabled=True
    ");

    let none = answered(|q| matches!(q, Question::Diagnostics(_)), Ok(json!({ "value": [] })));
    assert_eq!(checks(&none), [Check::AuditLogsOff, Check::GuardLogsOff]);
    let group = json!({ "value": [{ "properties": { "storageAccountId": "x", "logs": [{ "categoryGroup": "allLogs", "enabled": true }] } }] });
    assert_eq!(checks(&answered(|q| matches!(q, Question::Diagnostics(_)), Ok(group))), []);

    let gone = answered(|q| matches!(q, Question::Workspace(_)), Err(Unread::Gone));
    assert_eq!(
        found(&gone),
        [(Check::WorkspaceMissing, Severity::High, "workspace `Main` does not exist".to_owned())]
    );
    let short = json!({ "id": WORKSPACE, "properties": { "retentionInDays": 30 } });
    let short = answered(|q| matches!(q, Question::Workspace(_)), Ok(short));
    assert_eq!(found(&short)[0].2, "workspace `Main` keeps logs for 30 days");

    let newer = json!({ "properties": { "controlPlaneProfile": { "upgrades": [
        { "kubernetesVersion": "1.35.0" }, { "kubernetesVersion": "1.34.10" }, { "kubernetesVersion": "1.36.0", "isPreview": true } ] } } });
    let newer = answered(|q| matches!(q, Question::Upgrades(_)), Ok(newer));
    assert_eq!(found(&newer)[0].2, "version 1.34.4 can be upgraded to 1.34.10, 1.35.0");
}

#[test]
fn what_can_not_be_read_names_the_missing_right_and_is_as_severe_as_what_it_hides() {
    let denied = answered(|q| matches!(q, Question::Nsgs(..)), Err(Unread::Denied));
    let told = "the network security groups of MC_rg: the right `Microsoft.Network/networkSecurityGroups/read` is missing";
    assert_eq!(found(&denied), [(Check::NotReadable, Severity::High, told.to_owned())]);
    let all = Report::of(&survey(|question| match question {
        Question::Clusters(_) => Ok(answer(question)),
        _ => Err(Unread::Denied),
    }));
    let rights: BTreeSet<String> =
        found(&all).into_iter().filter(|one| one.0 == Check::NotReadable).map(|one| one.2).collect();
    assert_eq!(rights.len(), 9, "{rights:?}");
    let gone = answered(|q| matches!(q, Question::Nsgs(..)), Err(Unread::Gone));
    assert_eq!(
        found(&gone),
        [(Check::Gone, Severity::Info, "the network security groups of MC_rg: not there".to_owned())]
    );
}

#[test]
fn a_subscription_whose_clusters_can_not_be_listed_is_in_the_report() {
    let denied = answered(|q| matches!(q, Question::Clusters(_)), Err(Unread::Denied));
    assert_eq!((denied.subscriptions.len(), checks(&denied)), (1, vec![Check::NotReadable]));
    assert_eq!(denied.worst(), Some(Severity::High));
}

#[test]
fn the_group_of_a_subnet_that_somebody_made_is_judged_too() {
    let net = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/net/providers/Microsoft.Network");
    let report = Report::of(&survey(|question| {
        let mut body = answer(question);
        match question {
            Question::Clusters(_) => {
                body["value"][0]["properties"]["agentPoolProfiles"][0]["vnetSubnetID"] =
                    json!(format!("{net}/virtualNetworks/hub/subnets/nodes"));
            }
            Question::Subnet(_) => {
                body["properties"]["networkSecurityGroup"]["id"] =
                    json!(format!("{net}/networkSecurityGroups/hub-nsg"));
            }
            Question::Nsg(id) => {
                let rule = json!({ "name": "rdp", "properties": { "direction": "Inbound", "access": "Allow", "priority": 100,
                    "protocol": "*", "sourceAddressPrefix": "*", "destinationAddressPrefix": "*", "destinationPortRange": "3389" } });
                body = json!({ "id": id.to_string(), "properties": { "securityRules": [rule] } });
            }
            _ => {}
        }
        Ok(body)
    }));
    assert_eq!(found(&report)[0].2, "inbound rule `rdp` of `hub-nsg` lets * in: * 3389 to *");
}

#[test]
fn people_read_the_worst_first_and_what_to_do_once_a_kind() {
    let report = Report::of(&survey(|question| {
        let mut body = answer(question);
        if matches!(question, Question::Clusters(_)) {
            let properties = &mut body["value"][0]["properties"];
            properties["disableLocalAccounts"] = json!(false);
            properties["currentKubernetesVersion"] = json!("1.29.9");
            properties["powerState"]["code"] = json!("Stopped");
        }
        Ok(body)
    }));
    insta::assert_snapshot!(table(&report, false), @"
    SEVERITY  WHERE             FINDING              SEEN
    high      aks-1 in rg-prod  version-unsupported  version 1.29.9 is not among those of its region
    medium    aks-1 in rg-prod  local-accounts       `disableLocalAccounts` is not set; Entra ID integration is on

    note: aks-1 in rg-prod: it is stopped: Azure changes nothing on it until it was started
    2 findings (1 high, 1 medium) on 1 cluster in 1 subscription

    version-unsupported: Kubernetes version out of support
      why   It gets no security fixes, and a start after a stop may end in a forced upgrade or fail without help from Azure.
      mend  Upgrade, one minor version at a time.
      see   https://learn.microsoft.com/azure/aks/supported-kubernetes-versions

    local-accounts: local accounts are on
      why   A cluster-admin certificate that names nobody can be fetched and used past Entra ID; no log says who did it.
      mend  Turn local accounts off. The cluster needs Entra ID integration first.
            az aks update --disable-local-accounts --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group rg-prod --name aks-1
      see   https://learn.microsoft.com/azure/aks/manage-local-accounts-managed-azure-ad
    ");
    assert!(table(&report, true).contains("\u{1b}[31mhigh    \u{1b}[0m"));
}

#[test]
fn no_name_moves_a_cursor_or_makes_a_line() {
    let hostile = "x\u{1b}[2J\u{202e}\nfake finding\r";
    let report = Report::of(&survey(|question| {
        let mut body = answer(question);
        match question {
            Question::Clusters(_) => body["value"][0]["location"] = json!(format!("West Europe {hostile}")),
            Question::Roles(_) => {
                body = json!({ "value": [{ "name": "r", "properties": { "roleName": hostile, "permissions": [{ "actions": ["*"] }] } }] });
            }
            Question::Assignments(_) => {
                let all = json!({ "roleDefinitionId": "/x/r", "principalId": hostile, "principalType": hostile, "scope": "/" });
                body = json!({ "value": [{ "id": hostile, "properties": all }] });
            }
            Question::Nsgs(..) => {
                let rule = json!({ "name": hostile, "properties": { "direction": "Inbound", "access": "Allow", "protocol": hostile,
                    "sourceAddressPrefix": "*", "destinationAddressPrefix": hostile, "destinationPortRange": hostile } });
                let id = format!(
                    "/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/n"
                );
                body = json!({ "value": [{ "id": id, "properties": { "securityRules": [rule] } }] });
            }
            Question::Plan(_) => body = json!({ "properties": { "pricingTier": hostile } }),
            _ => {}
        }
        Ok(body)
    }));
    assert_eq!(checks(&report), [Check::WideStopRights, Check::UnknownValue, Check::OpenRule]);
    let shown = table(&report, false);
    assert!(!shown.contains(['\u{1b}', '\r', '\u{202e}']) && !shown.contains("\nfake"), "{shown}");
    let clean = |text: &String| text.chars().all(|c| !c.is_control());
    assert!(
        report
            .findings()
            .all(|(_, _, one)| clean(&one.seen) && one.commands.iter().chain(&one.details).all(clean))
    );
}

#[test]
fn sarif_has_the_members_that_the_standard_demands() {
    let report = answered(|q| matches!(q, Question::Nsgs(..)), Err(Unread::Denied));
    let sarif = sarif(&report);
    assert_eq!(sarif["version"], "2.1.0");
    let driver = &sarif["runs"][0]["tool"]["driver"];
    let rules = driver["rules"].as_array().unwrap();
    let result = &sarif["runs"][0]["results"][0];
    let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(rules[index]["id"], result["ruleId"]);
    assert_eq!((result["ruleId"].as_str(), result["level"].as_str()), (Some("not-readable"), Some("error")));
    assert!(
        !result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
            .as_str()
            .unwrap()
            .starts_with('/')
    );
}

#[test]
fn the_document_names_every_check_and_every_right() {
    let document = include_str!("../../docs/POSTURE.md");
    for check in Check::ALL {
        let words = check.rule().severity.as_str();
        let row = document.lines().find(|line| line.starts_with(&format!("| `{}` |", check.as_str())));
        let row = row.unwrap_or_else(|| panic!("{check:?} has no row"));
        assert!(check == Check::NotReadable || row.contains(words), "{row}");
    }
    let mut asked = Answers::first_questions(&BTreeSet::from([subscription()]), &BTreeSet::from([id()]));
    asked.push(Question::Subscriptions);
    let resource = ResourceId::parse(WORKSPACE).unwrap();
    asked.extend([
        Question::Subnet(resource.clone()),
        Question::Nsg(resource.clone()),
        Question::Workspace(resource),
    ]);
    asked.extend([Question::ClusterPlan(id()), Question::Upgrades(id()), Question::Diagnostics(id())]);
    asked.extend([
        Question::Versions(subscription(), "x".to_owned()),
        Question::Nsgs(subscription(), "x".to_owned()),
    ]);
    let rights: BTreeSet<&str> = asked.iter().map(Question::action).collect();
    let written = document.lines().filter_map(|line| line.trim().strip_prefix('"')?.split('"').next());
    assert_eq!(written.filter(|right| right.starts_with("Microsoft.")).collect::<BTreeSet<_>>(), rights);
}

#[test]
fn the_recorded_answers_are_understood() {
    let bodies = |text: &str| -> Vec<Value> {
        let recording: Value = serde_json::from_str(text).unwrap();
        let exchanges = recording["exchanges"].as_array().unwrap().iter();
        exchanges.filter(|one| one["method"] == "GET").map(|one| one["body"].clone()).collect()
    };
    let read =
        |question: &Question, body: &Value| Fact::read(question, body.to_string().as_bytes()).unwrap().fact;
    let profile = &bodies(include_str!("../../tests/azure/posture/aks_upgrade_profile.json"))[0];
    let upgrades = read(&Question::Upgrades(id()), profile);
    assert_eq!(upgrades, Fact::Upgrades(vec!["1.20.5".to_owned(), "1.20.7".to_owned()]));
    let id = ResourceId::parse(WORKSPACE).unwrap();
    for body in bodies(include_str!("../../tests/azure/posture/log_analytics_workspace.json")) {
        let Fact::Workspace(workspace) = read(&Question::Workspace(id.clone()), &body) else {
            panic!("{body}")
        };
        assert!(workspace.findings(&id).iter().all(|one| one.check == Check::WorkspaceRetention));
    }
    let plans = bodies(include_str!("../../tests/azure/posture/security_pricings.json"));
    let single: Vec<&Value> =
        plans.iter().filter(|body| body["properties"]["pricingTier"].is_string()).collect();
    assert!(!single.is_empty());
    for body in single {
        let Fact::Plan(plan) = read(&Question::Plan(subscription()), body) else { panic!("{body}") };
        let found = super::defender::of_subscription(&subscription(), &plan).map(|one| one.check);
        let is_free = body["properties"]["pricingTier"] == "Free";
        assert_eq!(found, is_free.then_some(Check::DefenderPlanOff));
    }
}

proptest! {
    #[test]
    fn no_answer_makes_a_reader_panic_or_hides_that_it_was_not_understood(
        body in proptest::collection::vec(any::<u8>(), 0..200), deep in 0usize..3_000,
    ) {
        for question in Answers::first_questions(&BTreeSet::from([subscription()]), &BTreeSet::from([id()])) {
            prop_assert!(Fact::read(&question, &body).is_err());
            prop_assert!(Fact::read(&question, "[".repeat(deep).as_bytes()).is_err());
        }
    }
}
