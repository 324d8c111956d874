//! Debian's Alertmanager, which tells a webhook of what it was told.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulator::http::Azure;
use simulator::sink::Receiver;
use simulator::world::Settings;

use crate::alertmanager_process::Alertmanager;
use crate::over_http::client;

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
async fn an_alert_that_is_written_by_hand_fires_once_and_ends() {
    let people = Azure::serve(Settings::default(), Receiver::new(None), 0).await.unwrap();
    let alertmanager = Alertmanager::start(&format!("{}/webhook", people.url()));
    let client = client();
    let alert = |ends: &str| json!([{"labels": {"alertname": "a"}, "startsAt": "2026-01-01T00:00:00Z", "endsAt": ends}]);
    for ends in ["2099-01-01T00:00:00Z", "2099-01-01T00:00:00Z"] {
        let request = client
            .post(format!("{}/api/v2/alerts", alertmanager.url))
            .header("content-type", "application/json");
        assert_eq!(request.body(alert(ends).to_string()).send().await.unwrap().status(), 200);
    }
    assert_eq!(told(&people, 1).await[0].0, "firing");
    assert_eq!(alertmanager.firing(&client).await.len(), 1);
    let request =
        client.post(format!("{}/api/v2/alerts", alertmanager.url)).header("content-type", "application/json");
    assert_eq!(request.body(alert("2026-01-02T00:00:00Z").to_string()).send().await.unwrap().status(), 200);
    let told = told(&people, 2).await;
    assert_eq!((told.len(), told[1].0.as_str()), (2, "resolved"));
    assert_eq!(alertmanager.firing(&client).await.len(), 0);
}
