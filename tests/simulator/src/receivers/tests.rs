use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::desk::Reply;
use super::logs_ingestion::Column;
use super::*;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const WORKSPACE: &str =
    "/subscriptions/s/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/law";

fn start() -> Timestamp {
    "2026-09-14T18:04:29Z".parse().unwrap()
}

fn request(method: &str, uri: &str, auth: &str, body: &Value) -> Request<Bytes> {
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .header("content-type", "application/json")
        .header("accept", "application/json");
    if !auth.is_empty() {
        request = request.header("authorization", auth);
    }
    let body = if body.is_null() { String::new() } else { body.to_string() };
    request.body(Bytes::from(body)).unwrap()
}

/// Sends it, and gives the status and the body.
fn send<S: Service>(desk: &mut Desk<S>, method: &str, uri: &str, auth: &str, body: &Value) -> (u16, Value) {
    match desk.handle(&request(method, uri, auth, body), start()) {
        Reply::Now(answer) | Reply::After(_, answer) => {
            let body = serde_json::from_str(&answer.body).unwrap_or(Value::String(answer.body));
            (answer.status, body)
        }
        Reply::Cut => (0, Value::Null),
    }
}

/// The rules that the last request broke, one a line.
fn broken<S: Service>(desk: &Desk<S>) -> String {
    desk.exchanges().last().unwrap().broken.join("\n")
}

fn trigger(summary: &str) -> Value {
    json!({"routing_key": KEY, "event_action": "trigger", "dedup_key": "case-1",
           "payload": {"summary": summary, "source": "aks", "severity": "critical"}})
}

fn pagerduty(desk: &mut Desk<PagerDuty>, event: &Value) -> u16 {
    send(desk, "POST", "/v2/enqueue", "", event).0
}

#[test]
fn pagerduty_keeps_one_alert_over_repeats_and_closes_it_on_resolve() {
    let mut desk = Desk::new(PagerDuty::new(KEY));
    let resolve = json!({"routing_key": KEY, "event_action": "resolve", "dedup_key": "case-1"});
    assert_eq!(pagerduty(&mut desk, &resolve), 202);
    assert_eq!(desk.service.dropped(), 1);
    for event in [trigger("down"), trigger("still down"), resolve, trigger("down again")] {
        assert_eq!(pagerduty(&mut desk, &event), 202);
    }
    let alerts: Vec<_> = desk.service.alerts().iter().map(|alert| (alert.open, alert.events.len())).collect();
    assert_eq!(alerts, [(false, 3), (true, 1)]);
    assert_eq!(desk.violations(), [""; 0]);
}

#[test]
fn pagerduty_refuses_what_its_documentation_forbids() {
    let mut desk = Desk::new(PagerDuty::new(KEY));
    let with = |pointer: &str, value: Value| {
        let mut event = trigger("down");
        *event.pointer_mut(pointer).unwrap() = value;
        event
    };
    for (event, rule) in [
        (
            with("/payload/summary", json!("x".repeat(1025))),
            "/payload/summary: 1025 characters, 1024 are allowed",
        ),
        (with("/payload/summary", json!("")), "/payload/summary: is empty"),
        (with("/payload/severity", json!("high")), "/payload/severity: `high` is none of"),
        (with("/payload/source", Value::Null), "/payload/source: is missing"),
        (with("/dedup_key", json!("x".repeat(256))), "/dedup_key: 256 characters"),
        (with("/routing_key", json!("x".repeat(32))), "/routing_key: is not known in this region"),
        (with("/event_action", json!("open")), "/event_action: `open` is none of"),
        (
            with("/payload", json!({"summary": "s", "source": "s", "severity": "info", "urgency": 1})),
            "/payload/urgency: no such member",
        ),
        (
            with(
                "/payload",
                json!({"summary": "s", "source": "s", "severity": "info", "timestamp": "yesterday"}),
            ),
            "is not a time",
        ),
    ] {
        let (status, body) = send(&mut desk, "POST", "/v2/enqueue", "", &event);
        assert_eq!((status, &body["status"]), (400, &json!("invalid event")), "{rule}");
        assert!(broken(&desk).contains(rule), "{rule}: {}", broken(&desk));
    }
    assert_eq!(desk.service.alerts(), []);
    send(&mut desk, "POST", "/v2/enqueue", "Bearer x", &trigger("down"));
    assert_eq!(broken(&desk), "authorization: this service asks for none");
    assert_eq!(pagerduty(&mut desk, &with("/payload/summary", json!("x".repeat(600_000)))), 413);
}

