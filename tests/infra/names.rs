//! Names that stand in two places: in the package, and in the infrastructure.

use aks_stop_guard::store::{Location, LocationSettings};
use serde_json::Value;

use crate::snapshot::{guards, root, text};

fn json(path: &str) -> Value {
    let text = std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_queue_of_the_trigger_is_the_one_that_is_made_and_filled() {
    let binding = &json("StopActionQueue/function.json")["bindings"][0];
    let (queue, connection) = (text(&binding["queueName"]), text(&binding["connection"]));
    for shape in guards() {
        let made: Vec<_> = shape
            .of("Microsoft.Storage/storageAccounts/queueServices/queues")
            .iter()
            .map(|made| text(&made["name"]).rsplit('/').next().unwrap().to_owned())
            .collect();
        assert_eq!(made, [queue.to_owned(), format!("{queue}-poison")], "{}", shape.name);
        assert!(shape.app_settings().contains_key(&format!("{connection}__queueServiceUri")));
        for subscription in shape.of("Microsoft.EventGrid/systemTopics/eventSubscriptions") {
            let delivery = &subscription["properties"]["deliveryWithResourceIdentity"];
            if !delivery.is_null() {
                assert_eq!(delivery["destination"]["properties"]["queueName"], queue);
            }
        }
    }
}

#[test]
fn events_go_to_a_function_of_the_package() {
    let mut seen = 0;
    for shape in guards() {
        for subscription in shape.of("Microsoft.EventGrid/systemTopics/eventSubscriptions") {
            let Some(target) = subscription.pointer("/properties/destination/properties/resourceId") else {
                continue;
            };
            let app = text(&shape.only("Microsoft.Web/sites")["id"]);
            let (of, function) = text(target).split_once("/functions/").unwrap();
            assert_eq!(of, app, "{}", shape.name);
            assert_eq!(json(&format!("{function}/function.json"))["bindings"][0]["type"], "eventGridTrigger");
            seen += 1;
        }
    }
    assert!(seen > 0, "no shape delivers to the function");
}

#[test]
fn functions_that_settings_name_are_in_the_package() {
    for shape in guards() {
        let mut named = 0;
        for (name, _) in shape.app_settings() {
            if let Some(function) =
                name.strip_prefix("AzureWebJobs.").and_then(|name| name.strip_suffix(".Disabled"))
            {
                json(&format!("{function}/function.json"));
                named += 1;
            }
        }
        assert_eq!(named, 2, "{}", shape.name);
        let app = shape.only("Microsoft.Web/sites");
        for ready in
            app["properties"]["functionAppConfig"]["scaleAndConcurrency"]["alwaysReady"].as_array().unwrap()
        {
            json(&format!("{}/function.json", text(&ready["name"]).strip_prefix("function:").unwrap()));
        }
    }
}

/// Container by container: the guard writes where a container is made, and where its identity may.
#[test]
fn the_state_is_where_its_containers_are() {
    for shape in guards() {
        let state = shape.app_setting("STOP_GUARD_STATE");
        let settings = LocationSettings {
            state: &state,
            container: None,
            emulator_url: None,
            blob_suffix: aks_stop_guard::store::BLOB_SUFFIX_PUBLIC,
        };
        Location::parse(settings).unwrap();
        let (account, container) = state.strip_prefix("azure://").unwrap().split_once('/').unwrap();
        for name in [container.to_owned(), format!("{container}-cases")] {
            let made = shape.of("Microsoft.Storage/storageAccounts/blobServices/containers");
            let path = format!("{account}/default/{name}");
            assert!(made.iter().any(|made| text(&made["name"]) == path), "{}: {path}", shape.name);
            let scope =
                format!("/storageAccounts/{account}/blobServices/default/containers/{name}/providers/");
            let may = shape.of("Microsoft.Authorization/roleAssignments");
            assert!(may.iter().any(|role| text(&role["id"]).contains(&scope)), "{}: {scope}", shape.name);
        }
    }
}

/// The lifecycle rule that deletes marks names the folder that the store writes them to.
#[test]
fn marks_are_deleted_after_a_week_and_records_never() {
    for shape in guards() {
        let state = shape.app_setting("STOP_GUARD_STATE");
        let container = state.rsplit('/').next().unwrap();
        let policies = shape.of("Microsoft.Storage/storageAccounts/managementPolicies");
        let rules: Vec<_> = policies
            .iter()
            .flat_map(|policy| policy["properties"]["policy"]["rules"].as_array().unwrap())
            .collect();
        let prefixes: Vec<_> =
            rules.iter().map(|rule| text(&rule["definition"]["filters"]["prefixMatch"][0])).collect();
        assert_eq!(prefixes, [format!("{container}/stops/"), "dead-letter/".to_owned()], "{}", shape.name);
        let days =
            &rules[0]["definition"]["actions"]["baseBlob"]["delete"]["daysAfterModificationGreaterThan"];
        assert_eq!(days, 7);
    }
}

/// The type of the runtime's name is an open text: the compiler takes any.
#[test]
fn the_runtime_is_a_custom_handler_on_flex_consumption() {
    for shape in guards() {
        let app = shape.only("Microsoft.Web/sites");
        let config = &app["properties"]["functionAppConfig"];
        assert_eq!(config["runtime"], serde_json::json!({ "name": "custom", "version": "1.0" }));
        assert_eq!(config["deployment"]["storage"]["authentication"]["type"], "UserAssignedIdentity");
        assert_eq!(shape.only("Microsoft.Web/serverfarms")["sku"]["name"], "FC1");
        assert_eq!(app["tags"]["azd-service-name"], "guard");
    }
}

/// `azd` reads this file: a name that the template does not have would stop it, and a variable that nobody is told of is no option.
#[test]
fn the_parameter_file_of_azd_fits_the_template_and_the_documents() {
    let template = std::fs::read_to_string(root().join("infra/main.bicep")).unwrap();
    let guide = std::fs::read_to_string(root().join("docs/DEPLOY.md")).unwrap();
    let parameters = json("infra/main.parameters.json")["parameters"].as_object().unwrap().clone();
    assert!(parameters.len() >= 10, "{parameters:?}");
    for (name, parameter) in parameters {
        assert!(template.contains(&format!("\nparam {name} ")), "infra/main.bicep has no {name}");
        let Some(value) = parameter["value"].as_str() else { continue };
        let variable = value.trim_start_matches("${").split(['=', '}']).next().unwrap();
        assert!(guide.contains(&format!("`{variable}`")), "docs/DEPLOY.md does not name {variable}");
    }
}
