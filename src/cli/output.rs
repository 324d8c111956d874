//! What a command prints. A reader that is gone is no error: there is nobody left to tell.

use std::io::{IsTerminal as _, Write as _};

/// Prints what the command was asked for.
pub(super) fn print(text: &str) {
    let _lost_if_closed = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Prints an error.
pub(super) fn error(text: &str) {
    let _lost_if_closed = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Whether colours would be seen as such.
pub(super) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Shows how far a long work is, in place of what was shown before; nothing where nobody watches.
pub(super) fn progress(text: &str) {
    let mut error = std::io::stderr().lock();
    if error.is_terminal() {
        let _lost_if_closed = write!(error, "\r\u{1b}[K{text}").and_then(|()| error.flush());
    }
}
