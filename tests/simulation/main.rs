//! Deterministic simulation: whole lives of the guard, its store, Azure and its people in one thread on virtual time, out of
//! one seed each. `docs/RELIABILITY.md` says what is random and what is checked.

#![expect(clippy::expect_used, clippy::panic, reason = "a helper of a test fails the test")]

mod blobs;
mod fleet;
mod host;
mod judge;
mod people;
mod plants;
mod process;
mod run;
mod runner;
mod seed;
mod stage;
mod store;
mod wire;
