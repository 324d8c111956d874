//! The managed identity of a Function app, against an identity endpoint on loopback.
//!
//! `azure_identity` reads `IDENTITY_ENDPOINT` from the environment of its process, which must not be changed while
//! others run. So this test starts itself once more, as a process with that environment: one function plays both parts.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use aks_stop_guard::azure::credential::AzureIdentity;
use aks_stop_guard::azure::{Cloud, Credential, CredentialKind, HttpTransport, TokenSource};
use serde_json::Value;

use crate::double::{Log, Still, fixture, names};
use crate::http_transport::{raw, serve};

const OWN_NAME: &str = "identity::every_answer_of_the_identity_endpoint_is_understood";
const TOKEN: &str = "eyJ0eXAi.REDACTED.REDACTED";
const KEY: &str = "canary-identity-header";
const CLIENT: &str = "44445555-eeee-6666-ffff-7777aaaa8888";
/// The process has ended by then: its requests have all arrived.
const HEARD_BY: Duration = Duration::from_secs(5);
const SCOPE: &str = "https://management.azure.com/.default";

#[tokio::test]
async fn every_answer_of_the_identity_endpoint_is_understood() {
    if std::env::var_os("IDENTITY_HEADER").is_some_and(|key| key == KEY) {
        return ask_as_a_function_app().await;
    }
    let table = [
        ("token_200", "the token"),
        ("token_200_expires_on_number", "unusable"),
        ("token_200_legacy_datetime", "unusable"),
        ("token_400_bad_header", "unusable"),
        ("token_400_no_identity", "unusable"),
    ];
    let covered: Vec<String> = table.iter().map(|(name, _)| format!("{name}.json")).collect();
    assert_eq!(names("managed_identity"), covered);
    for (name, expected) in table {
        let answer = fixture(&format!("managed_identity/{name}.json"));
        let (status, body) = match answer["status"].as_u64() {
            Some(_) => ("400 Bad Request", answer["body"].clone()),
            None => ("200 OK", answer),
        };
        assert_eq!(outcome(vec![json(status, &body)]).await, expected, "{name}");
    }
    let busy = || raw("503 Service Unavailable", "", "");
    assert_eq!(outcome(vec![busy(), busy(), busy()]).await, "unavailable");
    let coming_up = raw("404 Not Found", "", "");
    assert_eq!(outcome(vec![coming_up]).await, "unavailable", "an endpoint that isn't up yet");
    let token = json("200 OK", &fixture("managed_identity/token_200.json"));
    assert_eq!(outcome(vec![busy(), token]).await, "the token", "one failure is tried again");
}

fn json(status: &str, body: &Value) -> String {
    raw(status, "content-type: application/json\r\n", &body.to_string())
}

/// Runs this test as a Function app whose identity endpoint gives these answers, and says what came of it.
async fn outcome(answers: Vec<String>) -> String {
    let (origin, served) = serve(answers).await;
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", OWN_NAME, "--nocapture", "--test-threads=1"])
        .env("IDENTITY_ENDPOINT", format!("{origin}/msi/token"))
        .env("IDENTITY_HEADER", KEY)
        // A proxy must not see the request.
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("http_proxy", "http://127.0.0.1:9")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}\n{errors}");
    for secret in [TOKEN, KEY] {
        assert!(!said.contains(secret) && !errors.contains(secret), "{said}\n{errors}");
    }
    // The endpoint must have been asked for every answer; one that was not asked would wait for ever.
    let heads = tokio::time::timeout(HEARD_BY, served).await.expect("each answer is asked for").unwrap();
    for head in heads {
        let head = head.to_lowercase();
        assert!(head.starts_with("get /msi/token?"), "{head}");
        for part in ["api-version=2019-08-01", "resource=https%3a%2f%2fmanagement.azure.com", CLIENT] {
            assert!(head.contains(part), "{part} in {head}");
        }
        assert!(head.contains(&format!("x-identity-header: {KEY}")), "{head}");
    }
    said.lines().find_map(|line| line.split("outcome: ").nth(1)).unwrap_or("nothing").to_owned()
}

/// The other part: asks once and prints what came of it.
async fn ask_as_a_function_app() {
    let log = Log::start();
    let kind = CredentialKind::ManagedIdentity { client_id: Some(CLIENT.to_owned()) };
    let identity = AzureIdentity::new(kind, Cloud::Public, HttpTransport::new());
    let credential: Arc<dyn TokenSource> = Credential::new(identity, Still::new());
    let outcome = match credential.token(SCOPE).await {
        Ok(token) if token.expose() == TOKEN => "the token",
        Ok(_) => "another token",
        Err(error) if error.needs_people() => "unusable",
        Err(_) => "unavailable",
    };
    assert!(!log.text().contains(TOKEN) && !log.text().contains(KEY), "a secret was logged");
    println!("outcome: {outcome}");
}
