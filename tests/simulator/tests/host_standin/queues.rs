//! Queue triggers, against what was derived from the host's source (`tests/functions/golden` of the guard).

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use simulator::host::{Host, HostConfig, Queues};

use super::support::{Handler, Message, Reply, host_before, write_app};

const QUEUE: &str = "q";

/// A host with one queue function, and its queues.
async fn host(
    handler: &Handler,
    options: Value,
    change: impl FnOnce(&mut HostConfig),
) -> (Host, Queues, tempfile::TempDir) {
    let queues = Queues::default();
    let shared = queues.clone();
    let (host, folder) = host_before(handler, |config| {
        let trigger = json!([{"type": "queueTrigger", "name": "queueItem", "direction": "in", "queueName": QUEUE,
            "connection": "Store"}]);
        let host_json = json!({"customHandler": {}, "extensions": {"queues": options}});
        write_app(&config.app, &host_json, &[("QueueActionHandler", trigger)]);
        config.settings = vec![("Store__queueServiceUri".to_owned(), "https://q.example.invalid".to_owned())];
        config.queues = shared;
        change(config);
    })
    .await;
    (host, queues, folder)
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    let wait = async {
        while !condition() {
            tick.tick().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), wait).await.is_ok(), "{what}");
}

fn failing() -> Reply {
    Reply::scripted(&json!({"status": 503, "body": "{}"}))
}

/// A body without what is different each time.
fn shape(body: &str, id_is_the_hosts: bool) -> Value {
    let mut body: Value = serde_json::from_str(body).unwrap();
    let metadata = body["Metadata"].as_object_mut().unwrap();
    for name in ["ExpirationTime", "InsertionTime", "NextVisibleTime"] {
        let time = metadata[name].as_str().unwrap();
        assert_eq!((time.len(), time.ends_with("+00:00")), (25, true), "{time}");
        metadata[name] = "some time".into();
    }
    for (name, quoted) in [("Id", id_is_the_hosts), ("PopReceipt", true)] {
        if quoted {
            let text: String = serde_json::from_str(metadata[name].as_str().unwrap()).unwrap();
            assert!(text.len() >= 24, "{text}");
            metadata[name] = "some text".into();
        }
    }
    for name in ["UtcNow", "RandGuid"] {
        metadata["sys"][name] = name.into();
    }
    body
}

#[tokio::test]
async fn a_message_reaches_the_handler_as_the_hosts_source_says() {
    for name in ["queue_text", "queue_json", "queue_json_array", "queue_holding_eventgrid_event"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../functions/golden/{name}.json"));
        let golden = std::fs::read_to_string(path).unwrap();
        let value: Value = serde_json::from_str(&golden).unwrap();
        let text: String = serde_json::from_str(value["Data"]["queueItem"].as_str().unwrap()).unwrap();
        let handler = Handler::start(|_| Reply::json("{}")).await;
        let (_host, queues, _folder) = host(&handler, json!({"messageEncoding": "none"}), |_| {}).await;
        queues.put(QUEUE, text);
        until("the message is worked off", || queues.messages(QUEUE).is_empty()).await;
        let received: Vec<Message> = handler.take();
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].path(), "/QueueActionHandler");
        let hosts_id = matches!(name, "queue_text" | "queue_json_array");
        let (found, expected) = (shape(&received[0].text(), hosts_id), shape(&golden, hosts_id));
        assert_eq!(found, expected, "{name}");
        let names = |value: &Value| -> Vec<String> {
            value["Metadata"].as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(names(&found), names(&expected), "{name}");
    }
}

#[tokio::test]
async fn a_message_that_fails_comes_again_after_its_time_and_is_poison_in_the_end() {
    let handler = Handler::start(|request| match request.path() {
        "/" => Reply::json("{}"),
        _ => failing(),
    })
    .await;
    let options = json!({"messageEncoding": "none", "maxDequeueCount": 3, "visibilityTimeout": "00:01:00"});
    let (host, queues, _folder) = host(&handler, options, |config| config.speed_up = 600).await;
    let began = tokio::time::Instant::now();
    queues.put(QUEUE, "bad");
    until("it is poison", || !queues.messages("q-poison").is_empty()).await;
    // Twice a minute, at 600 times the speed.
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    assert_eq!(queues.messages("q-poison"), [("bad".to_owned(), 0)]);
    until("it is moved", || queues.messages(QUEUE).is_empty()).await;
    let counts: Vec<Value> = handler
        .take()
        .iter()
        .map(|call| serde_json::from_str::<Value>(&call.text()).unwrap()["Metadata"]["DequeueCount"].clone())
        .collect();
    assert_eq!(counts, ["1", "2", "3"]);
    let warning = "Message has reached MaxDequeueCount of 3. Moving message to queue 'q-poison'.";
    assert!(host.log().entries().iter().any(|entry| entry.message == warning));
}

#[tokio::test]
async fn by_default_messages_are_base64_and_plain_text_is_poison_without_a_call() {
    let handler = Handler::start(|_| Reply::json("{}")).await;
    let (_host, queues, _folder) = host(&handler, json!({}), |_| {}).await;
    queues.put(QUEUE, r#"{"id":1}"#);
    queues.put(QUEUE, "eyJpZCI6MX0=");
    until("both are gone", || queues.messages(QUEUE).is_empty()).await;
    assert_eq!(queues.messages("q-poison").len(), 1);
    let received = handler.take();
    assert_eq!(received.len(), 1);
    assert!(received[0].text().contains(r#""queueItem":"\"{\\\"id\\\":1}\"""#), "{}", received[0].text());
}

#[tokio::test]
async fn no_more_than_a_batch_and_its_threshold_are_worked_on_at_once() {
    let answer = b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}".to_vec();
    let handler = Handler::start(move |request| match request.path() {
        "/" => Reply::json("{}"),
        _ => Reply::After(Duration::from_secs(600), answer.clone()),
    })
    .await;
    let options = json!({"messageEncoding": "none", "batchSize": 4, "newBatchThreshold": 2});
    let queues = Queues::default();
    for n in 0..20 {
        queues.put(QUEUE, n.to_string());
    }
    let filled = queues.clone();
    let (_host, queues, _folder) = host(&handler, options, |config| config.queues = filled).await;
    drop(queues);
    let seen = std::sync::Mutex::new(0);
    until("a batch is under way", || {
        let mut seen = seen.lock().unwrap();
        *seen += handler.take().len();
        *seen >= 4
    })
    .await;
    // The threshold is passed with the first batch, and no call ever ends: there is no second batch.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(*seen.lock().unwrap() + handler.take().len(), 4);
}

#[tokio::test]
async fn a_function_that_is_off_or_has_no_connection_leaves_its_queue_alone() {
    let handler = Handler::start(|_| Reply::json("{}")).await;
    let options = json!({"messageEncoding": "none"});
    let off = |config: &mut HostConfig| {
        config.settings.push(("AzureWebJobs.QueueActionHandler.Disabled".to_owned(), "true".to_owned()));
    };
    let (_off, queues_off, _folder) = host(&handler, options.clone(), off).await;
    let (refused, queues_refused, _other) = host(&handler, options, |config| config.settings.clear()).await;
    queues_off.put(QUEUE, "x");
    queues_refused.put(QUEUE, "x");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        (queues_off.messages(QUEUE), queues_refused.messages(QUEUE)),
        (vec![("x".to_owned(), 0)], vec![("x".to_owned(), 0)],)
    );
    assert!(handler.take().is_empty());
    assert!(refused.log().entries().iter().any(|entry| entry.message.contains("has no setting")));
}
