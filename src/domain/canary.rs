//! The canary of a drill: a container group that is there to be stopped.

use std::collections::BTreeMap;

use super::cluster::{Cluster, Situation};
use super::resource_id::ClusterId;
use super::resource_kind::ResourceKind;

/// Name and value of the tag that says it.
pub const CANARY_TAG: (&str, &str) = ("aks-stop-guard", "canary");

/// Whether tags say that this is a canary. That is the word of whoever may tag it, so nothing is decided by it but what a drill may
/// stop. Azure compares names of tags without case, and values with it (source: Azure tag limits).
pub fn is_tagged(tags: &BTreeMap<String, String>) -> bool {
    let (name, value) = CANARY_TAG;
    tags.iter().any(|(tag, of)| tag.eq_ignore_ascii_case(name) && of == value)
}

/// A container group that a drill may stop: there is no other way to one than [`Canary::of`], and nothing else that this program stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canary(ClusterId);

/// Why something is not stopped for a drill.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotACanary {
    /// It is something else.
    #[error("`{0}` is no container group: a drill stops nothing else")]
    OtherKind(ClusterId),
    /// Nobody said that it may be stopped.
    #[error("`{0}` has no tag `aks-stop-guard: canary`: a drill stops only what is tagged so")]
    NotTagged(ClusterId),
    /// Its start could not be seen.
    #[error("`{0}` does not run, so it can't be stopped: wait until it does, or start it")]
    NotRunning(ClusterId),
}

impl Canary {
    /// A look at something, if it may be stopped for a drill.
    ///
    /// # Errors
    /// It may not.
    pub fn of(seen: &Cluster) -> Result<Self, NotACanary> {
        let id = || seen.id.clone();
        match seen.id.kind() {
            ResourceKind::ContainerGroup => {}
            ResourceKind::ManagedCluster => return Err(NotACanary::OtherKind(id())),
        }
        if !is_tagged(&seen.tags) {
            return Err(NotACanary::NotTagged(id()));
        }
        if seen.situation() != Situation::Running {
            return Err(NotACanary::NotRunning(id()));
        }
        Ok(Self(id()))
    }

    /// Which.
    pub fn id(&self) -> &ClusterId {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::cluster::{Power, Provisioning, Setup};
    use super::*;

    fn seen(arm_type: &str, tag: &[(&str, &str)], power: Power) -> Cluster {
        let id = format!(
            "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg/providers/{arm_type}/one"
        );
        Cluster {
            id: ClusterId::parse(&id).unwrap(),
            resource_uid: None,
            provisioning: Provisioning::Succeeded,
            power,
            location: None,
            tags: tag.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            sku_tier: None,
            private: None,
            kubernetes_version: None,
            setup: Setup::default(),
            fault: None,
        }
    }

    #[test]
    fn only_a_container_group_that_is_tagged_and_runs_may_be_stopped() {
        let [cluster, group] = ResourceKind::ALL.map(ResourceKind::arm_type);
        let of = |kind, tag: &[(&str, &str)], power| Canary::of(&seen(kind, tag, power));
        assert!(of(group, &[CANARY_TAG], Power::Running).is_ok());
        assert!(of(group, &[("AKS-Stop-Guard", "canary")], Power::Running).is_ok());
        assert!(matches!(of(cluster, &[CANARY_TAG], Power::Running), Err(NotACanary::OtherKind(_))));
        for tag in [&[][..], &[("aks-stop-guard", "Canary")], &[("canary", "aks-stop-guard")]] {
            assert!(matches!(of(group, tag, Power::Running), Err(NotACanary::NotTagged(_))), "{tag:?}");
        }
        for power in [Power::Stopped, Power::Unknown] {
            assert!(matches!(of(group, &[CANARY_TAG], power), Err(NotACanary::NotRunning(_))));
        }
    }
}
