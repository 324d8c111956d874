//! What the guard talks about: resources, events, callers, clusters, incidents. No I/O and no clock.

pub mod any_resource;
pub mod calendar;
pub mod caller;
pub mod canary;
pub mod claims;
pub mod cloud;
pub mod cluster;
pub mod event;
pub mod grant;
pub mod guid;
pub mod hold;
pub mod incident;
pub mod management_group;
pub mod portal;
pub mod power_log;
pub mod resource_id;
pub mod resource_kind;
pub mod role;
pub mod scope;
pub mod text;

pub use any_resource::ResourceId;
pub use caller::{Caller, CallerKind};
pub use canary::Canary;
pub use cloud::Cloud;
pub use cluster::{Cluster, Feature, Found, Look, Power, Provisioning, Setup, Situation};
pub use event::{EventSchema, Parsed, StopEvent, StopTime};
pub use grant::{Grant, GrantScope};
pub use hold::Hold;
pub use incident::{Incident, IncidentState, Link, Severity};
pub use management_group::ManagementGroup;
pub use portal::{Portal, TenantId};
pub use power_log::{LogReading, LogScope, PowerOperation, PowerVerb, ScopeOperation, ScopeReading};
pub use resource_id::{ClusterId, ClusterKey, SubscriptionId};
pub use resource_kind::ResourceKind;
pub use role::{HolderKind, Role};
pub use scope::Scope;
