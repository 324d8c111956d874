//! ARM's body of a managed cluster, read into [`Cluster`].

use std::collections::BTreeSet;

use serde_json::Value;

use super::failure;
use super::resource::{at, kept, region, tags, word};
use crate::domain::{Cluster, ClusterId, Feature, Power, Provisioning, ResourceKind, Setup, TenantId};

/// What the names of sizes with GPUs begin with (source: Azure VM sizes, "GPU accelerated": the N series).
const GPU_SIZES: &str = "Standard_N";

/// Reads the body, which is that of `asked`.
pub(super) fn cluster(body: &Value, asked: &ClusterId) -> Cluster {
    Cluster {
        id: asked.clone(),
        resource_uid: kept(body, "/properties/resourceUID"),
        provisioning: Provisioning::parse(word(body, "/properties/provisioningState")),
        power: Power::parse(word(body, ResourceKind::ManagedCluster.power_at())),
        location: kept(body, "/location"),
        tags: tags(body),
        sku_tier: kept(body, "/sku/tier"),
        private: at(body, "/properties/apiServerAccessProfile/enablePrivateCluster").and_then(Value::as_bool),
        kubernetes_version: kept(body, "/properties/currentKubernetesVersion")
            .or_else(|| kept(body, "/properties/kubernetesVersion")),
        setup: setup(body),
        fault: at(body, "/properties/status/provisioningError").and_then(failure::code),
    }
}

fn setup(body: &Value) -> Setup {
    let tenant = at(body, "/identity/tenantId").and_then(Value::as_str);
    Setup { features: features(body), region: region(body), tenant: tenant.and_then(TenantId::parse) }
}

