//! What must hold of every environment, whatever its shape.

use serde_json::{Value, json};

use crate::snapshot::{guards, shape, shapes, text};

const ACCOUNTS: &str = "Microsoft.Storage/storageAccounts";

#[test]
fn storage_has_no_keys_no_public_blobs_and_encrypts_its_way() {
    for shape in guards() {
        let accounts = shape.of(ACCOUNTS);
        assert_eq!(accounts.len(), 3, "{}", shape.name);
        for account in accounts {
            let properties = &account["properties"];
            for (member, expected) in [
                ("allowSharedKeyAccess", json!(false)),
                ("allowBlobPublicAccess", json!(false)),
                ("allowCrossTenantReplication", json!(false)),
                ("supportsHttpsTrafficOnly", json!(true)),
                ("minimumTlsVersion", json!("TLS1_2")),
            ] {
                assert_eq!(properties[member], expected, "{}: {member} of {}", shape.name, account["name"]);
            }
        }
        for container in shape.of("Microsoft.Storage/storageAccounts/blobServices/containers") {
            assert_eq!(container["properties"]["publicAccess"], "None");
        }
    }
}

/// Package, records and what Event Grid writes are in accounts of their own.
#[test]
fn package_state_and_events_are_apart() {
    for shape in guards() {
        let app = shape.only("Microsoft.Web/sites");
        let package = text(&app["properties"]["functionAppConfig"]["deployment"]["storage"]["value"]);
        let state = shape.app_setting("STOP_GUARD_STATE");
        let state = state.strip_prefix("azure://").unwrap().split('/').next().unwrap().to_owned();
        let host = shape.app_setting("AzureWebJobsStorage__accountName");
        assert!(package.contains(&host) && host != state && !package.contains(&state), "{}", shape.name);
        for queue in shape.of("Microsoft.Storage/storageAccounts/queueServices/queues") {
            let name = text(&queue["name"]);
            assert!(!name.starts_with(&host) && !name.starts_with(&state), "{}: {name}", shape.name);
        }
    }
}

#[test]
fn deleted_and_overwritten_blobs_can_be_brought_back() {
    for shape in guards() {
        for service in shape.of("Microsoft.Storage/storageAccounts/blobServices") {
            for kept in ["deleteRetentionPolicy", "containerDeleteRetentionPolicy"] {
                let policy = &service["properties"][kept];
                assert!(
                    policy["enabled"] == true && policy["days"].as_u64().unwrap() >= 7,
                    "{}: {policy}",
                    shape.name
                );
            }
        }
    }
}

#[test]
fn the_app_takes_https_only_and_no_passwords() {
    for shape in guards() {
        let app = &shape.only("Microsoft.Web/sites")["properties"];
        assert_eq!(app["httpsOnly"], true);
        assert_eq!(app["siteConfig"]["minTlsVersion"], "1.2");
        assert_eq!(app["siteConfig"]["scmMinTlsVersion"], "1.2");
        assert_eq!(app["siteConfig"]["ftpsState"], "Disabled");
        assert_eq!(app["siteConfig"]["remoteDebuggingEnabled"], false);
        let passwords = shape.of("Microsoft.Web/sites/basicPublishingCredentialsPolicies");
        assert_eq!(passwords.len(), 2, "{}", shape.name);
        assert!(passwords.iter().all(|policy| policy["properties"]["allow"] == false));
    }
}

#[test]
fn telemetry_takes_no_keys() {
    for shape in guards() {
        assert_eq!(shape.only("Microsoft.Insights/components")["properties"]["DisableLocalAuth"], true);
        for workspace in shape.of("Microsoft.OperationalInsights/workspaces") {
            assert_eq!(workspace["properties"]["features"]["disableLocalAuth"], true, "{}", shape.name);
        }
    }
}

