//! JSON as the Functions host reads and writes it.
//!
//! The host's JSON library keeps the order of members and the digits of whole numbers, and writes fractions in its own
//! way (`1.10` becomes `1.1`, `1e3` becomes `1000.0`). The handler's body holds JSON inside strings, where order and
//! spelling are visible, so a parser that sorts members or rounds numbers could not reproduce a recorded body.

use std::fmt::Write as _;

/// Deepest nesting the host reads. The JSON library of the host stops at 64 levels by default.
const MAX_DEPTH: usize = 64;

/// A JSON value that remembers the order of its members and the spelling of its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as its text.
    Number(String),
    /// A string, unescaped.
    Text(String),
    /// An array.
    Array(Vec<Value>),
    /// An object; a repeated name keeps its first place and its last value.
    Object(Vec<(String, Value)>),
}

/// Why a text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text breaks the grammar at this byte.
    #[error("not JSON at byte {0}")]
    Syntax(usize),
    /// Nested deeper than the host reads.
    #[error("nested deeper than {MAX_DEPTH} levels at byte {0}")]
    Depth(usize),
}

impl Value {
    /// A text value.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    /// Reads a text that is one JSON value and nothing else.
    pub fn parse(text: &str) -> Result<Value, JsonError> {
        let (value, rest) = Value::parse_first(text)?;
        if rest.trim_start_matches(is_space).is_empty() {
            Ok(value)
        } else {
            Err(JsonError::Syntax(text.len() - rest.len()))
        }
    }

    /// Reads the first JSON value of a text and returns what follows it.
    ///
    /// The host reads a handler's answer this way: what follows a complete value is ignored.
    pub fn parse_first(text: &str) -> Result<(Value, &str), JsonError> {
        let mut parser = Parser { text, at: 0 };
        let value = parser.value(0)?;
        Ok((value, text.get(parser.at..).unwrap_or_default()))
    }

    /// The member of an object, by its exact name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members()?.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The member of an object, by its name in any case.
    #[must_use]
    pub fn get_ignoring_case(&self, name: &str) -> Option<&Value> {
        self.members()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The members, if it is an object.
    #[must_use]
    pub fn members(&self) -> Option<&[(String, Value)]> {
        match self {
            Value::Object(members) => Some(members),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Array(_) => None,
        }
    }

    /// The same value with every string passed through `change`.
    #[must_use]
    pub fn map_texts(self, change: &impl Fn(String) -> String) -> Value {
        match self {
            Value::Text(text) => Value::Text(change(text)),
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| item.map_texts(change)).collect())
            }
            Value::Object(members) => Value::Object(
                members.into_iter().map(|(name, value)| (name, value.map_texts(change))).collect(),
            ),
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
        }
    }

    /// Compact JSON, as the host posts it.
    #[must_use]
    pub fn compact(&self) -> String {
        let mut out = String::new();
        write_value(&mut out, self, None);
        out
    }

    /// Indented JSON, as the host prints an object given as the body of an HTTP answer.
    #[must_use]
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        write_value(&mut out, self, Some(0));
        out
    }
}

/// Sets a member, in its old place when the name is there already.
pub(crate) fn set(members: &mut Vec<(String, Value)>, name: &str, value: Value) {
    match members.iter_mut().find(|(key, _)| key == name) {
        Some((_, old)) => *old = value,
        None => members.push((name.to_owned(), value)),
    }
}

fn write_value(out: &mut String, value: &Value, indent: Option<usize>) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(digits) => out.push_str(&host_number(digits)),
        Value::Text(text) => write_text(out, text),
        Value::Array(items) => write_list(out, ('[', ']'), items, indent, write_value),
        Value::Object(members) => {
            write_list(out, ('{', '}'), members, indent, |out, (name, value), indent| {
                write_text(out, name);
                out.push_str(if indent.is_some() { ": " } else { ":" });
                write_value(out, value, indent);
            })
        }
    }
}

