//! How exposed clusters are: what Azure's answers mean for somebody who would stop a cluster. Pure: it says what to ask
//! ([`Question`]), reads the answers ([`Fact`]) and judges them ([`Report`]); [`crate::azure`] asks.

mod access;
mod api_server;
mod brief;
mod cidr;
mod cluster;
mod defender;
mod fact;
mod finding;
mod logs;
mod nsg;
mod ports;
mod question;
pub(crate) mod read;
mod report;
mod sarif;
mod shell;
mod table;
mod version;
mod workspace;

pub(crate) use access::fits as action_fits;
pub(crate) use cidr::v4_range;
pub use fact::{Fact, FactError, Page};
pub use finding::{Check, Finding};
pub(crate) use nsg::{Admission, admission, is_rule_of_aks};
pub(crate) use ports::Ports;
pub use question::{Question, Unread};
pub use report::{Answers, ClusterReport, Report, SubscriptionReport};
pub use sarif::sarif;
pub(crate) use shell::command;
pub use table::table;

#[cfg(test)]
mod tests;
