//! What an environment's past says about policies: habits learned from the activity log, what other policies would have
//! decided, and what the guard did. Pure: readings, cases and policies come in, reports go out. Nothing here decides or acts.

pub mod cedar;
pub mod draft_test;
pub mod habit;
pub mod learn;
pub mod month;
pub mod past;
pub mod pattern;
pub mod replay;
mod table;
mod words;

#[cfg(test)]
mod tests;

pub use draft_test::DraftTest;
pub use learn::{Draft, Learned, NotProposed, Window};
pub use month::Month;
pub use past::{PastStop, StartedAgain};
pub use replay::{Past, PolicySet, Replay, Source};
