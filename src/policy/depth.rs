//! How deep a policy goes, found before anything recurses into it.
//!
//! Cedar's parser overflows the stack on a few dozen nested parentheses, which ends the process; its validator stops
//! short of that, but then **passes a policy that it has not looked at** (cedar-policy 4.14: `RecursionLimit` while type
//! checking counts as valid, an unknown attribute or a wrong type is not told). So policies are bounded here, and Cedar
//! works on a stack that is enough for every policy within these bounds. Tests hold both.

/// Most brackets around one place, of any kind. People write five or six.
pub(super) const NESTING_MAX: usize = 24;
/// Most operators, accesses and brackets of one policy. Cedar's recursion goes as deep as a chain `a || b || c || ..` is
/// long; a list of a few hundred callers still fits, and is better written as `[..].contains(principal)`.
pub(super) const OPERATORS_MAX: usize = 500;

/// Stack for parsing and validating, in bytes. In a build without optimisations a link of a chain takes 20 KiB, so
/// [`OPERATORS_MAX`] links take 10 MiB. Only what is used takes memory.
const LOAD_STACK_BYTES: usize = 48 * 1024 * 1024;
/// Stack that a question takes for each link of the longest policy, in bytes, and beside that. Measured likewise, with room.
const ASK_BYTES_A_LINK: usize = 64 * 1024;
const ASK_BYTES_BESIDE: usize = 512 * 1024;

/// Parses and validates on a stack that is enough.
pub(super) fn with_stack_to_load<T>(load: impl FnOnce() -> T) -> T {
    stacker::grow(LOAD_STACK_BYTES, load)
}

/// Evaluates policies whose longest has so many `operators` on a stack that is enough: Cedar makes running out of it an error,
/// and so a no. What people write fits onto the stack that is there; a new one costs more than the question.
pub(super) fn with_stack_to_ask<T>(operators: usize, ask: impl FnOnce() -> T) -> T {
    let needed = ASK_BYTES_BESIDE + operators.min(OPERATORS_MAX) * ASK_BYTES_A_LINK;
    stacker::maybe_grow(needed, needed, ask)
}

/// Where a text goes too deep, as a byte offset, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooDeep {
    Nested(usize),
    Long(usize),
}

/// Reads the text as Cedar's lexer does: strings, comments, words and signs. Returns the operators of the longest policy.
pub(super) fn check(text: &str) -> Result<usize, TooDeep> {
    let (mut open, mut operators, mut most) = (Vec::new(), 0_usize, 0_usize);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        let length = token_length(rest, first);
        let (token, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        rest = after;
        match token {
            ";" => {
                open.clear();
                operators = 0;
            }
            "(" | "[" | "{" => open.push(token),
            ")" => close(&mut open, "("),
            "]" => close(&mut open, "["),
            "}" => close(&mut open, "{"),
            _ => {}
        }
        let counts = ["(", "[", "{", ".", "+", "-", "*", "/", "%", "!", "||", "&&", "if"].contains(&token);
        operators += usize::from(counts);
        most = most.max(operators);
        if open.len() > NESTING_MAX {
            return Err(TooDeep::Nested(at));
        }
        if operators > OPERATORS_MAX {
            return Err(TooDeep::Long(at));
        }
    }
    Ok(most)
}

/// A bracket that closes another than the last opened is a fault that the parser tells; it makes nothing shallower.
fn close(open: &mut Vec<&str>, opened_by: &str) {
    if open.last() == Some(&opened_by) {
        open.pop();
    }
}

/// Bytes of the token at the start of `rest`. A comment ends with its line, a string with a quote that no backslash
/// escapes or with the text.
fn token_length(rest: &str, first: char) -> usize {
    let until = |end: Option<usize>| end.unwrap_or(rest.len());
    match first {
        '/' if rest.starts_with("//") => until(rest.find(['\n', '\r'])),
        '"' => string_length(rest),
        '|' if rest.starts_with("||") => 2,
        '&' if rest.starts_with("&&") => 2,
        c if is_word(c) => until(rest.find(|c| !is_word(c))),
        c => c.len_utf8(),
    }
}

fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
