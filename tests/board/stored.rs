//! Cases in a state, made of the stored records of version 1: at times of late, of many clusters, with hostile texts in every field.

use aks_stop_guard::case::Record;
use aks_stop_guard::domain::ClusterId;
use aks_stop_guard::store::{CasePath, OpenMarker, StatePath, Store};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// When the stored records begin.
const BEGUN: &str = "2026-09-14T18:00:00Z";
/// Values of these members are words of the record's own, ids and digests: nobody outside chooses them.
const OWN_WORDS: [&str; 17] = [
    "id",
    "resource_id",
    "kind",
    "mode",
    "source",
    "is",
    "why",
    "state",
    "severity",
    "outcome",
    "phase",
    "verdict",
    "last_situation",
    "writer",
    "nonce",
    "provisioning",
    "power",
];

/// Which stored record a case is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Being restarted; a sink lacks a message.
    Restarting,
    /// Waits for people.
    Held,
    /// Over: restored.
    Restored,
}

/// A case that began at some time.
pub(crate) struct Made {
    pub(crate) record: Record,
    pub(crate) marker: OpenMarker,
}

/// The `n`-th cluster's case, with this text in every field that others fill.
pub(crate) fn made(kind: Kind, n: usize, begun: Timestamp, text: Option<&str>) -> Made {
    let stored = match kind {
        Kind::Restarting => include_str!("../records/v1_told.json"),
        Kind::Held => include_str!("../records/v1_held.json"),
        Kind::Restored => include_str!("../records/v1_closing.json"),
    };
    let name = format!("aks-prod-{n:04}");
    let mut record: Value = serde_json::from_str(&stored.replace("aks-prod-01", &name)).unwrap();
    let cluster = ClusterId::parse(record["resource_id"].as_str().unwrap()).unwrap();
    let marker = OpenMarker { key: cluster.key(), generation: u64::try_from(begun.as_second()).unwrap() };
    let id = format!("{}-{}", marker.key, marker.generation);
    let shift = begun.duration_since(BEGUN.parse().unwrap());
    let change = |value: &mut Value| {
        each_text(value, "", &mut |member, found| {
            if let Ok(time) = found.parse::<Timestamp>() {
                *found = (time + shift).to_string();
            } else if found.contains("-1789408810") {
                found.clone_from(&id);
            } else if let Some(text) = text
                && !OWN_WORDS.contains(&member)
            {
                *found = text.to_owned();
            }
        });
    };
    let body = record.pointer_mut("/closing/body").map(Value::take);
    change(&mut record);
    record["gen"] = marker.generation.into();
    if let Some(body) = body {
        let mut body: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
        change(&mut body);
        record["closing"]["body"] = body.to_string().into();
    }
    let record = Record::decode(record.to_string().as_bytes()).unwrap();
    Made { record, marker }
}

/// Each text, with the name of the member that it is in.
fn each_text(value: &mut Value, member: &str, change: &mut impl FnMut(&str, &mut String)) {
    match value {
        Value::String(text) => change(member, text),
        Value::Array(values) => values.iter_mut().for_each(|value| each_text(value, member, change)),
        Value::Object(members) => {
            members.iter_mut().for_each(|(member, value)| each_text(value, member, change));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Made {
    pub(crate) fn id(&self) -> String {
        format!("{}-{}", self.marker.key, self.marker.generation)
    }

    /// Stores it: an open one with its marker, a closed one in the archive.
    pub(crate) async fn put(&self, store: &Store) {
        let mut record = self.record.clone();
        if let aks_stop_guard::case::Episode::Closing(closing) = record.episode.clone() {
            let path = CasePath::new(&self.marker, closing.closed_at);
            store.archive(&path, closing.body).await.unwrap();
            record.episode = aks_stop_guard::case::Episode::None;
        } else {
            let open = StatePath::open_marker(&self.marker);
            store.put(&open, record.cluster.lower().to_owned()).await.unwrap();
        }
        store.put(&StatePath::cluster(&self.marker.key), record.encode().unwrap()).await.unwrap();
    }
}

/// So many cases: of ten, six are being restarted, one waits for people and three are over. The newest began a minute ago.
pub(crate) async fn put_many(store: &Store, count: usize, now: Timestamp) {
    let put = (0..count).map(|n| async move {
        let kind = match n % 10 {
            0 => Kind::Held,
            1..=6 => Kind::Restarting,
            _ => Kind::Restored,
        };
        let hours = if matches!(kind, Kind::Restored) { i64::try_from(n).unwrap() / 2 } else { 0 };
        let ago = SignedDuration::from_secs(600 + i64::try_from(n).unwrap() * 7)
            + SignedDuration::from_hours(hours);
        made(kind, n, now - ago, None).put(store).await;
    });
    futures::StreamExt::for_each_concurrent(futures::stream::iter(put), 16, |put| put).await;
}

/// A heartbeat of now.
pub(crate) async fn put_heartbeat(store: &Store, now: Timestamp) {
    let version = env!("CARGO_PKG_VERSION");
    let beat = format!(
        r#"{{"v":1,"at":"{now}","open":2,"due":0,"held":1,"oldestSeconds":60,"discovered":0,"failed":0,"mode":"act","degraded":false,"version":"{version}"}}"#
    );
    store.put(&StatePath::heartbeat(), beat).await.unwrap();
}
