//! Sinks that look an incident up before they tell it, and those that need a token.

use serde_json::{Value, json};

use super::samples::{now, opened, resolved};
use super::*;
use crate::domain::Incident;
use crate::domain::incident::IncidentState;

fn updated() -> Incident {
    Incident { state: IncidentState::Updated, sequence: 1, ..opened() }
}

/// Method, path and JSON body of every request that a receiver got.
fn got(receiver: &Receiver) -> Vec<(String, String, Value)> {
    let requests = receiver.requests.lock().unwrap();
    let one = |(request, _): &(Request<Bytes>, Duration)| {
        let body = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
        (request.method().to_string(), request.uri().path().to_owned(), body)
    };
    requests.iter().map(one).collect()
}

fn ok(status: u16, body: &'static str) -> Result<Canned, SendError> {
    Ok((status, Vec::new(), body))
}

const FOUND: &str = r#"{"result":[{"sys_id":"abc/../x","number":"INC0010023"}]}"#;
const NONE: &str = r#"{"result":[]}"#;
const MADE: &str = r#"{"result":{"sys_id":"abc","number":"INC0010024"}}"#;

#[tokio::test]
async fn servicenow_makes_an_incident_once_and_finds_it_by_its_correlation_id() {
    let receiver = Receiver::answering([ok(200, NONE), ok(201, MADE)]);
    let delivered = deliver(shipped("servicenow"), &receiver, &opened()).await.unwrap();
    assert_eq!(delivered, Delivered { status: 201, reference: Some("INC0010024".to_owned()) });
    let requests = got(&receiver);
    assert_eq!(requests.len(), 2);
    assert_eq!((requests[1].0.as_str(), requests[1].1.as_str()), ("POST", "/api/now/table/incident"));
    assert_eq!(requests[1].2["correlation_id"], json!(opened().id));
    assert_eq!(requests[1].2.get("assignment_group"), None);
    let find = receiver.requests.lock().unwrap()[0].0.uri().query().unwrap().to_owned();
    assert!(
        find.contains(&format!("sysparm_query=correlation_id%3D{}%5Eactive%3Dtrue&", opened().id)),
        "{find}"
    );
    let header = receiver.requests.lock().unwrap()[0].0.headers()["authorization"].clone();
    assert_eq!(header, "Basic Z3VhcmQ6UDRTU1cwUkQ=");
    assert!(header.is_sensitive());

    let again = Receiver::answering([ok(200, FOUND)]);
    let delivered = deliver(shipped("servicenow"), &again, &opened()).await.unwrap();
    assert_eq!(delivered.reference.as_deref(), Some("INC0010023"));
    assert_eq!(got(&again).len(), 1, "a repeat makes no second one");
}

#[tokio::test]
async fn servicenow_notes_updates_and_resolves_what_it_found() {
    for (incident, member) in [(updated(), "work_notes"), (resolved(), "close_notes")] {
        let receiver = Receiver::answering([ok(200, FOUND), ok(200, MADE)]);
        deliver(shipped("servicenow"), &receiver, &incident).await.unwrap();
        let requests = got(&receiver);
        let (method, path, body) = &requests[1];
        assert_eq!(
            (method.as_str(), path.as_str()),
            ("PATCH", "/api/now/table/incident/abc%2F..%2Fx"),
            "an id stays an id"
        );
        assert!(body[member].is_string());
    }
    let closed_by_people = Receiver::answering([ok(200, NONE)]);
    deliver(shipped("servicenow"), &closed_by_people, &resolved()).await.unwrap();
    assert_eq!(got(&closed_by_people).len(), 1);
}

#[tokio::test]
async fn a_step_that_fails_ends_the_message() {
    let receiver = Receiver::answering([ok(
        401,
        r#"{"error":{"message":"User Not Authenticated","detail":"P4SSW0RD"}}"#,
    )]);
    let error = deliver(shipped("servicenow"), &receiver, &opened()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "dev12345.service-now.com answered 401 (User Not Authenticated): check the settings of sink `servicenow`"
    );
    assert_eq!(got(&receiver).len(), 1);
}

