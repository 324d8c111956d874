//! What people are warned of before they act.

use super::remedy::told_of;
use super::*;
use crate::domain::{Cluster, Feature, Setup, TenantId};

const DAY: i64 = 24 * 3_600;

fn look(arm: Arm, second: i64, setup: Setup) -> Result<Look, LookProblem> {
    let (provisioning, power) = arm.states().unwrap();
    let cluster = Cluster { setup, ..cluster(provisioning, power) };
    Ok(Look { sent_at: at(second), found: Found::Cluster(Box::new(cluster)), body: None })
}

fn with(features: &[Feature]) -> Setup {
    Setup { features: features.iter().copied().collect(), ..Setup::default() }
}

/// What is said when a restart is told that many seconds after the stop.
fn warned(features: &[Feature], second: i64) -> Vec<String> {
    let mut world = World::stopped_by(mallory());
    world.log_says(vec![log_stop(mallory(), 0)]);
    let stepped = world.steps(&POLICIES, look(Arm::Stopped, second, with(features)), second);
    last(&stepped.told).warnings.clone()
}

#[test]
fn only_what_applies_to_the_cluster_is_said() {
    assert_eq!(warned(&[], 11), ["Pods that no controller owns are lost with the stop."]);
    let all = [
        Feature::PrivateApiServer,
        Feature::NodeProvisioning,
        Feature::Autoscaler,
        Feature::Gpu,
        Feature::AiToolchain,
        Feature::AvailabilitySet,
        Feature::Canary,
        Feature::Other,
    ];
    insta::assert_snapshot!(warned(&all, 11).join("\n"), @r"
    It has GPU nodes, which are scarce: a stop gives them back, and a start may not get them again.
    Pods that no controller owns are lost with the stop.
    It is a private cluster: a start makes its private endpoint anew, its API server's address may change, and private endpoints that you made yourselves have to be made again.
    It has an autoscaler: after a start a node pool may have fewer or more nodes than the autoscaler's range.
    It has node auto-provisioning, with which AKS supports no stop: look after its nodes when it runs.
    The AI toolchain operator (KAITO) runs on it: a start may end in a failed state and leave machines over that still cost.
    It has the tag `aks-stop-guard: canary`, as what a drill stops has: ask whoever stopped it whether this was one.
    ");
}

#[test]
fn a_long_stop_is_warned_of_and_a_very_long_one_with_the_day_of_its_end() {
    assert_eq!(warned(&[], DAY - 1).len(), 1);
    insta::assert_snapshot!(warned(&[], DAY).join("\n"), @r"
    It has been stopped since 2026-09-14 18:00:00 UTC: its machines went back to Azure, so a start may fail for lack of capacity or quota, and it got no maintenance.
    Pods that no controller owns are lost with the stop.
    ");
    insta::assert_snapshot!(warned(&[], 30 * DAY).join("\n"), @r"
    It has been stopped since 2026-09-14 18:00:00 UTC: its machines went back to Azure, so a start may fail for lack of capacity or quota, and it got no maintenance.
    AKS deletes it with all its state when it has been stopped for 12 months, on 2027-09-14.
    Pods that no controller owns are lost with the stop.
    ");
}

#[test]
fn what_a_start_changes_is_still_said_when_the_cluster_runs_again_and_not_when_it_is_gone() {
    let mut world = World::stopped_by(mallory());
    world.steps(&POLICIES, look(Arm::Stopped, 11, with(&[Feature::PrivateApiServer, Feature::Gpu])), 11);
    world.start_came_to(sent(), 12);
    let mut gone = World { record: world.record.clone(), ..World::new() };
    let running = look(Arm::Running, 400, with(&[Feature::PrivateApiServer, Feature::Gpu]));
    let over = world.steps(&POLICIES, running, 400);
    assert!(
        matches!(last(&over.told).warnings.as_slice(), [one] if one.starts_with("It is a private cluster"))
    );
    let over = gone.sees(Arm::Gone, 400);
    assert_eq!(last(&over.told).warnings, Vec::<String>::new());
    let labels: Vec<&str> = last(&over.told).links.iter().map(|link| link.label.as_str()).collect();
    assert_eq!(
        labels,
        [format!("activity log of subscription {SUBSCRIPTION}")],
        "its own pages are gone too"
    );
}

#[test]
fn links_open_in_the_tenant_that_the_cluster_names() {
    let tenant = "11112222-bb1b-cc2c-dd3d-eeeeee4e4e4e";
    let incident = told_of(Held::PolicyError, |case| case.setup.tenant = TenantId::parse(tenant));
    for link in &incident.links {
        assert!(
            link.url.starts_with(&format!("https://portal.azure.com/#@{tenant}/resource/subscriptions/")),
            "{link:?}"
        );
    }
    assert_eq!(incident.links.len(), 2);
}

#[test]
fn a_record_of_an_older_version_knows_nothing_of_the_cluster_and_warns_of_nothing_special() {
    let mut world = World::stopped_by(mallory());
    world.steps(&POLICIES, look(Arm::Stopping, 11, with(&[Feature::Gpu])), 11);
    let mut stored = serde_json::to_value(world.case()).unwrap();
    assert!(stored.as_object_mut().unwrap().remove("setup").is_some());
    let case: Case = serde_json::from_value(stored).unwrap();
    assert!(case.setup.is_plain());
    let newer = serde_json::from_str::<Setup>(r#"{"features":["gpu","of-tomorrow"]}"#).unwrap();
    assert_eq!(
        newer,
        with(&[Feature::Gpu, Feature::Other]),
        "one that a newer version wrote is no reason to fail"
    );
}
