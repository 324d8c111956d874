//! What the host makes of the handler's answers.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::host::log::Level;

use super::support::{self, Handler, Reply, host_before, send};

pub(crate) fn replayed() -> Vec<String> {
    [
        "answers_eventgrid.json",
        "answers_hang.json",
        "answers_http_default.json",
        "answers_http_return_binding.json",
        "batch3_one_fails.json",
        "caller_disconnects_eventgrid.json",
        "disabled_eventgrid_function.json",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn cases(name: &str) -> Vec<Value> {
    support::recording(name)["cases"].as_array().unwrap().clone()
}

/// Bodies that the recording shortens, made as long again.
fn lengthened(answer: &Value) -> Value {
    let mut answer = answer.clone();
    let body = answer["body"].as_str().unwrap_or_default().to_owned();
    if let Some((start, rest)) = body.split_once('…') {
        let filler = start.chars().last().unwrap().to_string();
        let length: usize = rest.trim_start_matches('<').split(' ').next().unwrap().parse().unwrap();
        let end = if start.contains("Logs") { "\"]}" } else { "\"}" };
        answer["body"] = format!("{start}{}{end}", filler.repeat(length - start.len() - end.len())).into();
    }
    answer
}

#[tokio::test]
async fn event_grid_gets_a_202_for_every_recorded_success_and_a_500_for_every_failure() {
    for case in cases("answers_eventgrid.json") {
        let name = case["case"].as_str().unwrap();
        let scripted = lengthened(&case["handler_answer"]);
        let handler = Handler::start(move |request| match request.path() {
            "/StopActionHandler" => Reply::scripted(&scripted),
            _ => Reply::json("{}"),
        })
        .await;
        let (host, _folder) = host_before(&handler, |_| {}).await;
        let answer = send(&host.url(), &support::delivery(json!({}))).await.expect(name);
        assert_eq!(answer.status(), case["host_answer_to_caller"]["status"], "{name}");
        assert_eq!(answer.text(), case["host_answer_to_caller"]["body"].as_str().unwrap(), "{name}");
        let asked: Vec<String> =
            handler.take().iter().map(|request| format!("{} {}", request.start[0], request.path())).collect();
        assert_eq!(json!(asked), case["requests_at_handler"], "{name}");
        compare_logs(name, &host.log().messages("Function.StopActionHandler.User"), &case["host_log"]);
    }
}

fn compare_logs(name: &str, actual: &[String], recorded: &Value) {
    let entries = recorded.as_array().unwrap().iter();
    let users = entries.filter(|entry| entry["category"].as_str().unwrap().ends_with(".User"));
    // An empty line was recorded as null.
    let expected: Vec<&str> = users.map(|entry| entry["message"].as_str().unwrap_or_default()).collect();
    assert_eq!(actual.len(), expected.len(), "{name}");
    for (actual, expected) in actual.iter().zip(expected) {
        let whole = expected.split('…').next().unwrap();
        assert!(if whole == expected { actual == expected } else { actual.starts_with(whole) }, "{name}");
    }
}

#[tokio::test]
async fn an_empty_answer_hangs_until_the_function_times_out() {
    for case in cases("answers_hang.json") {
        let name = case["case"].as_str().unwrap();
        let scripted = case["handler_answer"].clone();
        let handler = Handler::start(move |request| match request.path() {
            "/" => Reply::json("{}"),
            _ => Reply::scripted(&scripted),
        })
        .await;
        let limit = Duration::from_millis(120);
        let (host, _folder) = host_before(&handler, |config| config.timings.function = Some(limit)).await;
        let answer = send(&host.url(), &support::delivery(json!({}))).await.unwrap();
        assert_eq!(answer.status(), case["host_answer_to_caller"]["status"], "{name}");
        let expected = case["host_answer_to_caller"]["body"].as_str().unwrap();
        assert_eq!(answer.text(), expected.replace("00:00:05", "00:00:00.1200000"), "{name}");
        let warned = host.log().entries().iter().any(|entry| {
            entry.level == Level::Warn
                && entry.message.starts_with("A function timeout has occurred. Restarting")
        });
        assert!(warned, "{name}");
    }
}

#[tokio::test]
async fn an_http_caller_gets_what_the_outputs_say() {
    let files =
        [("answers_http_default.json", "Evaluate"), ("answers_http_return_binding.json", "EvaluateReturn")];
    for (file, function) in files {
        for case in cases(file) {
            let name = case["case"].as_str().unwrap();
            let scripted = match &case["handler_answer_body"] {
                Value::String(body) => json!({ "body": body }),
                _ => case["handler_answer"].clone(),
            };
            let handler = Handler::start(move |request| match request.path() {
                "/" => Reply::json("{}"),
                _ => Reply::scripted(&scripted),
            })
            .await;
            let (host, _folder) = host_before(&handler, |_| {}).await;
            let request = json!({"method": "POST", "path": format!("/api/{function}"), "body": "{}",
                "headers": {"x-functions-key": "function"}});
            let answer = send(&host.url(), &request).await.unwrap();
            let recorded = &case["host_answer_to_caller"];
            assert_eq!(answer.status(), recorded["status"], "{name}");
            assert_eq!(answer.text(), recorded["body"].as_str().unwrap(), "{name}");
            for pair in recorded["headers"].as_array().unwrap() {
                let (key, value) = (pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
                if key != "Date" {
                    assert_eq!(answer.header(key), Some(value), "{name}: {key}");
                }
            }
        }
    }
}

#[tokio::test]
async fn one_bad_event_fails_the_whole_delivery_after_all_have_run() {
    let recorded = support::recording("batch3_one_fails.json");
    let handler = Handler::start(|request| match request.text().contains("BADMARK") {
        true => Reply::scripted(&json!({"status": 500, "body": "{}"})),
        false => Reply::json("{}"),
    })
    .await;
    let (host, _folder) = host_before(&handler, |_| {}).await;
    let answer = send(&host.url(), &support::fill(&recorded["caller_request"])).await.unwrap();
    assert_eq!(answer.status(), recorded["host_answer_to_caller"]["status"]);
    assert_eq!(answer.text(), recorded["host_answer_to_caller"]["body"].as_str().unwrap());
    assert_eq!(handler.take().len(), recorded["requests"].as_array().unwrap().len());
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_end_the_call() {
    let handler = Handler::start(|request| match request.path() {
        "/" => Reply::json("{}"),
        _ => Reply::After(
            Duration::from_millis(150),
            b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\n\
            Content-Length: 2\r\n\r\n{}"
                .to_vec(),
        ),
    })
    .await;
    let (host, _folder) = host_before(&handler, |_| {}).await;
    let (_, mut live) = host.log().follow();
    let url = host.url();
    let impatient = tokio::spawn(async move { send(&url, &support::delivery(json!({}))).await });
    while !live.recv().await.unwrap().message.starts_with("Executing ") {}
    impatient.abort();
    let ended = loop {
        let entry = live.recv().await.unwrap();
        if entry.message.starts_with("Executed ") {
            break entry.message;
        }
    };
    assert!(ended.contains("(Succeeded"), "{ended}");
}

#[tokio::test]
async fn a_disabled_function_is_unknown_to_event_grid_but_can_be_run_by_hand() {
    let recorded = support::recording("disabled_eventgrid_function.json");
    let handler = Handler::start(|_| Reply::json("{}")).await;
    let (host, _folder) = host_before(&handler, |config| {
        config.settings = vec![("AzureWebJobs.StopActionHandler.Disabled".to_owned(), "true".to_owned())];
    })
    .await;
    let expected = &recorded["host_answer_to_caller"];
    let mut request = support::delivery(json!({}));
    assert_eq!(send(&host.url(), &request).await.unwrap().status(), expected["delivery"]["status"]);
    request["headers"]["aeg-event-type"] = "SubscriptionValidation".into();
    assert_eq!(send(&host.url(), &request).await.unwrap().status(), expected["validation"]["status"]);
    let manual = json!({"method": "POST", "path": "/admin/functions/StopActionHandler", "body": "{\"input\":\"{}\"}",
        "headers": {"x-functions-key": "master", "content-type": "application/json"}});
    assert_eq!(send(&host.url(), &manual).await.unwrap().status(), expected["manual_run"]["status"]);
}
