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

/// Policies that are within the bounds.
pub(super) struct Bounded {
    /// Operators of the longest policy.
    pub(super) operators: usize,
    /// Where each ends, in bytes: behind its semicolon.
    pub(super) ends: Vec<usize>,
}

/// Reads the text as Cedar's lexer does: strings, comments, words and signs. All that means something is ASCII, so it looks at bytes.
pub(super) fn check(text: &str) -> Result<Bounded, TooDeep> {
    let mut bounded = Bounded { operators: 0, ends: Vec::new() };
    let (mut open, mut operators) = (Vec::new(), 0_usize);
    let mut rest = text.as_bytes();
    while let Some(&first) = rest.first() {
        let at = text.len() - rest.len();
        let length = token_length(rest, first);
        let (token, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        rest = after;
        match token {
            b";" => {
                open.clear();
                operators = 0;
                bounded.ends.push(at + 1);
            }
            b"(" | b"[" | b"{" => {
                open.push(first);
                operators += 1;
            }
            b")" => close(&mut open, b'('),
            b"]" => close(&mut open, b'['),
            b"}" => close(&mut open, b'{'),
            b"." | b"+" | b"-" | b"*" | b"/" | b"%" | b"!" | b"||" | b"&&" | b"if" => operators += 1,
            _ => {}
        }
        if open.len() > NESTING_MAX {
            return Err(TooDeep::Nested(at));
        }
        if operators > OPERATORS_MAX {
            return Err(TooDeep::Long(at));
        }
        bounded.operators = bounded.operators.max(operators);
    }
    Ok(bounded)
}

/// A bracket that closes another than the last opened is a fault that the parser tells; it makes nothing shallower.
fn close(open: &mut Vec<u8>, opened_by: u8) {
    if open.last() == Some(&opened_by) {
        open.pop();
    }
}

/// Bytes of the token at the start of `rest`. A comment ends with its line, a string with a quote that no backslash
/// escapes or with the text.
fn token_length(rest: &[u8], first: u8) -> usize {
    let until = |ends: fn(u8) -> bool| rest.iter().position(|byte| ends(*byte)).unwrap_or(rest.len());
    match first {
        b'/' if rest.starts_with(b"//") => until(|byte| byte == b'\n' || byte == b'\r'),
        b'"' => string_length(rest),
        b'|' if rest.starts_with(b"||") => 2,
        b'&' if rest.starts_with(b"&&") => 2,
        _ if is_word(first) => until(|byte| !is_word(byte)),
        _ => 1,
    }
}

fn string_length(rest: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
