use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aks_stop_guard::azure::Arm;
use aks_stop_guard::domain::{ClusterId as Cluster, SubscriptionId};
use aks_stop_guard::posture::{Answers, Check, Question, Report};
use simulator::world::{ClusterId, Fault, FaultRule, NewCluster, RequestKind};

use crate::virtual_azure::{LATENCY, VirtualAzure};

/// The longest chain of calls: the clusters, a subnet of one, the subnet's network security group.
const CHAIN: u32 = 3;
const BUDGET: Duration = Duration::from_secs(600);

/// The guid of a subscription by its number.
fn subscription(number: usize) -> String {
    format!("{number:08x}-bb1b-cc2c-dd3d-eeeeee4e4e4e")
}

/// So many clusters in each of so many subscriptions, each with a subnet and a network security group of its own, and with logs that
/// go to one workspace a subscription.
fn fleet(subscriptions: usize, clusters: usize) -> Arc<VirtualAzure> {
    let azure = VirtualAzure::new();
    {
        let mut world = azure.world.lock().unwrap();
        let now = "2026-11-02T10:00:00Z".parse().unwrap();
        for number in 0..subscriptions {
            let own = subscription(number);
            let workspace = format!(
                "/subscriptions/{own}/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces/main"
            );
            world.estate_mut().add_workspace(&workspace, 90);
            for cluster in 0..clusters {
                let id = ClusterId::new(&own, "rg", &format!("aks-{cluster}"));
                world.create_cluster(NewCluster::new(id.clone()), now).unwrap();
                let net = format!("/subscriptions/{own}/resourceGroups/net/providers/Microsoft.Network");
                let subnet = format!("{net}/virtualNetworks/v/subnets/s-{cluster}");
                let group = format!("{net}/networkSecurityGroups/nsg-{cluster}");
                let pool = serde_json::json!([{ "name": "p", "vnetSubnetID": subnet }]);
                world.cluster_mut(&id).unwrap().properties.insert("agentPoolProfiles".to_owned(), pool);
                let estate = world.estate_mut();
                estate.add_group(&group);
                estate.add_subnet(&subnet, Some(&group));
                estate.send_logs(&id, &workspace, &["kube-audit-admin", "guard"]);
            }
        }
    }
    azure
}

async fn survey(arm: &Arm, subscriptions: usize) -> Answers {
    let ids = (0..subscriptions).map(|number| SubscriptionId::parse(&subscription(number)).unwrap());
    let first = Answers::first_questions(&ids.collect(), &BTreeSet::<Cluster>::new());
    arm.survey(first, BUDGET, &mut |_| ()).await.unwrap()
}

