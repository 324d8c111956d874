//! What is written to a cluster itself.

use serde_json::json;
use simulator::http::now;
use simulator::world::{Caller, Fault, RequestKind};

use crate::theatre::{SUBSCRIPTION, Theatre, WORKSPACE};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authorised_ranges_are_set_and_everything_else_of_the_cluster_stays() {
    let theatre = Theatre::new().await;
    let cluster = theatre.cluster.to_string();
    let before = json!({
        "apiServerAccessProfile": { "disableRunCommand": true, "authorizedIPRanges": ["198.51.100.0/24"] },
        "somethingOfTomorrow": { "a": [1, 2], "b": null },
    });
    theatre.azure.world().cluster_mut(&theatre.cluster).unwrap().properties =
        before.as_object().unwrap().clone();
    let set = ["authorized-ranges", "--cluster", &cluster, "--range", "203.0.113.0/24", "198.51.100.7"];
    let plan = theatre.plan(&[&set[..], &["-o", "json"]].concat()).await.json();
    let (plan, shown) = (&plan[0]["plan"], theatre.azure.world().cluster(&theatre.cluster).unwrap().shown());
    assert_eq!(plan["if_match"], shown["eTag"]);
    let mut wanted = shown.clone();
    wanted["properties"]["apiServerAccessProfile"]["authorizedIPRanges"] =
        json!(["198.51.100.7/32", "203.0.113.0/24"]);
    assert_eq!(plan["body"], wanted);

    let done = theatre.apply(&set).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{}", done.out);
    assert!(
        done.out.contains(": done: the authorised ranges are 198.51.100.7/32, 203.0.113.0/24"),
        "{}",
        done.out
    );
    let shown = theatre.azure.world().cluster(&theatre.cluster).unwrap().shown();
    assert_eq!(shown["properties"]["apiServerAccessProfile"]["disableRunCommand"], true);
    assert_eq!(shown["properties"]["provisioningState"], "Succeeded");
    let again = theatre.apply(&set).await;
    assert!(again.code == 0 && again.out.contains(": already so: "), "{}", again.out);
    assert_eq!(theatre.writes(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_stopped_or_was_changed_meanwhile_is_not_written() {
    let theatre = Theatre::new().await;
    let cluster = theatre.cluster.to_string();
    let set = ["authorized-ranges", "--cluster", &cluster, "--range", "203.0.113.0/24"];
    theatre.fault(Fault::Changed, RequestKind::PutCluster);
    let done = theatre.apply(&set).await;
    assert!(
        done.code == 1 && done.out.contains("it was changed meanwhile, nothing was written"),
        "{}",
        done.out
    );
    {
        let mut world = theatre.azure.world();
        world.stop(&theatre.cluster, &Caller::user("mallory"), now()).unwrap();
        world.finish_operations(now());
    }
    let done = theatre.apply(&set).await;
    assert_eq!(done.code, 1);
    insta::assert_snapshot!(done.out, @"authorized-ranges, aks-1 in rg-prod: refused: the cluster is stopped, and Azure lets a stopped cluster only be started or deleted: start it first");
    assert_eq!(theatre.writes(), 1);
    for wrong in ["0.0.0.0/0", "0.0.0.0/1", "2001:db8::/32", "office"] {
        let done = theatre.plan(&["authorized-ranges", "--cluster", &cluster, "--range", wrong]).await;
        assert_eq!(done.code, 2, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_plane_is_upgraded_and_done_means_that_it_has_the_version() {
    let theatre = Theatre::new().await;
    theatre.azure.world().estate_mut().set_upgrades(&theatre.cluster, &["1.34.7", "1.35.2"]);
    let cluster = theatre.cluster.to_string();
    let to = |version| ["upgrade", "--cluster", &cluster, "--to", version];
    let plan = theatre.plan(&[&to("1.35.2")[..], &["-o", "json"]].concat()).await.json();
    let mut wanted = theatre.azure.world().cluster(&theatre.cluster).unwrap().shown();
    assert_eq!(plan[0]["plan"]["if_match"], wanted["eTag"]);
    wanted["properties"]["kubernetesVersion"] = json!("1.35.2");
    assert_eq!(plan[0]["plan"]["body"], wanted, "the node pools keep their versions");

    let done = theatre.apply(&to("1.35.2")).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{}", done.out);
    insta::assert_snapshot!(done.out.lines().next().unwrap(), @"upgrade, aks-1 in rg-prod: done: the control plane has version 1.35.2; node pools: `nodepool1` 1.34.4");
    let again = theatre.apply(&to("1.35.2")).await;
    assert!(again.code == 0 && again.out.contains(": already so: "), "{}", again.out);
    let skipped = theatre.apply(&to("1.37.0")).await;
    assert!(skipped.code == 1 && skipped.out.contains("more than one minor version"), "{}", skipped.out);
    assert_eq!(
        theatre.plan(&["upgrade", "--cluster", &cluster]).await.code,
        2,
        "nobody chooses a version by leaving it out"
    );
    {
        let mut world = theatre.azure.world();
        world.estate_mut().set_upgrades(&theatre.cluster, &["1.36.1"]);
        world.stop(&theatre.cluster, &Caller::user("mallory"), now()).unwrap();
        world.finish_operations(now());
    }
    let stopped = theatre.apply(&to("1.36.1")).await;
    assert!(stopped.code == 1 && stopped.out.contains("refused: the cluster is stopped"), "{}", stopped.out);
    assert_eq!(theatre.writes(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_clusters_have_is_not_asked_of_a_container_group() {
    let theatre = Theatre::new().await;
    let group = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.ContainerInstance/containerGroups/g"
    );
    for item in [
        &["authorized-ranges", "--range", "203.0.113.0/24"][..],
        &["defender-profile", "--workspace", WORKSPACE],
        &["container-insights", "--workspace", WORKSPACE],
        &["upgrade", "--to", "1.34.4"],
    ] {
        let done = theatre.plan(&[item, &["--cluster", &group]].concat()).await;
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{item:?}: {}", done.err);
        assert!(done.err.contains("is not a managed cluster\n"), "{item:?}: {}", done.err);
    }
    assert_eq!(theatre.azure.world().journal().requests(RequestKind::GetCluster, None), 0);
}
