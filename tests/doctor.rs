//! `doctor`, as an operator runs it: against the simulated Azure over HTTP and a real Azurite. All well, one thing broken at a time,
//! something that hangs, and a subscription that may not be read.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and so do the functions that tests share"
)]

use aks_stop_guard::domain::Scope;
use aks_stop_guard::domain::grant::Author;
use aks_stop_guard::guard::Holds;
use aks_stop_guard::store::{Prefix, StatePath};
use jiff::SignedDuration;
use serde_json::json;
use simulator::http::now;
use simulator::world::{ClusterId, Fault, FaultRule, NewCluster, RequestKind};

use theatre::{DEV, Ill, PROD, RIGHTS, Theatre, VERSION, delivery_but, heartbeat, heartbeat_but, ills};

#[path = "support/azurite.rs"]
mod azurite;
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

/// What is broken, and what it is told as.
struct Case {
    what: &'static str,
    check: &'static str,
    about: &'static str,
    standing: &'static str,
    seen: &'static str,
    mend: &'static str,
}

impl Case {
    /// Breaks it, lets doctor look, and mends it again by making everything anew.
    async fn run(&self, number: usize, break_it: impl AsyncFnOnce(&mut Theatre)) {
        let mut theatre = Theatre::new(&format!("doctor-broken-{number}")).await;
        break_it(&mut theatre).await;
        let (code, ills) = theatre.ills().await;
        assert_eq!(ills.len(), 1, "{}: one thing is told: {ills:#?}", self.what);
        self.judge(code, &ills);
    }

    /// The same where what is broken hides more.
    async fn first(&self, number: usize, break_it: impl AsyncFnOnce(&mut Theatre)) {
        let mut theatre = Theatre::new(&format!("doctor-broken-{number}")).await;
        break_it(&mut theatre).await;
        let (code, ills) = theatre.ills().await;
        self.judge(code, &ills);
    }

    fn judge(&self, code: i32, ills: &[Ill]) {
        let ill = ills.first().unwrap();
        let told = (ill.check.as_str(), ill.about.as_str(), ill.standing.as_str());
        assert_eq!(told, (self.check, self.about, self.standing), "{}: {ill:#?}", self.what);
        assert!(ill.seen.contains(self.seen), "{}: {ill:#?}", self.what);
        assert!(ill.mend.starts_with(self.mend), "{}: {ill:#?}", self.what);
        assert_eq!(code, if self.standing == "fault" { 9 } else { 0 }, "{}", self.what);
    }
}

