//! The contract with the Functions host: what it sends is understood, and every answer is one that it can take.
//!
//! `functions/golden` holds requests derived from the host's source, `functions/recorded` what a running host 4.1037
//! sent (request bodies and headers only; keys were made up and are replaced by `<function-key>` and the like).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and so do the functions that it shares with others"
)]

#[path = "functions/answers.rs"]
mod answers;
#[path = "functions/app.rs"]
mod app;
#[path = "functions/decoding.rs"]
mod decoding;
#[path = "functions/host.rs"]
mod host;
#[path = "functions/logs.rs"]
mod logs;
#[path = "functions/requests.rs"]
mod requests;
