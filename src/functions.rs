//! The Azure Functions custom handler: the only code that knows the protocol of the Functions host.

pub mod envelope;
