//! The ARM client against bodies that Azure sent or documents, a scripted network, and real sockets on loopback.
//!
//! `cfg(test)` on each module tells clippy that helpers of tests are tests too.

#[cfg(test)]
#[path = "azure/double.rs"]
mod double;

#[cfg(test)]
#[path = "azure/client.rs"]
mod client;
#[cfg(test)]
#[path = "azure/fixtures.rs"]
mod fixtures;
#[cfg(test)]
#[path = "azure/history.rs"]
mod history;
#[cfg(test)]
#[path = "azure/http.rs"]
mod http_transport;
#[cfg(test)]
#[path = "azure/identity.rs"]
mod identity;
#[cfg(test)]
#[path = "azure/resource_graph.rs"]
mod resource_graph;
#[cfg(test)]
#[path = "azure/start.rs"]
mod start;
