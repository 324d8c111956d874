//! Rust text as tokens and as paths: enough to see who uses whom, without a compiler.

/// A token outside comments; every string literal stands as `""`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    /// From 1.
    pub(crate) line: usize,
}

impl Token<'_> {
    fn is_identifier(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// A path as it is used, with the groups of a `use` expanded: `a::{b, c::d}` is `a::b` and `a::c::d`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PathUse {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    /// How many `mod name { … }` of the same file stand around it.
    pub(crate) inline_modules: usize,
}

impl PathUse {
    pub(crate) fn names(&self, name: &str) -> bool {
        self.segments.iter().any(|s| s == name)
    }

    pub(crate) fn starts_with(&self, path: &[&str]) -> bool {
        self.segments.len() >= path.len() && self.segments.iter().zip(path).all(|(s, p)| s == p)
    }

    pub(crate) fn ends_with(&self, path: &[&str]) -> bool {
        self.segments.len() >= path.len()
            && self.segments.iter().rev().zip(path.iter().rev()).all(|(s, p)| s == p)
    }
}

pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = code;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let (length, text) = match lexeme(rest, first) {
            Lexeme::Blank(length) => (length, None),
            Lexeme::Literal(length) => (length, Some("\"\"")),
            Lexeme::Token(length) => (length, rest.get(..length)),
        };
        tokens.extend(text.map(|text| Token { text, line }));
        let (read, unread) = rest.split_at_checked(length.max(first.len_utf8())).unwrap_or((rest, ""));
        line += read.matches('\n').count();
        rest = unread;
    }
    tokens
}

/// What the text begins with, and its length in bytes.
enum Lexeme {
    /// White space, a comment, or the tick of a lifetime.
    Blank(usize),
    /// A string or character literal.
    Literal(usize),
    Token(usize),
}

fn lexeme(rest: &str, first: char) -> Lexeme {
    let run = |belongs: fn(char) -> bool| rest.find(|c| !belongs(c)).unwrap_or(rest.len());
    if let Some(length) = raw_string(rest) {
        Lexeme::Literal(length)
    } else if rest.starts_with("//") {
        Lexeme::Blank(rest.find('\n').unwrap_or(rest.len()))
    } else if rest.starts_with("/*") {
        Lexeme::Blank(block_comment(rest))
    } else if first == '"' {
        Lexeme::Literal(quoted(rest, '"'))
    } else if first == '\'' {
        if is_character(rest) { Lexeme::Literal(quoted(rest, '\'')) } else { Lexeme::Blank(1) }
    } else if first.is_whitespace() {
        Lexeme::Blank(run(char::is_whitespace))
    } else if first.is_alphanumeric() || first == '_' {
        Lexeme::Token(run(|c| c.is_alphanumeric() || c == '_'))
    } else if rest.starts_with("::") {
        Lexeme::Token(2)
    } else {
        Lexeme::Token(first.len_utf8())
    }
}

/// `'x'` and `'\n'` are characters; `'x` is a lifetime.
fn is_character(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    chars.next() == Some('\\') || chars.next() == Some('\'')
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// The length of `r"…"`, `r#"…"#`, `br"…"` or `cr"…"`.
fn raw_string(rest: &str) -> Option<usize> {
    let after_prefix = ["r", "br", "cr"].iter().find_map(|prefix| rest.strip_prefix(prefix))?;
    let body = after_prefix.trim_start_matches('#').strip_prefix('"')?;
    let hashes = after_prefix.len() - body.len() - 1;
    let end = format!("\"{}", "#".repeat(hashes));
    let body_length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(rest.len() - body.len() + body_length)
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            break;
        }
    }
    at
}

pub(crate) fn paths(code: &str) -> Vec<PathUse> {
    let tokens = tokens(code);
    let mut reader = PathReader { tokens: &tokens, at: 0, braces: 0, modules: Vec::new(), paths: Vec::new() };
    reader.read();
    reader.paths
}

