//! What a person does about an error of Azure: the one place that knows it. By its code, never by its message.

use super::commands;
use crate::domain::{ClusterId, Feature, ResourceKind, Scope, Setup};

/// The codes that ask for the same (source: recorded bodies; AKS and Compute troubleshooting articles).
const THROTTLED: [&str; 3] = ["Throttled", "TooManyRequests", "SubscriptionRequestsThrottled"];
const NO_MACHINES: [&str; 5] = [
    "AllocationFailed",
    "ZonalAllocationFailed",
    "OverconstrainedAllocationRequest",
    "OverconstrainedZonalAllocationRequest",
    "SkuNotAvailable",
];
const OTHER_OPERATION: [&str; 5] = [
    "OperationNotAllowed",
    "EtagMismatch",
    "OriginalEtagNotExpect",
    "AKSOperationPreempted",
    "AKSOperationPreemptedByDelete",
];

/// Where the error came up.
pub(super) struct Trouble<'a> {
    /// Azure's code.
    pub(super) code: &'a str,
    /// What the guard was about to do.
    pub(super) action: &'static str,
    pub(super) cluster: &'a ClusterId,
    pub(super) setup: &'a Setup,
    /// The locked scope, if Azure named it.
    pub(super) lock: Option<&'a Scope>,
}

impl Trouble<'_> {
    /// What to do, a sentence or two; `None` for a code that says nothing.
    pub(super) fn remedy(&self) -> Option<String> {
        let is = |code: &str| self.code.eq_ignore_ascii_case(code);
        let is_any = |codes: &[&str]| codes.iter().any(|code| is(code));
        let subscription = self.cluster.subscription();
        let noun = self.cluster.kind().noun();
        if is("AuthorizationFailed") {
            return Some(self.denied());
        }
        if is("DenyAssignmentAuthorizationFailed") {
            return Some(format!(
                "A deny assignment on the {noun} or above it forbids it, whatever roles the guard has: `Access control (IAM)` in the \
                 portal lists it. Whoever owns the deployment stack or managed application that made it excludes the guard's identity there."
            ));
        }
        if is("ScopeLocked") {
            return Some(self.locked());
        }
        if is("RequestDisallowedByPolicy") {
            return Some(format!(
                "An Azure Policy assignment forbids the start; the activity log names it. Its owner changes it, or exempts the {noun}: \
                 `az policy exemption create --name aks-start --exemption-category Waiver --policy-assignment <its id> --scope '{}'`.",
                self.cluster
            ));
        }
        if is_any(&THROTTLED) {
            return Some(format!(
                "Azure throttles requests in subscription {subscription}. That passes; find out what else sends so many if it doesn't."
            ));
        }
        match self.cluster.kind() {
            ResourceKind::ManagedCluster => self.of_a_cluster(),
            ResourceKind::ContainerGroup => self.of_a_group(),
        }
    }

    /// What only AKS has a code for, or what is done otherwise about a cluster.
    fn of_a_cluster(&self) -> Option<String> {
        let is = |code: &str| self.code.eq_ignore_ascii_case(code);
        if is("QuotaExceeded") {
            return Some(self.quota());
        }
        if is("AksCapacityHeavyUsage") {
            return Some(
                "AKS itself has no room left in the region at the moment: start the cluster later, and ask Azure support if that lasts.".to_owned(),
            );
        }
        if NO_MACHINES.iter().any(|code| is(code)) {
            return Some(
                "Azure has no machines of the node pools' size there at the moment, and a stopped cluster's node pools can't be changed: start it \
                 later, and ask Azure support for capacity if that lasts."
                    .to_owned(),
            );
        }
        if is("ReadOnlyDisabledSubscription") {
            return Some(format!(
                "{} AKS deletes the clusters of a subscription that stays suspended for 90 days.",
                self.disabled()
            ));
        }
        if is("BadRequest") && self.setup.has(Feature::AvailabilitySet) {
            return Some(
                "Its node pools are availability sets, and AKS can start scale sets only: ask Azure support, or build the cluster anew.".to_owned(),
            );
        }
        OTHER_OPERATION.iter().any(|code| is(code)).then(|| self.not_in_this_state())
    }

    /// The same of a container group. Its own codes are not in Azure's documentation: the command shows what it says of itself.
    fn of_a_group(&self) -> Option<String> {
        let is = |code: &str| self.code.eq_ignore_ascii_case(code);
        if is("ReadOnlyDisabledSubscription") {
            return Some(self.disabled());
        }
        let state = commands::last_operation(self.cluster);
        OTHER_OPERATION
            .iter()
            .any(|code| is(code))
            .then(|| format!("Azure refuses it in the group's state, or while another operation is under way: {state} shows its events."))
    }

    fn disabled(&self) -> String {
        let subscription = self.cluster.subscription();
        format!(
            "Subscription {subscription} is disabled, so Azure refuses every change ({}). Its billing owner enables it again.",
            commands::subscription_state(subscription)
        )
    }

    fn denied(&self) -> String {
        let subscription = self.cluster.subscription();
        format!(
            "The guard's identity lacks `{}` there. An owner or user access administrator of the subscription gives it the guard's role \
             (docs/DEPLOY.md): `az role assignment create --assignee <the identity's object id> --role <the guard's role> --scope \
             /subscriptions/{subscription}`.",
            self.action
        )
    }

    fn locked(&self) -> String {
        let noun = self.cluster.kind().noun();
        let place = match self.lock {
            Some(Scope::Cluster(_)) => format!("the {noun}"),
            Some(Scope::ResourceGroup(group)) => format!("resource group {}", group.name()),
            Some(Scope::Subscription(id)) => format!("subscription {id}"),
            Some(Scope::Everywhere) | None => {
                format!("the {noun}, its resource group or its subscription")
            }
        };
        format!(
            "A read-only lock on {place} forbids the start. Ask whoever set it; {} shows it, `az lock delete --ids <its id>` removes it.",
            commands::locks(self.cluster, self.lock)
        )
    }

    fn quota(&self) -> String {
        let region = self.setup.region.as_deref().unwrap_or("<region>");
        format!(
            "The subscription's quota is too small for the cluster's nodes: `az vm list-usage --subscription {} --location {region} --output table` \
             shows what uses it. Free some of it, or ask for more under Quotas in the portal.",
            self.cluster.subscription()
        )
    }

    fn not_in_this_state(&self) -> String {
        let why = if self.setup.has(Feature::NodeProvisioning) {
            "AKS refuses it in the cluster's state, or since the cluster has node auto-provisioning"
        } else {
            "AKS refuses it in the cluster's state, or while another operation is under way"
        };
        format!("{why}: {} shows its last operation.", commands::last_operation(self.cluster))
    }
}
