//! Every event file: what the guard takes for a stop, by whom, and why it leaves the others.
//!
//! The files are composed from the documented samples of both schemas and from claims of public activity log records,
//! with placeholder ids. No published sample shows a stop event of an AKS cluster.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::fs;
use std::path::Path;

use aks_stop_guard::domain::event::{self, EventSchema, Parsed, StopEvent, StopTime};
use serde_json::value::RawValue;

const GUARDED: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

/// The events of a file, split as the Functions side does it; a text that can't be split is one (bad) event.
fn split(text: &str) -> Vec<String> {
    match serde_json::from_str::<Vec<&RawValue>>(text) {
        Ok(events) if events.is_empty() => vec![text.to_owned()],
        Ok(events) => events.iter().map(|event| event.get().to_owned()).collect(),
        Err(_) => vec![text.to_owned()],
    }
}

fn parse(raw: &str) -> Parsed {
    event::parse(raw, &|subscription| subscription.as_str() == GUARDED)
}

fn describe(parsed: &Parsed) -> String {
    match parsed {
        Parsed::Stop(stop) => describe_stop(stop),
        Parsed::Ignored(ignored) => format!("- {ignored}"),
    }
}

fn describe_stop(stop: &StopEvent) -> String {
    let caller = &stop.caller;
    let time = match stop.time {
        StopTime::At(time) => time.to_string(),
        StopTime::Missing => "no time".to_owned(),
    };
    let schema = match stop.schema {
        EventSchema::EventGrid => "EG",
        EventSchema::CloudEvents => "CE",
    };
    let id = stop.id.get(..8).unwrap_or(&stop.id);
    format!(
        "STOP {schema} {id} {} {time} {} {} `{}` groups={}{} mfa={:?} ip={:?}",
        stop.cluster.name(),
        caller.kind,
        caller.identity().unwrap_or("nobody"),
        caller.label(),
        caller.groups.len(),
        if caller.groups_known { "" } else { "?" },
        caller.mfa,
        caller.ip,
    )
}

/// One line an event, for all files of a folder in order.
fn listing(folder: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/events").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut lines = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        for raw in split(&fs::read_to_string(&file).unwrap()) {
            lines.push(format!("{name}: {}", describe(&parse(&raw))));
        }
    }
    lines.join("\n")
}

