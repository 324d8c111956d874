//! What is asked of the guard over HTTP and changes something: grants and holds, by people and pipelines whose token was checked.
//! Cedar says who may.

use crate::azure::ArmError;
use crate::domain::grant::{AnnouncementError, Author, Plan};
use crate::domain::{Caller, ClusterId, Found, Grant, GrantScope, Hold, ResourceKind, Scope, SubscriptionId};
use crate::policy::{Answer, GrantQuestion, HoldQuestion, Policies};
use crate::store::{PathName, StoreError};

use super::work::LOOK_BUDGET;
use super::{GrantError, Guard, GuardError, HoldError, Made};

/// What somebody wants granted, before it is known which cluster it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A cluster: the guard looks which one has that id now.
    Cluster(ClusterId),
    /// Anything else.
    Scope(GrantScope),
}

/// The other words of a request for a grant.
#[derive(Debug, Clone)]
pub struct GrantRequest {
    /// What may be stopped.
    pub wanted: Wanted,
    /// Who may stop it.
    pub caller: String,
    /// From when on, if that was said.
    pub from: Option<jiff::Timestamp>,
    /// Until when.
    pub until: jiff::Timestamp,
    /// Why.
    pub reason: String,
    /// Where it was agreed on.
    pub ticket: Option<String>,
    /// Names this request, so that a repeat is one.
    pub id: PathName,
}

/// The words of a request for a hold.
#[derive(Debug, Clone)]
pub struct HoldRequest {
    /// Where nothing is to be started.
    pub scope: Scope,
    /// Until when.
    pub until: jiff::Timestamp,
    /// Why.
    pub reason: String,
    /// Names this request, so that a repeat is one.
    pub id: PathName,
}

/// Why a request was not granted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Denied {
    /// It makes no sense.
    #[error(transparent)]
    Invalid(#[from] AnnouncementError),
    /// The subscription is not guarded, so it would do nothing.
    #[error("subscription `{0}` is not guarded")]
    NotGuarded(SubscriptionId),
    /// No policy permits it, or one forbids it.
    #[error("{}", not_permitted(.0))]
    NotPermitted(Vec<String>),
    /// There is no such cluster.
    #[error("there is no cluster `{0}`")]
    NoCluster(ClusterId),
    /// Which cluster it is can't be said now.
    #[error("the cluster can't be looked at, so the grant can't be bound to it: {0}")]
    NoLook(String),
    /// It was there before and was taken back.
    #[error("{0}")]
    TakenBack(String),
    /// The guard can't do it now.
    #[error(transparent)]
    Guard(#[from] GuardError),
}

fn not_permitted(policies: &[String]) -> String {
    match policies {
        [] => "no policy permits it".to_owned(),
        policies => format!("forbidden by policy {}", policies.join(", ")),
    }
}

impl From<StoreError> for Denied {
    fn from(error: StoreError) -> Self {
        Self::Guard(GuardError::Store(error))
    }
}

impl From<GrantError> for Denied {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::Store(error) => error.into(),
            GrantError::Contended(id) => Self::Guard(GuardError::Contended(id)),
            GrantError::Revoked | GrantError::Unknown(_) => Self::TakenBack(error.to_string()),
        }
    }
}

impl From<HoldError> for Denied {
    fn from(error: HoldError) -> Self {
        match error {
            HoldError::Invalid(error) => error.into(),
            HoldError::Store(error) => error.into(),
            HoldError::Contended(id) => Self::Guard(GuardError::Contended(id)),
            HoldError::Over | HoldError::Unknown(_) => Self::TakenBack(error.to_string()),
        }
    }
}

impl Guard {
    /// Makes a grant, if the policies let this caller. `requester` must come from a token that was checked.
    ///
    /// # Errors
    /// If it is not allowed, makes no sense, or can't be stored.
    pub async fn grant(&self, requester: &Caller, request: GrantRequest) -> Result<Made<Grant>, Denied> {
        let now = self.now();
        let scope = self.bound(&request.wanted).await?;
        self.check_guarded(scope.subscription()).await?;
        let plan = Plan::new(
            scope,
            &request.caller,
            (request.from, request.until),
            (&request.reason, request.ticket.as_deref()),
            now,
        )?;
        let zone = &self.0.settings.zone;
        permitted(&self.asked()?.may_grant(&GrantQuestion { requester, plan: &plan, at: now, zone }))?;
        Ok(self.grants().add(Some(&request.id), plan, Author::verified(requester), now).await?)
    }

    /// Sets a hold, if the policies let this caller. `requester` must come from a token that was checked.
    ///
    /// # Errors
    /// If it is not allowed, makes no sense, or can't be stored.
    pub async fn hold(&self, requester: &Caller, request: HoldRequest) -> Result<Made<Hold>, Denied> {
        let now = self.now();
        let HoldRequest { scope, until, reason, id } = request;
        self.check_guarded(scope.subscription()).await?;
        let zone = &self.0.settings.zone;
        let question = HoldQuestion { requester, scope: &scope, until, reason: &reason, at: now, zone };
        permitted(&self.asked()?.may_hold(&question))?;
        let by = Author::verified(requester);
        let made = self.holds().add(Some(&id), scope, until, &reason, (by, now)).await?;
        self.forget_holds();
        Ok(made)
    }

    /// The policies, if they can be asked: a broken guard lets nobody do anything.
    fn asked(&self) -> Result<&Policies, Denied> {
        self.policies().ok_or_else(|| Denied::Guard(GuardError::Settings(self.faults().join("; "))))
    }

    async fn check_guarded(&self, subscription: Option<&SubscriptionId>) -> Result<(), Denied> {
        match subscription {
            Some(id) if !self.is_guarded(id).await? => Err(Denied::NotGuarded(id.clone())),
            Some(_) | None => Ok(()),
        }
    }

    /// Binds a grant for a cluster to the one that has the id now.
    async fn bound(&self, wanted: &Wanted) -> Result<GrantScope, Denied> {
        match wanted {
            Wanted::Scope(scope) => Ok(scope.clone()),
            Wanted::Cluster(id) => {
                self.check_guarded(Some(id.subscription())).await?;
                bind(&self.0.arm, id).await
            }
        }
    }
}

/// The scope of a grant for the cluster that has this id now.
///
/// # Errors
/// If there is none, or Azure doesn't say which it is.
pub async fn bind(arm: &crate::azure::Arm, id: &ClusterId) -> Result<GrantScope, Denied> {
    let look =
        arm.look(id, LOOK_BUDGET).await.map_err(|error: ArmError| Denied::NoLook(error.to_string()))?;
    match look.found {
        Found::Gone => Err(Denied::NoCluster(id.clone())),
        Found::Cluster(cluster) => match cluster.resource_uid {
            Some(resource_uid) => Ok(GrantScope::Cluster { id: id.clone(), resource_uid }),
            None => Err(Denied::NoLook(
                match id.kind() {
                    ResourceKind::ManagedCluster => "Azure does not tell its `resourceUID`",
                    ResourceKind::ContainerGroup => {
                        "container groups have no `resourceUID`; give the grant for its resource group or a tag"
                    }
                }
                .to_owned(),
            )),
        },
    }
}

fn permitted(answer: &Answer) -> Result<(), Denied> {
    if answer.allowed {
        return Ok(());
    }
    for error in &answer.errors {
        tracing::error!(%error, "a policy could not be asked about a grant or a hold");
    }
    Err(Denied::NotPermitted(answer.ids()))
}
