//! Carries the events of the world to Event Grid, as Azure Resource Manager does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::task::JoinHandle;

use crate::delivery::{EventGrid, Schema};
use crate::host::Queues;
use crate::http::{Azure, now};
use crate::world::{ClusterId, Deed, ResourceEvent};

/// Between two looks whether the world has events. Far below any of Azure's lags, even divided by a speed-up.
const EVERY: Duration = Duration::from_millis(20);

/// One event subscription: the events of an Azure subscription, in one schema.
#[derive(Debug, Clone)]
pub(super) struct Topic {
    pub(super) destination: Destination,
    pub(super) schema: Schema,
}

/// Where the events of a topic go.
#[derive(Debug, Clone)]
pub(super) enum Destination {
    /// Deliveries to a webhook, again and again until they are taken.
    Webhook(EventGrid),
    /// Messages in a storage queue, one an event. Writing them never fails here.
    Queue { queues: Queues, name: String, encoding: Encoding, copies: usize },
}

/// How Event Grid writes an event into a queue: both are reported (MicrosoftDocs/azure-docs issues 69702 and 102923).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// In base64.
    Base64,
}

/// By lower-cased Azure subscription.
pub(super) type Topics = BTreeMap<String, Topic>;

/// The first stop event of each cluster, to be sent once more.
type FirstStops = BTreeMap<ClusterId, ResourceEvent>;

/// Runs until it is dropped.
#[derive(Debug)]
pub(super) struct Pump {
    topics: Arc<Topics>,
    first_stops: Arc<Mutex<FirstStops>>,
    task: JoinHandle<()>,
}

impl Pump {
    pub(super) fn start(azure: Arc<Azure>, topics: Topics) -> Self {
        let topics = Arc::new(topics);
        let first_stops: Arc<Mutex<FirstStops>> = Arc::default();
        let task = tokio::spawn({
            let (topics, first_stops) = (Arc::clone(&topics), Arc::clone(&first_stops));
            async move {
                loop {
                    let events = azure.world().take_events(now());
                    for event in events {
                        publish(&topics, &event);
                        if event.deed == Deed::Stop {
                            let mut first = first_stops.lock().unwrap_or_else(PoisonError::into_inner);
                            first.entry(event.cluster.clone()).or_insert(event);
                        }
                    }
                    tokio::time::sleep(EVERY).await;
                }
            }
        });
        Self { topics, first_stops, task }
    }

    /// Sends the first stop event of a cluster once more, the same in every byte, and answers its id. None if there was
    /// none.
    pub(super) fn repeat_first_stop(&self, cluster: &ClusterId) -> Option<String> {
        let first_stops = self.first_stops.lock().unwrap_or_else(PoisonError::into_inner);
        let first = first_stops.get(cluster)?;
        publish(&self.topics, first);
        Some(first.id.clone())
    }

    /// The first stop event of a cluster, if it has come.
    pub(super) fn first_stop(&self, cluster: &ClusterId) -> Option<ResourceEvent> {
        self.first_stops.lock().unwrap_or_else(PoisonError::into_inner).get(cluster).cloned()
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
    let written = match topic.schema {
        Schema::EventGrid => event.event_grid(),
        Schema::CloudEvents => event.cloud_event(),
    };
    match &topic.destination {
        Destination::Webhook(grid) => grid.publish(vec![written]),
        Destination::Queue { queues, name, encoding, copies } => {
            let text = match encoding {
                Encoding::Plain => written.to_string(),
                Encoding::Base64 => BASE64_STANDARD.encode(written.to_string()),
            };
            (0..*copies).for_each(|_| queues.put(name, text.clone()));
        }
    }
}
