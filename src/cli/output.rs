//! What a command prints. A reader that is gone is no error: there is nobody left to tell.

use std::io::{BufRead, IsTerminal as _, Write as _};

use serde::Serialize;
use serde_json::Value;

use crate::config::Environment;

/// Prints what the command was asked for.
pub(super) fn print(text: &str) {
    let _lost_if_closed = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Prints a part of a long answer at once. False if nobody reads it any more.
pub(super) fn is_heard(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}

/// Anything as JSON with its members sorted. By way of its text, since writing values has code of its own for each type.
pub(super) fn sorted(anything: &impl Serialize) -> serde_json::Result<Value> {
    serde_json::from_slice(&serde_json::to_vec(anything)?)
}

/// Anything as an indented document of JSON, with its members sorted.
pub(super) fn document(anything: &impl Serialize) -> serde_json::Result<String> {
    sorted(anything).map(|value| format!("{value:#}\n"))
}

/// Prints an error.
pub(super) fn error(text: &str) {
    let _lost_if_closed = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Whether colours are seen as such and wanted: NO_COLOR turns them off.
pub(super) fn has_colours(environment: &Environment) -> bool {
    std::io::stdout().is_terminal() && environment.get("NO_COLOR").is_none()
}

/// Shows how far a long work is, in place of what was shown before; nothing where nobody watches.
pub(super) fn progress(text: &str) {
    let mut error = std::io::stderr().lock();
    if error.is_terminal() {
        let _lost_if_closed = write!(error, "\r\u{1b}[K{text}").and_then(|()| error.flush());
    }
}

/// Whether somebody is there to answer a question.
pub(super) fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks a question; only `y` or `yes` is a yes.
pub(super) fn agrees(question: &str) -> std::io::Result<bool> {
    error(question);
    is_yes(&mut std::io::stdin().lock())
}

fn is_yes(input: &mut dyn BufRead) -> std::io::Result<bool> {
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        for (answer, agrees) in
            [("y\n", true), ("Yes\n", true), ("\n", false), ("", false), ("no\n", false), ("yep\n", false)]
        {
            assert_eq!(is_yes(&mut answer.as_bytes()).unwrap(), agrees, "{answer:?}");
        }
    }
}
