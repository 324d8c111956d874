//! The one expression that a snapshot leaves unevaluated and a test has to read: an object put together of others, some of whose values
//! are known only when the resources exist: `[union(createObject('A', 'x', 'B', reference(…).y), …)]`.

use std::collections::BTreeMap;

/// A value in such an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// Known now.
    Text(String),
    /// An expression that is evaluated later.
    Later(String),
}

/// Reads the expression. Later objects win, as in `union`; the parameter `settings` is secure and shown nowhere.
pub(crate) fn object_of(expression: &str) -> BTreeMap<String, Word> {
    let inner = expression.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).expect("an expression");
    read(inner)
}

fn read(expression: &str) -> BTreeMap<String, Word> {
    if let Some(arguments) = call(expression, "union") {
        return arguments.iter().flat_map(|argument| read(argument)).collect();
    }
    if expression == "parameters('settings')" {
        return BTreeMap::new();
    }
    let arguments = call(expression, "createObject").unwrap_or_else(|| panic!("no object: {expression}"));
    arguments.chunks(2).map(|pair| (literal(&pair[0]).expect("a name"), word(&pair[1]))).collect()
}

fn word(argument: &str) -> Word {
    literal(argument).map_or_else(|| Word::Later(argument.to_owned()), Word::Text)
}

/// `'it''s'` is `it's`.
fn literal(argument: &str) -> Option<String> {
    let inner = argument.strip_prefix('\'')?.strip_suffix('\'')?;
    let text = inner.replace("''", "\0");
    (!text.contains('\'')).then(|| text.replace('\0', "'"))
}

/// The arguments, if the whole expression is a call of this function.
fn call(expression: &str, function: &str) -> Option<Vec<String>> {
    let inner = expression.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')')?;
    let (mut depth, mut quoted) = (0, false);
    let mut arguments = vec![String::new()];
    for character in inner.chars() {
        match character {
            '\'' => quoted = !quoted,
            '(' | '[' if !quoted => depth += 1,
            ')' | ']' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            _ => {}
        }
        arguments.last_mut()?.push(character);
    }
    let arguments = arguments.iter().map(|argument| argument.trim().to_owned());
    Some(arguments.filter(|argument| !argument.is_empty()).collect())
}

#[test]
fn an_object_of_objects_is_read() {
    let read = object_of(
        "[union(union(createObject('A', 'it''s, (1)', 'B', if(equals(x().y, 'q'), 'r', 's')), parameters('settings')), createObject('B', 'b'), createObject())]",
    );
    let expected =
        [("A".to_owned(), Word::Text("it's, (1)".to_owned())), ("B".to_owned(), Word::Text("b".to_owned()))];
    assert_eq!(read, BTreeMap::from(expected));
    let read = object_of("[createObject('A', reference('/x', '1').y)]");
    assert_eq!(read["A"], Word::Later("reference('/x', '1').y".to_owned()));
}