fn unread(report: &Report) -> Vec<String> {
    let unread =
        report.findings().filter(|(_, _, one)| [Check::NotReadable, Check::Gone].contains(&one.check));
    unread.map(|(_, _, one)| one.seen.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn posture_of_100_clusters_in_10_subscriptions_takes_at_most_three_times_its_longest_chain_of_calls() {
    let azure = fleet(10, 10);
    let answers = survey(&azure.arm(), 10).await;
    let took = azure.since_start();
    let report = Report::of(&answers);
    assert_eq!(unread(&report), Vec::<String>::new());
    assert_eq!(report.subscriptions.iter().map(|one| one.clusters.len()).sum::<usize>(), 100);
    let calls = azure.calls();
    // Clusters, plan, roles, assignments, versions, workspace; and of each cluster plan, upgrades, settings, groups, subnet, group.
    assert_eq!(calls.len(), 10 * (6 + 10 * 6));
    let paths: BTreeSet<&str> = calls.iter().map(|call| call.path.as_str()).collect();
    assert_eq!(paths.len(), calls.len(), "nothing is asked twice");
    assert!(took <= 3 * CHAIN * LATENCY, "it took {took:?}");
    assert!(azure.most_under_way() <= 128, "{} calls at once", azure.most_under_way());
}

#[tokio::test(start_paused = true)]
async fn one_cluster_takes_as_long_as_its_chain_of_calls() {
    let azure = fleet(1, 1);
    survey(&azure.arm(), 1).await;
    assert_eq!(azure.since_start(), CHAIN * LATENCY);
}

#[tokio::test(start_paused = true)]
async fn a_large_subscription_is_read_at_the_pace_of_its_quota_without_one_429() {
    let azure = fleet(1, 150);
    let report = Report::of(&survey(&azure.arm(), 1).await);
    assert_eq!(unread(&report), Vec::<String>::new());
    assert_eq!(report.subscriptions[0].clusters.len(), 150, "both pages");
    assert!(azure.calls().iter().all(|call| call.status == 200));
    // 200 at once and 20 a second after that.
    let calls = u32::try_from(azure.calls().len()).unwrap();
    assert!(
        azure.since_start() < Duration::from_secs(u64::from(calls / 20)),
        "{:?} for {calls}",
        azure.since_start()
    );
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_throttles_is_left_alone_and_read_in_the_end_while_others_go_on() {
    let azure = fleet(2, 5);
    let id = ClusterId::new(&subscription(0), "rg", "aks-3");
    let fault = Fault::Throttled { retry_after: Some(60) };
    let rule = FaultRule { fault, on: Some(RequestKind::GetUpgrades), cluster: Some(id), times: Some(1) };
    {
        let mut world = azure.world.lock().unwrap();
        world.clear_faults();
        world.add_fault(rule);
    }
    let report = Report::of(&survey(&azure.arm(), 2).await);
    assert_eq!(unread(&report), Vec::<String>::new());
    let calls = azure.calls();
    let throttled = calls.iter().find(|call| call.status == 429).unwrap();
    let after = |number: usize| {
        let own = format!("/{}/", subscription(number));
        let later = calls.iter().filter(move |call| call.path.contains(&own) && call.at > throttled.at);
        later.map(|call| call.at).collect::<Vec<_>>()
    };
    assert!(after(0).iter().all(|at| *at >= throttled.at + Duration::from_secs(60)), "{:?}", after(0));
    assert!(after(1).iter().all(|at| *at < throttled.at + Duration::from_secs(10)), "{:?}", after(1));
    assert_eq!(calls.iter().filter(|call| call.status == 429).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_between_two_calls_is_noted_and_ends_nothing() {
    let azure = fleet(1, 2);
    let asked = Question::Clusters(SubscriptionId::parse(&subscription(0)).unwrap());
    let deleted = ClusterId::new(&subscription(0), "rg", "aks-1");
    let arm = azure.arm();
    let mut answered = 0;
    let mut on_answer = |_| {
        answered += 1;
        if answered == 1 {
            let mut world = azure.world.lock().unwrap();
            let now = "2026-11-02T10:00:01Z".parse().unwrap();
            world.delete(&deleted, &simulator::world::Caller::user("dana"), now).unwrap();
            world.finish_operations(now);
        }
    };
    let answers = arm.survey(vec![asked], BUDGET, &mut on_answer).await.unwrap();
    // Without the subscription's own questions, its clusters are in the report all the same.
    let report = Report::of(&answers);
    let of = |name: &str| {
        let clusters = report.subscriptions[0].clusters.iter().find(|one| one.id.name() == name).unwrap();
        clusters.findings.iter().filter(|one| one.check == Check::Gone).count()
    };
    assert_eq!((of("aks-0"), of("aks-1")), (0, 4), "plan, upgrades, settings and the groups of its nodes");
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_ends_leaves_what_was_read_and_says_what_was_not() {
    let azure = fleet(1, 3);
    let fault = Fault::Throttled { retry_after: Some(3_600) };
    let rule = FaultRule { fault, on: Some(RequestKind::GetUpgrades), cluster: None, times: None };
    {
        let mut world = azure.world.lock().unwrap();
        world.clear_faults();
        world.add_fault(rule);
    }
    let report = Report::of(&survey(&azure.arm(), 1).await);
    assert!(azure.since_start() <= BUDGET);
    let unread = unread(&report);
    assert!(
        unread.iter().any(|seen| seen.contains("the versions to upgrade to: azure resource manager")),
        "{unread:?}"
    );
}