#[test]
fn where_an_environment_is_private_nothing_is_public() {
    let mut private = 0;
    for shape in guards().into_iter().filter(|shape| shape.is_private()) {
        private += 1;
        for account in shape.of(ACCOUNTS) {
            let properties = &account["properties"];
            assert_eq!(properties["publicNetworkAccess"], "Disabled", "{}", account["name"]);
            assert_eq!(properties["networkAcls"]["defaultAction"], "Deny", "{}", account["name"]);
            // Event Grid comes as a service that the platform trusts; nobody comes so to the package or the records.
            let expected =
                if text(&account["name"]).starts_with("stsgevents") { "AzureServices" } else { "None" };
            assert_eq!(properties["networkAcls"]["bypass"], expected, "{}", account["name"]);
        }
        let endpoints: Vec<_> =
            shape.of("Microsoft.Network/privateEndpoints").iter().map(|each| reached(each)).collect();
        let expected = [
            "stsghost blob",
            "stsghost table",
            "stsgstate blob",
            "stsgevents queue",
            "stsgevents blob",
            "func sites",
        ];
        assert_eq!(endpoints, expected, "{}", shape.name);
        for subnet in shape
            .of("Microsoft.Network/virtualNetworks")
            .iter()
            .flat_map(|network| network["properties"]["subnets"].as_array().unwrap())
        {
            assert_eq!(subnet["properties"]["defaultOutboundAccess"], false, "{}", subnet["name"]);
            assert!(subnet["properties"]["networkSecurityGroup"].is_object(), "{}", subnet["name"]);
        }
        let app = shape.only("Microsoft.Web/sites");
        assert!(text(&app["properties"]["virtualNetworkSubnetId"]).ends_with("/subnets/app"));
    }
    assert!(private > 0, "no shape is private");
}

/// `stsghost… blob`, in short.
fn reached(endpoint: &Value) -> String {
    let connection = &endpoint["properties"]["privateLinkServiceConnections"][0]["properties"];
    let resource = text(&connection["privateLinkServiceId"]).rsplit('/').next().unwrap();
    let known = ["stsghost", "stsgstate", "stsgevents", "func"];
    let kind = known.into_iter().find(|start| resource.starts_with(start)).unwrap_or(resource);
    format!("{kind} {}", text(&connection["groupIds"][0]))
}

/// `several` asks for locks and for cases that can't be changed; `single` doesn't.
#[test]
fn locks_and_immutable_cases_are_there_where_asked() {
    let several = shape("several");
    let locks = several.of("Microsoft.Authorization/locks");
    assert!(locks.len() >= 2, "the guard's group and a topic's");
    assert!(locks.iter().all(|lock| lock["properties"]["level"] == "CanNotDelete"));
    let immutable =
        several.only("Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies");
    assert_eq!(text(&immutable["name"]).split('/').nth(2), Some("stop-guard-cases"));
    assert_eq!(immutable["properties"]["immutabilityPeriodSinceCreationInDays"], 365);
    assert!(shape("single").of("Microsoft.Authorization/locks").is_empty());
}

/// A region's name is in no template, an environment's in every name that has to be unique in a tenant.
#[test]
fn environments_share_nothing() {
    let mut seen = std::collections::BTreeSet::new();
    for shape in guards() {
        for kind in [ACCOUNTS, "Microsoft.Web/sites", "Microsoft.ManagedIdentity/userAssignedIdentities"] {
            for resource in shape.of(kind) {
                assert!(seen.insert(text(&resource["id"]).to_owned()), "{}: {}", shape.name, resource["id"]);
            }
        }
    }
}

#[test]
fn everything_that_can_be_tagged_says_whose_it_is() {
    for shape in shapes() {
        for kind in [
            ACCOUNTS,
            "Microsoft.Web/sites",
            "Microsoft.EventGrid/systemTopics",
            "Microsoft.Insights/components",
        ] {
            for resource in shape.of(kind) {
                assert_eq!(
                    text(&resource["tags"]["azd-env-name"]),
                    shape_environment(&shape.name),
                    "{}",
                    resource["name"]
                );
            }
        }
    }
}

/// The environment's name in `infra/shapes`.
fn shape_environment(shape: &str) -> &str {
    shape.split('-').next().unwrap_or(shape)
}
