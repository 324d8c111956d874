//! Carries the events of the world to Event Grid, as Azure Resource Manager does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::delivery::{EventGrid, Schema};
use crate::http::{Azure, now};
use crate::world::{ClusterId, Deed, ResourceEvent};

/// Between two looks whether the world has events. Far below any of Azure's lags, even divided by a speed-up.
const EVERY: Duration = Duration::from_millis(20);

/// One event subscription: the events of an Azure subscription, in one schema.
#[derive(Debug, Clone)]
pub(super) struct Topic {
    pub(super) grid: EventGrid,
    pub(super) schema: Schema,
}

/// By lower-cased Azure subscription.
pub(super) type Topics = BTreeMap<String, Topic>;

/// Runs until it is dropped.
#[derive(Debug)]
pub(super) struct Pump {
    topics: Arc<Topics>,
    published: Arc<Mutex<Vec<ResourceEvent>>>,
    task: JoinHandle<()>,
}

impl Pump {
    pub(super) fn start(azure: Arc<Azure>, topics: Topics) -> Self {
        let topics = Arc::new(topics);
        let published: Arc<Mutex<Vec<ResourceEvent>>> = Arc::default();
        let task = tokio::spawn({
            let (topics, published) = (Arc::clone(&topics), Arc::clone(&published));
            async move {
                loop {
                    let events = azure.world().take_events(now());
                    for event in events {
                        publish(&topics, &event);
                        published.lock().unwrap_or_else(PoisonError::into_inner).push(event);
                    }
                    tokio::time::sleep(EVERY).await;
                }
            }
        });
        Self { topics, published, task }
    }

    /// Sends the first stop event of a cluster once more, the same in every byte, and answers its id. None if there was
    /// none.
    pub(super) fn repeat_first_stop(&self, cluster: &ClusterId) -> Option<String> {
        let published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        let first = published.iter().find(|event| event.cluster == *cluster && event.deed == Deed::Stop)?;
        publish(&self.topics, first);
        Some(first.id.clone())
    }

    pub(super) fn topics(&self) -> &Topics {
        &self.topics
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Does nothing if nobody subscribes to it.
fn publish(topics: &Topics, event: &ResourceEvent) {
    let Some(topic) = topics.get(&event.cluster.subscription.to_ascii_lowercase()) else { return };
    topic.grid.publish(vec![match topic.schema {
        Schema::EventGrid => event.event_grid(),
        Schema::CloudEvents => event.cloud_event(),
    }]);
}
