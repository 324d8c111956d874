//! The services that people get incidents in, as strict as their documentation: what they refuse, they refuse in their own words, and what
//! they would take and spoil (cut, drop, show twice) is remembered as a broken rule.
//!
//! Each keeps state, so that a test can ask what people would find there: one open alert, not two. [`Desk`] is pure (time is passed in);
//! [`Served`] puts it on a loopback port. Facts are from the services' public documentation, named where they are used; a rule that is
//! known from practice only says so.

mod check;
mod desk;
mod limit;
pub mod logs_ingestion;
pub mod opsgenie;
pub mod pagerduty;
pub mod sentinel;
mod served;
pub mod servicenow;
pub mod slack;
pub mod teams;

pub use desk::{Answer, Desk, Exchange, Fault, Service};
pub use limit::Limit;
pub use logs_ingestion::LogsIngestion;
pub use opsgenie::Opsgenie;
pub use pagerduty::PagerDuty;
pub use sentinel::Sentinel;
pub use served::Served;
pub use servicenow::ServiceNow;
pub use slack::Slack;
pub use teams::Teams;

#[cfg(test)]
mod tests;
