//! The commands, run as people and pipelines run them: what they print, and how they end.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, and so do the functions that tests share"
)]

use std::path::Path;
use std::process::{Command, Stdio};

use done::Done;

#[path = "cli/check.rs"]
mod check;
#[path = "support/done.rs"]
mod done;
#[path = "cli/evaluate.rs"]
mod evaluate;
#[path = "cli/policy.rs"]
mod policy;

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
      doctor      Does it work? Rights, locks, events, state, heartbeat, sinks
      drill       Stop a canary and see the guard bring it back, stage by stage
      evaluate    Explain what the guard would do about a recorded event, offline
      policy      Learn, test and explain policies, and see what they would have decided
      grant       Planned stops: add, list, revoke
      hold        The red button: add, list, lift
      cases       What the guard is doing and what it did, case by case
      board       The same as pages in a browser, for this machine only
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
      9  doctor: there is a fault
      10  drill: a stage was not reached

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
        "cases export",
        "cases follow",
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
