//! What came of it, as the world and the webhook receiver show it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::sink::{Delivery, Signature};

/// One incident: what its newest message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// The same for all messages of it.
    pub id: String,
    /// `opened`, `updated` or `resolved`.
    pub state: String,
    /// `info` to `critical`.
    pub severity: String,
    /// What is left for people to do.
    pub next: Vec<String>,
    /// Names of the clusters that it lists.
    pub clusters: Vec<String>,
    /// The states of all its messages, in the order of their numbers, each once.
    pub states: Vec<String>,
}

/// One message of an incident, as it came.
#[derive(Debug, Clone)]
pub struct Message<'a>(&'a Value);

impl<'a> Message<'a> {
    /// The message in a delivery; none if it is not an incident's.
    #[must_use]
    pub fn of(delivery: &'a Delivery) -> Option<Self> {
        let data = delivery.body.get("data")?;
        data.get("incident")?;
        Some(Self(data))
    }

    /// A text, by its path in `data`; empty if there is none.
    #[must_use]
    pub fn text(&self, path: &str) -> &'a str {
        self.0.pointer(path).and_then(Value::as_str).unwrap_or_default()
    }

    /// A list of texts, by its path in `data`.
    #[must_use]
    pub fn list(&self, path: &str) -> Vec<&'a str> {
        let list = self.0.pointer(path).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Name and status of each cluster that is listed.
    #[must_use]
    pub fn clusters(&self) -> Vec<(&'a str, &'a str)> {
        let list = self.0.get("clusters").and_then(Value::as_array);
        let member = |cluster: &'a Value, name: &str| cluster.get(name).and_then(Value::as_str);
        list.into_iter().flatten().filter_map(|c| Some((member(c, "name")?, member(c, "status")?))).collect()
    }

    fn sequence(&self) -> u64 {
        self.0.get("sequence").and_then(Value::as_u64).unwrap_or_default()
    }
}

/// The incidents that were told, by id. A message that came twice counts once.
#[must_use]
pub fn incidents(deliveries: &[Delivery]) -> Vec<Incident> {
    let mut messages: BTreeMap<&str, BTreeMap<u64, Message<'_>>> = BTreeMap::new();
    for message in accepted(deliveries).filter_map(Message::of) {
        messages.entry(message.text("/incident")).or_default().insert(message.sequence(), message);
    }
    let newest = |(id, messages): (&str, BTreeMap<u64, Message<'_>>)| {
        let states = messages.values().map(|message| message.text("/state").to_owned()).collect();
        let (_, last) = messages.into_iter().next_back()?;
        Some(Incident {
            id: id.to_owned(),
            state: last.text("/state").to_owned(),
            severity: last.text("/severity").to_owned(),
            next: last.list("/next").into_iter().map(str::to_owned).collect(),
            clusters: last.clusters().into_iter().map(|(name, _)| name.to_owned()).collect(),
            states,
        })
    };
    messages.into_iter().filter_map(newest).collect()
}

/// Deliveries whose signature is not valid.
#[must_use]
pub fn badly_signed(deliveries: &[Delivery]) -> usize {
    deliveries.iter().filter(|delivery| delivery.signature != Signature::Good).count()
}

fn accepted(deliveries: &[Delivery]) -> impl Iterator<Item = &Delivery> {
    deliveries.iter().filter(|delivery| delivery.answered.is_some_and(|status| (200..300).contains(&status)))
}