#[test]
fn too_many_requests_are_answered_429_with_retry_after_until_the_window_has_passed() {
    let mut desk = Desk::new(PagerDuty::new(KEY));
    let at = |desk: &mut Desk<PagerDuty>, seconds| {
        let request = request("POST", "/v2/enqueue", "", &trigger("down"));
        match desk.handle(&request, start() + SignedDuration::from_secs(seconds)) {
            Reply::Now(answer) => (answer.status, answer.headers),
            other => panic!("{other:?}"),
        }
    };
    for _ in 0..120 {
        assert_eq!(at(&mut desk, 0).0, 202);
    }
    assert_eq!(at(&mut desk, 20), (429, vec![("retry-after", "41".to_owned())]));
    assert_eq!(at(&mut desk, 60).0, 202);
    desk.limit(None);
    assert!((0..500).all(|_| at(&mut desk, 61).0 == 202));
}

#[test]
fn faults_come_one_a_request_and_say_whether_the_service_has_it() {
    let mut desk = Desk::new(PagerDuty::new(KEY));
    let down = Answer::text(503, "down");
    desk.meet([
        Fault::Answer(down.clone()),
        Fault::Instead(down),
        Fault::Throttled(7),
        Fault::Cut,
        Fault::Slow(Duration::from_secs(3)),
    ]);
    let had =
        |desk: &Desk<PagerDuty>| desk.service.alerts().iter().map(|alert| alert.events.len()).sum::<usize>();
    let seen: Vec<_> = (0..6).map(|_| (pagerduty(&mut desk, &trigger("down")), had(&desk))).collect();
    assert_eq!(seen, [(503, 0), (503, 1), (429, 1), (0, 2), (202, 3), (202, 4)]);
}

