//! What Event Grid sends is what the code takes.

use aks_stop_guard::domain::event::{Parsed, parse};
use serde_json::{Value, json};

use crate::snapshot::{guards, shapes, text};

const SUBSCRIPTIONS: &str = "Microsoft.EventGrid/systemTopics/eventSubscriptions";
/// The nine types of events of a subscription (source: azure-docs, event-schema-subscriptions.md).
const EVENT_TYPES: [&str; 9] = [
    "ResourceWriteSuccess",
    "ResourceWriteFailure",
    "ResourceWriteCancel",
    "ResourceDeleteSuccess",
    "ResourceDeleteFailure",
    "ResourceDeleteCancel",
    "ResourceActionSuccess",
    "ResourceActionFailure",
    "ResourceActionCancel",
];
/// Operations on clusters, container groups and others, two of which stop what is guarded.
const OPERATIONS: [&str; 10] = [
    "Microsoft.ContainerService/managedClusters/stop/action",
    "Microsoft.ContainerService/managedClusters/start/action",
    "Microsoft.ContainerService/managedClusters/write",
    "Microsoft.ContainerService/managedClusters/delete",
    "Microsoft.ContainerService/managedClusters/agentPools/write",
    "Microsoft.ContainerInstance/containerGroups/stop/action",
    "Microsoft.ContainerInstance/containerGroups/start/action",
    "Microsoft.ContainerInstance/containerGroups/restart/action",
    "Microsoft.ContainerInstance/containerGroups/write",
    "Microsoft.Compute/virtualMachines/deallocate/action",
];

fn is_taken(event_type: &str, operation: &str) -> bool {
    // Each operation on a resource of its own type.
    let mut segments = operation.split('/');
    let (provider, kind) = (segments.next().unwrap(), segments.next().unwrap());
    let id = format!(
        "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/{provider}/{kind}/one"
    );
    let event = json!({ "id": "1", "eventType": event_type, "eventTime": "2026-11-28T20:00:00Z", "subject": id,
        "data": { "operationName": operation, "resourceUri": id } });
    matches!(parse(&event.to_string(), &|_| true), Parsed::Stop(_))
}

/// Whether Event Grid's filter lets it through; values are compared without case.
fn passes(filter: &Value, event_type: &str, operation: &str) -> bool {
    let has = |values: &Value, wanted: &str| {
        values.as_array().unwrap().iter().any(|value| text(value).eq_ignore_ascii_case(wanted))
    };
    let advanced = filter["advancedFilters"].as_array().unwrap();
    has(&filter["includedEventTypes"], event_type)
        && advanced.iter().all(|filter| {
            assert_eq!(
                (text(&filter["operatorType"]), text(&filter["key"])),
                ("StringIn", "data.operationName")
            );
            has(&filter["values"], operation)
        })
}

#[test]
fn the_filter_lets_through_what_the_code_takes_and_nothing_else() {
    let mut seen = 0;
    for shape in shapes() {
        for subscription in shape.of(SUBSCRIPTIONS) {
            let filter = &subscription["properties"]["filter"];
            for event_type in EVENT_TYPES.map(|name| format!("Microsoft.Resources.{name}")) {
                for operation in OPERATIONS {
                    let expected = is_taken(&event_type, operation);
                    assert_eq!(passes(filter, &event_type, operation), expected, "{event_type} {operation}");
                    seen += usize::from(expected);
                }
            }
        }
    }
    assert!(seen >= 8, "{seen} event subscriptions let a stop through");
}

#[test]
fn what_can_not_be_delivered_is_kept() {
    for shape in shapes() {
        for subscription in shape.of(SUBSCRIPTIONS) {
            let properties = &subscription["properties"];
            let kept = &properties["deadLetterWithResourceIdentity"];
            assert_eq!(kept["identity"]["type"], "SystemAssigned", "{}", shape.name);
            assert_eq!(kept["deadLetterDestination"]["properties"]["blobContainerName"], "dead-letter");
            assert_eq!(
                properties["retryPolicy"],
                json!({ "maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440 })
            );
        }
    }
}

#[test]
fn without_public_access_events_go_to_the_queue() {
    let mut private = 0;
    for shape in guards() {
        for subscription in shape.of(SUBSCRIPTIONS) {
            let properties = &subscription["properties"];
            let to_queue =
                properties["deliveryWithResourceIdentity"]["destination"]["endpointType"] == "StorageQueue";
            let to_function = properties["destination"]["endpointType"] == "AzureFunction";
            assert!(to_queue != to_function, "{}: {properties}", shape.name);
            assert!(
                to_queue || !shape.is_private(),
                "{}: Event Grid can't push into a private network",
                shape.name
            );
            private += usize::from(shape.is_private());
        }
    }
    assert!(private > 0, "no shape is private");
}

/// The way in that events do not take is closed.
#[test]
fn exactly_the_function_that_events_go_to_is_enabled() {
    for shape in guards() {
        let queue = shape.app_setting("AzureWebJobs.StopActionQueue.Disabled");
        let handler = shape.app_setting("AzureWebJobs.StopActionHandler.Disabled");
        for subscription in shape.of(SUBSCRIPTIONS) {
            let to_function = subscription["properties"]["destination"]["endpointType"] == "AzureFunction";
            let expected = if to_function { ("true", "false") } else { ("false", "true") };
            assert_eq!((queue.as_str(), handler.as_str()), expected, "{}", shape.name);
        }
    }
}
