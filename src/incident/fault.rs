//! What is wrong with a sink's file.

use crate::domain::text::clean;

/// Longest message in characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// One fault: where, and what is wrong there. Safe to show: it holds no value of a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {message}", self.file, self.line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct SinkFault {
    /// The file, as people can open it.
    pub file: String,
    /// Its line, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl SinkFault {
    /// A fault in a file.
    pub fn new(file: &str, line: Option<usize>, message: &str) -> Self {
        let message = clean(&message.trim_end().replace('\n', " "), MESSAGE_CHARS_MAX);
        Self { file: file.to_owned(), line, message }
    }
}

/// The line of a byte in a text, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// The line of a file that a template's first line is in. In `'''` and `"""` a line break right behind the quotes is no part of it.
pub(super) fn first_line(text: &str, at: usize) -> usize {
    let quoted = text.get(at..).unwrap_or_default();
    let inner = quoted.trim_start_matches(['\'', '"']);
    let begins_below = quoted.len() - inner.len() >= 3 && inner.starts_with(['\n', '\r']);
    line_of(text, at) + usize::from(begins_below)
}
