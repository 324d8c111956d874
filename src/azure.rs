//! Azure Resource Manager: the only code that speaks to it, and the credentials for it.
//!
//! Everything here is a thin shell around pure parsers. Times, tokens and the network come in through ports
//! ([`crate::clock::Clock`], [`TokenSource`], [`Transport`]), so that tests script all three.

pub mod access_token;
pub mod activity_log;
pub mod arm;
mod canary;
pub mod clock_offset;
mod container_group;
pub mod credential;
pub mod endpoint;
pub mod error;
pub mod failure;
pub mod harden;
mod headers;
mod jwt_crypto;
mod listing;
mod managed_cluster;
pub mod posture;
pub mod power_history;
mod pruned;
pub mod resource;
pub mod resource_graph;
pub mod rights;
pub mod secret;
pub mod signing_keys;
pub mod start;
mod throttle;
pub mod transport;

pub use access_token::{AccessTokens, Audience, TokenFault};
pub use arm::{Arm, ArmOptions};
pub use canary::StopTaken;
pub use credential::{Credential, CredentialError, CredentialKind, TokenSource};
pub use endpoint::{Cloud, Endpoint};
pub use error::ArmError;
pub use failure::ArmFailure;
pub use resource_graph::{DownCluster, GraphReading, GroupReading, Unfinished};
pub use rights::{ACTIONS, GROUP_ACTION, POSTURE_ACTIONS};
pub use secret::Secret;
pub use signing_keys::Authority;
pub use start::{PreparedStart, StartReply};
pub use transport::{HttpTransport, Transport, TransportError};
