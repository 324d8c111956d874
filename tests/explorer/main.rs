//! Every interleaving of small worlds, over the real case machine.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod core;
mod end;
mod mutants;
mod scenarios;
mod search;
mod shell;
mod state;
mod world;
