//! A small Azure with state, stricter than the real one, for the tests of a stop guard.
//!
//! [`world`] is pure: time is passed in, nothing is sent or read, the same calls give the same world. [`http`] puts
//! it on a loopback port, [`blobs`] keeps records. [`sink`] receives webhooks, [`receivers`] are the services that incidents
//! go to, [`rendered`] is what people see there, and [`corpus`] what somebody would write to mislead them. [`host`] stands in
//! for the Azure Functions host, [`delivery`] for Event Grid. [`ports`] has some for who starts servers. Nothing here knows
//! the program under test, except [`demo`], which starts it.

pub mod blobs;
pub mod corpus;
pub mod delivery;
pub mod demo;
pub mod host;
pub mod http;
pub mod ports;
pub mod receivers;
pub mod rendered;
pub mod sink;
pub mod world;

pub use world::World;
