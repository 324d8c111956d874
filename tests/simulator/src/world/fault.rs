//! Faults that a test orders.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::cluster::PowerState;
use super::id::ClusterId;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// 429 `Throttled` of the resource provider.
    #[serde(rename_all = "camelCase")]
    Throttled {
        /// Whole seconds of the `Retry-After` header; none = no header. Never divided by a speed-up.
        retry_after: Option<u32>,
    },
    /// 403 `AuthorizationFailed`.
    Denied,
    /// 409 `ScopeLocked`, the gateway's shape.
    Locked,
    /// 403 `RequestDisallowedByPolicy`.
    PolicyDenied,
    /// The start is accepted and ends `Failed`, code `QuotaExceeded`, power state `Running`.
    Quota,
    /// 409 `OperationNotAllowed`: another operation is in progress.
    Conflict,
    /// 412 `PreconditionFailed`: it changed since it was read.
    Changed,
    /// 500 with plain text.
    ServerError,
    /// 503 `ServerTimeout` with `Retry-After: 10`.
    Unavailable,
    /// The effect is done; the answer never comes and the connection breaks.
    AnswerLost,
    /// The request never comes to Azure.
    NeverArrived,
    /// The answer comes that much later, in Azure's time; the effect at once.
    SlowAnswer(SignedDuration),
    /// The start is accepted and ends `Failed`, code `AllocationFailed`, leaving this power state.
    StartFails {
        /// `Running` is what users reported (Azure/AKS issue 2171).
        leaves: PowerState,
    },
    /// For that long after a stop, in Azure's time, a GET shows the state before it.
    StaleLook(SignedDuration),
    /// ARM answers 401 to a good token.
    TokenRefused,
    /// The identity endpoint answers 500.
    IdentityDown,
}

/// The kinds of request, for matching faults and for counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum RequestKind {
    GetCluster,
    PutCluster,
    DeleteCluster,
    Start,
    Stop,
    GetOperation,
    GetOperationResult,
    ListActivityLog,
    QueryResourceGraph,
    ListSubscriptions,
    ListClusters,
    GetPlan,
    ListRoles,
    ListAssignments,
    ListReleases,
    ListNetworkGroups,
    GetNetworkGroup,
    GetRule,
    GetSubnet,
    GetWorkspace,
    GetUpgrades,
    ListSettings,
    ListPermissions,
    ListLocks,
    ListDenyAssignments,
    ListTopics,
    ListEventSubscriptions,
    PutPlan,
    PutWorkspace,
    DeleteRule,
    PutRule,
    GetNetworkOperation,
    Token,
    Unknown,
}

/// A fault and what it falls on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRule {
    /// What goes wrong.
    pub fault: Fault,
    /// On which kind of request; none = on every kind that the fault makes sense for.
    #[serde(default)]
    pub on: Option<RequestKind>,
    /// On which cluster; none = on all.
    #[serde(default)]
    pub cluster: Option<ClusterId>,
    /// How often; none = until the faults are cleared.
    #[serde(default)]
    pub times: Option<u32>,
}

/// Where in the life of a request a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// At the request itself.
    Request,
    /// At the end of the operation it begins.
    Ending,
    /// At what a look shows.
    Look,
}

impl Fault {
    fn stage(&self) -> Stage {
        match self {
            Self::Quota | Self::StartFails { .. } => Stage::Ending,
            Self::StaleLook(_) => Stage::Look,
            Self::Throttled { .. }
            | Self::Denied
            | Self::Locked
            | Self::PolicyDenied
            | Self::Conflict
            | Self::Changed
            | Self::ServerError
            | Self::Unavailable
            | Self::AnswerLost
            | Self::NeverArrived
            | Self::SlowAnswer(_)
            | Self::TokenRefused
            | Self::IdentityDown => Stage::Request,
        }
    }

    /// Whether the fault can strike this kind of request when its rule names none.
    fn suits(&self, kind: RequestKind) -> bool {
        let write = matches!(
            kind,
            RequestKind::Start
                | RequestKind::Stop
                | RequestKind::PutCluster
                | RequestKind::DeleteCluster
                | RequestKind::PutPlan
                | RequestKind::PutWorkspace
                | RequestKind::DeleteRule
                | RequestKind::PutRule
        );
        match self {
            Self::Quota | Self::StartFails { .. } => kind == RequestKind::Start,
            Self::StaleLook(_) => kind == RequestKind::GetCluster,
            Self::Locked | Self::PolicyDenied | Self::Conflict | Self::Changed => write,
            Self::IdentityDown => kind == RequestKind::Token,
            Self::Throttled { .. } | Self::Denied | Self::TokenRefused => kind != RequestKind::Token,
            Self::ServerError
            | Self::Unavailable
            | Self::AnswerLost
            | Self::NeverArrived
            | Self::SlowAnswer(_) => true,
        }
    }
}

/// The faults that are ordered, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    rules: Vec<FaultRule>,
}

impl Faults {
    pub(super) fn add(&mut self, rule: FaultRule) {
        self.rules.push(rule);
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    /// The oldest fault that strikes here; it is used up by one.
    pub(super) fn take(
        &mut self,
        stage: Stage,
        kind: RequestKind,
        cluster: Option<&ClusterId>,
    ) -> Option<Fault> {
        let at = self.rules.iter().position(|rule| {
            rule.fault.stage() == stage
                && rule.times != Some(0)
                && rule.fault.suits(kind)
                && rule.on.is_none_or(|on| on == kind)
                && rule.cluster.as_ref().is_none_or(|wanted| Some(wanted) == cluster)
        })?;
        let rule = self.rules.get_mut(at)?;
        if let Some(times) = &mut rule.times {
            *times -= 1;
        }
        Some(rule.fault.clone())
    }
}
