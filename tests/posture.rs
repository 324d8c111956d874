//! `posture` against the simulated Azure: as people run it, over HTTP; and how it asks, in virtual time.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, and so do the functions that tests share"
)]

#[path = "posture/command.rs"]
mod command;
#[path = "support/done.rs"]
mod done;
#[path = "posture/pace.rs"]
mod pace;
#[path = "support/python.rs"]
mod python;
#[path = "posture/virtual_azure.rs"]
mod virtual_azure;
