//! `drill`, as an operator runs it: the real guard makes something of the stop, and the command says what.

use std::process::Stdio;

use serde_json::Value;
use simulator::http::now;
use simulator::world::{AssignedIdentity, Caller, ClusterId, Deed, EventRule, NewCluster};
use tokio::process::Command;

use crate::done::Done;
use crate::theatre::{RETAIL, Theatre, pipeline_policy};

/// Whoever runs the drill. No policy of the project knows them.
fn operator() -> Caller {
    Caller::user_assigned_identity("operator", "/subscriptions/x/operator")
}

/// A guard that works, and a canary.
async fn stage(container: &str, policy: &str) -> (Theatre, ClusterId) {
    let theatre = Theatre::with_policy(container, policy).await;
    let canary = ClusterId::group(RETAIL, "rg-canary", "canary");
    let tags = [("aks-stop-guard".to_owned(), "canary".to_owned())].into();
    {
        let mut world = theatre.stage.azure.world();
        world.assign_identity(AssignedIdentity { caller: operator(), user_assigned: true });
        let new = NewCluster { tags: Some(tags), ..NewCluster::new(canary.clone()) };
        world.create_cluster(new, now()).unwrap();
    }
    (theatre, canary)
}

async fn drill(theatre: &Theatre, container: &str, group: &ClusterId, arguments: &[&str]) -> Done {
    let output = Command::new(env!("CARGO_BIN_EXE_aks-stop-guard"))
        .args(["drill", "--group", &group.to_string()])
        .args(arguments)
        .env_clear()
        .envs(theatre.stage.azure.asked_by())
        .envs([
            ("STOP_GUARD_SUBSCRIPTIONS", RETAIL),
            ("AZURE_CLIENT_ID", &operator().app_id),
            ("STOP_GUARD_STATE", "UseDevelopmentStorage=true"),
            ("STOP_GUARD_STATE_CONTAINER", container),
            ("AZURITE_BLOB_STORAGE_URL", theatre.azurite_url()),
        ])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("the binary runs");
    Done::of(output)
}

fn stops(theatre: &Theatre, group: &ClusterId) -> usize {
    theatre.stage.azure.world().journal().accepted(Deed::Stop, group)
}

/// What is the same in each run: without times, ids and the ports of this machine.
fn still(out: &str) -> String {
    let words = out.lines().map(|line| {
        let masked = line.split(' ').map(|word| {
            let digits = word.bytes().filter(u8::is_ascii_digit).count();
            let is_number = digits > 0 && digits == word.len();
            if is_number {
                "N"
            } else if digits > 4 {
                "ID"
            } else {
                word
            }
        });
        masked.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    });
    words.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_of_a_guard_that_works_reaches_every_stage() {
    let container = "e2e-drill";
    let (theatre, canary) = stage(container, &pipeline_policy()).await;
    let done = drill(&theatre, container, &canary, &["--yes", "--timeout", "60"]).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{}\n{}", done.out, theatre.log());
    // The end of the start and the receipt of a sink come in any order.
    let out = still(&done.out);
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @r"
    The whole way works: N s from the stop to its end.
    heard N s case ID from an event
    judged N s not authorised: no policy allows it
    resolved N s webhook
    started N s Azure took the guard's start, request ID
    stopped N s Azure took the stop, request ID
    told N s webhook
    verified N s the guard saw it running
    ");
    assert!(theatre.is_running(&canary));
    assert_eq!((stops(&theatre, &canary), theatre.starts(&canary)), (1, 1));

    // People are told what they see of it: the tag, as the guard read it, and nothing else is otherwise.
    let incidents = theatre.incidents_of(&canary);
    assert_eq!(incidents[0].states, ["opened", "resolved"]);
    let receiver = theatre.stage.azure.receiver();
    let told: Vec<String> = receiver.deliveries().iter().map(|one| one.body.to_string()).collect();
    drop(receiver);
    assert!(told.iter().all(|told| told.contains("`aks-stop-guard: canary`")), "{told:#?}");
    assert_eq!(theatre.stage.azure.world().violations(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_by_somebody_who_may_stop_it_proves_nothing_and_says_so() {
    let container = "e2e-drill-allowed";
    let policy = format!(
        "@id(\"ops\")\npermit (principal == Caller::\"{}\", action == Action::\"stop\", resource);\n",
        operator().object_id
    );
    let (theatre, canary) = stage(container, &policy).await;
    let done = drill(&theatre, container, &canary, &["--yes", "--timeout", "60", "-o", "json"]).await;
    assert_eq!(done.code, 10, "{}", done.out);
    let told: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((&told["proven"], &told["missing"]), (&false.into(), &"judged".into()));
    assert!(told["why"].as_str().unwrap().contains("authorised (by policy ops)"), "{told}");
    assert!(told["next"][1].as_str().unwrap().starts_with("az container start --name canary "), "{told}");
    assert!(!theatre.is_running(&canary), "the guard left it alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_event_the_drill_ends_in_time_and_says_what_did_not_come() {
    let container = "e2e-drill-deaf";
    let (theatre, canary) = stage(container, &pipeline_policy()).await;
    theatre.stage.azure.world().next_event(EventRule { copies: 0, ..EventRule::default() });
    let done = drill(&theatre, container, &canary, &["--yes", "--timeout", "10"]).await;
    assert_eq!(done.code, 10, "{}", done.out);
    insta::assert_snapshot!(still(&done.out), @r"
    stopped N s Azure took the stop, request ID
    heard not reached: no case came: neither the event nor a dead letter of it reached the guard
    aks-stop-guard doctor
    az container start --name canary --resource-group rg-canary --subscription ID
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_canary_that_runs_is_not_stopped() {
    let container = "e2e-drill-refused";
    let (theatre, canary) = stage(container, &pipeline_policy()).await;
    let plain = ClusterId::group(RETAIL, "rg-canary", "worker");
    theatre.stage.azure.world().create_cluster(NewCluster::new(plain.clone()), now()).unwrap();
    let cluster = theatre.cluster(RETAIL, "aks-shop");
    for (group, arguments, code, why) in [
        (&cluster, &["--yes"][..], 2, "is no container group"),
        (&plain, &["--yes"], 1, "has no tag `aks-stop-guard: canary`"),
        (&canary, &[], 1, "give --yes"),
        (&ClusterId::group(RETAIL, "rg-canary", "missing"), &["--yes"], 1, "there is no container group"),
        (
            &ClusterId::group("cccc0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e", "rg", "c"),
            &["--yes"],
            1,
            "STOP_GUARD_SUBSCRIPTIONS",
        ),
    ] {
        let done = drill(&theatre, container, group, arguments).await;
        assert_eq!(done.code, code, "{}", done.err);
        assert!(done.err.contains(why), "{}", done.err);
        assert_eq!(stops(&theatre, group), 0, "{group}");
    }
}