/// One thing that is broken in Azure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_thing_that_is_broken_in_azure_is_named_with_its_mend() {
    let case = |what, check, about, standing, seen, mend| Case { what, check, about, standing, seen, mend };
    let group = format!("/subscriptions/{PROD}/resourceGroups/rg-prod");

    case("no right to start", "start-right", DEV, "fault", "`Microsoft.ContainerService/managedClusters/start/action` is missing in resource group `rg-dev`",
        "az role assignment create --assignee-principal-type ServicePrincipal --role YOUR_ROLE_NAME --assignee-object-id YOUR_GUARD_PRINCIPAL_ID --scope /subscriptions/bbbb0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-dev")
        .run(0, async |theatre| {
            theatre.set("STOP_GUARD_SUBSCRIPTIONS", DEV);
            let rights: Vec<&str> = RIGHTS.into_iter().filter(|right| !right.contains("/start/")).collect();
            theatre.azure.world().give_role(&theatre.operator, &rights);
        }).await;
    case("a read-only lock on a group", "locks", PROD, "fault", "no start gets through on /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod",
        "az lock delete --ids /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.Authorization/locks/freeze")
        .run(1, async |theatre| {
            let mut world = theatre.azure.world();
            world.gates_mut().lock(&group, "freeze", "ReadOnly");
            world.gates_mut().lock(&format!("/subscriptions/{DEV}"), "keep", "CanNotDelete");
            world.gates_mut().lock(&format!("/subscriptions/{DEV}/resourceGroups/others"), "freeze", "ReadOnly");
        }).await;
    case(
        "a deny assignment",
        "denials",
        PROD,
        "fault",
        "1 deny assignment of starts for this identity; the first is `stack`",
        "az rest --method get --url '/subscriptions/",
    )
    .run(2, async |theatre| {
        let own = theatre.operator.object_id.clone();
        let mut world = theatre.azure.world();
        world.gates_mut().deny(&group, "stack", &["Microsoft.ContainerService/*"], &[]);
        world.gates_mut().deny(&group, "for-others", &["*"], &[&own]);
        world.gates_mut().deny(&group, "of-something-else", &["Microsoft.Network/*"], &[]);
    })
    .await;
    case(
        "no event subscription",
        "events",
        DEV,
        "fault",
        "stops are found by discovery only",
        "az deployment sub create ",
    )
    .run(3, async |theatre| {
        theatre.azure.world().gates_mut().unsubscribe(&Theatre::topic(DEV));
    })
    .await;
    case(
        "the filter leaves stops out",
        "events",
        DEV,
        "fault",
        "leaves out `Microsoft.ContainerService/managedClusters/stop/action`",
        "az deployment sub create ",
    )
    .run(4, async |theatre| {
        let values = json!(["Microsoft.ContainerService/managedClusters/start/action"]);
        theatre.deliver(DEV, delivery_but("/filter/advancedFilters/0/values", values));
    })
    .await;
    case(
        "a filter from before there were container groups",
        "events",
        DEV,
        "warning",
        "leaves out `Microsoft.ContainerInstance/containerGroups/stop/action`: stops of container groups are not heard",
        "az deployment sub create ",
    )
    .run(30, async |theatre| {
        let values = json!(["Microsoft.ContainerService/managedClusters/stop/action"]);
        theatre.deliver(DEV, delivery_but("/filter/advancedFilters/0/values", values));
    })
    .await;
    case(
        "no right to start container groups",
        "start-right",
        DEV,
        "fault",
        "`Microsoft.ContainerInstance/containerGroups/start/action` is missing in resource group `rg-jobs`",
        "az role assignment create ",
    )
    .run(31, async |theatre| {
        theatre.set("STOP_GUARD_SUBSCRIPTIONS", DEV);
        let of_before = |right: &&str| *right != "Microsoft.ContainerInstance/containerGroups/start/action";
        let rights: Vec<&str> = RIGHTS.into_iter().filter(of_before).collect();
        let mut world = theatre.azure.world();
        let group = ClusterId::group(DEV, "rg-jobs", "cg-worker");
        world.create_cluster(NewCluster::new(group), now()).unwrap();
        world.give_role(&theatre.operator, &rights);
    })
    .await;
    case(
        "no filter on the operation",
        "events",
        DEV,
        "warning",
        "it lacks the filter on the stop operation",
        "az deployment sub create ",
    )
    .run(5, async |theatre| theatre.deliver(DEV, delivery_but("/filter/advancedFilters", json!(null))))
    .await;
    case(
        "another event type",
        "events",
        DEV,
        "fault",
        "leave out `Microsoft.Resources.ResourceActionSuccess`",
        "az deployment sub create ",
    )
    .run(6, async |theatre| {
        let types = json!(["Microsoft.Resources.ResourceWriteSuccess"]);
        theatre.deliver(DEV, delivery_but("/filter/includedEventTypes", types));
    })
    .await;
    case(
        "no dead letters",
        "events",
        DEV,
        "warning",
        "it lacks a dead-letter destination",
        "az deployment sub create ",
    )
    .run(7, async |theatre| {
        theatre.deliver(DEV, delivery_but("/deadLetterWithResourceIdentity", json!(null)))
    })
    .await;
    case(
        "an event subscription that was not made",
        "events",
        DEV,
        "fault",
        "its provisioning state is `AwaitingManualAction`",
        "az deployment sub create ",
    )
    .run(8, async |theatre| {
        theatre.deliver(DEV, delivery_but("/provisioningState", json!("AwaitingManualAction")))
    })
    .await;
    case(
        "no such subscription",
        "arm-read",
        "cccc0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e",
        "fault",
        "there is no such subscription",
        "az account show --subscription cccc0a0a",
    )
    .first(9, async |theatre| theatre.set("STOP_GUARD_SUBSCRIPTIONS", "cccc0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e"))
    .await;
    case("a clock that is wrong", "clock", "", "warning", "behind Azure's", "sudo timedatectl ")
        .run(10, async |theatre| {
            theatre.azure.world().settings_mut().date_skew = SignedDuration::from_mins(5);
        })
        .await;
}

