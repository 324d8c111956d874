//! What people get: a sink that remembers its messages, and that can be down or silent.

use std::sync::{Arc, Mutex};

use aks_stop_guard::domain::{Incident, IncidentState};
use aks_stop_guard::incident::{Delivered, DeliveryError, Sink};
use async_trait::async_trait;
use jiff::Timestamp;

use crate::probe::Probe;

/// What a sink got, and what it should say.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub(crate) messages: Mutex<Vec<Incident>>,
    pub(crate) down: Mutex<bool>,
    /// It never answers, and gets nothing.
    pub(crate) silent: Mutex<bool>,
}

impl Inbox {
    /// State and id of each message.
    pub(crate) fn got(&self) -> Vec<(IncidentState, String)> {
        let messages = self.messages.lock().unwrap();
        messages.iter().map(|incident| (incident.state, incident.id.clone())).collect()
    }
}

/// It, as a process has it.
pub(crate) struct InboxSink {
    name: &'static str,
    inbox: Arc<Inbox>,
    probe: Arc<Probe>,
}

impl InboxSink {
    pub(crate) fn new(name: &'static str, inbox: &Arc<Inbox>, probe: &Arc<Probe>) -> Self {
        Self { name, inbox: Arc::clone(inbox), probe: Arc::clone(probe) }
    }
}

#[async_trait]
impl Sink for InboxSink {
    fn name(&self) -> &str {
        self.name
    }

    async fn deliver(&self, incident: &Incident, _now: Timestamp) -> Result<Delivered, DeliveryError> {
        self.probe.before(&format!("tell {}", incident.state.as_str())).await;
        if *self.inbox.silent.lock().unwrap() {
            std::future::pending::<()>().await;
        }
        if *self.inbox.down.lock().unwrap() {
            return Err(DeliveryError::Retry { after: None, why: "it is down".to_owned() });
        }
        for _ in 0..=usize::from(self.probe.is_twice()) {
            self.inbox.messages.lock().unwrap().push(incident.clone());
        }
        self.probe.after_effect().await;
        Ok(Delivered { status: 200, reference: Some(format!("{}/{}", self.name, incident.id)) })
    }
}
