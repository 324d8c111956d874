//! aks-stop-guard: restarts an AKS cluster that nobody was allowed to stop, or raises an incident.
//!
//! `ARCHITECTURE.md` tells how the modules fit together and which invariants hold.

pub mod azure;
pub mod case;
pub mod cli;
pub mod clock;
pub mod config;
pub mod doctor;
pub mod domain;
pub mod functions;
pub mod guard;
pub mod harden;
pub mod history;
pub mod incident;
pub mod mutant;
pub mod page;
pub mod policy;
pub mod posture;
pub mod store;
pub mod telemetry;