/// One thing that is broken in the app, its state, its settings or its sinks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_thing_that_is_broken_at_the_guard_is_named_with_its_mend() {
    let case = |what, check, about, standing, seen, mend| Case { what, check, about, standing, seen, mend };

    case("a setting", "settings", "", "fault", "STOP_GUARD_MODE: `acct` is none of", "aks-stop-guard check")
        .run(20, async |theatre| theatre.set("STOP_GUARD_MODE", "acct"))
        .await;
    case("no policies", "policies", "", "fault", "1 invalid or missing", "aks-stop-guard check")
        .run(21, async |theatre| theatre.set("STOP_GUARD_POLICIES", "tests/support"))
        .await;
    case("a dead timer", "heartbeat", "", "fault", "the last one is 20 min old", "az functionapp show ")
        .run(22, async |theatre| theatre.beat(&heartbeat(now() - SignedDuration::from_mins(20))).await)
        .await;
    case("no heartbeat", "heartbeat", "", "fault", "no sweep has run", "az functionapp show ")
        .run(23, async |theatre| theatre.store.delete(&StatePath::heartbeat()).await.unwrap())
        .await;
    case("degraded", "heartbeat", "", "fault", "degraded", "az webapp log tail ")
        .run(24, async |theatre| theatre.beat(&heartbeat_but("degraded", json!(true))).await)
        .await;
    case("a heartbeat of the future", "heartbeat", "", "unknown", "has form 2", "")
        .run(25, async |theatre| theatre.beat(&heartbeat_but("v", json!(2))).await)
        .await;
    case("a damaged heartbeat", "heartbeat", "", "unknown", "can't be read", "")
        .run(26, async |theatre| theatre.beat(&json!("x")).await)
        .await;
    case(
        "dry-run",
        "mode",
        "",
        "warning",
        "`dry-run`: the guard starts no cluster",
        "az functionapp config appsettings set ",
    )
    .run(27, async |theatre| theatre.beat(&heartbeat_but("mode", json!("dry-run"))).await)
    .await;
    case("another version", "version", "", "warning", "0.0.9 there", "func azure functionapp publish ")
        .run(28, async |theatre| theatre.beat(&heartbeat_but("version", json!("0.0.9"))).await)
        .await;
    case("an old version", "version", "", "unknown", "older than heartbeats that tell theirs", "")
        .run(29, async |theatre| theatre.beat(&heartbeat_but("version", json!(null))).await)
        .await;
    case("a hold", "holds", "", "warning", "forensics", "aks-stop-guard hold lift ")
        .run(30, async |theatre| {
            let (until, by) = (now() + SignedDuration::from_hours(1), Author::by_cli(None));
            let holds = Holds::new(theatre.store.clone());
            holds.add(None, Scope::Everywhere, until, "forensics", (by, now())).await.unwrap();
        })
        .await;
    case(
        "a sink that is away",
        "sink",
        "webhook",
        "fault",
        "could not connect",
        "aks-stop-guard sink test webhook",
    )
    .run(31, async |theatre| theatre.set("STOP_GUARD_WEBHOOK_URL", "http://127.0.0.1:1/hook/canary"))
    .await;
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
