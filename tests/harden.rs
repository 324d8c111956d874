//! `harden` against the simulated Azure, over HTTP, as people run it: what all items promise. What each does is in a file of its own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, and so do the functions that tests share"
)]

use std::path::Path;

use aks_stop_guard::azure::ACTIONS;
use aks_stop_guard::harden::HARDEN_ACTIONS;
use serde_json::json;
use simulator::world::{Fault, RequestKind};

use theatre::{ACT, DEFENDER, SUBSCRIPTION, Theatre, WORKSPACE, operator};

#[path = "harden/clusters.rs"]
mod clusters;
#[path = "harden/container_insights.rs"]
mod container_insights;
#[path = "support/done.rs"]
mod done;
#[path = "harden/network_rules.rs"]
mod network_rules;
#[path = "harden/theatre.rs"]
mod theatre;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_shows_the_very_request_and_its_cost_and_sends_nothing() {
    let theatre = Theatre::new().await;
    let done = theatre.plan(&DEFENDER).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    insta::assert_snapshot!(theatre.told(&done.out), @r#"
    defender-plan, subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e: would be changed
      now   the plan Containers is `Free`
      then  the plan Containers is `Standard`
      cost  Microsoft bills the plan by vCore and hour for all clusters of the subscription, and by image for its registries, from the moment it is on (a first month may be free).
      send  PUT <azure>/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/providers/Microsoft.Security/pricings/Containers?api-version=2024-01-01
            {"properties":{"pricingTier":"Standard","extensions":[{"name":"ContainerSensor","isEnabled":"False"},{"name":"AgentlessDiscoveryForKubernetes","isEnabled":"False"}]}}
    Nothing was sent. --apply sends it.
    "#);
    let done = theatre.plan(&[&theatre.remove_ssh()[..], &["--plan"]].concat()).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    insta::assert_snapshot!(theatre.told(&done.out), @"
    nsg-rule, ssh in aks-agentpool-12345678-nsg (MC_rg-prod_aks-1_westeurope): would be changed
      now   Inbound Allow Tcp from Internet to * port 22, priority 200
      then  the rule `ssh` is removed
      cost  Free. What came in by this rule alone is cut off at once, connections that are open now included or not.
      send  DELETE <azure>/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/MC_rg-prod_aks-1_westeurope/providers/Microsoft.Network/networkSecurityGroups/aks-agentpool-12345678-nsg/securityRules/ssh?api-version=2024-05-01
    Nothing was sent. --apply sends it.
    ");
    assert_eq!(theatre.writes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_defender_plan_is_turned_on_once_with_the_extensions_that_are_named() {
    let theatre = Theatre::new().await;
    let with_sensor = [&DEFENDER[..], &["--extension", "ContainerSensor"]].concat();
    let done = theatre.apply(&with_sensor).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{}", done.out);
    assert!(
        done.out.contains(": done: the plan Containers is `Standard`, with ContainerSensor"),
        "{}",
        done.out
    );
    let again = theatre.apply(&with_sensor).await;
    assert_eq!(again.code, 0);
    assert_eq!(
        again.out,
        "defender-plan, subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e: already so: the plan Containers is `Standard`, with ContainerSensor\n"
    );
    assert_eq!(theatre.writes(), 1);
    let other = theatre
        .plan(&[&DEFENDER[..], &["--extension", "AgentlessDiscoveryForKubernetes", "-o", "json"]].concat())
        .await;
    let plan = &other.json()[0]["plan"];
    assert_eq!(plan["now"], "the plan Containers is `Standard`; off in it: AgentlessDiscoveryForKubernetes");
    assert_eq!(
        plan["body"]["properties"]["extensions"],
        json!([{ "isEnabled": "True", "name": "ContainerSensor" }, { "isEnabled": "True", "name": "AgentlessDiscoveryForKubernetes" }]),
        "what was on stays on"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_sent_once_and_what_came_of_it_is_read() {
    let theatre = Theatre::new().await;
    theatre.fault(Fault::AnswerLost, RequestKind::PutPlan);
    let done = theatre.apply(&DEFENDER).await;
    assert!(
        done.code == 0 && done.out.contains(": done: "),
        "the answer was lost, the plan is on: {}",
        done.out
    );

    theatre.fault(Fault::ServerError, RequestKind::DeleteRule);
    let done = theatre.apply(&theatre.remove_ssh()).await;
    assert!(
        done.code == 1 && done.out.contains("no sure answer came, and it reads as before"),
        "{}",
        done.out
    );

    for (fault, told) in [
        (Fault::Changed, "it was changed meanwhile, nothing was written"),
        (Fault::Conflict, "azure refused it, nothing was written: the cluster's state doesn't allow it"),
        (Fault::Locked, "azure refused it, nothing was written: a lock forbids it"),
        (Fault::Denied, "securityRules/delete"),
        (Fault::Throttled { retry_after: Some(60) }, "asks to wait 60 s"),
    ] {
        theatre.fault(fault.clone(), RequestKind::DeleteRule);
        let done = theatre.apply(&theatre.remove_ssh()).await;
        assert!(done.code == 1 && done.out.contains(told), "{fault:?}: {}", done.out);
    }
    assert!(theatre.has_ssh());
    assert_eq!(theatre.writes(), 7, "one for each command");

    // The first read plans, the second one is just before the write.
    let reads = theatre.azure.world().journal().requests(RequestKind::GetPlan, None);
    let world = || theatre.azure.world();
    world().estate_mut().set_plan(&format!("/subscriptions/{SUBSCRIPTION}"), "Free", &[]);
    theatre.fault(Fault::AnswerLost, RequestKind::PutPlan);
    let done = theatre.apply(&DEFENDER).await;
    assert!(done.code == 0, "{}", done.out);
    assert_eq!(world().journal().requests(RequestKind::GetPlan, None), reads + 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_applied_in_dry_run_or_without_somebody_to_ask() {
    let theatre = Theatre::new().await;
    let yes = [&DEFENDER[..], &["--apply", "--yes"]].concat();
    for settings in [&[][..], &[("STOP_GUARD_MODE", "dry-run")]] {
        let done = theatre.run(&yes, settings).await;
        assert_eq!((done.code, done.out.as_str()), (1, ""));
        insta::allow_duplicates! {
            insta::assert_snapshot!(done.err, @"error: STOP_GUARD_MODE is `dry-run`, in which nothing is changed: set it to `act` for this command");
        }
    }
    let done = theatre.run(&[&DEFENDER[..], &["--apply"]].concat(), &[ACT]).await;
    assert_eq!((done.code, done.out.as_str()), (1, ""));
    insta::assert_snapshot!(done.err, @"error: there is no terminal to ask on: look at the plan, then give --yes");
    let odd = theatre.run(&yes, &[("STOP_GUARD_MODE", "acting")]).await;
    assert_eq!(odd.code, 3);
    let contradiction = theatre.run(&[&yes[..], &["--plan"]].concat(), &[ACT]).await;
    assert_eq!(contradiction.code, 2);
    assert_eq!(theatre.writes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_is_made_and_one_that_is_there_is_left_alone() {
    let theatre = Theatre::new().await;
    let new = ["workspace", WORKSPACE, "--location", "northeurope"];
    let plan = theatre.plan(&[&new[..], &["-o", "json"]].concat()).await.json();
    assert_eq!(
        plan[0]["plan"]["body"],
        json!({ "location": "northeurope", "properties": { "sku": { "name": "PerGB2018" }, "retentionInDays": 90 } })
    );
    let done = theatre.apply(&new).await;
    assert!(done.code == 0 && done.out.contains(": done: the workspace is there"), "{}", done.out);
    let again =
        theatre.apply(&["workspace", WORKSPACE, "--location", "westeurope", "--retention", "30"]).await;
    assert!(again.code == 0 && again.out.contains(": already so: "), "{}", again.out);
    assert_eq!(theatre.writes(), 1);
    for wrong in [
        ["workspace", WORKSPACE, "--location", "North Europe", "--retention", "90"],
        ["workspace", WORKSPACE, "--location", "northeurope", "--retention", "7"],
        ["workspace", &theatre.nsg, "--location", "northeurope", "--retention", "90"],
    ] {
        assert_eq!(theatre.plan(&wrong).await.code, 2, "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_item_uses_the_rights_that_are_documented_for_it_and_none_that_only_the_guard_has() {
    let theatre = Theatre::new().await;
    let cluster = theatre.cluster.to_string();
    let ranges = ["authorized-ranges", "--cluster", &cluster, "--range", "203.0.113.0/24"];
    let remove = theatre.remove_ssh();
    let deny = ["nsg-rule", "add", "no-rdp", "--nsg", &theatre.nsg, "--port", "3389"];
    let workspace = ["workspace", WORKSPACE, "--location", "northeurope"];
    let sensor = ["defender-profile", "--cluster", &cluster, "--workspace", WORKSPACE];
    theatre.azure.world().estate_mut().set_upgrades(&theatre.cluster, &["1.35.2"]);
    let upgrade = ["upgrade", "--cluster", &cluster, "--to", "1.35.2"];
    let insights = ["container-insights", "--cluster", &cluster, "--workspace", WORKSPACE];
    let docs = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/HARDEN.md")).unwrap();
    for (item, actions) in HARDEN_ACTIONS {
        let arguments = [&DEFENDER[..], &remove, &deny, &workspace, &ranges, &sensor, &insights, &upgrade]
            .into_iter()
            .find(|one| one.join(" ").starts_with(item))
            .unwrap();
        theatre.azure.world().give_role(&operator(), actions);
        let done = theatre.apply(arguments).await;
        assert_eq!(done.code, 0, "{item}: {}", done.out);
        let used = theatre.azure.world().actions_used(&operator());
        assert_eq!(used, actions.iter().copied().collect(), "{item}");
        for action in actions {
            assert!(docs.contains(&format!("`{action}`")), "{action} is not in docs/HARDEN.md");
            assert!(action.ends_with("/read") || !ACTIONS.contains(action));
        }
    }
    assert_eq!(theatre.azure.world().violations(), []);
}
