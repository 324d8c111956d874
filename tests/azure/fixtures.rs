//! Every fixture and every recorded body, with what the client makes of it.

use std::time::Duration;

use aks_stop_guard::azure::ArmError;
use aks_stop_guard::domain::{CallerKind, ClusterId, Feature, Found, PowerVerb, Situation, TenantId};

use crate::double::{Script, answer, arm, fixture, folder, id, names, recorded};

const BUDGET: Duration = Duration::from_secs(20);

/// Checks that a table names exactly the files of a folder: no fixture is left out, none is missing.
fn assert_covers(of: &str, table: &[&str]) {
    let mut table: Vec<String> = table.iter().map(|name| format!("{name}.json")).collect();
    table.sort();
    assert_eq!(names(of), table, "the table and tests/azure/{of}");
}

#[tokio::test(start_paused = true)]
async fn every_state_of_a_cluster_is_read() {
    let table = [
        ("get_running", Situation::Running),
        ("get_stopped", Situation::Startable),
        ("get_stopped_no_tags", Situation::Startable),
        ("get_stopped_tags_absent", Situation::Startable),
        ("get_stopped_old_version", Situation::Startable),
        ("get_stopped_opted_out", Situation::Startable),
        ("get_stopped_private", Situation::Startable),
        ("get_stopped_unmonitored", Situation::Startable),
        ("get_stopping", Situation::Stopping),
        ("get_starting", Situation::Starting),
        ("get_start_failed", Situation::FailedRunning),
        ("get_stop_failed", Situation::FailedStopped),
        ("get_canceled", Situation::FailedStopped),
        ("get_deleting", Situation::Deleting),
        ("get_updating_running", Situation::Busy),
        ("get_upgrading_running", Situation::Busy),
        ("get_powerstate_missing", Situation::Unknown),
    ];
    assert_covers("managed_cluster", &table.map(|(name, _)| name));
    for (name, situation) in table {
        let body = fixture(&format!("managed_cluster/{name}.json"));
        let script = Script::of([Ok(answer(200, &[], &body))]);
        let look = arm(&script).look(&id(), BUDGET).await.unwrap();
        let Found::Cluster(cluster) = look.found else { panic!("{name}") };
        assert_eq!(cluster.situation(), situation, "{name}");
        assert_eq!(cluster.id, id(), "{name}: the body spells it `resourcegroups`");
        assert_eq!(cluster.location.as_deref(), Some("westeurope"), "{name}");
        assert_eq!(cluster.sku_tier.as_deref(), Some("Standard"), "{name}");
        let is_private = name == "get_stopped_private";
        assert_eq!(cluster.private, Some(is_private), "{name}");
        assert_eq!(cluster.setup.has(Feature::PrivateApiServer), is_private, "{name}");
        assert_eq!(cluster.setup.region.as_deref(), Some("westeurope"), "{name}");
        assert_eq!(cluster.resource_uid.as_deref(), body["properties"]["resourceUID"].as_str(), "{name}");
        assert_eq!(
            cluster.kubernetes_version.as_deref(),
            body["properties"]["currentKubernetesVersion"].as_str(),
            "{name}"
        );
        assert_eq!(
            cluster.fault.as_deref(),
            body.pointer("/properties/status/provisioningError/code").and_then(serde_json::Value::as_str),
            "{name}"
        );
        let tenant = body.pointer("/identity/tenantId").and_then(serde_json::Value::as_str);
        assert_eq!(cluster.setup.tenant, tenant.and_then(TenantId::parse), "{name}");
        let tags = body["tags"].as_object().map_or(0, serde_json::Map::len);
        assert_eq!(cluster.tags.len(), tags, "{name}");
    }
}

/// What the caller does about an error.
fn kind(error: &ArmError) -> String {
    match error {
        ArmError::Unreachable(_) => "unreachable".to_owned(),
        ArmError::Wait(_) => "wait".to_owned(),
        ArmError::RetryAfter { after, .. } => format!("retry after {}", after.as_secs()),
        ArmError::Gone(_) => "gone".to_owned(),
        ArmError::Denied(_) => "denied".to_owned(),
        ArmError::Locked(_) => "locked".to_owned(),
        ArmError::Conflict(_) => "conflict".to_owned(),
        ArmError::Quota(_) => "quota".to_owned(),
        ArmError::Capacity(_) => "capacity".to_owned(),
        ArmError::Refused(_) => "refused".to_owned(),
        ArmError::NoToken(_) => "no token".to_owned(),
        ArmError::LeftAlone { after } => format!("left alone for {}", after.as_secs()),
        ArmError::Malformed(_) => "malformed".to_owned(),
    }
}