struct PathReader<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    braces: usize,
    /// At how many braces each inline module around here was opened.
    modules: Vec<usize>,
    paths: Vec<PathUse>,
}

impl<'a> PathReader<'a> {
    fn read(&mut self) {
        while let Some(token) = self.peek(0) {
            if token.is_identifier() && !self.continues_a_type() {
                self.path(&[]);
                continue;
            }
            self.at += 1;
            if token.text == "{" {
                self.braces += 1;
                if self.tokens.get(self.at.wrapping_sub(3)).is_some_and(|t| t.text == "mod") {
                    self.modules.push(self.braces);
                }
            } else if token.text == "}" {
                self.modules.pop_if(|opened_at| *opened_at == self.braces);
                self.braces = self.braces.saturating_sub(1);
            }
        }
    }

    /// `<T as Trait>::name` and `Vec::<T>::new`: the name belongs to no path that begins here.
    fn continues_a_type(&self) -> bool {
        let before = |n: usize| self.at.checked_sub(n).and_then(|at| self.tokens.get(at)).map(|t| t.text);
        before(1) == Some("::") && before(2) == Some(">")
    }

    fn path(&mut self, prefix: &[String]) {
        let mut segments = prefix.to_vec();
        let line = self.peek(0).map_or(0, |t| t.line);
        while let Some(token) = self.peek(0).filter(|t| t.is_identifier() || t.text == "*") {
            segments.push(token.text.to_owned());
            self.at += 1;
            if self.peek(0).is_none_or(|t| t.text != "::") {
                break;
            }
            match self.peek(1) {
                Some(next) if next.text == "{" => {
                    self.at += 2;
                    return self.group(&segments);
                }
                Some(next) if next.is_identifier() || next.text == "*" => self.at += 1,
                Some(_) | None => break,
            }
        }
        self.paths.push(PathUse { segments, line, inline_modules: self.modules.len() });
    }

    /// The rest of `{a, b::c as d}`.
    fn group(&mut self, prefix: &[String]) {
        while let Some(token) = self.peek(0) {
            if token.text == "}" {
                self.at += 1;
                return;
            }
            if token.text == "as" {
                self.at += 2;
            } else if token.is_identifier() || token.text == "*" {
                self.path(prefix);
            } else {
                self.at += 1;
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<Token<'a>> {
        self.tokens.get(self.at + ahead).copied()
    }
}

#[test]
fn comments_strings_and_lifetimes_hide_nothing_and_add_nothing() {
    let code = "a /* b /* c */ d */ e // f\n\"g \\\" h\" r#\"i \" j\"# 'k' '\\'' &'l m br\"n\" 0x1f o::p";
    let texts: Vec<_> = tokens(code).iter().map(|t| t.text).collect();
    assert_eq!(
        texts,
        ["a", "e", "\"\"", "\"\"", "\"\"", "\"\"", "&", "l", "m", "\"\"", "0x1f", "o", "::", "p"]
    );
    assert_eq!(tokens(code).last().map(|t| t.line), Some(2));
}

#[test]
fn groups_of_a_use_are_expanded_and_modules_within_the_file_counted() {
    let code = "use a::{self, b::{c as d, *}, e};\nmod t { fn f() { x::y::<z::Z>() } }\nfn g() -> w::W {}";
    let found: Vec<_> = paths(code)
        .into_iter()
        .filter(|p| p.segments.len() > 1)
        .map(|p| (p.segments.join("::"), p.line, p.inline_modules))
        .collect();
    let expected = [
        ("a::self", 1, 0),
        ("a::b::c", 1, 0),
        ("a::b::*", 1, 0),
        ("a::e", 1, 0),
        ("x::y", 2, 1),
        ("z::Z", 2, 1),
        ("w::W", 3, 0),
    ];
    assert_eq!(found, expected.map(|(path, line, depth)| (path.to_owned(), line, depth)));
}
