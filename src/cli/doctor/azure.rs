//! What is asked of Azure about one subscription. Reads only.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use serde_json::Value;

use crate::azure::Arm;
use crate::doctor::{self, Asker, Finding, Standing};
use crate::domain::{ResourceKind, SubscriptionId};
use crate::posture::Unread;

/// The api-version of permissions and deny assignments (source: Azure REST docs, "Permissions - List For Resource Group", "Deny
/// Assignments - List").
const AUTHORIZATION_API: &str = "2022-04-01";
/// The api-version of locks (source: Azure REST docs, "Management Locks - List At Subscription Level").
const LOCKS_API: &str = "2020-05-01";
/// The api-version of Event Grid: that of `infra/`.
const EVENT_GRID_API: &str = "2025-02-15";
/// Resource groups that are asked about at a time.
const GROUPS_AT_A_TIME: usize = 8;

/// Whether the guard can read and start here, and hears of stops.
pub(super) async fn subscription(
    arm: &Arm,
    id: &SubscriptionId,
    asker: &Asker,
    limit: Duration,
) -> Vec<Finding> {
    let (standing, events) = futures::join!(standing(arm, id, asker, limit), events(arm, id, limit));
    standing.into_iter().chain([doctor::events(id, &events)]).collect()
}

async fn standing(arm: &Arm, id: &SubscriptionId, asker: &Asker, limit: Duration) -> Vec<Finding> {
    let list = |provider, kind, api| in_subscription(arm, id, [provider, kind], api, limit);
    let guarded = ResourceKind::ALL.map(|kind| async move { (kind, guarded(arm, id, kind, limit).await) });
    let (lists, locks, denials) = futures::join!(
        futures::future::join_all(guarded),
        list("Microsoft.Authorization", "locks", LOCKS_API),
        list("Microsoft.Authorization", "denyAssignments", AUTHORIZATION_API),
    );
    let listed: Vec<doctor::Listed> =
        lists.iter().filter_map(|(_, read)| read.as_deref().ok()).flat_map(doctor::listed).collect();
    let start = if lists.iter().all(|(_, read)| read.is_err()) {
        Finding::new("start-right", Standing::Unknown, "not asked: nothing could be read").about(id)
    } else {
        doctor::may_start(id, asker, &permissions(arm, id, &listed, limit).await)
    };
    vec![
        doctor::arm_read(id, &lists),
        start,
        doctor::locks(id, &listed, &locks),
        doctor::denials(id, &listed, asker, &denials),
    ]
}

/// What is guarded in a subscription, of one kind.
async fn guarded(
    arm: &Arm,
    id: &SubscriptionId,
    kind: ResourceKind,
    limit: Duration,
) -> Result<Vec<Value>, Unread> {
    let (provider, resource_type) = kind.arm_type().split_once('/').unwrap_or((kind.arm_type(), ""));
    in_subscription(arm, id, [provider, resource_type], kind.api_version(), limit).await
}

/// What the identity may do in each resource group that has something guarded.
async fn permissions(
    arm: &Arm,
    id: &SubscriptionId,
    listed: &[doctor::Listed],
    limit: Duration,
) -> Vec<doctor::GroupRights> {
    let asked = doctor::groups(listed).into_iter().map(|(group, kinds)| async move {
        let path = ["subscriptions", id.as_str(), "resourceGroups", &group, "providers"];
        let path = [&path[..], &["Microsoft.Authorization", "permissions"]].concat();
        let read = arm.rows(id, &path, AUTHORIZATION_API, limit).await;
        doctor::GroupRights { group, kinds, read }
    });
    stream::iter(asked).buffered(GROUPS_AT_A_TIME).collect().await
}

/// The event subscriptions of the subscription's own topic.
async fn events(
    arm: &Arm,
    id: &SubscriptionId,
    limit: Duration,
) -> Result<Vec<Value>, (Unread, &'static str)> {
    let topics = in_subscription(arm, id, ["Microsoft.EventGrid", "systemTopics"], EVENT_GRID_API, limit)
        .await
        .map_err(|why| (why, "Microsoft.EventGrid/systemTopics/read"))?;
    let mut all = Vec::new();
    for topic in doctor::topics(id, &topics) {
        let path = [topic.segments(), vec!["eventSubscriptions"]].concat();
        let read = arm.rows(id, &path, EVENT_GRID_API, limit).await;
        all.extend(read.map_err(|why| (why, "Microsoft.EventGrid/systemTopics/eventSubscriptions/read"))?);
    }
    Ok(all)
}

async fn in_subscription(
    arm: &Arm,
    id: &SubscriptionId,
    [provider, kind]: [&str; 2],
    api_version: &str,
    limit: Duration,
) -> Result<Vec<Value>, Unread> {
    arm.rows(id, &["subscriptions", id.as_str(), "providers", provider, kind], api_version, limit).await
}
