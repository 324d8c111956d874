//! Reads a JSON text, and keeps of it what is read of a resource. ARM's body of a cluster has several kilobytes, and most of it (node
//! pools, network, add-ons) is nothing that a look asks for: making a tree of that would be most of reading it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The members that are kept, at whatever depth. What [`super::managed_cluster`] and [`super::container_group`] read has to be here.
const KEPT: [&str; 27] = [
    "id",
    "location",
    "tags",
    "sku",
    "tier",
    "identity",
    "tenantId",
    "properties",
    "resourceUID",
    "provisioningState",
    "powerState",
    "code",
    "instanceView",
    "state",
    "currentKubernetesVersion",
    "kubernetesVersion",
    "apiServerAccessProfile",
    "enablePrivateCluster",
    "nodeProvisioningProfile",
    "mode",
    "aiToolchainOperatorProfile",
    "enabled",
    "agentPoolProfiles",
    "enableAutoScaling",
    "vmSize",
    "type",
    "status",
];
/// The members that are kept with all that is in them.
const KEPT_WHOLE: [&str; 2] = ["tags", PROVISIONING_ERROR];
const PROVISIONING_ERROR: &str = "provisioningError";

/// Reads a text that is JSON, all of it. Members that are not kept are checked to be JSON, however deep they are.
pub(super) fn read(json: &[u8]) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let kept = Tree { whole: false }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(kept)
}

/// A value, or what is kept of it.
#[derive(Clone, Copy)]
struct Tree {
    whole: bool,
}

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Value, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(kept) = map.next_key_seed(Name { all: self.whole })? {
            let Some(name) = kept else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let whole = self.whole || KEPT_WHOLE.contains(&name.as_str());
            let value = map.next_value_seed(Self { whole })?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

/// A member's name, if it is kept.
struct Name {
    all: bool,
}

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Option<String>, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<String>, E> {
        let is_kept = self.all || name == PROVISIONING_ERROR || KEPT.contains(&name);
        Ok(is_kept.then(|| name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn pruned(value: &Value) -> Value {
        read(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn what_is_kept_stays_as_it_is_and_what_is_not_goes() {
        let body = json!({
            "id": "x",
            "etag": {"deep": [1, {"id": "not seen"}]},
            "tags": {"any": "name", "odd": [1, null]},
            "properties": {
                "powerState": {"code": "Stopped", "other": 1},
                "agentPoolProfiles": [{"vmSize": "a", "count": 3}, 7, -7, 1.5, true, null],
                "status": {"provisioningError": {"code": "A", "details": [{"code": "B", "target": "t"}]}},
            },
        });
        let kept = json!({
            "id": "x",
            "tags": {"any": "name", "odd": [1, null]},
            "properties": {
                "powerState": {"code": "Stopped"},
                "agentPoolProfiles": [{"vmSize": "a"}, 7, -7, 1.5, true, null],
                "status": {"provisioningError": {"code": "A", "details": [{"code": "B", "target": "t"}]}},
            },
        });
        assert_eq!(pruned(&body), kept);
    }

    #[test]
    fn what_is_no_json_is_none_where_nothing_is_kept_either() {
        for no_json in [r#"{"etag": tru}"#, r#"{"etag": {"a": }}"#, r#"{"etag": 1} x"#, r#"{"etag": 1"#, ""] {
            assert!(read(no_json.as_bytes()).is_err(), "{no_json}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(|number: f64| json!(number)),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let name = prop_oneof![Just("id".to_owned()), Just("tier".to_owned()), ".{0,4}"];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(name, inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_kept_whole_is_read_as_any_reader_reads_it(tags in any_json()) {
            let body = json!({"tags": tags});
            let read: Value = serde_json::from_str(&body.to_string()).unwrap();
            prop_assert_eq!(pruned(&body), read);
        }
    }
}
