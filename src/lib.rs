//! Restarts an AKS cluster that nobody was allowed to stop, or raises an incident.

pub mod functions;
pub mod telemetry;