#[test]
fn every_error_is_told_apart_by_what_the_caller_does() {
    let table = [
        ("400_availability_set", "refused", "BadRequest", true),
        ("400_nap_stop_refused", "refused", "OperationNotAllowed", true),
        ("401_expired_token", "denied", "ExpiredAuthenticationToken", true),
        ("403_authorization_failed", "denied", "AuthorizationFailed", true),
        ("403_deny_assignment", "denied", "DenyAssignmentAuthorizationFailed", true),
        ("403_request_disallowed_by_policy", "denied", "RequestDisallowedByPolicy", true),
        ("404_resource_group_not_found", "gone", "ResourceGroupNotFound", false),
        ("404_resource_not_found", "gone", "ResourceNotFound", false),
        ("404_subscription_not_found", "gone", "SubscriptionNotFound", false),
        ("409_another_operation_in_progress", "conflict", "OperationNotAllowed", false),
        ("409_etag_mismatch", "conflict", "EtagMismatch", false),
        ("409_scope_locked", "locked", "ScopeLocked", true),
        ("409_start_already_running", "conflict", "OperationNotAllowed", false),
        ("409_start_while_starting", "conflict", "OperationNotAllowed", false),
        ("409_start_while_stopping", "conflict", "OperationNotAllowed", false),
        ("409_stop_not_running", "conflict", "OperationNotAllowed", false),
        ("412_precondition_failed", "conflict", "PreconditionFailed", false),
        ("429_aks_throttled", "retry after 53", "Throttled", false),
        ("429_arm_subscription_requests_throttled", "retry after 17", "SubscriptionRequestsThrottled", false),
        ("429_no_retry_after", "wait", "TooManyRequests", false),
        ("500_internal_plain_text", "wait", "", false),
        ("503_server_timeout", "retry after 10", "ServerTimeout", false),
        ("arm_terminal_failed_wrapping_rp_error", "conflict", "OriginalEtagNotExpect", false),
        ("sync_aks_capacity_heavy_usage", "capacity", "AksCapacityHeavyUsage", true),
        ("sync_quota_exceeded", "quota", "QuotaExceeded", true),
    ];
    assert_covers("errors", &table.map(|(name, ..)| name));
    let now = "2026-09-14T18:05:00Z".parse().unwrap();
    for (name, expected, code, needs_people) in table {
        let response = recorded(&fixture(&format!("errors/{name}.json")));
        let error = ArmError::from_response(&response, now);
        assert_eq!(kind(&error), expected, "{name}");
        assert_eq!(error.failure().unwrap().code.as_deref().unwrap_or_default(), code, "{name}");
        assert_eq!(error.needs_people(), needs_people, "{name}");
        assert!(error.advice().ends_with('.'), "{name}");
    }
}

