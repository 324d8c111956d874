//! The webhook's wire format: CloudEvents 1.0, the same since the first version.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::samples::{SUB, affected, cluster, dana, degraded, now, opened, resolved, storm};
use super::*;
use crate::domain::incident::{Affected, TimelineEntry};
use crate::domain::{ClusterId, Incident};

/// Longest body in bytes (source: Standard Webhooks, "payload size ... 20kb").
const BODY_BYTES_MAX: usize = 20_000;

fn body(incident: &Incident) -> Result<String, ()> {
    static WEBHOOK: LazyLock<PreparedSink> = LazyLock::new(|| shipped("webhook"));
    Ok(super::body(&WEBHOOK, incident).to_string())
}

fn pretty(incident: &Incident) -> String {
    let value: Value = serde_json::from_str(&body(incident).unwrap()).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn an_opened_incident_says_who_what_when_from_where_and_what_is_done() {
    insta::assert_snapshot!(body(&opened()).unwrap().replace(",\"", ",\n\""), @r#"
    {"specversion":"1.0",
    "id":"0123456789abcdef0123456789abcdef-1789409100-0",
    "source":"/aks-stop-guard",
    "type":"io.aks-stop-guard.incident.opened",
    "subject":"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod-01",
    "time":"2026-09-14T18:05:00Z",
    "datacontenttype":"application/json",
    "data":{"incident":"0123456789abcdef0123456789abcdef-1789409100",
    "sequence":0,
    "state":"opened",
    "severity":"high",
    "title":"aks-prod-01 was stopped by dana@contoso.com without permission; the guard is restarting it",
    "who":{"kind":"user",
    "label":"dana@contoso.com",
    "object_id":"11112222-bbbb-3333-cccc-4444dddd5555",
    "app_id":"04b07795-8ddb-461a-bbee-02f9e1bf7b46",
    "upn":"dana@contoso.com",
    "name":"Dana Example",
    "mfa":true},
    "what":{"cluster":"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod-01",
    "cluster_count":1,
    "correlation_id":"dd2135d9-9a79-4a78-ad1a-ae540fdf44e7"},
    "when":{"stopped_at":"2026-09-14T18:04:29.1732057Z",
    "opened_at":"2026-09-14T18:05:00Z",
    "at":"2026-09-14T18:05:00Z"},
    "from":{"ip":"203.0.113.24"},
    "verdict":{"answer":"unauthorised",
    "policies":["restart"],
    "mode":"act"},
    "done":["Asked ARM to start the cluster (attempt 1)."],
    "next":[],
    "clusters":[{"id":"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod-01",
    "name":"aks-prod-01",
    "status":"restarting"}],
    "timeline":[{"at":"2026-09-14T18:04:29Z",
    "text":"Stopped."}]}}
    "#);
}

#[test]
fn a_storm_is_one_message_that_lists_its_clusters() {
    insta::assert_snapshot!(pretty(&storm()), @r#"
    {
      "specversion": "1.0",
      "id": "storm-aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e-2026-09-14T18-1",
      "source": "/aks-stop-guard",
      "type": "io.aks-stop-guard.incident.updated",
      "subject": "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e",
      "time": "2026-09-14T18:05:00Z",
      "datacontenttype": "application/json",
      "data": {
        "incident": "storm-aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e-2026-09-14T18",
        "sequence": 1,
        "state": "updated",
        "severity": "critical",
        "title": "12 clusters were stopped without permission within an hour",
        "who": {
          "kind": "user",
          "label": "dana@contoso.com",
          "object_id": "11112222-bbbb-3333-cccc-4444dddd5555",
          "app_id": "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
          "upn": "dana@contoso.com",
          "name": "Dana Example",
          "mfa": true
        },
        "what": {
          "cluster_count": 12,
          "correlation_id": "dd2135d9-9a79-4a78-ad1a-ae540fdf44e7"
        },
        "when": {
          "stopped_at": "2026-09-14T18:04:29.1732057Z",
          "opened_at": "2026-09-14T18:05:00Z",
          "at": "2026-09-14T18:05:00Z"
        },
        "from": {
          "ip": "203.0.113.24"
        },
        "verdict": {
          "answer": "unauthorised",
          "policies": [
            "restart",
            "storm"
          ],
          "mode": "act"
        },
        "done": [
          "Asked ARM to start the cluster (attempt 1)."
        ],
        "next": [
          "Find out whether dana@contoso.com still controls the account."
        ],
        "clusters": [
          {
            "id": "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-a",
            "name": "aks-a",
            "status": "restored"
          },
          {
            "id": "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-b",
            "name": "aks-b",
            "status": "held: a hold covers it"
          }
        ],
        "timeline": [
          {
            "at": "2026-09-14T18:04:29Z",
            "text": "Stopped."
          }
        ],
        "cut": {
          "clusters": 10
        }
      }
    }
    "#);
}

#[test]
fn a_resolved_incident_is_its_own_type_and_message() {
    let event: Value = serde_json::from_str(&body(&resolved()).unwrap()).unwrap();
    assert_eq!(event["type"], "io.aks-stop-guard.incident.resolved");
    assert_eq!(event["id"], "0123456789abcdef0123456789abcdef-1789409100-2");
    assert_eq!(event["data"]["state"], "resolved");
    assert_eq!(event["data"]["incident"], json!(opened().id), "groups with the message that opened it");
}

#[test]
fn an_incident_of_the_guard_itself_has_no_subject_and_no_caller() {
    insta::assert_snapshot!(pretty(&degraded()), @r#"
    {
      "specversion": "1.0",
      "id": "degraded-policies-0",
      "source": "/aks-stop-guard",
      "type": "io.aks-stop-guard.incident.opened",
      "time": "2026-09-14T18:05:00Z",
      "datacontenttype": "application/json",
      "data": {
        "incident": "degraded-policies",
        "sequence": 0,
        "state": "opened",
        "severity": "high",
        "title": "the guard starts nothing: its policies are broken",
        "what": {
          "cluster_count": 0
        },
        "when": {
          "opened_at": "2026-09-14T18:05:00Z",
          "at": "2026-09-14T18:05:00Z"
        },
        "verdict": {
          "policies": [],
          "mode": "act"
        },
        "done": [
          "Asked ARM to start the cluster (attempt 1)."
        ],
        "next": [],
        "clusters": [],
        "timeline": [
          {
            "at": "2026-09-14T18:04:29Z",
            "text": "Stopped."
          }
        ]
      }
    }
    "#);
}

#[test]
fn clusters_of_several_subscriptions_have_no_common_subject() {
    let mut incident = storm();
    let other = cluster("aks-c").to_string().replace(SUB, "bbbb0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e");
    incident.clusters.push(Affected { id: ClusterId::parse(&other).unwrap(), status: "stopped".to_owned() });
    let event: Value = serde_json::from_str(&body(&incident).unwrap()).unwrap();
    assert_eq!(event.get("subject"), None);
}

fn any_texts() -> impl Strategy<Value = Vec<String>> {
    let text = prop_oneof!["\\PC{0,40}", "[\"\\\\\u{0}-\u{1f}\u{10ffff}]{0,700}"];
    proptest::collection::vec(text, 0..60)
}

proptest! {
    // A message of many texts takes a while to write in a debug build.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_in_an_incident_its_message_is_json_within_the_limit(
        texts in any_texts(), wide in "[\u{10000}-\u{10fff}\"]{500}", clusters in 0_usize..200
    ) {
        let mut incident = opened();
        let mut caller = dana();
        for field in [&mut caller.upn, &mut caller.name, &mut caller.object_id, &mut caller.app_id, &mut caller.tenant, &mut caller.identity_resource] {
            *field = Some(wide.clone());
        }
        incident.caller = Some(caller);
        incident.id = wide.clone();
        incident.title = wide.clone();
        incident.mode = wide.clone();
        incident.verdict = Some(wide.clone());
        incident.correlation_id = Some(wide);
        incident.clusters = (0..clusters).map(|i| affected(&format!("aks-{i}"), "held")).collect();
        incident.cluster_count = usize::MAX;
        incident.policies = texts.clone();
        incident.next = texts.clone();
        incident.timeline = texts.iter().map(|text| TimelineEntry { at: now(), text: text.clone() }).collect();
        incident.done = texts;
        let body = body(&incident).unwrap();
        prop_assert!(body.len() <= BODY_BYTES_MAX, "{}", body.len());
        prop_assert!(serde_json::from_str::<Value>(&body).is_ok());
    }
}
