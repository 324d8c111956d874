//! The app's settings are the guard's own: the binary itself is asked.

use std::process::{Command, Stdio};

use crate::expression::Word;
use crate::snapshot::{Shape, guards, root};

/// What stands for a value that is known only after the deployment. All of those are client ids, or are not the guard's.
const LATER: &str = "00000000-0000-0000-0000-0000000000aa";

/// `check` with exactly these settings and what the host adds: an unknown name, a missing setting and a value that can't be used are faults.
#[test]
fn every_setting_is_known_and_every_one_that_is_needed_is_there() {
    for shape in guards() {
        let (code, told) = check(&shape, &[]);
        assert_eq!(code, Some(0), "{}: {told}", shape.name);
    }
}

#[test]
fn a_setting_that_nobody_knows_would_be_seen() {
    let shape = &guards()[0];
    let (code, told) = check(shape, &[("STOP_GUARD_MOD", "act")]);
    assert!(code == Some(3) && told.contains("STOP_GUARD_MOD"), "{told}");
}

fn check(shape: &Shape, more: &[(&str, &str)]) -> (Option<i32>, String) {
    let settings = shape.app_settings().into_iter().map(|(name, value)| match value {
        Word::Text(value) => (name, value),
        Word::Later(expression) if expression.contains("AzureUSGovernment") => (name, "public".to_owned()),
        Word::Later(expression) if expression.contains("logsIngestion") => {
            (name, "https://dce.westeurope-1.ingest.monitor.azure.com".to_owned())
        }
        Word::Later(expression) if expression.contains("immutableId") => {
            (name, "dcr-00000000000000000000000000000001".to_owned())
        }
        Word::Later(_) => (name, LATER.to_owned()),
    });
    // What `infra/shapes` gives as a secure parameter, which no snapshot shows.
    let secure = (shape.app_setting("STOP_GUARD_SINKS") == "webhook")
        .then_some(("STOP_GUARD_WEBHOOK_URL", "https://incidents.example.invalid/hook"));
    let done = Command::new(env!("CARGO_BIN_EXE_aks-stop-guard"))
        .current_dir(root())
        .arg("check")
        .env_clear()
        .envs(settings)
        .envs([("WEBSITE_SITE_NAME", "func"), ("FUNCTIONS_CUSTOMHANDLER_PORT", "8080")])
        .envs(secure)
        .envs(more.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (done.status.code(), String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned())
}

/// The host's own storage and telemetry are reached with the identity, never with a key.
#[test]
fn no_setting_is_a_key() {
    for shape in guards() {
        for (name, value) in shape.app_settings() {
            let shown = format!("{value:?}");
            for key in ["AccountKey", "SharedAccessSignature", "listKeys", "InstrumentationKey="] {
                assert!(!shown.contains(key), "{}: {name}", shape.name);
            }
        }
        for connection in ["AzureWebJobsStorage", "StopActionQueue"] {
            assert_eq!(shape.app_setting(&format!("{connection}__credential")), "managedidentity");
        }
        let settings = shape.app_settings();
        let Some(Word::Later(telemetry)) = settings.get("APPLICATIONINSIGHTS_AUTHENTICATION_STRING") else {
            panic!("{}: {settings:?}", shape.name)
        };
        assert!(telemetry.contains("Authorization=AAD"));
    }
}