#[test]
fn every_event_grid_event_is_told_for_what_it_is() {
    insta::assert_snapshot!(listing("eventgrid"), @r"
    abort_success: - operation `Microsoft.ContainerService/managedClusters/abort/action` is no stop of a cluster or a container group
    other_aks_agentpool_write: - event type `Microsoft.Resources.ResourceWriteSuccess` tells of no stop
    other_aks_cluster_delete: - event type `Microsoft.Resources.ResourceDeleteSuccess` tells of no stop
    other_aks_cluster_write: - event type `Microsoft.Resources.ResourceWriteSuccess` tells of no stop
    other_aks_list_credentials: - operation `Microsoft.ContainerService/managedClusters/listClusterUserCredential/action` is no stop of a cluster or a container group
    other_aks_mc_rg_routetable_write: - event type `Microsoft.Resources.ResourceWriteSuccess` tells of no stop
    other_container_group_stop: STOP EG 4addd514 cg-worker 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    other_storage_listkeys: - operation `Microsoft.Storage/storageAccounts/listKeys/action` is no stop of a cluster or a container group
    other_vm_deallocate: - operation `Microsoft.Compute/virtualMachines/deallocate/action` is no stop of a cluster or a container group
    other_vmss_deallocate_in_node_rg: - operation `Microsoft.Compute/virtualMachineScaleSets/deallocate/action` is no stop of a cluster or a container group
    start_failure: - event type `Microsoft.Resources.ResourceActionFailure` tells of no stop
    start_success_by_this_guard: - operation `Microsoft.ContainerService/managedClusters/start/action` is no stop of a cluster or a container group
    start_success_user: - operation `Microsoft.ContainerService/managedClusters/start/action` is no stop of a cluster or a container group
    stop_cancel: - event type `Microsoft.Resources.ResourceActionCancel` tells of no stop
    stop_failure: - event type `Microsoft.Resources.ResourceActionFailure` tells of no stop
    stop_success_aks_resource_provider: STOP EG a80e7723 aks-prod-01 2026-09-14T18:04:29.1732057Z azure eeeeeeee-4444-5555-6666-ffffffffffff `eeeeeeee-4444-5555-6666-ffffffffffff` groups=0? mfa=None ip=None
    stop_success_by_this_guard: STOP EG 171ec24a aks-prod-01 2026-09-14T18:04:29.1732057Z managed-identity dddddddd-3333-4444-5555-eeeeeeeeeeee `func-aks-guard` groups=0? mfa=None ip=Some(20.50.2.13)
    stop_success_managed_identity_system: STOP EG 44cdcd46 aks-prod-01 2026-09-14T18:04:29.1732057Z managed-identity bbbbbbbb-1111-2222-3333-cccccccccccc `aa-nightly-stop` groups=0? mfa=None ip=Some(20.50.2.10)
    stop_success_managed_identity_user_assigned: STOP EG e24d2ad5 aks-prod-01 2026-09-14T18:04:29.1732057Z managed-identity cccccccc-2222-3333-4444-dddddddddddd `id-cost-saver` groups=0? mfa=None ip=Some(20.50.2.11)
    stop_success_service_principal_cert_or_federated: STOP EG c275a57c aks-prod-01 2026-09-14T18:04:29.1732057Z service-principal aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb `aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb` groups=0? mfa=None ip=Some(198.51.100.7)
    stop_success_service_principal_secret: STOP EG 27a41b5a aks-prod-01 2026-09-14T18:04:29.1732057Z service-principal aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb `aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb` groups=0? mfa=None ip=Some(198.51.100.7)
    stop_success_user_cli: STOP EG 3eb6d115 aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    stop_success_user_guest: STOP EG de2edcb5 aks-prod-01 2026-09-14T18:04:29.1732057Z guest 11112222-bbbb-3333-cccc-4444dddd5555 `live.com#eve@outlook.example` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    stop_success_user_portal: STOP EG e55930fb aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    stop_success_user_role_via_group: STOP EG dc5bd506 aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    ");
}

#[test]
fn every_odd_event_is_a_stop_or_a_reason() {
    insta::assert_snapshot!(listing("edge"), @r"
    batch_two_clusters: STOP EG 3eb6d115 aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    batch_two_clusters: STOP EG 5c141929 aks-prod-02 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    cloudevent_batch_array: STOP CE 3eb6d115 aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    cloudevent_batch_array: STOP CE edf28f86 aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    cloudevent_specversion_0_3: - not an event: a CloudEvent of another version than 1.0
    cloudevent_with_extensions_and_datacontenttype: STOP CE 3eb6d115 aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    duplicate_same_id_twice: STOP EG 3eb6d115 aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    duplicate_same_id_twice: STOP EG 3eb6d115 aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    empty_array: - no event in it
    hostile_resource_uri_absolute_url: - `https://evil.example/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod-weu/providers/Microsoft.ContainerService/managedClusters/aks-prod-01` is not a resource id
    hostile_resource_uri_path_traversal: - `/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod-weu/providers/Microsoft.ContainerService/managedClusters/../../../../../../subscriptions/d9298a10-d1b0-4358-a7dc-4bd85dac641b…` is not a managed cluster or a container group
    malformed_bad_time: STOP EG 3eb6d115 aks-prod-01 no time user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    malformed_data_is_string: - not an event: it names no operation
    malformed_missing_id_and_type: STOP EG sha256-b aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    malformed_not_json: - not an event: not JSON at line 1 column 1
    malformed_truncated: - not an event: not JSON at line 1 column 400
    not_array_single_object: STOP EG 3eb6d115 aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    stop_mixed_case_type_segment: STOP EG 08670f17 aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    stop_no_claims_no_evidence: STOP EG 99426fbe aks-prod-01 2026-09-14T18:04:29.1732057Z unknown nobody `an unknown caller` groups=0? mfa=None ip=Some(203.0.113.24)
    stop_no_httprequest_evidence_role_only: STOP EG 1f6fa6f6 aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    stop_no_operationname_only_authorization_action: STOP EG f4d96024 aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    stop_null_claims_authorization_httprequest: STOP EG ffe81663 aks-prod-01 2026-09-14T18:04:29.1732057Z unknown nobody `an unknown caller` groups=0? mfa=None ip=None
    stop_resource_uri_is_resource_group: - `/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod-weu` is not a managed cluster or a container group
    stop_status_accepted: STOP EG 41432230 aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    stop_unknown_extra_fields: STOP EG 06525396 aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    subject_differs_from_resourceuri: STOP EG ceaeee3c aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    ");
}

#[test]
fn validation_events_and_headers_are_no_stops_but_dead_letters_are() {
    insta::assert_snapshot!(listing("transport"), @r"
    cloudevents_options_handshake: - not an event: it names no operation
    dead_letter_blob_cloudevents: STOP CE 3eb6d115 aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    dead_letter_blob_eventgrid: STOP EG 3eb6d115 aks-prod-01 2026-09-14T18:04:29.1732057Z user 11112222-bbbb-3333-cccc-4444dddd5555 `dana@contoso.com` groups=2 mfa=Some(true) ip=Some(203.0.113.24)
    delivery_headers_cloudevents: - not an event: it names no operation
    delivery_headers_eventgrid: - not an event: it names no operation
    event_subscription_request: - not an event: it names no operation
    validation_event_eventgrid: - event type `Microsoft.EventGrid.SubscriptionValidationEvent` tells of no stop
    validation_response_expected: - not an event: it names no operation
    ");
}

#[test]
fn both_schemas_tell_the_same_of_the_same_operation() {
    let without_envelope = |folder: &str| -> Vec<String> {
        let listing = listing(folder);
        // Schema and event id differ by design.
        let facts = |line: &str| match line.split_once(": STOP ") {
            Some((name, rest)) => format!("{name}: {}", rest.splitn(3, ' ').nth(2).unwrap()),
            None => line.to_owned(),
        };
        listing.lines().map(facts).collect()
    };
    let grid = without_envelope("eventgrid");
    assert_eq!(grid.len(), 25);
    assert_eq!(grid, without_envelope("cloudevents"));
}

#[test]
fn the_role_holders_group_is_not_the_caller() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/events/eventgrid/stop_success_user_role_via_group.json"
    );
    let Parsed::Stop(stop) = parse(&fs::read_to_string(path).unwrap()) else { panic!("a stop") };
    assert_eq!(stop.caller.object_id.as_deref(), Some("11112222-bbbb-3333-cccc-4444dddd5555"));
}
