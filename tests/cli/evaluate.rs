//! `evaluate`: what would be done about an event, offline.

use std::path::Path;

use crate::{STOP, SUBSCRIPTION, folder, run, run_in};

#[test]
fn a_stop_that_nobody_allowed_is_explained_and_ends_with_4() {
    let done = run(&["evaluate", "--event", STOP], &[]);
    insta::assert_snapshot!(done.out, @r#"
    event     3eb6d115-c04d-4a3b-a19f-216e6b540d96 (Event Grid schema)
    cluster   /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod-weu/providers/Microsoft.ContainerService/managedClusters/aks-prod-01
    stopped   2026-09-14T18:04:29.1732057Z
    caller    dana@contoso.com (user 11112222-bbbb-3333-cccc-4444dddd5555) from 203.0.113.24
    assumed   the cluster is stopped and could be started; nothing else is known of it (no --cluster)
    decided   at 2026-09-14T18:04:29.1732057Z in mode act
    verdict   not authorised: no policy allows it
    restart   permitted by policy restart
    decision  start the cluster now, and tell people
    steps
              2026-09-14T18:04:29.1732057Z  stopped by dana@contoso.com (user)
              2026-09-14T18:04:29.1732057Z  the stop was not authorised: no policy allows it
              2026-09-14T18:04:29.1732057Z  starting it (attempt 1)
    "#);
    assert_eq!((done.code, done.err.as_str()), (4, ""));
}

#[test]
fn a_stop_that_a_policy_allows_ends_with_0() {
    let folder = folder(&[(
        "a.cedar",
        "@id(\"dana\")\npermit (principal == Caller::\"11112222-bbbb-3333-cccc-4444dddd5555\", action == Action::\"stop\", resource);\n",
    )]);
    let policies = folder.path().display().to_string();
    let done = run(&["evaluate", "--event", STOP, "--policies", &policies, "-o", "json"], &[]);
    let told: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(told.pointer("/decision/action").and_then(|word| word.as_str()), Some("leave-stopped"));
    assert_eq!(told.pointer("/decision/verdict/policies/0").and_then(|id| id.as_str()), Some("dana"));
    assert_eq!((done.code, done.err.as_str()), (0, ""));
}

#[test]
fn the_state_of_the_cluster_and_the_mode_decide_what_is_done() {
    let cluster = |name: &str| format!("tests/azure/managed_cluster/{name}.json");
    let code = |arguments: &[&str]| {
        let mut all = vec!["evaluate", "--event", STOP];
        all.extend(arguments);
        let done = run(&all, &[]);
        assert_eq!(done.err, "", "{arguments:?}");
        (done.code, done.out.lines().find(|line| line.starts_with("decision")).unwrap().to_owned())
    };
    let mut told = String::new();
    for arguments in [
        &["--cluster", &cluster("get_stopped")][..],
        &["--cluster", &cluster("get_stopping")],
        &["--cluster", &cluster("get_start_failed")],
        &["--cluster", &cluster("get_running"), "--at", "2026-09-14T18:10:00Z"],
        &["--mode", "notify"],
        &["--mode", "dry-run"],
        &["--at", "2026-09-14T19:30:00Z"],
    ] {
        let (code, decision) = code(arguments);
        let arguments = arguments.join(" ").replace("tests/azure/managed_cluster/", "");
        told.push_str(&format!("{code}  {arguments}: {decision}\n"));
    }
    insta::assert_snapshot!(told, @r#"
    4  --cluster get_stopped.json: decision  start the cluster now, and tell people
    6  --cluster get_stopping.json: decision  look again before deciding: waiting for the stop to finish
    5  --cluster get_start_failed.json: decision  raise an incident and start nothing: it is in a failed state that another start does not mend
    5  --cluster get_running.json --at 2026-09-14T18:10:00Z: decision  start nothing (already-running), and report the stop
    5  --mode notify: decision  raise an incident and start nothing: the guard is in mode notify and starts nothing
    5  --mode dry-run: decision  start nothing and tell nobody: the mode is dry-run; in mode act it would be started now
    6  --at 2026-09-14T19:30:00Z: decision  look again before deciding: waiting for the activity log
    "#);
}

#[test]
fn what_is_no_stop_is_ignored_and_says_why() {
    for name in [
        "eventgrid/start_success_user",
        "cloudevents/other_vm_deallocate",
        "edge/hostile_resource_uri_absolute_url",
    ] {
        let done = run(&["evaluate", "--event", &format!("tests/fixtures/events/{name}.json")], &[]);
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{name}");
        assert!(done.out.starts_with("ignored   "), "{}", done.out);
    }
    let guarded = [("STOP_GUARD_SUBSCRIPTIONS", "00000000-0000-0000-0000-000000000000")];
    let done = run(&["evaluate", "--event", STOP], &guarded);
    assert_eq!(done.out, format!("ignored   subscription `{SUBSCRIPTION}` is not guarded\n"));
}

#[test]
fn with_a_management_group_any_subscription_may_be_guarded() {
    let group = [("STOP_GUARD_MANAGEMENT_GROUPS", "mg-prod"), ("STOP_GUARD_STATE", "memory")];
    let done = run(&["check"], &group);
    let settings = "settings  ok: mode dry-run, 0 subscriptions and 1 management group, state in memory\n";
    assert!(done.out.starts_with(settings), "{}", done.out);
    let other = [group[0], ("STOP_GUARD_SUBSCRIPTIONS", "00000000-0000-0000-0000-000000000000")];
    let done = run(&["evaluate", "--event", STOP], &other);
    assert!(done.out.contains("\ndecision  "), "{}", done.out);
}

#[test]
fn an_event_from_the_ends_of_time_is_decided_too() {
    let event = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(STOP)).unwrap();
    let mut event: serde_json::Value = serde_json::from_str(&event).unwrap();
    for time in ["9999-12-30T21:59:59Z", "-009999-01-02T02:00:00Z"] {
        let only = if event.is_array() { &mut event[0] } else { &mut event };
        only["eventTime"] = time.into();
        let text = event.to_string();
        let folder = folder(&[("event.json", &text)]);
        let path = folder.path().join("event.json").display().to_string();
        for at in [time, "2026-09-14T18:05:00Z"] {
            let done = run(&["evaluate", "--event", &path, &format!("--at={at}")], &[]);
            assert_eq!(done.err, "", "{time} at {at}");
            assert!(done.out.contains("\ndecision  "), "{time} at {at}: {}", done.out);
        }
    }
}

#[test]
fn what_is_no_event_fails_in_one_line() {
    for (event, told) in [
        ("tests/fixtures/events/edge/malformed_not_json.json", "not an event"),
        ("tests/fixtures/events/edge/batch_two_clusters.json", "several at once"),
        ("tests/fixtures/events/none.json", "can't be opened: No such file"),
        ("tests", "can't be read"),
        ("-", "no event in it"),
    ] {
        let done = run(&["evaluate", "--event", event], &[]);
        assert_eq!((done.code, done.out.as_str()), (1, ""), "{event}");
        assert_eq!(done.err.lines().count(), 1, "{}", done.err);
        assert!(done.err.starts_with("error: ") && done.err.contains(told), "{}", done.err);
    }
}

#[test]
fn evaluate_decides_nothing_with_broken_policies_or_settings() {
    let folder = folder(&[("a.cedar", "permit")]);
    let stop = Path::new(env!("CARGO_MANIFEST_DIR")).join(STOP).display().to_string();
    let done = run_in(
        folder.path(),
        &["evaluate", "--event", &stop, "--policies", "."],
        &[("STOP_GUARD_TIMEZONE", "Berlin")],
    );
    assert_eq!((done.code, done.out.as_str()), (3, ""));
    insta::assert_snapshot!(done.err, @r#"
    error: STOP_GUARD_TIMEZONE: `Berlin` is no time zone: write a name of the IANA database, like `Europe/Berlin`
    error: ./a.cedar:1:7: unexpected end of input: expected `(`
    "#);
}
