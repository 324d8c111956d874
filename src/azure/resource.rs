//! Reads the body of a GET of a guarded resource into [`Cluster`], by its kind.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{container_group, managed_cluster, pruned};
use crate::domain::{Cluster, ClusterId, ResourceKind, text};

/// Most tags that are read: as many as a resource can have (source: Azure tag limits, 50 a resource).
pub const TAGS_MAX: usize = 50;
/// Longest tag name that is kept, characters (source: Azure tag limits).
const TAG_NAME_CHARS_MAX: usize = 512;
/// Longest tag value that is kept, characters (source: Azure tag limits).
pub(super) const TAG_VALUE_CHARS_MAX: usize = 256;
/// Longest other text that is kept, characters: regions, versions, unique ids are far shorter.
const WORD_CHARS_MAX: usize = 100;
/// Longest name of a region. The longest there is has 18 characters.
const REGION_CHARS_MAX: usize = 40;

/// Why a body is not the resource that was asked for.
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

/// Reads a resource. Members that are unknown, missing, null or of another type than documented are passed over: a state
/// that can't be read is `Unknown`, which leads to no start.
pub fn read(body: &[u8], asked: &ClusterId) -> Result<Cluster, BodyError> {
    let body = pruned::read(body).map_err(|_| BodyError::NotJson)?;
    let found = body.get("id").and_then(Value::as_str).unwrap_or_default();
    if !asked.is_called(found) {
        let found = text::clean(found, 200);
        return Err(BodyError::OtherResource { asked: asked.to_string(), found });
    }
    Ok(match asked.kind() {
        ResourceKind::ManagedCluster => managed_cluster::cluster(&body, asked),
        ResourceKind::ContainerGroup => container_group::cluster(&body, asked),
    })
}

/// The member at a path of names, each behind a slash. (`Value::pointer` has escapes, and copies each name for them.)
pub(super) fn at<'b>(body: &'b Value, path: &str) -> Option<&'b Value> {
    path.split('/').skip(1).try_fold(body, |value, name| value.get(name))
}

/// A string with something in it.
pub(super) fn word<'b>(body: &'b Value, path: &str) -> Option<&'b str> {
    at(body, path).and_then(Value::as_str).filter(|word| !word.is_empty())
}

/// The same, cleaned and bounded.
pub(super) fn kept(body: &Value, path: &str) -> Option<String> {
    word(body, path).map(|word| text::clean(word, WORD_CHARS_MAX))
}

/// Its region, if ARM names it by a word of letters and digits.
pub(super) fn region(body: &Value) -> Option<String> {
    let is_region =
        |word: &&str| word.len() <= REGION_CHARS_MAX && word.bytes().all(|b| b.is_ascii_alphanumeric());
    word(body, "/location").filter(is_region).map(str::to_owned)
}

pub(super) fn tags(body: &Value) -> BTreeMap<String, String> {
    let Some(tags) = body.get("tags").and_then(Value::as_object) else { return BTreeMap::new() };
    let by_name: BTreeMap<&String, &str> =
        tags.iter().filter_map(|(name, value)| Some((name, value.as_str()?))).collect();
    by_name
        .into_iter()
        .take(TAGS_MAX)
        .map(|(name, value)| (text::clean(name, TAG_NAME_CHARS_MAX), text::clean(value, TAG_VALUE_CHARS_MAX)))
        .collect()
}
