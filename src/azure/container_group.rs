//! A GET's body of `Microsoft.ContainerInstance/containerGroups` as a [`Cluster`]. Only the GET of one group has its state; the list of
//! groups leaves it out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::resource::{kept, region, tags, word};
use crate::domain::{Cluster, ClusterId, Feature, Power, Provisioning, ResourceKind, Setup, canary};

/// The state of a group that is getting ready to run, and goes on trying by itself (source: azure-docs `container-state.md`).
const PENDING: &str = "Pending";

/// Reads the body, which is that of `asked`.
///
/// `instanceView.state` is `Running`, `Stopped`, `Pending`, `Succeeded` or `Failed` (source: azure-docs `container-state.md`). The last
/// two are ends that the containers came to by themselves: no stop, and nothing that a start would undo, so they are unknown here.
/// A group has no unique id: one that was deleted and made anew under its name can't be told from the old one.
pub(super) fn cluster(body: &Value, asked: &ClusterId) -> Cluster {
    let state = word(body, ResourceKind::ContainerGroup.power_at());
    let tags = tags(body);
    Cluster {
        id: asked.clone(),
        resource_uid: None,
        provisioning: provisioning(word(body, "/properties/provisioningState"), state),
        power: Power::parse(state),
        location: kept(body, "/location"),
        setup: Setup { features: features(&tags), region: region(body), tenant: None },
        tags,
        sku_tier: None,
        private: None,
        kubernetes_version: None,
        fault: None,
    }
}

fn features(tags: &BTreeMap<String, String>) -> BTreeSet<Feature> {
    canary::is_tagged(tags).then_some(Feature::Canary).into_iter().collect()
}

/// The provisioning state tells of the newest operation only: a group that a start has left pending is still on its way.
fn provisioning(word: Option<&str>, state: Option<&str>) -> Provisioning {
    let is_pending = state.is_some_and(|state| state.eq_ignore_ascii_case(PENDING));
    match Provisioning::parse(word) {
        Provisioning::Succeeded | Provisioning::Failed if is_pending => Provisioning::Starting,
        said => said,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::resource::{BodyError, read};
    use super::*;
    use crate::domain::Situation;

    const ID: &str = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg/providers/Microsoft.ContainerInstance/containerGroups/cg-1";

    fn asked() -> ClusterId {
        ClusterId::parse(ID).unwrap()
    }

    fn read_json(body: Value) -> Result<Cluster, BodyError> {
        read(body.to_string().as_bytes(), &asked())
    }

    #[test]
    fn only_a_group_that_says_stopped_is_startable() {
        let situation = |provisioning: Value, state: Value| {
            let properties = json!({"provisioningState": provisioning, "instanceView": {"state": state}});
            read_json(json!({"id": ID, "properties": properties})).unwrap().situation()
        };
        let table = [
            ("Succeeded", "Running", Situation::Running),
            ("Succeeded", "stopped", Situation::Startable),
            ("Succeeded", "Pending", Situation::Starting),
            ("Failed", "Pending", Situation::Starting),
            ("Failed", "Stopped", Situation::FailedStopped),
            ("Failed", "Running", Situation::FailedRunning),
            ("Pending", "Stopped", Situation::Busy),
            ("Creating", "Pending", Situation::Busy),
            ("Repairing", "Running", Situation::Busy),
            ("Deleting", "Stopped", Situation::Deleting),
            ("Succeeded", "Succeeded", Situation::Unknown),
            ("Succeeded", "Failed", Situation::Unknown),
            ("Succeeded", "Terminated", Situation::Unknown),
            ("Succeeded", "", Situation::Unknown),
        ];
        for (provisioning, state, means) in table {
            assert_eq!(situation(json!(provisioning), json!(state)), means, "{provisioning} {state}");
        }
        for odd in [json!(null), json!(["Stopped"]), json!({"code": "Stopped"})] {
            assert_eq!(situation(json!("Succeeded"), odd.clone()), Situation::Unknown);
            assert_eq!(situation(odd, json!("Stopped")), Situation::Unknown);
        }
        assert_eq!(read_json(json!({"id": ID})).unwrap().situation(), Situation::Unknown);
    }

    #[test]
    fn what_a_drill_stops_is_known_by_its_tag() {
        let features = |tags: Value| read_json(json!({"id": ID, "tags": tags})).unwrap().setup.features;
        assert_eq!(features(json!({"aks-stop-guard": "canary"})), BTreeSet::from([Feature::Canary]));
        assert_eq!(features(json!({"aks-stop-guard": ["canary"]})), BTreeSet::new());
        assert_eq!(features(json!(null)), BTreeSet::new());
    }

    #[test]
    fn the_state_of_a_cluster_is_not_read_from_a_group_and_the_other_way_round() {
        let both = json!({"provisioningState": "Succeeded", "powerState": {"code": "Stopped"}, "instanceView": {"state": "Running"}});
        assert_eq!(read_json(json!({"id": ID, "properties": both})).unwrap().situation(), Situation::Running);
        let aks = ID.replace(
            "Microsoft.ContainerInstance/containerGroups",
            "Microsoft.ContainerService/managedClusters",
        );
        assert!(matches!(read_json(json!({"id": aks})), Err(BodyError::OtherResource { .. })));
        let body = json!({"id": aks, "properties": both}).to_string();
        let cluster = read(body.as_bytes(), &ClusterId::parse(&aks).unwrap()).unwrap();
        assert_eq!(cluster.situation(), Situation::Startable);
    }

    proptest! {
        #[test]
        fn no_body_makes_the_reader_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&body, &asked());
        }
    }
}
