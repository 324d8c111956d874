//! Entra tokens stay home.

use super::samples::{now, opened};
use super::*;

fn row(url: &str, scope: &str) -> String {
    format!(
        "about = \"a\"\n[settings.url]\nenv = \"STOP_GUARD_ROWS_URL\"\nabout = \"an address\"\nkind = \"url\"\n\
         [[step]]\nname = \"row\"\nurl = \"{url}\"\nauth = {{ entra = \"{scope}\" }}\nbody = '[{{{{ id }}}}]'\n"
    )
}

fn to(url: &str) -> Result<PreparedSink, Vec<String>> {
    prepared("rows", &row("{{ settings.url }}/streams", "monitor"), &[("STOP_GUARD_ROWS_URL", url)])
}

#[tokio::test]
async fn a_token_goes_to_the_host_that_its_scope_belongs_to() {
    let receiver = Receiver::of(204);
    let tokens = Arc::new(Tokens::default());
    let sink = to("https://dce-abc.westeurope-1.ingest.monitor.azure.com").unwrap();
    sink.connect(receiver.clone(), tokens.clone()).deliver(&opened(), now()).await.unwrap();
    assert_eq!(*tokens.asked.lock().unwrap(), ["https://monitor.azure.com/.default"]);
    let requests = receiver.requests.lock().unwrap();
    assert_eq!(requests[0].0.headers()["authorization"], "Bearer token-1");
    assert!(!format!("{:?}", requests[0].0).contains("token-1"), "marked as sensitive");
}

#[test]
fn a_sink_that_would_send_a_token_elsewhere_is_a_fault() {
    for url in [
        "https://evil.example",
        "https://ingest.monitor.azure.com.evil.example",
        "https://evilingest.monitor.azure.com",
        "https://x.ingest.monitor.azure.com:8443",
        "https://x.ingest.monitor.azure.us",
        "http://127.0.0.1:8080",
        "https://management.azure.com",
    ] {
        assert_eq!(
            to(url).unwrap_err(),
            ["sinks/rows.toml:8: tokens for `monitor` may not be sent to this URL's host"],
            "{url}"
        );
    }
    let text = row("{{ settings.url }}", "https://vault.azure.net/.default");
    assert_eq!(
        prepared("rows", &text, &[("STOP_GUARD_ROWS_URL", "https://vault.azure.net")]).unwrap_err(),
        [
            "sinks/rows.toml:7: there are no tokens for `https://vault.azure.net/.default`: there are for `arm` and `monitor`"
        ]
    );
}

#[tokio::test]
async fn a_message_can_not_lead_a_token_away() {
    // The file puts the incident's mode into the host: no sample has an evil one.
    let text = row("https://{{ mode | default('x') }}.ingest.monitor.azure.com/{{ title }}", "monitor");
    let faults = prepared("rows", &text, &[("STOP_GUARD_ROWS_URL", "https://x.example")]).unwrap_err();
    assert_eq!(faults.len(), 1, "an empty mode, and one of 256 characters, make no URL: {faults:?}");
    let text = row(
        "https://x{{ mode | replace(' ', '') | cut(9) | label }}.ingest.monitor.azure.com/{{ title }}",
        "arm",
    );
    let faults = prepared("rows", &text, &[("STOP_GUARD_ROWS_URL", "https://x.example")]).unwrap_err();
    assert!(faults.iter().any(|fault| fault.contains("may not be sent")), "{faults:?}");
}

#[tokio::test]
async fn a_token_that_is_refused_is_not_used_again() {
    let receiver = Receiver::of(401);
    let tokens = Arc::new(Tokens::default());
    let sink = to("https://dce.westeurope-1.ingest.monitor.azure.com").unwrap();
    let error = sink.connect(receiver, tokens.clone()).deliver(&opened(), now()).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Retry { .. }));
    assert_eq!(*tokens.refused.lock().unwrap(), ["token-1"]);
}
