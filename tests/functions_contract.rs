//! The contract with the Functions host: what it sends is understood, and every answer is one that it can take.
//!
//! `functions/golden` holds requests derived from the host's source, `functions/recorded` what a running host 4.1037
//! sent (request bodies and headers only; keys were made up and are replaced by `<function-key>` and the like).

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
