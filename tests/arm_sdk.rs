//! The simulator's ARM, checked by clients that nobody here wrote: the Azure SDK for Python, from PyPI.
//!
//! What this cannot show: that Azure itself behaves so. It shows that clients made for Azure understand the simulator,
//! polling, error shapes and models included.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, and so do the functions that tests share"
)]

use std::path::Path;
use std::time::Duration;

use simulator::http::Azure;
use simulator::sink::Receiver;
use simulator::world::{AssignedIdentity, Caller, ClusterId, Deed, NetworkRule, NewCluster, Settings};
use tokio::process::Command;

use python::python;

#[path = "support/python.rs"]
mod python;

/// Far more than the check needs, so that only a hang runs into it.
const CHECK_TIMEOUT: Duration = Duration::from_secs(120);
const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

/// A simulated Azure that knows who asks, with one cluster.
async fn azure(settings: Settings) -> (Azure, ClusterId) {
    let azure = Azure::serve(settings, Receiver::default(), 0).await.unwrap();
    let id = ClusterId::new(SUBSCRIPTION, "rg-prod-weu", "aks-prod-01");
    azure.world().create_cluster(NewCluster::new(id.clone()), simulator::http::now()).unwrap();
    let caller = Caller::system_identity("sdk", "/subscriptions/s/resourceGroups/g/providers/P/sites/sdk");
    azure.world().assign_identity(AssignedIdentity { caller, user_assigned: false });
    (azure, id)
}

/// Runs a check. Returns what it said; it must have held.
async fn check(script: &str, azure: &Azure, id: &ClusterId) -> String {
    let header = azure.world().settings().identity_secret.clone();
    let check = Command::new(python())
        .arg("-B")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/arm_sdk").join(script))
        .args([azure.url(), &header, &id.to_string()])
        // A proxy of the machine must not come between loopback and loopback.
        .env("NO_PROXY", "127.0.0.1")
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(CHECK_TIMEOUT, check).await.expect("the check hangs").unwrap();
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the SDK disagrees after\n{said}\n{complained}");
    said.into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_azure_sdk_for_python_stops_starts_and_deletes_a_cluster() {
    // Azure's own durations: nothing ends before the check says so, however slow the machine is.
    let (azure, id) = azure(Settings::default()).await;
    let said = check("check.py", &azure, &id).await;
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 9, "{said}");
    assert_eq!(azure.world().violations(), [], "the SDK is not a rude client");
    assert_eq!(azure.world().journal().accepted(Deed::Start, &id), 3);
    assert_eq!(azure.world().journal().accepted(Deed::Stop, &id), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_azure_sdk_for_python_stops_and_starts_a_container_group() {
    let (azure, _) = azure(Settings::default()).await;
    let id = ClusterId::group(SUBSCRIPTION, "rg-jobs", "cg-worker");
    azure.world().create_cluster(NewCluster::new(id.clone()), simulator::http::now()).unwrap();
    let said = check("groups.py", &azure, &id).await;
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 6, "{said}");
    assert_eq!(azure.world().violations(), [], "the SDK is not a rude client");
    assert_eq!(azure.world().journal().accepted(Deed::Start, &id), 2);
    assert_eq!(azure.world().journal().accepted(Deed::Stop, &id), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_azure_sdk_for_python_reads_what_stands_around_a_cluster() {
    let settings =
        Settings { cluster_page_size: 2, graph_lag: jiff::SignedDuration::ZERO, ..Settings::default() };
    let (azure, id) = azure(settings).await;
    {
        let mut world = azure.world();
        for name in ["aks-2", "aks-3"] {
            let id = ClusterId::new(SUBSCRIPTION, "rg-zz", name);
            world.create_cluster(NewCluster::new(id), simulator::http::now()).unwrap();
        }
        let own = format!("/subscriptions/{SUBSCRIPTION}");
        let net = format!("{own}/resourceGroups/net/providers/Microsoft.Network");
        let workspace =
            format!("{own}/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces/main");
        let group = world.cluster(&id).unwrap().network_group();
        let estate = world.estate_mut();
        estate.set_upgrades(&id, &["1.34.7", "1.35.2"]);
        estate.add_rule(&group, NetworkRule::new("ssh", 200, true, "Internet", "22"));
        let ports = ["80", "443"].map(str::to_owned).to_vec();
        estate.add_rule(&group, NetworkRule { ports, ..NetworkRule::new("web", 210, true, "*", "") });
        estate.add_group(&format!("{net}/networkSecurityGroups/hub-nsg"));
        let subnet = format!("{net}/virtualNetworks/hub/subnets/nodes");
        estate.add_subnet(&subnet, Some(&format!("{net}/networkSecurityGroups/hub-nsg")));
        estate.set_plan(&own, "Standard", &[("ContainerSensor", true)]);
        estate.set_plan(&id.to_string(), "Free", &[]);
        estate.add_workspace(&workspace, 90);
        estate.send_logs(&id, &workspace, &["kube-audit-admin", "guard"]);
        estate.assign(
            "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
            "11111111-2222-4333-8444-555555555555",
            "Group",
            "/",
        );
    }
    let said = check("around.py", &azure, &id).await;
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), 14, "{said}");
    assert_eq!(azure.world().violations(), [], "the SDK is not a rude client");
}
