//! Container Insights: three writes that build on each other.

use serde_json::{Value, json};
use simulator::http::now;
use simulator::world::{Caller, ClusterId, Fault, NewCluster, RequestKind};

use crate::theatre::{SUBSCRIPTION, Theatre, WORKSPACE};

const RULE: &str = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.Insights/dataCollectionRules/MSCI-westeurope-aks-1";

/// With the workspace there.
async fn theatre() -> Theatre {
    let theatre = Theatre::new().await;
    theatre.azure.world().estate_mut().add_workspace(WORKSPACE, 90);
    theatre
}

impl Theatre {
    fn insights(&self) -> [String; 5] {
        let cluster = self.cluster.to_string();
        ["container-insights", "--cluster", &cluster, "--workspace", WORKSPACE].map(str::to_owned)
    }

    fn shown(&self) -> Value {
        self.azure.world().cluster(&self.cluster).unwrap().shown()
    }
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plan_shows_all_three_requests_and_what_they_cost() {
    let theatre = theatre().await;
    let insights = theatre.insights();
    let before = theatre.shown();
    let done = theatre.plan(&words(&insights)).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{}", done.out);
    let etag = before["eTag"].as_str().unwrap();
    let body = done.out.lines().rev().nth(1).unwrap().trim();
    let mut wanted = before.clone();
    wanted["properties"]["addonProfiles"] = json!({ "omsagent": { "enabled": true, "config": {
        "logAnalyticsWorkspaceResourceID": WORKSPACE, "useAADAuth": "true" } } });
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), wanted);
    insta::assert_snapshot!(theatre.told(&done.out).replace(body, "<the cluster>").replace(etag, "<etag>"), @r#"
    container-insights, aks-1 in rg-prod (1 of 3, data collection rule): would be changed
      now   there is no rule `MSCI-westeurope-aks-1` in `rg-prod`
      then  the rule `MSCI-westeurope-aks-1` sends Microsoft-ContainerInsights-Group-Default to `main`
      cost  Free. What is collected by it is billed in the workspace, once the add-on is on.
      send  PUT <azure>/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.Insights/dataCollectionRules/MSCI-westeurope-aks-1?api-version=2022-06-01
            {"location":"westeurope","kind":"Linux","properties":{"dataSources":{"extensions":[{"name":"ContainerInsightsExtension","streams":["Microsoft-ContainerInsights-Group-Default"],"extensionName":"ContainerInsights","extensionSettings":{"dataCollectionSettings":{"interval":"1m","namespaceFilteringMode":"Off","enableContainerLogV2":true}}}]},"destinations":{"logAnalytics":[{"workspaceResourceId":"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces/main","name":"ciworkspace"}]},"dataFlows":[{"streams":["Microsoft-ContainerInsights-Group-Default"],"destinations":["ciworkspace"]}]}}
    container-insights, aks-1 in rg-prod (2 of 3, association): would be changed
      now   the cluster has no association `ContainerInsightsExtension`
      then  the cluster is associated with the rule `MSCI-westeurope-aks-1`
      cost  Free. While it is there, Azure may refuse to delete the rule or the cluster alone.
      send  PUT <azure>/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-1/providers/Microsoft.Insights/dataCollectionRuleAssociations/ContainerInsightsExtension?api-version=2022-06-01
            {"properties":{"description":"Association of data collection rule.","dataCollectionRuleId":"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.Insights/dataCollectionRules/MSCI-westeurope-aks-1"}}
    container-insights, aks-1 in rg-prod (3 of 3, add-on): would be changed
      now   the add-on `omsagent` is off
      then  the add-on `omsagent` is on and sends to `main`, with the cluster's managed identity
      cost  The workspace bills what it takes in by gigabyte: every line that containers write, and inventory and performance each minute. How much that is depends on what runs; a daily cap of the workspace limits it. The agent runs on every node and takes a little of its CPU and memory. It takes minutes.
      send  PUT <azure>/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-1?api-version=2025-10-01
            If-Match: <etag>
            <the cluster>
    Nothing was sent. --apply sends it.
    "#);
    assert_eq!(theatre.writes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_turned_on_once_and_done_means_that_azure_shows_all_three() {
    let theatre = theatre().await;
    let insights = theatre.insights();
    let done = theatre.apply(&words(&insights)).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{}", done.out);
    let told: Vec<&str> = done.out.lines().filter(|line| line.starts_with("container-insights")).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    container-insights, aks-1 in rg-prod (1 of 3, data collection rule): done: the rule `MSCI-westeurope-aks-1` in `rg-prod` sends Microsoft-ContainerInsights-Group-Default to `main`
    container-insights, aks-1 in rg-prod (2 of 3, association): done: the cluster is associated with the rule `MSCI-westeurope-aks-1`
    container-insights, aks-1 in rg-prod (3 of 3, add-on): done: the add-on `omsagent` is on and sends to `main`, with the cluster's managed identity
    ");
    let shown = theatre.shown();
    assert_eq!(shown["properties"]["addonProfiles"]["omsagent"]["enabled"], true);
    assert_eq!(shown["properties"]["provisioningState"], "Succeeded");
    let again = theatre.apply(&words(&insights)).await;
    assert_eq!((again.code, again.out.matches(": already so: ").count()), (0, 3), "{}", again.out);
    assert_eq!(theatre.writes(), 3);
    assert_eq!(theatre.azure.world().violations(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failure_the_rest_is_not_tried_and_the_next_run_goes_on_from_there() {
    let theatre = theatre().await;
    let insights = theatre.insights();
    for (kind, done, writes) in [
        (RequestKind::PutCollectionRule, 0, 1),
        (RequestKind::PutAssociation, 1, 3),
        (RequestKind::PutCluster, 1, 5),
    ] {
        theatre.fault(Fault::Denied, kind);
        let failed = theatre.apply(&words(&insights)).await;
        assert_eq!(failed.code, 1, "{}", failed.out);
        assert_eq!(failed.out.matches(": done: ").count(), done, "{}", failed.out);
        assert_eq!(failed.out.matches(": failed: azure refused it").count(), 1, "{}", failed.out);
        assert_eq!(theatre.writes(), writes, "{}", failed.out);
    }
    let last = theatre.apply(&words(&insights)).await;
    assert_eq!((last.code, last.out.matches(": already so: ").count()), (0, 2), "{}", last.out);
    theatre.fault(Fault::AnswerLost, RequestKind::PutCollectionRule);
    theatre.azure.world().estate_mut().remove(RULE);
    let lost = theatre.apply(&words(&insights)).await;
    assert!(lost.code == 0 && lost.out.contains("1 of 3, data collection rule): done: "), "{}", lost.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_workspace_or_on_a_stopped_cluster_nothing_is_sent() {
    let theatre = Theatre::new().await;
    let insights = theatre.insights();
    let done = theatre.apply(&words(&insights)).await;
    assert_eq!(done.code, 1);
    insta::assert_snapshot!(done.out, @"
    container-insights, aks-1 in rg-prod (1 of 3, data collection rule): refused: there is no workspace `/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces/main`: make it with `aks-stop-guard harden workspace /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces/main --location YOUR_REGION`
    container-insights, aks-1 in rg-prod (2 of 3, association): not tried: what comes before it is not done
    container-insights, aks-1 in rg-prod (3 of 3, add-on): not tried: what comes before it is not done
    ");
    {
        let mut world = theatre.azure.world();
        world.estate_mut().add_workspace(WORKSPACE, 90);
        world.stop(&theatre.cluster, &Caller::user("mallory"), now()).unwrap();
        world.finish_operations(now());
    }
    let done = theatre.apply(&words(&insights)).await;
    assert!(done.code == 1 && done.out.contains("refused: the cluster is stopped"), "{}", done.out);
    assert_eq!(done.out.matches(": not tried: ").count(), 2, "{}", done.out);
    assert_eq!(theatre.writes(), 0);
    let nsg = ["container-insights", "--cluster", &insights[2], "--workspace", &theatre.nsg];
    assert_eq!(theatre.plan(&nsg).await.code, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_cluster_that_is_refused_keeps_no_other_waiting() {
    let theatre = theatre().await;
    let other = ClusterId::new(SUBSCRIPTION, "rg-prod", "aks-2");
    {
        let mut world = theatre.azure.world();
        world.create_cluster(NewCluster::new(other.clone()), now()).unwrap();
        world.stop(&theatre.cluster, &Caller::user("mallory"), now()).unwrap();
        world.finish_operations(now());
    }
    let ids = [theatre.cluster.to_string(), other.to_string()];
    let both = ["container-insights", "--cluster", &ids[0], &ids[1], "--workspace", WORKSPACE, "-o", "json"];
    let done = theatre.apply(&both).await;
    assert_eq!(done.code, 1);
    let steps = done.json();
    let states: Vec<&str> =
        steps.as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["refused", "skipped", "skipped", "done", "done", "done"]);
    assert_eq!(steps[1]["told"], "what comes before it is not done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_of_others_is_shown_and_changed_only_as_long_as_it_is_what_was_shown() {
    let theatre = theatre().await;
    let insights = theatre.insights();
    assert_eq!(theatre.apply(&words(&insights)).await.code, 0);
    let elsewhere = WORKSPACE.replace("/main", "/elsewhere");
    {
        let mut world = theatre.azure.world();
        world.estate_mut().add_workspace(&elsewhere, 90);
        world.estate_mut().change(RULE, |rule| {
            rule["properties"]["destinations"]["logAnalytics"][0]["workspaceResourceId"] = json!(elsewhere);
            rule["tags"] = json!({ "owner": "somebody" });
        });
    }
    let plan = theatre.plan(&words(&insights)).await;
    assert!(
        plan.code == 0
            && plan
                .out
                .contains(&format!("sends Microsoft-ContainerInsights-Group-Default to `{elsewhere}`")),
        "{}",
        plan.out
    );
    theatre.fault(Fault::Changed, RequestKind::PutCollectionRule);
    let changed = theatre.apply(&words(&insights)).await;
    assert!(
        changed.code == 1 && changed.out.contains("it was changed meanwhile, nothing was written"),
        "{}",
        changed.out
    );
    let done = theatre.apply(&words(&insights)).await;
    assert_eq!(done.code, 0, "{}", done.out);
    let mut world = theatre.azure.world();
    let rule = world.estate_mut().body(RULE).unwrap();
    assert_eq!(rule["tags"]["owner"], "somebody");
    assert_eq!(rule["properties"]["destinations"]["logAnalytics"][0]["workspaceResourceId"], WORKSPACE);
}
