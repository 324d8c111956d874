//! Members of ARM's bodies: names are compared without case, texts are made safe to show, and what is missing, null or of another
//! type than documented is absent.

use serde_json::Value;

use crate::domain::{ResourceId, text};

/// Longest text that is kept, in characters: a resource id has less.
const WORD_CHARS_MAX: usize = 400;
/// Most texts of one list that are kept: a network rule has 4,000 addresses at most (source: Azure subscription limits).
const WORDS_MAX: usize = 4_000;

/// The member at the end of a path.
pub(crate) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| {
        let members = value.as_object()?;
        let same = || members.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        members.get(*name).or_else(same)
    })
}

/// A text, if there is one that is not empty.
pub(crate) fn word(value: &Value, path: &[&str]) -> Option<String> {
    at(value, path).and_then(Value::as_str).and_then(clean)
}

/// The texts of a list.
pub(crate) fn words(value: &Value, path: &[&str]) -> Vec<String> {
    let list = at(value, path).and_then(Value::as_array);
    list.into_iter().flatten().take(WORDS_MAX).filter_map(|item| item.as_str().and_then(clean)).collect()
}

/// The rows of a list.
pub(crate) fn rows<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    at(value, path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A truth value, also where Azure writes it as a text (`"True"`).
pub(crate) fn truth(value: &Value, path: &[&str]) -> Option<bool> {
    let found = at(value, path)?;
    let text = || found.as_str().and_then(|text| text.to_ascii_lowercase().parse().ok());
    found.as_bool().or_else(text)
}

/// The id of a resource, if it is one of this type.
pub(crate) fn id_of(kind: &str, id: &str) -> Option<ResourceId> {
    ResourceId::parse(id).ok().filter(|id| id.is_a(kind))
}

fn clean(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text::clean(text, WORD_CHARS_MAX))
}
