//! Mending what [`crate::posture`] finds: what has to be sent to Azure, and whether it is needed at all. Pure: an [`Item`] says what to
//! read, judges what was read, and gives the one request that would change it; [`crate::azure`] asks and sends.
//!
//! The same judgement that plans a change verifies it: after the write the item must be judged as [`Judged::Already`].

mod authorized_ranges;
mod cluster;
mod defender_plan;
mod defender_profile;
mod deny_rule;
mod item;
mod judged;
mod nsg_rule;
mod raw;
mod upgrade;
mod workspace;

pub use authorized_ranges::AuthorizedRanges;
pub use defender_plan::DefenderPlan;
pub use defender_profile::DefenderProfile;
pub use deny_rule::{DenyRule, Protocol};
pub use item::{HARDEN_ACTIONS, Item, ItemError};
pub use judged::{Change, Judged, Verb};
pub use nsg_rule::NsgRule;
pub use upgrade::Upgrade;
pub use workspace::NewWorkspace;

#[cfg(test)]
mod tests;