#[tokio::test]
async fn a_row_for_sentinel_has_the_columns_of_its_table() {
    let columns = [
        "TimeGenerated",
        "IncidentId",
        "Sequence",
        "State",
        "Severity",
        "Title",
        "ClusterId",
        "ClusterName",
        "ClusterCount",
        "CallerKind",
        "CallerLabel",
        "CallerObjectId",
        "CallerAppId",
        "CallerUpn",
        "CallerIp",
        "StoppedAt",
        "CorrelationId",
        "Verdict",
        "Policies",
        "Done",
        "Next",
        "Warnings",
        "Links",
        "Clusters",
        "Timeline",
        "Mode",
    ];
    let receiver = Receiver::of(204);
    let tokens = Arc::new(Tokens::default());
    let sink = shipped("sentinel").connect(receiver.clone(), tokens.clone());
    sink.deliver(&opened(), now()).await.unwrap();
    let requests = got(&receiver);
    assert_eq!(
        requests[0].1,
        "/dataCollectionRules/dcr-000a00a000a00000a000000aa000a0aa/streams/Custom-AksStopGuard_CL"
    );
    let row = requests[0].2[0].as_object().unwrap();
    assert_eq!(row.keys().map(String::as_str).collect::<Vec<_>>(), columns);
    for column in ["Policies", "Done", "Next", "Warnings", "Links", "Clusters", "Timeline"] {
        assert!(row[column].is_array(), "{column}");
    }
    assert!(row["Sequence"].is_u64() && row["ClusterCount"].is_u64());
    assert_eq!(*tokens.asked.lock().unwrap(), ["https://monitor.azure.com/.default"]);
}

#[tokio::test]
async fn a_sentinel_incident_keeps_what_people_have_set_and_is_closed_under_its_etag() {
    let receiver = Receiver::answering([
        ok(
            200,
            r#"{"etag":"\"e1\"","properties":{"status":"Active","owner":{"objectId":"o1"},"labels":[{"labelName":"mine"}]}}"#,
        ),
        ok(200, r#"{"properties":{"incidentUrl":"https://portal.azure.com/#asset/1"}}"#),
        ok(201, "{}"),
    ]);
    let delivered = deliver(shipped("sentinel-incident"), &receiver, &resolved()).await.unwrap();
    assert_eq!(delivered.reference.as_deref(), Some("https://portal.azure.com/#asset/1"));
    let requests = got(&receiver);
    let [find, write, comment] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((find.0.as_str(), write.0.as_str(), comment.0.as_str()), ("GET", "PUT", "PUT"));
    assert_eq!(find.1, write.1);
    assert!(comment.1.starts_with(&format!("{}/comments/", find.1)));
    assert_eq!(write.2["etag"], "\"e1\"");
    let properties = &write.2["properties"];
    assert_eq!(
        (&properties["status"], &properties["classification"]),
        (&json!("Closed"), &json!("Undetermined"))
    );
    assert_eq!(
        (&properties["owner"]["objectId"], &properties["labels"][0]["labelName"]),
        (&json!("o1"), &json!("mine"))
    );

    let fresh = Receiver::answering([ok(404, r#"{"error":{"code":"NotFound"}}"#), ok(201, "{}")]);
    deliver(shipped("sentinel-incident"), &fresh, &opened()).await.unwrap();
    let requests = got(&fresh);
    assert_eq!(requests[1].2["properties"]["status"], "New");
    assert_eq!(requests[1].2.get("etag"), None);
    assert_eq!(requests[1].1, find.1, "the same id for the same incident, in any process");
}

#[tokio::test]
async fn somebody_elses_change_in_between_is_tried_again_soon() {
    let receiver = Receiver::answering([ok(404, "{}"), ok(409, "{}")]);
    let error = deliver(shipped("sentinel-incident"), &receiver, &opened()).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Retry { after: None, .. }), "{error}");
}

#[tokio::test]
async fn opsgenie_is_told_and_closed_under_one_alias() {
    for (incident, path) in [
        (opened(), "/v2/alerts".to_owned()),
        (updated(), format!("/v2/alerts/{}/notes", opened().id)),
        (resolved(), format!("/v2/alerts/{}/close", opened().id)),
    ] {
        let receiver =
            Receiver::saying(202, r#"{"result":"Request will be processed","took":0.1,"requestId":"r1"}"#);
        let delivered = deliver(shipped("opsgenie"), &receiver, &incident).await.unwrap();
        assert_eq!(delivered.reference.as_deref(), Some("r1"));
        assert_eq!(got(&receiver)[0].1, path);
        assert_eq!(receiver.requests.lock().unwrap()[0].0.headers()["authorization"], "GenieKey G3N13K3Y");
    }
}
