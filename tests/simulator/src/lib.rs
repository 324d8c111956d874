//! A small Azure with state, and a stand-in for the Functions host.

pub mod delivery;
pub mod host;
