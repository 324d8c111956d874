//! What the shipped sinks send, as their receivers read it.

use serde_json::Value;

use super::samples::{opened, resolved};
use super::*;
use crate::incident::samples::{STATES, Sample, sample};

fn pretty(sink: &PreparedSink, incident: &crate::domain::Incident) -> String {
    serde_json::to_string_pretty(&body(sink, incident)).unwrap()
}

#[test]
fn every_shipped_file_is_here_and_in_order() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sinks");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, SHIPPED.map(|(name, _)| name));
    for name in names {
        let sink = shipped(&name);
        for kind in [Sample::Stop, Sample::Storm, Sample::Guard] {
            for state in STATES {
                assert!(!sink.show(&sample(kind, state)).unwrap().is_empty(), "{name} tells {state:?}");
            }
        }
    }
}

#[test]
fn pagerduty_gets_an_alert_and_its_end_under_one_key() {
    insta::assert_snapshot!(pretty(&shipped("pagerduty"), &opened()), @r#"
    {
      "routing_key": "***",
      "event_action": "trigger",
      "dedup_key": "0123456789abcdef0123456789abcdef-1789409100",
      "payload": {
        "summary": "aks-prod-01 was stopped by dana@contoso.com without permission; the guard is restarting it",
        "source": "aks-prod-01",
        "severity": "error",
        "timestamp": "2026-09-14T18:05:00Z",
        "component": "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod-01",
        "group": "rg-prod",
        "class": "aks-stop",
        "custom_details": {
          "Cluster": "aks-prod-01 in rg-prod (aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e)",
          "Status": "restarting",
          "Caller": "dana@contoso.com (user)",
          "Ids": "object 11112222-bbbb-3333-cccc-4444dddd5555, app 04b07795-8ddb-461a-bbee-02f9e1bf7b46",
          "From": "203.0.113.24",
          "Stopped": "2026-09-14 18:04:29 UTC",
          "Verdict": "unauthorised; decided by restart",
          "Correlation id": "dd2135d9-9a79-4a78-ad1a-ae540fdf44e7",
          "Severity": "high",
          "Mode": "act",
          "Done": [
            "Asked ARM to start the cluster (attempt 1)."
          ],
          "Timeline": [
            "2026-09-14 18:04:29 UTC  Stopped."
          ]
        }
      },
      "links": [],
      "client": "aks-stop-guard"
    }
    "#);
    let end = body(&shipped("pagerduty"), &resolved());
    assert_eq!(end["event_action"], "resolve");
    assert_eq!(end["dedup_key"], body(&shipped("pagerduty"), &opened())["dedup_key"]);
}

#[test]
fn slack_gets_plain_text_blocks() {
    insta::assert_snapshot!(pretty(&shipped("slack"), &sample(Sample::Stop, STATES[0])), @r#"
    {
      "text": "🔴 [sample] aks-prod-01 was stopped by dana@contoso.com without permission; the guard is restarting it",
      "mrkdwn": false,
      "link_names": false,
      "parse": "none",
      "unfurl_links": false,
      "unfurl_media": false,
      "blocks": [
        {
          "type": "header",
          "text": {
            "type": "plain_text",
            "emoji": false,
            "text": "🔴 [sample] aks-prod-01 was stopped by dana@contoso.com without permission; the guard is restarting it"
          }
        },
        {
          "type": "section",
          "fields": [
            {
              "type": "plain_text",
              "emoji": false,
              "text": "Cluster\naks-prod-01 in rg-prod (aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e)"
            },
            {
              "type": "plain_text",
              "emoji": false,
              "text": "Status\nrestarting"
            },
            {
              "type": "plain_text",
              "emoji": false,
              "text": "Caller\ndana@contoso.com (user)"
            },
            {
              "type": "plain_text",
              "emoji": false,
              "text": "Ids\nobject 11112222-bbbb-3333-cccc-4444dddd5555, app 04b07795-8ddb-461a-bbee-02f9e1bf7b46"
            },
            {
              "type": "plain_text",
              "emoji": false,
              "text": "From\n203.0.113.24"
            },
            {
              "type": "plain_text",
              "emoji": false,
              "text": "Stopped\n2026-09-14 18:04:29 UTC"
            },
            {
              "type": "plain_text",
              "emoji": false,
              "text": "Verdict\nunauthorised; decided by restart"
            },
            {
              "type": "plain_text",
              "emoji": false,
              "text": "Correlation id\ndd2135d9-9a79-4a78-ad1a-ae540fdf44e7"
            },
            {
              "type": "plain_text",
              "emoji": false,
              "text": "Severity\nhigh"
            },
            {
              "type": "plain_text",
              "emoji": false,
              "text": "Mode\nact"
            }
          ]
        },
        {
          "type": "section",
          "text": {
            "type": "plain_text",
            "emoji": false,
            "text": "What is left to do:\n• Ask dana@contoso.com whether the stop was meant."
          }
        },
        {
          "type": "section",
          "text": {
            "type": "plain_text",
            "emoji": false,
            "text": "Before you act:\n• Pods that no controller owns are lost."
          }
        },
        {
          "type": "section",
          "text": {
            "type": "plain_text",
            "emoji": false,
            "text": "Done:\n• Asked ARM to start the cluster (attempt 1)."
          }
        },
        {
          "type": "section",
          "text": {
            "type": "plain_text",
            "emoji": false,
            "text": "Timeline:\n2026-09-14 18:04:29 UTC  Stopped.\n2026-09-14 18:05:00 UTC  Start requested (attempt 1)."
          }
        },
        {
          "type": "section",
          "text": {
            "type": "mrkdwn",
            "verbatim": true,
            "text": "<https://portal.azure.com/#resource/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod-01|The cluster in the portal>"
          }
        },
        {
          "type": "context",
          "elements": [
            {
              "type": "plain_text",
              "emoji": false,
              "text": "aks-stop-guard, sample-stop-0"
            }
          ]
        }
      ]
    }
    "#);
}

#[test]
fn teams_gets_a_card_of_text_runs() {
    let card = body(&shipped("teams"), &sample(Sample::Stop, STATES[0]));
    let content = &card["attachments"][0]["content"];
    let texts: Vec<String> = content["body"]
        .as_array()
        .unwrap()
        .iter()
        .map(|block| {
            assert_eq!(block["type"], "RichTextBlock");
            block["inlines"].as_array().unwrap().iter().map(|run| run["text"].as_str().unwrap()).collect()
        })
        .collect();
    insta::assert_snapshot!(texts.join("\n"), @r#"
    STOPPED  [sample] aks-prod-01 was stopped by dana@contoso.com without permission; the guard is restarting it
    Cluster: aks-prod-01 in rg-prod (aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e)
    Status: restarting
    Caller: dana@contoso.com (user)
    Ids: object 11112222-bbbb-3333-cccc-4444dddd5555, app 04b07795-8ddb-461a-bbee-02f9e1bf7b46
    From: 203.0.113.24
    Stopped: 2026-09-14 18:04:29 UTC
    Verdict: unauthorised; decided by restart
    Correlation id: dd2135d9-9a79-4a78-ad1a-ae540fdf44e7
    Severity: high
    Mode: act
    What is left to do
    • Ask dana@contoso.com whether the stop was meant.
    Before you act
    • Pods that no controller owns are lost.
    Done
    • Asked ARM to start the cluster (attempt 1).
    2026-09-14 18:04:29 UTC  Stopped.
    2026-09-14 18:05:00 UTC  Start requested (attempt 1).
    aks-stop-guard, sample-stop-0
    "#);
    assert_eq!(content["actions"][0]["type"], "Action.OpenUrl");
}

#[test]
fn an_alert_keeps_its_labels_and_ends_when_the_incident_does() {
    let [opened, updated, resolved] =
        STATES.map(|state| body(&shipped("alertmanager"), &sample(Sample::Stop, state)));
    assert_eq!(opened[0]["labels"], updated[0]["labels"]);
    assert_eq!(opened[0]["labels"], resolved[0]["labels"]);
    assert_eq!(opened[0]["endsAt"], updated[0]["endsAt"]);
    assert_eq!(opened[0]["endsAt"], "2027-09-14T18:05:00Z");
    assert_eq!(resolved[0]["endsAt"], "2026-09-14T18:27:00.1732057Z");
    insta::assert_snapshot!(opened[0]["annotations"]["description"].as_str().unwrap(), @r#"
    Cluster: aks-prod-01 in rg-prod (aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e)
    Status: restarting
    Caller: dana@contoso.com (user)
    Ids: object 11112222-bbbb-3333-cccc-4444dddd5555, app 04b07795-8ddb-461a-bbee-02f9e1bf7b46
    From: 203.0.113.24
    Stopped: 2026-09-14 18:04:29 UTC
    Verdict: unauthorised; decided by restart
    Correlation id: dd2135d9-9a79-4a78-ad1a-ae540fdf44e7
    Severity: high
    Mode: act

    What is left to do:
    - Ask dana@contoso.com whether the stop was meant.

    Before you act:
    - Pods that no controller owns are lost.

    Done:
    - Asked ARM to start the cluster (attempt 1).

    Timeline:
    - 2026-09-14 18:04:29 UTC  Stopped.
    - 2026-09-14 18:05:00 UTC  Start requested (attempt 1).
    "#);
    let labels: Vec<&Value> = opened[0]["labels"].as_object().unwrap().values().collect();
    assert!(labels.iter().all(|label| label.is_string()));
}

#[tokio::test]
async fn the_example_of_the_documentation_works_as_it_says() {
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/SINKS.md")).unwrap();
    let text = docs.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let settings =
        [("STOP_GUARD_TICKETS_URL", "https://tickets.example/api/"), ("STOP_GUARD_TICKETS_TOKEN", "T0K3N")];
    let receiver = Receiver::answering([
        Ok((200, Vec::new(), r#"{ "tickets": [{ "id": 42 }] }"#)),
        Ok((200, Vec::new(), r#"{ "status": "read-only", "message": "T0K3N may only read" }"#)),
        Ok((404, Vec::new(), "none")),
        Ok((200, Vec::new(), r#"{ "status": "ok", "ticket": { "number": 43 } }"#)),
    ]);
    let sink = prepared("tickets", text, &settings).unwrap();
    let sink = sink.connect(receiver.clone(), Arc::new(Tokens::default()));
    let error = sink.deliver(&resolved(), samples::now()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "tickets.example answered 200 (*** may only read): the ticket system is read-only"
    );
    let delivered = sink.deliver(&resolved(), samples::now()).await.unwrap();
    assert_eq!(delivered, Delivered { status: 200, reference: Some("43".to_owned()) });
    let requests = receiver.requests.lock().unwrap();
    let [(find, _), (write, _), _, (fresh, _)] = requests.as_slice() else { panic!("four requests") };
    assert_eq!(find.uri().to_string(), format!("https://tickets.example/api/tickets?key={}", resolved().id));
    assert_eq!(find.headers()["authorization"], "Token T0K3N");
    let body = |request: &Request<Bytes>| serde_json::from_slice::<Value>(request.body()).unwrap();
    assert_eq!((&body(write)["id"], &body(write)["open"]), (&Value::from(42), &Value::from(false)));
    assert_eq!(body(fresh).get("id"), None, "what was not found is left out");
}
