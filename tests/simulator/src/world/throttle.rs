//! Azure's token buckets.
//!
//! AKS limits as documented in `quotas-skus-regions` (August 2026), ARM's as in `request-limits-and-throttling`.

use std::collections::HashMap;

use jiff::Timestamp;

use super::fault::RequestKind;

/// A bucket's size and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Limit {
    burst: f64,
    per_second: f64,
}

/// ARM counts these apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quota {
    Reads,
    Writes,
    Deletes,
}

impl Quota {
    /// The header that tells what is left.
    pub(super) fn header(self) -> &'static str {
        match self {
            Self::Reads => "x-ms-ratelimit-remaining-subscription-reads",
            Self::Writes => "x-ms-ratelimit-remaining-subscription-writes",
            Self::Deletes => "x-ms-ratelimit-remaining-subscription-deletes",
        }
    }
}

/// Whose bucket is empty, with the seconds to wait.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Empty {
    /// ARM's.
    Gateway(u32),
    /// The resource provider's.
    Provider(u32),
}

#[derive(Debug, Clone)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

/// All buckets, made full on first use.
#[derive(Debug, Clone, Default)]
pub(super) struct Buckets {
    buckets: HashMap<String, Bucket>,
}

fn gateway_limit(kind: RequestKind) -> Option<(Quota, Limit)> {
    match kind {
        RequestKind::GetCluster
        | RequestKind::GetOperation
        | RequestKind::GetOperationResult
        | RequestKind::ListActivityLog
        | RequestKind::ListClusters
        | RequestKind::GetPlan
        | RequestKind::ListRoles
        | RequestKind::ListAssignments
        | RequestKind::ListReleases
        | RequestKind::ListNetworkGroups
        | RequestKind::GetNetworkGroup
        | RequestKind::GetRule
        | RequestKind::GetSubnet
        | RequestKind::GetWorkspace
        | RequestKind::GetCollectionRule
        | RequestKind::GetAssociation
        | RequestKind::GetUpgrades
        | RequestKind::ListSettings
        | RequestKind::ListPermissions
        | RequestKind::ListLocks
        | RequestKind::ListDenyAssignments
        | RequestKind::ListTopics
        | RequestKind::ListEventSubscriptions
        | RequestKind::GetNetworkOperation => Some((Quota::Reads, Limit { burst: 250.0, per_second: 25.0 })),
        RequestKind::Start
        | RequestKind::Stop
        | RequestKind::PutCluster
        | RequestKind::PutPlan
        | RequestKind::PutRule
        | RequestKind::PutCollectionRule
        | RequestKind::PutAssociation
        | RequestKind::PutWorkspace => Some((Quota::Writes, Limit { burst: 200.0, per_second: 10.0 })),
        RequestKind::DeleteCluster | RequestKind::DeleteRule => {
            Some((Quota::Deletes, Limit { burst: 200.0, per_second: 10.0 }))
        }
        RequestKind::QueryResourceGraph
        | RequestKind::ListSubscriptions
        | RequestKind::Token
        | RequestKind::Unknown => None,
    }
}

/// The provider's limit, and whether it counts per cluster (else per subscription).
fn provider_limit(kind: RequestKind) -> Option<(&'static str, Limit, bool)> {
    match kind {
        RequestKind::GetCluster => Some(("get", Limit { burst: 60.0, per_second: 1.0 }, true)),
        RequestKind::PutCluster => Some(("put", Limit { burst: 20.0, per_second: 1.0 / 60.0 }, true)),
        RequestKind::GetOperation | RequestKind::GetOperationResult => {
            Some(("operations", Limit { burst: 200.0, per_second: 2.0 }, false))
        }
        RequestKind::Start | RequestKind::Stop | RequestKind::DeleteCluster => {
            Some(("others", Limit { burst: 60.0, per_second: 1.0 }, false))
        }
        RequestKind::ListClusters => Some(("list", Limit { burst: 500.0, per_second: 1.0 }, false)),
        RequestKind::ListSubscriptions
        | RequestKind::GetPlan
        | RequestKind::ListRoles
        | RequestKind::ListAssignments
        | RequestKind::ListReleases
        | RequestKind::ListNetworkGroups
        | RequestKind::GetNetworkGroup
        | RequestKind::GetRule
        | RequestKind::GetSubnet
        | RequestKind::GetWorkspace
        | RequestKind::GetCollectionRule
        | RequestKind::GetAssociation
        | RequestKind::GetUpgrades
        | RequestKind::ListSettings
        | RequestKind::ListPermissions
        | RequestKind::ListLocks
        | RequestKind::ListDenyAssignments
        | RequestKind::ListTopics
        | RequestKind::ListEventSubscriptions
        | RequestKind::PutPlan
        | RequestKind::PutWorkspace
        | RequestKind::PutCollectionRule
        | RequestKind::PutAssociation
        | RequestKind::DeleteRule
        | RequestKind::PutRule
        | RequestKind::GetNetworkOperation
        | RequestKind::ListActivityLog
        | RequestKind::QueryResourceGraph
        | RequestKind::Token
        | RequestKind::Unknown => None,
    }
}

/// Who asks for what.
pub(super) struct Demand<'a> {
    pub(super) kind: RequestKind,
    pub(super) principal: &'a str,
    pub(super) subscription: &'a str,
    pub(super) cluster: &'a str,
    /// The limits of the resource provider are those of AKS; others have none here.
    pub(super) is_of_aks: bool,
    pub(super) speed_up: f64,
}

impl Buckets {
    /// Takes a token from each bucket that the request falls under. The answer is what is left of ARM's.
    pub(super) fn take(
        &mut self,
        demand: &Demand<'_>,
        now: Timestamp,
    ) -> Result<Option<(Quota, u32)>, Empty> {
        let mut left = None;
        if let Some((quota, limit)) = gateway_limit(demand.kind) {
            let key = format!("arm {quota:?} {} {}", demand.principal, demand.subscription);
            left = Some((quota, self.take_one(key, limit, demand.speed_up, now).map_err(Empty::Gateway)?));
        }
        if let Some((name, limit, per_cluster)) = provider_limit(demand.kind).filter(|_| demand.is_of_aks) {
            let scope = if per_cluster { demand.cluster } else { demand.subscription };
            let key = format!("aks {name} {}", scope.to_ascii_lowercase());
            self.take_one(key, limit, demand.speed_up, now).map_err(Empty::Provider)?;
        }
        Ok(left)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and a burst of 250"
    )]
    fn take_one(&mut self, key: String, limit: Limit, speed_up: f64, now: Timestamp) -> Result<u32, u32> {
        let bucket = self.buckets.entry(key).or_insert(Bucket { tokens: limit.burst, at: now });
        let passed = now.duration_since(bucket.at).as_secs_f64().max(0.0);
        let per_second = limit.per_second * speed_up;
        bucket.tokens = (bucket.tokens + passed * per_second).min(limit.burst);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return Err(((1.0 - bucket.tokens) / per_second).ceil().max(1.0) as u32);
        }
        bucket.tokens -= 1.0;
        Ok(bucket.tokens as u32)
    }
}
