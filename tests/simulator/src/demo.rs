//! The guard's real binary between a simulated Azure, Event Grid, a Functions host and a blob store.
//!
//! The one module that knows the program under test: its settings, its commands and its app folder. [`stage`] sets it up,
//! for the demo and for tests; [`play`] is the demo itself. Whether a scene came out right is read from the world and from
//! the webhook receiver, never from what the guard says of itself.

mod app;
pub mod azurite;
mod card;
mod cast;
mod check;
pub mod facts;
mod narrator;
mod paint;
pub mod play;
mod pump;
mod scenes;
pub mod stage;