#[test]
fn slack_posts_a_message_and_says_what_is_wrong_in_its_own_words() {
    let mut desk = Desk::new(Slack::new("/services/T1/B1/secret"));
    desk.limit(None);
    let section = |text: &str| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
    let good = json!({"text": "down", "blocks": [
        {"type": "header", "text": {"type": "plain_text", "text": "down"}}, section("a"),
        {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Portal"}, "url": "https://portal.azure.com/"}]},
    ]});
    let mut post = |body: &Value| {
        let (status, said) = send(&mut desk, "POST", "/services/T1/B1/secret", "", body);
        (status, said.as_str().unwrap().to_owned(), broken(&desk))
    };
    assert_eq!(post(&good), (200, "ok".to_owned(), String::new()));
    for (body, said, rule) in [
        (json!({"blocks": [section("a")]}), "invalid_payload", "/text: is missing"),
        (json!({"text": "a", "link_names": 1}), "invalid_payload", "makes mentions"),
        (
            json!({"text": "a", "blocks": [section(&"x".repeat(3001))]}),
            "invalid_blocks",
            "3001 characters, 3000",
        ),
        (json!({"text": "a", "blocks": [section("")]}), "invalid_blocks", "is empty"),
        (json!({"text": "a", "blocks": vec![section("a"); 51]}), "invalid_blocks", "51 entries, 50"),
        (
            json!({"text": "a", "blocks": vec![section(&"x".repeat(2900)); 5]}),
            "invalid_blocks",
            "msg_blocks_too_long",
        ),
        (
            json!({"text": "a", "blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "a"}}]}),
            "invalid_blocks",
            "`mrkdwn` is none of",
        ),
    ] {
        let (status, answer, broken) = post(&body);
        assert_eq!((status, answer.as_str()), (400, said), "{body}");
        assert!(broken.contains(rule), "{rule}: {broken}");
    }
    assert_eq!(send(&mut desk, "POST", "/services/T1/B1/other", "", &good), (404, json!("no_service")));
    desk.service.archive();
    assert_eq!(
        send(&mut desk, "POST", "/services/T1/B1/secret", "", &good),
        (410, json!("channel_is_archived"))
    );
    assert_eq!(desk.service.messages(), [good]);
}

#[test]
fn teams_takes_a_card_and_loses_one_that_is_too_large_with_the_same_202() {
    let path = "/workflows/1/triggers/manual/paths/invoke?api-version=2016-06-01&sig=secret";
    let mut desk = Desk::new(Teams::new(path));
    desk.limit(None);
    let card = |body: Value| {
        let content = json!({"type": "AdaptiveCard", "version": "1.4", "body": body});
        json!({"type": "message", "attachments": [
            {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": content}]})
    };
    let text = |text: &str| json!([{"type": "TextBlock", "text": text, "wrap": true}]);
    assert_eq!(send(&mut desk, "POST", path, "", &card(text("down"))).0, 202);
    assert_eq!(broken(&desk), "");
    // 15,000 quotes are 30,000 bytes in the request and 60,000 in Teams' message.
    assert_eq!(send(&mut desk, "POST", path, "", &card(text(&"\"".repeat(7_500)))).0, 202);
    assert!(broken(&desk).contains("28672 are allowed"), "{}", broken(&desk));
    for (body, rule) in [
        (json!([{"type": "TextBlock", "text": "a"}]), "wrap: is not true"),
        (
            json!([{"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "a", "weight": "fat"}]}]),
            "`fat` is none of",
        ),
        (json!([{"type": "Image", "url": "https://x/"}]), "`Image` is none of"),
        (json!([{"type": "FactSet", "facts": [{"title": "Who", "value": null}]}]), "/value: is missing"),
        (
            json!([{"type": "ActionSet", "actions": [{"type": "Action.OpenUrl", "title": "x", "url": "javascript:1"}]}]),
            "not an https address",
        ),
    ] {
        send(&mut desk, "POST", path, "", &card(body));
        assert!(broken(&desk).contains(rule), "{rule}: {}", broken(&desk));
    }
    assert_eq!(desk.service.cards().len(), 1);
    assert_eq!(send(&mut desk, "POST", "/workflows/1?sig=x", "", &card(text("down"))).0, 401);
    desk.service.disable();
    assert_eq!(send(&mut desk, "POST", path, "", &card(text("down"))).0, 400);
    assert_eq!(teams::failed_inside_a_success(429).status, 200);
}

#[test]
fn servicenow_finds_updates_and_resolves_by_correlation_id() {
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("guard:pass"));
    let mut desk = Desk::new(ServiceNow::new("guard:pass"));
    let table = "/api/now/table/incident";
    let look = format!(
        "{table}?sysparm_query=correlation_id%3Dcase-1%5Eactive%3Dtrue&sysparm_limit=1&sysparm_fields=sys_id"
    );
    assert_eq!(send(&mut desk, "GET", &look, &basic, &Value::Null), (200, json!({"result": []})));
    let new = json!({"short_description": "down", "correlation_id": "case-1", "urgency": "1", "impact": "1", "work_notes": "opened"});
    let (status, made) = send(&mut desk, "POST", table, &basic, &new);
    assert_eq!((status, &made["result"]["number"]), (201, &json!("INC0000001")));
    let id = made["result"]["sys_id"].as_str().unwrap().to_owned();
    assert_eq!(
        send(&mut desk, "GET", &look, &basic, &Value::Null),
        (200, json!({"result": [{"sys_id": id}]}))
    );
    let record = format!("{table}/{id}");
    assert_eq!(send(&mut desk, "PATCH", &record, &basic, &json!({"work_notes": "still down"})).0, 200);
    let over = json!({"state": "6", "close_code": "Solved (Permanently)", "close_notes": "runs again"});
    assert_eq!(send(&mut desk, "PATCH", &record, &basic, &over).0, 200);
    assert_eq!(send(&mut desk, "GET", &look, &basic, &Value::Null).1, json!({"result": []}));
    assert_eq!(desk.violations(), [""; 0]);
    let record = &desk.service.records()[0];
    assert_eq!((record.active(), record.journal.join(", ")), (false, "opened, still down".to_owned()));
}

#[test]
fn servicenow_notes_duplicates_cut_columns_and_queries_that_find_everything() {
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("guard:pass"));
    let mut desk = Desk::new(ServiceNow::new("guard:pass"));
    let table = "/api/now/table/incident";
    let new = json!({"short_description": "down", "correlation_id": "case-1"});
    send(&mut desk, "POST", table, &basic, &new);
    for (method, uri, body, rule) in [
        ("POST", table.to_owned(), new, "this is a duplicate"),
        (
            "POST",
            table.to_owned(),
            json!({"short_description": "x".repeat(161), "correlation_id": "c"}),
            "161 characters, 160",
        ),
        ("POST", table.to_owned(), json!({"short_description": "x"}), "no later message can find"),
        ("PATCH", format!("{table}/{:032x}", 1), json!({"state": "6"}), "/close_code: is missing"),
        ("PATCH", format!("{table}/{:032x}", 9), json!({"state": "2"}), "there is no incident"),
        (
            "GET",
            format!("{table}?sysparm_query=nonsense&sysparm_limit=1"),
            Value::Null,
            "any incident is found",
        ),
        ("GET", format!("{table}?sysparm_query=number%3DINC1"), Value::Null, "sysparm_limit: is missing"),
    ] {
        send(&mut desk, method, &uri, &basic, &body);
        assert!(broken(&desk).contains(rule), "{rule}: {}", broken(&desk));
    }
    let (status, said) = send(&mut desk, "POST", table, "Basic eDp5", &json!({}));
    assert_eq!((status, &said["status"]), (401, &json!("failure")));
}

#[test]
fn opsgenie_counts_repeats_takes_notes_and_closes_by_alias() {
    let mut desk = Desk::new(Opsgenie::new("key"));
    let alert = json!({"message": "down", "alias": "case-1", "priority": "P1", "tags": ["aks"], "details": {"who": "dana"}});
    let mut post = |uri: &str, body: &Value| {
        let (status, _) = send(&mut desk, "POST", uri, "GenieKey key", body);
        (status, broken(&desk))
    };
    let fine = (202, String::new());
    assert_eq!(post("/v2/alerts", &alert), fine);
    assert_eq!(post("/v2/alerts", &alert), fine);
    assert_eq!(post("/v2/alerts/case%2D1/notes?identifierType=alias", &json!({"note": "still"})), fine);
    assert_eq!(post("/v2/alerts/case-1/close?identifierType=alias", &json!({"note": "over"})), fine);
    for (uri, body, status, rule) in [
        ("/v2/alerts/case-1/close?identifierType=alias", json!({}), 202, "no open alert"),
        ("/v2/alerts/case-1/close", json!({}), 404, "no such method and path"),
        ("/v2/alerts", json!({"message": "x".repeat(131), "alias": "a"}), 422, "131 characters, 130"),
        (
            "/v2/alerts",
            json!({"message": "a", "alias": "a", "details": {"count": 1}}),
            422,
            "not a map of strings",
        ),
        ("/v2/alerts", json!({"message": "a", "alias": "a", "tags": vec!["x"; 21]}), 422, "21 entries, 20"),
        ("/v2/alerts", json!({"message": "a", "alias": "a", "priority": "high"}), 422, "`high` is none of"),
    ] {
        let (answered, broken) = post(uri, &body);
        assert_eq!(answered, status, "{rule}");
        assert!(broken.contains(rule), "{rule}: {broken}");
    }
    assert_eq!(send(&mut desk, "POST", "/v2/alerts", "GenieKey x", &alert).0, 401);
    let alert = &desk.service.alerts()[0];
    assert_eq!((alert.open, alert.count, alert.notes.len(), desk.service.alerts().len()), (false, 2, 2, 1));
}

#[test]
fn logs_ingestion_takes_rows_of_its_columns_and_nobody_elses_token() {
    let columns = [
        ("TimeGenerated", Column::DateTime),
        ("Sequence", Column::Int),
        ("Title", Column::String),
        ("Links", Column::Dynamic),
    ];
    let mut desk = Desk::new(LogsIngestion::new("dcr-1", "Custom-T_CL", &columns, "token"));
    let uri = "/dataCollectionRules/dcr-1/streams/Custom-T_CL?api-version=2023-01-01";
    let row = json!({"TimeGenerated": "2026-09-14T18:04:29Z", "Sequence": 0, "Title": "down", "Links": []});
    assert_eq!(send(&mut desk, "POST", uri, "Bearer token", &json!([row])), (204, json!("")));
    assert_eq!(desk.violations(), [""; 0]);
    for (uri, auth, body, status, rule) in [
        (uri, "Bearer other", json!([row]), 403, "another token"),
        (uri, "", json!([row]), 401, "no token"),
        (uri, "Bearer token", row.clone(), 400, "not an array of rows"),
        (&uri[..uri.len() - 1], "Bearer token", json!([row]), 400, "is not 2023-01-01"),
        (
            "/dataCollectionRules/dcr-1/streams/Custom-U_CL?api-version=2023-01-01",
            "Bearer token",
            json!([row]),
            404,
            "no such rule or stream",
        ),
        (uri, "Bearer token", json!(["x".repeat(1024 * 1024)]), 413, "larger than 1 MB"),
        (
            uri,
            "Bearer token",
            json!([{"TimeGenerated": "2026-09-14T18:04:29Z", "Titel": "down"}]),
            204,
            "/Titel: no such member",
        ),
        (uri, "Bearer token", json!([{"TimeGenerated": "now"}]), 204, "`now` is not a time"),
        (
            uri,
            "Bearer token",
            json!([{"TimeGenerated": "2026-09-14T18:04:29Z", "Sequence": "0", "Links": "[]"}]),
            204,
            "JSON as a string",
        ),
    ] {
        assert_eq!(send(&mut desk, "POST", uri, auth, &body).0, status, "{rule}");
        assert!(broken(&desk).contains(rule), "{rule}: {}", broken(&desk));
    }
}

#[test]
fn sentinel_keeps_what_an_analyst_changed_and_asks_why_an_incident_is_closed() {
    let mut desk = Desk::new(Sentinel::new(WORKSPACE, "token"));
    let name = "d4191834-7145-42dc-a3e5-d8a6ab386c9b";
    let base = format!("{WORKSPACE}/providers/Microsoft.SecurityInsights/incidents/{name}");
    let uri = format!("{base}?api-version=2025-09-01");
    let body = |status: &str, etag: &Value| json!({"etag": etag, "properties": {"title": "down", "severity": "High", "status": status}});
    assert_eq!(send(&mut desk, "GET", &uri, "Bearer token", &Value::Null).0, 404);
    let (status, made) = send(&mut desk, "PUT", &uri, "Bearer token", &body("New", &Value::Null));
    assert_eq!((status, broken(&desk)), (201, String::new()));
    assert_eq!(send(&mut desk, "PUT", &uri, "Bearer token", &body("Active", &made["etag"])).0, 200);
    desk.service.touch(name);
    let (status, said) = send(&mut desk, "PUT", &uri, "Bearer token", &body("Active", &made["etag"]));
    assert_eq!((status, &said["error"]["code"]), (409, &json!("Conflict")));
    send(&mut desk, "PUT", &uri, "Bearer token", &body("Active", &Value::Null));
    assert!(broken(&desk).contains("/etag: is missing"));
    let etag = json!(desk.service.incidents()[name].etag);
    assert_eq!(send(&mut desk, "PUT", &uri, "Bearer token", &body("Closed", &etag)).0, 400);
    assert!(broken(&desk).contains("/properties/classification: is missing"));
    let mut closed = body("Closed", &etag);
    closed["properties"]["classification"] = json!("TruePositive");
    closed["properties"]["classificationReason"] = json!("InaccurateData");
    send(&mut desk, "PUT", &uri, "Bearer token", &closed);
    assert!(broken(&desk).contains("is none of [\"SuspiciousActivity\"]"));
    closed["properties"]["classificationReason"] = json!("SuspiciousActivity");
    assert_eq!(send(&mut desk, "PUT", &uri, "Bearer token", &closed).0, 200);
    assert!(!desk.service.incidents()[name].open());

    let comment = format!("{base}/comments/2f5cc8ac-27f2-4ae1-a0d5-7e1a9f3c2b11?api-version=2025-09-01");
    let message = json!({"properties": {"message": "runs again"}});
    assert_eq!(send(&mut desk, "PUT", &comment, "Bearer token", &message).0, 201);
    assert_eq!(send(&mut desk, "PUT", &comment, "Bearer token", &message).0, 200);
    assert_eq!(desk.service.incidents()[name].comments.len(), 1);
    let long = json!({"properties": {"message": "x".repeat(30_001)}});
    assert_eq!(send(&mut desk, "PUT", &comment, "Bearer token", &long).0, 400);
    assert_eq!(send(&mut desk, "GET", &uri, "Bearer x", &Value::Null).0, 401);
    assert_eq!(send(&mut desk, "GET", &base, "Bearer token", &Value::Null).0, 400);
}

#[tokio::test]
async fn a_desk_on_a_port_answers_delays_and_cuts() {
    let served = Served::start(Slack::new("/services/T1/B1/secret")).await.unwrap();
    served.desk().meet([Fault::Throttled(2), Fault::Cut]);
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(raw_post(served.url(), "/services/T1/B1/secret", r#"{"text":"down"}"#).await);
    }
    assert!(seen[0].starts_with("HTTP/1.1 429") && seen[0].contains("retry-after: 2"), "{seen:?}");
    assert_eq!(seen[1], "");
    assert!(seen[2].starts_with("HTTP/1.1 200") && seen[2].ends_with("ok"), "{seen:?}");
    assert_eq!(served.desk().service.messages().len(), 2);
    assert_eq!(served.desk().violations(), [""; 0]);
}

async fn raw_post(url: &str, path: &str, body: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let mut stream = tokio::net::TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
