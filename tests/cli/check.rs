//! `check`: all faults at once, and no secret.

use crate::{folder, run, run_in, set};

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
