//! `policy test` and `policy explain`.

use std::path::Path;

use crate::{STOP, folder, run, run_in};

#[test]
fn every_example_policy_does_what_its_cases_say_and_no_policy_is_untested() {
    let tests =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/examples/tests")).unwrap();
    let mut files: Vec<String> = tests
        .map(|file| format!("policies/examples/tests/{}", file.unwrap().file_name().display()))
        .collect();
    files.sort();
    assert!(files.len() >= 11, "{files:?}");
    let mut arguments = vec!["policy", "test", "--require-coverage"];
    arguments.extend(files.iter().map(String::as_str));
    let done = run(&arguments, &[]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    assert!(done.out.contains(", 0 failed;"), "{}", done.out);
}

const NIGHT: &str = r#"@id("night")
permit (principal == Caller::"6f2f0000-0000-4000-8000-00000000000a", action == Action::"stop", resource)
when { context.local.hour >= 20 };
@id("restart") @after("20m")
permit (principal, action == Action::"restart", resource);
@id("never-asked") forbid (principal, action == Action::"restart", resource) when { context.restartsLast24h >= 3 };
"#;

fn cases(text: &str) -> tempfile::TempDir {
    folder(&[("night.cedar", NIGHT), ("cases.yaml", text)])
}

const CASES: &str = r#"
policies: [night.cedar]
zone: Europe/Berlin
cases:
  - name: at night
    caller: &pipeline 6f2f0000-0000-4000-8000-00000000000a
    cluster: &shop /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks
    at: "2026-11-24T20:00:00+01:00"
    expect: { verdict: authorised, response: leave-stopped, policies: [night] }
  - name: at <noon>
    caller: *pipeline
    cluster: *shop
    at: "2026-11-24T12:00:00+01:00"
    expect: { verdict: authorised, policies: [night], severity: high, after: 5m }
  - name: without a caller
    cluster: *shop
    at: "2026-11-24T12:00:00+01:00"
    expect: {}
"#;

#[test]
fn policy_test_tells_each_difference_and_the_policies_that_no_case_determined() {
    let folder = cases(CASES);
    let done = run_in(folder.path(), &["policy", "test", "cases.yaml"], &[]);
    assert_eq!((done.code, done.err.as_str()), (7, ""));
    insta::assert_snapshot!(done.out, @"
    cases.yaml
      ok    at night
      FAIL  at <noon>
              verdict: expected authorised, found unauthorised
              policies: expected night, found no policy
              severity: expected high, found none
              after: expected 5m, found 20m
      FAIL  without a caller
              it names no `caller`
    policies that no case determined
      never-asked (night.cedar:6)
    3 cases, 2 failed; 2 of 3 policies determined a case
    ");
    let done = run_in(folder.path(), &["policy", "test", "cases.yaml", "-o", "junit"], &[]);
    assert_eq!(done.code, 7);
    insta::assert_snapshot!(done.out, @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites>
      <testsuite name="cases.yaml" tests="3" failures="1" errors="1">
        <testcase classname="cases.yaml" name="at night"/>
        <testcase classname="cases.yaml" name="at &lt;noon&gt;">
          <failure message="verdict: expected authorised, found unauthorised; policies: expected night, found no policy; severity: expected high, found none; after: expected 5m, found 20m"/>
        </testcase>
        <testcase classname="cases.yaml" name="without a caller">
          <error message="it names no `caller`"/>
        </testcase>
      </testsuite>
    </testsuites>
    "#);
    let done = run_in(folder.path(), &["policy", "test", "cases.yaml", "-o", "json"], &[]);
    let told: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(told["undetermined"][0]["id"], "never-asked");
    assert_eq!(told["files"][0]["cases"][1]["differences"][0]["found"], "unauthorised");
}

#[test]
fn a_file_of_cases_that_cannot_be_read_is_told_with_its_place() {
    for (text, told) in [
        ("cases:\n  - nam: x\n", "line 2"),
        ("cases: [\n", "line"),
        ("a: &a [*a]\ncases: []\n", "`cases.yaml`"),
        ("cases:\n  - name: x\n    expect: { verdict: perhaps }\n", "line 3"),
        ("zone: Mars/Olympus\ncases: []\n", "`Mars/Olympus` is no time zone"),
    ] {
        let done = run_in(cases(text).path(), &["policy", "test", "cases.yaml"], &[]);
        assert_eq!((done.code, done.out.as_str()), (1, ""), "{text}");
        assert!(done.err.contains(told), "{text}: {}", done.err);
    }
    // Ten levels of ten aliases each would be ten thousand million nodes.
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    bomb.push_str("cases: []\n");
    let done = run_in(cases(&bomb).path(), &["policy", "test", "cases.yaml"], &[]);
    assert_eq!(done.code, 1, "{}", done.out);
}

#[test]
fn policy_test_with_broken_policies_tells_their_faults() {
    let folder = folder(&[
        ("bad.cedar", "permit (principal, action, resource) when { 1 };"),
        ("cases.yaml", "policies: [bad.cedar, absent.cedar]\ncases: []\n"),
    ]);
    let done = run_in(folder.path(), &["policy", "test", "cases.yaml"], &[]);
    assert_eq!((done.code, done.out.as_str()), (3, ""));
    assert!(done.err.contains("`absent.cedar` can't be read"), "{}", done.err);
}

#[test]
fn policy_explain_tells_the_question_the_facts_the_policy_and_what_would_have_to_differ() {
    let folder = folder(&[("night.cedar", NIGHT)]);
    let policies = folder.path().to_str().unwrap();
    let done = run(&["policy", "explain", "--event", STOP, "--policies", policies], &[]);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    insta::assert_snapshot!(done.out.replace(policies, "policies"), @r#"
    event     3eb6d115-c04d-4a3b-a19f-216e6b540d96 (Event Grid schema)
    cluster   /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod-weu/providers/Microsoft.ContainerService/managedClusters/aks-prod-01
    stopped   2026-09-14T18:04:29.1732057Z
    caller    dana@contoso.com (user 11112222-bbbb-3333-cccc-4444dddd5555) from 203.0.113.24
    assumed   the cluster is stopped and could be started; nothing else is known of it (no --cluster)
    decided   at 2026-09-14T18:04:29.1732057Z in mode act
    verdict   not authorised: no policy allows it
    restart   permitted by policy restart
    decision  look again before deciding: the policy delays the start
    steps
              2026-09-14T18:04:29.1732057Z  stopped by dana@contoso.com (user)
              2026-09-14T18:04:29.1732057Z  the stop was not authorised: no policy allows it
              2026-09-14T18:04:29.1732057Z  the policy delays the start

    is Caller::"11112222-bbbb-3333-cccc-4444dddd5555" allowed Action::"stop" on ManagedCluster::"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg-prod-weu/providers/microsoft.containerservice/managedclusters/aks-prod-01"?
      no: no policy allows it
      facts
        context.at = 2026-09-14T18:04:29.173Z
        context.callerKnown = true
        context.confirmed = false
        context.groupsKnown = true
        context.ip = 203.0.113.24
        context.local.day = 14
        context.local.hour = 18
        context.local.minute = 4
        context.local.minuteOfDay = 1084
        context.local.month = 9
        context.local.weekday = 1
        context.local.year = 2026
        context.restartsLast24h = 0
        context.role.assignment = 90ee7ee0-177b-43d1-a6fc-6868b04218f1
        context.role.definition = b24988ac-6180-42a0-ab88-20f7382dd24c
        context.role.holder = 11112222-bbbb-3333-cccc-4444dddd5555
        context.role.holderKind = HolderKind::"user"
        context.role.name = Contributor
        context.role.scope = /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e
        context.unauthorisedStopsByCallerLastHour = 1
        context.unauthorisedStopsInSubscriptionLastHour = 1
        context.utc.day = 14
        context.utc.hour = 18
        context.utc.minute = 4
        context.utc.minuteOfDay = 1084
        context.utc.month = 9
        context.utc.weekday = 1
        context.utc.year = 2026
        ResourceGroup.id = ResourceGroup::"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg-prod-weu"
        ResourceGroup.in = Subscription::"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e"
        ManagedCluster.id = ManagedCluster::"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg-prod-weu/providers/microsoft.containerservice/managedclusters/aks-prod-01"
        ManagedCluster.name = aks-prod-01
        ManagedCluster.resourceGroup = rg-prod-weu
        ManagedCluster.subscription = aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e
        ManagedCluster.in = ResourceGroup::"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg-prod-weu"
        Caller.id = Caller::"11112222-bbbb-3333-cccc-4444dddd5555"
        Caller.appId = 04b07795-8ddb-461a-bbee-02f9e1bf7b46
        Caller.kind = CallerKind::"user"
        Caller.mfa = true
        Caller.name = Dana Example
        Caller.objectId = 11112222-bbbb-3333-cccc-4444dddd5555
        Caller.tenant = aaaabbbb-0000-cccc-1111-dddd2222eeee
        Caller.upn = dana@contoso.com
        Caller.in = Group::"aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb", Group::"cccccccc-1111-2222-3333-dddddddddddd"

    is Guard::"self" allowed Action::"restart" on ManagedCluster::"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg-prod-weu/providers/microsoft.containerservice/managedclusters/aks-prod-01"?
      yes, by
        restart (policies/night.cedar:4)
          @id("restart") @after("20m")
          permit (principal, action == Action::"restart", resource);
      it would be a no if
        this held: !(context.restartsLast24h < 3) (forbid never-asked)
      facts
        context.at = 2026-09-14T18:04:29.173Z
        context.caller = Caller::"11112222-bbbb-3333-cccc-4444dddd5555"
        context.callerKind = CallerKind::"user"
        context.callerKnown = true
        context.local.day = 14
        context.local.hour = 18
        context.local.minute = 4
        context.local.minuteOfDay = 1084
        context.local.month = 9
        context.local.weekday = 1
        context.local.year = 2026
        context.restartsLast24h = 0
        context.role.assignment = 90ee7ee0-177b-43d1-a6fc-6868b04218f1
        context.role.definition = b24988ac-6180-42a0-ab88-20f7382dd24c
        context.role.holder = 11112222-bbbb-3333-cccc-4444dddd5555
        context.role.holderKind = HolderKind::"user"
        context.role.name = Contributor
        context.role.scope = /subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e
        context.stoppedMinutesAgo = 0
        context.unauthorisedStopsByCallerLastHour = 1
        context.unauthorisedStopsInSubscriptionLastHour = 1
        context.utc.day = 14
        context.utc.hour = 18
        context.utc.minute = 4
        context.utc.minuteOfDay = 1084
        context.utc.month = 9
        context.utc.weekday = 1
        context.utc.year = 2026
        ResourceGroup.id = ResourceGroup::"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg-prod-weu"
        ResourceGroup.in = Subscription::"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e"
        ManagedCluster.id = ManagedCluster::"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg-prod-weu/providers/microsoft.containerservice/managedclusters/aks-prod-01"
        ManagedCluster.name = aks-prod-01
        ManagedCluster.resourceGroup = rg-prod-weu
        ManagedCluster.subscription = aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e
        ManagedCluster.in = ResourceGroup::"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourcegroups/rg-prod-weu"
        Caller.id = Caller::"11112222-bbbb-3333-cccc-4444dddd5555"
        Caller.appId = 04b07795-8ddb-461a-bbee-02f9e1bf7b46
        Caller.kind = CallerKind::"user"
        Caller.mfa = true
        Caller.name = Dana Example
        Caller.objectId = 11112222-bbbb-3333-cccc-4444dddd5555
        Caller.tenant = aaaabbbb-0000-cccc-1111-dddd2222eeee
        Caller.upn = dana@contoso.com
        Caller.in = Group::"aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb", Group::"cccccccc-1111-2222-3333-dddddddddddd"
    "#);
    let done = run(&["policy", "explain", "--event", STOP, "--policies", policies, "-o", "json"], &[]);
    let told: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(told["questions"][1]["policies"][0]["id"], "restart");
    assert_eq!(told["decision"]["verdict"]["authorised"], false);
}

#[test]
fn policy_explain_takes_one_event_or_one_case() {
    for arguments in [&["policy", "explain"][..], &["policy", "explain", "--event", "a", "--case", "b"]] {
        assert_eq!(run(arguments, &[]).code, 2, "{arguments:?}");
    }
    let old = run(&["policy", "explain", "--case", "tests/records/v1_open.json"], &[]);
    assert_eq!(old.code, 1);
    assert!(old.err.contains("does not hold the facts"), "{}", old.err);
}
