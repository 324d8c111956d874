//! The commands, run as people and pipelines run them: what they print, and how they end.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, and so do the functions that tests share"
)]

use std::path::Path;
use std::process::{Command, Stdio};

use done::Done;

#[path = "support/done.rs"]
mod done;

const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
const STOP: &str = "tests/fixtures/events/eventgrid/stop_success_user_cli.json";

/// Runs the binary in the project's folder, with no environment but this.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Done {
    run_in(Path::new(env!("CARGO_MANIFEST_DIR")), arguments, environment)
}

/// The same in another folder: what names it reads the same on every machine.
fn run_in(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Done {
    let output = Command::new(env!("CARGO_BIN_EXE_aks-stop-guard"))
        .current_dir(folder)
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    Done::of(output)
}

/// The settings that must be there.
fn set() -> Vec<(&'static str, &'static str)> {
    vec![("STOP_GUARD_SUBSCRIPTIONS", SUBSCRIPTION), ("STOP_GUARD_STATE", "memory")]
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn the_help_lists_the_commands_and_the_exit_codes() {
    let done = run(&["--help"], &[]);
    assert_eq!(done.code, 0);
    insta::assert_snapshot!(done.out, @r#"
    Restarts an AKS cluster that nobody was allowed to stop, or raises an incident

    Usage: aks-stop-guard [COMMAND]

    Commands:
      serve       Serve the invocations of the Azure Functions host (the default)
      check       Find all faults in the settings, the policies and the sinks
      evaluate    Explain what the guard would do about a recorded event, offline
      policy      Learn, test and explain policies, and see what they would have decided
      grant       Planned stops: add, list, revoke
      hold        The red button: add, list, lift
      cases       What the guard is doing and what it did, case by case
      sink        Sinks: list them, see what they would send, try one out
      posture     See how exposed clusters are to being stopped; reads, never writes
      harden      Mend what posture finds: plan, then apply
      report      Report what happened in the last month: stops, verdicts, times to restore
      init-state  Make the containers of the state, for local development
      help        Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Exit codes:
      0  done; evaluate: the stop is authorised, or there is nothing to do
      1  it failed
      2  the arguments can't be understood
      3  the settings or the policies are invalid
      4  evaluate: not authorised, the guard would start the cluster
      5  evaluate: not authorised, nothing started; people told, but in dry-run
      6  evaluate: the guard would look again before it decides
      7  policy test: a case came out otherwise; policy replay: some stops would be decided otherwise
      8  posture: there is a finding at least as severe as --fail-on

    The settings are read from the environment; docs/SETTINGS.md lists them.
    "#);
    let nested = [
        "policy test",
        "policy explain",
        "policy learn",
        "policy replay",
        "sink render",
        "sink test",
        "cases list",
        "cases show",
    ];
    let commands = ["serve", "check", "evaluate", "grant", "hold", "sink", "posture", "report", "init-state"];
    for command in commands.iter().chain(&nested) {
        let words = command.split(' ').chain(["--help"]).collect::<Vec<_>>();
        let help = run(&words, &[]);
        assert_eq!(help.code, 0);
        assert!(help.out.contains("Example"), "{command:?}: {}", help.out);
    }
}

#[test]
fn arguments_that_make_no_sense_end_with_2_as_clap_has_it() {
    for arguments in [&["start"][..], &["evaluate"], &["serve", "--port", "x"], &["check", "-o", "yaml"]] {
        let done = run(arguments, &[]);
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{arguments:?}");
    }
}

#[test]
fn check_finds_nothing_wrong_with_the_project_itself() {
    let done = run(&["check"], &set());
    insta::assert_snapshot!(done.out, @r#"
    settings  ok: mode dry-run, 1 subscription, state in memory
    policies  ok: 5 in policies
    sinks     none: nobody is told of incidents
    "#);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
}

#[test]
fn check_tells_all_faults_at_once_and_draws_those_in_policies() {
    let folder = folder(&[
        (
            "a.cedar",
            "@id(\"night\")\npermit (principal, action == Action::\"stop\", resource)\nwhen { context.hour > 20 };\n",
        ),
        ("b.cedar", "permit (principal, action == Action::\"stopp\", resource);\n"),
    ]);
    let mut environment = set();
    environment.extend([
        ("STOP_GUARD_MODE", "on"),
        ("STOP_GUARD_SINK", "webhook"),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "x"),
    ]);
    let done = run_in(folder.path(), &["check", "--policies", "."], &environment);
    assert_eq!((done.code, done.err.as_str()), (3, ""));
    insta::assert_snapshot!(done.out, @r#"
    settings  3 faults
      STOP_GUARD_SINK is no setting: did you mean STOP_GUARD_SINKS?
      STOP_GUARD_MODE: `on` is none of `dry-run`, `notify`, `act`
      FUNCTIONS_CUSTOMHANDLER_PORT: `x` is no port: write a number from 0 to 65535
    policies  5 faults
      × ./a.cedar:3:8: for policy `night`, attribute `hour` in context for Action::"stop" not found
       ╭─[./a.cedar:3:8]
     2 │ permit (principal, action == Action::"stop", resource)
     3 │ when { context.hour > 20 };
       ·        ────────────
       ╰────
      help: did you mean `role`?
      × ./b.cedar:1:1: for policy `./b.cedar:1:1`, policy is impossible: the policy expression
      │ evaluates to false for all valid requests
       ╭─[./b.cedar:1:1]
     1 │ permit (principal, action == Action::"stopp", resource);
       · ────────────────────────────────────────────────────────
       ╰────
      × ./b.cedar:1:1: for policy `./b.cedar:1:1`, unable to find an applicable action given the
      │ policy scope constraints
       ╭─[./b.cedar:1:1]
     1 │ permit (principal, action == Action::"stopp", resource);
       · ────────────────────────────────────────────────────────
       ╰────
      × ./b.cedar:1:1: the policy has no id
       ╭─[./b.cedar:1:1]
     1 │ permit (principal, action == Action::"stopp", resource);
       · ────────────────────────────────────────────────────────
       ╰────
      help: write @id("...") before it: cases and incidents call the policy by its id
      × ./b.cedar:1:30: for policy `./b.cedar:1:1`, unrecognized action `Action::"stopp"`
       ╭─[./b.cedar:1:30]
     1 │ permit (principal, action == Action::"stopp", resource);
       ·                              ───────────────
       ╰────
      help: did you mean `Action::"stop"`?
    sinks     none: nobody is told of incidents
    "#);

    let json = run_in(folder.path(), &["check", "-o", "json", "--policies", "."], &environment);
    assert_eq!(json.code, 3);
    let found: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let faults = found.get("faults").and_then(|faults| faults.as_array()).unwrap();
    let line = |fault: &serde_json::Value| fault.get("line").and_then(serde_json::Value::as_u64);
    assert!(faults.iter().any(|fault| line(fault) == Some(3)), "{}", json.out);
    assert!(faults.iter().any(|fault| fault.get("setting").is_some_and(|name| name == "STOP_GUARD_MODE")));
    assert_eq!(found.get("ok"), Some(&serde_json::Value::Bool(false)));
}

#[test]
fn check_tells_what_each_sink_gets_and_where_it_goes() {
    let mut environment = set();
    environment.extend([
        ("STOP_GUARD_SINKS", "slack:high, servicenow, pagerduty:critical, email:named, alertmanager"),
        ("STOP_GUARD_FALLBACK_SINK", "email"),
        ("STOP_GUARD_SLACK_URL", "https://hooks.slack.example/services/canary"),
        ("STOP_GUARD_PAGERDUTY_KEY", "canarycanarycanarycanarycanaryca"),
        ("STOP_GUARD_SERVICENOW_URL", "https://contoso.service-now.com"),
        ("STOP_GUARD_SERVICENOW_USER", "guard"),
        ("STOP_GUARD_SERVICENOW_PASSWORD", "canary"),
        ("STOP_GUARD_SMTP_URL", "smtps://guard:canary@mail.example"),
        ("STOP_GUARD_EMAIL_FROM", "guard@contoso.com"),
        ("STOP_GUARD_EMAIL_TO", "ops@contoso.com"),
        ("STOP_GUARD_ALERTMANAGER_URL", "http://alertmanager.example"),
    ]);
    let done = run(&["check"], &environment);
    let sinks = done.out.find("sinks ").map(|at| &done.out[at..]).unwrap();
    insta::assert_snapshot!(sinks, @"
    sinks     slack         incidents from high on                   to a secret address
              servicenow    all incidents                            to contoso.service-now.com
              pagerduty     incidents from critical on               to events.pagerduty.com
              email         what policies name it for; the fallback  to a secret address
              alertmanager  all incidents                            broken: nothing is sent
    ");
    let json = run(&["check", "-o", "json"], &environment);
    assert_eq!((done.code, json.code), (3, 3), "Alertmanager's address is not https");
    let found: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let sinks: Vec<String> = found
        .get("sinks")
        .and_then(|sinks| sinks.as_array())
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    insta::assert_snapshot!(sinks.join("\n"), @r#"
    {"name":"slack","takes":"high","fallback":false,"ok":true,"hosts":[null]}
    {"name":"servicenow","takes":"info","fallback":false,"ok":true,"hosts":["contoso.service-now.com"]}
    {"name":"pagerduty","takes":"critical","fallback":false,"ok":true,"hosts":["events.pagerduty.com"]}
    {"name":"email","takes":"named","fallback":true,"ok":true,"hosts":[null]}
    {"name":"alertmanager","takes":"info","fallback":false,"ok":false,"hosts":[]}
    "#);
    assert!(!json.out.contains("canary") && !done.out.contains("canary"));
}

#[test]
fn check_never_shows_a_secret() {
    let mut environment = set();
    environment.extend([
        ("STOP_GUARD_SINKS", "webhook"),
        ("STOP_GUARD_WEBHOOK_URL", "http://incidents.example/canary"),
        ("STOP_GUARD_WEBHOOK_SECRET", "whsec_canary!"),
        ("STOP_GUARD_CREDENTIAL", "client-secret"),
        ("AZURE_CLIENT_SECRET", "canary"),
    ]);
    for output in ["human", "json"] {
        let done = run(&["check", "-o", output], &environment);
        assert_eq!(done.code, 3);
        assert!(!done.out.contains("canary") && !done.err.contains("canary"), "{}{}", done.out, done.err);
    }
}

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

#[test]
fn grants_and_holds_have_examples_and_say_what_is_wrong_with_their_arguments() {
    for command in [["grant", "add"], ["hold", "add"]] {
        let help = run(&[command[0], command[1], "--help"], &[]);
        assert_eq!(help.code, 0);
        assert!(help.out.contains("Example") && help.out.contains("-o, --output"), "{}", help.out);
    }
    let sub = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
    let group = format!("/subscriptions/{sub}/resourceGroups/rg");
    let scopes: [(&[&str], &str); 4] = [
        (&[], "required"),
        (&["--subscription", sub, "--resource-group", &group], "cannot be used with"),
        (&["--resource-group", "rg"], "is no resource group"),
        (&["--cluster", &group], "is not a managed cluster"),
    ];
    for (scope, why) in scopes {
        for rest in [&["hold", "add"][..], &["grant", "add", "--caller", sub]] {
            let arguments = [rest, scope, &["--until", "2026-12-01T06:00Z", "--reason", "x"]].concat();
            let done = run(&arguments, &set());
            assert_eq!(done.code, 2, "{}", done.err);
            assert!(done.err.contains(why), "{}", done.err);
        }
    }
    let done = run(&["hold", "add", "--all", "--until", "2026-12-01T06:00", "--reason", "x"], &set());
    assert_eq!(done.code, 2);
    assert!(done.err.contains("write one with its offset, like `2026-12-01T06:00+01:00`"), "{}", done.err);
}

#[test]
fn a_grant_or_hold_in_a_state_that_ends_with_the_command_is_a_fault() {
    let done = run(&["hold", "list"], &set());
    assert_eq!((done.code, done.out.as_str()), (3, ""));
    assert!(done.err.contains("STOP_GUARD_STATE is `memory`"), "{}", done.err);
    let done = run(&["grant", "list"], &[]);
    assert_eq!(done.code, 3);
    assert!(done.err.contains("STOP_GUARD_STATE"), "{}", done.err);
}

#[test]
fn init_state_says_what_it_made_or_why_it_could_not() {
    let done = run(&["init-state"], &set());
    assert_eq!((done.code, done.out.as_str()), (0, "memory needs no containers\n"));
    let done = run(&["init-state"], &[]);
    assert_eq!((done.code, done.err.lines().count()), (3, 1), "{}", done.err);
    let closed = [
        ("STOP_GUARD_STATE", "UseDevelopmentStorage=true"),
        ("AZURITE_BLOB_STORAGE_URL", "http://127.0.0.1:9"),
    ];
    let done = run(&["init-state"], &closed);
    assert_eq!((done.code, done.out.as_str()), (1, ""));
    assert_eq!(done.err.lines().count(), 1, "{}", done.err);
    assert!(
        done.err.starts_with("error: the store can't be used now: making the container `stop-guard`"),
        "{}",
        done.err
    );
}

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
