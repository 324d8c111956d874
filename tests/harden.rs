//! `harden` against the simulated Azure, over HTTP, as people run it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, and so do the functions that tests share"
)]

use std::path::Path;
use std::process::Stdio;

use aks_stop_guard::azure::ACTIONS;
use aks_stop_guard::harden::HARDEN_ACTIONS;
use jiff::SignedDuration;
use serde_json::{Value, json};
use simulator::http::{Azure, now};
use simulator::sink::Receiver;
use simulator::world::{
    AssignedIdentity, Caller, ClusterId, Fault, FaultRule, NetworkRule, NewCluster, RequestKind, Settings,
};
use tokio::process::Command;

use done::Done;

#[path = "support/done.rs"]
mod done;

const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
const WORKSPACE: &str = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/logs/providers/Microsoft.OperationalInsights/workspaces/main";
const AKS_RULE: &str = "k8s-azure-lb_allow_IPv4_556f7044ec033071ec4dcb12345678ab";
const ACT: (&str, &str) = ("STOP_GUARD_MODE", "act");
const WRITES: [RequestKind; 5] = [
    RequestKind::PutPlan,
    RequestKind::PutWorkspace,
    RequestKind::DeleteRule,
    RequestKind::PutRule,
    RequestKind::PutCluster,
];

impl Done {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).expect("it is JSON")
    }
}

/// One cluster whose network lets SSH in, in a subscription without the Defender plan. Its Azure is 600 times as fast as the real one.
struct Theatre {
    azure: Azure,
    cluster: ClusterId,
    nsg: String,
}

impl Theatre {
    async fn new() -> Self {
        let settings = Settings { speed_up: 600, ..Settings::default() };
        let azure = Azure::serve(settings, Receiver::default(), 0).await.unwrap();
        let cluster = ClusterId::new(SUBSCRIPTION, "rg-prod", "aks-1");
        let nsg = {
            let mut world = azure.world();
            world.assign_identity(AssignedIdentity { caller: operator(), user_assigned: false });
            world.create_cluster(NewCluster::new(cluster.clone()), now()).unwrap();
            let nsg = world.cluster(&cluster).unwrap().network_group();
            let estate = world.estate_mut();
            estate.rule_works_last = SignedDuration::from_secs(10);
            estate.add_rule(&nsg, NetworkRule::new("ssh", 200, true, "Internet", "22"));
            estate.add_rule(&nsg, NetworkRule::new(AKS_RULE, 500, true, "Internet", "443"));
            estate.set_plan(
                &format!("/subscriptions/{SUBSCRIPTION}"),
                "Free",
                &[("ContainerSensor", false), ("AgentlessDiscoveryForKubernetes", false)],
            );
            nsg
        };
        Self { azure, cluster, nsg }
    }

