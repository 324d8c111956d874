//! The files of the function app say what the code and the host expect.

use std::path::Path;

use aks_stop_guard::functions::PARALLEL_INVOCATIONS_MAX;
use serde_json::{Value, json};

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn file(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap()
}

#[test]
fn the_host_starts_the_binary_that_this_project_builds() {
    let host = file("host.json");
    let description = &host["customHandler"]["description"];
    let built = Path::new(env!("CARGO_BIN_EXE_aks-stop-guard")).file_stem().unwrap();
    assert_eq!(description["defaultExecutablePath"].as_str(), built.to_str());
    assert_eq!(description["arguments"], json!(["serve"]));
    assert_eq!(host["version"], "2.0");
}

#[test]
fn the_host_neither_forwards_requests_nor_retries_by_itself() {
    let host = file("host.json");
    let handler = host["customHandler"].as_object().unwrap();
    assert_eq!(handler.keys().collect::<Vec<_>>(), ["description"]);
    assert_eq!(host.get("retry"), None);
    for function in ["StopActionHandler", "StopActionQueue", "Sweep", "Evaluate", "Grant", "Hold"] {
        assert_eq!(file(&format!("{function}/function.json")).get("retry"), None);
    }
}

#[test]
fn the_host_hands_messages_on_as_they_are_and_keeps_trying_for_a_day() {
    let queues = &file("host.json")["extensions"]["queues"];
    assert_eq!(queues["messageEncoding"], "none");
    assert_eq!(queues["visibilityTimeout"], "00:01:00");
    let a_day_of_minutes = 24 * 60;
    assert_eq!(queues["maxDequeueCount"], a_day_of_minutes);
    // Never more at once than the server has places for.
    let at_once = queues["batchSize"].as_u64().unwrap() + queues["newBatchThreshold"].as_u64().unwrap();
    assert!(at_once <= PARALLEL_INVOCATIONS_MAX as u64, "{at_once}");
}

#[test]
fn the_app_has_the_functions_that_the_server_serves() {
    let mut functions: Vec<_> = std::fs::read_dir(env!("CARGO_MANIFEST_DIR"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("function.json").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    functions.sort();
    assert_eq!(functions, ["Evaluate", "Grant", "Hold", "StopActionHandler", "StopActionQueue", "Sweep"]);
    assert_eq!(
        file("StopActionHandler/function.json")["bindings"],
        json!([{"type": "eventGridTrigger", "name": "event", "direction": "in"}])
    );
    assert_eq!(
        file("StopActionQueue/function.json")["bindings"],
        json!([{"type": "queueTrigger", "name": "message", "direction": "in", "queueName": "aks-stop-events",
                "connection": "StopActionQueue"}])
    );
    assert_eq!(
        file("Sweep/function.json")["bindings"],
        json!([{"type": "timerTrigger", "name": "timer", "direction": "in", "schedule": "*/30 * * * * *",
                "useMonitor": false, "runOnStartup": false}])
    );
    for function in ["Evaluate", "Grant", "Hold"] {
        assert_eq!(
            file(&format!("{function}/function.json"))["bindings"],
            json!([{"type": "httpTrigger", "name": "req", "direction": "in", "authLevel": "function", "methods": ["post"]},
                   {"type": "http", "name": "res", "direction": "out"}])
        );
    }
}

#[test]
fn the_example_of_local_settings_is_safe_to_start_with() {
    let settings = file("local.settings.json.example");
    let values = settings["Values"].as_object().unwrap();
    assert!(values.values().all(Value::is_string), "the host takes strings only");
    assert_eq!(values["FUNCTIONS_WORKER_RUNTIME"], "custom");
    assert_eq!(values["AzureWebJobsStorage"], "UseDevelopmentStorage=true");
    assert_eq!(values["STOP_GUARD_MODE"], "dry-run");
    assert_eq!(values["AzureWebJobs.StopActionQueue.Disabled"], "true", "nobody has a queue by default");
}
