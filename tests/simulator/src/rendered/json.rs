//! Walks through JSON: its strings, and its structure.

use serde_json::Value;

use super::Shown;

/// What a program reads out of JSON: its members, and texts that nothing is made of.
pub fn program(message: &Value) -> Shown {
    let mut shown = Shown::default();
    structure(&mut shown, message);
    for_each_text(message, &mut |_, text| shown.read(text));
    shown
}

/// Notes the path of each member. A list's entries share one, since a long text may leave room for fewer of them.
pub(super) fn structure(shown: &mut Shown, message: &Value) {
    walk(message, &mut String::new(), &mut |path, _| shown.structure.push(path.to_owned()));
    shown.structure.sort();
    shown.structure.dedup();
}

/// Calls it with the path and the text of each string.
pub(super) fn for_each_text(message: &Value, each: &mut impl FnMut(&str, &str)) {
    walk(message, &mut String::new(), &mut |path, value| {
        if let Value::String(text) = value {
            each(path, text);
        }
    });
}

fn walk(value: &Value, path: &mut String, each: &mut impl FnMut(&str, &Value)) {
    each(path, value);
    let length = path.len();
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                path.push('/');
                path.push_str(name);
                walk(member, path, each);
                path.truncate(length);
            }
        }
        Value::Array(entries) => {
            path.push_str("/*");
            for entry in entries {
                walk(entry, path, each);
            }
            path.truncate(length);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