    async fn run(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Done {
        let secret = self.azure.world().settings().identity_secret.clone();
        let identity = format!("{}/msi/token", self.azure.url());
        let output = Command::new(env!("CARGO_BIN_EXE_aks-stop-guard"))
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .arg("harden")
            .args(arguments)
            .env_clear()
            .envs([
                ("STOP_GUARD_ARM_ENDPOINT", self.azure.url()),
                ("STOP_GUARD_CREDENTIAL", "managed-identity"),
                ("IDENTITY_ENDPOINT", &identity),
                ("IDENTITY_HEADER", &secret),
            ])
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("the binary runs");
        Done::of(output)
    }

    async fn plan(&self, arguments: &[&str]) -> Done {
        self.run(arguments, &[]).await
    }

    async fn apply(&self, arguments: &[&str]) -> Done {
        self.run(&[arguments, &["--apply", "--yes"]].concat(), &[ACT]).await
    }

    /// A text of the command, with the port of this Azure left out.
    fn told(&self, text: &str) -> String {
        text.replace(self.azure.url(), "<azure>")
    }

    fn writes(&self) -> usize {
        let world = self.azure.world();
        WRITES.iter().map(|kind| world.journal().requests(*kind, None)).sum()
    }

    fn fault(&self, fault: Fault, on: RequestKind) {
        self.azure.world().add_fault(FaultRule { fault, on: Some(on), cluster: None, times: Some(1) });
    }

    fn remove_ssh(&self) -> [&str; 5] {
        ["nsg-rule", "remove", "ssh", "--nsg", &self.nsg]
    }

    fn has_ssh(&self) -> bool {
        self.azure.world().estate_mut().has_rule(&self.nsg, "ssh")
    }
}

fn operator() -> Caller {
    Caller::system_identity("operator", "/subscriptions/x/operator")
}

const DEFENDER: [&str; 3] = ["defender-plan", "--subscription", SUBSCRIPTION];

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
async fn a_rule_is_removed_and_done_means_that_it_is_gone() {
    let theatre = Theatre::new().await;
    let done = theatre.apply(&theatre.remove_ssh()).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{}", done.out);
    assert!(done.out.contains(": done: `aks-agentpool-12345678-nsg` has no rule `ssh`"), "{}", done.out);
    assert!(!theatre.has_ssh());
    let again = theatre.apply(&theatre.remove_ssh()).await;
    assert!(again.code == 0 && again.out.contains(": already so: "), "{}", again.out);
    assert_eq!(theatre.writes(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_of_aks_and_of_azure_are_never_removed() {
    let theatre = Theatre::new().await;
    for (rule, why) in [
        (AKS_RULE.to_owned(), "AKS owns the rule"),
        (AKS_RULE.to_uppercase(), "AKS owns the rule"),
        ("a0123456789abcdef0123456789abcde-TCP-80-Internet".to_owned(), "AKS owns the rule"),
        ("DenyAllInBound".to_owned(), "one of Azure's default rules"),
    ] {
        let done = theatre.apply(&["nsg-rule", "remove", &rule, "--nsg", &theatre.nsg]).await;
        assert_eq!(done.code, 1, "{rule}");
        assert!(done.out.contains(": refused: ") && done.out.contains(why), "{}", done.out);
    }
    let gone = theatre.apply(&["nsg-rule", "remove", "ssh", "--nsg", &format!("{}x", theatre.nsg)]).await;
    assert!(gone.code == 1 && gone.out.contains("there is no network security group"), "{}", gone.out);
    assert_eq!(theatre.writes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_keeps_the_internet_out_is_put_before_what_lets_it_in() {
    let theatre = Theatre::new().await;
    let add = ["nsg-rule", "add", "no-ssh", "--nsg", &theatre.nsg, "--port", "22"];
    let done = theatre.plan(&add).await;
    insta::assert_snapshot!(theatre.told(&done.out), @r#"
    nsg-rule, no-ssh in aks-agentpool-12345678-nsg (MC_rg-prod_aks-1_westeurope): would be changed
      now   there is no rule `no-ssh`
      then  Inbound Deny * from Internet to * port 22, priority 199; it goes before these, which let in: `ssh` (200)
      cost  Free. The internet is cut off from these ports at once, connections that are open now included or not. AKS's support policy asks to leave the groups in a node resource group alone: better is the group of a subnet of your own.
      send  PUT <azure>/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/MC_rg-prod_aks-1_westeurope/providers/Microsoft.Network/networkSecurityGroups/aks-agentpool-12345678-nsg/securityRules/no-ssh?api-version=2024-05-01
            {"properties":{"direction":"Inbound","access":"Deny","priority":199,"protocol":"*","sourceAddressPrefix":"Internet","sourcePortRange":"*","destinationAddressPrefix":"*","destinationPortRange":"22"}}
    Nothing was sent. --apply sends it.
    "#);
    let done = theatre.apply(&add).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{}", done.out);
    assert!(
        done.out.contains(": done: Inbound Deny * from Internet to * port 22, priority 199"),
        "{}",
        done.out
    );
    let again = theatre.apply(&add).await;
    assert!(again.code == 0 && again.out.contains(": already so: "), "{}", again.out);
    assert_eq!(theatre.writes(), 1);

    // Another place and more ports: the rule is replaced, and what it was is shown.
    let wider = [&add[..], &["3389", "--protocol", "tcp", "--priority", "300"]].concat();
    let done = theatre.plan(&[&wider[..], &["-o", "json"]].concat()).await.json();
    let plan = &done[0]["plan"];
    assert_eq!(plan["now"], "Inbound Deny * from Internet to * port 22, priority 199");
    assert_eq!(
        plan["then"],
        "Inbound Deny Tcp from Internet to * port 22, 3389, priority 300; in vain, since this lets the internet in before it: `ssh` (200)"
    );
    assert!(plan["if_match"].as_str().unwrap().starts_with("W/"), "{plan}");
    let done = theatre.apply(&wider).await;
    assert!(done.code == 0 && done.out.contains(": done: Inbound Deny Tcp"), "{}", done.out);
    let rule = theatre.azure.world().estate_mut().rule(&theatre.nsg, "no-ssh").unwrap().clone();
    assert_eq!((rule.priority, rule.ports), (300, vec!["22".to_owned(), "3389".to_owned()]));

    theatre.fault(Fault::Changed, RequestKind::PutRule);
    let done = theatre.apply(&add).await;
    assert!(
        done.code == 1 && done.out.contains("it was changed meanwhile, nothing was written"),
        "{}",
        done.out
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_is_not_added_under_a_name_or_a_priority_that_is_anothers() {
    let theatre = Theatre::new().await;
    for (name, priority, why) in [
        (AKS_RULE, "300", "AKS owns the rule"),
        ("denyallinbound", "300", "one of Azure's default rules"),
        ("no-ssh", "200", "the priority 200 is that of the rule `ssh`"),
    ] {
        let add = ["nsg-rule", "add", name, "--nsg", &theatre.nsg, "--port", "22", "--priority", priority];
        let done = theatre.apply(&add).await;
        assert!(done.code == 1 && done.out.contains(why), "{}", done.out);
    }
    for (port, priority) in [("22-1", "300"), ("ssh", "300"), ("65536", "300"), ("22", "99"), ("22", "4097")]
    {
        let add = ["nsg-rule", "add", "x", "--nsg", &theatre.nsg, "--port", port, "--priority", priority];
        assert_eq!(theatre.plan(&add).await.code, 2, "{port} {priority}");
    }
    assert_eq!(theatre.writes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_azure_began_and_failed_is_told() {
    let theatre = Theatre::new().await;
    theatre.azure.world().estate_mut().rule_works_fail = true;
    let done = theatre.apply(&theatre.remove_ssh()).await;
    assert_eq!(done.code, 1);
    assert!(
        done.out.contains(": failed: azure began and failed: ") && done.out.contains("InternalServerError"),
        "{}",
        done.out
    );
    assert!(theatre.has_ssh());
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
    let docs = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/HARDEN.md")).unwrap();
    for (item, actions) in HARDEN_ACTIONS {
        let arguments = [&DEFENDER[..], &remove, &deny, &workspace, &ranges, &sensor, &upgrade]
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
