//! The infrastructure: what Bicep makes of it, and whether it agrees with the code.
//!
//! `infra/shapes` has an environment of each shape with a committed snapshot: its resources with all expressions evaluated. What the
//! compiler can tell is asked of it (`compiler`); everything else reads the snapshots and needs no compiler.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, and so do the functions that tests share"
)]

mod alerts;
mod canary;
mod compiler;
mod events;
mod expression;
mod names;
mod role;
mod security;
mod sentinel;
mod settings;
mod snapshot;
