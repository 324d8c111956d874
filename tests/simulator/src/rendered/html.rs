//! HTML as a browser reads it, as far as elements, addresses and text go.

use super::Shown;

/// Attributes whose value is fetched at once.
const FETCHED: [&str; 5] = ["src", "srcset", "background", "poster", "data"];
/// Attributes whose value is opened by a click.
const OPENED: [&str; 4] = ["href", "action", "formaction", "xlink:href"];
/// Named character references that can build a link, a tag or a mention, and those that are common.
const NAMED: [(&str, char); 16] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", ' '),
    ("colon", ':'),
    ("period", '.'),
    ("sol", '/'),
    ("commat", '@'),
    ("lpar", '('),
    ("rpar", ')'),
    ("lsqb", '['),
    ("rsqb", ']'),
    ("Tab", '\t'),
    ("NewLine", '\n'),
];

/// Shows an HTML text.
pub(super) fn show(shown: &mut Shown, source: &str) {
    let mut text = String::new();
    let mut rest = source;
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        match tag(from) {
            Some((tag, after)) => {
                element(shown, tag);
                rest = after;
            }
            None => {
                text.push('<');
                rest = from.strip_prefix('<').unwrap_or_default();
            }
        }
    }
    text.push_str(rest);
    let text = decoded(&text);
    shown.linked(&text);
    shown.read(&text);
}

/// Names, links and pictures of the tags alone, without the text around.
pub(super) fn elements(shown: &mut Shown, source: &str) {
    let mut rest = source;
    while let Some((_, from)) = rest.find('<').map(|at| rest.split_at(at)) {
        rest = match tag(from) {
            Some((tag, after)) => {
                element(shown, tag);
                after
            }
            None => from.strip_prefix('<').unwrap_or_default(),
        };
    }
}

/// What is between `<` and `>`, and what follows. A `<` that no letter, slash, `!` or `?` follows is a text.
fn tag(from: &str) -> Option<(&str, &str)> {
    let inside = from.strip_prefix('<')?;
    inside.starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c)).then_some(())?;
    if let Some(comment) = inside.strip_prefix("!--") {
        return Some(("!--", comment.split_once("-->").map_or("", |(_, after)| after)));
    }
    let mut quote = None;
    for (at, c) in inside.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '>') => return Some((inside.get(..at)?, inside.get(at + 1..)?)),
            _ => {}
        }
    }
    // A browser that finds no end drops the rest; what follows in a larger page would end it.
    Some((inside, ""))
}

fn element(shown: &mut Shown, tag: &str) {
    let name_end = tag.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(tag.len());
    let (name, attributes) = tag.split_at(name_end);
    shown.elements.push(name.trim_end_matches('/').to_lowercase());
    for (name, value) in attribute_pairs(attributes) {
        if OPENED.contains(&name.as_str()) {
            shown.links.push(decoded(&value));
        } else if FETCHED.contains(&name.as_str()) {
            shown.images.push(decoded(&value));
        } else if name.starts_with("on") || name == "style" {
            shown.markup.push(format!("attribute {name}"));
        }
    }
}

fn attribute_pairs(attributes: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = attributes.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
    while !rest.is_empty() {
        let name_end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
        let (name, after) = rest.split_at(name_end.max(1).min(rest.len()));
        let (value, after) = match after.trim_start().strip_prefix('=') {
            None => ("", after),
            Some(value) => attribute_value(value.trim_start()),
        };
        pairs.push((name.to_lowercase(), value.to_owned()));
        rest = after.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
    }
    pairs
}

fn attribute_value(from: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(quoted) = from.strip_prefix(quote) {
            return quoted.split_once(quote).unwrap_or((quoted, ""));
        }
    }
    from.split_at(from.find(char::is_whitespace).unwrap_or(from.len()))
}

/// Resolves character references.
pub(super) fn decoded(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let (character, after) = reference(from).unwrap_or(('&', from.strip_prefix('&').unwrap_or_default()));
        out.push(character);
        rest = after;
    }
    out + rest
}

fn reference(from: &str) -> Option<(char, &str)> {
    let (name, after) = from.strip_prefix('&')?.split_once(';')?;
    let code = match name.strip_prefix('#') {
        None => {
            return NAMED.iter().find(|(known, _)| *known == name).map(|(_, character)| (*character, after));
        }
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
            None => number.parse().ok()?,
        },
    };
    Some((char::from_u32(code)?, after))
}
