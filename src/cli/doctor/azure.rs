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
    let (listed, locks, denials) = futures::join!(
        list("Microsoft.ContainerService", "managedClusters", ResourceKind::ManagedCluster.api_version()),
        list("Microsoft.Authorization", "locks", LOCKS_API),
        list("Microsoft.Authorization", "denyAssignments", AUTHORIZATION_API),
    );
    let clusters = listed.as_deref().map(doctor::clusters).unwrap_or_default();
    let start = match &listed {
        Ok(_) => doctor::may_start(id, asker, &permissions(arm, id, &clusters, limit).await),
        Err(_) => Finding::new("start-right", Standing::Unknown, "not asked: the clusters could not be read")
            .about(id),
    };
    vec![
        doctor::arm_read(id, &listed),
        start,
        doctor::locks(id, &clusters, &locks),
        doctor::denials(id, &clusters, asker, &denials),
    ]
}

/// What the identity may do in each resource group that has clusters.
async fn permissions(
    arm: &Arm,
    id: &SubscriptionId,
    clusters: &[doctor::Listed],
    limit: Duration,
) -> Vec<(String, Result<Vec<Value>, Unread>)> {
    let asked = doctor::groups(clusters).into_iter().map(|group| async move {
        let path = ["subscriptions", id.as_str(), "resourceGroups", &group, "providers"];
        let path = [&path[..], &["Microsoft.Authorization", "permissions"]].concat();
        let read = arm.rows(id, &path, AUTHORIZATION_API, limit).await;
        (group, read)
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
