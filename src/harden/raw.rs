//! JSON objects of which single members are changed while all others stay as Azure wrote them: their order, and each value byte for
//! byte, numbers and white space included. A resource that is written as a whole must lose nothing that this version doesn't know.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// An object, its members in order.
#[derive(Debug, Default)]
pub(super) struct RawObject(Vec<(String, Box<RawValue>)>);

impl RawObject {
    pub(super) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// A member, by its name without regard to case, as ARM reads names.
    pub(super) fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// The member at the end of a path, if everything on the way is there.
    pub(super) fn get_at(&self, path: &[&str]) -> Result<Option<Box<RawValue>>, serde_json::Error> {
        let Some((first, rest)) = path.split_first() else { return Ok(None) };
        match self.get(first) {
            Some(value) if rest.is_empty() => Ok(Some(value.to_owned())),
            Some(value) => Self::parse(value.get().as_bytes())?.get_at(rest),
            None => Ok(None),
        }
    }

    /// Sets a member where it stands, or at the end. No other spelling of its name stays: Azure must not read that one.
    pub(super) fn set(&mut self, name: &str, value: Box<RawValue>) {
        let place = self.0.iter().position(|(own, _)| own.eq_ignore_ascii_case(name));
        let spelling = place.and_then(|place| self.0.get(place)).map(|(own, _)| own.clone());
        self.remove(name);
        let place = place.unwrap_or(self.0.len()).min(self.0.len());
        self.0.insert(place, (spelling.unwrap_or_else(|| name.to_owned()), value));
    }

    /// Sets the member at the end of a path; objects that are missing or null on the way are made.
    pub(super) fn set_at(&mut self, path: &[&str], value: Box<RawValue>) -> Result<(), serde_json::Error> {
        let Some((first, rest)) = path.split_first() else { return Ok(()) };
        if rest.is_empty() {
            self.set(first, value);
            return Ok(());
        }
        let mut inner = match self.get(first) {
            Some(inner) if inner.get() != "null" => Self::parse(inner.get().as_bytes())?,
            Some(_) | None => Self::default(),
        };
        inner.set_at(rest, value)?;
        self.set(first, inner.to_raw()?);
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
    }

    pub(super) fn to_raw(&self) -> Result<Box<RawValue>, serde_json::Error> {
        raw(self)
    }
}

/// A value as JSON.
pub(super) fn raw<T: Serialize + ?Sized>(value: &T) -> Result<Box<RawValue>, serde_json::Error> {
    RawValue::from_string(serde_json::to_string(value)?)
}

impl Serialize for RawObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for RawObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = RawObject;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawObject, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(RawObject(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn changed(json: &str, path: &[&str], value: &str) -> String {
        let mut object = RawObject::parse(json.as_bytes()).unwrap();
        object.set_at(path, RawValue::from_string(value.to_owned()).unwrap()).unwrap();
        object.to_raw().unwrap().get().to_owned()
    }

    #[test]
    fn one_member_changes_and_every_other_byte_of_a_value_stays() {
        let json = r#"{"z":1.50,"Properties":{"b":[ 1,  12345678901234567890123, 1E2 ],"Ranges":["old"],"\u0061":"\u00e9"},"a":null}"#;
        assert_eq!(
            changed(json, &["properties", "ranges"], r#"["new"]"#),
            r#"{"z":1.50,"Properties":{"b":[ 1,  12345678901234567890123, 1E2 ],"Ranges":["new"],"a":"\u00e9"},"a":null}"#
        );
    }

    #[test]
    fn what_is_missing_or_null_on_the_way_is_made_and_a_second_spelling_goes() {
        assert_eq!(changed("{}", &["a", "b"], "1"), r#"{"a":{"b":1}}"#);
        assert_eq!(changed(r#"{"a":null,"c":2}"#, &["a", "b"], "1"), r#"{"a":{"b":1},"c":2}"#);
        assert_eq!(changed(r#"{"x":0,"A":1,"y":0,"a":2}"#, &["a"], "3"), r#"{"x":0,"A":3,"y":0}"#);
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        assert!(RawObject::parse(b"[]").is_err());
        let mut object = RawObject::parse(br#"{"a":[1]}"#).unwrap();
        assert!(object.set_at(&["a", "b"], raw(&1).unwrap()).is_err());
    }

    proptest! {
        #[test]
        fn members_keep_their_order_and_their_text(
            members in proptest::collection::btree_map("[a-z]{1,6}", "[0-9]{1,30}|\"[a-z ]{0,9}\"|\\[ *[0-9]* *\\]", 0..8),
        ) {
            let own: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let valid = members.values().all(|value| serde_json::from_str::<&RawValue>(value).is_ok());
            prop_assume!(valid);
            let json = format!("{{{}}}", own.join(","));
            let told = changed(&json, &["NEW-member"], "true");
            let comma = if own.is_empty() { "" } else { "," };
            prop_assert_eq!(told, format!("{{{}{comma}\"NEW-member\":true}}", own.join(",")));
        }
    }
}
