//! One thing broken at a time: it is named, with the command that mends it, and nothing else is.

use aks_stop_guard::domain::Scope;
use aks_stop_guard::domain::grant::Author;
use aks_stop_guard::guard::Holds;
use aks_stop_guard::store::StatePath;
use jiff::SignedDuration;
use serde_json::json;
use simulator::http::now;
use simulator::world::{ClusterId, NewCluster};

use crate::theatre::{DEV, Ill, PROD, RIGHTS, Theatre, delivery_but, heartbeat, heartbeat_but};

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
