//! ARM's body of a managed cluster, read into [`Cluster`].

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::{Cluster, ClusterId, Power, Provisioning, text};

/// Most tags that are read: as many as a resource can have (source: Azure tag limits, 50 a resource).
pub const TAGS_MAX: usize = 50;
/// Longest tag name that is kept, characters (source: Azure tag limits).
const TAG_NAME_CHARS_MAX: usize = 512;
/// Longest tag value that is kept, characters (source: Azure tag limits).
const TAG_VALUE_CHARS_MAX: usize = 256;
/// Longest other text that is kept, characters: regions, versions, unique ids are far shorter.
const WORD_CHARS_MAX: usize = 100;

/// Why a body is not the cluster that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not JSON, or nested too deep.
    #[error("the body is not json")]
    NotJson,
    /// It names another resource, or none.
    #[error("the body is not that of `{asked}` but of `{found}`")]
    OtherResource {
        /// What was asked for.
        asked: String,
        /// What the body says it is.
        found: String,
    },
}

/// Reads a cluster. Members that are unknown, missing, null or of another type than documented are passed over: a state
/// that can't be read is `Unknown`, which leads to no start.
pub fn read(body: &[u8], asked: &ClusterId) -> Result<Cluster, BodyError> {
    let body: Value = serde_json::from_slice(body).map_err(|_| BodyError::NotJson)?;
    let found = body.get("id").and_then(Value::as_str).unwrap_or_default();
    if ClusterId::parse(found).ok().as_ref() != Some(asked) {
        let found = text::clean(found, 200);
        return Err(BodyError::OtherResource { asked: asked.to_string(), found });
    }
    let word = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).filter(|word| !word.is_empty());
    let kept = |pointer: &str| word(pointer).map(|word| text::clean(word, WORD_CHARS_MAX));
    Ok(Cluster {
        id: asked.clone(),
        resource_uid: kept("/properties/resourceUID"),
        provisioning: Provisioning::parse(word("/properties/provisioningState")),
        power: Power::parse(word("/properties/powerState/code")),
        location: kept("/location"),
        tags: tags(body.get("tags")),
        sku_tier: kept("/sku/tier"),
        private: body
            .pointer("/properties/apiServerAccessProfile/enablePrivateCluster")
            .and_then(Value::as_bool),
        kubernetes_version: kept("/properties/currentKubernetesVersion")
            .or_else(|| kept("/properties/kubernetesVersion")),
    })
}

fn tags(tags: Option<&Value>) -> BTreeMap<String, String> {
    let Some(tags) = tags.and_then(Value::as_object) else { return BTreeMap::new() };
    let by_name: BTreeMap<&String, &str> =
        tags.iter().filter_map(|(name, value)| Some((name, value.as_str()?))).collect();
    by_name
        .into_iter()
        .take(TAGS_MAX)
        .map(|(name, value)| (text::clean(name, TAG_NAME_CHARS_MAX), text::clean(value, TAG_VALUE_CHARS_MAX)))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

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

    proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..300), deep in 0usize..5_000) {
            let _ = read(&body, &asked());
            let _ = read("[".repeat(deep).as_bytes(), &asked());
        }
    }
}