#[test]
fn what_people_read_of_an_error_says_what_and_what_to_do() {
    let now = "2026-09-14T18:05:00Z".parse().unwrap();
    let told = |name: &str| {
        let error = ArmError::from_response(&recorded(&fixture(&format!("errors/{name}.json"))), now);
        format!("{error}\n{}", error.advice())
    };
    insta::assert_snapshot!(told("409_scope_locked"), @"
    a lock forbids it: 409 `ScopeLocked`: The scope '/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod-weu/providers/Microsoft.ContainerService/managedClusters/aks-prod-01' cannot perform write operation because following scope(s) are locked: '/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod-weu'. Please remove the lock and try again.
    Remove the read-only lock on the cluster, its group or its subscription.
    ");
    insta::assert_snapshot!(told("sync_quota_exceeded"), @"
    a quota is used up: 400 `QuotaExceeded`: Operation results in exceeding quota limits of Core. Maximum allowed: 10, Current in use: 8, Additional requested: 12.
    Raise the quota of the subscription, or free some of it.
    ");
    insta::assert_snapshot!(told("429_aks_throttled").lines().last().unwrap(), @"Wait: the guard tries again by itself.");
    insta::assert_snapshot!(told("403_request_disallowed_by_policy").lines().last().unwrap(), @"Find out what denies the start to the guard's identity: a missing role, a deny assignment or an Azure Policy.");
}

#[tokio::test(start_paused = true)]
async fn the_activity_log_is_read() {
    assert_covers("activity_log", &["empty", "stop_by_correlation_id"]);
    let at = |text: &str| text.parse().unwrap();
    let (since, until) = (at("2026-09-14T17:00:00Z"), at("2026-09-14T19:00:00Z"));

    let script = Script::of([Ok(answer(200, &[], &fixture("activity_log/empty.json")))]);
    let reading = arm(&script).power_operations(&id(), since, until, BUDGET).await.unwrap();
    assert_eq!(reading.operations, []);

    let script = Script::of([Ok(answer(200, &[], &fixture("activity_log/stop_by_correlation_id.json")))]);
    let reading = arm(&script).power_operations(&id(), since, until, BUDGET).await.unwrap();
    let [stop] = reading.operations.as_slice() else { panic!("{reading:?}") };
    assert_eq!(stop.verb, PowerVerb::Stop);
    assert_eq!(stop.began_at, at("2026-09-14T18:02:11.7Z"));
    assert_eq!(stop.last_seen_at, at("2026-09-14T18:04:28.9Z"));
    assert_eq!(stop.operation_id.as_deref(), Some("1ff32141-d442-4018-a700-5afd4eb3eed6"));
    assert_eq!(stop.correlation_id.as_deref(), Some("dd2135d9-9a79-4a78-ad1a-ae540fdf44e7"));
    assert_eq!(stop.caller.kind, CallerKind::User);
    assert_eq!(stop.caller.object_id.as_deref(), Some("11112222-bbbb-3333-cccc-4444dddd5555"));
    assert_eq!(stop.caller.app_id.as_deref(), Some("04b07795-8ddb-461a-bbee-02f9e1bf7b46"));
    assert_eq!(stop.caller.ip, Some("203.0.113.24".parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn every_recorded_exchange_that_the_client_has_calls_for_is_understood() {
    let (mut looks, mut logs, mut errors, mut accepted) = (0, 0, 0, 0);
    for name in names("recordings") {
        let recording = fixture(&format!("recordings/{name}"));
        for exchange in recording["exchanges"].as_array().unwrap() {
            let path = exchange["path"].as_str().unwrap().split('?').next().unwrap();
            let status = exchange["status"].as_u64().unwrap();
            let response = recorded(exchange);
            let script = Script::of([Ok(response.clone())]);
            let client = arm(&script);
            let is_get = exchange["method"] == "GET";
            let is_action = path.ends_with("/start") || path.ends_with("/stop");
            if status >= 400 {
                let error = ArmError::from_response(&response, "2023-12-08T06:29:35Z".parse().unwrap());
                assert!(error.failure().unwrap().code.is_some(), "{name} {path}");
                errors += 1;
            } else if let (Ok(cluster), true, 200) = (ClusterId::parse(path), is_get, status) {
                let look = client.look(&cluster, BUDGET).await.unwrap();
                let Found::Cluster(found) = look.found else { panic!("{name} {path}") };
                assert_ne!(found.situation(), Situation::Unknown, "{name} {path}");
                looks += 1;
            } else if path.ends_with("/eventtypes/management/values") {
                let (since, until) = ("2026-09-14T17:00:00Z", "2026-09-14T19:00:00Z");
                let reading = client
                    .power_operations(&id(), since.parse().unwrap(), until.parse().unwrap(), BUDGET)
                    .await;
                assert_eq!(reading.unwrap().operations, [], "{name} {path}");
                logs += 1;
            } else if is_action {
                let start = client.prepare_start(&id(), "nonce").await.unwrap();
                let reply = start.send(BUDGET).await;
                assert!(matches!(reply, aks_stop_guard::azure::StartReply::Accepted { .. }), "{name} {path}");
                accepted += 1;
            }
        }
    }
    assert_eq!((looks, logs, errors, accepted), (4, 2, 5, 5), "of {}", folder("recordings").display());
}
