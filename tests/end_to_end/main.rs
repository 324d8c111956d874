//! The real binary, started by the stand-in for the Functions host, against the simulated Azure over HTTP and a real Azurite.
//!
//! Everything goes 60 times as fast as in Azure. Nothing here sleeps for a fixed time: each test waits for what it says, up to
//! a deadline, and reads the outcome from the simulated Azure, the webhook receiver and the store.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helper functions too"
)]

mod crashes;
mod degraded;
mod drill;
mod evaluate;
mod host_ends;
mod pauses;
mod processes;
mod queue;
mod restarts;
mod theatre;

#[path = "../support/azurite.rs"]
mod azurite;
#[path = "../support/blob_proxy.rs"]
#[expect(dead_code, reason = "the store's own tests need more of it")]
mod blob_proxy;
#[path = "../support/done.rs"]
mod done;

use theatre::client;
