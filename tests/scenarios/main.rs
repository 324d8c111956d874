//! Whole scenarios in virtual time: the real guard, ARM client and store layer over the simulated Azure.
//!
//! Nothing here waits: a clock is handed in, and Azure's durations pass as the scenario says.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test fails the test"
)]

mod bad_input;
mod clocks;
mod container_groups;
mod counterexamples;
mod crashes;
mod dead_letters;
mod discovery;
mod evidence;
mod exposure;
mod grants;
mod histories;
mod holds;
mod inbox;
mod least_privilege;
mod main_loop;
mod management_groups;
mod modes;
mod outage;
mod policies;
mod probe;
mod rules;
mod sim;
mod sinks;
mod storms;
mod throttling;
