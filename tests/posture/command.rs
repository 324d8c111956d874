use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use simulator::http::{Azure, now};
use simulator::sink::Receiver;
use simulator::world::{
    AssignedIdentity, Caller, ClusterId, Fault, FaultRule, NetworkRule, NewCluster, RequestKind, Settings,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::done::Done;
use crate::python::python;

const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
const WORKSPACE: &str = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces/main";

/// Two clusters: `aks-safe` has everything on, `aks-open` is as `az aks create` makes one, with SSH open to the internet.
struct Theatre {
    azure: Azure,
    open: ClusterId,
}

impl Theatre {
    async fn new() -> Self {
        let azure = Azure::serve(Settings::default(), Receiver::default(), 0).await.unwrap();
        let reader = Caller::system_identity("reader", "/subscriptions/x/reader");
        let (open, safe) = (
            ClusterId::new(SUBSCRIPTION, "rg-dev", "aks-open"),
            ClusterId::new(SUBSCRIPTION, "rg-prod", "aks-safe"),
        );
        {
            let mut world = azure.world();
            world.assign_identity(AssignedIdentity { caller: reader, user_assigned: false });
            for id in [&open, &safe] {
                world.create_cluster(NewCluster::new(id.clone()), now()).unwrap();
            }
            let properties = serde_json::json!({
                "disableLocalAccounts": true, "aadProfile": { "managed": true },
                "apiServerAccessProfile": { "enablePrivateCluster": true },
                "autoUpgradeProfile": { "upgradeChannel": "stable", "nodeOSUpgradeChannel": "SecurityPatch" },
                "securityProfile": { "defender": { "logAnalyticsWorkspaceResourceId": WORKSPACE, "securityMonitoring": { "enabled": true } } },
                "addonProfiles": { "omsagent": { "enabled": true, "config": { "logAnalyticsWorkspaceResourceID": WORKSPACE.to_lowercase() } } },
            });
            world.cluster_mut(&safe).unwrap().properties = properties.as_object().unwrap().clone();
            let group = world.cluster(&open).unwrap().network_group();
            let estate = world.estate_mut();
            estate.add_rule(&group, NetworkRule::new("no-web", 100, false, "Internet", "443"));
            estate.add_rule(&group, NetworkRule::new("ssh", 200, true, "Internet", "22"));
            estate.add_rule(&group, NetworkRule::new("web", 210, true, "*", "443"));
            estate.set_plan(
                &format!("/subscriptions/{SUBSCRIPTION}"),
                "Standard",
                &[("ContainerSensor", true)],
            );
            estate.add_workspace(WORKSPACE, 180);
            estate.send_logs(&safe, WORKSPACE, &["kube-audit-admin", "guard"]);
            estate.set_upgrades(&open, &["1.34.7", "1.35.2"]);
            estate.assign(
                "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
                "11111111-2222-4333-8444-555555555555",
                "Group",
                "/",
            );
            estate.assign(
                "acdd72a7-3385-48ef-bd42-f606fba81ae7",
                "99999999-2222-4333-8444-555555555555",
                "User",
                "/",
            );
        }
        Self { azure, open }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aks-stop-guard"));
        command
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .arg("posture")
            .args(arguments)
            .env_clear()
            .envs(self.azure.asked_by())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Done {
        Done::of(self.command(arguments).output().await.expect("the binary runs"))
    }

    fn fault(&self, fault: Fault, on: RequestKind) {
        self.azure.world().add_fault(FaultRule { fault, on: Some(on), cluster: None, times: None });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_read_what_is_open_the_worst_first_and_what_to_do() {
    let theatre = Theatre::new().await;
    let done = theatre.run(&["--subscription", SUBSCRIPTION]).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    insta::assert_snapshot!(done.out, @r#"
    SEVERITY  WHERE                                              FINDING                 SEEN
    high      aks-open in rg-dev                                 open-rule               inbound rule `ssh` of `aks-agentpool-12345678-nsg` lets Internet in: Tcp 22 to *
    medium    aks-open in rg-dev                                 api-server-open         the API server takes connections from everywhere: no authorised ranges, not private
    medium    aks-open in rg-dev                                 local-accounts          `disableLocalAccounts` is not set; Entra ID integration is off
    medium    aks-open in rg-dev                                 audit-logs-off          no diagnostic setting sends kube-audit or kube-audit-admin
    medium    aks-open in rg-dev                                 defender-profile-off    `securityProfile.defender.securityMonitoring` is not enabled
    medium    subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  wide-stop-rights        1 account can stop every cluster here; the widest is Group `11111111-2222-4333-8444-555555555555` as Owner at the tenant's root
    low       aks-open in rg-dev                                 guard-logs-off          no diagnostic setting sends guard
    low       aks-open in rg-dev                                 container-insights-off  neither the add-on `omsagent` nor `azureMonitorProfile.containerInsights` is enabled
    low       aks-open in rg-dev                                 auto-upgrade-off        the upgrade channel is `none`
    info      aks-open in rg-dev                                 upgrade-available       version 1.34.4 can be upgraded to 1.34.7, 1.35.2

    10 findings (1 high, 5 medium, 3 low, 1 info) on 2 clusters in 1 subscription

    open-rule: network rule open to the internet
      why   Who gets onto a node from the internet can take its identity, and what that may do, from there.
      mend  Delete the rule if nothing needs it; else let it name the addresses that do.
            aks-stop-guard harden nsg-rule remove ssh --nsg /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/MC_rg-dev_aks-open_westeurope/providers/Microsoft.Network/networkSecurityGroups/aks-agentpool-12345678-nsg
            az network nsg rule delete --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group MC_rg-dev_aks-open_westeurope --nsg-name aks-agentpool-12345678-nsg --name ssh
            az network nsg rule update --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group MC_rg-dev_aks-open_westeurope --nsg-name aks-agentpool-12345678-nsg --name ssh --source-address-prefixes YOUR_IP_RANGES
      see   https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview

    wide-stop-rights: roles that stop every cluster
      Group `11111111-2222-4333-8444-555555555555` as Owner at the tenant's root (`/`)
      why   Whoever takes over one of these accounts stops all clusters of the subscription at once.
      mend  Assign narrower roles, on the clusters only, and let people activate wide ones for a time (Privileged Identity Management).
            az role assignment delete --ids /providers/Microsoft.Authorization/roleAssignments/00000001-0000-4000-8000-000000000000
      see   https://learn.microsoft.com/azure/role-based-access-control/best-practices

    api-server-open: API server open to the internet
      why   A stolen credential works against the API server from anywhere: it can drain and delete what runs, without any stop event.
      mend  Name the addresses that may reach the API server, or make the cluster private.
            aks-stop-guard harden authorized-ranges --cluster /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-dev/providers/Microsoft.ContainerService/managedClusters/aks-open --range YOUR_IP_RANGES
            az aks update --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group rg-dev --name aks-open --api-server-authorized-ip-ranges YOUR_IP_RANGES
      see   https://learn.microsoft.com/azure/aks/api-server-authorized-ip-ranges

    local-accounts: local accounts are on
      why   A cluster-admin certificate that names nobody can be fetched and used past Entra ID; no log says who did it.
      mend  Turn local accounts off. The cluster needs Entra ID integration first.
            az aks update --enable-aad --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group rg-dev --name aks-open
            az aks update --disable-local-accounts --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group rg-dev --name aks-open
      see   https://learn.microsoft.com/azure/aks/manage-local-accounts-managed-azure-ad

    audit-logs-off: no audit log of the API server
      why   After a stop nobody can tell what was done in the cluster before it.
      mend  Send `kube-audit-admin` (or `kube-audit`, which is far more) to a workspace.
            az monitor diagnostic-settings create --name audit-to-workspace --resource /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-dev/providers/Microsoft.ContainerService/managedClusters/aks-open --workspace YOUR_WORKSPACE_ID --logs '[{"category":"kube-audit-admin","enabled":true}]'
      see   https://learn.microsoft.com/azure/aks/monitor-aks

    defender-profile-off: no Defender sensor on the nodes
      why   What happens inside the cluster before a stop raises no alert.
      mend  Turn the Defender profile on.
            aks-stop-guard harden defender-profile --cluster /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-dev/providers/Microsoft.ContainerService/managedClusters/aks-open --workspace YOUR_WORKSPACE_ID
            az aks update --enable-defender --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group rg-dev --name aks-open
      see   https://learn.microsoft.com/azure/defender-for-cloud/defender-for-containers-enable

    guard-logs-off: no log of sign-ins to the cluster
      why   The category `guard` tells who signed in to the API server with Entra ID.
      mend  Send `guard` to a workspace.
            az monitor diagnostic-settings create --name guard-to-workspace --resource /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-dev/providers/Microsoft.ContainerService/managedClusters/aks-open --workspace YOUR_WORKSPACE_ID --logs '[{"category":"guard","enabled":true}]'
      see   https://learn.microsoft.com/azure/aks/monitor-aks

    container-insights-off: Container Insights is off
      why   Nobody sees nodes and pods go away, and nothing of them is left after a stop.
      mend  Turn Container Insights on.
            aks-stop-guard harden container-insights --cluster /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-dev/providers/Microsoft.ContainerService/managedClusters/aks-open --workspace YOUR_WORKSPACE_ID
            az aks enable-addons --addons monitoring --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group rg-dev --name aks-open --workspace-resource-id YOUR_WORKSPACE_ID
      see   https://learn.microsoft.com/azure/azure-monitor/containers/kubernetes-monitoring-enable

    auto-upgrade-off: no automatic upgrades
      why   Fixes for known holes come only when somebody thinks of it.
      mend  Choose a channel; `patch` stays within the minor version.
            az aks update --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group rg-dev --name aks-open --auto-upgrade-channel patch
      see   https://learn.microsoft.com/azure/aks/auto-upgrade-cluster

    upgrade-available: there is a newer version
      why   A stopped cluster can't be upgraded, and the next version goes out of support meanwhile.
      mend  Upgrade when it suits.
            aks-stop-guard harden upgrade --cluster /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-dev/providers/Microsoft.ContainerService/managedClusters/aks-open --to 1.35.2
            az aks upgrade --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --resource-group rg-dev --name aks-open --kubernetes-version 1.35.2
      see   https://learn.microsoft.com/azure/aks/upgrade-aks-cluster
    "#);
    assert_eq!(theatre.azure.world().violations(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_arguments_every_subscription_that_is_seen_is_read_and_nothing_is_written() {
    let theatre = Theatre::new().await;
    let done = theatre.run(&["-o", "json"]).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(report["subscriptions"][0]["id"], SUBSCRIPTION);
    let clusters = report["subscriptions"][0]["clusters"].as_array().unwrap();
    let of = |name: &str| clusters.iter().find(|one| one["id"].as_str().unwrap().ends_with(name)).unwrap();
    assert_eq!(of("aks-safe")["findings"], serde_json::json!([]));
    let open = of("aks-open")["findings"].as_array().unwrap();
    let ids: Vec<&str> = open.iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(
        ids,
        [
            "open-rule",
            "api-server-open",
            "local-accounts",
            "audit-logs-off",
            "defender-profile-off",
            "guard-logs-off",
            "container-insights-off",
            "auto-upgrade-off",
            "upgrade-available",
        ]
    );
    assert!(open.iter().all(|one| ["why", "mend", "link", "seen"].iter().all(|name| one[name].is_string())));
    let world = theatre.azure.world();
    let written =
        [RequestKind::PutCluster, RequestKind::DeleteCluster, RequestKind::Start, RequestKind::Stop];
    assert!(written.iter().all(|kind| world.journal().requests(*kind, None) == 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fail_on_ends_with_8_from_its_severity_on() {
    let theatre = Theatre::new().await;
    for (severity, code) in [("critical", 0), ("high", 8), ("info", 8)] {
        let done = theatre.run(&["--subscription", SUBSCRIPTION, "-o", "sarif", "--fail-on", severity]).await;
        assert_eq!((done.code, done.err.as_str()), (code, ""), "{severity}");
        let sarif: Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), 10);
    }
    let odd = theatre.run(&["--fail-on", "terrible"]).await;
    assert_eq!(odd.code, 2);
    assert!(odd.err.contains("write info, low, medium, high or critical"), "{}", odd.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sarif_is_what_the_schema_of_the_standard_allows() {
    let theatre = Theatre::new().await;
    theatre.fault(Fault::Denied, RequestKind::ListSettings);
    let done = theatre.run(&["--subscription", SUBSCRIPTION, "-o", "sarif"]).await;
    let mut reader = Command::new(python())
        .args(["-B", "tests/posture/sarif.py"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = reader.stdin.take().unwrap();
    input.write_all(done.out.as_bytes()).await.unwrap();
    drop(input);
    let read = reader.wait_with_output().await.unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let count = done.out.matches("\"ruleIndex\"").count();
    assert_eq!(String::from_utf8_lossy(&read.stdout).trim(), count.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_cluster_is_read_by_its_id_and_one_that_is_not_there_is_noted() {
    let theatre = Theatre::new().await;
    let (open, gone) = (theatre.open.to_string(), theatre.open.to_string().replace("aks-open", "aks-gone"));
    let done = theatre.run(&["--cluster", &open, &gone, "-o", "json"]).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(report["subscriptions"][0]["clusters"].as_array().unwrap().len(), 1);
    let findings = report["subscriptions"][0]["findings"].as_array().unwrap();
    assert!(
        findings.iter().any(|one| one["id"] == "gone" && one["seen"] == "cluster aks-gone: not there"),
        "{findings:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_right_is_a_finding_and_no_right_at_all_is_a_failure() {
    let theatre = Theatre::new().await;
    theatre.fault(Fault::Denied, RequestKind::ListNetworkGroups);
    let done = theatre.run(&["--subscription", SUBSCRIPTION, "--fail-on", "high"]).await;
    assert_eq!(done.code, 8, "what can't be read may hide something as bad as that");
    assert!(
        done.out.contains("the right `Microsoft.Network/networkSecurityGroups/read` is missing"),
        "{}",
        done.out
    );

    theatre.azure.world().clear_faults();
    theatre.azure.world().add_fault(FaultRule { fault: Fault::Denied, on: None, cluster: None, times: None });
    let done = theatre.run(&["--subscription", SUBSCRIPTION]).await;
    assert_eq!((done.code, done.out.as_str()), (1, ""));
    insta::assert_snapshot!(done.err, @"error: nothing could be read; the clusters of aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e: the right `Microsoft.ContainerService/managedClusters/read` is missing");

    theatre.azure.world().clear_faults();
    theatre.fault(Fault::TokenRefused, RequestKind::ListClusters);
    let done = theatre.run(&["--subscription", SUBSCRIPTION]).await;
    assert_eq!((done.code, done.out.as_str()), (1, ""));
    assert!(done.err.starts_with("error: Azure can't be asked: log in with `az login`"), "{}", done.err);
}

/// What the process may take at its highest. The limit of what is released is 64 MiB; a build without optimisation
/// takes twice as much as that does (docs/PERFORMANCE.md, "posture").
const PEAK_KIB_MAX: u64 = 80 * 1024;

/// As large as a tenant's: some hundred built-in roles, and assignments of some hundred accounts in each subscription.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_clusters_in_ten_subscriptions_take_little_memory() {
    let theatre = Theatre::new().await;
    {
        let mut world = theatre.azure.world();
        let actions: Vec<String> = (0..20)
            .map(|number| format!("Microsoft.SomeProvider/someResourceType{number}/someAction/action"))
            .collect();
        let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
        for role in 0..800 {
            let name = format!(
                "Some Built-in Role {role} {}",
                "of which the description has two hundred characters ".repeat(4)
            );
            world.estate_mut().define_role(
                &name,
                &format!("{role:08x}-0000-4000-8000-0000000000ff"),
                &actions,
                &actions,
            );
        }
        for number in 0..10 {
            let subscription = format!("{number:08x}-bb1b-cc2c-dd3d-eeeeee4e4e4e");
            for cluster in 0..10 {
                let id = ClusterId::new(&subscription, "rg", &format!("aks-{cluster}"));
                world.create_cluster(NewCluster::new(id), now()).unwrap();
            }
            for principal in 0..400 {
                let principal = format!("{principal:08x}-2222-4333-8444-555555555555");
                let scope = format!("/subscriptions/{subscription}");
                world.estate_mut().assign("b24988ac-6180-42a0-ab88-20f7382dd24c", &principal, "User", &scope);
            }
        }
    }
    let mut child = theatre.command(&["-o", "json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    // The report is longer than a pipe holds: once it begins to come, the process has done its work and waits for the reader.
    let mut printed = vec![0];
    out.read_exact(&mut printed).await.unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    out.read_to_end(&mut printed).await.unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    let report: Value = serde_json::from_slice(&printed).unwrap();
    assert_eq!(report["subscriptions"].as_array().unwrap().len(), 11);
    assert!(peak < PEAK_KIB_MAX, "{peak} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_cluster_and_a_lost_workspace_are_told() {
    let theatre = Theatre::new().await;
    {
        let mut world = theatre.azure.world();
        world.stop(&theatre.open, &Caller::user("mallory"), now()).unwrap();
        world.finish_operations(now());
        world.estate_mut().remove(WORKSPACE);
    }
    let done = theatre.run(&["--subscription", SUBSCRIPTION]).await;
    assert!(done.out.contains("note: aks-open in rg-dev: it is stopped"), "{}", done.out);
    assert!(done.out.contains("workspace `main` does not exist"), "{}", done.out);
    let mends =
        ["az monitor log-analytics workspace recover", "aks-stop-guard harden workspace /subscriptions/"];
    assert!(mends.iter().all(|mend| done.out.contains(mend)), "{}", done.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_say_who_asks_must_be_good_and_others_do_not_matter() {
    let output = Command::new(env!("CARGO_BIN_EXE_aks-stop-guard"))
        .args(["posture", "--subscription", SUBSCRIPTION])
        .env_clear()
        .env("STOP_GUARD_CLOUD", "mars")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stderr).unwrap().contains("STOP_GUARD_CLOUD"));
}
