//! Debian's Alertmanager, which tells a webhook of what it was told.

use std::time::{Duration, Instant};

use aks_stop_guard::clock::{Clock as _, SystemClock};
use aks_stop_guard::incident::Sink as _;
use aks_stop_guard::incident::samples::Sample;
use jiff::SignedDuration;
use serde_json::{Value, json};
use simulator::http::Azure;
use simulator::sink::Receiver;
use simulator::world::Settings;

use crate::alertmanager_process::Alertmanager;
use crate::over_http::{OverHttp, client};
use crate::sinks::{messages, now, sink};

/// Longest time that a notification may take; it takes a second or two.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What Alertmanager told people, oldest first: the status of the group, and the alert.
async fn told(people: &Azure, count: usize) -> Vec<(String, Value)> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let told: Vec<_> =
            people.receiver().deliveries().iter().map(|delivery| delivery.body.clone()).collect();
        if told.len() >= count {
            let read = |body: &Value| {
                (body["status"].as_str().unwrap_or_default().to_owned(), body["alerts"][0].clone())
            };
            return told.iter().map(read).collect();
        }
        assert!(Instant::now() < deadline, "{count} notifications in time, and not {told:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn an_incident_fires_once_over_repeats_and_updates_and_ends_when_it_is_resolved() {
    let people = Azure::serve(Settings::default(), Receiver::new(None), 0).await.unwrap();
    let alertmanager = Alertmanager::start(&format!("{}/webhook", people.url()));
    let client = client();
    let sink =
        sink("alertmanager", &[("STOP_GUARD_ALERTMANAGER_URL", &alertmanager.url)], "", OverHttp::new());
    // A sample is of long ago: as it happened just now, or it would be over before it is told.
    let mut messages = messages(Sample::Stop);
    let began = SystemClock.now() - SignedDuration::from_mins(30);
    let shift = began - messages[0].opened_at;
    for message in &mut messages {
        message.opened_at += shift;
        message.at += shift;
    }
    let [opened, updated, resolved] = messages;

    for message in [&opened, &opened, &updated] {
        sink.deliver(message, now()).await.unwrap();
    }
    let fired = told(&people, 1).await;
    assert_eq!(fired[0].0, "firing");
    assert_eq!(fired[0].1["labels"]["alertname"], "AksClusterStopped");
    assert_eq!(fired[0].1["annotations"]["summary"], json!(updated.title));
    let firing = alertmanager.firing(&client).await;
    assert_eq!(firing.len(), 1, "{firing:?}");

    sink.deliver(&resolved, now()).await.unwrap();
    let ended = told(&people, 2).await;
    let words: Vec<_> = ended.iter().map(|(word, _)| word.as_str()).collect();
    assert_eq!(words, ["firing", "resolved"]);
    assert_eq!(ended[1].1["fingerprint"], fired[0].1["fingerprint"]);
    assert_eq!(alertmanager.firing(&client).await, [json!(null); 0]);
}
