//! Picks members out of JSON text without building a tree of the rest.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Finds the members called `names` in the JSON object `json`, as text. Everything else is checked to be JSON and
/// skipped, however deep or long it is, without memory or stack for it. Names are compared as `same` says; of members
/// that are given twice the last counts, as in most JSON readers. A member that is `null` counts as missing.
pub(super) fn pick<'a, const N: usize>(
    json: &'a str,
    names: &[&str; N],
    same: fn(&str, &str) -> bool,
) -> Result<[Option<&'a RawValue>; N], serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let found = reader.deserialize_map(Members { names, same })?;
    reader.end()?;
    Ok(found.map(|member| member.filter(|value| value.get() != "null")))
}

/// How many elements a JSON array has, as far as that matters.
pub(super) enum Elements<'a> {
    None,
    One(&'a RawValue),
    Several,
}

/// Looks at the JSON array `json`; only its first element is kept.
pub(super) fn elements(json: &str) -> Result<Elements<'_>, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let found = reader.deserialize_seq(ElementsVisitor)?;
    reader.end()?;
    Ok(found)
}

struct ElementsVisitor;

impl<'de> Visitor<'de> for ElementsVisitor {
    type Value = Elements<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let Some(first) = seq.next_element::<&'de RawValue>()? else { return Ok(Elements::None) };
        let mut found = Elements::One(first);
        while seq.next_element::<IgnoredAny>()?.is_some() {
            found = Elements::Several;
        }
        Ok(found)
    }
}

/// The text of a string; `None` for any other value, and for a string that no Unicode text can hold.
pub(super) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let json = value.get();
    let inner = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'))?;
    if inner.contains('\\') {
        serde_json::from_str(json).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

struct Members<'n, const N: usize> {
    names: &'n [&'n str; N],
    same: fn(&str, &str) -> bool,
}

impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(index) = map.next_key_seed(Name { names: self.names, same: self.same })? {
            match index.and_then(|index| found.get_mut(index)) {
                Some(slot) => *slot = Some(map.next_value::<&'de RawValue>()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// Reads a member's name as its place in `names`. As bytes, so that a name that isn't Unicode can be skipped too.
struct Name<'n, const N: usize> {
    names: &'n [&'n str; N],
    same: fn(&str, &str) -> bool,
}

impl<const N: usize> Name<'_, N> {
    fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|wanted| (self.same)(wanted, name))
    }
}

impl<'de, const N: usize> DeserializeSeed<'de> for Name<'_, N> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Self::Value, D::Error> {
        key.deserialize_bytes(self)
    }
}

impl<const N: usize> Visitor<'_> for Name<'_, N> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(std::str::from_utf8(name).ok().and_then(|name| self.find(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.find(name))
    }
}
