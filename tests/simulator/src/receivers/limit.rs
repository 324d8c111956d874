//! So many requests in so long.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// A sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Requests allowed in it.
    pub requests: usize,
    /// Its length.
    pub within: SignedDuration,
}

/// The requests of the last window.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<Timestamp>);

impl Window {
    /// Counts a request, or says for how many seconds there is no room.
    pub(super) fn take(&mut self, limit: Limit, now: Timestamp) -> Result<(), u32> {
        while self.0.front().is_some_and(|first| now.duration_since(*first) >= limit.within) {
            self.0.pop_front();
        }
        match self.0.front() {
            Some(first) if self.0.len() >= limit.requests => {
                let left = limit.within - now.duration_since(*first);
                Err(u32::try_from(left.as_secs() + 1).unwrap_or(u32::MAX))
            }
            _ => {
                self.0.push_back(now);
                Ok(())
            }
        }
    }
}