fn write_list<T>(
    out: &mut String,
    (open, close): (char, char),
    items: &[T],
    indent: Option<usize>,
    write_item: impl Fn(&mut String, &T, Option<usize>),
) {
    let inner = indent.map(|depth| depth + 1);
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        new_line(out, inner);
        write_item(out, item, inner);
    }
    if !items.is_empty() {
        new_line(out, indent);
    }
    out.push(close);
}

fn new_line(out: &mut String, indent: Option<usize>) {
    if let Some(depth) = indent {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    }
}

/// Whole numbers as they were; fractions as the shortest text that reads back, always with a decimal point.
fn host_number(digits: &str) -> String {
    let whole = !digits.contains(['.', 'e', 'E']);
    match digits.parse::<f64>() {
        Ok(number) if !whole && number.is_finite() => format!("{number:?}"),
        Ok(_) | Err(_) => digits.to_owned(),
    }
}

/// The three line separators beyond ASCII are escaped by the host's JSON library, all else beyond ASCII is not.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{0}'..='\u{1f}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                // Writing to a `String` cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\u{feff}')
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        if depth > MAX_DEPTH {
            return Err(JsonError::Depth(self.at));
        }
        self.skip_space();
        match self.peek() {
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some('"') => Ok(Value::Text(self.string()?)),
            Some('-' | '0'..='9') => self.number(),
            Some(_) | None => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.expect('{')?;
        let mut members = Vec::new();
        self.skip_space();
        if self.take_if('}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_space();
            let name = self.string()?;
            self.skip_space();
            self.expect(':')?;
            let value = self.value(depth + 1)?;
            set(&mut members, &name, value);
            self.skip_space();
            if !self.take_if(',') {
                self.expect('}')?;
                return Ok(Value::Object(members));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.expect('[')?;
        let mut items = Vec::new();
        self.skip_space();
        if self.take_if(']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if !self.take_if(',') {
                self.expect(']')?;
                return Ok(Value::Array(items));
            }
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.expect('"')?;
        let mut out = String::new();
        loop {
            match self.next()? {
                '"' => return Ok(out),
                '\\' => out.push(self.escape()?),
                plain => out.push(plain),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        match self.next()? {
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'b' => Ok('\u{8}'),
            'f' => Ok('\u{c}'),
            same @ ('"' | '\\' | '/') => Ok(same),
            'u' => self.unicode_escape(),
            _ => Err(JsonError::Syntax(self.at)),
        }
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or(JsonError::Syntax(self.at));
        }
        self.expect('\\')?;
        self.expect('u')?;
        let second = self.four_digits()?;
        let pair = (0xdc00..0xe000)
            .contains(&second)
            .then(|| 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
        pair.and_then(char::from_u32).ok_or(JsonError::Syntax(self.at))
    }

    fn four_digits(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(JsonError::Syntax(self.at))?;
        let number = u32::from_str_radix(digits, 16).map_err(|_| JsonError::Syntax(self.at))?;
        self.at += 4;
        Ok(number)
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        while self.peek().is_some_and(|next| matches!(next, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')) {
            self.at += 1;
        }
        let digits = self.text.get(start..self.at).unwrap_or_default();
        // `serde_json` knows the grammar of a number; this only asks it whether the digits are one.
        serde_json::from_str::<serde_json::Number>(digits).map_err(|_| JsonError::Syntax(start))?;
        Ok(Value::Number(digits.to_owned()))
    }

    fn word(&mut self) -> Result<Value, JsonError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let words = [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))];
        for (word, value) in words {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(JsonError::Syntax(self.at))
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Result<char, JsonError> {
        let next = self.peek().ok_or(JsonError::Syntax(self.at))?;
        self.at += next.len_utf8();
        Ok(next)
    }

    fn skip_space(&mut self) {
        while let Some(next) = self.peek().filter(|next| is_space(*next)) {
            self.at += next.len_utf8();
        }
    }

    fn take_if(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), JsonError> {
        if self.take_if(wanted) { Ok(()) } else { Err(JsonError::Syntax(self.at)) }
    }
}

#[cfg(test)]
mod tests;
