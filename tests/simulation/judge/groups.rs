//! Promise 3 for incidents that come too many at once: each is in its group until it is over.

use std::collections::BTreeMap;

use aks_stop_guard::case::Closing;
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;

use super::{Judge, Promise};

/// What the groups said of incidents.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// By sink and incident, whether it is over.
    said: BTreeMap<(String, String), bool>,
    /// By sink, the incidents of its open group that are not over.
    unsettled: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Stored {
    open: Option<Open>,
}

#[derive(Deserialize)]
struct Open {
    rows: BTreeMap<String, Row>,
}

#[derive(Deserialize)]
struct Row {
    ended: bool,
}

impl Judge {
    /// A bulletin was written; of a group, what it says of its incidents is noted.
    pub(super) fn on_group(&mut self, path: &str, bytes: &Bytes) {
        let Some(sink) = path.strip_prefix("bulletins/group-").and_then(|rest| rest.strip_suffix(".json"))
        else {
            return;
        };
        let open = serde_json::from_slice::<Stored>(bytes).ok().and_then(|stored| stored.open);
        self.groups.unsettled.remove(sink);
        let Some(open) = open else { return };
        let unsettled = open.rows.iter().filter(|(_, row)| !row.ended).map(|(incident, _)| incident.clone());
        self.groups.unsettled.insert(sink.to_owned(), unsettled.collect());
        for (incident, row) in open.rows {
            let known = self.groups.said.entry((sink.to_owned(), incident)).or_default();
            *known |= row.ended;
        }
    }

    /// Whether every group is over, or waits for a case that is held. When faults are over that takes no longer than a group looks for
    /// cases that are gone, an hour.
    pub(super) fn check_groups_end(&mut self, now: Timestamp, calm: Timestamp) -> bool {
        let at_hand: Vec<&str> = self
            .clusters
            .values()
            .filter_map(|known| Some(known.record.as_ref()?.case_id()?.as_str()))
            .collect();
        let waits = |incident: &String| at_hand.iter().any(|case| incident.starts_with(case));
        let left = self.groups.unsettled.iter().find(|(_, incidents)| !incidents.iter().any(waits));
        let Some((sink, incidents)) = left.map(|(sink, incidents)| (sink.clone(), incidents.clone())) else {
            return true;
        };
        let settled_by = self.clusters.values().filter_map(|known| known.disturbed).max().max(Some(calm));
        let deadline = settled_by.unwrap_or(calm) + self.times.degraded_every * 2;
        if now > deadline && !self.silent {
            self.breaks(Promise::Grouped, now, || format!("the group of {sink} does not end: {incidents:?}"));
        }
        false
    }

    /// A case leaves its record: its groups know by then how it ended.
    pub(super) fn check_groups_know(&mut self, closing: &Closing, now: Timestamp) {
        for row in &closing.groups {
            for sink in &row.sinks {
                if self.groups.said.get(&(sink.clone(), row.incident.clone())) != Some(&true) {
                    let incident = &row.incident;
                    self.breaks(Promise::Grouped, now, || {
                        format!("the group of {sink} does not know that {incident} is over")
                    });
                }
            }
        }
    }
}
