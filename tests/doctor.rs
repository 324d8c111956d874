//! `doctor`, as an operator runs it: against the simulated Azure over HTTP and a real Azurite. All well, something that hangs, and a
//! subscription that may not be read; one thing broken at a time is in a file of its own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and so do the functions that tests share"
)]

use aks_stop_guard::store::{Prefix, StatePath};
use jiff::SignedDuration;
use serde_json::json;
use simulator::http::now;
use simulator::world::{Fault, FaultRule, RequestKind};

use theatre::{DEV, PROD, RIGHTS, Theatre, VERSION, heartbeat_but, ills};

#[path = "support/azurite.rs"]
mod azurite;
#[path = "doctor/broken.rs"]
mod broken;
#[path = "support/done.rs"]
mod done;
#[path = "doctor/theatre.rs"]
mod theatre;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_that_works_is_all_ok_and_nothing_is_left_or_written() {
    let theatre = Theatre::new("doctor-well").await;
    theatre.azure.world().give_role(&theatre.operator, &RIGHTS);
    let done = theatre.run(&[]).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{}", done.out);
    insta::assert_snapshot!(still(&done.out), @r"
    ok       settings                                           valid; mode dry-run here
    ok       policies                                           5 valid
    ok       token                                              for abb1c13b-13b1-43c7-9d06-8a199d6a5b29, whose rights are checked below
    ok       arm-read     aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  1 cluster read
    ok       start-right  aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  this identity may start what is in 1 resource group
    ok       locks        aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  no read-only lock in the way
    ok       denials      aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  no deny assignment in the way
    ok       events       aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  `stop-guard` has both filters and dead-letters
    ok       arm-read     bbbb0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  1 cluster read
    ok       start-right  bbbb0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  this identity may start what is in 1 resource group
    ok       locks        bbbb0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  no read-only lock in the way
    ok       denials      bbbb0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  no deny assignment in the way
    ok       events       bbbb0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  `stop-guard` has both filters and dead-letters
    ok       state                                              conditional writes work
    ok       cases                                              the container of closed cases can be read
    ok       sink         webhook                               its receiver answers; whether it takes messages is not tried
    ok       heartbeat                                          N s ago: 0 open, 0 held
    ok       mode                                               act
    ok       version                                            V here and there
    ok       holds                                              none in force
    ok       clock                                              this machine's is within 2 s of Azure's

    0 faults, 0 warnings, 0 unknown, 21 ok
    ");
    let listed = theatre.store.list(&Prefix::probes(), 10).await.unwrap();
    assert_eq!(listed.entries, [], "the probe is deleted");
    assert_eq!(
        theatre.azure.world().violations(),
        [],
        "it needs no right that is not listed, and starts nothing"
    );
    assert_eq!(theatre.azure.world().journal().requests(RequestKind::Start, None), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_see_the_mend_below_what_is_not_well() {
    let mut theatre = Theatre::new("doctor-ill").await;
    theatre.set("STOP_GUARD_SUBSCRIPTIONS", PROD);
    theatre.beat(&heartbeat_but("mode", json!("notify"))).await;
    {
        let mut world = theatre.azure.world();
        world.gates_mut().lock(&format!("/subscriptions/{PROD}"), "freeze; rm -rf ~", "ReadOnly");
        world.gates_mut().unsubscribe(&Theatre::topic(PROD));
    }
    let done = theatre.run(&[]).await;
    assert_eq!((done.code, done.err.as_str()), (9, ""), "{}", done.out);
    insta::assert_snapshot!(still(&done.out), @r"
    ok       settings                                           valid; mode dry-run here
    ok       policies                                           5 valid
    ok       token                                              for abb1c13b-13b1-43c7-9d06-8a199d6a5b29, whose rights are checked below
    ok       arm-read     aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  1 cluster read
    ok       start-right  aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  this identity may start what is in 1 resource group
    fault    locks        aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  1 read-only lock in the way: no start gets through on /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e
                          mend: az lock delete --ids '/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/providers/Microsoft.Authorization/locks/freeze; rm -rf ~'
    ok       denials      aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  no deny assignment in the way
    fault    events       aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e  no event subscription of this subscription's topic delivers to a guard: stops are found by discovery only
                          mend: az deployment sub create --name stop-guard-events --location YOUR_REGION --template-file infra/guarded-subscription/main.bicep --subscription aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e --parameters YOUR_PARAMETERS.bicepparam
    ok       state                                              conditional writes work
    ok       cases                                              the container of closed cases can be read
    ok       sink         webhook                               its receiver answers; whether it takes messages is not tried
    ok       heartbeat                                          N s ago: 0 open, 0 held
    warning  mode                                               `notify`: the guard starts no cluster
                          mend: az functionapp config appsettings set --name YOUR_APP --resource-group YOUR_GROUP --settings STOP_GUARD_MODE=act
    ok       version                                            V here and there
    ok       holds                                              none in force
    ok       clock                                              this machine's is within 2 s of Azure's

    2 faults, 1 warning, 0 unknown, 13 ok
    ");
}

/// Without what differs from run to run.
fn still(out: &str) -> String {
    let line = |line: &str| match line.split_once(" s ago") {
        Some((before, after)) => {
            format!("{}N s ago{after}", before.trim_end_matches(|c: char| c.is_ascii_digit()))
        }
        None => line.to_owned(),
    };
    out.replace(VERSION, "V").lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_containers_each_check_says_that_they_are_missing() {
    let mut theatre = Theatre::new("doctor-containers").await;
    theatre.container = "doctor-never-made".to_owned();
    let (code, ills) = theatre.ills().await;
    assert_eq!(code, 9);
    let told: Vec<&str> = ills.iter().map(|ill| ill.check.as_str()).collect();
    assert_eq!(told, ["state", "cases", "heartbeat", "holds"], "{ills:#?}");
    assert!(ills.iter().all(|ill| ill.mend == "aks-stop-guard init-state"), "{ills:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_the_rest_is_shown() {
    let theatre = Theatre::new("doctor-token").await;
    let rule =
        FaultRule { fault: Fault::IdentityDown, on: Some(RequestKind::Token), cluster: None, times: None };
    theatre.azure.world().add_fault(rule);
    let (code, ills) = theatre.ills().await;
    assert_eq!(code, 9);
    let first = ills.first().unwrap();
    assert_eq!(
        (first.check.as_str(), first.standing.as_str(), first.mend.as_str()),
        ("token", "fault", "az login")
    );
    let told = |check: &str| ills.iter().any(|ill| ill.check == check);
    assert!(!told("state") && !told("heartbeat") && !told("sink"), "{ills:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_hangs_is_named_and_the_rest_is_shown() {
    // A sink that takes connections and never answers, and a list of locks that comes a day late.
    let theatre = Theatre::new("doctor-hangs").await;
    let slow = Fault::SlowAnswer(SignedDuration::from_hours(24));
    let rule = FaultRule { fault: slow, on: Some(RequestKind::ListLocks), cluster: None, times: None };
    theatre.azure.world().add_fault(rule);
    let done = theatre.run_alone(&["--timeout", "1", "-o", "json"]).await;
    let ills = ills(&done.out);
    let told: Vec<(&str, &str, &str)> =
        ills.iter().map(|ill| (ill.check.as_str(), ill.about.as_str(), ill.standing.as_str())).collect();
    let expected = [("locks", PROD, "unknown"), ("locks", DEV, "unknown"), ("sink", "webhook", "fault")];
    assert_eq!((done.code, told.as_slice()), (9, &expected[..]), "{ills:#?}");
    assert!(ills.iter().all(|ill| ill.seen.contains("no answer in time")), "{ills:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_may_not_be_read_is_unknown_and_the_other_is_shown() {
    let theatre = Theatre::new("doctor-closed").await;
    theatre.azure.world().gates_mut().close(PROD);
    let (code, ills) = theatre.ills().await;
    assert_eq!(code, 0, "unknown is no fault");
    assert!(
        ills.iter().all(|ill| (ill.about.as_str(), ill.standing.as_str()) == (PROD, "unknown")),
        "{ills:#?}"
    );
    let missing: Vec<&str> = ills.iter().filter_map(|ill| ill.seen.split('`').nth(1)).collect();
    let expected = [
        "Microsoft.ContainerService/managedClusters/read",
        "Microsoft.Authorization/locks/read",
        "Microsoft.Authorization/denyAssignments/read",
        "Microsoft.EventGrid/systemTopics/read",
    ];
    assert_eq!(missing, expected, "{ills:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_of_management_groups_are_those_that_the_guard_saw() {
    let mut theatre = Theatre::new("doctor-groups").await;
    theatre.set("STOP_GUARD_SUBSCRIPTIONS", "");
    theatre.set("STOP_GUARD_MANAGEMENT_GROUPS", "mg-prod");
    let (_, ills) = theatre.ills().await;
    assert_eq!(ills.first().map(|ill| ill.check.as_str()), Some("management-groups"), "{ills:#?}");
    let members = json!({ "v": 1, "min_writer": 1, "writer": "w", "groups": {
        "mg-prod": { "asked_at": now(), "subscriptions": [PROD] } } });
    let path = StatePath::management_groups();
    theatre.store.put(&path, serde_json::to_vec(&members).unwrap()).await.unwrap();
    let done = theatre.run(&["-o", "json"]).await;
    assert_eq!((done.code, self::ills(&done.out)), (0, Vec::new()));
    assert!(done.out.contains(PROD) && !done.out.contains(DEV), "{}", done.out);
}