fn features(body: &Value) -> BTreeSet<Feature> {
    let is_true = |path: &str| at(body, path).and_then(Value::as_bool) == Some(true);
    let pools = at(body, "/properties/agentPoolProfiles").and_then(Value::as_array);
    let pools = pools.map(Vec::as_slice).unwrap_or_default();
    let a_pool_has = |member: &str, wanted: &dyn Fn(&Value) -> bool| {
        pools.iter().filter_map(|pool| pool.get(member)).any(wanted)
    };
    let begins = |value: &Value, prefix: &str| {
        let start = value.as_str().and_then(|text| text.get(..prefix.len()));
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let node_provisioning = at(body, "/properties/nodeProvisioningProfile/mode").and_then(Value::as_str);
    [
        (Feature::PrivateApiServer, is_true("/properties/apiServerAccessProfile/enablePrivateCluster")),
        (Feature::NodeProvisioning, node_provisioning.is_some_and(|mode| mode.eq_ignore_ascii_case("Auto"))),
        (Feature::Autoscaler, a_pool_has("enableAutoScaling", &|value| value.as_bool() == Some(true))),
        (Feature::Gpu, a_pool_has("vmSize", &|value| begins(value, GPU_SIZES))),
        (Feature::AiToolchain, is_true("/properties/aiToolchainOperatorProfile/enabled")),
        (Feature::AvailabilitySet, a_pool_has("type", &|value| begins(value, "AvailabilitySet"))),
    ]
    .into_iter()
    .filter_map(|(feature, is_there)| is_there.then_some(feature))
    .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::resource::{BodyError, TAG_VALUE_CHARS_MAX, TAGS_MAX, read};
    use super::*;

    const ID: &str = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks-1";

    fn asked() -> ClusterId {
        ClusterId::parse(ID).unwrap()
    }

    fn read_json(body: Value) -> Result<Cluster, BodyError> {
        read(body.to_string().as_bytes(), &asked())
    }

    #[test]
    fn another_cluster_in_the_body_is_an_error_and_another_spelling_is_not() {
        let shouted = read_json(json!({"id": ID.to_uppercase()})).unwrap();
        assert_eq!(shouted.id.to_string(), ID, "the asked spelling is kept");
        for other in [json!({"id": ID.replace("aks-1", "aks-2")}), json!({"id": null}), json!({}), json!([])]
        {
            assert!(matches!(read_json(other), Err(BodyError::OtherResource { .. })));
        }
    }

    #[test]
    fn states_that_are_missing_null_or_odd_are_unknown_and_never_stopped_or_running() {
        for properties in [
            json!(null),
            json!({}),
            json!({"provisioningState": null, "powerState": null}),
            json!({"provisioningState": 5, "powerState": "Stopped"}),
            json!({"provisioningState": "", "powerState": {"code": ["Stopped"]}}),
        ] {
            let cluster = read_json(json!({"id": ID, "properties": properties})).unwrap();
            assert_eq!((cluster.provisioning, cluster.power), (Provisioning::Unknown, Power::Unknown));
        }
    }

    #[test]
    fn tags_are_cleaned_and_bounded() {
        let mut tags: serde_json::Map<String, Value> =
            (0..80).map(|n| (format!("t{n:02}"), json!("v".repeat(400)))).collect();
        tags.insert("a\u{202e}".to_owned(), json!("x\n"));
        tags.insert("b".to_owned(), json!(7));
        let cluster = read_json(json!({"id": ID, "tags": tags})).unwrap();
        assert_eq!(cluster.tags.len(), TAGS_MAX);
        assert_eq!(cluster.tags.get("a\u{fffd}").map(String::as_str), Some("x\u{fffd}"));
        assert!(!cluster.tags.contains_key("b"));
        assert!(cluster.tags.values().all(|value| value.chars().count() <= TAG_VALUE_CHARS_MAX + 1));
    }

    #[test]
    fn what_makes_a_stop_special_is_read() {
        let cluster = read_json(json!({
            "id": ID,
            "location": "westeurope",
            "identity": {"type": "SystemAssigned", "tenantId": "11112222-BB1B-cc2c-dd3d-eeeeee4e4e4e"},
            "properties": {
                "apiServerAccessProfile": {"enablePrivateCluster": true},
                "nodeProvisioningProfile": {"mode": "Auto"},
                "aiToolchainOperatorProfile": {"enabled": true},
                "agentPoolProfiles": [
                    {"vmSize": "Standard_D4s_v5", "type": "VirtualMachineScaleSets", "enableAutoScaling": true},
                    {"vmSize": "standard_nc24ads_A100_v4", "type": "AvailabilitySet"},
                ],
            },
        }))
        .unwrap();
        let all = [
            Feature::PrivateApiServer,
            Feature::NodeProvisioning,
            Feature::Autoscaler,
            Feature::Gpu,
            Feature::AiToolchain,
            Feature::AvailabilitySet,
        ];
        assert_eq!(cluster.setup.features, BTreeSet::from(all));
        assert_eq!(cluster.setup.region.as_deref(), Some("westeurope"));
        assert_eq!(cluster.setup.tenant, TenantId::parse("11112222-bb1b-cc2c-dd3d-eeeeee4e4e4e"));
    }

    #[test]
    fn what_is_off_missing_or_odd_makes_a_cluster_plain() {
        let odd = json!({
            "id": ID,
            "location": "west europe; rm -rf /",
            "identity": {"tenantId": "contoso.com/#"},
            "properties": {
                "apiServerAccessProfile": {"enablePrivateCluster": "true"},
                "nodeProvisioningProfile": {"mode": "Manual"},
                "aiToolchainOperatorProfile": {"enabled": false},
                "agentPoolProfiles": [7, {"vmSize": "é", "type": null, "enableAutoScaling": "true"}, {"vmSize": ["Standard_N"]}],
                "status": {"provisioningError": {"message": "no code"}},
            },
        });
        for body in [odd, json!({"id": ID}), json!({"id": ID, "properties": {"agentPoolProfiles": {}}})] {
            let cluster = read_json(body).unwrap();
            assert_eq!((cluster.setup, cluster.fault), (Setup::default(), None));
        }
    }

    #[test]
    fn why_the_last_operation_failed_is_the_code_within() {
        let error = json!({"code": "ResourceOperationFailure", "message": "failed", "details": [{"code": "QuotaExceeded", "message": "m"}]});
        let body = json!({"id": ID, "properties": {"status": {"provisioningError": error}}});
        assert_eq!(read_json(body).unwrap().fault.as_deref(), Some("QuotaExceeded"));
    }

    proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..300), deep in 0usize..5_000) {
            let _ = read(&body, &asked());
            let _ = read("[".repeat(deep).as_bytes(), &asked());
        }
    }
}
