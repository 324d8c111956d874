//! What to know before acting on a case: what a stop of this very cluster may have cost, what a start may change (source:
//! azure-aks-docs `start-stop-cluster.md`, `private-cluster-connect.md`, `planned-maintenance.md`; kaito issue 2075).

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use super::super::model::{Case, Outcome};
use super::undid_it;
use crate::domain::text::utc;
use crate::domain::{Feature, ResourceKind, Setup};

/// From when on a stop is long enough for its machines to be missed.
const LONG_STOP: SignedDuration = SignedDuration::from_hours(24);
/// From when on the end of what AKS keeps is worth a line.
const VERY_LONG_STOP: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Months that AKS keeps the state of a stopped cluster (source: `start-stop-cluster.md`).
const STATE_KEPT_MONTHS: i32 = 12;

/// What a stop does to a container group (source: azure-docs `container-instances-stop-start.md`).
const GROUP_STOPPED: &str = "A stop of a container group ends its containers and loses what they kept on their own disks; a start begins them anew, \
                             and its address may be another one.";

/// One sentence each, only what applies.
pub(super) fn warnings(kind: ResourceKind, case: &Case, now: Timestamp) -> Vec<String> {
    let mut said: Vec<String> = match case.outcome {
        None => match kind {
            ResourceKind::ManagedCluster => of_a_stop(case, now),
            ResourceKind::ContainerGroup => vec![GROUP_STOPPED.to_owned()],
        },
        Some(Outcome::Gone) => return Vec::new(),
        Some(outcome @ Outcome::Authorised) if !undid_it(case, outcome) => return Vec::new(),
        Some(Outcome::Authorised | Outcome::AlreadyRunning | Outcome::Restored) => Vec::new(),
    };
    said.extend(of_a_start(&case.setup).map(str::to_owned));
    said
}

fn of_a_stop(case: &Case, now: Timestamp) -> Vec<String> {
    let stopped_at = case.newest_stop_time();
    let lasts = now.duration_since(stopped_at);
    let mut said = Vec::new();
    if lasts >= LONG_STOP {
        said.push(format!(
            "It has been stopped since {}: its machines went back to Azure, so a start may fail for lack of capacity or quota, and it got no maintenance.",
            utc(stopped_at)
        ));
    }
    if lasts >= VERY_LONG_STOP
        && let Some(day) = state_kept_until(stopped_at)
    {
        said.push(format!("AKS deletes it with all its state when it has been stopped for {STATE_KEPT_MONTHS} months, on {day}."));
    }
    if case.setup.has(Feature::Gpu) {
        said.push(
            "It has GPU nodes, which are scarce: a stop gives them back, and a start may not get them again."
                .to_owned(),
        );
    }
    said.push("Pods that no controller owns are lost with the stop.".to_owned());
    said
}

fn state_kept_until(stopped_at: Timestamp) -> Option<jiff::civil::Date> {
    let day = stopped_at.to_zoned(TimeZone::UTC).date();
    day.checked_add(Span::new().months(STATE_KEPT_MONTHS)).ok()
}

fn of_a_start(setup: &Setup) -> impl Iterator<Item = &'static str> {
    let all = [
        (
            Feature::PrivateApiServer,
            "It is a private cluster: a start makes its private endpoint anew, its API server's address may change, and private endpoints that you \
             made yourselves have to be made again.",
        ),
        (
            Feature::Autoscaler,
            "It has an autoscaler: after a start a node pool may have fewer or more nodes than the autoscaler's range.",
        ),
        (
            Feature::NodeProvisioning,
            "It has node auto-provisioning, with which AKS supports no stop: look after its nodes when it runs.",
        ),
        (
            Feature::AiToolchain,
            "The AI toolchain operator (KAITO) runs on it: a start may end in a failed state and leave machines over that still cost.",
        ),
        (
            Feature::Canary,
            "It has the tag `aks-stop-guard: canary`, as what a drill stops has: ask whoever stopped it whether this was one.",
        ),
    ];
    all.into_iter().filter_map(|(feature, text)| setup.has(feature).then_some(text))
}
