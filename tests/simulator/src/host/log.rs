//! What the host would write to its log, kept for tests and printed by the command.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

/// Entries kept; older ones are dropped so that a host that runs for days stays small.
const MAX_ENTRIES: usize = 20_000;
/// Entries a slow reader of the live log may lag behind before it misses some.
const LIVE_ENTRIES: usize = 1_024;

/// The level of an entry, named as the host's console prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Information.
    Info,
    /// Warning.
    Warn,
    /// Error.
    Fail,
}

/// Category of lines that the handler wrote to stdout or stderr.
pub const CONSOLE: &str = "Host.Function.Console";
/// Category of what the host says of itself.
pub const GENERAL: &str = "Host.General";
/// Category of what the host says of messages that it gives up.
pub const QUEUES: &str = "Host.Queues";
/// Category of what the dispatcher says of the handler's process.
pub const DISPATCHER: &str = "Microsoft.Azure.WebJobs.Script.Workers.HttpFunctionInvocationDispatcher";

/// One line of the host's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// How bad it is.
    pub level: Level,
    /// Who says it, as `Function.<name>`, `Function.<name>.User`, [`CONSOLE`].
    pub category: String,
    /// What is said.
    pub message: String,
}

/// A log that can be read while it is written. Clones share it.
#[derive(Debug, Clone)]
pub struct Log {
    entries: Arc<Mutex<VecDeque<Entry>>>,
    live: broadcast::Sender<Entry>,
}

impl Default for Log {
    fn default() -> Self {
        Log { entries: Arc::default(), live: broadcast::channel(LIVE_ENTRIES).0 }
    }
}

impl Log {
    /// All entries kept, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The messages of one category, oldest first.
    #[must_use]
    pub fn messages(&self, category: &str) -> Vec<String> {
        self.entries()
            .into_iter()
            .filter(|entry| entry.category == category)
            .map(|entry| entry.message)
            .collect()
    }

    /// All entries kept, and those from now on as they are written; none is missed between the two.
    #[must_use]
    pub fn follow(&self) -> (Vec<Entry>, broadcast::Receiver<Entry>) {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        (entries.iter().cloned().collect(), self.live.subscribe())
    }

    pub(crate) fn info(&self, category: &str, message: impl Into<String>) {
        self.write(Level::Info, category, message.into());
    }

    pub(crate) fn warn(&self, category: &str, message: impl Into<String>) {
        self.write(Level::Warn, category, message.into());
    }

    pub(crate) fn fail(&self, category: &str, message: impl Into<String>) {
        self.write(Level::Fail, category, message.into());
    }

    pub(crate) fn write(&self, level: Level, category: &str, message: String) {
        let entry = Entry { level, category: category.to_owned(), message };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody following is no fault. Sent under the lock, so that a new follower sees each entry once.
        let _ = self.live.send(entry.clone());
        if entries.len() == MAX_ENTRIES {
            entries.pop_front();
        }
        entries.push_back(entry);
    }
}

/// The level of a line on the handler's stderr.
///
/// With `useStdErrorStreamForErrorsOnly` (the default for custom handlers) a line is an error unless it says "warn";
/// without it only lines with an error's words are errors.
#[must_use]
pub fn stderr_level(line: &str, errors_only: bool) -> Level {
    let line = line.to_ascii_lowercase();
    let sounds_like_error =
        ["error", "fail", "severe", "unhandled exception"].iter().any(|word| line.contains(word));
    if line.contains("warn") {
        Level::Warn
    } else if errors_only || sounds_like_error {
        Level::Fail
    } else {
        Level::Info
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_on_stderr_is_an_error_unless_it_says_warn() {
        // As recorded with and without `useStdErrorStreamForErrorsOnly`.
        let strict = ["err plain", "err warn: x", "err ERROR x", "err info: {braces}"]
            .map(|line| stderr_level(line, true));
        assert_eq!(strict, [Level::Fail, Level::Warn, Level::Fail, Level::Fail]);
        let lenient = ["plain", "an error here", "warn this", "unhandled exception x"]
            .map(|line| stderr_level(line, false));
        assert_eq!(lenient, [Level::Info, Level::Fail, Level::Warn, Level::Fail]);
    }

    #[test]
    fn only_the_newest_entries_are_kept() {
        let log = Log::default();
        for number in 0..=MAX_ENTRIES {
            log.info(GENERAL, number.to_string());
        }
        let entries = log.entries();
        assert_eq!((entries.len(), entries[0].message.as_str()), (MAX_ENTRIES, "1"));
    }
}
