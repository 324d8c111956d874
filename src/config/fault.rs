//! What is wrong with a setting.

use std::fmt;

use crate::incident::SinkFault;

/// What sort of fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// A setting that has no default is not there.
    Missing,
    /// Its value can't be used, or not with the others.
    Invalid,
    /// There is no such setting.
    Unknown,
}

/// One fault of one setting: which, what is wrong with it, and what to write instead. Safe to show: it holds no secret,
/// and is bounded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// The setting's name.
    pub setting: String,
    /// What sort it is.
    pub kind: FaultKind,
    /// The file that it is in, and the line, if it is not the setting itself.
    pub place: Option<(String, Option<usize>)>,
    message: String,
}

impl Fault {
    /// A fault whose text begins behind the setting's name.
    pub(super) fn about(setting: &str, kind: FaultKind, told: &str) -> Self {
        let colon = if told.starts_with('`') { ":" } else { "" };
        Self::saying(setting, kind, format!("{setting}{colon} {told}"))
    }

    /// A fault whose text names the setting itself.
    pub(super) fn saying(setting: &str, kind: FaultKind, message: String) -> Self {
        Self { setting: setting.to_owned(), kind, place: None, message }
    }

    /// A fault in a file of sinks.
    pub(super) fn within(setting: &str, fault: SinkFault) -> Self {
        let message = fault.to_string();
        let place = Some((fault.file, fault.line));
        Self { setting: setting.to_owned(), kind: FaultKind::Invalid, place, message }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
