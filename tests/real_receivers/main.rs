//! Incidents at receivers that nobody here wrote - Debian's Alertmanager, an SMTP server - and at the services' contracts in the simulator.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on has failed"
)]
#![expect(clippy::indexing_slicing, reason = "a test that can't go on has failed")]

#[path = "../support/alertmanager.rs"]
mod alertmanager_process;
#[path = "../support/mailbox.rs"]
mod mailbox;
#[path = "../support/over_http.rs"]
mod over_http;
#[path = "../support/python.rs"]
mod python;

mod alertmanager;
mod contracts;
mod email;
mod injection;
mod sinks;
mod smtp;
