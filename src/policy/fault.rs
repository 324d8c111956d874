//! What is wrong with a policy file, and where.

use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};

use crate::domain::text::clean;

/// Longest message or hint, in characters: Cedar repeats parts of the file in them.
const TEXT_CHARS_MAX: usize = 500;

/// One fault of one file. Shows as `file:line:column: message`; as a [`Diagnostic`] it draws the line with the place
/// underlined and the hint below.
#[derive(Debug, Clone)]
pub struct PolicyFault {
    /// The file's name.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
    source: NamedSource<Arc<str>>,
    span: SourceSpan,
}

/// A file under inspection: gives faults their place.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) name: String,
    text: Arc<str>,
    /// Where its lines end, bytes: each policy asks for the line it stands in.
    line_ends: Arc<[usize]>,
}

impl Place {
    pub(super) fn new(name: &str, text: &str) -> Self {
        let line_ends = text.match_indices('\n').map(|(at, _)| at).collect();
        Self { name: name.to_owned(), text: Arc::from(text), line_ends }
    }

    /// A fault at a byte range of the file.
    pub(super) fn fault(&self, span: SourceSpan, message: &str, help: Option<&str>) -> PolicyFault {
        let (line, column) = self.line_and_column(span.offset());
        PolicyFault {
            file: clean(&self.name, TEXT_CHARS_MAX),
            line,
            column,
            message: clean(message, TEXT_CHARS_MAX),
            help: help.map(|help| clean(help, TEXT_CHARS_MAX)),
            source: NamedSource::new(&self.name, Arc::clone(&self.text)),
            span,
        }
    }

    /// Line and column of a byte offset, both from 1.
    fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset.min(self.text.len())).unwrap_or(&self.text);
        let line = self.line_ends.partition_point(|end| *end < before.len());
        let line_start =
            line.checked_sub(1).and_then(|newline| self.line_ends.get(newline)).map_or(0, |end| end + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (line + 1, column)
    }

    /// Says where a byte range of the file begins.
    pub(super) fn at(&self, span: SourceSpan) -> String {
        let (line, column) = self.line_and_column(span.offset());
        format!("{}:{line}:{column}", self.name)
    }

    /// The line where a byte range of the file begins, and what it holds.
    pub(super) fn part(&self, span: SourceSpan) -> (usize, &str) {
        let (line, _) = self.line_and_column(span.offset());
        (line, self.text.get(span.offset()..span.offset() + span.len()).unwrap_or_default())
    }

    /// Where a text first stands within a byte range of the file; the range itself if it doesn't.
    pub(super) fn find(&self, within: SourceSpan, text: &str) -> SourceSpan {
        let range = within.offset()..within.offset() + within.len();
        let found = self.text.get(range).and_then(|part| part.find(text));
        found.map_or(within, |at| SourceSpan::from((within.offset() + at, text.len())))
    }

    /// A fault of the file as a whole.
    pub(super) fn whole(&self, message: &str, help: Option<&str>) -> PolicyFault {
        self.fault(SourceSpan::from(0..0), message, help)
    }

    /// A fault that Cedar found in what begins at byte `start` of the file, with its place, its hint and what it expected
    /// instead.
    pub(super) fn cedar(&self, start: usize, found: &dyn Diagnostic) -> PolicyFault {
        let label = found.labels().and_then(|mut labels| labels.next());
        let span = label.as_ref().map_or(SourceSpan::from((start, 0)), |label| {
            SourceSpan::from((start + label.offset(), label.len()))
        });
        let message = match label.as_ref().and_then(LabeledSpan::label) {
            Some(expected) => format!("{found}: {expected}"),
            None => found.to_string(),
        };
        self.fault(span, &message, found.help().map(|help| help.to_string()).as_deref())
    }
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

impl std::error::Error for PolicyFault {}

impl PartialEq for PolicyFault {
    fn eq(&self, other: &Self) -> bool {
        (&self.file, self.line, self.column, &self.message, &self.help)
            == (&other.file, other.line, other.column, &other.message, &other.help)
    }
}

impl Eq for PolicyFault {}

impl Diagnostic for PolicyFault {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(LabeledSpan::underline(self.span))))
    }
}
